"""Runs in memory: steps once by key, waits until an outcome is given, crashes at every boundary."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from towpath_core.errors import (
    Cancelled,
    Conflict,
    Invalid,
    LimitExceeded,
    NotFound,
    StepFailed,
    Unavailable,
)
from towpath_core.runs import Observed, OutcomeUnknown, Rejected, Retry, Suspended, TimedOut, Undo
from towpath_core.testing import RecordedRun, RecordingTools, take_back
from towpath_core.testing.records import Crash
from towpath_core.testing.tools import PatientTools


class Kind:
    """A kind whose work is a function of the test."""

    name, title, description, queue, seconds = "kind", "Kind", "A kind.", "default", 60.0

    def __init__(self, work):
        self.input_schema = {"type": "object"}
        self.work = work

    def run(self, input, tools):
        return self.work(input, tools)


def run_of(work, **options):
    return RecordedRun(Kind(work), {}, **options)


def raising(error):
    def work(tools):
        raise error

    return work


class TestSteps:
    def test_a_part_is_done_once_by_its_name_and_place(self):
        tools, done = RecordingTools(key="r-1:0"), []

        def work(tools):
            done.append(tools.key)
            return {"key": (tools.key,)}

        for _ in range(2):
            first = tools.step("make", work)
            second = tools.step("make", work)
            tools.begin_again()

        assert first == {"key": ["r-1:1"]} and second == {"key": ["r-1:2"]}
        assert done == ["r-1:1", "r-1:2"]
        assert {key: step.seq for key, step in tools.steps.items()} == {"make": 1, "make#2": 2}

    def test_a_part_of_a_part_is_below_it(self):
        tools = RecordingTools(key="r-1:3")

        tools.step("outer", lambda t: [t.step("inner", lambda t: t.key) for _ in range(2)])

        assert list(tools.steps) == ["outer", "outer/inner", "outer/inner#2"]
        assert tools.steps["outer"].output == ["r-1:5", "r-1:6"]

    def test_what_it_gave_cannot_be_changed_from_outside(self):
        tools = RecordingTools()
        tools.step("make", lambda t: {"a": []})["a"].append(1)
        tools.begin_again()

        assert tools.step("make", lambda t: None) == {"a": []}

    @pytest.mark.parametrize("error", [NotFound("gone"), Rejected("no"), Invalid("bad")])
    def test_a_failure_is_raised_again_in_its_class(self, error):
        tools = RecordingTools()
        with pytest.raises(type(error)):
            tools.step("make", raising(error))
        tools.begin_again()

        with pytest.raises(type(error), match=error.what) as caught:
            tools.step("make", lambda t: 5)
        assert type(caught.value) is type(error)
        assert tools.calls == {"make": 1}

    def test_what_is_no_error_of_ours_is_a_failed_step_at_once_and_later(self):
        tools = RecordingTools()
        for _ in range(2):
            with pytest.raises(StepFailed, match="Something went wrong"):
                tools.step("make", raising(KeyError("secret")))
            tools.begin_again()
        assert [type(one) for one in tools.journal.stumbles] == [KeyError]

    def test_what_json_cannot_say_fails_the_step(self):
        tools = RecordingTools()
        with pytest.raises(Invalid):
            tools.step("make", lambda t: object())
        assert tools.steps["make"].state == "failed"

    def test_a_backend_that_does_not_answer_is_asked_again(self):
        tools, answers = RecordingTools(), [Unavailable("busy"), Unavailable("busy"), None]

        def work(tools):
            if error := answers.pop(0):
                raise error
            return "done"

        assert tools.step("make", work, retry=Retry(attempts=3)) == "done"
        assert tools.calls == {"make": 3}
        with pytest.raises(Unavailable):
            tools.step("other", raising(Unavailable("dead")), retry=Retry(attempts=2))
        assert tools.calls["other"] == 2

    @pytest.mark.parametrize("name", ["", "a\n", "x" * 201, None])
    def test_a_name_is_text(self, name):
        with pytest.raises(Invalid):
            RecordingTools().step(name, lambda t: None)

    def test_after_the_end_of_its_time_no_part_is_begun(self):
        tools = RecordingTools(seconds=0)
        with pytest.raises(LimitExceeded):
            tools.step("make", lambda t: None)
        assert tools.calls == {}

    def test_a_part_has_time_of_its_own(self):
        tools = RecordingTools(seconds=60)
        with pytest.raises(LimitExceeded, match="deadline"):
            tools.step("make", lambda t: t.check(), seconds=0)
        assert tools.steps["make"].state == "failed"

    def test_a_part_that_was_stopped_is_cancelled(self):
        tools = RecordingTools(cancel_at=2)
        with pytest.raises(Cancelled):
            tools.step("make", lambda t: t.check())
        assert tools.steps["make"].state == "cancelled"
        assert tools.steps["make"].attempts == 1


class TestWaits:
    @pytest.mark.parametrize(
        ("wait", "give", "found"),
        [
            (lambda t: t.sleep(5), lambda t: t.pass_time(), None),
            (lambda t: t.sleep_until(datetime.now(UTC)), lambda t: t.pass_time(), None),
            (lambda t: t.wait_for("tide"), lambda t: t.signal("tide", {"a": 1}), {"a": 1}),
            (lambda t: t.child("b", "build", {}), lambda t: t.end_child("b", [1]), [1]),
            (lambda t: t.approval("go", "Go?").by, lambda t: t.approve("go", by="u:d/a"), "u:d/a"),
        ],
        ids=["sleep", "until", "signal", "child", "approval"],
    )
    def test_a_wait_is_over_when_the_test_says_so(self, wait, give, found):
        tools = RecordingTools()
        for _ in range(2):
            with pytest.raises(Suspended):
                wait(tools)
            tools.begin_again()
        with pytest.raises(Suspended):
            wait(tools)
        give(tools)

        for _ in range(2):
            assert wait(tools) == found
            tools.begin_again()

    @pytest.mark.parametrize(
        ("wait", "give", "error"),
        [
            (lambda t: t.wait_for("tide", seconds=5), lambda t: t.pass_time(), TimedOut),
            (lambda t: t.approval("go", "Go?", seconds=5), lambda t: t.pass_time(), TimedOut),
            (lambda t: t.approval("go", "Go?"), lambda t: t.reject("go", reason="late"), Rejected),
            (lambda t: t.child("b", "b", {}), lambda t: t.end_child("b", failed="x"), StepFailed),
        ],
        ids=["signal", "silence", "no", "child"],
    )
    def test_a_wait_may_come_to_no_good(self, wait, give, error):
        tools = RecordingTools()
        with pytest.raises(Suspended):
            wait(tools)
        give(tools)

        for _ in range(2):
            with pytest.raises(error):
                wait(tools)
            tools.begin_again()

    def test_signals_that_came_before_are_taken_in_order_each_once(self):
        tools = RecordingTools()
        tools.signal("tide", 1)
        tools.signal("tide", 2)

        assert (tools.wait_for("tide"), tools.wait_for("tide")) == (1, 2)
        with pytest.raises(Suspended):
            tools.wait_for("tide")

    def test_while_it_waits_nothing_else_is_done(self):
        tools = RecordingTools()
        with pytest.raises(Suspended):
            tools.sleep(5)
        for call in (
            lambda: tools.step("make", lambda t: None),
            tools.check,
            lambda: tools.undo("x", {}),
            lambda: tools.approval("go", "Go?"),
            lambda: tools.child("b", "build", {}),
        ):
            with pytest.raises(Suspended):
                call()
        assert tools.calls == {} and not tools.undos and not tools.children

    def test_time_ends_nothing_that_has_no_end(self):
        tools = RecordingTools()
        with pytest.raises(Conflict):
            tools.pass_time()
        with pytest.raises(Suspended):
            tools.wait_for("tide")
        with pytest.raises(Conflict):
            tools.pass_time()

    def test_a_wait_within_a_part_goes_on_in_the_part_and_is_no_attempt(self):
        tools = RecordingTools()

        def work(tools):
            return [tools.step("first", lambda t: 1), tools.wait_for("tide")]

        with pytest.raises(Suspended):
            tools.step("outer", work, repeatable=False)
        assert tools.steps["outer"].state == "waiting"
        tools.signal("tide", 2)

        assert tools.step("outer", work, repeatable=False) == [1, 2]
        assert tools.steps["outer"].attempts == 1
        assert tools.calls == {"outer": 2, "outer/first": 1}

    def test_what_people_are_asked_and_what_is_started_is_kept(self):
        tools = RecordingTools()
        for _ in range(2):
            with pytest.raises(Suspended):
                tools.approval("go", "Go?", approvers=["Group:default/Ops"], subject={"n": 1})
            tools.begin_again()
            with pytest.raises(Suspended):
                tools.child("b", "build", {"a": 1}, secrets={"token": "x"})
            tools.begin_again()

        asked = tools.steps["approval:go"]
        assert asked.name == "Go?"
        assert asked.shown == {"approvers": ["group:default/ops"], "subject": {"n": 1}}
        [child] = tools.children
        assert (child.kind, child.input, child.secrets) == ("build", {"a": 1}, ("token",))

    def test_a_wait_takes_a_time_that_makes_sense(self):
        tools = RecordingTools()
        for call in (
            lambda: tools.sleep(-1),
            lambda: tools.sleep_until(datetime(2030, 1, 1)),
            lambda: tools.wait_for("x", seconds=1e12),
        ):
            with pytest.raises(Invalid):
                call()

    def test_patient_tools_do_not_wait_for_anybody(self):
        tools = PatientTools()
        tools.sleep(0)
        assert tools.wait_for("tide") is None
        assert tools.step("ask", lambda t: t.approval("go", "Go?").by).startswith("user:")
        assert tools.child("b", "build", {}) is None


class TestSecretsAndUndos:
    def test_a_secret_is_a_handle(self):
        tools = RecordingTools(secrets={"token": "hunter2"})
        found = tools.step("use", lambda t: [repr(t.secret("token")), t.secret("token").reveal()])

        assert found == ["Secret('token')", "hunter2"]
        assert tools.asked == {"token"}
        with pytest.raises(NotFound):
            tools.secret("other")

    def test_undos_are_kept_once_and_done_last_first(self):
        tools, order = RecordingTools(), []

        def work(tools):
            for _ in range(2):
                tools.undo("inner", {"key": tools.key})

        tools.step("make", work, undo=Undo("outer", {"n": 1}))

        class Owner:
            def undo(self, name, data, tools):
                order.append((name, data, tools.key))

        take_back(Owner(), tools)
        assert order == [
            ("inner", {"key": "kit-run:2"}, "kit-undo:1"),
            ("outer", {"n": 1}, "kit-undo:2"),
        ]
        assert [(undo.seq, undo.step) for undo in tools.undos] == [(2, "make"), (2, "make")]

    def test_an_undo_is_kept_before_the_work(self):
        run = run_of(lambda i, t: {"a": t.step("make", lambda t: 1, undo=Undo("u", {}))})
        run.crash_at(1)

        assert run.go() == "running"
        assert run.calls == {} and [undo.name for undo in run.undos] == ["u"]

    def test_events_of_the_platform_cannot_be_forged(self):
        with pytest.raises(Invalid):
            RecordingTools().emit("state", {"state": "succeeded"})


class TestRuns:
    def test_every_boundary_of_a_step_is_a_place_to_die(self):
        def work(input, tools):
            return {"a": tools.step("make", lambda t: t.key)}

        called = []
        for moment in (1, 2, 3, 4):
            run = run_of(work)
            run.crash_at(moment)
            first = run.go()
            assert first == ("running" if moment < 4 else "succeeded")
            assert run.finish() == "succeeded" and run.output == {"a": "kit-run:1"}
            called.append(run.calls["make"])

        assert called == [1, 2, 1, 1]
        assert run.journal.moments == ["begun make", "done make", "kept make"]

    def test_after_a_crash_nothing_is_kept_whatever_the_code_catches(self):
        def work(input, tools):
            try:
                tools.step("make", lambda t: 1)
            except BaseException:
                tools.undo("u", {})
            return {}

        run = run_of(work)
        run.crash_at(2)

        assert run.go() == "running"
        assert not run.undos and run.steps["make"].state == "running"
        assert run.swallowed == []  # it raised in its turn

    @pytest.mark.parametrize(("how", "state"), [(Crash, "running"), (Suspended, "queued")])
    def test_what_is_swallowed_is_told(self, how, state):
        def work(input, tools):
            try:
                tools.step("make", lambda t: 1)
            except BaseException:
                return {}

        run = run_of(work)
        run.journal.break_at(2, how)

        assert run.go() == state
        assert run.swallowed == [f"{how.__name__} at done make"]

    @pytest.mark.parametrize(
        ("observe", "state", "output", "calls"),
        [
            (None, "unknown", None, 1),
            (lambda t: None, "unknown", None, 1),
            (lambda t: Observed(True, "seen"), "succeeded", {"a": "seen"}, 1),
            (lambda t: Observed(False), "succeeded", {"a": "done"}, 2),
        ],
        ids=["blind", "cannot-tell", "seen", "not-there"],
    )
    def test_what_may_not_be_repeated_is_looked_at(self, observe, state, output, calls):
        def work(input, tools):
            done = tools.step("make", lambda t: "done", repeatable=False, observe=observe)
            return {"a": done}

        run = run_of(work)
        run.crash_at(2)

        assert run.finish() == state
        assert (run.output, run.calls["make"]) == (output, calls)
        assert isinstance(run.error, OutcomeUnknown) == (state == "unknown")

    def test_a_run_is_called_again_while_a_backend_does_not_answer(self):
        errors = [Unavailable("busy"), Unavailable("busy")]

        def work(input, tools):
            number = tools.step("count", lambda t: 1)
            if errors:
                raise errors.pop()
            return {"number": number}

        run = run_of(work)
        assert run.go() == "succeeded" and run.calls == {"count": 1}
        assert run_of(lambda i, t: raising(Unavailable("dead"))(t)).go() == "failed"

    def test_the_input_is_a_copy_each_time(self):
        def work(input, tools):
            input["seen"] = True
            tools.sleep(1)
            return {"keys": sorted(input)}

        given = {"a": 1}
        run = RecordedRun(Kind(work), given)

        assert run.finish() == "succeeded"
        assert run.output == {"keys": ["a", "seen"]} and given == {"a": 1} == run.input

    def test_a_run_that_never_ends_is_given_up(self):
        def work(input, tools):
            while True:
                tools.sleep(1)

        with pytest.raises(LimitExceeded, match="has not ended"):
            run_of(work).finish()

    def test_a_run_is_answered_with_what_the_test_says(self):
        def work(input, tools):
            yes = tools.approval("go", "Go?", seconds=5)
            return {"by": yes.by, "tide": tools.wait_for("tide"), "b": tools.child("b", "k", {})}

        run = run_of(work, answers={"wait:tide": "high", "child:b": {"image": "x"}})

        assert run.finish() == "succeeded"
        assert run.output == {
            "by": "user:default/kit-approver",
            "tide": "high",
            "b": {"image": "x"},
        }
