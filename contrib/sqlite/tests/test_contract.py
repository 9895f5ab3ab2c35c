"""The guest keeps Towpath's contracts; its one departure is declared."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from towpath_core.testing import PluginContract, ProvisionerContract, RecordingTools
from towpath_sqlite import database
from towpath_sqlite.offering import SQLITE_DATABASE
from towpath_sqlite.provisioner import SqliteProvisioner


class TestPlugin(PluginContract):
    entry_point = "sqlite"


class TestPluginWithFolder(PluginContract):
    entry_point = "sqlite"
    settings = {"folder": "/srv/databases"}  # noqa: RUF012 - a constant of the class


@pytest.mark.deviation(
    rule="provision.unbind-takes-access-away",
    reason="SQLite has no users: whoever may open the file stays in",
)
class TestSqlite(ProvisionerContract):
    @pytest.fixture
    def backend(self, folder):
        return SqliteProvisioner(folder)

    @pytest.fixture
    def offering(self):
        return SQLITE_DATABASE

    @pytest.fixture
    def snapshot(self, folder):
        """Every file and its content; the lock file is no part of any database."""
        return lambda resource: {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.glob("*"))
            if file.name != ".towpath-sqlite.lock"
        }

    @pytest.fixture
    def can_use(self):
        def can_use(given):
            with closing(sqlite3.connect(given.values["uri"], uri=True)) as database:
                database.executescript(given.values["setup"])
                database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER)")
                return True

        return can_use

    @pytest.fixture
    def drift(self, backend):
        def drift(resource):
            path = backend.read(resource).outputs["path"]
            with closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA journal_mode = delete")

        return drift

    @pytest.fixture
    def unreachable(self, backend, plan_request, monkeypatch):
        """The nearest thing to an outage: another program keeps the database to itself."""
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
        path = backend.apply(plan_request, RecordingTools()).outputs["path"]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = exclusive")
            other.execute("BEGIN EXCLUSIVE")
            yield backend
