"""The small promises of the core's types: places, principals, sealed values, undefined."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import get_args

import msgspec
import pytest

import towpath_core
from towpath_core.catalog import Document
from towpath_core.errors import Place, Problem
from towpath_core.identity import SCOPES, Principal, Scope
from towpath_core.policy import Allow, Decision, Deny
from towpath_core.provisioning import Bindable, Credentials, Provisioner
from towpath_core.runs import RUN_ENDED, RunState
from towpath_core.scaffolding import UNDEFINED, RenderLimits

MODULES = [
    "catalog",
    "egress",
    "entities",
    "errors",
    "forges",
    "hookspecs",
    "identity",
    "plugins",
    "policy",
    "provisioning",
    "refs",
    "runs",
    "scaffolding",
    "weburl",
]


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_exports_is_there_and_sorted(name):
    module = import_module(f"towpath_core.{name}")
    assert isinstance(module.__all__, tuple)
    assert all(hasattr(module, each) for each in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for each in vars(module).values():
        if inspect.isclass(each) and each.__module__ == module.__name__:
            assert each.__doc__, each
            assert each.__name__.startswith("_") or each.__name__ in module.__all__


def test_all_modules_of_the_core_are_looked_at():
    found = {module.name for module in pkgutil.iter_modules(towpath_core.__path__)}
    assert found - {"testing"} == set(MODULES)


@pytest.mark.parametrize(
    ("pointer", "line"),
    [(None, 3), ("/spec", 7), ("/spec/owner", 8), ("/spec/owner/x/y", 8), ("/metadata", 3)],
)
def test_a_problem_found_later_stands_at_the_nearest_known_line(pointer, line):
    document = Document({}, 3, lines={"/spec": 7, "/spec/owner": 8})
    assert document.place("a.yaml", pointer) == Place("a.yaml", line, None, pointer)


def test_a_document_may_be_nothing_but_its_problems():
    document = Document(None, 1, (Problem("yaml", "it ends too soon"),))
    assert document.place("a.yaml") == Place("a.yaml", 1)


def principal(**changed):
    fields = {"entity_ref": "user:default/Ann", "groups": frozenset({"group:default/team-a"})}
    return Principal("https://idp.example", "ann", "user", **{**fields, **changed})


def test_a_principal_owns_what_it_or_its_group_owns():
    ann = principal()
    assert ann.owns("USER:default/ann") and ann.owns("Group:Default/Team-A")
    assert not ann.owns("group:default/team-b") and not ann.owns("")


def test_scopes_are_what_the_credentials_carry_and_admin_carries_all():
    ann = principal(scopes=frozenset({"catalog:read"}))
    assert ann.has("catalog:read") and not ann.has("catalog:write") and not ann.is_admin
    root = principal(scopes=frozenset({"platform:admin"}))
    assert root.is_admin and all(root.has(scope) for scope in SCOPES)
    assert not any(principal().has(scope) for scope in SCOPES)
    assert set(SCOPES) == set(get_args(Scope))


def test_principals_of_two_issuers_are_two():
    other = msgspec.structs.replace(principal(), issuer="https://other.example")
    assert other != principal()
    assert len({principal(), principal(), other}) == 2


@pytest.mark.parametrize("decision", [Allow(), Deny(("no", "never"))])
def test_decisions_are_told_apart_on_the_wire(decision):
    encoded = msgspec.json.encode(decision)
    assert msgspec.json.decode(encoded, type=Decision) == decision
    assert b'"decision":' in encoded


def test_credentials_do_not_show_their_values():
    made = Credentials({"user": "ann", "password": "hunter2"}, {"role": "hunter3"})
    assert repr(made) == str(made) == f"{made}" == "Credentials(password, user)"


def test_powers_are_found_by_their_methods():
    class Plain:
        name = "plain"

        def plan(self, request): ...

        def apply(self, request, tools): ...

        def read(self, resource): ...

        def delete(self, resource, tools): ...

    class Able(Plain):
        def bind(self, resource, binding_id, tools): ...

        def unbind(self, resource, binding_id, state, tools): ...

    assert isinstance(Plain(), Provisioner) and not isinstance(Plain(), Bindable)
    assert isinstance(Able(), Provisioner) and isinstance(Able(), Bindable)


def test_runs_end_in_one_of_three_ways():
    assert set(get_args(RunState)) > RUN_ENDED
    assert not RUN_ENDED & {"queued", "running"}


def test_undefined_is_false_and_says_so():
    assert not UNDEFINED
    assert repr(UNDEFINED) == "UNDEFINED"
    limits = RenderLimits()
    assert limits.cpu_seconds > 0 and limits.memory_bytes > limits.output_bytes > 0
