"""Query parameters: those that many routes share, and the check that none is without effect.

An unknown name, a name that comes twice where one value is read, and a number in another form than
digits are refused: each would be read in one way here and in another by whoever sent it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from towpath_core.errors import Invalid

__all__ = (
    "LAST",
    "QUERY",
    "Accepted",
    "After",
    "Cursor",
    "Kind",
    "Limit",
    "Name",
    "Namespace",
    "Resume",
    "accept_queries",
    "query_fields",
)

QUERY = "query"
"""The option of a handler that holds which query parameters it takes."""

LAST = (1 << 62) - 1
"""The highest number of an event that is taken for one."""

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many at the most.")]
Cursor = Annotated[
    str | None, QueryParameter(description="`nextCursor` of the page before this one.")
]
After = Annotated[
    int, QueryParameter(ge=0, le=LAST, description="Only events with a higher number than this.")
]
Resume = Annotated[
    int | None,
    QueryParameter(
        name="after", ge=0, le=LAST, description="Where to go on, where no Last-Event-ID is sent."
    ),
]

Kind = Annotated[
    str, PathParameter(description="Kind of an entity, such as `component`, without case.")
]
Namespace = Annotated[
    str, PathParameter(description="Namespace of an entity, `default` where it has none.")
]
Name = Annotated[str, PathParameter(description="Name of an entity, without case.")]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_TRUTHS = frozenset({"true", "false", "1", "0"})
_MOST_REMEMBERED = 1024


class Reading(msgspec.Struct, frozen=True):
    """How a query parameter is read: several or one; a number, yes or no, a word, or text."""

    several: bool = False
    number: bool = False
    truth: bool = False
    least: int | None = None
    most: int | None = None
    words: tuple[str, ...] = ()

    def wrong(self, name: str, value: str) -> str | None:
        """What is wrong with a value, and what would be right; None where nothing is."""
        said = f"not {value[:80]!r}."
        if self.words and value not in self.words:
            return f"{name} must be {' or '.join(self.words)}, {said}"
        if self.truth and value.lower() not in _TRUTHS:
            return f"{name} must be true or false, {said}"
        if not self.number:
            return None
        if not _NUMBER.fullmatch(value):
            return f"{name} must be a whole number, {said}"
        if self.least is not None and int(value) < self.least:
            return f"{name} must be {self.least} or more, {said}"
        if self.most is not None and int(value) > self.most:
            return f"{name} must be {self.most} at the most, {said}"
        return None


class Accepted:
    """The query parameters that a route takes, and how each is read."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = dict(readings)
        # The same few queries come again and again; parsing them is most of a read's work.
        self._check_known = lru_cache(maxsize=128)(self._check)

    def check(self, query: bytes) -> None:
        """See that a query string, as sent, has nothing that would be without effect.

        Raises:
            Invalid: names the first parameter that is unknown, repeated, or not what it must be.
        """
        check = self._check_known if len(query) <= _MOST_REMEMBERED else self._check
        if (wrong := check(query)) is not None:
            raise Invalid(wrong)

    def _check(self, query: bytes) -> str | None:
        seen: set[str] = set()
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            reading = self._readings.get(name)
            if reading is None:
                return f"Unknown query parameter {name[:80]!r}."
            if not reading.several:
                if name in seen:
                    return f"The query parameter {name!r} is there twice."
                seen.add(name)
            if (wrong := reading.wrong(name, value)) is not None:
                return wrong
        return None


def query_fields(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """The query parameters of a handler, by the name that is sent."""
    return {
        field.kwarg_definition.name or field.name: field
        for field in handler.parsed_fn_signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter)
    }


def accept_queries(app: Litestar) -> None:
    """Note at each handler which query parameters it takes; call it once, before serving."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            fields = query_fields(handler).items()
            handler.opt[QUERY] = Accepted({name: _reading(field) for name, field in fields})


def _reading(field: FieldDefinition) -> Reading:
    annotation, limits = _without_none(field.annotation), field.kwarg_definition
    if get_origin(annotation) is list:
        return Reading(several=True, words=_words(get_args(annotation)[0]))
    number = annotation is int
    least = getattr(limits, "ge", None) if number else None
    most = getattr(limits, "le", None) if number else None
    return Reading(False, number, annotation is bool, least, most, _words(annotation))


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _words(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()
