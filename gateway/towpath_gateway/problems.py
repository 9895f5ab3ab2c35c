"""Errors as HTTP answers: the one place where codes meet statuses.

Below `/api/catalog` and `/api/scaffolder` an error has Backstage's body, elsewhere it is a problem
detail (RFC 9457) whose `type` is `urn:towpath:problem:<code>`. What is not ours is never told: the
log has it under the id that the answer names.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException

from towpath_core.errors import Invalid, Place, Problem, TowpathError
from towpath_gateway.answer import NO_STORE, Answer, Header
from towpath_gateway.faults import ScopeMissing
from towpath_gateway.wire import Wire

__all__ = (
    "PROBLEMS",
    "BackstageError",
    "ErrorItem",
    "ProblemDetail",
    "ProblemKind",
    "answer_error",
    "answer_fault",
    "is_compatible",
    "shortened",
)

log = structlog.get_logger(__name__)

_LONGEST = 2000
"""How much of a text is shown: it may hold what was sent, which may be megabytes."""

_MOST = 100

_COMPATIBLE = ("/api/catalog", "/api/scaffolder")


class ProblemKind(msgspec.Struct, frozen=True):
    """How an error code is answered: status, title, and Backstage's name for it."""

    status: int
    title: str
    backstage: str


PROBLEMS: dict[str, ProblemKind] = {
    "invalid": ProblemKind(400, "The request is wrong", "InputError"),
    "unauthenticated": ProblemKind(401, "Who asks is not known", "AuthenticationError"),
    "forbidden": ProblemKind(403, "Not allowed", "NotAllowedError"),
    "not-found": ProblemKind(404, "Not found", "NotFoundError"),
    "method-not-allowed": ProblemKind(405, "Not a method of this resource", "InputError"),
    "timeout": ProblemKind(408, "The request did not come in time", "InputError"),
    "conflict": ProblemKind(409, "Not in this state", "ConflictError"),
    "plan-stale": ProblemKind(409, "The plan is stale", "ConflictError"),
    "vanishing": ProblemKind(409, "Too much would vanish", "ConflictError"),
    "gone": ProblemKind(410, "Gone", "NotFoundError"),
    "precondition-failed": ProblemKind(
        412, "It is not in the state that was seen", "ConflictError"
    ),
    "too-large": ProblemKind(413, "The request is too large", "InputError"),
    "too-long": ProblemKind(414, "The address is too long", "InputError"),
    "media-type": ProblemKind(415, "Not a media type that is read here", "InputError"),
    "idempotency-mismatch": ProblemKind(422, "The key belongs to another request", "InputError"),
    "limit-exceeded": ProblemKind(422, "A limit was reached", "InputError"),
    "step-failed": ProblemKind(422, "It cannot be done", "InputError"),
    "rejected": ProblemKind(422, "Somebody said no", "InputError"),
    "timed-out": ProblemKind(422, "It did not come in time", "InputError"),
    "outcome-unknown": ProblemKind(422, "Nobody knows what became of it", "InputError"),
    "poisoned": ProblemKind(422, "It was given up", "InputError"),
    "cancelled": ProblemKind(409, "It was stopped", "ConflictError"),
    "too-many": ProblemKind(429, "Too many requests", "InputError"),
    "internal": ProblemKind(500, "Something went wrong that should not have", "Error"),
    "error": ProblemKind(500, "Something went wrong", "Error"),
    "settings": ProblemKind(500, "The platform is not set up right", "Error"),
    "plugin-error": ProblemKind(502, "A plugin did not do its part", "Error"),
    "unavailable": ProblemKind(503, "Not available now", "ServiceUnavailableError"),
}

_BY_STATUS = {400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
              405: "method-not-allowed", 409: "conflict", 413: "too-large", 415: "media-type",
              422: "invalid", 429: "too-many", 503: "unavailable"}  # fmt: skip


class ErrorItem(Wire, frozen=True):
    """One thing that is wrong, and where: a JSON pointer into the body, or a place in a file."""

    code: str
    detail: str
    pointer: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @classmethod
    def of(cls, problem: Problem) -> ErrorItem:
        """Show a problem."""
        place, message = problem.place, shortened(problem.message)
        pointer = shortened(place.pointer) if place.pointer is not None else None
        return cls(problem.code, message, pointer, place.file, place.line, place.column)


class ProblemDetail(Wire, frozen=True):
    """What went wrong (RFC 9457), why, and what can be done about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    why: str | None = None
    next: str | None = None
    errors: list[ErrorItem] | None = None


class NamedError(Wire, frozen=True):
    """The name of a class of errors of Backstage, and what is wrong."""

    name: str
    message: str


class RequestLine(Wire, frozen=True):
    """The request that failed."""

    method: str
    url: str


class StatusLine(Wire, frozen=True):
    """The status of the answer, once more."""

    status_code: int


class BackstageError(Wire, frozen=True):
    """What went wrong, as Backstage says it."""

    error: NamedError
    request: RequestLine
    response: StatusLine


def is_compatible(path: str) -> bool:
    """Whether a path belongs to a mount that answers as Backstage does."""
    return any(path == mount or path.startswith(f"{mount}/") for mount in _COMPATIBLE)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """The answer to any error that a handler raised."""
    return answer_fault(request.method, request.scope["path"], error)


def answer_fault(method: str, path: str, error: Exception) -> Answer:
    """The answer to an error of a request that may not have met its handler."""
    fault = error if isinstance(error, TowpathError) else _known(error)
    if fault is None:
        fault = _unknown(method, path, error)
    code = fault.code if fault.code in PROBLEMS else "error"
    headers = (NO_STORE, *_headers(fault, error))
    status = PROBLEMS[code].status
    if is_compatible(path):
        body = msgspec.json.encode(_backstage(method, path, code, fault))
        return Answer(body, status, headers=headers)
    body = msgspec.json.encode(_detail(path, code, fault))
    return Answer(body, status, media_type=b"application/problem+json", headers=headers)


def _detail(path: str, code: str, fault: TowpathError) -> ProblemDetail:
    kind = PROBLEMS[code]
    return ProblemDetail(
        type=f"urn:towpath:problem:{code}",
        title=kind.title,
        status=kind.status,
        detail=shortened(fault.what),
        instance=_plain(path),
        code=code,
        why=shortened(fault.why) if fault.why else None,
        next=shortened(fault.next) if fault.next else None,
        errors=[ErrorItem.of(problem) for problem in fault.problems[:_MOST]] or None,
    )


def _backstage(method: str, path: str, code: str, fault: TowpathError) -> BackstageError:
    kind = PROBLEMS[code]
    message = " ".join(shortened(part) for part in (fault.what, fault.why, fault.next) if part)
    return BackstageError(
        NamedError(kind.backstage, message),
        RequestLine(method, _plain(path)),
        StatusLine(kind.status),
    )


def _headers(fault: TowpathError, error: Exception) -> list[Header]:
    if isinstance(fault, ScopeMissing):
        text = f'Bearer realm="towpath", error="insufficient_scope", scope="{fault.scope}"'
        return [(b"www-authenticate", text.encode())]
    if fault.code == "unauthenticated":
        return [(b"www-authenticate", b'Bearer realm="towpath"')]
    if isinstance(error, HTTPException) and (allowed := _allowed(error)):
        return [(b"allow", allowed.encode())]
    return []


def _allowed(error: HTTPException) -> str:
    """The methods that a path takes, as `Allow` lists them; empty where that is not the matter."""
    allowed = (error.headers or {}).get("allow", "")
    methods = {*allowed.split(", ")} | ({"HEAD"} if "GET" in allowed else set())
    return ", ".join(sorted(methods))


def _known(error: Exception) -> TowpathError | None:
    """An error of the framework's that says what is wrong with the request, as one of ours."""
    if isinstance(error, ValidationException):
        problems = _invalid_parameters(error)
        what = "; ".join(problem.message for problem in problems) or error.detail
        return Invalid(what, problems=problems)
    if isinstance(error, HTTPException) and (error.status_code < 500 or error.status_code == 503):
        return _refused(error)
    return None


def _refused(error: HTTPException) -> TowpathError:
    """A request that the framework has no handler for, told so that one can go on."""
    fault = _Framework(_BY_STATUS.get(error.status_code, "invalid"), error.detail)
    if error.status_code == 404:
        fault = _Framework(fault.code, "There is nothing at this path.")
        fault.next = "/api/v1/openapi.json has those that there are."
    elif error.status_code == 405 and (allowed := _allowed(error)):
        fault = _Framework(fault.code, f"This path takes no such method, but {allowed}.")
    return fault


class _Framework(TowpathError):
    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # decided by the status, case by case


def _unknown(method: str, path: str, error: Exception) -> TowpathError:
    reference = uuid4().hex
    log.error(
        "request.unexpected",
        reference=reference,
        method=method,
        path=_plain(path),
        exc_info=error,
    )
    what = PROBLEMS["internal"].title + "."
    fault = _Framework("internal", what)
    fault.next = f"The log has it: {reference}"
    return fault


def _invalid_parameters(error: ValidationException) -> list[Problem]:
    extra = error.extra if isinstance(error.extra, list) else []
    return [
        Problem("parameter", f"{item.get('key')}: {item.get('message')}", Place())
        for item in extra
        if isinstance(item, dict)
    ]


def shortened(text: str) -> str:
    """A text fit to be shown, however much of it was sent."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(path: str) -> str:
    """A path fit to be shown: no control characters, and not endless."""
    return "".join(char if char.isprintable() else "?" for char in path[:500])
