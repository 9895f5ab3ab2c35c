from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

import psycopg
import pytest
from engine_kit import until
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import insert, text

from towpath_core.errors import Invalid, SettingsError, Unavailable
from towpath_engine.clock import new_id, now
from towpath_engine.store.address import driver_url
from towpath_engine.store.database import Database, DatabaseUnavailable, Listener, stop_tasks
from towpath_engine.store.patience import patience, patient
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio


def audit_row(**changed):
    row = {"at": now(), "actor": "a", "action": "b", "subject": "c", "detail": {}}
    return insert(AUDIT).values(**(row | changed))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_gets_the_driver(scheme):
    assert driver_url(f"{scheme}://u@h/d") == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize("url", ["", "mysql://x", "sqlite:///x", "/var/lib"])
def test_a_url_of_something_else_is_refused_without_being_shown(url):
    with pytest.raises(SettingsError) as caught:
        driver_url(url)
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:s3cr3t@h:port/d", "postgresql://u:s3cr3t%zz@h/d", "postgres://u:s3cr3t@[h/d"],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_shown(url):
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        driver_url(url)
    assert "s3cr3t" not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_every_connection_gives_a_server_up_that_is_gone(database_url):
    given = conninfo_to_dict(patient(database_url))
    assert given == {
        **conninfo_to_dict(database_url),
        "connect_timeout": "10",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    }
    own = patience("postgresql://u@h/d?connect_timeout=3&keepalives_idle=60")
    assert "connect_timeout" not in own
    assert "keepalives_idle" not in own
    assert own["tcp_user_timeout"] == 15000


async def test_an_error_rolls_back(database):
    with pytest.raises(RuntimeError):
        async with database.begin() as transaction:
            await transaction.execute(audit_row())
            raise RuntimeError
    async with database.begin() as transaction:
        assert (await transaction.execute(text("SELECT count(*) FROM audit"))).scalar_one() == 0


@pytest.mark.parametrize("value", ["nul\0", "half \ud800"])
async def test_a_text_that_cannot_be_stored_is_invalid_and_not_shown(database, value):
    with pytest.raises(Invalid) as caught:
        async with database.begin() as transaction:
            await transaction.execute(audit_row(subject=value))
    assert value not in str(caught.value)


async def test_a_transaction_that_is_left_alone_keeps_nothing_locked(database):
    async with database.begin() as transaction:
        await transaction.execute(audit_row())
    lock = text("SELECT count(*) FROM (SELECT 1 FROM audit FOR UPDATE) locked")
    async with Database(database.url, pool_size=1, hold_seconds=0.3) as sleeper:
        with pytest.raises(DatabaseUnavailable):
            async with sleeper.begin() as transaction:
                await transaction.execute(audit_row(subject="late"))
                assert (await transaction.execute(lock)).scalar_one() == 2
                # Waits for the row until the server has ended the sleeper's transaction.
                async with database.begin() as other:
                    assert (await other.execute(lock)).scalar_one() == 1

        async def works_again():
            # On a busy machine this transaction, too, may be left alone for too long.
            with contextlib.suppress(DatabaseUnavailable):
                async with sleeper.begin() as transaction:
                    return (await transaction.execute(lock)).scalar_one() == 1

        await until(works_again)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    database = Database(f"postgresql://u:canary-password@/nothing?host={tmp_path}")
    with pytest.raises(DatabaseUnavailable) as caught:
        async with database.begin():
            pass
    assert caught.value.why
    assert "canary-password" not in str(caught.value)
    await database.close()


async def test_a_session_that_is_ended_by_the_server_is_unavailable_and_the_next_one_works(
    database, engine_url
):
    with pytest.raises(Unavailable):
        async with database.begin() as transaction:
            pid = (await transaction.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            with psycopg.connect(engine_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            await transaction.execute(text("SELECT 1"))
    async with database.begin() as transaction:
        assert (await transaction.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_pool_that_is_used_up_is_unavailable(engine_url, monkeypatch):
    database = Database(engine_url, pool_size=1)
    monkeypatch.setattr(database._engine.pool, "_timeout", 0.05)
    async with database.begin(), database.begin():
        with pytest.raises(DatabaseUnavailable, match="in use"):
            async with database.begin():
                pass
    await database.close()


async def test_our_own_mistake_is_not_called_unavailable(database):
    with pytest.raises(Exception, match="syntax error") as caught:
        async with database.begin() as transaction:
            await transaction.execute(text("SELEKT 1"))
    assert not isinstance(caught.value, Unavailable)


def test_ids_sort_by_time_and_are_of_version_7():
    made = [new_id() for _ in range(50)]
    assert len(set(made)) == 50
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {"specified in RFC 4122"}
    stamps = [one.int >> 80 for one in made]
    assert stamps == sorted(stamps)


class Heard:
    def __init__(self):
        self.payloads = []
        self.fail = False

    async def __call__(self, payload):
        self.payloads.append(payload)
        if self.fail:
            raise RuntimeError("a fault of the handler")


async def notify(database, channel, payload):
    async with database.begin() as transaction:
        await transaction.execute(text("SELECT pg_notify(:c, :p)"), {"c": channel, "p": payload})


async def listener_pid(database):
    async with database.begin() as transaction:
        query = text(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND query IN ('LISTEN \"c\"', 'SELECT 1')"
        )
        return (await transaction.execute(query)).scalar_one_or_none()


async def test_a_listener_hears_and_looks_up_once_at_the_start(database):
    heard = Heard()
    listener = Listener(database.url, {"c": heard})
    await listener.start()
    assert listener.connected
    assert heard.payloads == [""]
    await notify(database, "c", "one")
    await notify(database, "other", "not this")
    await notify(database, "c", "two")
    await until(lambda: len(heard.payloads) == 3)
    assert heard.payloads == ["", "one", "two"]
    await listener.stop()


async def test_a_fault_of_a_handler_does_not_end_the_listening(database):
    heard = Heard()
    heard.fail = True
    listener = Listener(database.url, {"c": heard})
    await listener.start()
    await notify(database, "c", "one")
    await notify(database, "c", "two")
    await until(lambda: heard.payloads == ["", "one", "two"])
    await listener.stop()


async def test_a_lost_connection_is_made_again_and_looked_up(database, engine_url):
    heard = Heard()
    listener = Listener(database.url, {"c": heard})
    await listener.start()
    pid = await listener_pid(database)
    with psycopg.connect(engine_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    await notify(database, "c", "while nobody listened")
    await until(lambda: heard.payloads[1:] == [""])
    await until(lambda: listener.connected)
    await notify(database, "c", "again")
    await until(lambda: heard.payloads[-1] == "again")
    await listener.stop()


class DeafProxy:
    """Passes bytes on until it goes deaf: then it holds its connections and is silent."""

    def __init__(self, host, port):
        self._to = (host, port)
        self.deaf = False
        self.connections = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = []
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.connections += 1
        deaf = self.deaf
        there, back = await asyncio.open_connection(*self._to)

        async def pump(source, target):
            try:
                while data := await source.read(65536):
                    if self.deaf and not deaf:
                        await asyncio.sleep(3600)
                    target.write(data)
                    await target.drain()
            finally:
                target.close()

        self._tasks += [
            asyncio.create_task(pump(reader, back)),
            asyncio.create_task(pump(there, writer)),
        ]


async def test_a_connection_that_went_silent_is_noticed(pg_server, engine_url, monkeypatch):
    monkeypatch.setattr("towpath_engine.store.database._ANSWER_SECONDS", 1.0)
    admin = urlsplit(pg_server.admin_url())
    name = psycopg.conninfo.conninfo_to_dict(engine_url)["dbname"]
    async with DeafProxy("127.0.0.1", admin.port) as proxy:
        url = f"postgresql://{admin.username}:{admin.password}@127.0.0.1:{proxy.port}/{name}"
        heard = Heard()
        listener = Listener(url, {"c": heard}, beat_seconds=0.05)
        await listener.start()
        proxy.deaf = True
        await until(lambda: proxy.connections == 2)
        await until(lambda: heard.payloads == ["", ""])
        await listener.stop()


async def test_a_listener_without_a_server_goes_on_trying(tmp_path, capsys):
    listener = Listener(f"postgresql:///nothing?host={tmp_path}", {"c": Heard()})
    await listener.start(seconds=0.05)
    assert not listener.connected
    await listener.stop()
    await listener.stop()


async def test_a_task_that_loses_a_cancellation_is_stopped_all_the_same(monkeypatch):
    monkeypatch.setattr("towpath_engine.store.database._CANCEL_SECONDS", 0.01)
    lost = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if len(lost) == 2:
                    raise
                lost.append(True)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await stop_tasks(task)
    assert task.cancelled()
    assert len(lost) == 2
