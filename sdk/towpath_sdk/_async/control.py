"""Telling runs what to do: start, stop, take up again, decide, take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._wire.calls import get
from towpath_sdk._wire.running import Undos, retry_call, run_path, start_call, steer_call
from towpath_sdk._wire.runs import Run, Undo

__all__ = ("AsyncRunControl",)


class AsyncRunControl:
    """What changes a run. Each method returns at once; the run goes on by itself."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    async def start(
        self,
        kind: str,
        input: Mapping[str, Any] | None = None,
        *,
        title: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        concurrency_key: str | None = None,
        deadline: float | None = None,
        secrets: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a run of a kind that a plugin offers, and return it.

        Args:
            kind: one of `kinds`.
            input: what its schema asks for.
            title: for people; made of the kind without.
            queue: which workers take it; the kind's own without.
            priority: -100 to 100 among the runs of its queue; more goes first.
            concurrency_key: of runs that share one, one is done at a time.
            deadline: seconds from now after which it is stopped.
            secrets: values that are sealed, kept for this run only and masked in its log.
            idempotency_key: a key of one's own, to be safe over restarts of the caller: the same
                key and values give the same run, whatever happened in between.

        Raises:
            NotFound: there is no such kind.
            Invalid: the input does not fit; `problems` say where. Or the key was used for others.
            Forbidden: the token may not start runs.
        """
        call = start_call(
            kind,
            input,
            deadline,
            idempotency_key,
            title=title,
            queue=queue,
            priority=priority,
            concurrencyKey=concurrency_key,
            secrets=secrets,
        )
        return await self._link.read(call, Run)

    async def cancel(
        self,
        id: str,
        *,
        force: bool = False,
        grace: float | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Ask a run to stop; it does so between steps, soon. Asking again changes nothing.

        Args:
            id: the run.
            force: end it now, from outside; a step that was open may then have had an effect
                that nobody recorded, and the run ends as `unknown`.
            grace: end it so only if it has not stopped by itself within these seconds.
            reason: for the record.
            idempotency_key: sent along; the same call is not done twice.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it has ended.
        """
        said = {"force": force or None, "graceSeconds": grace, "reason": reason}
        return await self._link.read(steer_call(id, "cancel", idempotency_key, **said), Run)

    async def retry(
        self,
        id: str,
        *,
        input: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Take a run up again at the step that failed. What was done is not done again.

        Args:
            id: a run that failed, was cancelled, or is `unknown`.
            input: the whole input instead of the one it had.
            secrets: those that it needs; the ones it had were wiped when it ended.
            reason: for the record.
            idempotency_key: sent along; the same call is not done twice.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it goes on, or has succeeded.
            Invalid: the input does not fit; `problems` say where.
        """
        call = retry_call(id, input, secrets, reason, idempotency_key)
        return await self._link.read(call, Run)

    async def resolve(
        self,
        id: str,
        *,
        happened: bool,
        output: Any = None,
        reason: str,
        secrets: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Say what became of the step that nobody recorded; the run goes on from there.

        Args:
            id: a run that is `unknown`.
            happened: whether the effect of the step happened. If not, it is done again.
            output: what the step would have come to, where it happened; free-form.
            reason: how one knows, for the record.
            secrets: all that the run had: they were wiped when it ended.
            idempotency_key: sent along; the same call is not done twice.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: the run is not `unknown`.
            Invalid: a secret of the run is missing; says which.
        """
        said = {
            "happened": happened,
            "output": output,
            "reason": reason,
            "secrets": dict(secrets) if secrets else None,
        }
        return await self._link.read(steer_call(id, "resolve", idempotency_key, **said), Run)

    async def undo_plan(self, id: str) -> tuple[Undo, ...]:
        """What taking back a run would do, in the order it would be done. Changes nothing.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
        """
        return (await self._link.read(get(run_path(id, "undo")), Undos)).undos

    async def undo(
        self, id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Run:
        """Take back what a run did, the last first, in a run of its own, which is returned.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
            Conflict: it goes on, or left nothing to take back.
        """
        return await self._link.read(steer_call(id, "undo", idempotency_key, reason=reason), Run)

    async def approve(
        self,
        id: str,
        *,
        step: str | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Say yes to what a run asks; it goes on.

        Args:
            id: a run that waits for approval.
            step: key of the step that asks, where more than one does.
            reason: for the record.
            idempotency_key: sent along; the same call is not done twice.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
            Forbidden: it is not for the asker to say, as with runs of one's own.
            Conflict: it asks nothing.
        """
        said = {"step": step, "reason": reason}
        return await self._link.read(steer_call(id, "approve", idempotency_key, **said), Run)

    async def reject(
        self,
        id: str,
        *,
        reason: str,
        step: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Say no to what a run asks; it fails with the reason, unless it can do without.

        Args:
            id: a run that waits for approval.
            reason: for who asked, and for the record.
            step: key of the step that asks, where more than one does.
            idempotency_key: sent along; the same call is not done twice.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
            Forbidden: it is not for the asker to say.
            Conflict: it asks nothing.
        """
        said = {"step": step, "reason": reason}
        return await self._link.read(steer_call(id, "reject", idempotency_key, **said), Run)

    async def signal(
        self, id: str, name: str, body: Any = None, *, idempotency_key: str | None = None
    ) -> Run:
        """Tell a run that something happened that it waits for, or will wait for.

        Signals that come before the run waits for them are kept and taken in order, each once.

        Args:
            id: a run that goes on.
            name: of the event.
            body: what the run is given; free-form.
            idempotency_key: sent along; the same signal is not given twice.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
            Conflict: it has ended.
        """
        call = steer_call(id, "signals", idempotency_key, name=name, body=body)
        return await self._link.read(call, Run)
