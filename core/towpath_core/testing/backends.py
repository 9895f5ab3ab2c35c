"""What the provisioner contract works with: the vendor's fixtures, and requests made from them.

Holds no rules. Everything that a test asks for is deleted again when the test ends.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
import pytest

from towpath_core.provisioning import (
    Applied,
    Bindable,
    Credentials,
    Offering,
    PlanRequest,
    Provisioner,
    ResourceHandle,
)
from towpath_core.testing.conformance import BACKEND
from towpath_core.testing.rules import Contract, broken, exempt
from towpath_core.testing.tools import PatientTools

__all__ = ("Ask", "BackendFixtures", "handle_of")


class Ask(Protocol):
    """Make a request for a resource of its own; fields may be replaced."""

    def __call__(self, **fields: Any) -> PlanRequest:
        """Give a request with a fresh resource id."""
        ...


def handle_of(request: PlanRequest, applied: Applied | None = None) -> ResourceHandle:
    """The resource that a request stands for, with the state of an apply where there was one."""
    return ResourceHandle(
        request.resource_id,
        request.name,
        request.offering,
        request.parameters,
        request.owner_ref,
        applied.state if applied else {},
    )


class BackendFixtures(Contract):
    """The fixtures of `ProvisionerContract`. `backend` and `offering` are the vendor's to give."""

    @pytest.fixture
    def backend(self) -> Provisioner:
        """The provisioner, with nothing provisioned; fresh for each test. Give this one."""
        broken("the contract needs a fixture `backend` that returns the provisioner")

    @pytest.fixture
    def offering(self) -> Offering:
        """The offering that the provisioner stands behind. Give this one."""
        broken("the contract needs a fixture `offering` that returns the offering under test")

    @pytest.fixture
    def plan_request(self, offering: Offering) -> PlanRequest:
        """A request that is small and cheap enough to be met for real.

        Made from the schema's defaults and the offering's first size; override it where that is
        not enough. Every test replaces the resource id by one of its own.
        """
        properties: dict[str, Any] = offering.parameters.get("properties") or {}
        parameters = {name: one["default"] for name, one in properties.items() if "default" in one}
        if offering.sizes:
            parameters |= offering.sizes[0].parameters
        id = str(uuid.uuid4())
        return PlanRequest(id, "kit-shop", offering.name, parameters, "group:default/kit")

    @pytest.fixture
    def snapshot(self, backend: Provisioner) -> Callable[[ResourceHandle], object]:
        """All that the backend holds, as something that compares; by default what `read` says."""
        return backend.read

    @pytest.fixture
    def canary(self) -> str:
        """A secret of the backend's own settings, such as its admin password; empty for none."""
        return ""

    @pytest.fixture
    def can_use(self) -> Callable[[Credentials], bool]:
        """Whether credentials let one in, tried for real. Give it to have bindings checked."""
        exempt("no fixture `can_use` that tries credentials")

    @pytest.fixture
    def drift(self) -> Callable[[ResourceHandle], None]:
        """Change or remove the thing behind the backend's back. Give it to have drift checked."""
        exempt("no fixture `drift` that changes the thing from outside")

    @pytest.fixture
    def unreachable(self) -> Provisioner:
        """The provisioner with a backend that does not answer. Give it to have outages checked."""
        exempt("no fixture `unreachable` that gives a provisioner of a dead backend")

    @pytest.fixture
    def ask(self, backend: Provisioner, plan_request: PlanRequest) -> Iterator[Ask]:
        """Requests for resources that are deleted when the test ends."""
        made: list[PlanRequest] = []

        def request(**fields: Any) -> PlanRequest:
            fresh = {"resource_id": str(uuid.uuid4()), **fields}
            made.append(msgspec.structs.replace(plan_request, **fresh))
            return made[-1]

        yield request
        for one in made:
            # A delete that fails is told by the rules of delete; here it would blame another.
            with contextlib.suppress(Exception):
                backend.delete(handle_of(one), PatientTools())

    @pytest.fixture
    def bindable(self, backend: Provisioner) -> Bindable:
        """The backend where it hands out credentials; the rule is exempt where it does not."""
        if not isinstance(backend, Bindable):
            exempt("the backend does not hand out credentials")
        return backend

    @pytest.fixture
    def bound(self, backend: Provisioner, bindable: Bindable, ask: Ask) -> ResourceHandle:
        """A resource that was made, to bind to."""
        request = ask()
        return handle_of(request, backend.apply(request, PatientTools()))

    @pytest.fixture(autouse=True)
    def _noted(self, backend: Provisioner, request: pytest.FixtureRequest) -> None:
        name = getattr(backend, "name", type(backend).__qualname__)
        request.node.user_properties.append((BACKEND, f"Provisioner {name}"))
