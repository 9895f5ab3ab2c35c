"""Checks entities that callers state themselves, and makes drafts of them.

The same checks as for what is read from locations: envelope, kind, JSON. On top of them nobody
sets what the catalog gives. Writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.catalog import Document
from towpath_core.entities import Entity
from towpath_core.errors import Invalid, Place, Problem
from towpath_engine.catalog.judging import (
    MANAGED_BY,
    MANAGED_BY_ORIGIN,
    KindJudge,
    Verdict,
    entity_of,
    json_of,
)
from towpath_engine.catalog.standing import Standing
from towpath_engine.catalog.writer import Draft

__all__ = ("GIVEN_ANNOTATIONS", "Stated", "Statement", "drafts_of", "stated")

GIVEN_ANNOTATIONS = (MANAGED_BY, MANAGED_BY_ORIGIN, "backstage.io/orphan")
"""Annotations that the catalog gives."""

_GIVEN = ("relations", "status")
_MAX_BODY = 4 * 1024 * 1024
_MANY = 50
_DEPTH = 100


class Statement(msgspec.Struct, frozen=True):
    """A document that a caller sent.

    Attributes:
        document: as it was read.
        file: the name of the file that it stands in, where there is one.
        pointer: where it stands in the request's body, where that is JSON.
    """

    document: Document
    file: str | None = None
    pointer: str = ""

    def placed(self, problem: Problem) -> Problem:
        """A problem of the document, at its place in what was sent."""
        place = problem.place
        if self.file is None:
            pointer = f"{self.pointer}{place.pointer or ''}"
            return msgspec.structs.replace(problem, place=Place(pointer=pointer or None))
        if place.line is None:
            place = self.document.place(self.file, place.pointer)
        return msgspec.structs.replace(
            problem, place=msgspec.structs.replace(place, file=self.file)
        )


class Stated(msgspec.Struct, frozen=True):
    """A statement with a good envelope."""

    entity: Entity
    statement: Statement

    @property
    def ref(self) -> str:
        """The canonical reference."""
        return str(self.entity.ref)


def stated(statements: Iterable[Statement]) -> list[Stated]:
    """The entities of statements; documents of nothing are left out.

    Raises:
        Invalid: an envelope is wrong, or a reference stands there twice; has all problems.
    """
    found: dict[str, Stated] = {}
    problems: list[Problem] = []
    for statement in statements:
        document = _without_given(statement.document)
        faults = list(statement.document.problems)
        if not faults and document.value is None and statement.file is not None:
            continue
        entity = None
        if not faults and (deep := _too_deep(document.value)) is not None:
            faults = [deep]
        if not faults:
            entity, faults = entity_of(document)
        if entity is not None and entity.kind.lower() == "location":
            text = "a location is registered, not stated: POST /api/v1/catalog/locations"
            faults = [Problem("kind", text, Place(pointer="/kind"))]
        elif entity is not None:
            one = Stated(entity, statement)
            if found.setdefault(one.ref, one) is not one:
                faults = [Problem("duplicate", f"{one.ref} stands here twice")]
        problems += map(statement.placed, faults)
    if problems:
        raise Invalid(_amount(problems), problems=problems)
    return list(found.values())


async def drafts_of(
    kinds: KindJudge, entities: Sequence[Stated], there: Mapping[str, Standing], origin: str
) -> list[Draft]:
    """Drafts of stated entities, for one origin.

    Args:
        kinds: knows what is right for a kind.
        entities: with good envelopes.
        there: what is stored under their references.
        origin: who is to hold them.

    Raises:
        Invalid: a kind finds fault with one, or it sets what the catalog gives; has all problems.
    """
    final = [_for(one.entity, origin) for one in entities]
    verdicts = await kinds.judge(final, origin)
    making = (entities, final, verdicts, there, origin)
    if len(entities) < _MANY:
        return _drafts(*making)
    return await asyncio.to_thread(_drafts, *making)


def _drafts(
    entities: Sequence[Stated],
    final: Sequence[Entity],
    verdicts: Sequence[Verdict],
    there: Mapping[str, Standing],
    origin: str,
) -> list[Draft]:
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for one, entity, verdict in zip(entities, final, verdicts, strict=True):
        faults = [*_overreach(one, there.get(one.ref)), *verdict.problems]
        entity = verdict.completed or entity
        body, fault = json_of(entity, _MAX_BODY)
        faults += [fault] if fault is not None else []
        problems += map(one.statement.placed, faults)
        drafts.append(Draft(entity, body, verdict.relations, origin))
    if problems:
        raise Invalid(_amount(problems), problems=problems)
    return drafts


def _too_deep(value: Any) -> Problem | None:
    """What is wrong with a document that nests so deep that not everybody could read it again."""
    level, depth = [value], 0
    while level := [
        item
        for node in level
        if isinstance(node, dict | list)
        for item in (node.values() if isinstance(node, dict) else node)
    ]:
        depth += 1
        if depth > _DEPTH:
            return Problem("limit", f"it nests deeper than {_DEPTH}")
    return None


def _without_given(document: Document) -> Document:
    """The document without what readers get and nobody writes: it may come back as it was read."""
    value = document.value
    if not isinstance(value, dict) or not any(key in value for key in _GIVEN):
        return document
    kept = {key: item for key, item in value.items() if key not in _GIVEN}
    return msgspec.structs.replace(document, value=kept)


def _overreach(one: Stated, there: Standing | None) -> list[Problem]:
    """What a document sets that the catalog gives, unless it says what is so anyway."""
    metadata = one.statement.document.value["metadata"]
    problems = []
    uid = metadata.get("uid")
    if uid is not None and (there is None or uid != str(there.uid)):
        text = "uid is given by the catalog; leave it out"
        problems.append(Problem("readonly", text, Place(pointer="/metadata/uid")))
    known = there.document["metadata"].get("annotations", {}) if there is not None else {}
    for name in GIVEN_ANNOTATIONS:
        value = one.entity.annotations.get(name)
        if value is not None and value != known.get(name):
            pointer = f"/metadata/annotations/{name.replace('/', '~1')}"
            text = f"{name} is given by the catalog; leave it out"
            problems.append(Problem("readonly", text, Place(pointer=pointer)))
    return problems


def _for(entity: Entity, origin: str) -> Entity:
    """The entity with annotations that say who holds it."""
    own: dict[str, Any] = {
        name: value for name, value in entity.annotations.items() if name not in GIVEN_ANNOTATIONS
    }
    annotations = {**own, MANAGED_BY: origin, MANAGED_BY_ORIGIN: origin}
    return msgspec.structs.replace(entity, metadata={**entity.metadata, "annotations": annotations})


def _amount(problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"The entity is wrong: {problems[0].message}."
    return f"{len(problems)} things are wrong."
