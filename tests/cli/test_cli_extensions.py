"""Commands that other packages add, and that a broken one takes nothing from the rest."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """
import typer
app = typer.Typer()

@app.command()
def sail(knots: int = 5) -> None:
    '''Sail away.'''
    print(f"sailing at {knots}")

@app.command()
def get() -> None:
    '''Take over a command of towpath.'''
    print("taken over")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lay a distribution with one entry point on a path of its own."""

    def lay(source: str, *, name: str = "acme", extras: str = "") -> None:
        module = f"cli_{uuid.uuid4().hex}"
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        point = f"[towpath.commands]\n{name} = {module}:app {extras}\n"
        (info / "entry_points.txt").write_text(point)
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))

    return lay


def test_commands_of_others_are_at_the_top(run, install) -> None:
    install(GOOD)
    assert run("sail", "--knots", "7").stdout == "sailing at 7\n"
    assert "Sail away." in run("--help").stdout
    assert run("sial").exit_code == 2


def test_in_a_process_of_its_own(spawn, install, tmp_path: Path) -> None:
    install(GOOD)
    assert spawn("sail", PYTHONPATH=str(tmp_path)).stdout == "sailing at 5\n"


def test_what_towpath_has_cannot_be_taken_over(run, install) -> None:
    install(GOOD)
    done = run("get", "component:shop-1")
    assert done.exit_code == 0 and "taken over" not in done.stdout


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import none_such", "ModuleNotFoundError: No module named 'none_such'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
        ("app = 3", "app is a int, not a typer.Typer"),
        ("x = 1", "AttributeError"),
        ("def", "SyntaxError"),
        ("raise OSError('\\x1b[31mred')", "OSError: red"),
    ],
)
def test_a_broken_one_says_why_and_breaks_nothing(run, install, source: str, why: str) -> None:
    install(source)
    help = run("--help")
    assert help.exit_code == 0
    assert "\n  acme " in help.stdout and "\n  demo " in help.stdout
    assert "\x1b" not in help.output
    assert run("version").exit_code == 0
    done = run("acme", "--with", "any", "args", "--help")
    assert done.exit_code == 1
    assert "towpath acme cannot be loaded." in done.stderr and why in done.stderr


def test_a_missing_extra_is_named(run, install) -> None:
    install("import none_such", name="fleet", extras="[boats]")
    done = run("fleet")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: towpath fleet needs: pip install 'fleet[boats]'\n")


@pytest.mark.parametrize("name", ["up", "serve", "worker", "admin"])
def test_the_commands_of_the_server_are_named_where_it_is_not_installed(
    run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "towpath_gateway.cli", None)
    done = run(name, "--port", "1")
    assert done.exit_code == 1
    needs = f"towpath {name} needs: pip install 'towpath[gateway]'"
    assert done.stderr.splitlines()[0] == f"error: {needs}"
    assert f"\n  {name:9}  Needs: pip install 'towpath[gateway]'" in run("--help").stdout


def test_commands_join_the_group_they_belong_to(run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\n  validate  " in run("catalog", "--help").stdout
    monkeypatch.setitem(sys.modules, "towpath_gateway.validating", None)
    done = run("catalog", "validate", "a.yaml", "--strict")
    assert done.exit_code == 1
    needs = "error: towpath catalog validate needs: pip install 'towpath[gateway]'"
    assert done.stderr.splitlines()[0] == needs
    assert "Needs: pip install 'towpath[gateway]'" in run("catalog", "--help").stdout
