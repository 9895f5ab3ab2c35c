"""Databases with our schema, cloned from a template in milliseconds, and a platform on one."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from towpath_engine.store.database import Database
from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.migrate import HEAD, migrate

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def migrated(pg_server: EmbeddedServer) -> Iterator[str]:
    """The name of a database with our schema, which others are cloned from."""
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        migrate(pg_server.url(name))
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Clones:
    """Databases with our schema: cloned once, and emptied for the next test.

    To empty one costs a few milliseconds, to clone it a hundred. One that a test has changed in
    other ways than by its rows is dropped.
    """

    def __init__(self, server: EmbeddedServer, template: str, root: psycopg.Connection) -> None:
        self._server = server
        self._template = template
        self._root = root
        self._free: list[str] = []

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        name = f"e_{uuid.uuid4().hex}"
        self._root.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        return name

    def give_back(self, name: str) -> None:
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        self._root.execute(query, [name])
        try:
            with psycopg.connect(self._server.url(name), autocommit=True) as connection:
                found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                if found == (HEAD,):
                    connection.execute(_EMPTY)
                    self._free.append(name)
                    return
        except psycopg.Error:
            pass  # spoilt, as some tests mean to
        self._root.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def drop_all(self) -> None:
        for name in self._free:
            self._root.execute(f"DROP DATABASE {name} WITH (FORCE)")


_EMPTY = """
    DO $$ DECLARE name text; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
    END $$
"""


@pytest.fixture(scope="session")
def clones(pg_server: EmbeddedServer, migrated: str) -> Iterator[Clones]:
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as root:
        found = Clones(pg_server, migrated, root)
        yield found
        found.drop_all()


@pytest.fixture
def engine_url(pg_server: EmbeddedServer, clones: Clones) -> Iterator[str]:
    """A libpq URL of a database of the test's own that has our schema."""
    name = clones.take()
    yield pg_server.url(name)
    clones.give_back(name)


@pytest.fixture
async def database(engine_url: str) -> AsyncIterator[Database]:
    found = Database(engine_url, pool_size=10)
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def patient_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine that stands still keeps from answering in time would be denied."""
    monkeypatch.setattr("towpath_engine.policy._SECONDS", 60.0)
