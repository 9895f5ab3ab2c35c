"""What can be told about an offered object by looking at it: its type, its name, its soundness.

Calls no method of the object. It must not know pytest: it runs in the probe's process too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from towpath_core.catalog import CatalogSource, DescriptorFormat, EntityKind
from towpath_core.policy import Policy
from towpath_core.provisioning import Offering, Output, Provisioner, Size
from towpath_core.runs import RunKind
from towpath_core.scaffolding import Action, TemplateLanguage

__all__ = ("ACTION_ID", "KEBAB", "Offer", "inspect_offer", "schema_faults")

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
ACTION_ID = re.compile(r"[a-z][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)+")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_REF = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# Which type a hook promises, and how its objects are named.
_PROMISED: dict[str, tuple[type, re.Pattern[str]]] = {
    "towpath_catalog_sources": (CatalogSource, KEBAB),
    "towpath_descriptor_formats": (DescriptorFormat, KEBAB),
    "towpath_entity_kinds": (EntityKind, _KIND),
    "towpath_template_languages": (TemplateLanguage, KEBAB),
    "towpath_actions": (Action, ACTION_ID),
    "towpath_offerings": (Offering, KEBAB),
    "towpath_provisioners": (Provisioner, KEBAB),
    "towpath_run_kinds": (RunKind, KEBAB),
    "towpath_policies": (Policy, KEBAB),
}


class Offer(msgspec.Struct, frozen=True):
    """One object that a hook returned, and what is wrong with it.

    Attributes:
        hook: the hook that offered it.
        name: its name or id, or its Python type where it has none.
        kind: the type that the hook promises.
        mistyped: why it is not of that type; empty when it is.
        misnamed: why its name is refused; empty when it is good.
        unsound: contradictions inside an offering, an action or a run kind.
        undescribed: what lacks words for the people who read it.
        needs: the provisioner that an offering names.
    """

    hook: str
    name: str
    kind: str
    mistyped: str = ""
    misnamed: str = ""
    unsound: tuple[str, ...] = ()
    undescribed: tuple[str, ...] = ()
    needs: str = ""


def inspect_offer(hook: str, found: object) -> Offer:
    """Look at one object that a hook returned.

    Raises:
        KeyError: there is no such hook.
    """
    promised, pattern = _PROMISED[hook]
    name = getattr(found, "id" if promised is Action else "name", None)
    shown = name if isinstance(name, str) else type(found).__qualname__
    if not isinstance(found, promised):
        why = f"{hook} offered {type(found).__qualname__}, which is no {promised.__name__}"
        return Offer(hook, shown, promised.__name__, mistyped=why)
    good = isinstance(name, str) and len(name) <= 63 and pattern.fullmatch(name)
    return Offer(
        hook,
        shown,
        promised.__name__,
        misnamed="" if good else f"{name!r} does not match {pattern.pattern} (at most 63 long)",
        unsound=tuple(_unsound(found)),
        undescribed=tuple(_undescribed(found)),
        needs=found.provisioner if isinstance(found, Offering) else "",
    )


def schema_faults(schema: object, where: str) -> Iterator[str]:
    """What keeps a JSON Schema from describing one object with named properties."""
    if not isinstance(schema, Mapping):
        yield f"{where} is no mapping"
        return
    if schema.get("type") != "object":
        yield f"{where} must say `type: object`"
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        yield f"{where}: `properties` is no mapping"
        return
    missing = [name for name in schema.get("required", ()) if name not in properties]
    if missing:
        yield f"{where} requires {', '.join(missing)}, which its properties do not have"
    try:
        msgspec.json.encode(schema)
    except (TypeError, ValueError) as error:
        yield f"{where} is not JSON: {error}"


def _unsound(found: object) -> Iterator[str]:
    if isinstance(found, Offering):
        yield from schema_faults(found.parameters, f"{found.name}: parameters")
        yield from _offering_faults(found)
    elif isinstance(found, Action):
        yield from schema_faults(found.input_schema, f"{found.id}: input_schema")
        yield from schema_faults(found.output_schema, f"{found.id}: output_schema")
    elif isinstance(found, RunKind):
        yield from schema_faults(found.input_schema, f"{found.name}: input_schema")


def _offering_faults(offering: Offering) -> Iterator[str]:
    properties: Mapping[str, Any] = dict(offering.parameters).get("properties") or {}
    for name in (offering.resource_type, offering.provisioner):
        if not KEBAB.fullmatch(name):
            yield f"{offering.name}: {name!r} is not lower-case kebab-case"
    for what, names in (
        ("size", [size.name for size in offering.sizes]),
        ("output", [output.name for output in offering.outputs]),
        ("credential", [output.name for output in offering.credentials]),
    ):
        if len(set(names)) < len(names):
            yield f"{offering.name}: a {what} is named twice"
        yield from (
            f"{offering.name}: {what} {name!r} has characters that cannot be referred to"
            for name in names
            if not _REF.fullmatch(name)
        )
    for size in offering.sizes:
        unknown = sorted(set(size.parameters) - set(properties))
        if unknown:
            yield f"{offering.name}: size {size.name} sets unknown {', '.join(unknown)}"
    for output in offering.outputs:
        if output.secret:
            yield f"{offering.name}: output {output.name} is secret; make it a credential"


def _undescribed(found: object) -> Iterator[str]:
    if isinstance(found, Offering):
        for what, text in (("title", found.title), ("description", found.description)):
            if not text.strip():
                yield f"{found.name}: {what}"
        parts: tuple[Size | Output, ...] = (*found.sizes, *found.outputs, *found.credentials)
        for part in parts:
            if not part.description.strip():
                yield f"{found.name}: {part.name}"
    elif isinstance(found, Action):
        if not found.description.strip():
            yield f"{found.id}: description"
        if not found.examples:
            yield f"{found.id}: an example"
    elif isinstance(found, RunKind):
        for what, text in (("title", found.title), ("description", found.description)):
            if not text.strip():
                yield f"{found.name}: {what}"
