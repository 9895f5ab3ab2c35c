"""The kind AiResource: what coding tools are told, with the fields that its types add."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from towpath_backstage.kinds.declared import DeclaredKind, Edge, Field
from towpath_backstage.kinds.rules import items, problem, text
from towpath_core.errors import Problem

__all__ = ("ai_resource",)

_MAX_COMPATIBILITY = 500

_PART = Edge("AiResource", "hasPart", "partOf")
_NEEDS = Edge("AiResource", "dependsOn", "dependencyOf")
_TEXTS = items(text)


def _short(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    if isinstance(value, str) and len(value) > _MAX_COMPATIBILITY:
        most = f"compatibility has more than {_MAX_COMPATIBILITY} characters"
        yield problem(f"{most} ({hint})", pointer)
    else:
        yield from text(value, pointer, hint)


_DISCIPLINES = Field(name="disciplines", rule=_TEXTS, hint="such as web or backend")
_VERSION = Field(name="version", rule=text, hint="such as 1.0.0")

_SKILL = (
    _DISCIPLINES,
    Field(name="categories", rule=_TEXTS, hint="such as framework"),
    Field(name="agents", rule=_TEXTS, hint="the tools it is for"),
    Field(name="dependsOn", rule=_TEXTS, hint="names of other AI resources", edge=_NEEDS),
    Field(name="allowedTools", rule=text, hint="tools it may use, separated by spaces"),
    Field(name="license", rule=text, hint="such as Apache-2.0"),
    Field(name="compatibility", rule=_short, hint="what it needs around it, in a sentence"),
)
_RULE = (
    _DISCIPLINES,
    Field(name="category", rule=text, hint="such as security or style", required=True),
    Field(name="rationale", rule=text, hint="why the rule exists", required=True),
)
_PLUGIN = (
    Field(name="skills", rule=_TEXTS, hint="names of the skills in it", required=True, edge=_PART),
    _VERSION,
)
_MARKETPLACE = (
    Field(name="plugins", rule=_TEXTS, hint="names of plugins", required=True, edge=_PART),
    _VERSION,
)


def ai_resource(common: tuple[Field, ...]) -> DeclaredKind:
    """The kind, with the fields that it shares with others: type, lifecycle, owner, system."""
    variants = {"skill": _SKILL, "rule": _RULE, "plugin": _PLUGIN, "marketplace": _MARKETPLACE}
    return DeclaredKind(
        "AiResource",
        frozenset({"backstage.io/v1alpha1"}),
        common,
        {name: common + fields for name, fields in variants.items()},
    )
