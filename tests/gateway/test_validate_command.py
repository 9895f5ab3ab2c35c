"""`towpath catalog validate`: three forms of one report, and exit codes that CI can use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = """\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: team
spec:
  type: team
  children: []
"""
WARNED = GOOD.replace("children: []", "children: [gone]")
BAD = GOOD.replace("name: team", "name: -team").replace("type: team", "type: 5")


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
    command = [sys.executable, "-m", "towpath_cli", "catalog", "validate", *arguments]
    env = {**kept, "TOWPATH_HOME": str(folder / "home"), **environ}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("good", GOOD), ("warned", WARNED), ("bad", BAD)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_good_descriptors_end_with_0(folder: Path) -> None:
    done = run(folder, "good.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 file, 1 document, 0 problems, 0 warnings\n"
    assert not (folder / "home").exists()


def test_problems_end_with_1_and_have_their_places(folder: Path) -> None:
    done = run(folder, "bad.yaml")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("bad.yaml:4:3 (/metadata/name): error: name '-team' is not valid")
    assert lines[-1] == "1 file, 1 document, 1 problem, 0 warnings"


def test_warnings_count_when_it_is_strict(folder: Path) -> None:
    assert run(folder, "warned.yaml").returncode == 0
    done = run(folder, "warned.yaml", "--strict")
    assert done.returncode == 1
    assert "warned.yaml:7:14 (/spec/children/0): warning: parentOf: group:default/gone" in (
        done.stdout
    )


def test_what_cannot_be_read_ends_with_2(folder: Path) -> None:
    done = run(folder, "good.yaml", "gone.yaml")
    assert done.returncode == 2
    assert "gone.yaml: unread: " in done.stdout
    assert done.stdout.endswith("0 warnings, 1 not read\n")
    assert run(folder).returncode == 2
    wrong = run(folder, "good.yaml", TOWPATH_CONFIG=str(folder / "none.toml"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "There is no file" in wrong.stderr


def test_globs_and_folders_are_targets(folder: Path) -> None:
    assert "3 files, 3 documents" in run(folder, "*.yaml").stdout
    assert "3 files, 3 documents" in run(folder, ".").stdout


def test_rules_look_at_where_it_will_come_from(folder: Path) -> None:
    config = folder / "towpath.toml"
    config.write_text('[catalog]\nrules = [{ allow = ["API"], locations = ["url:*"] }]\n')
    here = run(folder, "good.yaml", TOWPATH_CONFIG=str(config))
    there = run(folder, "good.yaml", "--from", "url:https://a", TOWPATH_CONFIG=str(config))
    assert (here.returncode, there.returncode) == (0, 1)
    assert "rule 1 allows API (for url:*)" in there.stdout


def test_json_has_every_document(folder: Path) -> None:
    done = run(folder, "warned.yaml", "bad.yaml", "-o", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["files"], found["problems"], found["warnings"]) == (2, 1, 1)
    warned, bad = found["documents"]
    assert warned["ref"] == "group:default/team"
    assert warned["warnings"][0]["place"] == {
        "file": str(folder / "warned.yaml"),
        "line": 7,
        "column": 14,
        "pointer": "/spec/children/0",
    }
    assert bad["problems"][0]["code"] == "envelope"


def test_a_declaration_of_kinds_that_is_wrong_is_named(folder: Path) -> None:
    (folder / "kinds.yaml").write_text("kind: Server\napiVersions: []\n")
    settings = folder / "towpath.toml"
    settings.write_text(f'[plugins.backstage]\nkinds = ["{folder}/kinds.yaml"]\n')
    done = run(folder, "good.yaml", TOWPATH_CONFIG=str(settings))
    assert (done.returncode, done.stdout) == (2, "")
    assert "The plugin backstage does not start" in done.stderr
    assert f"{folder}/kinds.yaml:2:" in done.stderr


def sarif(folder: Path, *arguments: str) -> Any:
    done = run(folder, *arguments, "--output", "sarif")
    log = json.loads(done.stdout)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (found,) = log["runs"]
    assert found["tool"]["driver"]["name"] == "towpath"
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    for rule in found["tool"]["driver"]["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert not rule["shortDescription"]["text"].startswith("A descriptor is refused")
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    return found


def test_sarif_has_every_problem_at_its_place(folder: Path) -> None:
    found = sarif(folder, "warned.yaml", "bad.yaml")
    assert found["invocations"] == [{"executionSuccessful": True}]
    assert found["originalUriBaseIds"] == {"SRCROOT": {"uri": f"{folder.as_uri()}/"}}
    places = [
        (
            one["level"],
            one["ruleId"],
            one["locations"][0]["physicalLocation"]["artifactLocation"],
            one["locations"][0]["physicalLocation"]["region"],
            one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
        )
        for one in found["results"]
    ]
    root = {"uriBaseId": "SRCROOT"}
    assert places == [
        (
            "error",
            "envelope",
            {"uri": "bad.yaml", **root},
            {"startLine": 4, "startColumn": 3},
            "/metadata/name",
        ),
        (
            "warning",
            "dangling",
            {"uri": "warned.yaml", **root},
            {"startLine": 7, "startColumn": 14},
            "group:default/team/spec/children/0",
        ),
    ]


def test_sarif_says_when_something_was_not_read(folder: Path) -> None:
    found = sarif(folder, "gone.yaml")
    (invocation,) = found["invocations"]
    assert invocation["executionSuccessful"] is False
    (note,) = invocation["toolExecutionNotifications"]
    assert note["level"] == "error"
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "gone.yaml"
    assert found["results"] == []


def test_a_terminal_is_not_moved_by_what_files_say(folder: Path) -> None:
    (folder / "hostile.yaml").write_text(GOOD.replace("kind: Group", 'kind: "\\e[31mred\\u202e"'))
    done = run(folder, "hostile.yaml")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
