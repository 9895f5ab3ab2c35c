"""One running platform for all tests of the gateway in this process."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live import Live, running

from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.migrate import migrate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the platform may read catalog files from."""
    return tmp_path_factory.mktemp("catalog")


@pytest.fixture(scope="session")
def live(files: Path) -> Iterator[Live]:
    with running(roots=(files,)) as platform:
        yield platform


@pytest.fixture
def api(live: Live) -> Iterator[httpx.Client]:
    with live.client() as client:
        yield client


@pytest.fixture
def lives_on(live: Live) -> Iterator[None]:
    """See that a test neither ended the gateway nor made it stumble, and that no token was told."""
    gateway = live.children("serve")
    log = live.folder / "log"
    before = log.stat().st_size
    yield
    assert live.children("serve") == gateway, "the gateway was started again"
    assert httpx.get(f"{live.url}/healthz", timeout=60).json() == {"status": "ok"}
    with log.open() as file:
        file.seek(before)
        said = file.read()
    assert "request.unexpected" not in said
    assert "tow_pat_" not in said


@pytest.fixture(scope="session")
def migrated(pg_server: EmbeddedServer) -> Iterator[str]:
    """The name of a database with our schema, which others are cloned from."""
    name = f"template_{uuid.uuid4().hex}"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        migrate(pg_server.url(name))
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated_url(pg_server: EmbeddedServer, migrated: str) -> Iterator[str]:
    """A libpq URL of a database of the test's own that has our schema."""
    name = f"g_{uuid.uuid4().hex}"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated} STRATEGY file_copy")
        yield pg_server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def patient_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine that stands still keeps from answering in time would be denied."""
    monkeypatch.setattr("towpath_engine.policy._SECONDS", 60.0)
