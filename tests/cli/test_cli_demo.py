"""The demo, against a platform whose git repository and whose database are real."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contract_server import Platform as Served
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from towpath_cli.database import Account, Refused, client, log_in
from towpath_cli.failure import Failed
from towpath_engine.store.embedded import EmbeddedServer


class Databases:
    """Makes what a provisioner would: a role and a database of its own for each resource."""

    def __init__(self, admin_url: str) -> None:
        self.admin = admin_url
        self.where = conninfo_to_dict(admin_url)

    def bind(self, resource: Any) -> dict[str, str]:
        name = resource["name"].replace("-", "_")
        self.run(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p''s ecret'").format(sql.Identifier(name)),
            sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)),
        )
        return {
            "host": str(self.where["host"]),
            "port": str(self.where["port"]),
            "username": name,
            "password": "p's ecret",
            "database": name,
        }

    def drop(self, resource: Any) -> None:
        name = sql.Identifier(resource["name"].replace("-", "_"))
        self.run(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name),
            sql.SQL("DROP ROLE IF EXISTS {}").format(name),
        )

    def run(self, *statements: sql.Composed) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def databases(pg_server: EmbeddedServer) -> Databases:
    return Databases(pg_server.admin_url())


@pytest.fixture
def whole(served: Served, tmp_path: Path, databases: Databases) -> Served:
    """A platform that publishes to a real repository and hands out a real database."""

    def publish(values: Any) -> Any:
        work = tmp_path / "work"
        work.mkdir()
        (work / "README.md").write_text(f"# {values['name']}\n")
        (work / "src").mkdir()
        (work / "src" / "main.py").write_text("print('hello')\n")
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
            subprocess.run(["git", *words], cwd=work, check=True)
        bare = tmp_path / "bare.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
        ref = f"component:default/{values['name']}"
        return {"remoteUrl": bare.as_uri(), "entityRef": ref}

    served.scaffold = publish
    served.bind = databases.bind
    served.drop = databases.drop
    return served


def test_all_is_as_it_should_be(run, whole: Served) -> None:
    done = run("demo")
    assert done.exit_code == 0, done.output
    assert "67 entities from /srv/catalog/demo/all.yaml" in done.stdout
    assert "     src/main.py\n" in done.stdout
    assert "is in the catalog" in done.stdout
    assert "logged in as demo_" in done.stdout
    assert "deleted; logging in fails:" in done.stdout
    assert done.stdout.endswith("Everything is as it should be.\n")
    assert "p's ecret" not in done.output
    assert [one["phase"] for one in whole.resources.values()] == ["deleted"]
    values = whole.calls("POST", ".*/tasks")[0].body["values"]
    assert values["owner"] == "user:default/ann" and values["port"] == 8000


def test_programs_get_what_was_made(run, whole: Served) -> None:
    made = json.loads(run("demo", "-o", "json").stdout)
    assert made["catalog"]["entities"] == 67
    assert made["template"]["files"] == ["README.md", "src/main.py"]
    assert made["database"]["resource"] in whole.resources


def test_credentials_that_outlive_their_resource_are_told(run, whole: Served) -> None:
    whole.drop = lambda resource: None
    try:
        done = run("demo")
        assert done.exit_code == 1
        assert "its credentials still open it" in done.stderr
    finally:
        for resource in whole.resources.values():
            Databases(whole.bind.__self__.admin).drop(resource)  # type: ignore[attr-defined]


def test_credentials_that_open_nothing_are_told_and_the_resource_is_named(
    run, whole: Served, databases: Databases
) -> None:
    whole.bind = lambda resource: {**databases.bind(resource), "password": "wrong-one"}
    done = run("demo")
    assert done.exit_code == 1
    assert "The new credentials open nothing." in done.stderr and "wrong-one" not in done.output
    [id] = whole.resources
    assert f"towpath resources delete {id}" in done.stderr
    databases.drop(whole.resources[id])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"demoLocation": None}, "brings no sample catalog"),
        ({"demoLocation": "/srv/few.yaml"}, "there should be 61"),
        ({"demoTemplate": None}, "brings no sample template"),
        ({"demoTemplate": "template:default/none"}, "not found"),
    ],
)
def test_what_a_platform_does_not_bring(
    run, served: Served, change: dict[str, Any], said: str
) -> None:
    served.info = {k: v for k, v in {**served.info, **change}.items() if v is not None}
    done = run("demo")
    assert done.exit_code != 0 and said in done.stderr


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({}, "did not say where"),
        (
            {"remoteUrl": "ext::sh -c 'touch {folder}/hit'", "entityRef": "a:b/c"},
            "cannot be cloned",
        ),
        ({"remoteUrl": "--upload-pack=touch {folder}/hit", "entityRef": "a:b/c"}, "cannot be"),
    ],
)
def test_a_repository_that_is_none(
    run, served: Served, tmp_path: Path, output: dict[str, str], said: str
) -> None:
    made = {key: value.replace("{folder}", str(tmp_path)) for key, value in output.items()}
    served.scaffold = lambda values: made
    done = run("demo")
    assert done.exit_code == 1 and said in done.stderr
    assert not (tmp_path / "hit").exists()


def test_problems_of_the_sample_catalog_are_told(run, served: Served) -> None:
    served.problems = [{"code": "x", "message": "bad", "file": "a.yaml", "line": 2}]
    done = run("demo")
    assert done.exit_code == 1 and "a.yaml:2: bad" in done.stderr


# ---- logging in to a database -------------------------------------------------------------------


@pytest.mark.parametrize("using", ["psycopg", "psql"])
def test_both_clients_log_in_and_are_refused(databases: Databases, using: str) -> None:
    resource = {"name": f"login-{using}"}
    values = databases.bind(resource)
    try:
        account = Account.of(values)
        assert log_in(account, using=using) == f"login_{using}@login_{using}"
        wrong = Account.of({**values, "password": "wrong-one"})
        with pytest.raises(Refused) as caught:
            log_in(wrong, using=using)
        assert str(caught.value) and "wrong-one" not in str(caught.value)
    finally:
        databases.drop(resource)
    with pytest.raises(Refused):
        log_in(account, using=using)


def test_credentials_may_be_one_address() -> None:
    address = "postgresql://u%40x:p%2Fw@h.example:6543/d?sslmode=require"
    account = Account.of({"uri": address})
    assert (account.host, account.port, account.user) == ("h.example", "6543", "u@x")
    assert (account.password, account.database) == ("p/w", "d")
    assert "p/w" not in repr(account)
    assert Account.of({"uri": address, "host": "other"}).host == "other"
    assert Account.of({"uri": "postgresql://u:p@/d?host=/run/pg"}).host == "/run/pg"


@pytest.mark.parametrize("values", [{}, {"uri": "postgresql://[::1"}, {"password": "s3cret"}])
def test_credentials_that_lack_something(values: dict[str, str]) -> None:
    with pytest.raises(Failed) as caught:
        Account.of(values)
    assert "s3cret" not in f"{caught.value.what} {caught.value.why}"


def test_without_any_client_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert client() == "psycopg"
    monkeypatch.setattr("towpath_cli.database.find_spec", lambda name: None)
    assert client() == "psql"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed) as caught:
        client()
    assert "psql" in str(caught.value.next)
