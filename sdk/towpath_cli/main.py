"""The `towpath` command, put together. Importing this must stay cheap: help is asked for often."""

from __future__ import annotations

import io
import sys

import typer

from towpath_cli import (
    admin,
    catalog,
    catalog_care,
    create,
    demo,
    login,
    past,
    provision,
    runs,
    runs_control,
    runs_start,
    schedules,
    writing,
)
from towpath_cli.extensions import RootGroup
from towpath_cli.failure import EXIT_CODES
from towpath_cli.session import group, remember

__all__ = ("app", "main")

_HELP = """The command of a Towpath platform: catalog, golden paths and self-service.

Say which platform with towpath login, or with TOWPATH_URL and TOWPATH_TOKEN.

\b
First steps:
  towpath login --url https://towpath.example.com
  towpath get component
  towpath create python-service -p name=boat
  towpath provision postgres-database orders
"""
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {why}" for code, why in EXIT_CODES.items())


def _assembled() -> typer.Typer:
    root = group(_HELP, cls=RootGroup, epilog=_EPILOG, context_settings={"max_content_width": 80})
    root.callback()(remember)
    login.register(root)
    catalog.register(root)
    root.add_typer(catalog_care.app, name="catalog")
    create.register(root)
    provision.register(root)
    root.add_typer(provision.app, name="resources")
    root.add_typer(runs.app, name="runs")
    root.add_typer(schedules.app, name="schedules")
    admin.register(root)
    root.add_typer(admin.app, name="token")
    demo.register(root)
    return root


_MORE = (writing, past, runs_control, runs_start)
"""Modules whose commands are in the groups `catalog` and `runs`."""

app = _assembled()


def main() -> None:
    """Run the command; the console script `towpath`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a name shows `?`
    app()
