"""The OpenAPI 3.1 document of an application, read off its routes; needs no running platform."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from towpath_gateway.openapi import faults
from towpath_gateway.openapi.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    LAST_EVENT_ID,
    OPERATION,
    Operation,
)
from towpath_gateway.openapi.schemas import schemas_of
from towpath_gateway.parameters import query_fields
from towpath_gateway.problems import BackstageError, ProblemDetail, is_compatible
from towpath_gateway.routing import OPEN, SCOPE

__all__ = ("document", "operations", "text")

TAGS = {
    "Catalog": "Entities, facets and locations. `/api/catalog` is Backstage's contract.",
    "Scaffolder": "Golden paths. `/api/scaffolder` is Backstage's contract.",
    "Runs": "Work that takes time: listed, followed, stopped.",
    "Provisioning": "Offerings, plans, resources and bindings.",
    "Platform": "Info, plugins and tokens.",
    "Health": "Open to everybody.",
}

_HEADERS = {
    IDEMPOTENCY_KEY: (
        "The same key with the same request answers as before and does nothing; with another "
        "request it is 422. Remembered for 24 hours.",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "0b1f9a2e-6c0e-4a59-8f5e-3f3f2f1f0c11",
    ),
    IF_MATCH: (
        "Write only where the thing has one of these tags, or is there at all: `*`.",
        {"type": "string"},
        '"0f6ad1d8a3f75d2a-5d2a3c8e9b7f4e1d"',
    ),
    IF_NONE_MATCH: (
        "Write only where nothing is there: `*`. Of a read: answer 304 where it has this tag.",
        {"type": "string"},
        "*",
    ),
    LAST_EVENT_ID: (
        "The id of the last event that was seen; the stream goes on after it.",
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "12",
    ),
}
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")


def text(app: Litestar) -> str:
    """The document as JSON, indented, ending in a newline; the same for the same code."""
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


@cache
def document(app: Litestar, mount: str = "/") -> Mapping[str, Any]:
    """The document of all routes of an application, or of those below a path."""
    found = [one for one in operations(app) if one[0].startswith(mount)]
    types = [BackstageError, ProblemDetail]
    types += [kind for _, _, handler in found for kind in _types(handler.opt[OPERATION])]
    unique = list(dict.fromkeys(types))
    schemas, components = schemas_of(unique)
    known = dict(zip(unique, schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, handler in found:
        paths.setdefault(path, {})[method.lower()] = _operation(path, handler, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Towpath",
            "version": version("towpath"),
            "description": "Catalog, golden paths and provisioning behind one API.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document came from."}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": says} for name, says in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": faults.components(),
            "parameters": {name: _header(name) for name in _HEADERS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, `tow_pat_...`.",
                }
            },
        },
    }


def operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """All operations: path, method and handler, ordered by path and method."""
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    for route in sorted(routes, key=lambda route: route.path_format):
        for method in _METHODS:
            if method in route.route_handler_map:
                yield route.path_format, method, route.route_handler_map[method][0]  # type: ignore[index]


def _types(operation: Operation) -> list[Any]:
    given = [kind for given in operation.gives for kind in given.types]
    return given if operation.takes is None else [*given, operation.takes]


def _operation(path: str, handler: HTTPRouteHandler, known: Mapping[Any, Any]) -> dict[str, Any]:
    stated: Operation = handler.opt[OPERATION]
    closed = handler.opt[SCOPE] != OPEN
    result: dict[str, Any] = {
        "operationId": stated.id,
        "tags": sorted(handler.resolve_tags()),
        "summary": stated.summary,
        "description": cleandoc(handler.fn.__doc__ or ""),
        "parameters": [
            *_path_parameters(path, handler),
            *(_query_parameter(name, field) for name, field in query_fields(handler).items()),
            *({"$ref": f"#/components/parameters/{name}"} for name in stated.headers),
        ],
    }
    if stated.takes is not None:
        media = _media(known[stated.takes], stated.request)
        content = {"application/json": media}
        result["requestBody"] = {"required": not stated.optional, "content": content}
    errors = faults.responses(
        compatible=is_compatible(path),
        closed=closed,
        body=stated.takes is not None,
        more=stated.errors,
    )
    given = {str(given.status): _given(given, known) for given in stated.gives}
    result["responses"] = dict(sorted((errors | given).items()))
    if closed:
        result["x-scope"] = handler.opt[SCOPE]
    else:
        result["security"] = []
    return result


def _given(given: Any, known: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"description": given.description}
    if given.headers:
        result["headers"] = {
            name: {"description": says, "schema": {"type": "string"}}
            for name, says in given.headers.items()
        }
    if given.types:
        schemas = [known[kind] for kind in given.types]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        result["content"] = {given.media_type: _media(schema, given.example)}
    return result


def _media(schema: Any, example: Any) -> dict[str, Any]:
    return {"schema": schema, "example": msgspec.to_builtins(example)}


def _path_parameters(path: str, handler: HTTPRouteHandler) -> Iterator[dict[str, Any]]:
    for name, field in handler.parsed_fn_signature.parameters.items():
        if f"{{{name}}}" in path:
            yield {"name": name, "in": "path", "required": True, **_parameter(field)}


def _query_parameter(name: str, field: FieldDefinition) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": field.is_required, **_parameter(field)}


def _parameter(field: FieldDefinition) -> dict[str, Any]:
    """Description and schema; in an address there is no null, but a parameter that is left out."""
    stated: Any = field.kwarg_definition
    schema = msgspec.json.schema(field.annotation)
    if "anyOf" in schema:
        (schema,) = (part for part in schema["anyOf"] if part != {"type": "null"})
    limits = {"minimum": stated.ge, "maximum": stated.le, "format": stated.format}
    schema |= {name: limit for name, limit in limits.items() if limit is not None}
    if isinstance(field.default, str | int) and field.default != "":
        schema["default"] = field.default
    return {"description": stated.description, "schema": schema}


def _header(name: str) -> dict[str, Any]:
    says, schema, example = _HEADERS[name]
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": says,
        "schema": schema,
        "example": example,
    }
