"""What is asked for, made definite: sizes applied, defaults filled in, everything checked.

Pure. A request that comes out of here has no unknown parameter, so that a policy judges all of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.errors import Invalid, Problem
from towpath_core.provisioning import Change, Offering, PlanRequest, Size
from towpath_engine.jsonschema import faults

__all__ = ("check_name", "complete", "plan_hash", "size_of")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_NAME = 50
_COMBINING = frozenset({"allOf", "anyOf", "oneOf", "if", "patternProperties", "dependencies"})


def check_name(name: str) -> None:
    """See that a name can be one of a resource: kebab-case, at most 50 characters.

    Raises:
        Invalid: it cannot.
    """
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        shown = name if len(name) <= 80 else f"{name[:80]}..."
        raise Invalid(
            f"{shown!r} cannot be the name of a resource.",
            next=f"Use lower case letters and digits joined by -, at most {_MAX_NAME}.",
            problems=[Problem("name", "not lower-case kebab-case")],
        )


def size_of(offering: Offering, name: str | None) -> Size | None:
    """The size with a name, or the offering's first; None where it has no sizes.

    Raises:
        Invalid: the offering has no such size.
    """
    if name is None:
        return offering.sizes[0] if offering.sizes else None
    for size in offering.sizes:
        if size.name == name:
            return size
    known = ", ".join(size.name for size in offering.sizes) or "none"
    raise Invalid(f"{offering.name} has no size {name!r}.", next=f"Sizes: {known}.")


def complete(offering: Offering, size: Size | None, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in full: what was asked, what the size sets, and the schema's defaults.

    Raises:
        Invalid: a parameter is unknown, of the wrong type, missing, or set by the size.
    """
    preset = dict(size.parameters) if size is not None else {}
    fixed = [name for name in asked if name in preset and asked[name] != preset[name]]
    if fixed:
        problems = [
            Problem("parameter", f"{name} is set by the size {size.name}")  # type: ignore[union-attr]
            for name in fixed
        ]
        raise Invalid(problems[0].message.capitalize() + ".", problems=problems)
    properties = offering.parameters.get("properties", {})
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }
    parameters = {**defaults, **asked, **preset}
    # Unknown parameters are refused also where the plugin's schema forgets to say so: a policy
    # that looks at known names must not be passed by with an unknown one.
    unknown = [name for name in parameters if name not in properties]
    known = {name: value for name, value in parameters.items() if name in properties}
    found = faults(_closed(offering.parameters), known, f"offering {offering.name}")
    problems = [
        Problem("parameter", f"{name!r} is not a parameter of {offering.name}") for name in unknown
    ] + [fault.problem("/parameters") for fault in found]
    if problems:
        raise Invalid(
            f"The parameters do not fit {offering.name}.",
            why="; ".join(str(problem) for problem in problems),
            next=f"See: towpath offerings {offering.name}",
            problems=problems,
        )
    return parameters


def _closed(schema: Any) -> Any:
    """A schema whose objects take no property that they do not name, at any depth.

    One that puts objects together (`allOf` and its like) is left as it is: its parts do not know
    of each other's properties.
    """
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    if isinstance(schema.get("properties"), dict):
        closed["properties"] = {n: _closed(part) for n, part in schema["properties"].items()}
        if not _COMBINING & schema.keys():
            closed.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if name in schema:
            closed[name] = _closed(schema[name])
    return closed


def plan_hash(
    offering: Offering, request: PlanRequest, size: str | None, changes: Sequence[Change]
) -> str:
    """SHA-256 over all that decides what an apply does; changes when any of it does."""
    plain = msgspec.json.encode([offering, request, size, tuple(changes)], order="deterministic")
    return hashlib.sha256(plain).hexdigest()
