"""What followers of the soak take note of, and how takeovers are told from waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import soak_kit  # noqa: F401

from facts import text_of  # isort: skip
from history import History, Seen  # isort: skip
from takeovers import Strike, attempts, takeover_seconds  # isort: skip
from towpath_soak.kinds import ATTEMPT  # isort: skip

pytestmark = pytest.mark.anyio

LOG = {"type": "log", "body": {"message": "one"}}


def frames(*events: dict[str, Any], done: str | None = None) -> str:
    told = [f"id: {e['seq']}\nevent: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events]
    if done:
        told.append(f'event: done\ndata: {{"state": "{done}"}}\n\n')
    return ": keep-alive\n\n".join(told)


async def follow(answers: Sequence[str | Exception]) -> tuple[History, list[Any], list[str]]:
    """Follow a run over connections that say one of the answers each, and then break."""
    left, resumed = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        resumed.append(request.headers.get("last-event-id", ""))
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return httpx.Response(200, text=said)

    history = History()
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        seen = [one async for one in history.follow([client], "run-1")]
    return history, seen, resumed


async def test_a_stream_that_breaks_is_taken_up_where_it_was() -> None:
    first, second = {"seq": 1, **LOG}, {"seq": 2, **LOG}
    answers = [frames(first), httpx.ReadError("cut"), frames(second, done="failed")]
    history, seen, resumed = await follow(answers)
    assert [getattr(one, "seq", one) for one in seen] == [1, 2, "failed"]
    assert resumed == ["", "1", "1"]
    assert history.shown == {"run-1": {n: text_of("log", LOG["body"]) for n in (1, 2)}}
    assert (history.wrong, history.broken) == ([], 1)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([{"seq": 1, **LOG}, {"seq": 3, **LOG}], "event 3 was shown after 1"),
        ([{"seq": 1, **LOG}, {"seq": 1, **LOG}], "event 1 was shown after 1"),
        (
            [{"seq": 1, **LOG}, {"seq": 1, "type": "log", "body": {}}],
            "event 1 was shown with two bodies",
        ),
    ],
)
async def test_what_is_shown_out_of_order_or_twice_is_noted(
    events: list[dict[str, Any]], says: str
) -> None:
    history, _, _ = await follow([frames(*events, done="failed")])
    assert f"run run-1: {says}" in history.wrong


def seen(*told: tuple[float, str, str | int]) -> list[Seen]:
    """Events at moments: a state, `running` with the attempt's number, or a worker's name."""
    found = []
    for seq, (at, type, value) in enumerate(told, 1):
        if type == "running":
            body: dict[str, Any] = {"state": "running", "attempt": value}
            found.append(Seen(seq, "state", body, at))
        else:
            key = "worker" if type == ATTEMPT else "state"
            found.append(Seen(seq, type, {key: value}, at))
    return found


TAKEN_OVER = seen(
    (1.0, "running", 1), (1.1, ATTEMPT, "a.1"), (9.0, "running", 2), (9.1, ATTEMPT, "b.1")
)
WAITED = seen(
    (1.0, "running", 1),
    (1.1, ATTEMPT, "a.1"),
    (1.2, "state", "waiting"),
    (9.0, "running", 2),
    (9.1, ATTEMPT, "b.1"),
)


async def test_a_takeover_is_an_attempt_after_one_that_was_cut_off() -> None:
    assert [one.over for one in attempts(TAKEN_OVER)] == [None, None]
    assert [one.over for one in attempts(WAITED)] == [1.2, None]
    strikes = [Strike("a.1", 2.0)]
    assert takeover_seconds({"run": TAKEN_OVER}, strikes) == [7.0]
    assert takeover_seconds({"run": WAITED}, strikes) == []
    assert takeover_seconds({"run": TAKEN_OVER}, [Strike("c.1", 2.0)]) == []
    assert takeover_seconds({"run": TAKEN_OVER}, [Strike("a.1", 9.5)]) == []
