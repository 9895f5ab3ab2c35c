"""Starts runs of the kinds that can be asked for: those of plugins, and golden paths.

One door for people, schedules and runs that start others. What is accepted was checked here:
rights, policies, input and secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from towpath_core.errors import Conflict, Forbidden, Invalid, NotFound
from towpath_core.identity import Principal, Scope
from towpath_core.plugins import PluginHost
from towpath_core.runs import RunKind
from towpath_engine import audit
from towpath_engine.clock import now
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.inputs import (
    SCAFFOLD,
    SCAFFOLD_SCHEMA,
    check_secrets,
    checked,
    fitting,
    values_of,
)
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.terms import USUAL, Terms
from towpath_engine.scaffolding.service import ScaffoldingService
from towpath_engine.store.database import Database, Transaction

__all__ = ("KindInfo", "Prepared", "Starters")

_MOST_TITLE = 300
_MOST_SECONDS = 10 * 365 * 86_400.0
_OURS = ("resource:", "schedule:")
"""Concurrency keys that begin so are the platform's own."""


class KindInfo(msgspec.Struct, frozen=True):
    """A kind of run that can be asked for."""

    name: str
    title: str
    description: str
    queue: str
    input_schema: dict[str, Any]


class Prepared(msgspec.Struct, frozen=True):
    """A run that was checked and can be accepted; `action` and `subject` are for the audit."""

    kind: str
    title: str
    input: Any
    secrets: Mapping[str, str] | None
    queue: str
    action: str
    subject: str


class Starters:
    """Starts runs."""

    def __init__(
        self,
        database: Database,
        host: PluginHost,
        runs: RunService,
        policy: PolicyGate,
        scaffolding: ScaffoldingService,
    ) -> None:
        self._database = database
        self._host = host
        self._runs = runs
        self._policy = policy
        self._scaffolding = scaffolding

    def kinds(self, principal: Principal) -> Sequence[KindInfo]:
        """The kinds that somebody may ask for with these credentials, ordered by name."""
        found = [_info(kind.value) for kind in self._host.contributions.run_kinds.values()]
        if not principal.has("runs:write"):
            found = []
        if principal.has("scaffold:run"):
            found.append(_SCAFFOLD)
        return sorted(found, key=lambda kind: kind.name)

    async def start(
        self,
        principal: Principal,
        kind: str,
        input: Mapping[str, Any],
        *,
        title: str | None = None,
        secrets: Mapping[str, str] | None = None,
        terms: Terms = USUAL,
        seconds: float | None = None,
        key: str | None = None,
    ) -> UUID:
        """Accept a run; its id comes back at once.

        Args:
            principal: who asks; the run acts with these rights.
            kind: one that a plugin offers, or `scaffold` with a template and its values.
            input: checked against the kind's schema, its defaults filled in. No secret in it.
            title: for people, instead of the kind's own.
            secrets: sealed, and wiped when the run ends.
            terms: its queue, priority, concurrency key and deadline.
            seconds: a deadline in so many from now; the same in a request that is sent again.
            key: idempotency key; the same request with it gives the same run.

        Raises:
            NotFound: there is no such kind, or no such template.
            Invalid: input, secrets or terms do not fit; each problem has its place.
            Forbidden: a policy denies it, or the credentials lack the scope.
        """
        if terms.key is not None and terms.key.startswith(_OURS):
            raise Invalid(f"A concurrency key does not begin with {' or '.join(_OURS)}.")
        prepared = await self.prepare(principal, kind, input, title=title, secrets=secrets)
        body = [kind, dict(input), title, sorted(secrets or {}), terms, seconds]
        request = Request.of(principal, key, "start", body)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return UUID(answer)
            due = _within(seconds, terms)
            run_id = await self.accept_prepared(transaction, principal, prepared, terms=due)
            await remember(transaction, request, str(run_id))
        return run_id

    async def prepare(
        self,
        principal: Principal,
        kind: str,
        input: Mapping[str, Any],
        *,
        title: str | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Prepared:
        """Check what `start` is asked for; nothing is accepted yet. Raises what `start` does."""
        if title is not None and not (0 < len(title) <= _MOST_TITLE and title.isprintable()):
            raise Invalid(f"A title is printable text of at most {_MOST_TITLE} characters.")
        check_secrets(secrets)
        if kind == SCAFFOLD:
            return await self._golden_path(principal, input, title, secrets)
        _check_scope(principal, "runs:write")
        offered = self._host.contributions.run_kinds.get(kind)
        if offered is None:
            known = ", ".join((*self._host.contributions.run_kinds, SCAFFOLD))
            raise NotFound(f"There are no runs of kind {kind!r}.", next=f"Kinds: {known}.")
        full = fitting(offered.value, input)
        await self._policy.check(principal, "run:start", kind, {"input": full})
        found = offered.value
        return Prepared(kind, title or found.title, full, secrets, found.queue, "run:start", kind)

    async def accept_prepared(
        self,
        transaction: Transaction,
        principal: Principal,
        prepared: Prepared,
        *,
        terms: Terms = USUAL,
    ) -> UUID:
        """Accept what was prepared, in the caller's transaction; with an id that is known, nothing.

        Args:
            transaction: the caller's.
            principal: for whom it was prepared.
            prepared: what `prepare` gave.
            terms: its id, queue, priority, key, deadline, and what it belongs to.
        """
        if terms.queue == USUAL.queue:
            terms = msgspec.structs.replace(terms, queue=prepared.queue)
        if terms.id is not None and await _is_known(transaction, terms.id):
            return terms.id
        run_id = await self._runs.create(
            transaction,
            principal,
            prepared.kind,
            prepared.title,
            prepared.input,
            secrets=prepared.secrets,
            terms=terms,
        )
        subject = prepared.subject
        await audit.record(transaction, principal, prepared.action, subject, run_id=run_id)
        return run_id

    async def accept(
        self,
        transaction: Transaction,
        principal: Principal,
        kind: str,
        input: Mapping[str, Any],
        *,
        title: str | None = None,
        terms: Terms = USUAL,
    ) -> UUID:
        """Do what `start` does in the caller's transaction, which waits for the policies then."""
        prepared = await self.prepare(principal, kind, input, title=title)
        return await self.accept_prepared(transaction, principal, prepared, terms=terms)

    async def again(
        self,
        principal: Principal,
        row: Mapping[Any, Any],
        input: Mapping[str, Any] | None,
        secrets: Mapping[str, str] | None,
    ) -> Any:
        """Judge what a run is taken up again with; see `towpath_engine.runs.control.Door`."""
        check_secrets(secrets)
        missing = [name for name in row["secret_names"] if name not in (secrets or {})]
        if missing:
            raise Invalid(
                f"The run needs its secrets again: {', '.join(missing)}.",
                why="They were wiped when it ended.",
                next="Give all of them.",
            )
        kind, owner = row["kind"], msgspec.convert(row["principal"], Principal)
        # It acts with the rights of the one who started it: neither may get by the other's limits.
        askers = (principal,) if principal == owner else (principal, owner)
        if kind == SCAFFOLD:
            values = values_of(row["input"], input) if input is not None else None
            for who in askers:
                await self._policy.check(who, "run:retry", kind, {})
                wanted = await self._scaffolding.again(who, row["input"], values, secrets)
            return wanted
        wanted = row["input"] if input is None else self._changed(kind, input)
        actions = ("run:retry",) if wanted == row["input"] else ("run:retry", "run:start")
        for who in askers:
            for action in actions:
                await self._policy.check(who, action, kind, {"input": wanted})
        return wanted

    def _changed(self, kind: str, input: Mapping[str, Any]) -> dict[str, Any]:
        """Another input for a run of a kind that a plugin offers.

        Raises:
            Conflict: it is no such kind.
            Invalid: it does not fit.
        """
        offered = self._host.contributions.run_kinds.get(kind)
        if offered is None:
            raise Conflict(f"The input of a run of kind {kind!r} cannot be changed.")
        return fitting(offered.value, input)

    async def _golden_path(
        self,
        principal: Principal,
        input: Mapping[str, Any],
        title: str | None,
        secrets: Mapping[str, str] | None,
    ) -> Prepared:
        _check_scope(principal, "scaffold:run")
        full = checked(SCAFFOLD, SCAFFOLD_SCHEMA, input)
        path = await self._scaffolding.prepare(principal, full["template"], full["values"], secrets)
        name, ref = title or path.title, path.entity_ref
        return Prepared(SCAFFOLD, name, path.input, secrets, SCAFFOLD, "scaffold:run", ref)


def _within(seconds: float | None, terms: Terms) -> Terms:
    """The terms with a deadline in so many seconds; as they are without any.

    Raises:
        Invalid: that is no time to do something in.
    """
    if seconds is None:
        return terms
    if not 0 < seconds <= _MOST_SECONDS:
        raise Invalid(f"A deadline is more than 0 and at most {_MOST_SECONDS:,.0f} seconds away.")
    return msgspec.structs.replace(terms, deadline=now() + timedelta(seconds=seconds))


def _info(kind: RunKind) -> KindInfo:
    return KindInfo(kind.name, kind.title, kind.description, kind.queue, kind.input_schema)


_SCAFFOLD = KindInfo(
    SCAFFOLD,
    "Golden path",
    "Does the steps of a template with the values that its form asks for.",
    SCAFFOLD,
    SCAFFOLD_SCHEMA,
)


async def _is_known(transaction: Transaction, run_id: UUID) -> bool:
    """Whether a run of that id was accepted; who asks at the same time waits for the answer."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 8))")
    await transaction.execute(lock, {"id": str(run_id)})
    query = select(RUNS.c.id).where(RUNS.c.id == run_id)
    return (await transaction.execute(query)).first() is not None


def _check_scope(principal: Principal, scope: Scope) -> None:
    if not principal.has(scope):
        raise Forbidden(f"This needs the scope {scope}.", next="Use a token that has it.")
