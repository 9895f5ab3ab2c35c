"""The contract of a run kind: replayed, broken off at every step, stopped, refused, taken back.

Knows the protocol only; what the kind does to the world is told by the vendor's `snapshot`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import pytest

from towpath_core.errors import Cancelled, LimitExceeded, TowpathError
from towpath_core.plugins.rules import OWN_KINDS
from towpath_core.runs import RunKind, Suspended, Undoable
from towpath_core.testing.conformance import BACKEND
from towpath_core.testing.inputs import accepts, bad_inputs, with_texts
from towpath_core.testing.notes import shows
from towpath_core.testing.offers import KEBAB, schema_faults
from towpath_core.testing.rules import Contract, broken, exempt, require, rule, shown, unchecked
from towpath_core.testing.runs import RecordedRun
from towpath_core.testing.undoing import check_taking_back, undoable_with

__all__ = ("HOSTILE_TEXTS", "RunKindContract", "Start")

HOSTILE_TEXTS = (
    "../../escape",
    "/etc/passwd",
    "x'; DROP TABLE runs; --",
    "-rf\n$(reboot)\0",
    "." * 300,
    "\u202e" + "\u00e9" * 300,
)
"""Texts of an input that nobody should give and somebody will."""

_MOST_BREAKS = 60
_DAY = 86_400


class Start(Protocol):
    """Make a run that was not called yet, of a kind with a backend of its own."""

    def __call__(self, kind: RunKind | None = None, **options: Any) -> RecordedRun:
        """Give a run; options are those of `RecordedRun`."""
        ...


class RunKindContract(Contract):
    """What every run kind keeps to. Give the fixtures `make`, `good_input` and `snapshot`."""

    @pytest.fixture
    def make(self) -> Callable[[], RunKind]:
        """A function that makes the kind, each time over a backend of its own. Give this one."""
        broken("the contract needs a fixture `make`: a function that makes the kind")

    @pytest.fixture
    def good_input(self) -> dict[str, Any]:
        """Input that the kind does without an error. Give this one."""
        broken("the contract needs a fixture `good_input` that returns what the kind accepts")

    @pytest.fixture
    def snapshot(self) -> Callable[[Any], object]:
        """Of a kind: all that its backend holds, as something that compares. Give this one."""
        broken("the contract needs a fixture `snapshot`: a function that tells what was done")

    @pytest.fixture
    def bad_input(self) -> Sequence[dict[str, Any]]:
        """Inputs that the schema must refuse, beside those that the kit makes itself."""
        return ()

    @pytest.fixture
    def answers(self) -> Mapping[str, Any]:
        """Bodies of signals and outputs of children, by what is waited for."""
        return {}

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        """The run's secrets, by name."""
        return {}

    @pytest.fixture
    def start(
        self,
        make: Callable[[], RunKind],
        good_input: dict[str, Any],
        secrets: Mapping[str, str],
        answers: Mapping[str, Any],
    ) -> Start:
        """Runs of the good input."""

        def start(kind: RunKind | None = None, **options: Any) -> RecordedRun:
            given = {"input": good_input, "secrets": secrets, "answers": answers, **options}
            return RecordedRun(kind or make(), **given)

        return start

    @pytest.fixture(autouse=True)
    def _noted(self, make: Callable[[], RunKind], request: pytest.FixtureRequest) -> None:
        kind = make()
        name = getattr(kind, "name", type(kind).__qualname__)
        request.node.user_properties.append((BACKEND, f"RunKind {name}"))

    @rule("run.is-declared", level="bronze")
    def test_is_declared(self, make: Callable[[], RunKind]) -> None:
        """It has a free name, words for people, a schema of an object, a queue and a deadline."""
        kind = make()
        require(isinstance(kind, RunKind), f"{type(kind).__name__} is no RunKind")
        for what, name in (("name", kind.name), ("queue", kind.queue)):
            require(KEBAB.fullmatch(str(name)), f"the {what} {name!r} is not kebab-case")
        require(kind.name not in OWN_KINDS, f"the name {kind.name} is the platform's own")
        require(kind.title.strip() and kind.description.strip(), "it has no title or description")
        timed = isinstance(kind.seconds, int | float) and 0 < kind.seconds <= _DAY
        require(timed, f"`seconds` is {kind.seconds!r}, not above 0 and at most a day")
        faults = list(schema_faults(kind.input_schema, "input_schema"))
        require(not faults, "; ".join(faults))

    @rule("run.schema-refuses-bad-input", level="bronze")
    def test_schema_refuses_bad_input(
        self,
        make: Callable[[], RunKind],
        good_input: dict[str, Any],
        bad_input: Sequence[dict[str, Any]],
    ) -> None:
        """The schema takes the good input, and no unknown name, wrong type or bad input."""
        schema = make().input_schema
        require(accepts(schema, good_input), f"the schema refuses {shown(good_input)}")
        for bad in (*bad_inputs(good_input), *bad_input):
            require(not accepts(schema, bad), f"the schema takes {shown(bad)}")

    @rule("run.gives-json", level="bronze")
    def test_gives_json(self, start: Start) -> None:
        """With good input and every wait answered it ends, and its output is a JSON object."""
        run = start()
        try:
            run.finish()
        except LimitExceeded as error:
            broken(error.what)
        require(run.state == "succeeded", f"it ended as {run.state}: {shown(run.error)}")

    @rule("run.replay-does-nothing", level="bronze")
    def test_replay_does_nothing(
        self, start: Start, make: Callable[[], RunKind], snapshot: Callable[[Any], object]
    ) -> None:
        """Called again with all its steps journalled, it does nothing and gives the same."""
        kind = make()
        run = _done(start(kind))
        before = (dict(run.calls), set(run.steps), run.output, snapshot(kind))
        run.go()
        require(run.state == "succeeded", f"the replay ended as {run.state}: {shown(run.error)}")
        after = (dict(run.calls), set(run.steps), run.output, snapshot(kind))
        for what, old, new in zip(
            ("calls", "steps", "output", "world"), before, after, strict=True
        ):
            require(old == new, f"a replay changed the {what} from {shown(old)} to {shown(new)}")

    @rule("run.crash-does-nothing-twice", level="bronze")
    def test_crash_does_nothing_twice(
        self, start: Start, make: Callable[[], RunKind], snapshot: Callable[[Any], object]
    ) -> None:
        """Crashed at any boundary of a step and called again, it has done all once."""
        kinds = make(), make()
        calm, other = (_done(start(kind)) for kind in kinds)
        world = snapshot(kinds[0])
        if world != snapshot(kinds[1]):
            unchecked("two snapshots after two calm runs differ: leave out what changes by itself")
        for moment in _spread(len(calm.journal.moments)):
            kind = make()
            run = start(kind)
            run.crash_at(moment)
            run.finish()
            where = f"after a crash at `{calm.journal.moments[moment - 1]}`"
            if run.state == "unknown":  # it says itself that somebody has to look
                continue
            require(run.state == "succeeded", f"{where} it is {run.state}: {shown(run.error)}")
            found = snapshot(kind)
            require(found == world, f"{where} there is {shown(found)}, not {shown(world)}")
            same = run.output == calm.output or calm.output != other.output
            require(same, f"{where} it gave {shown(run.output)}, not {shown(calm.output)}")

    @rule("run.lets-suspended-pass", level="bronze")
    def test_lets_suspended_pass(self, start: Start) -> None:
        """`Suspended` leaves it at every wait, and when another worker takes the run over."""
        calm = _done(start())
        require(not calm.swallowed, f"it kept to itself {', '.join(calm.swallowed)}")
        for moment in _spread(len(calm.journal.moments)):
            run = start()
            run.journal.break_at(moment, Suspended)
            run.finish()
            require(not run.swallowed, f"it kept to itself {', '.join(run.swallowed)}")

    @rule("run.secrets-never-shown", level="bronze")
    def test_secrets_never_shown(
        self,
        start: Start,
        secrets: Mapping[str, str],
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A secret of the run is in no log, event, output, step, undo or child's input."""
        caplog.set_level(logging.DEBUG)
        run = _done(start())
        if not run.asked:
            exempt("it asks for no secret")
        kept = (run.output, run.steps, run.undos, run.children, run.kind)
        text = "\n".join([run.text(), caplog.text, *capsys.readouterr(), *map(repr, kept)])
        leaked = sorted(name for name in run.asked if shows(text, secrets[name]))
        require(not leaked, f"shown in what is kept of the run: {', '.join(leaked)}")

    @rule("run.stops-when-cancelled", level="silver")
    def test_stops_when_cancelled(self, start: Start) -> None:
        """Cancelled at any step, wait or `tools.check()`, it stops with `Cancelled`."""
        calm = _done(start())
        if not calm.checks:
            broken("it never looks: it has no step, no wait and no tools.check()")
        for look in _spread(calm.checks):
            run = start(cancel_at=look)
            run.finish()
            what = shown(run.error) if run.error else run.state
            require(run.state == "cancelled", f"cancelled at look {look}, it came to {what}")

    @rule("run.deadline-honoured", level="silver")
    def test_deadline_honoured(
        self, start: Start, make: Callable[[], RunKind], snapshot: Callable[[Any], object]
    ) -> None:
        """After the deadline it stops with `Cancelled` or `LimitExceeded`, and does nothing."""
        kind = make()
        before = snapshot(kind)
        run = start(kind, seconds=0)
        run.finish()
        stopped = isinstance(run.error, Cancelled | LimitExceeded)
        require(stopped, f"it came to {shown(run.error) if run.error else run.state}")
        require(snapshot(kind) == before, "it did something after the deadline")

    @rule("run.errors-are-typed", level="silver")
    def test_errors_are_typed(
        self, start: Start, make: Callable[[], RunKind], good_input: dict[str, Any]
    ) -> None:
        """Whatever a text of the input says, it works or raises a `TowpathError`."""
        schema = make().input_schema
        for hostile in with_texts(good_input, HOSTILE_TEXTS):
            if accepts(schema, hostile):
                _require_regular(_finished(start(input=hostile)), f"with {shown(hostile)}")

    @rule("run.refusals-are-typed", level="silver")
    def test_refusals_are_typed(self, start: Start) -> None:
        """After a no, a wait in vain or a failed child it works or raises a `TowpathError`."""
        waits = [step.key for step in _done(start()).steps.values() if step.wait]
        if not (tried := [key for key in waits if _refuse(start(), key)]):
            exempt("it waits for nothing that can be refused")
        for key in tried:
            run = start()
            _refuse(run, key)
            _require_regular(_finished(run), f"refused at {key}")

    @rule("run.undo-is-idempotent", level="silver")
    def test_undo_is_idempotent(self, start: Start, make: Callable[[], RunKind]) -> None:
        """What its steps registered can be taken back: twice, and where it is gone already."""
        kind = make()
        run = _done(start(kind))
        owner = undoable_with(kind, run)
        for when in ("the first time", "the second time"):
            check_taking_back(owner, run, when)
        check_taking_back(undoable_with(make(), run), run, "of what is not there")

    @rule("run.undo-takes-back", level="gold")
    def test_undo_takes_back(
        self, start: Start, make: Callable[[], RunKind], snapshot: Callable[[Any], object]
    ) -> None:
        """After all was taken back, the world is as it was before the run."""
        kind = make()
        before = snapshot(kind)
        run = _done(start(kind))
        if not isinstance(kind, Undoable):
            exempt("it takes nothing back")
        check_taking_back(undoable_with(kind, run), run, "the first time")
        after = snapshot(kind)
        require(after == before, f"there is {shown(after)}, and there was {shown(before)}")


def _finished(run: RecordedRun) -> RecordedRun:
    try:
        run.finish()
    except LimitExceeded:
        unchecked("it does not end; see run.gives-json")
    return run


def _done(run: RecordedRun) -> RecordedRun:
    if _finished(run).state != "succeeded":
        unchecked("it does not succeed; see run.gives-json")
    return run


def _spread(most: int) -> Iterable[int]:
    """Numbers from 1 to `most`, few enough to try."""
    return range(1, most + 1, max(1, math.ceil(most / _MOST_BREAKS)))


def _refuse(run: RecordedRun, key: str) -> bool:
    """Run to a wait and let it come to no good; False where it cannot."""
    while run.go() == "waiting":
        step = run.journal.wait
        if step is None or step.key != key:
            run.answer(run.answers)
            continue
        what, _, name = step.wait.partition(":")
        if what == "approval":
            run.reject(name)
        elif what == "child":
            run.end_child(name, failed="the kit says so")
        elif what == "wait" and step.ends:
            run.pass_time()
        else:
            return False
        return True
    return False


def _require_regular(run: RecordedRun, when: str) -> None:
    odd = [*run.journal.stumbles, run.error]
    for error in odd:
        regular = error is None or isinstance(error, TowpathError)
        require(regular, f"{when} it raised {shown(error)}")
