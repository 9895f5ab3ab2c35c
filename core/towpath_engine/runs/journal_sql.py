"""The journal's frequent writes as the database does them: one statement each, under the fence.

What belongs together (events, steps, the run's end, its job) is written by one statement with
several parts. Each part takes its rows from the first, which holds the run's row under the fence:
where the fence is lost, there are none and nothing is written. What is JSON goes in as text within
JSON, which nothing looks into: it keeps its order, and characters that only JSON can hold. Times
are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, Protocol
from uuid import UUID

import msgspec

from towpath_engine.runs.journal import Event, Fence, FenceLost, StepInfo
from towpath_engine.store.database import Transaction

__all__ = ("InTransaction", "Store", "begin", "end", "write")


class Store(Protocol):
    """What does one statement: a `Database`, or a transaction that is under way."""

    async def one(self, query: LiteralString, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Do it and return its first row, if it has any."""
        ...


class InTransaction:
    """Does statements in a transaction that the caller commits."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def one(self, query: LiteralString, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Do it and return its first row, if it has any."""
        return (await self._transaction.exec_driver_sql(query, dict(values))).first()


# What the attempt needs to know of its run, in this order.
_BEGUN = (
    "id",
    "kind",
    "input",
    "principal",
    "secrets",
    "attempt",
    "crashes",
    "cancel_requested",
    "deadline",
    "undoes",
    "queue",
    "parent_id",
    "concurrency_key",
)

_BEGIN = """
    WITH begun AS (
        UPDATE runs SET state = 'running', attempt = attempt + 1, last_event = last_event + 1,
            held = NULL, wake_at = NULL, started_at = coalesce(started_at, clock_timestamp())
        WHERE id = %(run)s AND turn = %(turn)s AND state = 'queued' AND concurrency_key IS NULL
            AND queue <> ALL (%(limited)s::text[])
        RETURNING *
    ), told AS (
        INSERT INTO run_events (run_id, seq, type, body, at)
        SELECT id, last_event, 'state',
            json_build_object('state', 'running', 'attempt', attempt), clock_timestamp()
        FROM begun
    )
    SELECT id, kind, input, principal, secrets, attempt, crashes, cancel_requested, deadline,
        undoes, queue, parent_id, concurrency_key, coalesce(deadline <= clock_timestamp(), false),
        EXISTS (SELECT 1 FROM run_steps WHERE run_id = begun.id),
        pg_notify('towpath_runs', id::text)
    FROM begun
"""

_HELD = """
    WITH held AS (
        UPDATE runs SET last_event = last_event + %(count)s,
            crashes = CASE WHEN %(got_on)s THEN 0 ELSE crashes END
        WHERE id = %(run)s AND attempt = %(attempt)s AND state = 'running'
        RETURNING last_event
    )
"""

_HELD_TO_END = """
    WITH held AS (
        UPDATE runs SET last_event = last_event + %(count)s, state = 'succeeded',
            output = %(output)s::json, error = NULL, secrets = NULL, wake_at = NULL,
            cancel_by = NULL, held = NULL, holds_key = false, finished_at = clock_timestamp(),
            crashes = CASE WHEN %(got_on)s THEN 0 ELSE crashes END
        WHERE id = %(run)s AND attempt = %(attempt)s AND state = 'running'
        RETURNING last_event, id, kind, state, attempt, created_by, queue
    ), audited AS (
        INSERT INTO audit (at, actor, action, subject, run_id, detail)
        SELECT clock_timestamp(), created_by, 'runs:end', id::text, id,
            json_build_object('kind', kind, 'state', state, 'attempt', attempt)
        FROM held
    ), job AS (
        DELETE FROM procrastinate_jobs USING held WHERE procrastinate_jobs.id = %(job)s
    )
"""

_EVENTS = """
    , events AS (
        INSERT INTO run_events (run_id, seq, type, body, at)
        SELECT %(run)s, held.last_event - %(count)s + e.number, e.type, e.body::json,
            clock_timestamp()
        FROM held, ROWS FROM (json_to_recordset(%(events)s::json) AS (type text, body text))
            WITH ORDINALITY AS e (type, body, number)
    )
"""

_STEPS = """
    , steps AS (
        INSERT INTO run_steps (run_id, seq, key, name, state, attempts, effect, wait, output,
            error, started_at, finished_at)
        SELECT %(run)s, s.seq, s.key, s.name, s.state, s.attempts, s.effect, s.wait::json,
            s.output::json, s.error::json, clock_timestamp(),
            CASE WHEN s.state NOT IN ('running', 'waiting') THEN clock_timestamp() END
        FROM held, json_to_recordset(%(steps)s::json) AS s (seq int, key text, name text,
            state text, attempts int, effect text, wait text, output text, error text)
        ON CONFLICT (run_id, seq) DO UPDATE SET state = excluded.state,
            attempts = excluded.attempts, wait = excluded.wait, output = excluded.output,
            error = excluded.error, finished_at = excluded.finished_at
    )
"""

_TOLD = "SELECT pg_notify('towpath_runs', %(run)s::text) FROM held"

_TOLD_AT_END = """
    SELECT pg_notify('towpath_runs', %(run)s::text), EXISTS (
        SELECT 1 FROM runs other WHERE other.queue = held.queue AND other.held = 'queue')
    FROM held
"""

_WRITE_EVENTS: LiteralString = _HELD + _EVENTS + _TOLD
_WRITE: LiteralString = _HELD + _EVENTS + _STEPS + _TOLD
_END: LiteralString = _HELD_TO_END + _EVENTS + _STEPS + _TOLD_AT_END


async def begin(
    store: Store, run_id: UUID, turn: int, limited: Sequence[str]
) -> tuple[dict[str, Any], bool] | None:
    """Take the fence of a run that was queued and that nothing can hold up.

    Args:
        store: commits at once.
        run_id: the run.
        turn: of the job that was delivered.
        limited: queues that have a limit; their runs are not begun like this.

    Returns:
        What the attempt needs of the run's row, and whether it has steps; None when it takes a
        closer look to say whether the run may begin. Nothing is changed then.
    """
    values = {"run": run_id, "turn": turn, "limited": list(limited)}
    found = await store.one(_BEGIN, values)
    if found is None:
        return None
    *row, late, steps, _ = found
    return {**dict(zip(_BEGUN, row, strict=True)), "late": late}, steps


async def write(
    store: Store, fence: Fence, events: Sequence[Event], steps: Sequence[StepInfo] = ()
) -> None:
    """Append events in order, numbered without gaps, and write steps; all or nothing.

    Who follows the run is notified at the commit. A step that got on counts as life of the run.

    Args:
        store: commits at once when it is the database; otherwise the caller commits.
        fence: of the attempt.
        events: at least one.
        steps: each step once, in its last state.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    values = _values(fence, events, steps)
    if steps:
        values["steps"] = _rows(steps)
    if await store.one(_WRITE if steps else _WRITE_EVENTS, values) is None:
        raise _lost(fence)


async def end(
    store: Store,
    fence: Fence,
    events: Sequence[Event],
    steps: Sequence[StepInfo],
    *,
    output: Any,
    job_id: int | None,
) -> bool:
    """Write as `write` does, and end a run that succeeded: its audit row, its secrets, its job.

    For runs that nobody waits for: without a parent, without a key, with no step that is open.

    Args:
        store: as above.
        fence: of the attempt.
        events: the last one says that it ended.
        steps: as above.
        output: JSON.
        job_id: the job that brought the run; it leaves the queue.

    Returns:
        Whether other runs are held by the limit of its queue, for which there is room now.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    values = {
        **_values(fence, events, steps),
        "steps": _rows(steps),
        "output": _text(output),
        "job": job_id,
    }
    found = await store.one(_END, values)
    if found is None:
        raise _lost(fence)
    return bool(found[1])


def _values(fence: Fence, events: Sequence[Event], steps: Sequence[StepInfo]) -> dict[str, Any]:
    return {
        "run": fence.run_id,
        "attempt": fence.attempt,
        "got_on": any(step.state not in ("running", "waiting") for step in steps),
        "count": len(events),
        "events": _text([{"type": event.type, "body": _text(event.body)} for event in events]),
    }


def _rows(steps: Sequence[StepInfo]) -> str | None:
    return _text(
        [
            {
                "seq": step.seq,
                "key": step.key,
                "name": step.name,
                "state": step.state,
                "attempts": step.attempts,
                "effect": step.effect,
                "wait": _text(step.wait),
                "output": _text(step.output),
                "error": _text(step.error),
            }
            for step in steps
        ]
    )


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _lost(fence: Fence) -> FenceLost:
    return FenceLost(f"Run {fence.run_id} is no longer at attempt {fence.attempt}.")
