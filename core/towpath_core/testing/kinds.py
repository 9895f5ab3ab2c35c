"""The contract of an entity kind: what it says of good, bad and hostile entities.

Knows the protocol only; a kind that a file declares is held to the same as one in code.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from towpath_core.catalog import CompletingKind, EntityKind
from towpath_core.entities import Entity, Relation
from towpath_core.errors import Invalid, Problem
from towpath_core.refs import parse_ref
from towpath_core.testing.conformance import BACKEND
from towpath_core.testing.quiet import forbid_io
from towpath_core.testing.rules import Contract, broken, exempt, require, rule, shown

__all__ = ("HOSTILE_VALUES", "EntityKindContract")

HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    10**400,
    "",
    ":",
    "a" * 100_000,
    "\u202e\x1b[31m",
    [],
    [None, [], {}],
    ["x"] * 10_000,
    {},
    {"$text": ["x"]},
    {"\x00": {"": None}},
)
"""Values of a field that nobody should write and somebody will."""

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_POINTER = re.compile(r"/(spec|metadata|kind|apiVersion)(/.*)?", re.DOTALL)
_SECONDS = 0.5


class EntityKindContract(Contract):
    """What every kind keeps to. Give the fixtures `kind` and `good`."""

    @pytest.fixture
    def kind(self) -> EntityKind:
        """The kind. Give this one."""
        broken("the contract needs a fixture `kind` that returns the entity kind")

    @pytest.fixture
    def good(self) -> Entity:
        """An entity of the kind that is good, with all the fields there are. Give this one."""
        broken("the contract needs a fixture `good` that returns an entity of the kind")

    @pytest.fixture
    def bad(self) -> Sequence[Entity]:
        """Entities of the kind with something wrong in each. Give them to have that checked."""
        exempt("no fixture `bad` that gives entities which are wrong")

    @pytest.fixture(autouse=True)
    def _noted(self, kind: EntityKind, request: pytest.FixtureRequest) -> None:
        name = getattr(kind, "name", type(kind).__qualname__)
        request.node.user_properties.append((BACKEND, f"EntityKind {name}"))

    @rule("kind.is-named", level="bronze")
    def test_is_named(self, kind: EntityKind) -> None:
        """The kind has a name in PascalCase and says which versions it takes."""
        require(isinstance(kind, EntityKind), f"{type(kind).__name__} is no EntityKind")
        require(_NAME.fullmatch(kind.name), f"{kind.name!r} is not PascalCase")
        good = isinstance(kind.api_versions, frozenset) and bool(kind.api_versions)
        require(good, "`api_versions` is no full frozenset")

    @rule("kind.good-is-taken", level="bronze")
    def test_good_is_taken(self, kind: EntityKind, good: Entity) -> None:
        """A good entity has no problem."""
        found = _attempt(kind.check, _completed(kind, good))
        require(found == [], f"check of a good entity gave {shown(found)}")

    @rule("kind.answers-are-pure", level="bronze")
    def test_answers_are_pure(self, kind: EntityKind, good: Entity) -> None:
        """Asking does no I/O, changes no entity, and gives the same answer twice."""
        entity, before = _copied(good), _copied(good)
        with forbid_io() as tried:
            first, second = _answers(kind, entity), _answers(kind, entity)
        require(not tried, f"asking tried {shown(tried)}")
        require(entity == before, "asking changed the entity")
        require(first == second, "two answers in a row differ")

    @rule("kind.problems-have-pointers", level="silver")
    def test_problems_have_pointers(self, kind: EntityKind, bad: Sequence[Entity]) -> None:
        """An entity that is wrong has problems, each with a pointer to where."""
        for entity in bad:
            found = _attempt(kind.check, _completed(kind, entity))
            require(found, f"check of {shown(entity.spec)} found nothing")
            for one in found if isinstance(found, list) else [found]:
                pointer = one.place.pointer if isinstance(one, Problem) else None
                require(_POINTER.fullmatch(pointer or ""), f"{shown(one)} has no pointer")

    @rule("kind.relations-go-both-ways", level="silver")
    def test_relations_go_both_ways(self, kind: EntityKind, good: Entity) -> None:
        """Each edge is stated in both directions, once, with canonical references."""
        found = _relations(kind, _completed(kind, good))
        pairs = {(one.source, one.target) for one in found}
        require(len(set(found)) == len(found), "an edge is stated twice")
        own = str(good.ref)
        for one in found:
            require(own in (one.source, one.target), f"{shown(one)} is not about {own}")
            require((one.target, one.source) in pairs, f"{shown(one)} has no way back")
            for ref in (one.source, one.target):
                require(_is_canonical(ref), f"{shown(ref)} is not a canonical reference")

    @rule("kind.hostile-specs-are-problems", level="silver")
    def test_hostile_specs_are_problems(self, kind: EntityKind, good: Entity) -> None:
        """Whatever stands in a field, the check answers with problems, soon, and never raises."""
        for field in [*good.spec, "unknown"]:
            for value in HOSTILE_VALUES:
                entity = msgspec.structs.replace(good, spec={**good.spec, field: value})
                begin = time.process_time()
                found = _attempt(_checked, kind, entity)
                what = f"check with {field}: {shown(value)}"
                require(isinstance(found, list), f"{what} gave {shown(found)}")
                require(time.process_time() - begin < _SECONDS, f"{what} took too long")

    @rule("kind.completes-once", level="gold")
    def test_completes_once(self, kind: EntityKind, good: Entity) -> None:
        """What is filled in keeps the reference and what the author wrote, and is whole."""
        if not isinstance(kind, CompletingKind):
            exempt("the kind fills in nothing")
        full = kind.complete(_copied(good))
        require(isinstance(full, Entity) and full.ref == good.ref, "it became another entity")
        kept = all(_keeps(value, full.spec.get(key)) for key, value in good.spec.items())
        require(kept, "what the author wrote was changed")
        require(kind.complete(full) is full, "a whole entity was filled in again")


def _answers(kind: EntityKind, entity: Entity) -> object:
    whole = _completed(kind, entity)
    return whole, _attempt(kind.check, whole), _attempt(_relations, kind, whole)


def _completed(kind: EntityKind, entity: Entity) -> Entity:
    return kind.complete(entity) if isinstance(kind, CompletingKind) else entity


def _checked(kind: EntityKind, entity: Entity) -> object:
    found = kind.check(_completed(kind, entity))
    if isinstance(found, list) and not found:
        list(kind.relations(_completed(kind, entity)))
    return found


def _relations(kind: EntityKind, entity: Entity) -> list[Relation]:
    return list(kind.relations(entity))


def _copied(entity: Entity) -> Entity:
    return copy.deepcopy(entity)


def _keeps(before: Any, after: Any) -> bool:
    if isinstance(before, dict) and isinstance(after, dict):
        return all(_keeps(value, after.get(key)) for key, value in before.items())
    return bool(before == after)


def _is_canonical(ref: str) -> bool:
    try:
        return str(parse_ref(ref)) == ref
    except (Invalid, AttributeError, TypeError):
        return False


def _attempt(call: Callable[..., object], *arguments: object) -> Any:
    """What a call answers, or the error that it raises."""
    try:
        found = call(*arguments)
        return list(found) if isinstance(found, Iterator) else found
    except Exception as error:
        return error
