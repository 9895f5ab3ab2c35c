"""The entity envelope: what every catalog entity has, whatever its kind.

The field rules are those of Backstage's catalog model (`catalog-model`, section entity format):
same patterns, same lengths, so that a descriptor that is good there is good here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from towpath_core.errors import Place, Problem
from towpath_core.refs import DEFAULT_NAMESPACE, EntityRef
from towpath_core.weburl import is_url, runs_script

__all__ = ("Entity", "Relation", "check_envelope", "entity_from")

_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_KIND = re.compile(r"[a-zA-Z][a-z0-9A-Z]*")
_NAMESPACE = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*")
_API_SUFFIX = re.compile(r"[a-z0-9A-Z]+")
_TAG = re.compile(r"[a-z0-9:+#]+(-[a-z0-9:+#]+)*")
_ROOT = frozenset({"apiVersion", "kind", "metadata", "spec"})
_MAX_LABEL = 63
_MAX_SUBDOMAIN = 253
_MAX_QUALIFIED = _MAX_SUBDOMAIN + 1 + _MAX_LABEL
_MAX_SHOWN = 80


class Relation(msgspec.Struct, frozen=True, order=True):
    """A directed, typed edge between two entities, named by their canonical references."""

    source: str
    type: str
    target: str


class Entity(msgspec.Struct, rename="camel", omit_defaults=True):
    """One thing in the catalog, in the Backstage envelope.

    `metadata` and `spec` are free-form JSON objects: kinds give them meaning. An entity that went
    through `entity_from` has a valid `metadata.name` and a `metadata.namespace`.
    """

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name, in the case it was written in."""
        return str(self.metadata["name"])

    @property
    def namespace(self) -> str:
        """The namespace; `default` where none was written."""
        return str(self.metadata.get("namespace") or DEFAULT_NAMESPACE)

    @property
    def ref(self) -> EntityRef:
        """The reference to this entity."""
        return EntityRef(self.kind, self.namespace, self.name)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations; a fresh empty dict where there are none."""
        found = self.metadata.get("annotations")
        return found if isinstance(found, dict) else {}


def entity_from(document: Mapping[str, Any]) -> Entity:
    """Build an entity from a document that `check_envelope` found no fault with.

    The namespace is filled in; `uid` and `etag` that an author wrote are kept out, because the
    catalog assigns them. The document itself is not changed.
    """
    metadata = {k: v for k, v in document["metadata"].items() if k not in ("uid", "etag")}
    metadata.setdefault("namespace", DEFAULT_NAMESPACE)
    if metadata["namespace"] is None:
        metadata["namespace"] = DEFAULT_NAMESPACE
    return Entity(
        api_version=document["apiVersion"],
        kind=document["kind"],
        metadata=metadata,
        spec=dict(document.get("spec") or {}),
    )


def check_envelope(document: object) -> list[Problem]:
    """List what is wrong with the envelope of a document; an empty list means it is good.

    Looks at `apiVersion`, `kind`, `metadata` and the root keys only; `spec` belongs to the kind.
    Each problem's place is a JSON pointer. Never raises, whatever the document is.
    """
    if not isinstance(document, dict):
        return [_problem("envelope", "an entity must be a mapping", "")]
    problems = [
        _problem("envelope", f"unknown field {_shown(key)} at the root", _below("", key))
        for key in document
        if key not in _ROOT
    ]
    problems += _check_string(document, "apiVersion", _is_api_version, "", "prefix/version")
    problems += _check_string(document, "kind", _is_kind, "", "letters and digits, at most 63")
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        problems.append(_problem("envelope", "metadata must be a mapping", "/metadata"))
    else:
        problems += _check_metadata(metadata)
    if not isinstance(document.get("spec", {}), dict):
        problems.append(_problem("envelope", "spec must be a mapping", "/spec"))
    return problems


def _check_metadata(metadata: dict[Any, Any]) -> Iterator[Problem]:
    yield from _check_string(
        metadata, "name", _is_name, "/metadata", "letters, digits and -_. inside, at most 63"
    )
    if "namespace" in metadata:
        yield from _check_string(
            metadata, "namespace", _is_namespace, "/metadata", "a DNS label such as team-a"
        )
    for key in ("title", "uid", "etag"):
        if key in metadata and not _is_text(metadata[key]):
            yield _problem("metadata", f"{key} must be a non-empty string", f"/metadata/{key}")
    if "description" in metadata and not isinstance(metadata["description"], str):
        yield _problem("metadata", "description must be a string", "/metadata/description")
    yield from _check_pairs(metadata, "labels")
    yield from _check_pairs(metadata, "annotations")
    if "tags" in metadata:
        yield from _check_tags(metadata["tags"])
    if "links" in metadata:
        yield from _check_links(metadata["links"])


def _check_pairs(metadata: dict[Any, Any], field: str) -> Iterator[Problem]:
    pairs = metadata.get(field)
    if pairs is None and field not in metadata:
        return
    if not isinstance(pairs, dict):
        yield _problem("metadata", f"{field} must be a mapping", f"/metadata/{field}")
        return
    labels = field == "labels"
    for key, value in pairs.items():
        good_key = isinstance(key, str) and len(key) <= _MAX_QUALIFIED and _is_qualified(key)
        if not good_key:
            text = f"{_shown(key)} is not a valid key of {field}"
            yield _problem("metadata", text, _below(f"/metadata/{field}", key))
        if not isinstance(value, str):
            text = f"{_shown(key)} must be a string, not {type(value).__name__}; quote it"
            yield _problem("metadata", text, _below(f"/metadata/{field}", key))
        elif labels and value and not _is_name(value):
            text = f"{_shown(key)}: {_shown(value)} is not a valid label value"
            yield _problem("metadata", text, _below(f"/metadata/{field}", key))


def _check_tags(tags: object) -> Iterator[Problem]:
    if not isinstance(tags, list):
        yield _problem("metadata", "tags must be a list", "/metadata/tags")
        return
    for index, tag in enumerate(tags):
        good = isinstance(tag, str) and 0 < len(tag) <= _MAX_LABEL and _TAG.fullmatch(tag)
        if not good:
            hint = "lower case letters, digits and :+# joined by -, at most 63"
            yield _problem(
                "metadata", f"{_shown(tag)} is not a valid tag ({hint})", f"/metadata/tags/{index}"
            )


def _check_links(links: object) -> Iterator[Problem]:
    if not isinstance(links, list):
        yield _problem("metadata", "links must be a list", "/metadata/links")
        return
    for index, link in enumerate(links):
        where = f"/metadata/links/{index}"
        if not isinstance(link, dict):
            yield _problem("metadata", "a link must be a mapping", where)
            continue
        url = link.get("url")
        if not isinstance(url, str) or not is_url(url):
            yield _problem("metadata", "a link needs a url with a scheme", f"{where}/url")
        elif runs_script(url):
            # A page that shows the link would run what stands in it.
            text = "a link cannot be of javascript:, vbscript: or data:"
            yield _problem("metadata", text, f"{where}/url")
        for key in ("title", "icon", "type"):
            text = link.get(key, key)
            # A type of spaces is a text; a title of spaces shows nothing.
            if not _is_text(text) or (key != "type" and not text.strip()):
                yield _problem("metadata", f"{key} must be a non-empty string", f"{where}/{key}")


def _check_string(
    owner: dict[Any, Any], key: str, rule: Any, at: str, hint: str
) -> Iterator[Problem]:
    value = owner.get(key)
    if value is None:
        yield _problem("envelope", f"{key} is missing", f"{at}/{key}")
    elif not isinstance(value, str) or not rule(value):
        yield _problem("envelope", f"{key} {_shown(value)} is not valid ({hint})", f"{at}/{key}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_name(value: str) -> bool:
    return len(value) <= _MAX_LABEL and bool(_NAME.fullmatch(value))


def _is_kind(value: str) -> bool:
    return len(value) <= _MAX_LABEL and bool(_KIND.fullmatch(value))


def _is_namespace(value: str) -> bool:
    return len(value) <= _MAX_LABEL and bool(_NAMESPACE.fullmatch(value))


def _is_subdomain(value: str) -> bool:
    return len(value) <= _MAX_SUBDOMAIN and all(_is_namespace(p) for p in value.split("."))


def _is_api_version(value: str) -> bool:
    prefix, slash, suffix = value.rpartition("/")
    good = len(suffix) <= _MAX_LABEL and bool(_API_SUFFIX.fullmatch(suffix))
    return good and (not slash or _is_subdomain(prefix))


@lru_cache(maxsize=4096)
def _is_qualified(value: str) -> bool:
    # Kept, as a catalog has the same few keys on every entity; given short texts only.
    prefix, slash, name = value.rpartition("/")
    return _is_name(name) and (not slash or _is_subdomain(prefix))


def _shown(value: object) -> str:
    """A value in a message: short, and never by `repr` of a container or a number.

    The first recurses with the depth of the input, the second refuses numbers of many digits.
    """
    if not isinstance(value, str):
        return f"(of type {type(value).__name__})"
    return repr(value) if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]!r}..."


def _below(at: str, key: object) -> str:
    """The JSON pointer of a key, or of its owner where the key cannot stand in one."""
    if not isinstance(key, str) or len(key) > _MAX_SUBDOMAIN or not key.isprintable():
        return at
    return f"{at}/" + key.replace("~", "~0").replace("/", "~1")


def _problem(code: str, message: str, pointer: str) -> Problem:
    return Problem(code, message, Place(pointer=pointer or None))
