"""The plugin against the vendor kit, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from towpath_core.provisioning import Credentials, Offering, ResourceHandle
from towpath_core.testing import PluginContract, ProvisionerContract
from towpath_postgres.offering import database_offering
from towpath_postgres.provisioner import PostgresProvisioner
from towpath_postgres.settings import PostgresSettings


class TestPlugin(PluginContract):
    entry_point = "postgres"
    settings = {"url": "postgresql://admin:secret@127.0.0.1:1/postgres"}  # noqa: RUF012


class TestProvisioner(ProvisionerContract):
    @pytest.fixture
    def backend(self, settings: PostgresSettings) -> PostgresProvisioner:
        return PostgresProvisioner(settings)

    @pytest.fixture
    def offering(self) -> Offering:
        return database_offering(["vector"])

    @pytest.fixture
    def canary(self, settings: PostgresSettings) -> str:
        return str(settings.conninfo()["password"])

    @pytest.fixture
    def can_use(self) -> Callable[[Credentials], bool]:
        def try_it(credentials: Credentials) -> bool:
            try:
                with psycopg.connect(credentials.values["uri"]) as connection:
                    return connection.execute("SELECT 1").fetchone() == (1,)
            except psycopg.OperationalError:
                return False

        return try_it

    @pytest.fixture
    def drift(
        self, backend: PostgresProvisioner, root: psycopg.Connection
    ) -> Callable[[ResourceHandle], None]:
        def change(resource: ResourceHandle) -> None:
            found = backend.read(resource)
            assert found
            name = sql.Identifier(found.outputs["database"])
            root.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 77").format(name))

        return change

    @pytest.fixture
    def unreachable(self) -> PostgresProvisioner:
        return PostgresProvisioner(PostgresSettings(url="postgresql://a:b@127.0.0.1:1/postgres"))
