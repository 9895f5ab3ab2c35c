"""Values that a command needs: put together from options and files, the rest asked for.

On a terminal what is missing is asked for; elsewhere it is named and nothing is sent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from towpath_cli.failure import USAGE, Failed
from towpath_cli.text import line
from towpath_cli.values import Form, fitted, pairs

__all__ = ("confirmed", "gather", "interactive", "secrets_from")

_HIDDEN_WIDGETS = ("password",)


def interactive() -> bool:
    """Whether there is somebody to ask: a terminal to read from and one to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def gather(
    form: Form,
    options: Sequence[str],
    file: str | None,
    *,
    secrets: dict[str, str] | None = None,
    preset: Iterable[str] = (),
) -> dict[str, Any]:
    """Put together what a form asks for: options over the file over what is asked for now.

    Args:
        form: what is asked for.
        options: `name=value`, as said on the command line.
        file: a file of values, or `-`.
        secrets: where answers go that the form marks as secret.
        preset: names that are settled elsewhere and are not asked for.

    Raises:
        Failed: values do not fit, or some are missing and nobody is there to ask.
    """
    secrets = {} if secrets is None else secrets
    settled = {*secrets, *preset}
    values: dict[str, Any] = {}
    if file is not None:
        from towpath_cli.valuefile import read_values

        values = read_values(file)
    values |= form.read(pairs(options))
    missing = [name for name in form.missing(values) if name not in settled]
    if missing and not interactive():
        raise Failed(
            "Values are missing.",
            lines=[_wanted(name, form.fields.get(name, {})) for name in missing],
            next="Say each as -p name=value, or all in a file with --values.",
            code=USAGE,
        )
    for name in missing:
        field = form.fields.get(name, {})
        if field.get("ui:field") == "Secret":
            secrets[name] = str(typer.prompt(_title(name, field), hide_input=True, err=True))
        else:
            values[name] = _ask(name, field)
    return values


def secrets_from(
    options: Sequence[str], environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Read secrets: `name=value`, or `name` alone for the environment variable of that name.

    Raises:
        Failed: a variable is not set and nobody is there to ask.
    """
    environ = os.environ if environ is None else environ
    secrets: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name:
            raise Failed("A secret is written name=value, or name alone.", code=USAGE)
        if equals:
            secrets[name] = value
        elif name in environ:
            secrets[name] = environ[name]
        elif interactive():
            secrets[name] = str(typer.prompt(line(name), hide_input=True, err=True))
        else:
            raise Failed(f"The environment variable {line(name)} is not set.", code=USAGE)
    return secrets


def confirmed(
    question: str, *, yes: bool, instead: str = "Say --yes if that is what you want."
) -> None:
    """Go on only when it was said beforehand or is said now.

    Raises:
        Failed: nobody is there to ask; says what to say `instead`.
        typer.Exit: the answer is no.
    """
    if yes:
        return
    if not interactive():
        raise Failed(
            "This needs your word, and there is no terminal to ask on.",
            next=instead,
            code=USAGE,
        )
    if not typer.confirm(line(question), err=True):
        raise typer.Exit(1)


def _ask(name: str, field: Mapping[str, Any]) -> Any:
    choices = [line(one) for one in field.get("enum") or ()]
    if text := field.get("description"):
        typer.echo(line(text), err=True)
    if choices:
        typer.echo(f"One of: {', '.join(choices)}", err=True)
    hidden = field.get("ui:widget") in _HIDDEN_WIDGETS
    while True:
        answer = typer.prompt(_title(name, field), hide_input=hidden, err=True)
        try:
            return fitted(field, str(answer))
        except ValueError as error:
            typer.echo(line(error), err=True)


def _title(name: str, field: Mapping[str, Any]) -> str:
    title = field.get("title")
    return f"{line(title)} ({line(name)})" if title else line(name)


def _wanted(name: str, field: Mapping[str, Any]) -> str:
    text = field.get("description") or field.get("title")
    return f"-p {name}=..." + (f"  {text}" if text else "")
