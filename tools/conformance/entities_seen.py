"""What the entities of a catalog can be asked about: their keys and values, told from outside.

Knows nothing of the platform's index on purpose: it is what the index is compared with.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

LONGEST = 200
"""Longer values are found to exist only; Backstage's backend keeps no more of them either."""

Entity = dict[str, Any]
_APART = ("attachments", "relations", "status")


def js_text(value: object) -> str:
    """A scalar as JavaScript writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        return repr(value).replace("e-0", "e-").replace("e+0", "e+")
    return str(value)


def ref_of(entity: Entity) -> str:
    """The canonical reference of a final entity."""
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata['namespace']}/{metadata['name']}".lower()


def scalars(entity: Entity) -> dict[str, Any]:
    """Each scalar that is in no list, by its dotted path."""
    found: dict[str, Any] = {}

    def look(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                look(f"{path}.{key}" if path else key, item)
        elif not isinstance(value, list):
            found[path] = value

    look("", {key: value for key, value in entity.items() if key not in _APART})
    return found


def rows(entity: Entity) -> Iterator[tuple[str, Any]]:
    """Each key and value that a filter may ask an entity for."""

    def look(path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from look(f"{path}.{key}" if path else key, item)
        elif isinstance(value, list):
            for item in value:
                yield from look(path, item)
                if isinstance(item, str):
                    yield f"{path}.{item}", True
        else:
            yield path, value

    yield from look("", {key: value for key, value in entity.items() if key not in _APART})
    for edge in entity.get("relations", ()):
        yield f"relations.{edge['type']}", edge["targetRef"]


class Seen:
    """The final entities of a catalog, and what they have in common.

    Attributes:
        entities: all of them by uid, in the order of their references.
        values: by key, each value that some entity has and that can be asked for.
        plain: by path, the values of scalars that are in no list, none of them over-long.
        paths: dotted paths of all that can be shown: scalars, lists and objects.
    """

    def __init__(self, entities: Sequence[Entity]) -> None:
        ordered = sorted(entities, key=ref_of)
        self.entities = {entity["metadata"]["uid"]: entity for entity in ordered}
        self.refs = [ref_of(entity) for entity in ordered]
        self.scalars = {uid: scalars(entity) for uid, entity in self.entities.items()}
        values: dict[str, set[str]] = defaultdict(set)
        plain: dict[str, list[Any]] = defaultdict(list)
        shown: set[str] = set()
        long: set[str] = set()
        for entity in ordered:
            for key, value in rows(entity):
                if value is not None and len(js_text(value)) > LONGEST:
                    long.add(key)
                values[key].add(js_text(value) if value is not None else "")
            for path, value in scalars(entity).items():
                plain[path].append(value)
            shown.update(_paths("", entity))
        # The entity's own hash is not found by; it is no value that anybody gave.
        for gone in (*long, "metadata.etag"):
            values.pop(gone, None)
            plain.pop(gone, None)
        self.values = {key: sorted(found) for key, found in sorted(values.items())}
        self.plain = {path: found for path, found in sorted(plain.items())}
        self.paths = sorted(shown)

    def value_at(self, uid: str, path: str) -> Any:
        """The scalar of an entity at a path; None when there is none."""
        return self.scalars[uid].get(path)


def _paths(path: str, value: Any) -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(f"{path}.{key}" if path else key, item)


def odd_case(dice: random.Random, text: str) -> str:
    """The same text with letters of either case; only letters that come back from it as they were.

    Nothing is changed half of the time.
    """
    if dice.random() < 0.5:
        return text
    return "".join(
        dice.choice((one.upper(), one.lower())) if one.isascii() or one in "éω" else one
        for one in text
    )
