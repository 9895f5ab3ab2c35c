"""The embedded server with real processes that are really killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from towpath_core.errors import SettingsError, Unavailable
from towpath_engine.store import embedded
from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.embedded_locks import exclusive
from towpath_engine.store.embedded_process import postmaster

CHILD = """
import sys
from pathlib import Path
from towpath_engine.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
server.start()
print("started" if server.started_here else "attached", flush=True)
sys.stdin.readline()
print(server.stop(), flush=True)
"""


def kill_servers(folder: Path) -> None:
    """End what a failed test left running."""
    for data in folder.rglob("data"):
        if (running := postmaster(data)) and running.alive:
            os.kill(running.pid, signal.SIGKILL)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A short path (unix sockets need it) that the server's account can reach when we are root."""
    base = Path("/tmp" if sys.platform == "darwin" else tempfile.gettempdir()).resolve()
    folder = Path(tempfile.mkdtemp(prefix="tw-", dir=base))
    folder.chmod(0o711)
    yield folder
    kill_servers(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    with short_folder() as folder:
        EmbeddedServer(folder / "pg").__enter__().stop()
        yield folder / "pg"


@pytest.fixture
def made(seed: Path) -> Iterator[Path]:
    """The folder of a server that was started before and is down; tests leave their tables."""
    yield seed
    kill_servers(seed)


class Child:
    """Another process that uses the server; every word of it is awaited."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hears(self, word: str = "go") -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def says(self) -> str:
        assert self.process.stdout
        # Log lines of the server go to standard output, too.
        for line in self.process.stdout:
            if line.strip() in {"ready", "started", "attached", "True", "False"}:
                return line.strip()
        raise AssertionError("the child ended without a word")

    def start(self) -> str:
        assert self.says() == "ready"
        self.hears()
        return self.says()

    def stop(self) -> str:
        self.hears()
        word = self.says()
        self.close()
        return word

    def kill_group(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        with self.process:
            pass


def ask(server: EmbeddedServer, query: str, database: str = "towpath") -> str:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def is_up(server: EmbeddedServer) -> bool:
    try:
        return ask(server, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def test_the_first_start_makes_a_durable_private_server_and_later_ones_keep_its_data(
    home: Path,
) -> None:
    folder = home / "deep" / "pg"
    with EmbeddedServer(folder) as server:
        assert (server.started_here, server.attached) == (True, False)
        ask(server, "CREATE TABLE kept AS SELECT 'yes' AS answer")
        for name, value in {
            "server_version": "18",
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "server_encoding": "UTF8",
        }.items():
            assert ask(server, f"SHOW {name}").startswith(value)
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.stat().st_mode) & 0o066 == 0
        assert server.socket_dir.is_relative_to(folder)
    assert not is_up(server)
    with EmbeddedServer(folder) as again:
        assert ask(again, "SELECT answer FROM kept") == "yes"


def test_text_is_sorted_by_code_point_wherever_it_runs(made: Path) -> None:
    with EmbeddedServer(made) as server:
        query = "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,a,B,_,é,Z}'::text[]) x"
        assert ask(server, query) == "BZ_abé"
        assert ask(server, "SELECT upper('é')") == "É"


def test_a_second_process_attaches_and_the_last_one_ends_the_server(made: Path) -> None:
    other = Child(made)
    assert other.start() == "started"
    server = EmbeddedServer(made)
    server.start()
    assert server.attached and not server.started_here
    assert other.stop() == "False"
    assert is_up(server)
    assert server.stop() is True
    assert not is_up(server)
    assert server.stop() is False


def test_the_server_outlives_a_killed_process_group_and_is_found_again(made: Path) -> None:
    other = Child(made)
    other.start()
    server = EmbeddedServer(made)
    server.start()
    ask(server, "CREATE TABLE seven AS SELECT 7 AS answer")
    assert server.stop() is False
    other.kill_group()
    # Nobody uses it now, and it still runs. The dead do not count: who comes is the last.
    server.start()
    assert server.attached
    assert ask(server, "SELECT answer FROM seven") == "7"
    assert server.stop() is True


def test_processes_that_start_at_once_get_one_server(home: Path) -> None:
    children = [Child(home / "pg") for _ in range(4)]
    for child in children:
        assert child.says() == "ready"
    for child in children:
        child.hears()
    assert sorted(child.says() for child in children) == ["attached"] * 3 + ["started"]
    # Each stops in turn; only the last of them ends the server.
    assert [child.stop() for child in children] == ["False"] * 3 + ["True"]


def test_what_was_committed_survives_a_killed_postmaster(made: Path) -> None:
    server = EmbeddedServer(made)
    server.start()
    ask(server, "CREATE TABLE numbers (n int)")
    session = psycopg.connect(server.url(), autocommit=True)
    for n in range(100):
        session.execute("INSERT INTO numbers VALUES (%s)", [n])
    running = postmaster(server.data_dir)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    with EmbeddedServer(made) as again:
        assert again.started_here
        assert ask(again, "SELECT count(*) FROM numbers") == "100"
        session.close()
        assert server.stop() is False
        assert is_up(again)


def test_a_pid_that_another_program_has_by_now_is_no_server(made: Path) -> None:
    with EmbeddedServer(made) as server:
        pid_file = server.data_dir / "postmaster.pid"
        text = pid_file.read_text()
    _, _, rest = text.partition("\n")
    pid_file.write_text(f"{os.getpid()}\n{rest}")
    shutil.chown(pid_file, server.data_dir.stat().st_uid)
    with EmbeddedServer(made) as again:
        assert again.started_here and is_up(again)


def test_an_interrupted_initdb_is_done_again(home: Path) -> None:
    for number in range(5):
        folder = home / str(number)
        other = Child(folder)
        assert other.says() == "ready"
        other.hears()
        while not list(folder.glob("data.new-*/PG_VERSION")) and not (folder / "data").exists():
            time.sleep(0.002)
        other.kill_group()
        if not (folder / "data").exists():
            break  # else it was too quick for us
    assert not (folder / "data").exists()
    with EmbeddedServer(folder) as server:
        assert server.started_here and is_up(server)


def test_data_of_another_major_version_are_refused_untouched(home: Path) -> None:
    data = home / "pg" / "data"
    data.mkdir(parents=True)
    (home / "pg").chmod(0o711)
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(SettingsError, match=r"PostgreSQL 15; this is 18.*pg_dumpall 15"):
        EmbeddedServer(home / "pg").start()
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_a_path_too_long_for_a_socket_is_told_before_anything_is_made(home: Path) -> None:
    folder = home / ("x" * 100)
    with pytest.raises(SettingsError, match="TOWPATH_HOME"):
        EmbeddedServer(folder).start()
    assert not (folder / "data").exists()


def test_a_failed_start_tells_the_end_of_the_log_and_leaves_nobody_behind(made: Path) -> None:
    broken = EmbeddedServer(made, options={"shared_buffers": "plenty"})
    with pytest.raises(Unavailable, match='invalid value for parameter "shared_buffers"'):
        broken.start()
    with EmbeddedServer(made) as server:
        assert server.started_here and is_up(server)
    assert not is_up(server)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_a_settings_error(home: Path, name: str) -> None:
    (home / "file").write_text("mine")
    with pytest.raises(SettingsError, match="TOWPATH_HOME"):
        EmbeddedServer(home / name).start()
    assert (home / "file").read_text() == "mine"


def test_somebody_who_hangs_while_starting_is_not_waited_for_for_ever(home: Path) -> None:
    (home / "pg").mkdir()
    with (
        exclusive(home / "pg" / "start.lock", seconds=1),
        pytest.raises(Unavailable, match="Another process"),
    ):
        EmbeddedServer(home / "pg", timeout=0.05).start()


def test_over_tcp_only_the_password_lets_in(made: Path) -> None:
    server = EmbeddedServer(made, listen=("127.0.0.1", 0))
    with server:
        url = server.admin_url()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT inet_server_addr()").fetchone()
        password = (made / "superuser.password").read_text().strip()
        assert stat.S_IMODE((made / "superuser.password").stat().st_mode) == 0o600
        assert password in url
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url.replace(password, "guess"))
        assert is_up(server)
    with server:
        assert server.admin_url().split(":")[2] == url.split(":")[2]
    assert password not in (made / "server.log").read_text()


def test_a_free_port_that_is_taken_before_the_server_has_it_is_another_one(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = embedded._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = iter([port])
        monkeypatch.setattr(embedded, "_free_port", lambda address: next(found, 0) or free(address))
        with EmbeddedServer(made, listen=("127.0.0.1", 0)) as server:
            psycopg.connect(server.admin_url()).close()
            assert f":{port}/" not in server.admin_url()
        with pytest.raises(Unavailable, match="TCP/IP"):
            EmbeddedServer(made, listen=("127.0.0.1", port)).start()


def test_tcp_comes_by_a_restart_when_nobody_else_is_there(made: Path) -> None:
    alone = EmbeddedServer(made)
    alone.start()
    with pytest.raises(SettingsError, match="others use it"):
        EmbeddedServer(made, listen=("127.0.0.1", 0)).start()
    with pytest.raises(SettingsError, match="does not listen"):
        alone.admin_url()
    assert is_up(alone)
    alone.stop()
    other = Child(made)
    other.start()
    other.kill_group()
    with EmbeddedServer(made, listen=("127.0.0.1", 0)) as server:
        assert server.started_here
        psycopg.connect(server.admin_url()).close()


def test_other_roles_have_no_way_into_the_platforms_database(made: Path) -> None:
    with EmbeddedServer(made) as server:
        ask(server, "CREATE ROLE tenant LOGIN")
        for database in ("towpath", "postgres", "template1"):
            url = server.url(database).replace("//towpath@", "//tenant@")
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url)


def test_a_forked_child_does_not_end_its_parents_server(made: Path) -> None:
    with EmbeddedServer(made) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: we know
            child = os.fork()
        if child == 0:
            os._exit(int(server.stop()))
        assert os.waitpid(child, 0)[1] == 0
        assert is_up(server)
