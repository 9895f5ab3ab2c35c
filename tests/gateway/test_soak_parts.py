"""The soak's own parts: its checker reports every planted fault, its provider and proxy work."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import pytest
import soak_kit  # noqa: F401

from towpath_core.errors import Unavailable

from checker import Violation, check  # isort: skip
from facts import Asked, Event, Facts, Run, Step, text_of  # isort: skip
from network import Namespaces, NotApart  # isort: skip
from tcp_proxy import TcpProxy  # isort: skip
from towpath_soak.kinds import ATTEMPT, WORK  # isort: skip
from towpath_soak.provider import Call, Effect, FileProvider  # isort: skip

RUN, CHILD = "run-1", "run-2"
BEGINS = {RUN: datetime(2026, 11, 27, 9, tzinfo=UTC), CHILD: datetime(2026, 11, 27, 10, tzinfo=UTC)}


def events(run: str, *whats: str) -> list[Event]:
    """Those of a run that was taken over once and has succeeded."""
    told = [
        ("state", {"state": "queued"}),
        ("state", {"state": "running", "attempt": 1}),
        (ATTEMPT, {"worker": "one.1"}),
        ("state", {"state": "running", "attempt": 2}),
        (ATTEMPT, {"worker": "two.1"}),
    ]
    for number, what in enumerate(whats):
        told.append((WORK, {"worker": "two.1", "what": what}))
        told.append(("step", {"key": f"s{number}", "state": "succeeded"}))
    told.append(("state", {"state": "succeeded"}))
    for number, (type, body) in enumerate(told):
        if type in (ATTEMPT, WORK):
            body["mark"] = f"mark {number}"
    start = BEGINS[run]
    return [
        Event(run=run, seq=n, type=t, body=b, at=start + timedelta(seconds=n))
        for n, (t, b) in enumerate(told, 1)
    ]


@pytest.fixture
def sound() -> Facts:
    """A sequence of two steps that was undone, and a family's child; all as it must be."""
    whats = {RUN: ["a/s0", "a/s1"], CHILD: ["b.0/s0"]}
    told = [event for run, some in whats.items() for event in events(run, *some)]
    runs = [
        Run(
            id=run,
            kind="soak-taken-back",
            state="succeeded",
            attempt=2,
            input={"name": name, "steps": len(whats[run])},
            last_event=sum(event.run == run for event in told),
            key="boat",
        )
        for run, name in ((RUN, "a"), (CHILD, "b.0"))
    ]
    steps = [
        Step(run=run, seq=n, key=f"s{n - 1}", state="succeeded")
        for run, some in whats.items()
        for n in range(1, len(some) + 1)
    ]
    done = ["a/s0", "a/s1", "b.0/s0", "a/s1/undo", "a/s0/undo"]
    return Facts(
        asked=[Asked(name="a", run_id=RUN, undone=True)],
        runs=runs,
        steps=steps,
        events=told,
        shown={RUN: {e.seq: text_of(e.type, e.body) for e in told if e.run == RUN}},
        effects=[Effect(f"key {what}", what, "two.1") for what in done],
        calls=[Call(f"key {what}", what, "two.1") for what in done],
        jobs=[],
    )


def test_the_checker_finds_nothing_where_all_is_well(sound: Facts) -> None:
    assert check(sound) == []


def a_doubled_effect(facts: Facts) -> None:
    facts.effects.append(Effect("another", "a/s0", "one.1"))
    facts.calls.append(Call("another", "a/s0", "one.1"))


def a_missing_effect(facts: Facts) -> None:
    del facts.effects[1]


def a_missing_undo(facts: Facts) -> None:
    del facts.effects[-1]


def a_foreign_effect(facts: Facts) -> None:
    facts.effects.append(Effect("key x/s0", "x/s0", "one.1"))
    facts.calls.append(Call("key x/s0", "x/s0", "one.1"))


def a_key_for_two_effects(facts: Facts) -> None:
    facts.calls.append(Call("key a/s0", "a/s1", "one.1"))


def an_undo_in_the_wrong_order(facts: Facts) -> None:
    facts.calls[-2:] = reversed(facts.calls[-2:])


def an_event_that_was_shown_and_is_lost(facts: Facts) -> None:
    facts.shown[RUN][99] = text_of("log", {"message": "seen"})


def an_event_that_was_changed(facts: Facts) -> None:
    facts.events[2].body["worker"] = "one.1 "


def a_gap(facts: Facts) -> None:
    del facts.shown[RUN][3]
    del facts.events[2]


def a_missing_end(facts: Facts) -> None:
    del facts.shown[RUN][10]
    del facts.events[9]


def a_gap_in_the_steps(facts: Facts) -> None:
    facts.steps[1].seq = 3


def a_run_that_never_ended(facts: Facts) -> None:
    facts.runs[1].state = "waiting"


def a_run_that_failed(facts: Facts) -> None:
    facts.runs[0].state = "failed"


def a_lost_run(facts: Facts) -> None:
    facts.asked.append(Asked(name="z", run_id="run-9"))


def a_run_that_was_accepted_twice(facts: Facts) -> None:
    twin = copy.copy(facts.runs[1])
    twin.id, twin.last_event = "run-3", 0
    facts.runs.append(twin)


def a_job_that_was_left(facts: Facts) -> None:
    facts.jobs.append(RUN)


def an_open_step(facts: Facts) -> None:
    facts.steps[0].state = "running"


def a_step_that_succeeded_twice(facts: Facts) -> None:
    facts.events[8].body["key"] = "s0"
    facts.shown[RUN][9] = text_of("step", facts.events[8].body)


def a_zombie_that_wrote(facts: Facts) -> None:
    facts.events[5].body["worker"] = "one.1"
    facts.shown[RUN][6] = text_of(WORK, facts.events[5].body)


def an_attempt_that_came_twice(facts: Facts) -> None:
    facts.events[3].body["attempt"] = 1
    facts.shown[RUN][4] = text_of("state", facts.events[3].body)


def two_runs_of_a_key(facts: Facts) -> None:
    for event in facts.events:
        if event.run == CHILD:
            event.at -= timedelta(hours=1)


def an_event_that_was_written_twice(facts: Facts) -> None:
    facts.events[4].body["mark"] = facts.events[5].body["mark"]
    facts.shown[RUN][5] = text_of(ATTEMPT, facts.events[4].body)


def something_after_the_end(facts: Facts) -> None:
    late = Event(run=RUN, seq=11, type="step", body={"key": "s2"}, at=BEGINS[CHILD])
    facts.events.insert(10, late)
    facts.runs[0].last_event = 11


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (a_doubled_effect, {"effect"}),
        (a_missing_effect, {"effect"}),
        (a_missing_undo, {"effect"}),
        (a_foreign_effect, {"effect"}),
        (a_key_for_two_effects, {"idempotency key"}),
        (an_undo_in_the_wrong_order, {"order of undoing"}),
        (an_event_that_was_shown_and_is_lost, {"acknowledged event"}),
        (an_event_that_was_changed, {"acknowledged event"}),
        (a_gap, {"gap in a sequence"}),
        (a_missing_end, {"gap in a sequence"}),
        (a_gap_in_the_steps, {"gap in a sequence"}),
        (a_run_that_never_ended, {"never ended"}),
        (a_run_that_failed, {"never ended"}),
        (a_lost_run, {"accepted and lost"}),
        (a_run_that_was_accepted_twice, {"accepted twice"}),
        (a_job_that_was_left, {"job left over"}),
        (an_open_step, {"step"}),
        (a_step_that_succeeded_twice, {"step"}),
        (a_zombie_that_wrote, {"two writers"}),
        (an_attempt_that_came_twice, {"two writers"}),
        (two_runs_of_a_key, {"one run of a key"}),
        (an_event_that_was_written_twice, {"event written twice"}),
        (something_after_the_end, {"written after the end"}),
    ],
)
def test_the_checker_reports_a_planted_fault_and_nothing_else(
    sound: Facts, plant: Callable[[Facts], None], rules: set[str]
) -> None:
    plant(sound)
    found = check(sound)
    assert found
    assert all(isinstance(one, Violation) and one.where for one in found)
    assert {one.rule for one in found} == rules


def test_a_key_has_one_effect_however_often_it_is_given(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path, "one")
    assert provider.apply("run:1", "a/s0") == provider.apply("run:1", "a/s0")
    assert list(provider.effects()) == [Effect("run:1", "a/s0", "one")]
    assert len(list(provider.calls())) == 2


def test_without_a_key_every_call_has_an_effect(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path, "one")
    assert not provider.has("a/blind")
    provider.append("a/blind")
    assert provider.has("a/blind")
    assert not provider.has("a/bl")
    provider.append("a/blind")
    assert [effect.what for effect in provider.effects()] == ["a/blind"] * 2


def test_an_answer_is_lost_once_and_the_effect_stays(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path, "one")
    with pytest.raises(Unavailable):
        provider.apply("run:1", "a/s0", fault="lost")
    assert len(list(provider.effects())) == 1
    assert provider.apply("run:1", "a/s0", fault="lost") == "id of run:1"
    assert len(list(provider.effects())) == 1


def test_a_caller_that_is_killed_leaves_its_effect(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path, "one")
    caller = multiprocessing.get_context("fork").Process(
        target=provider.apply, args=("run:1", "a/s0"), kwargs={"fault": "die"}
    )
    caller.start()
    caller.join(60)
    assert caller.exitcode == -9
    assert list(provider.effects()) == [Effect("run:1", "a/s0", "one")]


class Echo(NamedTuple):
    """A proxy before a server that says again what it is told, and a connection through it."""

    proxy: TcpProxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, word: bytes) -> bytes:
        self.writer.write(word)
        await self.writer.drain()
        return await self.reader.read(100)


@asynccontextmanager
async def echo(**options: Any) -> AsyncIterator[Echo]:
    async def again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while word := await reader.read(100):
                writer.write(word)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(again, "127.0.0.1", 0)
    proxy = TcpProxy("127.0.0.1", server.sockets[0].getsockname(), **options)
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Echo(proxy, reader, writer)
    finally:
        writer.close()
        await proxy.stop()
        server.close()


def test_a_namespace_has_a_cable_that_can_be_pulled() -> None:
    try:
        network = Namespaces()
    except NotApart as error:
        pytest.skip(str(error))
    try:
        place, address = network.join("one")
        assert network.join("one") == (place, address)
        listening = "import socket; s = socket.create_server((%r, 0)); print(s.getsockname()[1])"
        code = f"{listening % address}; import sys; sys.stdout.flush(); sys.stdin.read()"
        command = [*place, sys.executable, "-c", code]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            socket.create_connection((address, port), 10).close()
            network.pull("one")
            with pytest.raises(OSError, match="timed out"):
                socket.create_connection((address, port), 0.5)
            network.plug("one")
            socket.create_connection((address, port), 10).close()
    finally:
        network.close()
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    assert network.bridge not in links


@pytest.mark.anyio
async def test_the_proxy_forwards() -> None:
    async with echo() as one:
        assert await one.says(b"word") == b"word"


@pytest.mark.anyio
async def test_the_proxy_delays() -> None:
    async with echo(delay=0.1) as one:
        one.proxy.set("slow")
        began = time.monotonic()
        assert await one.says(b"word") == b"word"
        assert time.monotonic() - began >= 0.2


@pytest.mark.anyio
async def test_the_proxy_cuts_connections_old_and_new() -> None:
    async with echo() as one:
        await one.says(b"word")
        one.proxy.set("reset")
        with pytest.raises(ConnectionResetError):
            await one.reader.read(100)
        reader, writer = await asyncio.open_connection("127.0.0.1", one.proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read(100)
        writer.close()


@pytest.mark.anyio
async def test_the_proxy_says_that_all_was_said() -> None:
    async with echo() as one:
        await one.says(b"word")
        one.proxy.set("half-close")
        assert await one.reader.read(100) == b""


@pytest.mark.anyio
async def test_what_the_proxy_swallowed_is_delivered_afterwards() -> None:
    async with echo() as one:
        await one.says(b"word")
        one.proxy.set("hole")
        asking = asyncio.create_task(one.says(b"later"))
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        one.proxy.set("pass")
        assert await asyncio.wait_for(asking, 60) == b"later"
