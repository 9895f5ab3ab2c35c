"""What each hook may return: one rule a hook, checked item by item at start-up.

Owns the table of rules. Rules run in the plugin's own thread, because reading an attribute of a
foreign object is foreign code; what they read is kept, so that an attribute that changes later
changes nothing in the registry.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from towpath_core.catalog import CatalogSource, DescriptorFormat, EntityKind
from towpath_core.plugins.checks import (
    KEBAB,
    WORD,
    Check,
    WrongType,
    a_duration,
    a_schema,
    a_text,
    check_json,
    free_name,
    matching,
    one_of,
    plain_outputs,
    set_of,
    the_examples,
    unique_names,
)
from towpath_core.plugins.words import shown
from towpath_core.policy import Policy
from towpath_core.provisioning import Offering, Provisioner
from towpath_core.runs import RunKind
from towpath_core.scaffolding import Action, TemplateLanguage

__all__ = ("HOOK_RULES", "HookRule", "Key", "Offered", "examine")

OWN_KINDS = frozenset({"scaffold", "provision", "delete", "bind", "unbind", "undo"})
"""Kinds of run that are the platform's own."""
OWN_EVENTS = frozenset({"state", "step", "log", "progress", "wait", "undo", "decision", "done"})
"""Types of event that are the platform's own: a forged end would end who follows the run."""

_ACTION_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)+")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_SUFFIX = re.compile(r"\.[a-z0-9._+~-]+")

_kebab = matching(KEBAB, "lower-case kebab-case such as 'my-name'")
_word = matching(WORD, "one word such as 'database'")
_versions = set_of(WORD, "an apiVersion such as 'acme.com/v1'")


class Key(msgspec.Struct, frozen=True, order=True):
    """What two contributions may not share: `value` among all of that `label`."""

    label: str
    value: str | tuple[str, str]

    def __str__(self) -> str:
        """Name the key in a sentence."""
        value = self.value if isinstance(self.value, str) else " of ".join(self.value)
        return f"the {self.label} {value!r}"


class Offered(msgspec.Struct, frozen=True, eq=False):
    """One item that passed its rule: the object, its name and its keys as they were read once."""

    value: Any
    name: str
    keys: tuple[Key, ...]


class HookRule(msgspec.Struct, frozen=True):
    """What the items of a hook must be.

    Attributes:
        type: the protocol or struct of an item.
        attributes: check of each attribute; the first names the item.
        keys: the keys that an item with these attributes takes.
        index: label of the keys that the hook's contributions are looked up by.
    """

    type: type
    attributes: Mapping[str, Check]
    keys: Callable[[Mapping[str, Any]], Iterable[Key]]
    index: str


def examine(rule: HookRule, item: object) -> Offered:
    """Check one item of a hook.

    Raises:
        WrongType: says what is wrong and what would be right.
    """
    kind = rule.type.__name__
    if isinstance(item, type):
        raise WrongType(f"the class {item.__name__} is not {_a(kind)}; return an instance of it")
    if issubclass(rule.type, msgspec.Struct):
        item = _as_data(rule.type, item)
    read = {}
    for name, check in rule.attributes.items():
        try:
            value = getattr(item, name)
        except AttributeError:
            raise WrongType(f"{shown(item)} is not {_a(kind)}: it has no {name!r}") from None
        try:
            read[name] = check(value)
        except WrongType as wrong:
            # Of a container it is something inside that is wrong.
            but = "" if isinstance(value, tuple | frozenset | dict) else f", not {shown(value)}"
            raise WrongType(f"{kind}.{name} must be {wrong}{but}") from None
    for name, wanted in _methods(rule.type).items():
        _check_method(kind, name, getattr(item, name, None), wanted)
    return Offered(item, read[next(iter(rule.attributes))], tuple(rule.keys(read)))


def _as_data(kind: type, item: object) -> object:
    """Build a deep copy of a struct, so that nobody else holds a part of it, and check it all."""
    if not isinstance(item, kind):
        raise WrongType(f"{shown(item)} is not {_a(kind.__name__)}")
    try:
        data = msgspec.to_builtins(item)
        check_json(data, "it")
        return msgspec.convert(data, kind)
    except (TypeError, ValueError, RecursionError, WrongType) as error:
        raise WrongType(f"{_a(kind.__name__)} that is not good data: {error}") from error


@functools.cache
def _methods(protocol: type) -> dict[str, inspect.Signature]:
    """The methods an object of that protocol must have; none for a struct."""
    if issubclass(protocol, msgspec.Struct):
        return {}
    found = {n: m for n, m in vars(protocol).items() if n[0] != "_" and inspect.isfunction(m)}
    return {name: inspect.signature(method) for name, method in found.items()}


def _check_method(kind: str, name: str, method: object, wanted: inspect.Signature) -> None:
    if not callable(method):
        raise WrongType(f"it is not {_a(kind)}: it has no method {name!r}")
    try:
        given = inspect.signature(method)
    except (TypeError, ValueError):  # written in C: nothing to compare with
        return
    parameters = list(wanted.parameters.values())[1:]  # without self
    keywords = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    try:
        given.bind(*([None] * (len(parameters) - len(keywords))), **keywords)
    except TypeError as error:
        taken = ", ".join(p.name for p in parameters)
        raise WrongType(f"{kind}.{name} must take ({taken}): {error}") from None


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOU" else f"a {noun}"


def _keys(*parts: tuple[str, str]) -> Callable[[Mapping[str, Any]], Iterable[Key]]:
    """Keys from pairs of label and attribute; an attribute that is a set gives one key each."""

    def keys(read: Mapping[str, Any]) -> Iterable[Key]:
        for label, attribute in parts:
            value = read[attribute]
            for one in (value,) if isinstance(value, str) else value:
                yield Key(label, one)

    return keys


def _kind_keys(read: Mapping[str, Any]) -> Iterable[Key]:
    return [Key("entity kind", (read["name"].lower(), v)) for v in read["api_versions"]]


HOOK_RULES: Mapping[str, HookRule] = {
    "towpath_catalog_sources": HookRule(
        CatalogSource,
        {"name": _kebab, "types": set_of(WORD, "a location type such as 'url'")},
        _keys(("catalog source", "name")),
        "catalog source",
    ),
    "towpath_descriptor_formats": HookRule(
        DescriptorFormat,
        {"name": _kebab, "suffixes": set_of(_SUFFIX, "a lower-case file suffix such as '.yaml'")},
        _keys(("descriptor format", "name"), ("file suffix", "suffixes")),
        "file suffix",
    ),
    "towpath_entity_kinds": HookRule(
        EntityKind,
        {"name": matching(_KIND, "a kind such as 'Component'"), "api_versions": _versions},
        _kind_keys,
        "entity kind",
    ),
    "towpath_template_languages": HookRule(
        TemplateLanguage,
        {"name": _kebab, "api_versions": _versions},
        _keys(("template language", "name"), ("template apiVersion", "api_versions")),
        "template apiVersion",
    ),
    "towpath_actions": HookRule(
        Action,
        {
            "id": matching(_ACTION_ID, "an id such as 'group:verb'"),
            "description": a_text,
            "input_schema": a_schema,
            "output_schema": a_schema,
            "effect": one_of("pure", "workspace", "external"),
            "examples": the_examples,
        },
        _keys(("action", "id")),
        "action",
    ),
    "towpath_offerings": HookRule(
        Offering,
        {
            "name": _kebab,
            "resource_type": _word,
            "provisioner": _kebab,
            "sizes": unique_names,
            "outputs": plain_outputs,
            "credentials": unique_names,
        },
        _keys(("offering", "name")),
        "offering",
    ),
    "towpath_provisioners": HookRule(
        Provisioner, {"name": _kebab}, _keys(("provisioner", "name")), "provisioner"
    ),
    "towpath_run_kinds": HookRule(
        RunKind,
        {
            "name": free_name(OWN_KINDS),
            "title": a_text,
            "description": a_text,
            "input_schema": a_schema,
            "queue": _kebab,
            "seconds": a_duration,
        },
        _keys(("run kind", "name")),
        "run kind",
    ),
    "towpath_policies": HookRule(Policy, {"name": _kebab}, _keys(("policy", "name")), "policy"),
}
"""What each hook returns, in the order the hooks are asked. The keys are all of SPEC_CLASSES."""
