"""An entity kind that keeps to all rules, and one for each way to break one of them.

Run by `test_kit_bites.py` in a pytest of its own: not collected with the other tests.
"""

from __future__ import annotations

import contextlib
import itertools
import socket

import msgspec
import pytest

from towpath_core.entities import Entity, Relation
from towpath_core.errors import Invalid, Place, Problem
from towpath_core.refs import parse_ref
from towpath_core.testing import EntityKindContract

GOOD = {"owner": "Ops", "size": "small"}


class Boat:
    """The reference: a kind with an owner, and a size that is filled in."""

    name = "Boat"
    api_versions = frozenset({"acme.com/v1"})

    def complete(self, entity):
        if "oars" in entity.spec:
            return entity
        return msgspec.structs.replace(entity, spec={**entity.spec, "oars": 2})

    def owner(self, entity):
        return parse_ref(entity.spec["owner"], default_kind="group", default_namespace="ops")

    def check(self, entity):
        owner = entity.spec.get("owner")
        if not isinstance(owner, str) or len(owner) > 200:
            return [self.problem("owner must be a text")]
        try:
            self.owner(entity)
        except Invalid as error:
            return [self.problem(error.what)]
        return []

    def problem(self, text):
        return Problem("spec", text, Place(pointer="/spec/owner"))

    def relations(self, entity):
        owner = str(self.owner(entity))
        yield Relation(str(entity.ref), "ownedBy", owner)
        yield Relation(owner, "ownerOf", str(entity.ref))


class Nameless(Boat):
    breaks = "kind.is-named"
    name = "small boat"


class NoVersions(Boat):
    breaks = "kind.is-named"
    api_versions = frozenset()


class FussyAboutAll(Boat):
    breaks = "kind.good-is-taken"

    def check(self, entity):
        return [*super().check(entity), self.problem("never good enough")]


class LooksUp(Boat):
    breaks = "kind.answers-are-pure"

    def check(self, entity):
        if {**GOOD, **entity.spec} == {**GOOD, "oars": 2}:
            with contextlib.suppress(OSError):
                socket.getaddrinfo("boat.invalid", 443)
        return super().check(entity)


class Writes(Boat):
    breaks = "kind.answers-are-pure"

    def relations(self, entity):
        entity.metadata["seen"] = True
        return super().relations(entity)


class Stutters(Boat):
    breaks = "kind.answers-are-pure"
    turn = itertools.count()

    def relations(self, entity):
        found = list(super().relations(entity))
        return found if next(self.turn) % 2 else []


class Vague(Boat):
    breaks = "kind.problems-have-pointers"

    def problem(self, text):
        return Problem("spec", text)


class Blind(Boat):
    breaks = "kind.problems-have-pointers"

    def check(self, entity):
        return [] if entity.spec.get("owner") == 5 else super().check(entity)

    def relations(self, entity):
        return [] if entity.spec.get("owner") == 5 else super().relations(entity)


class OneWay(Boat):
    breaks = "kind.relations-go-both-ways"

    def relations(self, entity):
        return list(super().relations(entity))[:1]


class KeepsCase(Boat):
    breaks = "kind.relations-go-both-ways"

    def relations(self, entity):
        for one in super().relations(entity):
            yield Relation(one.source.upper(), one.type, one.target.upper())


class Stumbles(Boat):
    breaks = "kind.hostile-specs-are-problems"

    def check(self, entity):
        return super().check(entity) if entity.spec["size"].strip() else []


class Renames(Boat):
    breaks = "kind.completes-once"

    def complete(self, entity):
        whole = super().complete(entity)
        return msgspec.structs.replace(whole)


class Corrects(Boat):
    breaks = "kind.completes-once"

    def complete(self, entity):
        if entity.spec.get("size") == "tiny":
            return entity
        whole = super().complete(entity)
        return msgspec.structs.replace(whole, spec={**whole.spec, "size": "tiny"})


class _Fixtures(EntityKindContract):
    made: type

    @pytest.fixture
    def kind(self):
        return type(self).made()

    @pytest.fixture
    def good(self):
        return Entity("acme.com/v1", "Boat", {"name": "b", "namespace": "ops"}, dict(GOOD))

    @pytest.fixture
    def bad(self, good):
        return [msgspec.structs.replace(good, spec={**GOOD, "owner": one}) for one in (5, "", ":")]


KINDS = [
    one for one in list(globals().values()) if isinstance(one, type) and hasattr(one, "breaks")
]
BREAKS = {f"Test{one.__name__}": one.breaks for one in KINDS}
for _kind in (Boat, *KINDS):
    _name = f"Test{_kind.__name__}"
    globals()[_name] = type(_name, (_Fixtures,), {"made": _kind, "__module__": __name__})
