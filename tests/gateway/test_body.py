"""How bodies are read: in time, whole, and in one meaning only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Invalid
from towpath_gateway import body
from towpath_gateway.body import decode_body, read_bytes, refuse_ambiguous
from towpath_gateway.faults import ClientGone, TooSlow

SCOPE: Any = {"headers": [(b"content-type", b"application/json")]}


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[int]


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: Inner
    free: dict[str, Any] = msgspec.field(default_factory=dict)
    typed: dict[str, int] = msgspec.field(default_factory=dict)


def events(*found: dict[str, Any]) -> Callable[[], Awaitable[Any]]:
    waiting = list(found)

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def part(content: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.mark.anyio
async def test_a_body_in_parts_is_put_together() -> None:
    receive = events(part(b'{"a"', True), part(b"", True), part(b":1}", False))
    assert await read_bytes(SCOPE, receive) == b'{"a":1}'


@pytest.mark.anyio
async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.05)
    with pytest.raises(TooSlow):
        await read_bytes(SCOPE, events(part(b"{", True)))


@pytest.mark.anyio
async def test_a_client_that_goes_away_is_told_apart() -> None:
    with pytest.raises(ClientGone):
        await read_bytes(SCOPE, events(part(b"{", True), {"type": "http.disconnect"}))


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"inner": {"numbers": [1, "x"]}}', "/inner/numbers/1"),
        (b'{"inner": {"numbers": 1}}', "/inner/numbers"),
        (b'{"inner": {"nombers": []}}', "/inner"),
        (b'{"inner": {"numbers": []}, "typed": {"a/b": "x"}}', "/typed"),
        (b"{}", None),
        (b"5", None),
    ],
)
def test_a_misshapen_body_names_its_place(content: bytes, pointer: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        decode_body(content, Outer)
    assert caught.value.problems[0].place.pointer == pointer


def has_key_twice(value: Any) -> bool:
    """Whether objects, written as lists of pairs, have a key twice anywhere."""
    if isinstance(value, Pairs):
        keys = [key for key, _ in value.pairs]
        return len(set(keys)) < len(keys) or any(has_key_twice(item) for _, item in value.pairs)
    return isinstance(value, list) and any(map(has_key_twice, value))


class Pairs(msgspec.Struct, frozen=True):
    pairs: tuple[tuple[str, Any], ...]


def written(value: Any) -> str:
    if isinstance(value, Pairs):
        inner = ",".join(f"{json.dumps(key)}:{written(item)}" for key, item in value.pairs)
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return json.dumps(value)


PLAIN = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=3)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(st.sampled_from(["a", "b", "ä"]), inner), max_size=3).map(
            lambda pairs: Pairs(tuple(pairs))
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(VALUES)
def test_exactly_what_has_a_key_twice_is_ambiguous(value: Any) -> None:
    content = written(value).encode()
    if has_key_twice(value):
        with pytest.raises(Invalid, match="twice"):
            refuse_ambiguous(content)
    else:
        refuse_ambiguous(content)
        assert msgspec.json.decode(content) == json.loads(content)


@pytest.mark.parametrize("digits", ["1" * 20, "-" + "1" * 20, "1" * 5000])
def test_a_number_that_few_can_read_is_refused(digits: str) -> None:
    with pytest.raises(Invalid, match="digits"):
        refuse_ambiguous(f'{{"a": {digits}}}'.encode())
    refuse_ambiguous(b'{"a": 9223372036854775807, "b": -9223372036854775808, "c": 1e300}')
