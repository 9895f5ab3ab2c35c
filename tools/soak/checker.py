"""Compares what was promised with what is there. Every difference is a violation.

Pure: it is given facts and reads nothing, so that faults can be planted in them.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from facts import Asked, Event, Facts, Run, Step, text_of
from towpath_soak.kinds import ATTEMPT, WORK

__all__ = ("Violation", "check", "effects_of")

Row = TypeVar("Row", Event, Step)

ENDED = frozenset({"succeeded", "failed", "cancelled", "unknown"})


class Violation(NamedTuple):
    """A promise that was broken: which one, and where."""

    rule: str
    where: str

    def __str__(self) -> str:
        """Format as `rule: where`."""
        return f"{self.rule}: {self.where}"


def effects_of(run: Run) -> list[str]:
    """The effects that a run has when it succeeds, its children's left out, in order."""
    given = run.input
    steps = {
        "soak-sequence": lambda: [f"s{number}" for number in range(given["steps"])],
        "soak-taken-back": lambda: [f"s{number}" for number in range(given["steps"])],
        "soak-waits": lambda: ["s0", "s1", "s2", "s3"],
        "soak-family": lambda: ["s0", "s1"],
        "soak-blind": lambda: ["blind", "s1"],
    }.get(run.kind)
    return [f"{given['name']}/{step}" for step in steps()] if steps is not None else []


def check(facts: Facts) -> list[Violation]:
    """All violations, in the order of the rules."""
    return [Violation(rule, where) for rule, look in _RULES.items() for where in look(facts)]


def _accepted(facts: Facts) -> Iterator[str]:
    there = {run.id for run in facts.runs}
    for one in facts.asked:
        if one.run_id not in there:
            yield f"{one.name}: run {one.run_id} was accepted and is not there"


def _once(facts: Facts) -> Iterator[str]:
    names = Counter(name for run in facts.runs if (name := _name(run)))
    yield from (f"{name}: {count} runs" for name, count in names.items() if count > 1)


def _ended(facts: Facts) -> Iterator[str]:
    asked = {one.run_id: one for one in facts.asked}
    for run in facts.runs:
        if run.state not in ENDED:
            yield f"{run.kind} {run.id} is {run.state}, attempt {run.attempt}"
        elif (one := asked.get(run.id)) and run.state not in one.ends:
            yield f"{run.kind} {run.id} ended: {run.state}"


def _jobs(facts: Facts) -> Iterator[str]:
    ended = {run.id for run in facts.runs if run.state in ENDED}
    yield from (f"run {run}" for run in facts.jobs if run in ended)


def _effects(facts: Facts) -> Iterator[str]:
    there = Counter(effect.what for effect in facts.effects)
    known: set[str] = set()
    for run, one in _with_asked(facts):
        wanted = effects_of(run)
        known.update(wanted)
        if one is not None and one.undone:
            wanted += [f"{what}/undo" for what in wanted]
        if run.state == "succeeded":
            yield from (f"{what} is missing" for what in wanted if what not in there)
    known |= {f"{what}/undo" for what in known}
    yield from (f"{what} is there {n} times" for what, n in there.items() if n > 1)
    yield from (f"{what} was asked for by no run" for what in there if what not in known)


def _keys(facts: Facts) -> Iterator[str]:
    whats: dict[str, set[str]] = defaultdict(set)
    for call in facts.calls:
        whats[call.key].add(call.what)
    yield from (f"{key}: {sorted(found)}" for key, found in whats.items() if len(found) > 1)
    called = {(call.key, call.what) for call in facts.calls}
    for effect in facts.effects:
        if (effect.key, effect.what) not in called:
            yield f"{effect.what} without a call"


def _undone_in_reverse(facts: Facts) -> Iterator[str]:
    first: dict[str, int] = {}
    for place, call in enumerate(facts.calls):
        first.setdefault(call.what, place)
    for run, one in _with_asked(facts):
        if one is not None and one.undone:
            undos = [f"{what}/undo" for what in effects_of(run)]
            places = [first[what] for what in undos if what in first]
            if places != sorted(places, reverse=True):
                yield f"{run.id}: undone in the order {places}"


def _shown(facts: Facts) -> Iterator[str]:
    kept = {(event.run, event.seq): text_of(event.type, event.body) for event in facts.events}
    for run, events in facts.shown.items():
        for seq, text in events.items():
            if (run, seq) not in kept:
                yield f"run {run}, event {seq} was shown and is missing"
            elif kept[run, seq] != text:
                yield f"run {run}, event {seq} was shown with another body"


def _gaps(facts: Facts) -> Iterator[str]:
    events, steps = _by_run(facts.events), _by_run(facts.steps)
    for run in facts.runs:
        seqs = [event.seq for event in events.get(run.id, [])]
        if seqs != list(range(1, run.last_event + 1)):
            yield f"run {run.id}: events {_odd(seqs)}, the last is {run.last_event}"
        seqs = [step.seq for step in steps.get(run.id, [])]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"run {run.id}: steps {_odd(seqs)}"


def _steps(facts: Facts) -> Iterator[str]:
    states = {run.id: run.state for run in facts.runs}
    for step in facts.steps:
        if states.get(step.run) == "succeeded" and step.state not in ("succeeded", "skipped"):
            yield f"run {step.run} succeeded with step {step.key} {step.state}"
    done = Counter(
        (event.run, event.body["key"])
        for event in facts.events
        if event.type == "step" and event.body.get("state") == "succeeded"
    )
    yield from (f"run {r}, step {key} succeeded {n} times" for (r, key), n in done.items() if n > 1)


def _writers(facts: Facts) -> Iterator[str]:
    for run, events in _by_run(facts.events).items():
        attempt, writer = 0, None
        for event in events:
            if event.type == "state" and event.body.get("state") == "running":
                began = event.body.get("attempt", attempt + 1)
                if began <= attempt:
                    yield f"run {run}, event {event.seq}: attempt {began} after {attempt}"
                attempt, writer = began, None
            elif event.type in (ATTEMPT, WORK):
                found = event.body["worker"]
                if writer not in (None, found):
                    yield f"run {run}, event {event.seq}: {found} in the attempt of {writer}"
                writer = found


def _written_twice(facts: Facts) -> Iterator[str]:
    marks = Counter(
        (event.run, event.body["mark"]) for event in facts.events if event.type in (ATTEMPT, WORK)
    )
    yield from (f"run {run}: event {mark}, {n} times" for (run, mark), n in marks.items() if n > 1)


def _one_at_a_time(facts: Facts) -> Iterator[str]:
    times: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    keys, events = {run.id: run.key for run in facts.runs}, _by_run(facts.events)
    for run, key in keys.items():
        if key is not None:
            times[key] += [(*span, run) for span in _under_way(events.get(run, []))]
    for key, spans in times.items():
        for (_, over, first), (began, _, second) in itertools.pairwise(sorted(spans)):
            if began < over:
                yield f"{key}: run {second} began before run {first} was over"


def _under_way(events: Iterable[Event]) -> Iterator[tuple[datetime, datetime]]:
    """From when to when a run held its key: from an attempt to the end, waits included."""
    began = None
    for event in events:
        state = event.body.get("state") if event.type == "state" else None
        if state == "running" and began is None:
            began = event.at
        elif state in ENDED and began is not None:
            yield began, event.at
            began = None


def _after_the_end(facts: Facts) -> Iterator[str]:
    for run, events in _by_run(facts.events).items():
        over = False
        for event in events:
            state = event.body.get("state") if event.type == "state" else None
            if event.type == "decision":
                over = False  # somebody took it up again
            if over and state != "queued" and event.type in ("state", "step", ATTEMPT, WORK):
                yield f"run {run}, event {event.seq}: {event.type} after the end"
            over = state in ENDED if state else over


def _name(run: Run) -> str | None:
    return run.input.get("name") if run.kind.startswith("soak-") else None


def _with_asked(facts: Facts) -> Iterator[tuple[Run, Asked | None]]:
    asked = {one.run_id: one for one in facts.asked}
    return ((run, asked.get(run.id)) for run in facts.runs if _name(run))


def _by_run(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.run].append(row)
    return found


def _odd(seqs: list[int]) -> str:
    """The first place at which numbers do not count on by one."""
    for place, seq in enumerate(seqs, 1):
        if seq != place:
            return f"have {seq} in the place of {place}"
    return f"end at {len(seqs)}"


_RULES: Mapping[str, Callable[[Facts], Iterator[str]]] = {
    "accepted and lost": _accepted,
    "accepted twice": _once,
    "never ended": _ended,
    "job left over": _jobs,
    "effect": _effects,
    "idempotency key": _keys,
    "order of undoing": _undone_in_reverse,
    "acknowledged event": _shown,
    "gap in a sequence": _gaps,
    "step": _steps,
    "two writers": _writers,
    "event written twice": _written_twice,
    "one run of a key": _one_at_a_time,
    "written after the end": _after_the_end,
}
