"""Followers: what was shown of runs over server-sent events, kept to be compared later."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
from facts import text_of
from towpath_soak.kinds import ATTEMPT

__all__ = ("History", "Seen")

_READ_SECONDS = 20.0
"""Keep-alive comments come every 15 seconds."""
_AGAIN_SECONDS = 0.2


class Seen(NamedTuple):
    """One event, as it arrived; `at` is of the harness's own steady clock."""

    seq: int
    type: str
    body: Any
    at: float


class History:
    """What followers were shown, and what was wrong with it already then.

    Attributes:
        shown: the events of each run, by number, as `text_of` writes them.
        seen: the same in order, with their times.
        workers: processes that have begun an attempt.
        steps: how many have succeeded.
        wrong: what was shown out of order, or twice with different bodies.
        broken: streams that ended before their `done`.
    """

    def __init__(self) -> None:
        self.shown: dict[str, dict[int, str]] = defaultdict(dict)
        self.seen: dict[str, list[Seen]] = defaultdict(list)
        self.workers: set[str] = set()
        self.steps = 0
        self.wrong: list[str] = []
        self.broken = 0

    async def follow(
        self, clients: list[httpx.AsyncClient], run_id: str, after: int = 0
    ) -> AsyncIterator[Seen | str]:
        """Events as they are shown, and at the end the state that the run is done with.

        A stream that breaks is taken up at the last number, at the next gateway.
        """
        path = f"/api/v1/runs/{run_id}/stream"
        turn = 0
        while True:
            client = clients[turn % len(clients)]
            turn += 1
            try:
                async for event, data in _frames(client, path, after):
                    if event == "done":
                        yield str(data["state"])
                        return
                    seen = Seen(data["seq"], data["type"], data["body"], time.monotonic())
                    self._keep(run_id, seen, after)
                    after = seen.seq
                    yield seen
            except (httpx.HTTPError, ConnectionError):
                self.broken += 1
            await asyncio.sleep(_AGAIN_SECONDS)

    def _keep(self, run_id: str, seen: Seen, after: int) -> None:
        if seen.seq != after + 1:
            self.wrong.append(f"run {run_id}: event {seen.seq} was shown after {after}")
        text = text_of(seen.type, seen.body)
        if self.shown[run_id].setdefault(seen.seq, text) != text:
            self.wrong.append(f"run {run_id}: event {seen.seq} was shown with two bodies")
        self.seen[run_id].append(seen)
        if seen.type == ATTEMPT:
            self.workers.add(seen.body["worker"])
        self.steps += seen.type == "step" and seen.body["state"] == "succeeded"


async def _frames(
    client: httpx.AsyncClient, path: str, after: int
) -> AsyncIterator[tuple[str, Any]]:
    """Events of one connection, each with its type; ends with the connection."""
    headers = {"last-event-id": str(after)} if after else {}
    timeout = httpx.Timeout(10.0, read=_READ_SECONDS)
    async with client.stream("GET", path, headers=headers, timeout=timeout) as answer:
        answer.raise_for_status()
        event = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                yield event, json.loads(line[6:])
