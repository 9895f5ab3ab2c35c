"""JSON Schemas of wire types, under the names that clients are generated with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ("PREFIX", "schemas_of")

PREFIX = "#/components/schemas/"

_PAGE = re.compile(r"Page_(\w+)_")

Schema = dict[str, Any]


def schemas_of(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schemas of types, in their order, and those that they refer to, by name.

    A struct `RunWire` is called `Run`, a `Page[RunWire]` is called `RunPage`.

    Raises:
        ValueError: two types would have one name.
    """
    wanted = list(types)
    schemas, components = msgspec.json.schema_components(wanted, ref_template=PREFIX + "{name}")
    names = {name: _name(name) for name in components}
    if len(set(names.values())) < len(names):
        raise ValueError(f"Two of these have one name: {sorted(names.items())}")
    renamed = {names[name]: _renamed(schema, names) for name, schema in components.items()}
    return [_renamed(schema, names) for schema in schemas], dict(sorted(renamed.items()))


def _name(written: str) -> str:
    if matched := _PAGE.fullmatch(written):
        return matched[1].removesuffix("Wire") + "Page"
    return written.removesuffix("Wire")


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _renamed(value, names) for key, value in node.items()}
    if isinstance(target := result.get("$ref"), str):
        result["$ref"] = PREFIX + names[target.removeprefix(PREFIX)]
    # The name of the class says nothing that the name of the schema does not.
    if isinstance(result.get("title"), str):
        del result["title"]
    return result
