"""What to ask the catalog for: filters, order and fields, written as its query language wants them.

The rules are those of the Backstage catalog API: conditions inside one filter are joined by "and",
several filters by "or", one key said twice means either value; keys and values match without case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from towpath_sdk._wire.calls import Call, ask, get
from towpath_sdk._wire.errors import BadArgument

__all__ = ("Filter", "entity_query", "facet_query", "filter_params")

_Conditions: TypeAlias = Mapping[str, str | Sequence[str] | None]
Filter: TypeAlias = str | _Conditions | Sequence[str | _Conditions]
"""`"kind=component,spec.type=service"`, or `{"kind": "component", "spec.type": ["service", "api"]}`
(None asks that the key is there at all), or a list of these, of which any may hold."""

_BY_QUERY = "/api/catalog/entities/by-query"
_FACETS = "/api/catalog/entity-facets"


def entity_query(
    *,
    filter: Filter | None,
    query: Mapping[str, Any] | None,
    order: str | None,
    fields: Sequence[str],
    search: str | None,
    limit: int,
) -> Call:
    """The call that gets the first page of a list of entities.

    Raises:
        BadArgument: both `filter` and `query` are given, or one of the parts cannot be said.
    """
    if filter is not None and query is not None:
        raise BadArgument("Give filter or query, not both.", next="Put the filter into the query.")
    if limit < 1:
        raise BadArgument(f"A page has 1 entity or more, not {limit}.")
    if query is not None:
        return ask(_BY_QUERY, _body(query, order, fields, search, limit))
    params = [("limit", str(limit)), *filter_params(filter)]
    if order is not None:
        field, direction = _direction(order)
        params.append(("orderField", f"{field},{direction}"))
    if fields:
        params.append(("fields", ",".join(_field(name) for name in fields)))
    if search:
        params.append(("fullTextFilterTerm", search))
    return get(_BY_QUERY, params)


def facet_query(facets: Sequence[str], filter: Filter | None) -> Call:
    """The call that counts the values of some fields.

    Raises:
        BadArgument: no facet is named, or the filter cannot be said.
    """
    if not facets:
        raise BadArgument("Name at least one facet.", next="For example facets('kind').")
    return get(_FACETS, [*(("facet", name) for name in facets), *filter_params(filter)])


def filter_params(filter: Filter | None) -> list[tuple[str, str]]:
    """Write a filter as query parameters, one for each alternative.

    Raises:
        BadArgument: a key is empty, or a key or value holds a comma, which this language cannot
            say.
    """
    if filter is None:
        return []
    alternatives = [filter] if isinstance(filter, str | Mapping) else filter
    written = [one if isinstance(one, str) else _conditions(one) for one in alternatives]
    return [("filter", one) for one in written if one]


def _conditions(conditions: _Conditions) -> str:
    parts: list[str] = []
    for key, wanted in conditions.items():
        _check(key, what="key", marks=",=")
        if wanted is None:
            parts.append(key)
            continue
        for value in [wanted] if isinstance(wanted, str) else wanted:
            _check(value, what="value", marks=",", empty=True)
            parts.append(f"{key}={value}")
    return ",".join(parts)


def _check(text: str, *, what: str, marks: str, empty: bool = False) -> None:
    if (text or empty) and not any(mark in text for mark in marks):
        return
    raise BadArgument(
        f"A filter cannot have the {what} {text!r}.",
        why=f"A {what} holds none of {' '.join(marks)}" + ("." if empty else " and is not empty."),
        next='Use query={"...": "..."} instead, which can.',
    )


def _body(
    query: Mapping[str, Any],
    order: str | None,
    fields: Sequence[str],
    search: str | None,
    limit: int,
) -> dict[str, Any]:
    body: dict[str, Any] = {"query": query, "limit": limit}
    if order is not None:
        field, direction = _direction(order)
        body["orderBy"] = [{"field": field, "order": direction}]
    if fields:
        body["fields"] = [_field(name) for name in fields]
    if search:
        body["fullTextFilter"] = {"term": search}
    return body


def _direction(order: str) -> tuple[str, str]:
    """Split `metadata.name`, or `-metadata.name` for descending."""
    field = order.removeprefix("-")
    _check(field, what="key", marks=",")
    return field, "desc" if order.startswith("-") else "asc"


def _field(name: str) -> str:
    if not name or any(mark in name for mark in ",[]"):
        raise BadArgument(f"{name!r} is not a field.", next="For example metadata.name.")
    return name
