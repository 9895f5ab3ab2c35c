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

Reading = Literal["text", "number", "list"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_MOST_REMEMBERED = 1024


class Accepted:
    """The query parameters that a route takes, how each is read, and the words that some take."""

    def __init__(
        self, kinds: Mapping[str, Reading], words: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self._kinds = dict(kinds)
        self._words = dict(words or {})
        # The same few queries come again and again; parsing them is most of a read's work.
        self._check_known = lru_cache(maxsize=128)(self._check)

    def check(self, query: bytes) -> None:
        """See that a query string, as sent, has nothing that would be without effect.

        Raises:
            Invalid: names the first parameter that is unknown, repeated, no number, or no word of
                those it takes.
        """
        check = self._check_known if len(query) <= _MOST_REMEMBERED else self._check
        if (wrong := check(query)) is not None:
            raise Invalid(wrong)

    def _check(self, query: bytes) -> str | None:
        seen: set[str] = set()
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            kind = self._kinds.get(name)
            if kind is None:
                return f"Unknown query parameter {name[:80]!r}."
            words = self._words.get(name)
            if words and value not in words:
                return f"{name} is one of {', '.join(words)}; not {value[:80]!r}."
            if kind == "list":
                continue
            if name in seen:
                return f"The query parameter {name!r} is there twice."
            seen.add(name)
            if kind == "number" and not _NUMBER.fullmatch(value):
                return f"{name} must be a whole number, not {value[:80]!r}."
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
            kinds = {name: _kind(field.annotation) for name, field in fields}
            words = {name: _words(field.annotation) for name, field in fields}
            handler.opt[QUERY] = Accepted(kinds, words)


def _given(annotation: Any) -> Any:
    """What a parameter is read as where it is there."""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _words(annotation: Any) -> tuple[str, ...]:
    given = _given(annotation)
    if get_origin(given) is list:
        given = get_args(given)[0]
    return get_args(given) if get_origin(given) is Literal else ()


def _kind(annotation: Any) -> Reading:
    annotation = _given(annotation)
    if get_origin(annotation) is list:
        return "list"
    return "number" if annotation is int else "text"
