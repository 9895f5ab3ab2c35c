"""Fixtures that every room's tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from towpath_core.errors import Unavailable
from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.embedded_locks import UserLock, exclusive
from towpath_engine.store.embedded_process import stop

ROOT = Path(__file__).resolve().parent.parent
PG_PREFIX = f"towpath-test-{os.geteuid()}-"
SECONDS = 200.0
"""What making the server may take; without it no test could run."""


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real descriptors and templates; tests that need it are skipped without."""
    folder = Path(os.environ.get("TOWPATH_CORPUS") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no corpus at {folder}; set TOWPATH_CORPUS")
    return folder


def _clear_orphans(folder: Path) -> None:
    """End the servers of test runs that were killed, and remove what they left."""
    for orphan in folder.parent.glob(f"{PG_PREFIX}*"):
        if orphan == folder or not orphan.is_dir():
            continue
        (orphan / "pg").mkdir(exist_ok=True)  # it may have been killed even before that
        users = UserLock(orphan / "pg" / "users.lock")
        if users.is_last():
            with contextlib.suppress(Unavailable):  # the next run tries again
                stop(orphan / "pg" / "data", seconds=5)
                shutil.rmtree(orphan, ignore_errors=True)
        users.release()


@pytest.fixture(scope="session")
def pg_server() -> Iterator[EmbeddedServer]:
    """A running PostgreSQL; one for all workers of a test run, the last of which ends it.

    Not durable. Listens on a free port, too, where passwords are asked for (`admin_url`).
    Tests get a database of their own from `database_url`.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}"
    # Not the private folder of a macOS user: a unix socket's path must be short.
    temporary = Path("/tmp" if sys.platform == "darwin" else tempfile.gettempdir()).resolve()
    folder = temporary / f"{PG_PREFIX}{run[:12]}"
    lock = temporary / f"{PG_PREFIX}lock"
    server = EmbeddedServer(
        folder / "pg",
        listen=("127.0.0.1", 0),
        options={"fsync": "off", "synchronous_commit": "off"},
        timeout=SECONDS,
    )
    with exclusive(lock, seconds=SECONDS):
        _clear_orphans(folder)
        for path in (folder, server.folder):
            path.mkdir(exist_ok=True)
            path.chmod(0o711)  # as root, the server runs under an account that must get here
        server.start()
    yield server
    with exclusive(lock, seconds=SECONDS):
        if server.stop():
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(pg_server: EmbeddedServer) -> Iterator[str]:
    """A libpq URL of an empty database of the test's own, dropped afterwards."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        yield pg_server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
