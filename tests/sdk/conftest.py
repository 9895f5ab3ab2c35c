"""The platform that the SDK is tried against, and both twins driven by the same tests."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import contract_server

from towpath_sdk import AsyncPlatform, Backoff, Platform

Connect = Callable[..., AbstractContextManager[Platform]]


class Awaited:
    """An async client, or a part of it, called as if it were the sync one."""

    def __init__(self, runner: asyncio.Runner, thing: Any) -> None:
        self._runner = runner
        self._thing = thing

    def __getattr__(self, name: str) -> Any:
        return self._settled(getattr(self._thing, name))

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._settled(self._thing(*args, **named))

    def __iter__(self) -> Iterator[Any]:
        walk = self._thing.__aiter__()
        try:
            while True:
                yield self._runner.run(one(walk))
        except StopAsyncIteration:
            return
        finally:
            self._runner.run(walk.aclose())

    def __repr__(self) -> str:
        return repr(self._thing)

    def _settled(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._runner.run(value)
        ours = type(value).__module__.startswith("towpath_sdk._async")
        if ours or inspect.ismethod(value) or hasattr(value, "__aiter__"):
            return Awaited(self._runner, value)
        return value


async def one(walk: Any) -> Any:
    return await walk.__anext__()


@pytest.fixture
def served() -> contract_server.Platform:
    return contract_server.Platform()


@pytest.fixture(scope="session")
def server() -> Iterator[contract_server.Server]:
    with contract_server.listening() as server:
        yield server


@pytest.fixture
def url(server: contract_server.Server, served: contract_server.Platform) -> Iterator[str]:
    with server.serving(served) as address:
        yield address


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, url: str) -> Connect:
    """Make a client of either twin; without waiting between attempts unless a test says so."""

    @contextmanager
    def opened(address: str = url, **options: Any) -> Iterator[Any]:
        options = {"token": contract_server.TOKEN, "timeout": 60, **options}
        options.setdefault("backoff", Backoff(first=0))
        if request.param == "sync":
            with Platform(address, **options) as made:
                yield made
            return
        with asyncio.Runner() as runner:
            awaiting = AsyncPlatform(address, **options)
            try:
                yield Awaited(runner, awaiting)
            finally:
                runner.run(awaiting.close())

    return opened


@pytest.fixture
def platform(connect: Connect) -> Iterator[Platform]:
    with connect() as made:
        yield made
