"""The floor of the machine: what a server answers that has nothing to do.

    python tools/bench/floor.py litestar|asgi SIZE...

`litestar` is the gateway's own server and framework with one route that needs no token and gives
bytes it has; `asgi` is the same server without the framework. Each SIZE is a path, as in /2300.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, cast

import litestar

from towpath_gateway.answer import Answer, json_bytes
from towpath_gateway.app import Application
from towpath_gateway.places import free_port
from towpath_gateway.serve import announce, listening
from towpath_gateway.signals import stop_signals


class Floor:
    """An application that the gateway's server can serve."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request (ASGI)."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Nothing stays open."""


def with_litestar(answers: Mapping[str, Answer]) -> Any:
    """One route for each answer, through the framework."""

    def route(path: str, answer: Answer) -> Any:
        @litestar.get(path, status_code=200)
        async def answered() -> Answer:
            return json_bytes(answer.body)

        return answered

    handlers = [route(path, answer) for path, answer in answers.items()]
    return litestar.Litestar(handlers, openapi_config=None, logging_config=None, debug=False)


def bare(answers: Mapping[str, Answer]) -> Any:
    """No framework at all."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await answers[scope["path"]](scope, receive, send)

    return answer


async def main(way: str, sizes: list[int]) -> None:
    """Serve until told to stop."""
    answers = {f"/{size}": json_bytes(b'"%b"' % (b"x" * (size - 2))) for size in sizes}
    app = Floor(with_litestar(answers) if way == "litestar" else bare(answers))
    stop = stop_signals()
    port = free_port("127.0.0.1", 0)
    async with listening(cast(Application, app), "127.0.0.1", port, stop.at_once):
        announce(f"http://127.0.0.1:{port}")
        await stop.asked.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [int(text) for text in sys.argv[2:]]))
