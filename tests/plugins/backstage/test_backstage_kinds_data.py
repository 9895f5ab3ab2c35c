"""Kinds that a file declares: schema, relations, defaults, and what is wrong in such a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from towpath_backstage.kinds.data import kinds_from
from towpath_backstage.kinds.schema import SchemaKind
from towpath_backstage.plugin import towpath_entity_kinds
from towpath_core.catalog import CompletingKind, EntityKind
from towpath_core.entities import Entity
from towpath_core.errors import SettingsError
from towpath_core.testing import EntityKindContract

KINDS = """\
kind: Server
apiVersions: [acme.com/v1, acme.com/v2]
description: A machine.
schema:
  type: object
  required: [owner, size]
  properties:
    owner: {type: string, minLength: 1}
    size: {enum: [small, large]}
    runs: {type: array, items: {type: string}}
    disk:
      type: object
      properties:
        encrypted: {type: boolean}
        gigabytes: {$ref: "#/definitions/count"}
  definitions:
    count: {type: integer, minimum: 1}
relations:
  - {field: owner, defaultKind: Group, forward: ownedBy, reverse: ownerOf}
  - {field: runs, forward: runs, reverse: runsOn}
defaults:
  size: small
  disk: {encrypted: true, gigabytes: 10}
---
kind: Rack
apiVersions: [acme.com/v1]
"""


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-kind.md"


def test_the_example_on_the_page_is_good(tmp_path: Path) -> None:
    (text,) = re.findall(
        r"```yaml title=\"/etc/towpath/kinds.yaml\"\n(.*?)```", PAGE.read_text(), re.S
    )
    path = tmp_path / "kinds.yaml"
    path.write_text(text)
    (server,) = kinds_from([str(path)])
    assert server.check(server.complete(entity({"owner": "ops", "runs": ["component:x"]}))) == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kinds.yaml"
    path.write_text(KINDS)
    return path


@pytest.fixture
def server(file: Path) -> SchemaKind:
    return kinds_from([str(file)])[0]


def entity(spec: dict[str, Any]) -> Entity:
    return Entity("acme.com/v1", "Server", {"name": "s1", "namespace": "ops"}, spec)


def test_a_file_declares_kinds(file: Path) -> None:
    server, rack = kinds_from([str(file)])
    assert (server.name, server.api_versions) == ("Server", {"acme.com/v1", "acme.com/v2"})
    assert repr(server) == "<SchemaKind Server>"
    assert isinstance(server, EntityKind) and isinstance(server, CompletingKind)
    assert rack.check(Entity("acme.com/v1", "Rack", {"name": "r"})) == []
    assert list(rack.relations(Entity("acme.com/v1", "Rack", {"name": "r"}))) == []


def test_the_revision_changes_with_the_declaration(file: Path) -> None:
    before = [kind.revision for kind in kinds_from([str(file)])]
    file.write_text("# a comment\n" + KINDS.replace("gigabytes: 10", "gigabytes: 20"))
    after = [kind.revision for kind in kinds_from([str(file)])]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_a_folder_holds_files(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.txt"):
        (tmp_path / name).write_text(f"kind: {name[0].upper()}\napiVersions: [v1]\n")
    assert [kind.name for kind in kinds_from([str(tmp_path)])] == ["A", "B"]


def test_defaults_fill_what_is_missing(server: SchemaKind) -> None:
    given = entity({"owner": "a", "disk": {"gigabytes": 5}})
    full = server.complete(given)
    assert full.spec == {
        "owner": "a",
        "size": "small",
        "disk": {"gigabytes": 5, "encrypted": True},
    }
    assert given.spec == {"owner": "a", "disk": {"gigabytes": 5}}
    assert server.complete(full) is full
    other = server.complete(entity({"owner": "a", "disk": "none", "size": None}))
    assert other.spec == {"owner": "a", "disk": "none", "size": None}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"owner": "a", "size": "small"}, []),
        ({"owner": "a", "size": "small", "more": [1]}, []),
        ({"size": "small"}, ["/spec/owner"]),
        ({"owner": "", "size": "tiny"}, ["/spec/owner", "/spec/size"]),
        ({"owner": "a", "size": "small", "disk": {"gigabytes": 0}}, ["/spec/disk/gigabytes"]),
        ({"owner": "a", "size": "small", "runs": ["x"]}, ["/spec/runs/0"]),
        ({"owner": ":", "size": "small"}, ["/spec/owner"]),
        ({"owner": "a", "size": "small", "runs": ["component:x"]}, []),
    ],
)
def test_problems_have_pointers(server: SchemaKind, spec: dict[str, Any], found: list[str]) -> None:
    assert [problem.place.pointer for problem in server.check(entity(spec))] == found


def test_relations_go_both_ways(server: SchemaKind) -> None:
    spec = {"owner": "a", "size": "small", "runs": ["component:x", "Component:ops/X"]}
    assert [(r.source, r.type, r.target) for r in server.relations(entity(spec))] == [
        ("server:ops/s1", "ownedBy", "group:ops/a"),
        ("group:ops/a", "ownerOf", "server:ops/s1"),
        ("server:ops/s1", "runs", "component:ops/x"),
        ("component:ops/x", "runsOn", "server:ops/s1"),
    ]


def test_messages_are_short_and_printable(server: SchemaKind) -> None:
    (problem,) = server.check(entity({"owner": "a", "size": "\x1b\u202e" + "x" * 10_000}))
    assert problem.message.isprintable()
    assert len(problem.message) < 320


def test_hostile_specs_are_problems(server: SchemaKind) -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(2_000):
        inner["a"] = inner = {}
    for value in (deep, 10**400, "\ud800", float("nan")):
        server.check(entity({"owner": "a", "size": "small", "more": value}))


WRONG = [
    ("kind: Server", "1:1: Object missing required field `apiVersions`"),
    ("kind: server\napiVersions: [v1]", "1:1 (/kind): "),
    ("kind: Server\napiVersions: []", "2:1 (/apiVersions): "),
    ("kind: Server\napiVersions:\n  - '-/v1'", "3:5 (/apiVersions/0): "),
    ("kind: A\napiVersions: [v1]\nmore: 1", "1:1: Object contains unknown field `more`"),
    ("kind: A\napiVersions: [v1]\nschema:\n  type: objct", "4:3 (/schema/type): "),
    ("kind: A\napiVersions: [v1]\nschema:\n  properties: {a: {pattern: '('}}", "(/schema/prop"),
    ("kind: A\napiVersions: [v1]\nschema:\n  $ref: http://x.example/y", "lead into the schema"),
    ("kind: A\napiVersions: [v1]\nschema: {$ref: '#/none'}", "does not exist"),
    ("kind: A\napiVersions: [v1]\nschema: {$ref: '#'}", "leads back to itself"),
    (
        "kind: A\napiVersions: [v1]\nschema:\n  allOf: [{$ref: '#/definitions/a'}]\n"
        "  definitions: {a: {anyOf: [{not: {$ref: '#/definitions/a'}}]}}",
        "leads back to itself",
    ),
    (
        "kind: A\napiVersions: [v1]\nrelations:\n  - {field: a, forward: b}",
        "4:5 (/relations/0): Object missing required field `reverse`",
    ),
    (
        "kind: A\napiVersions: [v1]\nrelations:\n  - &r {field: a, forward: b, reverse: c}\n  - *r",
        "(/relations/1/field): the field a has a relation already",
    ),
    (
        "kind: A\napiVersions: [v1]\nschema: {properties: {a: {type: string}}}\ndefaults:\n  a: 5",
        "5:3 (/defaults/a): ",
    ),
    ("kind: A\nkind: B", "2:1: the key 'kind' stands twice"),
    ("a: [", "not YAML"),
]


@pytest.mark.parametrize(("text", "part"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_in_a_file_is_named_with_its_place(
    tmp_path: Path, text: str, part: str
) -> None:
    path = tmp_path / "kinds.yaml"
    path.write_text(text + "\n")
    with pytest.raises(SettingsError) as caught:
        kinds_from([str(path)])
    assert caught.value.what.startswith(f"{path}:")
    assert part in caught.value.what


def test_a_schema_may_describe_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "kinds.yaml"
    path.write_text(
        "kind: Tree\napiVersions: [v1]\nschema: {properties: {next: {$ref: '#'}, "
        "n: {type: integer}}}\n"
    )
    (tree,) = kinds_from([str(path)])
    spec = {"next": {"next": {"n": "x"}}}
    (problem,) = tree.check(Entity("v1", "Tree", {"name": "t"}, spec))
    assert problem.place.pointer == "/spec/next/next/n"


@pytest.mark.parametrize("path", ["kinds.yaml", "x/y.yaml", "/none/such/kinds.yaml"])
def test_files_that_cannot_be_read_are_named(path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        kinds_from([path])
    assert path in caught.value.what


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "kinds.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="more than"):
        kinds_from([str(path)])


def test_the_plugin_offers_them_beside_its_own(file: Path) -> None:
    own = list(towpath_entity_kinds(settings={}))
    found = list(towpath_entity_kinds(settings={"kinds": [str(file)]}))
    assert [kind.name for kind in found[len(own) :]] == ["Server", "Rack"]


class TestDeclaredServer(EntityKindContract):
    """A kind that a file declares keeps to what kinds in code keep to."""

    @pytest.fixture
    def kind(self, server: SchemaKind) -> SchemaKind:
        return server

    @pytest.fixture
    def good(self) -> Entity:
        return entity({"owner": "a", "size": "large", "runs": ["component:x"], "disk": {}})

    @pytest.fixture
    def bad(self) -> list[Entity]:
        return [entity(spec) for spec in ({}, {"owner": ":"}, {"owner": "a", "size": 5})]
