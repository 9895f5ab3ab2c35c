"""The page about the command: its examples run, and every command and option is on it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from contract_server import Platform as Served
from contract_server import entity, ref_of
from contract_state import tombstone

from towpath_cli.extensions import KNOWN
from towpath_cli.failure import EXIT_CODES
from towpath_cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command.md").read_text()
SECTIONS = dict(re.findall(r"^### towpath (.+?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"^\$ towpath (.*)$", PAGE, re.MULTILINE)
GLOBAL = {"--url", "--token", "--output", "-o", "--no-color", "--timeout", "--help"}


def commands() -> dict[str, Any]:
    root: Any = typer.main.get_command(app)
    found = {}
    for name, one in root.commands.items():
        for sub, made in getattr(one, "commands", {"": one}).items():
            found[f"{name} {sub}".strip()] = made
    return found


COMMANDS = commands()


def test_every_command_has_its_section_and_there_are_no_others() -> None:
    offline = {f"catalog {name}" for name in KNOWN["validate"]}
    assert set(SECTIONS) == {*COMMANDS, *KNOWN["server"], *offline}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_its_section(name: str) -> None:
    flags = {
        flag
        for one in COMMANDS[name].params
        if one.param_type_name == "option"
        for flag in (*one.opts, *one.secondary_opts)
    }
    said = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", SECTIONS[name]))
    assert flags - GLOBAL <= said
    assert {one for one in said if one.startswith("--")} <= flags | GLOBAL


def test_global_options_and_exit_codes_are_on_the_page() -> None:
    assert [flag for flag in GLOBAL - {"--help"} if f"`{flag}" not in PAGE] == []
    rows = {int(code): why for code, why in re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.M)}
    assert rows == EXIT_CODES


def test_every_command_is_shown_in_use() -> None:
    plain = {"logout", "catalog ls", "resources ls", "token ls"}  # nothing to show
    shown = {name for name in COMMANDS for line in EXAMPLES if f"{line} ".startswith(f"{name} ")}
    assert COMMANDS.keys() - shown == plain


def runs_of_the_page(served: Served) -> dict[str, str]:
    """Runs in the states that the examples need."""
    names = ("OPEN", "LONG", "FAILED", "UNKNOWN", "ASKING", "OTHER_ASKING", "LISTENING")
    runs = {f"{name}_RUN": served.run("scaffold", name) for name in names}
    for run in runs.values():
        run.step("work", "running")
    for state in ("failed", "unknown"):
        runs[f"{state.upper()}_RUN"].step("work", state)
        runs[f"{state.upper()}_RUN"].end(state)
    runs["FAILED_RUN"].shape["input"] = {"port": 9000}
    runs["ASKING_RUN"].wait("work", "approval", question="Deploy?")
    runs["OTHER_ASKING_RUN"].wait("work", "approval", question="Deploy?")
    runs["LISTENING_RUN"].wait("work", "signal", event="merged")
    done = served.finished("scaffold", "done", {})
    done.undos = [{"seq": 1, "step": "work", "name": "delete it", "owner": "git"}]
    return {**{name: run.id for name, run in runs.items()}, "RUN": done.id}


def test_the_examples_run_one_after_the_other(
    run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = entity("Component", "shop", type="service", owner="canal")
    served.entities[ref_of(shop)] = shop
    (tmp_path / "boat.yaml").write_text("name: boat\nowner: canal\n")
    (tmp_path / "entities").mkdir()
    text = "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
    text += "metadata:\n  name: {}\nspec:\n  type: service\n"
    (tmp_path / "shop.yaml").write_text(text.format("boathouse"))
    (tmp_path / "entities" / "tolls.yaml").write_text(text.format("toll-gate"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEY", "s3cret")
    served.held = ["component:default/old-boat"]
    served.tombstones = [tombstone("component:default/old-shop")]
    known = runs_of_the_page(served)
    for line in EXAMPLES:
        if line.startswith(("login", "demo")):  # these have tests of their own
            continue
        known["BINDING"] = next(iter(served.bindings), "")
        known["TOKEN_ID"] = next(iter(served.tokens), "")
        words = re.sub(r"\$(\w+)", lambda match: known[match[1]], line)
        done = run(*shlex.split(words))
        assert done.exit_code == 0, f"{line}: {done.output}"
        assert "s3cret" not in done.output
