"""Commands that other installed packages add: entry points of the group `towpath.commands`.

Each names a Typer app whose commands become commands of `towpath`; those of the group
`towpath.commands.catalog` become commands of `towpath catalog`. One that cannot be loaded says
what it needs when it is called, and takes nothing away from the others. Nothing is loaded unless a
command is asked for that `towpath` itself does not have, or help is.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from towpath_cli.failure import Failed, explain
from towpath_cli.text import line

__all__ = ("CatalogGroup", "RootGroup")

GROUP = "towpath.commands"
KNOWN: dict[str, dict[str, str]] = {
    "server": {
        "up": "Start a whole platform on this machine.",
        "serve": "Serve the API.",
        "worker": "Work off runs.",
        "admin": "Look after a platform's own state.",
    },
    "validate": {"validate": "Check descriptors without a server."},
}
"""Commands of packages that come with Towpath, which are named also when they cannot be loaded."""


class RootGroup(TyperGroup):
    """The commands of `towpath`, its own first and then those of others."""

    points = GROUP
    path = "towpath"
    _added: dict[str, Any] | None = None

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands, for help."""
        names = super().list_commands(ctx)
        return names + [name for name in self._others() if name not in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; what comes with `towpath` cannot be taken over by others."""
        own = super().get_command(ctx, cmd_name)
        return own if own is not None else self._others().get(cmd_name)

    def _others(self) -> dict[str, Any]:
        if self._added is None:
            self._added = {}
            for point in sorted(entry_points(group=self.points), key=lambda one: one.name):
                for name, made in _commands(point, self.path):
                    self._added.setdefault(name, made)
        return self._added


class CatalogGroup(RootGroup):
    """The commands of `towpath catalog`, its own first and then those of others."""

    points = f"{GROUP}.catalog"
    path = "towpath catalog"


def _commands(point: EntryPoint, path: str) -> Iterator[tuple[str, Any]]:
    """The commands of one entry point, or stand-ins that say why they cannot be had."""
    try:
        app = point.load()
        if not isinstance(app, typer.Typer):
            raise TypeError(f"{point.value} is a {type(app).__name__}, not a typer.Typer")
        made: Any = typer.main.get_command(app)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        for name, about in KNOWN.get(
            point.name, {point.name: f"Commands of {point.value}."}
        ).items():
            yield name, _stand_in(name, about, _needs(point, f"{path} {name}", error))
        return
    inner = getattr(made, "commands", None)
    yield from inner.items() if isinstance(inner, dict) else [(made.name or point.name, made)]


def _needs(point: EntryPoint, command: str, error: BaseException) -> Failed:
    if isinstance(error, ImportError) and point.extras:
        extras = ",".join(point.extras)
        package = point.dist.name if point.dist else "towpath"
        return Failed(f"{command} needs: pip install '{package}[{extras}]'", why=str(error))
    return Failed(f"{command} cannot be loaded.", why=f"{type(error).__name__}: {error}")


def _stand_in(name: str, about: str, failure: Failed) -> Any:
    """A command that takes any arguments and says what is missing."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

    @app.command(name, help=f"{_in_short(failure)} {about}", context_settings=settings)
    def missing(context: typer.Context) -> None:
        raise typer.Exit(explain(failure, color=None))

    return typer.main.get_command(app)


def _in_short(failure: Failed) -> str:
    _, needs, how = failure.what.partition(" needs: ")
    return f"Needs: {how}." if needs else line(f"Cannot be loaded: {failure.why}.")
