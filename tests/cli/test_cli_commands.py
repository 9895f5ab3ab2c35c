"""Every command: what it asks of the platform and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from contract_server import OFFERING, TOKEN, entity, ref_of
from contract_server import Platform as Served
from contract_state import DIGEST, now, tombstone

from towpath_sdk import Logins


def test_kinds_are_counted(run) -> None:
    done = run("get")
    assert done.exit_code == 0
    assert [one.split() for one in done.stdout.splitlines()] == [
        ["KIND", "ENTITIES"],
        ["Component", "7"],
        ["Group", "1"],
        ["Template", "1"],
        ["User", "1"],
    ]


def test_entities_of_a_kind_are_listed(run, served: Served) -> None:
    done = run("get", "component", "-l", "spec.type=website", "--sort", "-metadata.name")
    names = [one.split()[0] for one in done.stdout.splitlines()]
    assert names == [
        "NAME",
        "component:default/shop-6",
        "component:default/shop-4",
        "component:default/shop-2",
    ]
    query = dict(served.requests[0].query)
    assert query["filter"] == "kind=component,spec.type=website"
    assert "metadata.title" in query["fields"]


def test_a_limit_ends_the_walk(run, served: Served) -> None:
    found = json.loads(run("get", "component", "--limit", "2", "-o", "json").stdout)
    assert [one["metadata"]["name"] for one in found] == ["shop-1", "shop-2"]
    assert len(served.requests) == 1


def test_nothing_of_a_kind(run) -> None:
    done = run("get", "spaceship")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing" in done.stderr
    assert "is a name" not in done.stderr
    assert json.loads(run("get", "spaceship", "-o", "json").stdout) == []
    assert "shop-1 is a name: towpath get component:default/shop-1" in run("get", "shop-1").stderr


def test_one_entity(run) -> None:
    done = run("get", "component:shop-1")
    assert "component:default/shop-1" in done.stdout
    assert "ownedBy group:default/canal" in done.stdout


def test_a_template_shows_what_it_asks_for(run) -> None:
    done = run("get", "template:python-service")
    assert done.exit_code == 0
    rows = [one.split() for one in done.stdout.splitlines()]
    assert ["name*", "string", "-", "Name"] in rows
    assert ["port", "integer", "8000", "-"] in rows


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_what_the_api_says(run, served: Served, form: str) -> None:
    read = json.loads if form == "json" else yaml.safe_load
    one = served.entities["component:default/shop-1"]
    assert read(run("get", "component:shop-1", "-o", form).stdout) == one
    listed = read(run("get", "component", "-o", form).stdout)
    assert listed == [e for e in served.entities.values() if e["kind"] == "Component"]
    assert read(run("offerings", "-o", form).stdout) == [OFFERING]
    held = served.finished("scaffold", "boat", {"a": {"b": [1, None, "x"]}})
    shown = read(run("runs", "show", held.id, "-o", form).stdout)
    plain = json.loads(json.dumps(held.shape))
    if form == "json":
        assert shown == plain
    else:
        assert shown.keys() == plain.keys()


def test_global_options_stand_anywhere(run, environ: dict[str, str]) -> None:
    before = run("-o", "json", "get", "component:shop-1")
    after = run("get", "component:shop-1", "--output", "json")
    assert before.stdout == after.stdout and json.loads(after.stdout)["kind"] == "Component"
    assert run("--url", "http://127.0.0.1:1", "get", "--url", environ["TOWPATH_URL"]).exit_code == 0


def test_locations(run, served: Served, tmp_path: Path) -> None:
    target = "https://git.example.com/all.yaml"
    done = run("catalog", "add", target)
    assert done.exit_code == 0
    assert f"Registered {target}: 8 entities" in done.stderr
    assert "component:default/shop-1" in done.stdout
    assert "Read again" in run("catalog", "add", target).stderr
    [id] = served.locations
    assert target in run("catalog", "ls").stdout
    assert run("catalog", "refresh", target).exit_code == 0
    assert run("catalog", "refresh", id).exit_code == 0
    assert run("catalog", "rm", target).exit_code == 2  # nobody is there to ask
    assert list(served.locations) == [id]
    assert run("catalog", "rm", target, "--yes").exit_code == 0
    assert served.locations == {}
    assert run("catalog", "rm", target, "--yes").exit_code == 3


def test_a_plan_is_shown_and_nothing_done(run, served: Served) -> None:
    target = "https://git.example.com/all.yaml"
    shown = run("catalog", "add", target, "--plan")
    assert (shown.exit_code, served.locations) == (0, {})
    assert shown.stdout.splitlines() == [
        "+ component:default/new (a.yaml:1)",
        "~ component:default/shop-1 (a.yaml)",
        "    /spec/type: 'service' -> 'library'",
        "- component:default/old",
        "! component:default/cart, is held by url:https://b.example",
        "! a.yaml:3: no such kind",
    ]
    assert "1 to add, 1 to change, 1 to remove, 1 in conflict, 5 unchanged" in shown.stderr
    run("catalog", "add", target)
    before = dict(served.locations)
    for command in ("refresh", "rm"):
        planned = run("catalog", command, target, "--plan", "-o", "json")
        assert json.loads(planned.stdout)["unchanged"] == 5
    assert served.locations == before


def test_what_is_held_is_confirmed_by_what_was_seen(run, served: Served) -> None:
    target = "https://git.example.com/all.yaml"
    run("catalog", "add", target)
    assert run("catalog", "confirm", target).exit_code == 6
    served.held = ["component:default/a", "component:default/b"]
    assert "held" in run("catalog", "ls").stdout
    assert run("catalog", "confirm", target, "another").exit_code == 6
    asked = run("catalog", "confirm", target)  # nobody is there to ask
    assert asked.exit_code == 2 and "component:default/b" in asked.stderr
    assert "--yes" not in asked.stderr and f" {DIGEST}" in asked.stderr
    done = run("catalog", "confirm", target, DIGEST)
    assert (done.exit_code, served.held) == (0, [])
    assert "Removed 2 entities." in done.stderr


def test_a_reading_that_failed_does_not_tell_that_nothing_is_held(run, served: Served) -> None:
    target = "https://git.example.com/demo.yaml"
    run("catalog", "add", target)
    served.problems = [{"code": "unavailable", "message": "It does not answer.", "file": target}]
    served.entities.clear()
    done = run("catalog", "refresh", target)
    assert done.exit_code == 1
    assert f"{target}: no entity could be read" in done.stderr


def test_warnings_do_not_end_with_1(run, served: Served) -> None:
    served.warnings = [{"code": "dangling", "message": "x is not there", "file": "a.yaml"}] * 12
    done = run("catalog", "add", "https://git.example.com/all.yaml")
    assert done.exit_code == 0
    assert done.stderr.count("warning: a.yaml: x is not there") == 10
    assert "2 more" in done.stderr


def test_what_became_of_entities(run, served: Served) -> None:
    assert "Nothing was removed" in run("catalog", "tombstones").stderr
    assert "No conflicts" in run("catalog", "conflicts").stderr
    served.tombstones = [tombstone("component:default/old")]
    served.conflicts = [
        {"ref": "component:default/a", "origin": "url:x", "holder": "url:y", "since": now()}
    ]
    uid = served.tombstones[0]["uid"]
    assert "component:default/old" in run("catalog", "tombstones").stdout
    assert uid in run("catalog", "tombstones", "-o", "json").stdout
    assert "url:y" in run("catalog", "conflicts").stdout
    assert run("catalog", "restore", "component:none").exit_code == 3
    assert "Restored component:default/old" in run("catalog", "restore", uid).stderr
    assert run("catalog", "restore", uid).exit_code == 3
    there = run("catalog", "explain", "component:shop-1")
    assert there.stdout.startswith("It is in the catalog.") and "a.yaml:2" in there.stdout
    missing = run("catalog", "explain", "component:none")
    assert (missing.exit_code, "component:default/shop-1" in missing.stderr) == (0, True)


def test_a_path_is_made_absolute(run, served: Served, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("catalog", "add", "./catalog/all.yaml").exit_code == 0
    body = served.calls("POST", "/api/v1/catalog/locations")[0].body
    assert body == {"type": "file", "target": str(tmp_path / "catalog" / "all.yaml")}
    assert run("catalog", "refresh", "catalog/all.yaml").exit_code == 0


def test_problems_have_their_place_and_end_with_1(run, served: Served) -> None:
    served.problems = [
        {"code": "kind", "message": "no such kind", "file": "a.yaml", "line": 3, "column": 7},
        {"code": "ref", "message": "empty", "entityRef": "component:default/x"},
    ]
    done = run("catalog", "add", "https://git.example.com/all.yaml")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-2:] == [
        "a.yaml:3:7: no such kind",
        "component:default/x: empty",
    ]
    listed = run("catalog", "problems")
    assert listed.exit_code == 0
    assert listed.stdout.splitlines()[0].startswith("a.yaml:3:7: no such kind (")
    assert "component:default/x: empty" in listed.stdout
    assert json.loads(run("catalog", "problems", "-o", "json").stdout)[0]["column"] == 7


def test_a_template_is_run_with_fitted_values(run, served: Served) -> None:
    done = run(
        "create", "python-service", "-p", "name=boat", "-p", "owner=canal", "-p", "port=9000",
        "-p", "tags=a", "-p", "tags=b",
    )  # fmt: skip
    assert done.exit_code == 0
    body = served.calls("POST", "/api/scaffolder/v2/tasks")[0].body
    assert body["values"] == {
        "name": "boat", "owner": "canal", "port": 9000, "tags": ["a", "b"], "public": False,
    }  # fmt: skip
    assert "Work: succeeded" in done.stderr
    assert "component:default/boat" in done.stdout


def test_values_come_from_a_file_and_options_win(run, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "boat.yaml"
    file.write_text("name: boat\nowner: NO\npublic: true\n")
    assert run("create", "python-service", "--values", str(file), "-p", "name=ship").exit_code == 0
    body = served.calls("POST", "/api/scaffolder/v2/tasks")[0].body
    assert body["values"]["name"] == "ship"
    assert body["values"]["owner"] == "NO"
    assert body["values"]["public"] is True


def test_values_come_from_standard_input(run, served: Served) -> None:
    done = run("create", "python-service", "--values", "-", input='{"name": "a", "owner": "b"}')
    assert done.exit_code == 0
    assert served.calls("POST", ".*/tasks")[0].body["values"]["name"] == "a"


def test_secrets_travel_beside_the_values(run, served: Served, monkeypatch) -> None:
    monkeypatch.setenv("API_KEY", "s3cret-1")
    values = ("-p", "name=boat", "-p", "owner=canal")
    done = run("create", "python-service", *values, "--secret", "API_KEY", "--secret", "b=s3cret-2")
    assert served.calls("POST", ".*/tasks")[0].body["secrets"] == {
        "API_KEY": "s3cret-1",
        "b": "s3cret-2",
    }
    assert "s3cret" not in done.output
    missing = run("create", "python-service", *values, "--secret", "UNSET_KEY")
    assert missing.exit_code == 2 and "UNSET_KEY" in missing.stderr


def test_missing_values_are_named_and_nothing_is_sent(run, served: Served) -> None:
    done = run("create", "python-service", "-p", "port=many")
    assert done.exit_code == 2
    assert "-p port: 'many' is not an integer" in done.stderr
    done = run("create", "python-service", "-p", "port=1")
    assert done.exit_code == 2
    assert "-p name=... Name" in done.stderr and "-p owner=..." in done.stderr
    assert served.calls("POST", ".*") == []


def test_not_waiting_prints_the_run_alone(run, served: Served) -> None:
    served.hold_runs = True
    done = run("create", "python-service", "-p", "name=a", "-p", "owner=b", "--no-wait")
    assert done.stdout.strip() in served.runs
    assert f"towpath runs logs -f {done.stdout.strip()}" in done.stderr


def test_a_key_of_ones_own(run, served: Served) -> None:
    words = ("create", "python-service", "-p", "name=a", "-p", "owner=b")
    for _ in range(2):
        assert run(*words, "--idempotency-key", "job-1").exit_code == 0
    assert len(served.runs) == 1
    for _ in range(2):
        words = ("provision", "postgres-database", "orders", "--yes")
        assert run(*words, "--idempotency-key", "job-1").exit_code == 0
    assert len(served.plans) == len(served.resources) == 1


def test_offerings(run) -> None:
    assert "postgres-database" in run("offerings").stdout
    shown = run("offerings", "postgres-database").stdout
    assert "small: 5 connections" in shown and "connections" in shown


def test_provisioning_shows_the_plan_and_applies_that(run, served: Served) -> None:
    refused = run("provision", "postgres-database", "orders")
    assert refused.exit_code == 2 and "--yes" in refused.stderr
    assert "create  database orders  a=1" in refused.stderr
    assert served.resources == {}
    done = run("provision", "postgres-database", "orders", "--yes", "--size", "large", "-o", "json")
    assert done.exit_code == 0
    [resource] = served.resources.values()
    assert json.loads(done.stdout) == resource
    applied = served.calls("POST", "/api/v1/plans/.*/apply")[0]
    assert applied.body["hash"] in done.stderr
    planned = served.calls("POST", "/api/v1/plans")[-1].body
    assert planned == {"offering": "postgres-database", "name": "orders", "size": "large"}


def test_parameters_of_an_offering_are_fitted(run, served: Served) -> None:
    words = ("provision", "postgres-database", "orders", "--yes", "-p")
    assert run(*words, "connections=20").exit_code == 0
    assert served.calls("POST", "/api/v1/plans")[0].body["parameters"] == {"connections": 20}
    assert run(*words, "connections=twenty").exit_code == 2


def test_a_stale_plan_is_refused(run, served: Served) -> None:
    served.stale_plans = True
    done = run("provision", "postgres-database", "orders", "--yes")
    assert done.exit_code == 6
    assert "Ask for a new plan" in done.stderr


def test_resources_by_name_and_id(run, served: Served) -> None:
    run("provision", "postgres-database", "orders", "--yes")
    [id] = served.resources
    assert "orders" in run("resources", "ls").stdout
    assert id in run("resources", "show", "orders").stdout
    bound = run("bind", "orders", "--name", "app", "-o", "json")
    assert json.loads(bound.stdout) == {"values": {"username": "u1", "password": "p-secret"}}
    [binding] = served.bindings
    assert binding in bound.stderr and binding in run("resources", "show", id).stdout
    assert run("unbind", binding).exit_code == 0
    assert run("resources", "delete", "orders").exit_code == 2
    assert run("resources", "delete", "orders", "--yes").exit_code == 0
    assert run("resources", "show", "orders").exit_code == 3
    assert id not in run("resources", "ls").stdout
    assert "deleted" in run("resources", "show", id).stdout


def test_one_name_of_two_resources(run, served: Served) -> None:
    for _ in range(2):
        run("provision", "postgres-database", "orders", "--yes")
    done = run("resources", "delete", "orders", "--yes")
    assert done.exit_code == 2
    assert all(id in done.stderr for id in served.resources)


def test_credentials_are_printed_whole(run, served: Served) -> None:
    run("provision", "postgres-database", "orders", "--yes")
    uri = "postgresql://u:" + "p" * 100 + "@h/d"
    served.bind = lambda resource: {"uri": uri}
    from typer.testing import CliRunner

    from towpath_cli.main import app

    done = CliRunner().invoke(app, ["bind", "orders"])
    assert f"uri: {uri}\n" in done.stdout and uri not in done.stderr


def test_plugins(run) -> None:
    done = run("plugins")
    assert "acme" in done.stdout and "ImportError" in done.stdout


def test_tokens(run, served: Served) -> None:
    made = run("token", "create", "ci", "-s", "catalog:read", "-s", "runs:read", "--days", "7")
    assert made.stdout.startswith("tow_pat_") and made.stdout.count("\n") == 1
    [id] = served.tokens
    assert id in made.stderr and made.stdout.strip() not in made.stderr
    assert "catalog:read runs:read" in " ".join(run("token", "ls").stdout.split())
    assert run("token", "revoke", id).exit_code == 0
    assert run("token", "revoke", id).exit_code == 3
    assert json.loads(run("token", "create", "x", "-s", "a", "-o", "json").stdout)["id"]


def test_version(run) -> None:
    assert run("version").stdout.startswith("towpath ")
    assert json.loads(run("version", "-o", "json").stdout)["version"]


def test_login_and_logout(run, url: str, environ: dict[str, str], monkeypatch) -> None:
    monkeypatch.delenv("TOWPATH_TOKEN")
    monkeypatch.delenv("TOWPATH_URL")
    path = Path(environ["TOWPATH_LOGINS"])
    assert run("get").exit_code == 4
    done = run("login", "--url", url + "/", "--token-stdin", input=f"{TOKEN}\n")
    assert done.exit_code == 0 and "as ann" in done.stderr and TOKEN not in done.output
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("get").exit_code == 0
    assert run("logout").exit_code == 0
    assert Logins.load(path) == Logins()
    assert run("get").exit_code == 4
    assert run("logout").exit_code == 2


def test_a_token_that_is_not_known_is_not_kept(run, url: str, environ, monkeypatch) -> None:
    monkeypatch.delenv("TOWPATH_TOKEN")
    done = run("login", "--url", url, input="tow_pat_wrong")
    assert done.exit_code == 4 and "tow_pat_wrong" not in done.output
    assert not Path(environ["TOWPATH_LOGINS"]).exists()
    assert run("login", "--url", url, "--token-stdin", input="").exit_code == 2


def test_tables_fit_whatever_they_hold(run, served: Served) -> None:
    long = entity("Component", "x" * 63, type="y" * 200, owner="z" * 200)
    long["metadata"]["title"] = "w " * 300
    served.entities[ref_of(long)] = long
    assert "x" * 15 in run("get", "component").stdout
    assert run("get", ref_of(long)).exit_code == 0
    held = served.finished("scaffold", "t" * 500, {"a" * 100: "b" * 500})
    assert held.id in run("runs", "ls").stdout
    assert run("runs", "show", held.id).exit_code == 0
