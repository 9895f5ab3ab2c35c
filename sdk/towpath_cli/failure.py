"""How the command fails: what, why and next on stderr, and an exit code to tell failures by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from towpath_cli.text import block, line

if TYPE_CHECKING:
    from towpath_sdk import PlatformError

__all__ = ("EXIT_CODES", "Failed", "exit_code", "explain")

EXIT_CODES = {
    0: "done",
    1: "failed: a run did not succeed, a descriptor has problems",
    2: "usage: the command line or the values are wrong",
    3: "not found: there is none, or you may not see it",
    4: "not allowed: not logged in, or the token does not permit it",
    5: "unavailable: the platform does not answer, or is too busy",
    6: "refused: the present state does not allow it",
    7: "unknown: a run may have had an effect that nobody recorded",
    8: "not ended: the time of --timeout is over; the run goes on",
    130: "interrupted; a run that was followed goes on",
}
FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, UNAVAILABLE, REFUSED = 1, 2, 3, 4, 5, 6
UNKNOWN, NOT_ENDED, INTERRUPTED = 7, 8, 130
_SHOWN = 50


class Failed(Exception):
    """The command ends here; all it has to say is in it."""

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        next: str | None = None,
        lines: Sequence[str] = (),
        code: int = FAILED,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.lines = tuple(lines)
        self.code = code


def explain(error: Failed | PlatformError, *, color: bool | None) -> int:
    """Say on stderr what went wrong, and return the exit code that stands for it."""
    from towpath_sdk import ApiError

    lines = error.lines if isinstance(error, Failed) else ()
    if isinstance(error, ApiError):
        # What is wrong in one place only has often been said already.
        told = f"{error.what}\n{error.why}"
        lines = tuple(one for one in map(str, error.problems) if one not in told)
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True, color=color)
    typer.echo(block(error.what), err=True)
    for word, text in (("why", error.why), ("next", error.next)):
        if text:
            typer.secho(f"  {word}: ", fg="cyan", nl=False, err=True, color=color)
            typer.echo(block(text), err=True)
    for text in lines[:_SHOWN]:
        typer.echo(line(text), err=True)
    if len(lines) > _SHOWN:
        typer.echo(f"... and {len(lines) - _SHOWN} more", err=True)
    return error.code if isinstance(error, Failed) else exit_code(error)


def exit_code(error: PlatformError) -> int:
    """The exit code for an error of the SDK."""
    import towpath_sdk as sdk

    codes: tuple[tuple[tuple[type[PlatformError], ...], int], ...] = (
        ((sdk.BadArgument, sdk.Invalid), USAGE),
        ((sdk.NotFound,), NOT_FOUND),
        ((sdk.Unauthorized, sdk.Forbidden, sdk.ConfigurationError), NOT_ALLOWED),
        ((sdk.Unavailable, sdk.RateLimited, sdk.TransportFailed), UNAVAILABLE),
        ((sdk.Conflict, sdk.Gone), REFUSED),
        ((sdk.WaitTimeout,), NOT_ENDED),
    )
    if isinstance(error, sdk.RunFailed) and error.run.state == "unknown":
        return UNKNOWN
    return next((code for kinds, code in codes if isinstance(error, kinds)), FAILED)
