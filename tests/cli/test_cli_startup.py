"""Help: cheap to ask for, and it teaches."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from towpath_cli.extensions import KNOWN
from towpath_cli.failure import EXIT_CODES
from towpath_cli.main import app

HEAVY = ("towpath_sdk", "httpx", "rich", "yaml", "msgspec", "click", "litestar", "sqlalchemy")


def own_commands() -> Iterator[tuple[str, Any]]:
    root: Any = typer.main.get_command(app)
    for name, one in root.commands.items():
        inner = getattr(one, "commands", None)
        if inner is None:
            yield name, one
        else:
            yield from ((f"{name} {sub}", made) for sub, made in inner.items())


OWN = dict(own_commands())


def test_what_there_is() -> None:
    assert set(OWN) == {
        "login", "logout", "get", "create", "offerings", "provision", "bind", "unbind", "plugins",
        "version", "demo", "catalog add", "catalog ls", "catalog refresh", "catalog rm",
        "catalog problems", "catalog confirm", "catalog explain", "catalog tombstones",
        "catalog conflicts", "catalog put", "catalog delete", "catalog apply", "catalog sets",
        "catalog drop", "catalog history", "catalog restore", "catalog watch",
        "resources ls", "resources show", "resources delete", "runs ls",
        "runs show", "runs logs", "runs cancel", "runs retry", "runs resolve", "runs undo",
        "schedules ls", "schedules show", "schedules add", "schedules pause", "schedules resume",
        "schedules run", "schedules rm", "schedules next",
        "runs approve", "runs reject", "runs signal", "runs kinds", "runs start",
        "token create", "token ls", "token revoke",
    }  # fmt: skip


@pytest.mark.parametrize("words", [["--help"], ["get", "--help"], ["create", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from towpath_cli.main import app\n"
        f"try: app({words!r})\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.startswith("Usage: ")


def test_help_lists_all_and_the_exit_codes(run) -> None:
    done = run("--help")
    names = {name.split()[0] for name in OWN}
    assert [name for name in names if f"\n  {name} " not in done.stdout] == []
    assert [code for code in EXIT_CODES if f"\n    {code} " not in done.stdout] == []
    assert "--url" in done.stdout and "--output" in done.stdout


@pytest.mark.parametrize("name", OWN)
def test_every_command_shows_examples_of_itself(run, name: str) -> None:
    done = run(*name.split(), "--help")
    assert done.exit_code == 0
    assert f"    towpath {name}" in done.stdout or f"towpath {name}" in done.stdout.split(")", 1)[0]
    assert "Also: --url" in done.stdout


@pytest.mark.parametrize("words", [(), ("catalog",), ("runs",), ("resources",), ("token",)])
def test_without_a_command_there_is_help(run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 2 and "Usage:" in done.output


def test_known_commands_are_those_of_the_server() -> None:
    from importlib.metadata import entry_points

    [point] = [one for one in entry_points(group="towpath.commands") if one.name == "server"]
    assert set(getattr(typer.main.get_command(point.load()), "commands", {})) == set(
        KNOWN["server"]
    )


def test_it_runs_as_a_module_and_as_a_script(spawn) -> None:
    assert spawn("version").stdout.startswith("towpath ")
    from importlib.metadata import entry_points

    [script] = [one for one in entry_points(group="console_scripts") if one.name == "towpath"]
    from towpath_cli.start import main

    assert script.load() is main
