"""Commands that write, look back and watch: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

from contract_server import Platform as Served

ENTITY = (
    "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\nspec:\n  type: {}\n"
)


def folder(at: Path, *names: str) -> Path:
    found = at / "entities"
    found.mkdir(exist_ok=True)
    for old in found.iterdir():
        old.unlink()
    for name in names:
        (found / f"{name}.yaml").write_text(ENTITY.format(name, "service"))
    return found


def test_put_says_what_changed(run, tmp_path: Path) -> None:
    file = tmp_path / "boat.yaml"
    file.write_text(ENTITY.format("boat", "service"))
    assert "component:default/boat added, revision 1." in run("catalog", "put", str(file)).stderr
    assert "unchanged" in run("catalog", "put", str(file)).stderr
    told = json.loads(run("catalog", "put", str(file), "-o", "json").stdout)
    refused = run("catalog", "put", str(file), "--new")
    assert refused.exit_code == 6 and "precondition" not in refused.stdout
    file.write_text(ENTITY.format("boat", "library"))
    assert run("catalog", "put", str(file), "--etag", told["etag"]).exit_code == 0
    assert run("catalog", "put", str(file), "--etag", told["etag"]).exit_code == 6
    file.write_text("kind: Component\nmetadata: {name: boat}\n")
    wrong = run("catalog", "put", str(file))
    assert wrong.exit_code == 2 and "/spec/type" in wrong.stderr
    file.write_text("a: [\n")
    assert f"{file}:2" in run("catalog", "put", str(file)).stderr
    file.write_text("a: b\n---\nc: d\n")
    two = run("catalog", "put", str(file)).stderr
    assert "more than one document" in two and "towpath catalog apply" in two
    assert f"{file}:2:1: here another one begins" in two


def test_delete_says_what_returns(run, served: Served) -> None:
    assert run("catalog", "delete", "component:shop-1").exit_code == 2  # nobody to ask
    done = run("catalog", "delete", "component:shop-1", "--yes")
    assert "It comes back when the location is read again (url:x)" in done.stderr
    assert run("catalog", "delete", "component:shop-1", "--yes").exit_code == 3


def test_a_set_is_planned_and_applied(run, tmp_path: Path, served: Served) -> None:
    names = [f"n{number}" for number in range(6)]
    files = folder(tmp_path, *names)
    (files / "README.md").write_text("no entity")
    (files / ".git").mkdir()
    (files / ".git" / "x.yaml").write_text("hidden")
    plan = run("catalog", "apply", "--set", "tolls", "-f", str(files), "--plan")
    assert plan.exit_code == 0 and "Would be: 6 added" in plan.stderr
    assert served.sets == {}
    assert run("catalog", "apply", "--set", "tolls", "-f", str(files)).exit_code == 0
    assert len(served.sets["tolls"]) == 6
    for name in names[1:]:
        (files / f"{name}.yaml").unlink()
    plan = run("catalog", "apply", "--set", "tolls", "-f", str(files), "--plan")
    assert "needs --prune" in plan.stderr and "component:default/n5" in plan.stdout
    refused = run("catalog", "apply", "--set", "tolls", "-f", str(files))
    assert refused.exit_code == 6
    done = run("catalog", "apply", "--set", "tolls", "-f", str(files), "--prune", "-o", "json")
    assert len(json.loads(done.stdout)["deleted"]) == 5
    assert "tolls" in run("catalog", "sets").stdout
    assert "component:default/n0" in run("catalog", "sets", "tolls").stdout
    assert run("catalog", "drop", "tolls", "--yes").exit_code == 0
    assert run("catalog", "drop", "tolls", "--yes").exit_code == 3


def test_bad_files_are_named_with_their_line(run, tmp_path: Path) -> None:
    files = folder(tmp_path)
    empty = run("catalog", "apply", "--set", "tolls", "-f", str(files))
    assert empty.exit_code == 2 and ".yaml" in empty.stderr
    (files / "a.yaml").write_text("nothing")
    wrong = run("catalog", "apply", "--set", "tolls", "-f", str(files))
    assert wrong.exit_code == 2 and f"{files}/a.yaml:2: " in wrong.stderr
    missing = run("catalog", "apply", "--set", "tolls", "-f", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 2 and "No such file" in missing.stderr
    (files / "a.yaml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in run("catalog", "apply", "--set", "tolls", "-f", str(files)).stderr


def test_history_is_told_and_restored(run, tmp_path: Path) -> None:
    file = tmp_path / "boat.yaml"
    for type in ("service", "library"):
        file.write_text(ENTITY.format("boat", type))
        run("catalog", "put", str(file))
    told = run("catalog", "history", "component:boat", "-o", "json")
    assert [one["change"] for one in json.loads(told.stdout)] == ["changed", "added"]
    assert "/spec/type" in run("catalog", "history", "component:boat").stdout
    assert "changed, revision 3" in run("catalog", "restore", "component:boat", "1").stderr
    then = run("catalog", "history", "component:boat", "--at", "2026-11-23T09:30:00Z")
    assert "component:default/boat" in then.stdout
    assert run("catalog", "history", "component:nothing").exit_code == 3


def test_watch_prints_a_line_for_each_change(run, tmp_path: Path, served: Served) -> None:
    known = len(served.entities)
    listed = run("catalog", "watch", "--list", "--count", str(known))
    assert listed.exit_code == 0
    assert listed.stdout.splitlines()[0] == "put group:default/canal"
    file = tmp_path / "boat.yaml"
    file.write_text(ENTITY.format("boat", "service"))
    run("catalog", "put", str(file))
    run("catalog", "delete", "component:boat", "--yes")
    lines = run("catalog", "watch", "--after", "0", "--count", "2").stdout.splitlines()
    assert lines == [
        "put component:default/boat #1 by towpath/ann",
        "delete component:default/boat #2 by towpath/ann",
    ]
    rows = run("catalog", "watch", "--after", "0", "--count", "2", "-o", "json").stdout
    assert [json.loads(row)["type"] for row in rows.splitlines()] == ["put", "delete"]
    assert run("catalog", "watch", "--after", "99").exit_code == 6
