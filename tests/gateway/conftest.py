"""One running platform for all tests of the gateway in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live import Live, running


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
    assert httpx.get(f"{live.url}/healthz").json() == {"status": "ok"}
    with log.open() as file:
        file.seek(before)
        said = file.read()
    assert "request.unexpected" not in said
    assert "tow_pat_" not in said
