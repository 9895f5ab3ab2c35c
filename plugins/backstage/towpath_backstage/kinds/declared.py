"""An entity kind declared as data: fields with rules, and the relations that fields state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Any, TypeAlias

import msgspec

from towpath_backstage.kinds.rules import Quick, Rule, problem, quick
from towpath_backstage.placeholders import is_placeholder
from towpath_backstage.yaml import shown
from towpath_core.entities import Entity, Relation
from towpath_core.errors import Invalid, Problem
from towpath_core.refs import parse_ref

__all__ = ("DeclaredKind", "Edge", "Field")

_MAX_PROBLEMS = 100
_MAX_REF = 3 * 63 + 2
"""Kind, namespace and name have at most 63 characters each: nothing longer can exist."""


class Edge(msgspec.Struct, frozen=True):
    """The relation that a field states.

    Attributes:
        default_kind: kind of a reference that has none; None where it must have one.
        forward: type of the relation from the entity to the one it names.
        reverse: type of the relation back.
    """

    default_kind: str | None
    forward: str
    reverse: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a spec.

    Attributes:
        name: as written in the spec.
        rule: what it may hold.
        hint: what it is for, with an example; part of every message about it.
        required: whether it must be there.
        unless: another field whose text makes up for this one where it is missing.
        edge: the relation it states; its value is then a reference or a list of them.
    """

    name: str
    rule: Rule
    hint: str
    required: bool = False
    unless: str = ""
    edge: Edge | None = None


_Plan: TypeAlias = tuple[tuple[Field, Quick], ...]


class DeclaredKind:
    """An entity kind that a table describes. Spec fields that are not declared may hold anything.

    Args:
        name: as written in `kind`.
        api_versions: the versions it takes.
        fields: fields of the spec.
        variants: fields instead of those, by the value of `spec.type`.
    """

    def __init__(
        self,
        name: str,
        api_versions: frozenset[str],
        fields: tuple[Field, ...],
        variants: Mapping[str, tuple[Field, ...]] | None = None,
    ) -> None:
        self.name = name
        self.api_versions = api_versions
        self._fields = _plan(fields)
        self._variants = {name: _plan(chosen) for name, chosen in (variants or {}).items()}

    def __repr__(self) -> str:
        """Say which kind it is."""
        return f"<DeclaredKind {self.name}>"

    def check(self, entity: Entity) -> list[Problem]:
        """List what is wrong with an entity of this kind, in the order of the fields.

        At most 100 problems. Codes: `kind` for the envelope, `spec` for a field, `ref` for a
        reference.
        """
        return list(islice(chain(self._envelope(entity), self._spec(entity)), _MAX_PROBLEMS))

    def _envelope(self, entity: Entity) -> Iterator[Problem]:
        if entity.kind != self.name:
            why = f"the kind is written {self.name}, not {shown(entity.kind)}"
            yield problem(why, "/kind", "kind")
        if entity.api_version not in self.api_versions:
            versions = " or ".join(sorted(self.api_versions))
            why = f"a {self.name} has the apiVersion {versions}, not {shown(entity.api_version)}"
            yield problem(why, "/apiVersion", "kind")

    def _spec(self, entity: Entity) -> Iterator[Problem]:
        spec, namespace = entity.spec, entity.namespace
        for field, good in self._plan_of(entity):
            if field.name not in spec:
                if field.required and not _stands_in(spec.get(field.unless)):
                    text = f"{field.name} is missing ({field.hint})"
                    yield problem(text, f"/spec/{field.name}")
                continue
            value = spec[field.name]
            if not (good(value) and (field.edge is None or _good(value, field.edge, namespace))):
                yield from _wrong(value, field, namespace)

    def relations(self, entity: Entity) -> Iterator[Relation]:
        """The edges an entity states, each once, both directions, in the order of the fields.

        A reference without a namespace means that of the entity.
        """
        found: list[Relation] = []
        source, namespace = str(entity.ref), entity.namespace
        for field, _ in self._plan_of(entity):
            edge = field.edge
            if edge is None:
                continue
            for _, ref in _refs(entity.spec.get(field.name), ""):
                target = _canonical(ref, edge.default_kind, namespace)
                found.append(Relation(source, edge.forward, target))
                found.append(Relation(target, edge.reverse, source))
        return iter(dict.fromkeys(found))

    def _plan_of(self, entity: Entity) -> _Plan:
        if self._variants:
            variant = entity.spec.get("type")
            if isinstance(variant, str) and variant in self._variants:
                return self._variants[variant]
        return self._fields


def _plan(fields: tuple[Field, ...]) -> _Plan:
    return tuple((field, quick(field.rule)) for field in fields)


def _good(value: str | list[str], edge: Edge, namespace: str) -> bool:
    """Whether a text, or each of some, is a reference."""
    for ref in (value,) if isinstance(value, str) else value:
        if len(ref) > _MAX_REF or not _canonical(ref, edge.default_kind, namespace):
            return False
    return True


@lru_cache(maxsize=16_384)
def _canonical(ref: str, default_kind: str | None, namespace: str) -> str:
    """A reference in its canonical form; empty where it is none.

    Kept, as the same few owners, systems and APIs are named all over a catalog.
    """
    try:
        return str(parse_ref(ref, default_kind=default_kind, default_namespace=namespace))
    except Invalid:
        return ""


def _stands_in(value: Any) -> bool:
    return (isinstance(value, str) and value != "") or is_placeholder(value)


def _wrong(value: Any, field: Field, namespace: str) -> Iterator[Problem]:
    pointer = f"/spec/{field.name}"
    wrong = list(field.rule(value, pointer, field.hint))
    yield from wrong
    if field.edge is None or any(one.place.pointer == pointer for one in wrong):
        return
    for at, ref in _refs(value, pointer):
        why = _wrong_ref(ref, field.name, field.edge, namespace)
        if why:
            yield problem(why, at, "ref")


def _refs(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """The references a field holds, with their pointers; what is none was found by its rule."""
    if isinstance(value, str) and value:
        yield pointer, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str) and item:
                yield f"{pointer}/{index}", item


def _wrong_ref(ref: str, field: str, edge: Edge, namespace: str) -> str:
    """What is wrong with a reference, and what would be right; empty where it is good."""
    if len(ref) > _MAX_REF:
        return f"{field}: a reference of {len(ref):,} characters; none has more than {_MAX_REF}"
    try:
        parse_ref(ref, default_kind=edge.default_kind, default_namespace=namespace)
    except Invalid as error:
        if edge.default_kind is None and ":" not in ref and ref.strip("/"):
            right = f"write {shown(f'component:{ref}')} or {shown(f'resource:{ref}')}"
            return f"{shown(ref)} has no kind, and {field} may name any; {right}"
        return f"{error.what}; write [kind:][namespace/]name"
    return ""
