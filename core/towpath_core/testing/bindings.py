"""The rules of bindings: credentials that are handed out and taken back.

A backend that is not `Bindable` is exempt from them. They know nothing of how a resource is made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from towpath_core.provisioning import Bindable, Credentials, Offering, Provisioner, ResourceHandle
from towpath_core.testing.backends import BackendFixtures
from towpath_core.testing.rules import broken, exempt, require, rule, shown
from towpath_core.testing.tools import PatientTools

__all__ = ("BindingRules", "secrets_of")


def secrets_of(offering: Offering, credentials: Credentials) -> dict[str, str]:
    """The values of the credentials that the offering declares secret, by name."""
    secret = {one.name for one in offering.credentials if one.secret}
    return {name: value for name, value in credentials.values.items() if name in secret}


class BindingRules(BackendFixtures):
    """What a backend keeps to that hands out credentials."""

    @rule("provision.bind-gives-declared-credentials", level="bronze")
    def test_bind_gives_declared_credentials(
        self, backend: Provisioner, offering: Offering, request: pytest.FixtureRequest
    ) -> None:
        """A binding hands over a text for every credential that the offering declares, no other."""
        declared = {one.name for one in offering.credentials}
        if not isinstance(backend, Bindable):
            require(
                not declared,
                f"the offering declares {', '.join(sorted(declared))}, but the backend has no "
                "`bind` and `unbind`",
            )
            exempt("the backend does not hand out credentials")
        resource: ResourceHandle = request.getfixturevalue("bound")
        given = backend.bind(resource, _binding(), PatientTools())
        require(isinstance(given, Credentials), f"bind returned {type(given).__name__}")
        require(
            set(given.values) == declared,
            f"bind gave {sorted(given.values)}, the offering declares {sorted(declared)}",
        )
        odd = [name for name, one in given.values.items() if not (isinstance(one, str) and one)]
        require(not odd, f"bind gave values that are no text, or empty: {', '.join(odd)}")

    @rule("provision.rebind-is-idempotent", level="silver")
    def test_rebind_is_idempotent(
        self, bindable: Bindable, bound: ResourceHandle, offering: Offering
    ) -> None:
        """Binding again with the same id gives the same thing; only secrets may be new."""
        binding = _binding()
        first = bindable.bind(bound, binding, PatientTools())
        second = bindable.bind(bound, binding, PatientTools())
        hidden = secrets_of(offering, first)
        changed = sorted(
            name
            for name in {*first.values, *second.values} - hidden.keys()
            if first.values.get(name) != second.values.get(name)
        )
        require(not changed, f"a repeated bind changed {', '.join(changed)}")

    @rule("provision.unbind-is-idempotent", level="silver")
    def test_unbind_is_idempotent(self, bindable: Bindable, bound: ResourceHandle) -> None:
        """Unbinding twice, or what was never bound, is success."""
        binding = _binding()
        state = bindable.bind(bound, binding, PatientTools()).state
        for attempt in ("first", "second"):
            try:
                bindable.unbind(bound, binding, state, PatientTools())
            except Exception as error:
                broken(f"the {attempt} unbind raised {shown(error)}")
        try:
            bindable.unbind(bound, _binding(), {}, PatientTools())
        except Exception as error:
            broken(f"unbind of a binding that was never made raised {shown(error)}")

    @rule("provision.credentials-masked-in-repr", level="silver")
    def test_credentials_masked_in_repr(
        self, bindable: Bindable, bound: ResourceHandle, offering: Offering
    ) -> None:
        """Credentials do not show their secret values when they are printed."""
        given = bindable.bind(bound, _binding(), PatientTools())
        hidden = secrets_of(offering, given)
        if not hidden:
            exempt("the offering declares no secret credential")
        printed = f"{given!r} {given!s} {given}"
        leaked = sorted(name for name, value in hidden.items() if value in printed)
        require(not leaked, f"printed credentials show {', '.join(leaked)}")

    @rule("provision.credentials-work", level="silver")
    def test_credentials_work(
        self, bindable: Bindable, bound: ResourceHandle, can_use: Callable[[Credentials], bool]
    ) -> None:
        """What a binding hands over lets one in, also after it was bound again."""
        binding = _binding()
        require(can_use(bindable.bind(bound, binding, PatientTools())), "they let nobody in")
        again = bindable.bind(bound, binding, PatientTools())
        require(can_use(again), "those of a repeated bind let nobody in")

    @rule("provision.unbind-takes-access-away", level="gold")
    def test_unbind_takes_access_away(
        self, bindable: Bindable, bound: ResourceHandle, can_use: Callable[[Credentials], bool]
    ) -> None:
        """After unbind its credentials let nobody in, and those of other bindings still do."""
        gone, kept = _binding(), _binding()
        old = bindable.bind(bound, gone, PatientTools())
        other = bindable.bind(bound, kept, PatientTools())
        bindable.unbind(bound, gone, old.state, PatientTools())
        require(can_use(other), "unbind took the credentials of another binding away")
        require(not can_use(old), "credentials still let one in after unbind")


def _binding() -> str:
    return str(uuid.uuid4())
