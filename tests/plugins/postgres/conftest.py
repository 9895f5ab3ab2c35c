"""A real server, and an administrator on it who is no superuser."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from towpath_core.provisioning import PlanRequest, ResourceHandle
from towpath_core.testing import RecordingTools
from towpath_engine.store.embedded import EmbeddedServer
from towpath_postgres.provisioner import PostgresProvisioner
from towpath_postgres.settings import PostgresSettings

ADMIN_PASSWORD = "canary-of-the-admin"

Ask = Callable[..., PlanRequest]


@pytest.fixture(scope="session")
def admin_url(pg_server: EmbeddedServer) -> str:
    """The URL of a role that has CREATEROLE and CREATEDB and nothing else."""
    return make_admin(pg_server)


def make_admin(server: EmbeddedServer) -> str:
    role = f"admin_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as root:
        root.execute(f"CREATE ROLE {role} LOGIN CREATEROLE CREATEDB PASSWORD '{ADMIN_PASSWORD}'")
        root.execute(f"GRANT CONNECT ON DATABASE postgres TO {role}")
    port = urlsplit(server.admin_url()).port
    return f"postgresql://{role}:{ADMIN_PASSWORD}@127.0.0.1:{port}/postgres"


@pytest.fixture
def settings(admin_url: str) -> PostgresSettings:
    return PostgresSettings(url=admin_url)


@pytest.fixture
def provisioner(settings: PostgresSettings) -> PostgresProvisioner:
    return PostgresProvisioner(settings)


@pytest.fixture
def busy_server() -> Iterator[EmbeddedServer]:
    """A server of the test's own that looks every second for what is to be vacuumed."""
    with tempfile.TemporaryDirectory(prefix="towpath-busy-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # as root, the server runs under an account that must get here
        server = EmbeddedServer(
            Path(folder) / "pg",
            listen=("127.0.0.1", 0),
            options={"fsync": "off", "autovacuum_naptime": "1s"},
        )
        server.start()
        yield server
        server.stop()


@pytest.fixture
def busy(busy_server: EmbeddedServer) -> PostgresProvisioner:
    return PostgresProvisioner(PostgresSettings(url=make_admin(busy_server)))


@pytest.fixture
def root(pg_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A superuser's connection, for what happens behind the plugin's back."""
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def ask(pg_server: EmbeddedServer) -> Iterator[Ask]:
    """Requests for databases that are removed when the test ends."""
    made: list[PlanRequest] = []

    def request(name: str = "Shop", **parameters: Any) -> PlanRequest:
        small = {"connection_limit": 10, "statement_timeout": 30}
        made.append(
            PlanRequest(
                str(uuid.uuid4()), name, "postgres-database", small | parameters, "group:default/a"
            )
        )
        return made[-1]

    yield request
    sweeper = PostgresProvisioner(PostgresSettings(url=pg_server.url("postgres")))
    for one in made:
        handle = ResourceHandle(one.resource_id, one.name, one.offering, {}, one.owner_ref)
        sweeper.delete(handle, RecordingTools())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server beside which a machine stands still is not one that is away."""
    monkeypatch.setattr("towpath_postgres.session.CONNECT_SECONDS", 60)
    monkeypatch.setattr("towpath_postgres.session.READ_SECONDS", 60.0)
