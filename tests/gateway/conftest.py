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
