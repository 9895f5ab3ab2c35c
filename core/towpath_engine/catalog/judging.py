"""Judges documents and entities: envelope, kind, what they state about others, JSON.

Kinds are plugin code: they are called in threads of their plugin, with a deadline. Knows neither
sources nor tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import structlog

from towpath_core.catalog import Document, EntityKind
from towpath_core.entities import Entity, Relation, check_envelope, entity_from
from towpath_core.errors import Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.rules import CatalogRules

__all__ = (
    "MANAGED_BY",
    "MANAGED_BY_ORIGIN",
    "SOURCE_LOCATION",
    "KindJudge",
    "Verdict",
    "annotated",
    "entity_of",
    "json_of",
    "placed",
)

log = structlog.get_logger(__name__)

MANAGED_BY = "backstage.io/managed-by-location"
MANAGED_BY_ORIGIN = "backstage.io/managed-by-origin-location"
SOURCE_LOCATION = "backstage.io/source-location"
GENERATED = "generated-"
"""How the names of Location entities begin that the catalog itself makes."""

_SECONDS = 30.0
_MAX_REF = 255
_MAX_EDGES = 10_000


class Verdict(msgspec.Struct, frozen=True):
    """What a kind says of an entity: problems with JSON pointers, or the edges that it states.

    `completed` is the entity with what the kind filled in, None where that is nothing.
    """

    problems: tuple[Problem, ...] = ()
    relations: tuple[Relation, ...] = ()
    completed: Entity | None = None


class KindJudge:
    """Asks the rules of the catalog, and then the kinds that plugins offer.

    Args:
        host: whose plugins are asked.
        rules: what may come from where; everything where None.
    """

    def __init__(self, host: PluginHost, rules: CatalogRules | None = None) -> None:
        self._host = host
        self._rules = rules or CatalogRules()

    async def judge(self, entities: Sequence[Entity], origin: str | None = "") -> list[Verdict]:
        """A verdict for each entity, in order; each plugin is called once for all of its own.

        Never raises for what an entity holds or a plugin does; that becomes a problem.

        Args:
            entities: with good envelopes.
            origin: the registered location that they come from, as `type:target`; empty where
                none was registered, None for the platform's own, which no rule restricts.
        """
        known = self._host.contributions.entity_kinds
        verdicts: dict[int, Verdict] = {}
        by_plugin: dict[str, list[tuple[int, Contribution[EntityKind]]]] = {}
        for number, entity in enumerate(entities):
            kind = known.get((entity.kind.lower(), entity.api_version))
            refusal = None if origin is None else self._rules.refuse(entity, origin)
            if kind is None or kind.value.name != entity.kind:
                verdicts[number] = Verdict((_unknown_kind(entity, known.keys(), kind),))
            elif refusal is not None:
                verdicts[number] = Verdict((refusal,))
            else:
                by_plugin.setdefault(kind.plugin, []).append((number, kind))
        for chosen in by_plugin.values():
            verdicts |= await self._ask([(n, kind, entities[n]) for n, kind in chosen])
        return [verdicts[number] for number in range(len(entities))]

    async def _ask(
        self, chosen: Sequence[tuple[int, Contribution[EntityKind], Entity]]
    ) -> Mapping[int, Verdict]:
        def judge(_: EntityKind) -> dict[int, Verdict]:
            return {number: _verdict(kind, entity) for number, kind, entity in chosen}

        try:
            found: dict[int, Verdict] = await self._host.call(
                chosen[0][1], judge, seconds=_SECONDS, returns=dict
            )
        except TowpathError as error:
            problem = Problem("plugin-error", error.what)
            return {number: Verdict((problem,)) for number, _, _ in chosen}
        return found


def _verdict(kind: Contribution[EntityKind], entity: Entity) -> Verdict:
    """Ask one kind about one entity; runs foreign code, in its plugin's thread."""
    completed: Entity | None = None
    try:
        if hasattr(kind.value, "complete"):
            filled = kind.value.complete(entity)
            if filled is not entity:
                if not _is_same(filled, entity):
                    return _at_fault(kind, "made another entity of it")
                completed = entity = filled
        problems = tuple(kind.value.check(entity))
        relations = () if problems else tuple(kind.value.relations(entity))
    except Exception as error:
        log.exception("kind.failed", kind=entity.kind, plugin=kind.plugin)
        return _at_fault(kind, f"failed on it: {type(error).__name__}")
    if not all(isinstance(problem, Problem) for problem in problems):
        return _at_fault(kind, "gave something else than problems")
    if not all(isinstance(relation, Relation) for relation in relations):
        return _at_fault(kind, "gave something else than relations")
    if len(relations) > _MAX_EDGES:
        text = f"it states {len(relations)} relations; at most {_MAX_EDGES} are taken"
        return Verdict((Problem("limit", text),))
    wrong = _unstorable(relations)
    if wrong is not None:
        shown = repr(wrong[:80]) if isinstance(wrong, str) else f"a {type(wrong).__name__}"
        text = f"{shown} is not a reference that can be kept"
        return Verdict((Problem("ref", text, Place(pointer="/spec")),))
    return Verdict(problems, relations, completed)


def _is_same(filled: object, entity: Entity) -> bool:
    """Whether what a kind gave is still the entity that it was asked to fill in."""
    if not isinstance(filled, Entity) or check_envelope(_document_of(filled)):
        return False
    return (filled.api_version, str(filled.ref)) == (entity.api_version, str(entity.ref))


def _document_of(entity: Entity) -> dict[str, object]:
    return {
        "apiVersion": entity.api_version,
        "kind": entity.kind,
        "metadata": entity.metadata,
        "spec": entity.spec,
    }


def _at_fault(kind: Contribution[EntityKind], what: str) -> Verdict:
    return Verdict((Problem("plugin-error", f"plugin {kind.plugin} {what}"),))


def _unstorable(relations: Iterable[Relation]) -> object | None:
    """The first reference or type that cannot be kept."""
    seen: dict[object, None] = {}
    for relation in relations:
        for text in (relation.source, relation.type, relation.target):
            if text.__class__ is not str:
                return text
            seen[text] = None
    return next((text for text in seen if not _is_storable(text)), None)


def _is_storable(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _MAX_REF and text.isprintable()


def placed(problem: Problem, document: Document, file: str) -> Problem:
    """A problem of a document with its place in a file."""
    place = problem.place
    if place.line is not None:
        place = msgspec.structs.replace(place, file=place.file or file)
    else:
        place = document.place(file, place.pointer)
    return msgspec.structs.replace(problem, place=place)


def entity_of(document: Document) -> tuple[Entity | None, list[Problem]]:
    """The entity that a document is, or what is wrong with its envelope."""
    faults = check_envelope(document.value)
    if faults:
        return None, faults
    entity = entity_from(document.value)
    if entity.kind.lower() == "location" and entity.name.lower().startswith(GENERATED):
        text = f"names of locations that begin with {GENERATED} are given by the catalog"
        return None, [Problem("reserved", text, Place(pointer="/metadata/name"))]
    return entity, []


def json_of(entity: Entity, limit: int) -> tuple[bytes, Problem | None]:
    """An entity as JSON text, or why it cannot be kept as that."""
    try:
        body = msgspec.json.encode(entity)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        text = f"it holds what JSON cannot say: {type(error).__name__}"
        return b"", Problem("json", text)
    if len(body) > limit:
        text = f"it has {len(body):,} bytes and goes over the budget `entity_bytes` of {limit:,}"
        return b"", Problem("limit", text)
    return body, None


def annotated(entity: Entity, location: str, origin: str) -> Entity:
    """The entity with the annotations that say where it comes from; authors cannot set them."""
    annotations = {
        **entity.annotations,
        MANAGED_BY: location,
        MANAGED_BY_ORIGIN: origin,
    }
    annotations.setdefault(SOURCE_LOCATION, f"{location.rpartition('/')[0]}/")
    return msgspec.structs.replace(entity, metadata={**entity.metadata, "annotations": annotations})


def _unknown_kind(
    entity: Entity, known: Iterable[tuple[str, str]], near: Contribution[EntityKind] | None
) -> Problem:
    if near is not None:
        text = f"kind {entity.kind!r} is written {near.value.name!r}"
        return Problem("kind", text, Place(pointer="/kind"))
    versions = sorted(version for kind, version in known if kind == entity.kind.lower())
    if versions:
        text = f"apiVersion {entity.api_version!r} of {entity.kind} is not known; "
        text += f"known: {', '.join(versions)}"
        return Problem("kind", text, Place(pointer="/apiVersion"))
    kinds = ", ".join(sorted({kind for kind, _ in known}))
    text = f"no plugin knows the kind {entity.kind!r}; known: {kinds}"
    return Problem("kind", text, Place(pointer="/kind"))
