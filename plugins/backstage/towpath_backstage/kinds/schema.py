"""A kind whose spec a JSON Schema describes, with the relations that its fields state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from towpath_backstage.kinds.declared import DeclaredKind, Edge, Field
from towpath_backstage.kinds.rules import any_of, items, problem, string
from towpath_backstage.yaml import escaped
from towpath_core.entities import Entity, Relation
from towpath_core.errors import Invalid, Place, Problem

__all__ = ("SchemaKind", "SpecSchema")

_MAX_PROBLEMS = 100
_MAX_MESSAGE = 300
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 20)  # the engine without backtracking
_REFS = any_of("a text or a list", {str: string, list: items(string)})
_ONE, _MANY = ("not", "if", "then", "else"), ("allOf", "anyOf", "oneOf")


class SpecSchema:
    """A JSON Schema (draft 7) of specs. References stay inside of it; nothing is fetched.

    Args:
        schema: as written.

    Raises:
        Invalid: it is no schema, or one that never ends; its problem has the pointer.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        _refuse_loops(schema)
        try:
            self._validator = jsonschema_rs.Draft7Validator(
                schema, pattern_options=_PATTERNS, retriever=_refuse, validate_formats=False
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise _wrong(
                _words(str(error)), _pointer(getattr(error, "instance_path", ()))
            ) from None

    def problems(self, value: Any, at: str) -> Iterator[Problem]:
        """What does not fit, with pointers that begin with `at`. Never raises."""
        try:
            for error in self._validator.iter_errors(value):
                pointer = at + _pointer(error.instance_path)
                missing = getattr(error.kind, "property", None)
                if isinstance(missing, str):
                    pointer = f"{pointer}/{escaped(missing)}"
                yield problem(_words(error.message), pointer)
        except ValueError as error:
            yield problem(_words(str(error)), at)


class SchemaKind:
    """An entity kind that a file describes.

    Args:
        name: as written in `kind`.
        api_versions: the versions it takes.
        schema: of its spec.
        edges: the relations that fields of the spec state, by the names of the fields.
        defaults: values of the spec where the author gave none; mappings are filled in, too.
        revision: changes when any of the others does.
    """

    def __init__(
        self,
        name: str,
        api_versions: frozenset[str],
        schema: SpecSchema,
        edges: Mapping[str, Edge],
        defaults: Mapping[str, Any],
        revision: str = "",
    ) -> None:
        self.name = name
        self.api_versions = api_versions
        self.revision = revision
        self._schema = schema
        self._defaults = defaults
        fields = [Field(name=f, rule=_REFS, hint="a reference", edge=e) for f, e in edges.items()]
        self._fields = DeclaredKind(name, api_versions, tuple(fields))

    def __repr__(self) -> str:
        """Say which kind it is."""
        return f"<SchemaKind {self.name}>"

    def complete(self, entity: Entity) -> Entity:
        """The entity with the defaults filled in; the same one where nothing was missing."""
        spec = _filled(entity.spec, self._defaults)
        return entity if spec is entity.spec else msgspec.structs.replace(entity, spec=spec)

    def check(self, entity: Entity) -> list[Problem]:
        """List what is wrong with the spec: what the schema says, and then references."""
        found = list(islice(self._schema.problems(entity.spec, "/spec"), _MAX_PROBLEMS))
        return found or self._fields.check(entity)

    def relations(self, entity: Entity) -> Iterator[Relation]:
        """The edges an entity states, each once, both directions, in the order of the file."""
        return self._fields.relations(entity)


def _filled(given: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with what it lacks; the same one where that is nothing."""
    more: dict[str, Any] = {}
    for key, value in defaults.items():
        if key not in given:
            more[key] = value
        elif isinstance(value, dict) and isinstance(given[key], dict):
            filled = _filled(given[key], value)
            if filled is not given[key]:
                more[key] = filled
    return {**given, **more} if more else given


def _refuse(uri: str) -> Any:
    raise ValueError("references lead into the schema itself only")


def _refuse_loops(schema: Any) -> None:
    """Refuse references that lead back to themselves before any value is gone into."""
    done: set[int] = set()
    for start in _nodes(schema):
        todo: list[tuple[Any, tuple[int, ...]]] = [(start, ())]
        while todo:
            node, above = todo.pop()
            if id(node) in above:
                raise _wrong("a reference leads back to itself", "")
            if id(node) not in done and isinstance(node, dict):
                todo += [(one, (*above, id(node))) for one in _applied(schema, node)]
        done.add(id(start))


def _nodes(root: Any) -> Iterator[dict[str, Any]]:
    todo: list[Any] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
        if isinstance(node, dict | list):
            todo += node.values() if isinstance(node, dict) else node


def _applied(root: Any, node: dict[str, Any]) -> Iterator[Any]:
    """The schemas that a value is held against together with this one."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        yield _find(root, reference)
    for name in _ONE:
        yield node.get(name)
    for name in _MANY:
        found = node.get(name)
        yield from found if isinstance(found, list) else ()


def _find(root: Any, reference: str) -> Any:
    node = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node


def _pointer(path: Any) -> str:
    return "".join(f"/{escaped(part)}" for part in path)


def _words(text: str) -> str:
    first = text.partition("\n")[0]
    shown = "".join(char if char.isprintable() else "?" for char in first[:_MAX_MESSAGE])
    return shown if len(first) <= _MAX_MESSAGE else f"{shown}..."


def _wrong(message: str, pointer: str) -> Invalid:
    return Invalid(message, problems=[Problem("schema", message, Place(pointer=pointer or None))])
