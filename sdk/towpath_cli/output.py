"""What the command prints: data on stdout as a table, JSON or YAML; words on stderr.

Tables are for people and fold into the width of the terminal, 80 columns elsewhere. JSON and YAML
are for programs: the fields and names of the API, nothing left out, nothing shortened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from towpath_cli.text import block, escaped, line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ("FORMS", "Output", "ago")

FORMS = ("table", "json", "yaml")
_STYLES = {
    "succeeded": "green",
    "active": "green",
    "ok": "green",
    "failed": "red",
    "incompatible": "red",
    "running": "yellow",
    "provisioning": "yellow",
    "deleting": "yellow",
    "stopping": "yellow",
    "unknown": "magenta",
    "waiting": "cyan",
    **{f"waiting: {one}": "cyan" for one in ("approval", "signal", "time", "child")},
}


class Output:
    """Prints in one form.

    Args:
        form: `table`, `json` or `yaml`.
        color: False prints without colours; None leaves it to the terminal.
    """

    def __init__(self, form: str, *, color: bool | None) -> None:
        self.form = form
        self.color = color

    def wire(self, value: Any) -> bool:
        """Print a shape, or a list of them, for programs; False when people are to read it."""
        if self.form == "table":
            return False
        text = _json(value) if self.form == "json" else _yaml(value)
        typer.echo(text.encode(), nl=False)
        return True

    def event(self, value: Any) -> bool:
        """Print one of a stream of shapes, each a line of JSON or a document of YAML."""
        if self.form != "json":
            typer.echo("---\n" if self.form == "yaml" else "", nl=False)
            return self.wire(value)
        import msgspec

        typer.echo(escaped(msgspec.json.encode(value).decode()).encode())
        return True

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: str = ""
    ) -> None:
        """Print a table; None shows as `-`, and the column `whole` is kept in one piece."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for name in columns:
            table.add_column(name, overflow="fold", no_wrap=name == whole)
        for row in rows:
            cells = ["-" if cell in (None, "") else line(cell) for cell in row]
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
        self.console.print(table)

    def record(self, fields: Mapping[str, object]) -> None:
        """Print one thing, a field on each line; fields that are None or empty are left out."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in fields.items():
            text = "\n".join(map(line, value)) if isinstance(value, tuple) else block(value)
            if value not in (None, "", ()):
                table.add_row(name, Text(text, style=_STYLES.get(text, "")))
        self.console.print(table)

    def say(self, text: str) -> None:
        """Tell people something, beside the data."""
        typer.echo(block(text), err=True)

    @cached_property
    def console(self) -> Console:
        """Where tables go."""
        from rich.console import Console

        return Console(no_color=self.color is False, highlight=False, markup=False, emoji=False)


def ago(moment: datetime | None) -> str | None:
    """How long ago something was, in one unit: `5m`."""
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _json(value: Any) -> str:
    import msgspec

    return escaped(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n"


def _yaml(value: Any) -> str:
    import msgspec
    import yaml

    plain = msgspec.json.decode(msgspec.json.encode(value))
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10_000)
    # Unlike in JSON, what is not safe to show cannot be escaped afterwards.
    if text != block(text):
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=10_000)
    return text
