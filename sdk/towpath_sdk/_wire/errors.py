"""Every error the SDK raises, and how an answer of the platform becomes one.

Knows nothing of HTTP clients: it is given a status, headers and a body.

    PlatformError
    ├── ApiError               the platform answered that it did not do it
    │   ├── Invalid            400, 413, 415, 422: the input is wrong; `problems` say where
    │   ├── Unauthorized       401: who asks is not known
    │   ├── Forbidden          403: who asks is known and may not
    │   ├── NotFound           404: there is none, or the asker may not see it
    │   ├── Conflict           409, 412, 428: the present state does not allow it
    │   │   └── PlanStale      the plan's hash no longer describes what would happen
    │   ├── Gone               410: it was there and may not be had again
    │   ├── RateLimited        429: asked too often; `retry_after` says when to come back
    │   └── Unavailable        502, 503, 504: it may work later
    ├── TransportFailed        no answer came: refused, lost, timed out
    ├── UnexpectedAnswer       something answered that is not this platform's API
    ├── RunFailed              a run that was waited for did not succeed; carries the run
    ├── WaitTimeout            the wait is over, the run goes on; carries the run
    ├── BadArgument            an argument that cannot be sent; also a ValueError
    └── ConfigurationError     the address or the token of the platform is missing or unusable
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from towpath_sdk._wire.runs import Run

__all__ = (
    "ApiError",
    "BadArgument",
    "ConfigurationError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "PlanStale",
    "PlatformError",
    "Problem",
    "RateLimited",
    "RunFailed",
    "TransportFailed",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "WaitTimeout",
)

_SHOWN_PROBLEMS = 20


class Problem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that is wrong, and where.

    Attributes:
        code: stable; tell problems apart by it.
        message: a sentence for people.
        file: the file it stands in, where there is one.
        line: 1-based line in that file.
        column: 1-based column in that line.
        pointer: JSON pointer (RFC 6901) into what was sent or read.
        entity_ref: the entity it is about, where there is one.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    entity_ref: str | None = None

    def __str__(self) -> str:
        """Format as `file:line:column: message`, leaving out what is not known."""
        return f"{self.place}: {self.message}" if self.place else self.message

    @property
    def place(self) -> str:
        """Where it is: `file:line:column`, else the entity and the JSON pointer, else empty."""
        if not self.file:
            return " ".join(part for part in (self.entity_ref, self.pointer) if part)
        parts = (self.file, self.line, self.column)
        return ":".join(str(part) for part in parts if part is not None)


class PlatformError(Exception):
    """Root of everything the SDK raises on purpose.

    Args:
        what: one sentence on what went wrong; never holds a secret.
        why: the cause, where it is known.
        next: what the reader can do about it.
    """

    def __init__(self, what: str, *, why: str | None = None, next: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next

    def __str__(self) -> str:
        """Join what, why and next into one readable line."""
        parts = [self.what]
        if self.why:
            parts.append(f"Why: {self.why}")
        if self.next:
            parts.append(f"Next: {self.next}")
        return " ".join(parts)


class ApiError(PlatformError):
    """The platform answered that it did not do what was asked.

    Attributes:
        status: the HTTP status.
        code: the platform's stable error code, such as `not-found`. Tell errors apart by class
            or code, never by their text.
        problems: the single faults behind it, each with its place.
        request: method and path of the call, for logs.
        retry_after: seconds after which the platform asks to be called again, if it said so.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int,
        code: str,
        why: str | None = None,
        next: str | None = None,
        problems: Sequence[Problem] = (),
        request: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, why=why, next=next)
        self.status = status
        self.code = code
        self.problems = tuple(problems)
        self.request = request
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Add one line for each problem to what, why and next."""
        lines = [super().__str__(), *(f"  {problem}" for problem in self.problems)]
        hidden = len(lines) - 1 - _SHOWN_PROBLEMS
        if hidden > 0:
            lines = [*lines[: _SHOWN_PROBLEMS + 1], f"  ... and {hidden} more"]
        return "\n".join(lines)


class Invalid(ApiError):
    """The input is wrong; nothing was changed. `problems` say what and where."""


class Unauthorized(ApiError):
    """The token is missing, unknown, expired or revoked."""


class Forbidden(ApiError):
    """The token is good, and its principal or its scopes do not allow this."""


class NotFound(ApiError):
    """There is no such thing, or the asker may not see it (the two are not told apart)."""


class Conflict(ApiError):
    """The present state does not allow it; nothing was changed."""


class PlanStale(Conflict):
    """The plan's hash no longer describes what would happen; ask for a new plan."""


class Gone(ApiError):
    """It was there and may not be had again, such as credentials that were shown once."""


class RateLimited(ApiError):
    """Asked too often; `retry_after` says when to come back, in seconds."""


class Unavailable(ApiError):
    """The platform or something behind it does not answer; the same call may work later."""


class TransportFailed(PlatformError):
    """No answer came: the connection was refused or lost, or the time ran out.

    Attributes:
        lost: whether a connection was there and broke, as when a server closes idle ones.
    """

    def __init__(
        self, what: str, *, why: str | None = None, next: str | None = None, lost: bool = False
    ) -> None:
        super().__init__(what, why=why, next=next)
        self.lost = lost


class UnexpectedAnswer(PlatformError):
    """Something answered, but not in the terms of this platform's API."""


class RunFailed(PlatformError):
    """A run that was waited for did not succeed.

    Attributes:
        run: the run as it ended. `run.state` is `failed` or `cancelled`, and `run.error` says
            why; or it is `unknown`: an effect may have happened and nobody recorded it.
    """

    def __init__(self, run: Run) -> None:
        error = run.error
        said = [error.message, error.why] if error else []
        why = " ".join(text for text in said if text) or None
        next_step = (error and error.next) or f"Read the log of run {run.id}."
        if run.state == "unknown":
            why = why or f"Nobody recorded what became of {_unrecorded(run)}."
            next_step = f"Look whether it happened, and resolve run {run.id} with what you found."
        super().__init__(
            f"{run.title or run.kind} {_ENDS.get(run.state, 'failed')}.", why=why, next=next_step
        )
        self.run = run


_ENDS = {
    "cancelled": "was cancelled",
    "unknown": "may have had an effect that nobody recorded",
}


def _unrecorded(run: Run) -> str:
    names = [step.name or step.key for step in run.steps if step.state == "unknown"]
    return ", ".join(names) or "a step"


class WaitTimeout(PlatformError):
    """The time to wait is over and the run goes on; wait for `run.id` again to take it up.

    Attributes:
        run: the run as it was when the wait ended.
    """

    def __init__(self, run: Run, seconds: float) -> None:
        super().__init__(
            f"Run {run.id} has not ended within {seconds:g} seconds.",
            why=f"It is {run.state}; the platform goes on with it.",
            next=f"Wait for {run.id} again, or cancel it.",
        )
        self.run = run


class BadArgument(PlatformError, ValueError):
    """An argument that cannot be sent as it is; nothing was sent."""


class ConfigurationError(PlatformError):
    """The address or the token of the platform is missing or unusable; nothing was sent."""
