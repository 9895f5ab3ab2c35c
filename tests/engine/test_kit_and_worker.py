"""What a run does under the vendor kit, it does under a worker: keys, numbers, outputs, undos."""

from __future__ import annotations

import json

import pytest
from engine_kit import ADA, Kind
from run_kit import yard_of

from towpath_core.errors import NotFound, StepFailed, Unavailable
from towpath_core.runs import Retry, Undo
from towpath_core.testing import RecordedRun
from towpath_engine.runs.tables import STEPS, UNDOS

pytestmark = pytest.mark.anyio

SOON = Retry(attempts=3, first_seconds=0.001, most_seconds=0.001)


def nested(input, tools):
    def outer(tools):
        tools.undo("inner", {"key": tools.key})
        return [tools.step("inner", lambda tools: tools.key) for _ in range(2)]

    first = tools.step("outer", outer, undo=Undo("outer", {"n": input["n"]}))
    second = tools.step("outer", outer)
    return {"keys": [*first, *second], "own": tools.key}


def waiting(input, tools):
    before = tools.step("before", lambda tools: (1, 2))
    tools.sleep(0)
    tide = tools.wait_for("tide")
    late = tools.step("around", lambda tools: [tools.wait_for("tide"), tools.key])
    tools.sleep(0)
    return {"before": before, "tide": tide, "late": late}


def failing(input, tools):
    caught = []
    for error in (NotFound("It is gone."), KeyError("odd"), StepFailed("No.")):
        try:
            tools.step("fail", lambda tools, error=error: fail(error))
        except Exception as raised:
            caught.append([type(raised).__name__, str(raised.args[0])])
    tools.sleep(0)  # and once more, from the journal
    return {"caught": caught}


def unready(input, tools):
    answers = [Unavailable("Busy."), Unavailable("Busy.")]

    def work(tools):
        tools.step("part", lambda tools: None)
        if answers:
            raise answers.pop()
        return tools.key

    return {"key": tools.step("ask", work, retry=SOON)}


def fail(error):
    raise error


@pytest.mark.parametrize("do", [nested, waiting, failing, unready])
async def test_a_run_is_the_same_in_memory_and_under_a_worker(engine_url, tmp_path, do):
    async with yard_of(engine_url, tmp_path / "home", Kind(do)) as yard, yard.working():
        run_id = await yard.start(input={"n": 7})
        if do is waiting:
            for number in (1, 2):
                await yard.control.signal(ADA, run_id, "tide", {"n": number})
        real = await yard.done(run_id)
        rows = await yard.rows(STEPS, STEPS.c.run_id == run_id)
        undos = await yard.rows(UNDOS, UNDOS.c.run_id == run_id)

    run = RecordedRun(Kind(do), {"n": 7}, run_id=str(run_id))
    for number in (1, 2):
        run.signal("tide", {"n": number})
    assert run.finish() == real.state == "succeeded"
    assert run.output == real.output
    assert [(row["seq"], row["key"], row["name"], row["state"]) for row in rows] == [
        (step.seq, step.key, step.name, step.state) for step in run.steps.values()
    ]
    work = [row["output"] for row in rows if row["wait"] is None]
    assert work == [step.output for step in run.steps.values() if not step.wait]
    assert [
        (row["step_seq"], row["step_key"], row["name"], json.loads(row["data"])) for row in undos
    ] == [(undo.seq, undo.step, undo.name, undo.data) for undo in run.undos]
