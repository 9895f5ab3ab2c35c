"""Conditional requests (RFC 9110, section 13) as headers: what is demanded, and the tag of now."""

from __future__ import annotations

import re

from towpath_core.errors import Invalid
from towpath_engine.catalog.preconditions import Condition
from towpath_gateway.answer import Answer, Header
from towpath_gateway.ask import Ask

__all__ = ("condition_of", "has_seen", "not_modified", "tag_header")

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_LIST = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*')
_MOST = 2000


def condition_of(request: Ask) -> Condition:
    """What a write demands by `If-Match` and `If-None-Match`.

    Raises:
        Invalid: a header is no list of tags.
    """
    return Condition(_tags(request, "if-match"), _tags(request, "if-none-match"))


def has_seen(request: Ask, tag: str) -> bool:
    """Whether a reader has what it asks for already, by `If-None-Match`.

    Raises:
        Invalid: the header is no list of tags.
    """
    seen = _tags(request, "if-none-match")
    return seen is not None and ("*" in seen or tag in seen)


def tag_header(tag: str) -> list[Header]:
    """The headers that a tagged answer has."""
    return [(b"etag", b'"%b"' % tag.encode()), (b"cache-control", b"private, no-cache")]


def not_modified(tag: str) -> Answer:
    """304: the reader has it already."""
    answer = Answer(b"", 304)
    answer.headers = tag_header(tag)
    return answer


def _tags(request: Ask, name: str) -> tuple[str, ...] | None:
    sent = [value for key, value in request.scope["headers"] if key == name.encode()]
    if not sent:
        return None
    text = b", ".join(sent).decode("latin-1").strip()
    if text == "*":
        return ("*",)
    if len(text) > _MOST or not _LIST.fullmatch(text):
        raise Invalid(
            f"{name.title()} is no list of tags.",
            next='Send tags as an ETag has them, in quotes: "...", "...".',
        )
    return tuple(_TAG.findall(text))
