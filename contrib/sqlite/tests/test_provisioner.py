from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Invalid, SettingsError
from towpath_core.testing import RecordingTools
from towpath_sqlite.database import APPLICATION_ID
from towpath_sqlite.folder import file_name
from towpath_sqlite.plugin import towpath_provisioners
from towpath_sqlite.provisioner import SqliteProvisioner, default_folder


def ask_sql(path, sql):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchone()[0]


def files(folder):
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


def test_apply_makes_one_marked_file(backend, folder, ask):
    request = ask()

    applied = backend.apply(request, RecordingTools())

    path = applied.outputs["path"]
    assert files(folder) == [Path(path).name] == [file_name(request.resource_id, request.name)]
    assert Path(path).name.startswith("shop-orders-")
    assert ask_sql(path, "PRAGMA application_id") == APPLICATION_ID
    assert ask_sql(path, "PRAGMA user_version") == 0
    assert ask_sql(path, "PRAGMA journal_mode") == "wal"
    assert ask_sql(path, "SELECT resource_id FROM _towpath") == request.resource_id
    assert ask_sql(path, "PRAGMA integrity_check") == "ok"
    assert folder.stat().st_mode & 0o077 == 0


def test_nothing_touches_the_disk_before_apply(backend, folder, ask, handle):
    request = ask()

    assert [one.action for one in backend.plan(request)] == ["create"]
    assert backend.read(handle(request)) is None
    backend.delete(handle(request), RecordingTools())

    assert not folder.exists()


def test_apply_keeps_what_the_application_wrote(backend, ask):
    request = ask()
    path = backend.apply(request, RecordingTools()).outputs["path"]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER)")
        database.execute("PRAGMA user_version = 7")
        database.execute("INSERT INTO orders VALUES (1)")

    backend.apply(request, RecordingTools())

    assert ask_sql(path, "SELECT count(*) FROM orders") == 1
    assert ask_sql(path, "PRAGMA user_version") == 7


def test_changed_parameters_change_the_file(backend, ask, handle):
    before = ask()
    backend.apply(before, RecordingTools())
    after = ask(resource_id=before.resource_id, max_size_mib=128, journal_mode="delete")

    [change] = backend.plan(after)
    applied = backend.apply(after, RecordingTools())

    assert change.action == "update"
    assert change.detail == {
        "max_size_mib": {"from": 64, "to": 128},
        "journal_mode": {"from": "wal", "to": "delete"},
    }
    assert applied == backend.read(handle(after))
    assert applied.outputs["journal_mode"] == "delete"
    assert [one.action for one in backend.plan(after)] == ["none"]


def test_a_new_name_finds_the_old_file(backend, folder, ask):
    before = ask("Shop orders")
    first = backend.apply(before, RecordingTools())
    after = ask("Webshop", resource_id=before.resource_id)

    assert backend.apply(after, RecordingTools()) == first
    assert len(files(folder)) == 1


def test_a_limit_below_the_content_is_invalid(backend, ask):
    request = ask(max_size_mib=4)
    path = backend.apply(request, RecordingTools()).outputs["path"]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE blobs (content BLOB)")
        database.execute("INSERT INTO blobs VALUES (zeroblob(2 * 1024 * 1024))")
    smaller = ask(resource_id=request.resource_id, max_size_mib=1)

    for call in (lambda: backend.plan(smaller), lambda: backend.apply(smaller, RecordingTools())):
        with pytest.raises(Invalid, match="does not fit into 1 MiB") as caught:
            call()
        assert caught.value.problems[0].place.pointer == "/parameters/max_size_mib"


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"max_size_mib": True}, "/parameters/max_size_mib"),
        ({"max_size_mib": "64"}, "/parameters/max_size_mib"),
        ({"max_size_mib": 0}, "/parameters/max_size_mib"),
        ({"max_size_mib": 10**30}, "/parameters/max_size_mib"),
        ({"max_size_mib": float("nan")}, "/parameters/max_size_mib"),
        ({"journal_mode": "off; DROP TABLE _towpath"}, "/parameters/journal_mode"),
        ({"journal_mode": None}, "/parameters/journal_mode"),
        ({"pages": 3}, "/parameters"),
    ],
)
def test_wrong_parameters_are_refused_with_their_place(backend, folder, ask, parameters, pointer):
    request = ask(**parameters)

    for call in (lambda: backend.plan(request), lambda: backend.apply(request, RecordingTools())):
        with pytest.raises(Invalid) as caught:
            call()
        assert caught.value.problems[0].place.pointer == pointer
    assert not folder.exists()


@pytest.mark.parametrize("id", ["", "../x", "a/b", "a\0b", "x" * 129, "-x", "é", "\ud800"])
def test_odd_resource_ids_are_refused(backend, folder, ask, handle, id):
    request = ask()
    odd = type(request)(id, request.name, request.offering, request.parameters, request.owner_ref)

    for call in (
        lambda: backend.plan(odd),
        lambda: backend.apply(odd, RecordingTools()),
        lambda: backend.read(handle(odd)),
    ):
        with pytest.raises(Invalid, match="resource id"):
            call()
    assert not folder.exists() or files(folder) == []


@given(name=st.text(max_size=300), id=st.uuids())
@settings(deadline=None, max_examples=60)
def test_a_file_name_is_a_plain_name_whatever_the_resource_is_called(name, id):
    made = file_name(str(id), name)

    assert made == Path(made).name
    assert made.isascii() and made.isprintable() and len(made) <= 64
    assert not made.startswith((".", "-"))


def test_ids_of_one_minute_do_not_share_a_file():
    ids = [f"0198c0de-0000-7000-8000-{number:012x}" for number in range(200)]

    assert len({file_name(id, "shop") for id in ids}) == 200


def test_credentials_open_the_database_and_hold_its_limit(backend, ask, handle):
    request = ask(max_size_mib=1)
    backend.apply(request, RecordingTools())

    first = backend.bind(handle(request), "one", RecordingTools())

    assert first == backend.bind(handle(request), "two", RecordingTools())
    with closing(sqlite3.connect(first.values["uri"], uri=True)) as database:
        database.executescript(first.values["setup"])
        database.execute("CREATE TABLE blobs (content BLOB)")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            database.execute("INSERT INTO blobs VALUES (zeroblob(2 * 1024 * 1024))")
    assert Path(first.values["path"]).stat().st_size <= 1024 * 1024


def test_uri_survives_an_odd_folder(tmp_path, ask, handle):
    backend = SqliteProvisioner(tmp_path / "a b?mode=ro#%41&é")
    request = ask()
    backend.apply(request, RecordingTools())

    given = backend.bind(handle(request), "one", RecordingTools())

    with closing(sqlite3.connect(given.values["uri"], uri=True)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    assert ask_sql(given.values["path"], "SELECT count(*) FROM orders") == 0


def test_delete_takes_the_side_files_along(backend, folder, ask, handle):
    kept, gone = ask(), ask()
    backend.apply(kept, RecordingTools())
    path = backend.apply(gone, RecordingTools()).outputs["path"]
    with closing(sqlite3.connect(path)) as open_elsewhere:
        open_elsewhere.execute("CREATE TABLE orders (id INTEGER)")
        assert {file for file in files(folder) if file.endswith(("-wal", "-shm"))}

        backend.delete(handle(gone), RecordingTools())

        assert files(folder) == [file_name(kept.resource_id, kept.name)]


def test_apply_at_the_same_time_makes_one_file(folder, ask):
    request = ask()
    together = threading.Barrier(8)

    def apply(_):
        together.wait()
        return SqliteProvisioner(folder).apply(request, RecordingTools())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(apply, range(8)))

    assert all(answer == answers[0] for answer in answers)
    assert files(folder) == [Path(answers[0].outputs["path"]).name]


@pytest.mark.parametrize(
    ("given_settings", "word"),
    [
        ({"folder": "databases"}, "absolute"),
        ({"folder": 7}, "absolute"),
        ({"folder": "/srv/\0"}, "absolute"),
        ({"directory": "/srv"}, "directory"),
    ],
)
def test_wrong_settings_name_the_setting(given_settings, word):
    with pytest.raises(SettingsError, match=word) as caught:
        towpath_provisioners(settings=given_settings)
    assert caught.value.problems[0].place.pointer.startswith("/plugins/sqlite/")


def test_default_folder_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_folder() == tmp_path / "data" / "towpath-sqlite"

    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert default_folder() == tmp_path / "home" / ".local" / "share" / "towpath-sqlite"


def test_without_settings_databases_go_to_the_default_folder(monkeypatch, tmp_path, ask):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    [backend] = towpath_provisioners(settings={})
    assert not (tmp_path / "data").exists()

    applied = backend.apply(ask(), RecordingTools())

    assert Path(applied.outputs["path"]).parent == tmp_path / "data" / "towpath-sqlite"
