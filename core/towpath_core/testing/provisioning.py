"""The contract of a provisioner: plan, apply, read and delete, repeated and interrupted.

Knows the protocol only. What the backend is, and how it is reached, stays in the vendor's fixtures.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest

from towpath_core.errors import Cancelled, LimitExceeded, TowpathError, Unavailable
from towpath_core.provisioning import (
    Applied,
    Bindable,
    Change,
    Offering,
    PlanRequest,
    Provisioner,
    ResourceHandle,
)
from towpath_core.testing.backends import Ask, handle_of
from towpath_core.testing.bindings import BindingRules, secrets_of
from towpath_core.testing.notes import shows
from towpath_core.testing.rules import broken, exempt, require, rule, shown, unchecked
from towpath_core.testing.tools import PatientTools
from towpath_core.testing.undoing import check_taking_back, undoable_with

__all__ = ("HOSTILE_NAMES", "ProvisionerContract")

HOSTILE_NAMES = (
    "../../escape",
    "shop'; DROP TABLE orders; --",
    "-rf\n$(reboot)\0",
    "\u202e" + "\u00e9" * 300,
)
"""Names that nobody should ask for and somebody will."""

_OUTAGE_SECONDS = 5.0
_GRACE_SECONDS = 5.0
_MOST_STOPS = 5


class ProvisionerContract(BindingRules):
    """What every provisioner keeps to. Give the fixtures `backend` and `offering`."""

    @rule("provision.read-of-missing-is-none", level="bronze")
    def test_read_of_missing_is_none(self, backend: Provisioner, ask: Ask) -> None:
        """Reading what was never made answers None and does not raise."""
        found = backend.read(handle_of(ask()))
        require(found is None, f"read of a resource that was never made answered {shown(found)}")

    @rule("provision.read-after-apply", level="bronze")
    def test_read_after_apply(self, backend: Provisioner, ask: Ask) -> None:
        """What was applied is read, with the outputs that apply gave."""
        request = ask()
        applied = backend.apply(request, PatientTools())
        found = backend.read(handle_of(request, applied))
        if found is None:
            broken("read answers None after apply")
        require(
            found.outputs == applied.outputs,
            f"read gives outputs {shown(found.outputs)}, apply gave {shown(applied.outputs)}",
        )

    @rule("provision.apply-is-idempotent", level="bronze")
    def test_apply_is_idempotent(
        self, backend: Provisioner, ask: Ask, snapshot: Callable[[ResourceHandle], object]
    ) -> None:
        """Applying twice is applying once: the same outputs, and nothing else is there."""
        request = ask()
        first = backend.apply(request, PatientTools())
        before = snapshot(handle_of(request, first))
        try:
            second = backend.apply(request, PatientTools())
        except Exception as error:
            broken(f"the second apply raised {shown(error)}")
        require(
            first.outputs == second.outputs,
            f"apply gave outputs {shown(first.outputs)}, then {shown(second.outputs)}",
        )
        after = snapshot(handle_of(request, first))
        require(before == after, f"the second apply changed {shown(before)} to {shown(after)}")

    @rule("provision.delete-is-idempotent", level="bronze")
    def test_delete_is_idempotent(self, backend: Provisioner, ask: Ask) -> None:
        """Deleting removes the thing; deleting again, or what never was, is success."""
        request = ask()
        resource = handle_of(request, backend.apply(request, PatientTools()))
        for attempt in ("first", "second"):
            try:
                backend.delete(resource, PatientTools())
            except Exception as error:
                broken(f"the {attempt} delete raised {shown(error)}")
            require(backend.read(resource) is None, f"it is still there after the {attempt} delete")
        try:
            backend.delete(handle_of(ask()), PatientTools())
        except Exception as error:
            broken(f"delete of a resource that was never made raised {shown(error)}")

    @rule("provision.resources-are-apart", level="bronze")
    def test_resources_are_apart(self, backend: Provisioner, ask: Ask) -> None:
        """Two resources of one name are two things: the id tells them apart."""
        one, other = ask(), ask()
        kept = backend.apply(one, PatientTools())
        gone = backend.apply(other, PatientTools())
        backend.delete(handle_of(other, gone), PatientTools())
        found = backend.read(handle_of(one, kept))
        require(found is not None, "deleting a resource removed another one of the same name")

    @rule("provision.plan-is-pure", level="bronze")
    def test_plan_is_pure(
        self, backend: Provisioner, ask: Ask, snapshot: Callable[[ResourceHandle], object]
    ) -> None:
        """Planning changes nothing, neither before nor after apply."""
        request = ask()
        for moment in ("before", "after"):
            before = snapshot(handle_of(request))
            backend.plan(request)
            after = snapshot(handle_of(request))
            require(
                before == after, f"plan {moment} apply changed {shown(before)} to {shown(after)}"
            )
            if moment == "before":
                backend.apply(request, PatientTools())

    @rule("provision.plan-is-repeatable", level="bronze")
    def test_plan_is_repeatable(self, backend: Provisioner, ask: Ask) -> None:
        """Equal state gives equal changes, to the byte: approval binds to the plan's hash."""
        request = ask()
        plans = [list(backend.plan(request)) for _ in range(2)]
        require(all(isinstance(one, Change) for one in plans[0]), "plan gives other than Change")
        written = [msgspec.json.encode(plan) for plan in plans]
        require(written[0] == written[1], f"two plans of one request differ: {shown(written)}")

    @rule("provision.outputs-are-declared", level="bronze")
    def test_outputs_are_declared(self, backend: Provisioner, ask: Ask, offering: Offering) -> None:
        """Outputs have names that the offering declares; outputs and state are JSON."""
        applied = backend.apply(ask(), PatientTools())
        require(isinstance(applied, Applied), f"apply returned {type(applied).__name__}")
        unknown = sorted(set(applied.outputs) - {one.name for one in offering.outputs})
        require(not unknown, f"the offering does not declare {', '.join(unknown)}")
        try:
            msgspec.json.encode(applied)
        except (TypeError, ValueError) as error:
            broken(f"what apply returned is not JSON: {error}")

    @rule("provision.secrets-never-shown", level="bronze")
    def test_secrets_never_shown(
        self,
        backend: Provisioner,
        offering: Offering,
        ask: Ask,
        canary: str,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Secrets are in no output, plan, log, event, error or printed line."""
        caplog.set_level(logging.DEBUG)
        secrets = {"canary": canary} if canary else {}
        tools, request, seen = PatientTools(), ask(), [repr(backend)]
        applied = backend.apply(request, tools)
        resource = handle_of(request, applied)
        seen.append(repr(applied.outputs))
        if isinstance(backend, Bindable):
            given = backend.bind(resource, "kit-binding", tools)
            secrets |= secrets_of(offering, given)
            seen += [
                repr(backend.plan(request)),
                repr(getattr(backend.read(resource), "outputs", 0)),
            ]
            backend.unbind(resource, "kit-binding", given.state, tools)
        if not secrets:
            exempt("the offering declares no secret credential, and there is no `canary`")
        backend.delete(resource, tools)
        seen += [*_errors(backend, resource), *capsys.readouterr(), caplog.text, tools.text()]
        text = "\n".join(seen)
        leaked = sorted(name for name, value in secrets.items() if shows(text, value))
        require(not leaked, f"shown in outputs, plan, log, events or errors: {', '.join(leaked)}")

    @rule("provision.deadline-honoured", level="silver")
    def test_deadline_honoured(self, backend: Provisioner, ask: Ask) -> None:
        """After the deadline apply and delete stop by themselves: call `tools.check()` first."""
        request = ask()
        with _stops("apply"):
            backend.apply(request, PatientTools(seconds=0))
        require(backend.read(handle_of(request)) is None, "apply made it after the deadline")
        resource = handle_of(request, backend.apply(request, PatientTools()))
        with _stops("delete"):
            backend.delete(resource, PatientTools(seconds=0))

    @rule("provision.cancel-leaves-readable-state", level="silver")
    def test_cancel_leaves_readable_state(self, backend: Provisioner, ask: Ask) -> None:
        """Stopped at any `tools.check()`, apply leaves what read can tell and apply can finish."""
        tools = PatientTools()
        backend.apply(ask(), tools)
        if not tools.checks:
            unchecked("apply never calls tools.check(); see provision.deadline-honoured")
        for stop in range(1, tools.checks + 1, math.ceil(tools.checks / _MOST_STOPS)):
            request = ask()
            with _stops(f"apply, cancelled at check {stop},"):
                backend.apply(request, PatientTools(cancel_at=stop))
            try:
                backend.read(handle_of(request))
                applied = backend.apply(request, PatientTools())
            except Exception as error:
                broken(
                    f"after a stop at check {stop}, read or the next apply raised {shown(error)}"
                )
            found = backend.read(handle_of(request, applied))
            require(found is not None, f"after a stop at check {stop}, apply made nothing")

    @rule("provision.state-is-not-needed", level="silver")
    def test_state_is_not_needed(self, backend: Provisioner, ask: Ask) -> None:
        """After a crash that lost the state, read finds it by its id, and delete removes it."""
        request = ask()
        resource = handle_of(request, backend.apply(request, PatientTools()))
        require(backend.read(handle_of(request)) is not None, "read without state answers None")
        backend.delete(handle_of(request), PatientTools())
        require(backend.read(resource) is None, "delete without state leaves it behind")

    @rule("provision.errors-are-typed", level="silver")
    def test_errors_are_typed(self, backend: Provisioner, ask: Ask) -> None:
        """Whatever the name, a call works or raises a `TowpathError`, never anything else."""
        for name in HOSTILE_NAMES:
            request = ask(name=name)
            resource = handle_of(request)
            for verb, call in _calls(backend, request, resource):
                try:
                    call()
                except TowpathError:
                    continue
                except Exception as error:
                    broken(f"{verb} of a resource named {name[:40]!r} raised {shown(error)}")

    @rule("provision.outage-is-unavailable", level="silver")
    def test_outage_is_unavailable(
        self, unreachable: Provisioner, plan_request: PlanRequest
    ) -> None:
        """With a backend that does not answer, calls raise `Unavailable` near the deadline."""
        tools = PatientTools(seconds=_OUTAGE_SECONDS)
        resource = handle_of(plan_request)
        calls: dict[str, Callable[[], object]] = {
            "apply": lambda: unreachable.apply(plan_request, tools),
            "read": lambda: unreachable.read(resource),
        }
        for verb, call in calls.items():
            started = time.monotonic()
            try:
                call()
            except Unavailable:
                pass
            except Exception as error:
                broken(f"{verb} raised {shown(error)}, not Unavailable")
            else:
                broken(f"{verb} came back as if all were well")
            spent = time.monotonic() - started
            most = _OUTAGE_SECONDS + _GRACE_SECONDS
            require(spent < most, f"{verb} took {spent:.1f} s to notice, more than {most:g}")

    @rule("provision.undo-is-idempotent", level="silver")
    def test_undo_is_idempotent(self, backend: Provisioner, ask: Ask) -> None:
        """What apply registered can be taken back, and again where it is gone already."""
        tools = PatientTools()
        backend.apply(ask(), tools)
        owner = undoable_with(backend, tools)
        for when in ("the first time", "the second time"):
            check_taking_back(owner, tools, when)

    @rule("provision.plan-converges", level="gold")
    def test_plan_converges(self, backend: Provisioner, ask: Ask) -> None:
        """Before apply the plan says what it will do; after it, that there is nothing to do."""
        request = ask()
        require(
            _work(backend.plan(request)), "the plan of a new resource says there is nothing to do"
        )
        backend.apply(request, PatientTools())
        left = _work(backend.plan(request))
        require(not left, f"after apply the plan still wants {shown(left)}")

    @rule("provision.drift-is-seen", level="gold")
    def test_drift_is_seen(
        self, backend: Provisioner, ask: Ask, drift: Callable[[ResourceHandle], None]
    ) -> None:
        """When the thing was changed from outside, the plan says what apply would put right."""
        request = ask()
        resource = handle_of(request, backend.apply(request, PatientTools()))
        drift(resource)
        require(_work(backend.plan(request)), "after a change from outside the plan is empty")


@contextmanager
def _stops(what: str) -> Iterator[None]:
    try:
        yield
    except (Cancelled, LimitExceeded):
        return
    except Exception as error:
        broken(f"{what} raised {shown(error)}, not Cancelled or LimitExceeded")
    broken(f"{what} went on")


def _work(changes: Sequence[Change]) -> list[Change]:
    return [one for one in changes if one.action != "none"]


def _calls(
    backend: Provisioner, request: PlanRequest, resource: ResourceHandle
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "plan", lambda: backend.plan(request)
    yield "apply", lambda: backend.apply(request, PatientTools())
    yield "read", lambda: backend.read(resource)
    yield "delete", lambda: backend.delete(resource, PatientTools())


def _errors(backend: Provisioner, resource: ResourceHandle) -> Iterator[str]:
    """What a binding to a resource that is gone says."""
    if isinstance(backend, Bindable):
        try:
            backend.bind(resource, "kit-late-binding", PatientTools())
        except Exception as error:
            yield f"{error!r} {error}"
