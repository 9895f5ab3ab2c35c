"""What every command has: the platform it talks to, the form it prints in, and how it fails.

Importing this must stay cheap: the SDK is imported when a command first talks to a platform.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from towpath_cli.failure import USAGE, Failed, explain
from towpath_cli.output import FORMS, Output

if TYPE_CHECKING:
    from towpath_sdk import Platform

__all__ = ("Globals", "Session", "command", "group", "remember")

_ANSWER_SECONDS = 30.0

Url = Annotated[str | None, typer.Option("--url", help="Address of the platform.")]
Token = Annotated[
    str | None, typer.Option("--token", help="Who asks. Better set TOWPATH_TOKEN, or log in.")
]
Form = Annotated[str | None, typer.Option("--output", "-o", help="table, json or yaml.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Print without colours.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", help="Seconds to wait for an answer, and for a run to end."),
]


class Globals:
    """The global options; what a command is given goes before what stands in front of it."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        output: str | None = None,
        no_color: bool = False,
        timeout: float | None = None,
    ) -> None:
        self.url = url
        self.token = token
        self.output = output
        self.no_color = no_color
        self.timeout = timeout

    @property
    def color(self) -> bool | None:
        """False without colours; None leaves them to the terminal."""
        return False if self.no_color or os.environ.get("NO_COLOR") else None

    def over(self, other: Globals) -> Globals:
        """These options, and what they leave open from the others."""
        return Globals(
            url=self.url or other.url,
            token=self.token or other.token,
            output=self.output or other.output,
            no_color=self.no_color or other.no_color,
            timeout=other.timeout if self.timeout is None else self.timeout,
        )


class Session:
    """One run of the command.

    Attributes:
        out: where it prints.
        options: the global options.
    """

    def __init__(self, options: Globals) -> None:
        form = options.output or "table"
        if form not in FORMS:
            raise Failed(f"{form!r} is not one of {', '.join(FORMS)}.", code=USAGE)
        if options.timeout is not None and not options.timeout > 0:
            raise Failed("--timeout is a number of seconds above 0.", code=USAGE)
        self.options = options
        self.out = Output(form, color=options.color)

    @cached_property
    def platform(self) -> Platform:
        """The platform that the options, the environment or the login name."""
        from towpath_sdk import Platform
        from towpath_sdk import find_login as find

        login = find(url=self.options.url, token=self.options.token)
        seconds = min(self.options.timeout or _ANSWER_SECONDS, _ANSWER_SECONDS)
        return Platform(login.url, token=login.token, timeout=seconds)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "platform" in self.__dict__:
            self.platform.close()


def group(help: str, **settings: Any) -> typer.Typer:
    """A group of commands, in the plain style: rich help costs a third of a second."""
    return typer.Typer(
        help=help,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **settings,
    )


def remember(
    context: typer.Context,
    url: Url = None,
    token: Token = None,
    output: Form = None,
    no_color: NoColor = False,
    timeout: Timeout = None,
) -> None:
    """Keep the global options for the command that follows."""
    context.obj = Globals(url, token, output, no_color, timeout)


def command(
    app: typer.Typer, name: str, *, examples: Sequence[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command. It is given a session first, then what its signature says.

    The command takes the global options too, wherever they stand. Errors end it with what, why and
    next on stderr and an exit code; see `failure`.

    Args:
        app: the group that it becomes part of.
        name: what it is called by.
        examples: command lines that show its use, for its help.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(context: typer.Context, **given: Any) -> None:
            kept = context.obj if isinstance(context.obj, Globals) else Globals()
            options = Globals(**{key: given.pop(f"global_{key}") for key in vars(kept)}).over(kept)
            _run(function, options, given)

        _take_on_signature(run, function)
        shown = "\n".join(f"  {example}" for example in examples)
        text = f"{inspect.getdoc(function)}\n\n\b\nExamples:\n{shown}"
        epilog = "Also: --url, --token, -o json|yaml, --no-color, --timeout (see towpath --help)."
        app.command(name, help=text, epilog=epilog)(run)
        return function

    return register


def _run(function: Callable[..., None], options: Globals, given: dict[str, Any]) -> None:
    color = options.color
    try:
        session = Session(options)
        try:
            function(session, **given)
        finally:
            session.close()
    except Failed as error:
        raise typer.Exit(explain(error, color=color)) from None
    except Exception as error:
        from towpath_sdk import PlatformError

        if not isinstance(error, PlatformError):
            raise
        raise typer.Exit(explain(error, color=color)) from None


def _take_on_signature(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Give the wrapper the parameters of the command and, hidden, the global options."""
    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
            for one in own
        ),
        *_hidden_globals(),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}


def _hidden_globals() -> list[inspect.Parameter]:
    flags: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
        "url": (str | None, None, ("--url",)),
        "token": (str | None, None, ("--token",)),
        "output": (str | None, None, ("--output", "-o")),
        "no_color": (bool, False, ("--no-color",)),
        "timeout": (float | None, None, ("--timeout",)),
    }
    return [
        inspect.Parameter(
            f"global_{name}",
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, typer.Option(*names, hidden=True)],
        )
        for name, (kind, default, names) in flags.items()
    ]
