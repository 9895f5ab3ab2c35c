"""A provisioner that keeps to all rules, in memory, and one for each way to break one of them.

Run by `test_kit_bites.py` in a pytest of its own: not collected with the other tests.
"""

from __future__ import annotations

import copy
import itertools
import secrets
from typing import Any

import pytest

from towpath_core.errors import Invalid, NotFound, StepFailed, Unavailable
from towpath_core.provisioning import (
    Applied,
    Change,
    Credentials,
    Offering,
    Output,
)
from towpath_core.testing import ProvisionerContract

OFFERING = Offering(
    name="memory-box",
    title="Box",
    description="A box in memory.",
    resource_type="box",
    provisioner="memory",
    parameters={"type": "object", "properties": {"slots": {"type": "integer", "default": 3}}},
    outputs=(Output("address", "where it is"),),
    credentials=(Output("host", "where to go"), Output("token", "what to show", secret=True)),
)


class Memory:
    """The reference: keeps every rule up to gold."""

    name = "memory"

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.admin_password = "admin-of-the-memory"
        self.down = False

    def key(self, request):
        return request.resource_id

    def reach(self):
        if self.down:
            raise Unavailable("The memory does not answer.")

    def outputs(self, request):
        return {"address": f"memory:{self.key(request)}"}

    def plan(self, request):
        self.reach()
        thing = self.things.get(self.key(request))
        target = f"box {self.key(request)}"
        if thing is None or not thing["ready"]:
            return [Change("create", target, dict(request.parameters))]
        same = thing["parameters"] == request.parameters
        return [Change("none" if same else "update", target)]

    def apply(self, request, tools):
        tools.check()
        self.reach()
        if not request.name.isprintable():
            raise Invalid("The name has characters that cannot be shown.")
        tools.undo("unmake", {"key": self.key(request)})
        thing = self.things.setdefault(self.key(request), {"ready": False})
        thing["parameters"] = dict(request.parameters)
        tools.progress(1, 2, "steps")
        tools.check()
        thing["ready"] = True
        tools.log("made a box")
        return Applied(self.outputs(request), {"key": self.key(request)})

    def read(self, resource):
        self.reach()
        thing = self.things.get(self.key(resource))
        if thing is None or not thing["ready"]:
            return None
        return Applied(self.outputs(resource), {"key": self.key(resource)})

    def delete(self, resource, tools):
        tools.check()
        self.reach()
        self.things.pop(self.key(resource), None)
        held = [one for one, (owner, _) in self.tokens.items() if owner == self.key(resource)]
        for binding in held:
            del self.tokens[binding]

    def undo(self, name, data, tools):
        self.things.pop(data["key"], None)

    def bind(self, resource, binding_id, tools):
        if self.key(resource) not in self.things:
            raise StepFailed("There is no box to bind to.")
        token = secrets.token_hex(16)
        self.tokens[binding_id] = (self.key(resource), token)
        return Credentials({"host": "memory", "token": token})

    def unbind(self, resource, binding_id, state, tools):
        self.tokens.pop(binding_id, None)


class UndoesOnce(Memory):
    breaks = "provision.undo-is-idempotent"

    def undo(self, name, data, tools):
        del self.things[data["key"]]


class WaitsForIt(Memory):
    """No fault: waits for the box without holding a worker."""

    def apply(self, request, tools):
        for _ in range(3):
            tools.sleep(0.001)
        tools.step("tell", lambda tools: tools.approval("tell", "Tell everybody?").by)
        return super().apply(request, tools)


class ReadRaises(Memory):
    breaks = "provision.read-of-missing-is-none"

    def __init__(self):
        super().__init__()
        self.known = set()

    def plan(self, request):
        self.known.add(request.resource_id)
        return super().plan(request)

    def apply(self, request, tools):
        self.known.add(request.resource_id)
        return super().apply(request, tools)

    def read(self, resource):
        if resource.resource_id not in self.known:
            raise NotFound("There is no such box.")
        return super().read(resource)


class ReadForgetsOutputs(Memory):
    breaks = "provision.read-after-apply"

    def read(self, resource):
        return Applied() if super().read(resource) else None


class ApplyTwiceConflicts(Memory):
    breaks = "provision.apply-is-idempotent"

    def apply(self, request, tools):
        if self.things.get(request.resource_id, {}).get("ready"):
            raise Invalid("It is there already.")
        return super().apply(request, tools)


class ApplyTwiceDoubles(Memory):
    breaks = "provision.apply-is-idempotent"

    def apply(self, request, tools):
        if self.things.get(request.resource_id, {}).get("ready"):
            self.things[f"{request.resource_id}-2"] = {"ready": True}
        return super().apply(request, tools)


class DeleteTwiceRaises(Memory):
    breaks = "provision.delete-is-idempotent"

    def delete(self, resource, tools):
        if resource.resource_id not in self.things:
            raise NotFound("There is no such box.")
        super().delete(resource, tools)


class NameIsTheKey(Memory):
    breaks = "provision.resources-are-apart"

    def key(self, request):
        return request.name


class PlanMakes(Memory):
    breaks = "provision.plan-is-pure"

    def plan(self, request):
        self.things.setdefault(request.resource_id, {"ready": False})
        return super().plan(request)


class PlanWanders(Memory):
    breaks = "provision.plan-is-repeatable"

    def plan(self, request):
        first, *rest = super().plan(request)
        return [Change(first.action, first.target, {"token": secrets.token_hex(4)}), *rest]


class OutputsAreMore(Memory):
    breaks = "provision.outputs-are-declared"

    def outputs(self, request):
        return {**super().outputs(request), "port": 1}


class LogsTheToken(Memory):
    breaks = "provision.secrets-never-shown"

    def bind(self, resource, binding_id, tools):
        given = super().bind(resource, binding_id, tools)
        tools.log(f"handing out {given.values}")
        return given


class TellsThePassword(Memory):
    breaks = "provision.secrets-never-shown"

    def bind(self, resource, binding_id, tools):
        if resource.resource_id not in self.things:
            raise StepFailed(f"Cannot log in with {self.admin_password}.")
        return super().bind(resource, binding_id, tools)


class BindGivesMore(Memory):
    breaks = "provision.bind-gives-declared-credentials"

    def bind(self, resource, binding_id, tools):
        given = super().bind(resource, binding_id, tools)
        return Credentials({**given.values, "port": "1"})


class CannotBind:
    breaks = "provision.bind-gives-declared-credentials"
    name = "memory"

    def __init__(self):
        self.inner = Memory()
        self.things, self.tokens = self.inner.things, self.inner.tokens
        for verb in ("key", "plan", "apply", "read", "delete", "undo"):
            setattr(self, verb, getattr(self.inner, verb))

    down = property(
        lambda self: self.inner.down, lambda self, value: setattr(self.inner, "down", value)
    )


class IgnoresTheDeadline(Memory):
    breaks = "provision.deadline-honoured"

    def apply(self, request, tools):
        class Deaf:
            check = staticmethod(lambda: None)
            log, progress = staticmethod(tools.log), staticmethod(tools.progress)
            undo = staticmethod(tools.undo)

        return super().apply(request, Deaf)


class StopsForGood(Memory):
    breaks = "provision.cancel-leaves-readable-state"

    def apply(self, request, tools):
        thing = self.things.get(request.resource_id)
        if thing is not None and not thing["ready"]:
            raise StepFailed("Somebody else is at it.")
        return super().apply(request, tools)


class NeedsTheState(Memory):
    breaks = "provision.state-is-not-needed"

    def read(self, resource):
        found = super().read(resource)
        return found if resource.state else None


class StumblesOverNames(Memory):
    breaks = "provision.errors-are-typed"

    def apply(self, request, tools):
        request.name.encode("ascii")
        return super().apply(request, tools)


class HidesTheOutage(Memory):
    breaks = "provision.outage-is-unavailable"

    def reach(self):
        if self.down:
            raise ConnectionError("refused")


class RebindMoves(Memory):
    breaks = "provision.rebind-is-idempotent"
    turn = itertools.count()

    def bind(self, resource, binding_id, tools):
        given = super().bind(resource, binding_id, tools)
        return Credentials({**given.values, "host": f"memory-{next(self.turn)}"})


class UnbindTwiceRaises(Memory):
    breaks = "provision.unbind-is-idempotent"

    def unbind(self, resource, binding_id, state, tools):
        del self.tokens[binding_id]


class OpenCredentials(Credentials, frozen=True):
    def __repr__(self):
        return f"OpenCredentials({self.values})"


class ShowsCredentials(Memory):
    breaks = "provision.credentials-masked-in-repr"

    def bind(self, resource, binding_id, tools):
        return OpenCredentials(super().bind(resource, binding_id, tools).values)


class RebindIsDead(Memory):
    breaks = "provision.credentials-work"

    def bind(self, resource, binding_id, tools):
        held = self.tokens.get(binding_id)
        given = super().bind(resource, binding_id, tools)
        if held:
            self.tokens[binding_id] = held
        return given


class UnbindKeeps(Memory):
    breaks = "provision.unbind-takes-access-away"

    def unbind(self, resource, binding_id, state, tools):
        pass


class PlanNeverRests(Memory):
    breaks = "provision.plan-converges"

    def plan(self, request):
        first, *rest = super().plan(request)
        return [Change("create", first.target), *rest]


class DriftUnseen(Memory):
    breaks = "provision.drift-is-seen"

    def plan(self, request):
        changes = super().plan(request)
        return [Change("none", one.target) if one.action == "update" else one for one in changes]


class _Fixtures(ProvisionerContract):
    kind: type

    @pytest.fixture
    def backend(self):
        return type(self).kind()

    @pytest.fixture
    def offering(self):
        return OFFERING

    @pytest.fixture
    def snapshot(self, backend):
        return lambda resource: copy.deepcopy((backend.things, backend.tokens))

    @pytest.fixture
    def canary(self):
        return "admin-of-the-memory"

    @pytest.fixture
    def can_use(self, backend):
        return lambda given: given.values["token"] in {one for _, one in backend.tokens.values()}

    @pytest.fixture
    def drift(self, backend):
        def drift(resource):
            backend.things[backend.key(resource)]["parameters"] = {"slots": 99}

        return drift

    @pytest.fixture
    def unreachable(self, backend):
        backend.down = True
        return backend


KINDS = [
    one for one in list(globals().values()) if isinstance(one, type) and hasattr(one, "breaks")
]
BREAKS = {f"Test{one.__name__}": one.breaks for one in KINDS}
for _kind in (Memory, WaitsForIt, *KINDS):
    _name = f"Test{_kind.__name__}"
    globals()[_name] = type(_name, (_Fixtures,), {"kind": _kind, "__module__": __name__})
