"""`towpath catalog validate`: what a catalog would say of descriptors, without one.

Light to import, because `towpath catalog --help` does: what the command needs is imported in it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from towpath_core.errors import Problem
    from towpath_core.plugins import PluginHost
    from towpath_engine.catalog.offline import OfflineReport

__all__ = ("app",)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

GOOD, PROBLEMS, UNREAD = 0, 1, 2
_READING = ("towpath_entity_kinds:", "towpath_descriptor_formats:", "towpath_catalog_sources:")


class Form(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@app.command()
def validate(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="File, folder or glob with * and **.")
    ],
    output: Annotated[Form, typer.Option("--output", "-o", help="text, json or sarif.")] = (
        Form.TEXT
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    origin: Annotated[
        str,
        typer.Option("--from", help="Location they will be registered as, type:target, for rules."),
    ] = "",
) -> None:
    """Check descriptors as the catalog would, without a server or a database.

    A path is what would be registered: what Location entities lead to is checked with it. Ends with
    0 when all is good, with 1 when there are problems, and with 2 when something could not be read.

    Example: towpath catalog validate catalog-info.yaml 'services/*/catalog-info.yaml'
    """
    from towpath_core.errors import TowpathError
    from towpath_gateway.logs import configure_logs

    configure_logs("error")
    try:
        report = asyncio.run(_report([str(Path(path).absolute()) for path in paths], origin))
    except TowpathError as error:
        typer.echo(f"towpath: {error}", err=True)
        raise SystemExit(UNREAD) from None
    _write(report, output)
    if report.unread:
        raise SystemExit(UNREAD)
    warned = strict and bool([*report.report.warnings, *report.skipped])
    raise SystemExit(PROBLEMS if report.report.problems or warned else GOOD)


async def _report(targets: list[str], origin: str) -> OfflineReport:
    from towpath_core.plugins import PluginHost
    from towpath_engine.catalog.offline import validate_targets
    from towpath_engine.catalog.rules import CatalogRules
    from towpath_engine.settings import load_settings

    settings = load_settings(roots=_roots(targets))
    host = await asyncio.to_thread(PluginHost.load, settings.plugins)
    try:
        _see_that_it_reads(host)
        rules = CatalogRules(settings.catalog_rules)
        return await validate_targets(host, targets, rules=rules, origin=origin)
    finally:
        host.close()


def _see_that_it_reads(host: PluginHost) -> None:
    """Refuse to go on without a plugin that knows kinds or reads files: all would seem wrong.

    Raises:
        SettingsError: says which plugin does not start, and why.
    """
    from towpath_core.errors import SettingsError

    for plugin in host.describe():
        if plugin.state == "failed" and (plugin.why or "").startswith(_READING):
            raise SettingsError(f"The plugin {plugin.name} does not start.", why=plugin.why)


def _roots(targets: list[str]) -> list[Path]:
    return [Path.cwd(), *map(_root, targets)]


def _root(target: str) -> Path:
    """The folder that a path may be read from: itself, or the last above it without a glob."""
    path = Path(target)
    if path.is_dir():
        return path
    while "*" in path.name or "?" in path.name or any("*" in part for part in path.parts):
        path = path.parent
    return path if path.is_dir() else path.parent


def _write(report: OfflineReport, form: Form) -> None:
    if form is Form.TEXT:
        for text in _lines(report):
            typer.echo(text)
        return
    import msgspec

    made = _sarif(report) if form is Form.SARIF else _plain(report)
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(made)) + b"\n")


def _lines(report: OfflineReport) -> Iterator[str]:
    for word, problems in (
        ("unread", report.unread),
        ("error", report.report.problems),
        ("warning", (*report.report.warnings, *report.skipped)),
    ):
        for problem in problems:
            yield _line(word, problem)
    counts = (
        _amount(report.files, "file"),
        _amount(len(report.report.documents), "document"),
        _amount(len(report.report.problems), "problem"),
        _amount(len(report.report.warnings) + len(report.skipped), "warning"),
    )
    yield ", ".join(counts) + (f", {len(report.unread)} not read" if report.unread else "")


def _line(word: str, problem: Problem) -> str:
    place = _relative(str(problem.place))
    text = f"{place}: {word}: {problem.message}" if place else f"{word}: {problem.message}"
    # What foreign files say must not move a terminal's cursor.
    return "".join(char if char.isprintable() else "?" for char in f"{text} [{problem.code}]")


def _relative(place: str) -> str:
    return place.removeprefix(f"{Path.cwd()}/")


def _plain(report: OfflineReport) -> dict[str, Any]:
    problems, warnings = report.report.problems, [*report.report.warnings, *report.skipped]
    return {
        "documents": report.report.documents,
        "unread": report.unread,
        "skipped": report.skipped,
        "files": report.files,
        "problems": len(problems),
        "warnings": len(warnings),
    }


def _sarif(report: OfflineReport) -> dict[str, Any]:
    from importlib.metadata import version

    from towpath_gateway.sarif import sarif

    documents = report.report.documents
    skipped = [(None, one) for one in report.skipped]
    return sarif(
        [(one.ref, problem) for one in documents for problem in one.problems],
        [*((one.ref, warning) for one in documents for warning in one.warnings), *skipped],
        report.unread,
        root=Path.cwd(),
        version=version("towpath"),
    )


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
