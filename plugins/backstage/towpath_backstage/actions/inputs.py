"""How an action's input becomes a typed struct, and what every action's schema has in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from towpath_core.errors import Invalid, Problem

__all__ = ("ActionInput", "masked", "object_schema", "read_input")


_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile("[?#]")


class ActionInput(msgspec.Struct, frozen=True, rename="camel"):
    """What an action is given; the fields are the schema's properties. Others are ignored."""


Input = TypeVar("Input", bound=ActionInput)


def read_input(kind: type[Input], given: Mapping[str, Any]) -> Input:
    """Build the struct; an optional input that is null counts as left out.

    Raises:
        Invalid: a value has another type, or one is missing. Code `input`.
    """
    present = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(present, kind)
    except msgspec.ValidationError as error:
        problem = Problem("input", str(error))
        raise Invalid(
            "The input of the step is wrong.", why=str(error), problems=[problem]
        ) from None


def object_schema(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON Schema (draft 7) of an object."""
    schema: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": dict(properties),
    }
    if required:
        schema["required"] = list(required)
    return schema


def masked(url: str) -> str:
    """A url without the user, password and query, which may be secrets; for logs and errors."""
    return _USERINFO.sub("", _QUERY.split(url, maxsplit=1)[0])
