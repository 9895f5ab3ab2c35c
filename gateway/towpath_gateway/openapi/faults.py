"""Error answers of the document: which statuses an operation may have, in which of two styles."""

from __future__ import annotations

from typing import Any

import msgspec

from towpath_gateway.problems import (
    PROBLEMS,
    BackstageError,
    ErrorItem,
    NamedError,
    ProblemDetail,
    RequestLine,
    StatusLine,
)

__all__ = ("PROBLEM_TYPE", "components", "responses")

PROBLEM_TYPE = "application/problem+json"

_SHOWN = {400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
          408: "timeout", 409: "conflict", 410: "gone", 412: "precondition-failed",
          413: "too-large", 415: "media-type",
          422: "idempotency-mismatch", 502: "plugin-error", 503: "unavailable"}  # fmt: skip

_SAYS = {
    "invalid": "limit must be a whole number, not 'many'.",
    "unauthenticated": "Missing or unknown credentials.",
    "forbidden": "Your token does not have the scope catalog:write.",
    "not-found": "There is no such thing.",
    "timeout": "The body did not come within 30 seconds.",
    "conflict": "It is there already.",
    "gone": "These credentials were shown already, or taken back.",
    "precondition-failed": "component:default/payments is not what it was.",
    "too-large": "The body has more than 10485760 bytes.",
    "media-type": "A body of type 'text/plain' is not read here.",
    "idempotency-mismatch": "This Idempotency-Key was used for another request.",
    "plugin-error": "The plugin did not answer in time.",
    "unavailable": "The database does not answer.",
    "internal": "Something went wrong that should not have.",
}

_STYLES: dict[bool, tuple[str, str, str]] = {
    True: ("Backstage", "BackstageError", "application/json"),
    False: ("Problem", "ProblemDetail", PROBLEM_TYPE),
}


def responses(*, compatible: bool, closed: bool, body: bool, more: tuple[int, ...]) -> Any:
    """The error answers of an operation, by status; `default` stands for all others.

    Args:
        compatible: answers errors as Backstage does.
        closed: wants credentials.
        body: reads one.
        more: statuses of its own.
    """
    statuses = {*more, *((400, 401, 403) if closed else ()), *((408, 413, 415) if body else ())}
    style = _STYLES[compatible][0]
    result = {str(status): {"$ref": _response(style, str(status))} for status in sorted(statuses)}
    return result | {"default": {"$ref": _response(style, "Other")}}


def components() -> dict[str, Any]:
    """The error answers of both styles, each with an example."""
    result = {}
    for compatible, (style, schema, media_type) in _STYLES.items():
        for status, code in {**_SHOWN, 500: "internal"}.items():
            name = f"{style}{status if code != 'internal' else 'Other'}"
            content = {
                "schema": {"$ref": f"#/components/schemas/{schema}"},
                "example": msgspec.to_builtins(_example(code, compatible)),
            }
            result[name] = {"description": _description(code), "content": {media_type: content}}
            if status == 401:
                text = "How to authenticate (RFC 6750)."
                header = {"description": text, "schema": {"type": "string"}}
                result[name]["headers"] = {"WWW-Authenticate": header}
    return result


def _response(style: str, status: str) -> str:
    return f"#/components/responses/{style}{status}"


def _description(code: str) -> str:
    return "Any other error." if code == "internal" else PROBLEMS[code].title + "."


def _example(code: str, compatible: bool) -> ProblemDetail | BackstageError:
    kind, says = PROBLEMS[code], _SAYS[code]
    if compatible:
        path = "/api/catalog/locations"
        return BackstageError(
            NamedError(kind.backstage, says), RequestLine("POST", path), StatusLine(kind.status)
        )
    errors = [ErrorItem("body", "Expected `str`, got `int`", pointer="/name")]
    return ProblemDetail(
        type=f"urn:towpath:problem:{code}",
        title=kind.title,
        status=kind.status,
        detail=says,
        instance="/api/v1/plans",
        code=code,
        errors=errors if code == "invalid" else None,
    )
