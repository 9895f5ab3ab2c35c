"""The reads of the catalog against Backstage's own in-memory client, over the same entities.

The short form of `make differential`; skipped where node or the client is not installed.
"""

from __future__ import annotations

import copy
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from live import running

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "conformance"
sys.path.insert(0, str(TOOLS))

from comparing import Comparison  # noqa: E402
from entities_seen import Seen  # noqa: E402
from oddities import oddities  # noqa: E402
from oracle import Oracle  # noqa: E402

CACHE = os.environ.get("TOWPATH_CONFORMANCE_CACHE") or "~/.cache/towpath/conformance"
PACKAGES = Path(CACHE).expanduser() / "npm"
QUESTIONS = 300


@pytest.fixture(scope="module")
def packages() -> Path:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    if not (PACKAGES / "node_modules" / "@backstage" / "catalog-client").is_dir():
        pytest.skip(f"no @backstage/catalog-client in {PACKAGES}; `make differential` gets it")
    return PACKAGES


class Platform:
    """Asks over HTTP; an answer that is not good fails the test."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api

    def json(self, path: str, body: Any = None) -> Any:
        answer = self._api.get(path) if body is None else self._api.post(path, json=body)
        assert answer.status_code == 200, f"{path} {body}: {answer.text}"
        return answer.json()


@pytest.fixture(scope="module")
def platform(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("oddities")
    file = folder / "all.yaml"
    file.write_text(oddities(150, seed=5))
    with running(roots=(folder,), workers=0) as live, live.client() as api:
        made = api.post("/api/v1/catalog/locations", json={"target": str(file)}).json()
        assert made["problems"] == []
        yield Platform(api)


@contextmanager
def comparing(
    platform: Platform, packages: Path, entities: list[Any] | None = None
) -> Iterator[Comparison]:
    """A comparison with a client that holds what the platform has, or these entities instead."""
    seen = Seen(platform.json("/api/catalog/entities"))
    oracle = Oracle(entities or list(seen.entities.values()), packages)
    try:
        yield Comparison(platform, oracle, seen, seed=5)
    finally:
        oracle.close()


def test_answers_are_those_of_the_in_memory_client(platform: Platform, packages: Path) -> None:
    with comparing(platform, packages) as comparison:
        comparison.run(QUESTIONS)
    assert comparison.differences == []
    assert comparison.requests > QUESTIONS
    assert set(comparison.asked) == {"walk", "listing", "facets", "by_refs"}


def test_a_small_difference_is_seen(platform: Platform, packages: Path) -> None:
    """Or nothing is proved: one value of one entity in ten is another one for the client.

    The client answers whole entities by their ids, so only questions that name this key, or show
    it alone, see its value; which do differs with the ids. Hence more of them until one does.
    """
    entities = copy.deepcopy(list(Seen(platform.json("/api/catalog/entities")).entities.values()))
    for entity in entities[::10]:
        entity["apiVersion"] = "backstage.io/v1changed"
    with comparing(platform, packages, entities) as comparison:
        for _ in range(10):
            comparison.run(QUESTIONS)
            if comparison.differences:
                break
    assert comparison.differences
