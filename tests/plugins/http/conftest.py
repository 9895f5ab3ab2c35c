"""A web server on loopback, and the source that may ask it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from towpath_engine.egress.client import EgressClient
from towpath_engine.egress.settings import read_egress
from towpath_http.source import HttpSource

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))

from web_kit import WebServer, web


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web() as found:
        yield found


@pytest.fixture
def source_of() -> Iterator[Callable[..., HttpSource]]:
    made: list[EgressClient] = []

    def make(*allow: str, cache_bytes: int = 1 << 20, **table: object) -> HttpSource:
        settings = read_egress({"allow": list(allow), **table}, {"TOKEN": "hunter2"})
        made.append(EgressClient(settings))
        source = HttpSource(cache_bytes=cache_bytes)
        source.use_egress(made[-1])
        return source

    yield make
    for client in made:
        client.close()


@pytest.fixture
def source(source_of: Callable[..., HttpSource], server: WebServer) -> HttpSource:
    return source_of(server.host)
