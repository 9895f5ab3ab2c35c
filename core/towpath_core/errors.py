"""Every error the platform and its plugins may raise, told apart by a stable code.

Knows nothing of HTTP: the gateway maps codes to statuses in one place.

    TowpathError
    ├── Invalid            the input is wrong; `problems` say where
    ├── NotFound           there is no such thing, or the asker may not see it
    ├── Conflict           the state of the platform does not allow it now
    │   └── PlanStale      the plan's hash no longer describes what would happen
    ├── Gone               it was there and may not be had again
    ├── Unauthenticated    who asks is not known
    ├── Forbidden          who asks is known and may not
    ├── Unavailable        a backend does not answer; trying later may help
    ├── LimitExceeded      a budget (bytes, depth, seconds) was used up
    ├── StepFailed         a step of a run failed for good
    ├── Cancelled          the run was asked to stop
    ├── PluginError        a plugin broke its contract
    └── SettingsError      the configuration is missing or wrong
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

__all__ = (
    "Cancelled",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "LimitExceeded",
    "NotFound",
    "Place",
    "PlanStale",
    "PluginError",
    "Problem",
    "SettingsError",
    "StepFailed",
    "TowpathError",
    "Unauthenticated",
    "Unavailable",
    "restored",
)


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something stands: a file with 1-based line and column, a JSON pointer, or both."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        """Format as `file:line:column (pointer)`, leaving out what is not known."""
        parts = [str(part) for part in (self.file, self.line, self.column) if part is not None]
        text = ":".join(parts)
        if self.pointer:
            text = f"{text} ({self.pointer})" if text else self.pointer
        return text


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, with a stable code, a sentence, and its place."""

    code: str
    message: str
    place: Place = Place()

    def __str__(self) -> str:
        """Format as `place: message`."""
        place = str(self.place)
        return f"{place}: {self.message}" if place else self.message


class TowpathError(Exception):
    """Root of all errors that are meant to be shown.

    Args:
        what: one sentence on what went wrong; never holds a secret.
        why: the cause, where it is known.
        next: what the reader can do about it.
        problems: the single faults behind it, each with its place.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        next: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Join what, why and next into one readable line."""
        parts = [self.what]
        if self.why:
            parts.append(f"Why: {self.why}")
        if self.next:
            parts.append(f"Next: {self.next}")
        return " ".join(parts)


class Invalid(TowpathError):
    """The input is wrong; nothing was changed."""

    code = "invalid"


class NotFound(TowpathError):
    """There is no such thing, or the asker may not see it (the two are not told apart)."""

    code = "not-found"


class Conflict(TowpathError):
    """The present state does not allow it; nothing was changed."""

    code = "conflict"


class PlanStale(Conflict):
    """The plan's hash no longer describes what would happen; ask for a new plan."""

    code = "plan-stale"


class Gone(TowpathError):
    """It was there and may not be had again, such as credentials that were shown once."""

    code = "gone"


class Unauthenticated(TowpathError):
    """Who asks is not known."""

    code = "unauthenticated"


class Forbidden(TowpathError):
    """Who asks is known and may not do this."""

    code = "forbidden"


class Unavailable(TowpathError):
    """A backend does not answer; the same call may work later."""

    code = "unavailable"


class LimitExceeded(TowpathError):
    """A budget (bytes, depth, seconds) was used up; the message names it and its value."""

    code = "limit-exceeded"


class StepFailed(TowpathError):
    """A step of a run failed for good."""

    code = "step-failed"


class Cancelled(TowpathError):
    """The run was asked to stop and did."""

    code = "cancelled"


class PluginError(TowpathError):
    """A plugin broke its contract: wrong type, missed deadline, unexpected exception."""

    code = "plugin-error"


class SettingsError(TowpathError):
    """A setting is missing or wrong; says which, and what would be right."""

    code = "settings"


def restored(
    code: str,
    what: str,
    *,
    why: str | None = None,
    next: str | None = None,
    problems: Sequence[Problem] = (),
) -> TowpathError:
    """Make an error again that was journalled, so that code which catches it goes the same way.

    Returns:
        One of the class that has this code; `StepFailed` for a code that is not of the core.
    """
    kind = _by_code(TowpathError).get(code, StepFailed)
    return kind(what, why=why, next=next, problems=problems)


def _by_code(kind: type[TowpathError]) -> dict[str, type[TowpathError]]:
    """The core's own classes by code; those of others may be made in other ways."""
    ours = kind.__module__.startswith("towpath_core.")
    found = {kind.code: kind} if ours and "code" in vars(kind) else {}
    for each in kind.__subclasses__():
        found = {**_by_code(each), **found}
    return found
