"""The work that is done while things break: runs of all kinds, asked for and answered over HTTP.

Every request is made until it is answered, with one idempotency key, by turns at all gateways: what
a gateway accepted and could not say any more is accepted once.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import httpx
from facts import Asked
from history import History, Seen

__all__ = ("MIX", "Order", "Refused", "Workload", "orders")

SEQUENCE, WAITS, FAMILY = "soak-sequence", "soak-waits", "soak-family"
TAKEN_BACK, BLIND = "soak-taken-back", "soak-blind"
MIX = (SEQUENCE, SEQUENCE, SEQUENCE, WAITS, WAITS, FAMILY, TAKEN_BACK)
"""Kinds that a phase runs, in their shares. Not `soak-blind`: see `orders`."""

_LOST, _DIES = 0.1, 0.03
_KEYED, _STOPPED = 0.1, 0.08
STOPPED = frozenset({"cancelled", "succeeded", "unknown"})
"""How a run may end that was asked to stop; `unknown` where a step's worker had died in it."""
_TAKEN_UP = 20
_AGAIN_SECONDS = 0.3
_ANSWER_SECONDS = 15.0
_GIVE_UP = 400


class Refused(Exception):
    """A gateway refused what it must not."""


class Order(NamedTuple):
    """A run to ask for.

    Attributes:
        kind, input: of the run.
        undo: whether it is rolled back when it has succeeded.
        key: only one run of it may be under way.
        stop_after: number of the event after which it is asked to stop.
    """

    kind: str
    input: dict[str, Any]
    undo: bool = False
    key: str | None = None
    stop_after: int | None = None


def orders(
    chance: random.Random, mix: Sequence[str] = MIX, *, seconds: float = 0.1
) -> Iterator[Order]:
    """Runs of all kinds without end, the same for the same chance.

    Args:
        chance: decides their sizes and faults.
        mix: kinds. `soak-blind` only where every worker that dies is dead: a provider without
            idempotency keys cannot be guarded against one that wakes up again.
        seconds: how long an effect takes, at the most.
    """
    for number in itertools.count():
        kind = chance.choice(mix)
        name = f"{kind.removeprefix('soak-')}-{number}"
        steps = chance.randint(2, 6)
        given: dict[str, Any] = {"name": name, "seconds": round(chance.uniform(0, seconds), 3)}
        if kind in (SEQUENCE, TAKEN_BACK):
            given["steps"] = steps
        elif kind == FAMILY:
            given |= {"children": 2, "steps": 2}
        elif kind == WAITS:
            given["sleep"] = round(chance.uniform(0.1, 2.0), 2)
        else:
            given["sees"] = chance.random() < 0.5
        given["faults"] = {}
        for step in ("blind",) if kind == BLIND else ("s0", "s1", "s2"):
            if (lot := chance.random()) < _LOST:
                given["faults"][step] = "die" if lot < _DIES else "lost"
        undo = kind == TAKEN_BACK and chance.random() < 0.7
        key = f"key-{chance.randrange(3)}" if chance.random() < _KEYED else None
        stop = chance.randint(2, 15) if kind != BLIND and chance.random() < _STOPPED else None
        yield Order(kind, given, undo, key, stop)


class Workload:
    """Asks for runs, answers what they wait for, and remembers what was accepted.

    Args:
        clients: one a gateway, of somebody who may start runs.
        approvers: one a gateway, of somebody else who may approve.
        history: keeps what is shown.
        has: whether the provider shows an effect, for who must say what became of a step.
    """

    def __init__(
        self,
        clients: list[httpx.AsyncClient],
        approvers: list[httpx.AsyncClient],
        history: History,
        has: Callable[[str], bool],
    ) -> None:
        self.history = history
        self.asked: list[Asked] = []
        self.refused: list[str] = []
        self.ended = 0
        self.again = 0
        self.parked: list[str] = []
        self._clients = clients
        self._approvers = approvers
        self._has = has
        self._turns = itertools.count()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask for nothing new; what was accepted goes on to its end."""
        self._stop.set()

    async def run(self, stream: Iterator[Order], *, parallel: int, most: int) -> None:
        """Keep `parallel` runs going until `most` were asked for, or `stop` was said."""
        left = itertools.islice(stream, most)

        async def one_after_the_other() -> None:
            while not self._stop.is_set() and (order := next(left, None)) is not None:
                try:
                    await self._live(order)
                except Refused as error:
                    self.refused.append(str(error))

        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(one_after_the_other())

    async def _live(self, order: Order) -> None:
        """One run from its acceptance to its end, rolled back where that is wanted."""
        body = {"kind": order.kind, "input": order.input, "title": order.input["name"]}
        if order.key is not None:
            body["concurrencyKey"] = order.key
        made = await self._post("/api/v1/runs", body)
        asked = Asked(name=order.input["name"], run_id=made["id"])
        if order.stop_after is not None:
            asked.ends = STOPPED
        self.asked.append(asked)
        state = await self._follow(asked, stop_after=order.stop_after)
        for _ in range(_TAKEN_UP):
            if state in asked.ends:
                break
            state = await self._take_up(asked, order.kind, state)
        if order.undo and state == "succeeded":
            path = f"/api/v1/runs/{asked.run_id}/undo"
            undo = await self._post(path, {"reason": "the soak takes it back"})
            asked.undone = True
            undoing = Asked(name=f"undo of {asked.name}", run_id=undo["id"])
            self.asked.append(undoing)
            await self._follow(undoing)
        self.ended += 1

    async def _take_up(self, asked: Asked, kind: str, state: str) -> str:
        """Do what a person does with a run that was parked, or whose step nobody recorded."""
        self.parked.append(f"{asked.name} was {state}")
        path = f"/api/v1/runs/{asked.run_id}"
        if state == "unknown" and kind == BLIND:
            happened = self._has(f"{asked.name}/blind")
            body: dict[str, Any] = {"happened": happened, "reason": "the provider was looked at"}
            if happened:
                body["output"] = {"id": "looked up"}
            await self._tell(f"{path}/resolve", body)
        else:
            await self._tell(f"{path}/retry", {"reason": "too many workers died on it"})
        return await self._follow(asked, after=max(self.history.shown[asked.run_id]))

    async def _follow(self, asked: Asked, after: int = 0, *, stop_after: int | None = None) -> str:
        """Answer what a run waits for until it ends; returns the state that it ended in."""
        async for seen in self.history.follow(self._clients, asked.run_id, after):
            if isinstance(seen, str):
                return seen
            if seen.seq == stop_after:
                await self._tell(f"/api/v1/runs/{asked.run_id}/cancel", {})
            elif _begins_to_wait(seen):
                await self._answer(asked)
        raise AssertionError("a stream ends with a state")

    async def _answer(self, asked: Asked) -> None:
        path = f"/api/v1/runs/{asked.run_id}"
        for waiting in (await self._ask(self._clients, "GET", path)).get("waiting") or ():
            if waiting["type"] == "signal":
                body = {"name": "go", "body": {"to": asked.name}}
                await self._tell(f"{path}/signals", body)
            elif waiting["type"] == "approval":
                body = {"step": waiting["step"], "reason": "the soak says so"}
                await self._tell(f"{path}/approve", body, approver=True)

    async def _tell(self, path: str, body: Any, *, approver: bool = False) -> None:
        """Ask for what may have been done already: by the same request, or by the run's end."""
        clients = self._approvers if approver else self._clients
        await self._ask(clients, "POST", path, body, done_before=True)

    async def _post(self, path: str, body: Any) -> Any:
        return await self._ask(self._clients, "POST", path, body)

    async def _ask(
        self,
        clients: list[httpx.AsyncClient],
        method: str,
        path: str,
        body: Any = None,
        *,
        done_before: bool = False,
    ) -> Any:
        headers = {"idempotency-key": uuid.uuid4().hex} if body is not None else {}
        for _ in range(_GIVE_UP):
            client = clients[next(self._turns) % len(clients)]
            try:
                answer = await client.request(
                    method, path, json=body, headers=headers, timeout=_ANSWER_SECONDS
                )
            except (httpx.HTTPError, ConnectionError):
                answer = None
            if answer is not None and answer.status_code < 400:
                return answer.json() if answer.content else None
            status = answer.status_code if answer is not None else 0
            if answer is not None and status == 409 and done_before:
                return None
            if answer is not None and status < 500 and status not in (409, 429):
                raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            self.again += 1
            await asyncio.sleep(_AGAIN_SECONDS)
        raise Refused(f"{method} {path} was never answered")


def _begins_to_wait(seen: Seen) -> bool:
    wanted = seen.body.get("type") in ("signal", "approval")
    return seen.type == "wait" and wanted and "outcome" not in seen.body
