"""What runs are started and taken up again with: whether it fits, and how much it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towpath_core.errors import Invalid
from towpath_core.refs import parse_ref
from towpath_core.runs import RunKind
from towpath_engine.jsonschema import faults

__all__ = (
    "SCAFFOLD",
    "SCAFFOLD_SCHEMA",
    "check_secrets",
    "checked",
    "fitting",
    "values_of",
)

SCAFFOLD = "scaffold"
"""The kind of the runs of golden paths."""

SCAFFOLD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["template"],
    "properties": {
        "template": {"type": "string", "description": "Reference of the template."},
        "values": {"type": "object", "default": {}, "description": "What its form asks for."},
    },
    "additionalProperties": False,
}

_MOST_SECRETS = 100
_MOST_BYTES = 256 * 1024
_MOST_NAME = 200


def fitting(kind: RunKind, input: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a run of a plugin's kind; see `checked`."""
    return checked(kind.name, kind.input_schema, input)


def checked(name: str, schema: Mapping[str, Any], input: Mapping[str, Any]) -> dict[str, Any]:
    """The input with the schema's defaults for what is left out at its top.

    Raises:
        Invalid: it does not fit the schema.
    """
    properties = schema.get("properties") or {}
    defaults = {
        key: part["default"]
        for key, part in properties.items()
        if isinstance(part, dict) and "default" in part
    }
    full = {**defaults, **input}
    if found := faults(schema, full, f"runs of kind {name}"):
        problems = [fault.problem("/input") for fault in found]
        raise Invalid(
            f"The input does not fit runs of kind {name}.",
            why="; ".join(str(problem) for problem in problems),
            problems=problems,
        )
    return full


def values_of(pinned: Mapping[str, Any], input: Mapping[str, Any]) -> Any:
    """The values that a golden path is taken up again with.

    Raises:
        Invalid: they are none, or meant for another template.
    """
    ref = pinned["templateInfo"]["entityRef"]
    full = checked(SCAFFOLD, SCAFFOLD_SCHEMA, {"template": ref, **input})
    if str(parse_ref(full["template"], default_kind="template")) != ref:
        raise Invalid(f"The run is one of {ref}.", next="Start another one.")
    return full["values"]


def check_secrets(secrets: Mapping[str, str] | None) -> None:
    """See that a run can be given these secrets.

    Raises:
        Invalid: they are too many or too big, or a name is none.
    """
    if not secrets:
        return
    named = all(0 < len(name) <= _MOST_NAME and name.isprintable() for name in secrets)
    size = sum(len(value.encode("utf-8", "surrogatepass")) for value in secrets.values())
    if not named or len(secrets) > _MOST_SECRETS or size > _MOST_BYTES:
        raise Invalid(
            f"A run takes {_MOST_SECRETS} secrets at most, of {_MOST_BYTES:,} bytes in all, each "
            f"with a printable name of {_MOST_NAME} characters at most."
        )
