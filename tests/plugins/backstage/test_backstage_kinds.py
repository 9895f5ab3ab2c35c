"""The kinds: what each field may hold, and which relations it states."""

from __future__ import annotations

from typing import Any

import pytest

from towpath_backstage.kinds import KINDS
from towpath_core.catalog import EntityKind
from towpath_core.entities import Entity
from towpath_core.errors import Problem

BY_NAME = {kind.name: kind for kind in KINDS}
CATALOG = "backstage.io/v1alpha1"
SCAFFOLDER = "scaffolder.backstage.io/v1beta3"

GOOD: dict[str, dict[str, Any]] = {
    "Component": {"type": "service", "lifecycle": "production", "owner": "team-a"},
    "API": {"type": "openapi", "lifecycle": "production", "owner": "team-a", "definition": "x"},
    "Resource": {"type": "database", "owner": "team-a"},
    "System": {"owner": "team-a"},
    "Domain": {"owner": "team-a"},
    "Group": {"type": "team", "children": []},
    "User": {"memberOf": []},
    "Location": {},
    "Template": {"type": "service", "steps": []},
    "AiResource": {"type": "guide", "lifecycle": "production", "owner": "team-a"},
}


def entity(kind: str, spec: dict[str, Any], namespace: str = "default") -> Entity:
    version = SCAFFOLDER if kind == "Template" else CATALOG
    return Entity(version, kind, {"name": "Thing", "namespace": namespace}, spec)


def check(kind: str, spec: dict[str, Any]) -> list[Problem]:
    return BY_NAME[kind].check(entity(kind, spec))


def test_there_are_ten() -> None:
    assert list(BY_NAME) == list(GOOD)
    assert all(isinstance(kind, EntityKind) for kind in KINDS)
    assert repr(BY_NAME["API"]) == "<DeclaredKind API>"


@pytest.mark.parametrize("kind", GOOD)
def test_the_least_spec_is_good(kind: str) -> None:
    assert check(kind, GOOD[kind]) == []


@pytest.mark.parametrize("kind", GOOD)
def test_unknown_fields_are_allowed(kind: str) -> None:
    assert check(kind, {**GOOD[kind], "x-own": {"a": [None]}, "other": None}) == []


REQUIRED = [(kind, field) for kind, spec in GOOD.items() for field in spec]


@pytest.mark.parametrize(("kind", "field"), REQUIRED)
def test_each_of_its_fields_is_required(kind: str, field: str) -> None:
    spec = {name: value for name, value in GOOD[kind].items() if name != field}
    (problem,) = check(kind, spec)
    assert problem.code == "spec"
    assert problem.place.pointer == f"/spec/{field}"
    assert problem.message.startswith(f"{field} is missing (")


TEXTS = {
    "Component": ["type", "lifecycle", "owner", "system", "subcomponentOf"],
    "API": ["type", "lifecycle", "owner", "system", "definition"],
    "Resource": ["type", "owner", "system"],
    "System": ["owner", "domain", "type"],
    "Domain": ["owner", "subdomainOf", "type"],
    "Group": ["type", "parent"],
    "User": [],
    "Location": ["type", "target"],
    "Template": ["type", "owner", "lifecycle"],
}
LISTS = {
    "Component": ["providesApis", "consumesApis", "dependsOn"],
    "Resource": ["dependsOn"],
    "Group": ["children", "members"],
    "User": ["memberOf"],
    "Location": ["targets"],
}
NOT_TEXT = [None, "", 0, 1.5, True, [], ["a"], {}, {"a": "b"}, {"$other": "x"}]
NOT_LIST = [None, "", "a", 0, False, {}, {"a": "b"}]


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fs in TEXTS.items() for f in fs])
def test_text_fields(kind: str, field: str) -> None:
    assert check(kind, {**GOOD[kind], field: "a"}) == []
    for value in NOT_TEXT:
        (problem,) = check(kind, {**GOOD[kind], field: value})
        assert (problem.code, problem.place.pointer) == ("spec", f"/spec/{field}"), value
        assert field in problem.message


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fs in LISTS.items() for f in fs])
def test_list_fields(kind: str, field: str) -> None:
    assert check(kind, {**GOOD[kind], field: []}) == []
    assert check(kind, {**GOOD[kind], field: ["component:a", "component:b/c"]}) == []
    for value in NOT_LIST:
        (problem,) = check(kind, {**GOOD[kind], field: value})
        assert (problem.code, problem.place.pointer) == ("spec", f"/spec/{field}"), value
    for item in NOT_TEXT:
        (problem,) = check(kind, {**GOOD[kind], field: ["component:a", item]})
        assert (problem.code, problem.place.pointer) == ("spec", f"/spec/{field}/1"), item
        assert f"item 1 of {field}" in problem.message


@pytest.mark.parametrize("kind", ["Component", "Resource"])
def test_dependency_of_is_what_backstage_takes_for_one(kind: str) -> None:
    def pointers(value: Any) -> list[str | None]:
        return [p.place.pointer for p in check(kind, {**GOOD[kind], "dependencyOf": value})]

    for good in ([], ["component:a"], "component:a", "", None, False, 0):
        assert pointers(good) == []
    for bad in ("a", 1, True, {"a": 1}):
        assert pointers(bad) == ["/spec/dependencyOf"]
    assert pointers(["component:a", "b", 1]) == ["/spec/dependencyOf/2", "/spec/dependencyOf/1"]


AI = {"lifecycle": "x", "owner": "o"}
AI_CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "skill", "dependsOn": ["a", "ns/b"], "agents": []}, []),
    ({"type": "skill", "compatibility": "x" * 500}, []),
    ({"type": "skill", "compatibility": "x" * 501}, ["/spec/compatibility"]),
    ({"type": "rule"}, ["/spec/category", "/spec/rationale"]),
    ({"type": "rule", "category": "c", "rationale": "r", "skills": 1}, []),
    ({"type": "plugin"}, ["/spec/skills"]),
    ({"type": "plugin", "skills": [], "version": ""}, ["/spec/version"]),
    ({"type": "marketplace", "plugins": [""]}, ["/spec/plugins/0"]),
    ({"type": "guide", "skills": 1}, []),
]


@pytest.mark.parametrize(("spec", "pointers"), AI_CASES)
def test_ai_resources_have_the_fields_of_their_type(
    spec: dict[str, Any], pointers: list[str]
) -> None:
    assert [p.place.pointer for p in check("AiResource", {**AI, **spec})] == pointers


def test_a_plugin_has_its_skills_as_parts() -> None:
    found = BY_NAME["AiResource"].relations(
        entity("AiResource", {**AI, "type": "plugin", "skills": ["s"]}, "ns")
    )
    edges = {(r.source, r.type, r.target) for r in found}
    assert ("airesource:ns/thing", "hasPart", "airesource:ns/s") in edges
    assert ("airesource:ns/s", "partOf", "airesource:ns/thing") in edges


STEP = {"action": "debug:log"}
REMOTE = {"type": "streamable-http", "url": "https://mcp.example.com"}
MCP = {"type": "mcp-server", "lifecycle": "x", "owner": "o"}

CASES: list[tuple[str, dict[str, Any], str | None]] = [
    ("Group", {"profile": {}}, None),
    ("Group", {"profile": {"displayName": "A", "email": "a@b", "picture": "x", "o": 1}}, None),
    ("Group", {"profile": {"email": ""}}, "/spec/profile/email"),
    ("Group", {"profile": []}, "/spec/profile"),
    ("User", {"profile": {"displayName": "A"}}, None),
    ("User", {"profile": {"displayName": 1}}, "/spec/profile/displayName"),
    ("User", {"profile": {"picture": None}}, "/spec/profile/picture"),
    ("User", {"profile": None}, "/spec/profile"),
    ("Location", {"presence": "required"}, None),
    ("Location", {"presence": "optional"}, None),
    ("Location", {"presence": "maybe"}, "/spec/presence"),
    ("Location", {"presence": None}, "/spec/presence"),
    ("Location", {"presence": ["required"]}, "/spec/presence"),
    ("API", {**MCP, "remotes": [REMOTE]}, None),
    ("API", {**MCP, "remotes": []}, "/spec/remotes"),
    ("API", {**MCP, "remotes": "x"}, "/spec/remotes"),
    ("API", {**MCP, "remotes": [{"type": "x"}]}, "/spec/remotes/0/url"),
    ("API", {**MCP, "remotes": [REMOTE, {"type": "", "url": "x"}]}, "/spec/remotes/1/type"),
    ("API", {**MCP, "remotes": ["x"]}, "/spec/remotes/0"),
    ("API", {"remotes": "anything"}, None),
    ("API", {"definition": {"$text": "./openapi.yaml"}}, None),
    ("API", {"definition": {"$openapi": "./openapi.yaml"}}, None),
    ("API", {"definition": {"$text": "a", "b": "c"}}, "/spec/definition"),
    ("Component", {"dependsOn": {"$yaml": "./dependencies.yaml"}}, None),
    ("Template", {"steps": [STEP]}, None),
    ("Template", {"steps": [{"$yaml": "./step.yaml"}, STEP]}, None),
    ("Template", {"steps": {"$yaml": "./steps.yaml"}}, None),
    ("Template", {"steps": [{**STEP, "id": "a", "name": "", "input": {}, "x": 1}]}, None),
    ("Template", {"steps": [{**STEP, "if": True}, {**STEP, "if": "${{ x }}"}]}, None),
    ("Template", {"steps": [{**STEP, "each": ["a"]}, {**STEP, "each": "${{ x }}"}]}, None),
    ("Template", {"steps": {}}, "/spec/steps"),
    ("Template", {"steps": ["x"]}, "/spec/steps/0"),
    ("Template", {"steps": [{"id": "a"}]}, "/spec/steps/0/action"),
    ("Template", {"steps": [{"action": ""}]}, None),
    ("Template", {"steps": [{"action": 1}]}, "/spec/steps/0/action"),
    ("Template", {"steps": [STEP, {**STEP, "if": 1}]}, "/spec/steps/1/if"),
    ("Template", {"steps": [{**STEP, "each": 1}]}, "/spec/steps/0/each"),
    ("Template", {"steps": [{**STEP, "input": []}]}, "/spec/steps/0/input"),
    ("Template", {"steps": [{**STEP, "id": 1}]}, "/spec/steps/0/id"),
    ("Template", {"parameters": {}}, None),
    ("Template", {"parameters": [{"title": "A"}, {"$yaml": "./page.yaml"}]}, None),
    ("Template", {"parameters": "x"}, "/spec/parameters"),
    ("Template", {"parameters": ["x"]}, "/spec/parameters/0"),
    ("Template", {"output": {"links": [{"url": "x", "if": False}], "remoteUrl": "y"}}, None),
    ("Template", {"output": {"links": {}}}, "/spec/output/links"),
    ("Template", {"output": {"links": [{"url": ""}]}}, "/spec/output/links/0/url"),
    ("Template", {"output": {"text": [{"title": "a", "content": ""}]}}, None),
    ("Template", {"output": {"text": [{"content": 1}]}}, "/spec/output/text/0/content"),
    ("Template", {"output": {"a/b": 1}}, "/spec/output/a~1b"),
    ("Template", {"presentation": {"buttonLabels": {"createButtonText": "Go"}}}, None),
    (
        "Template",
        {"presentation": {"buttonLabels": {"createButtonText": 1}}},
        "/spec/presentation/buttonLabels/createButtonText",
    ),
    ("Template", {"secrets": {"schema": []}}, "/spec/secrets/schema"),
    ("Template", {"formDecorators": [{"id": "a", "input": {}}]}, None),
    ("Template", {"formDecorators": [{"id": 1}]}, "/spec/formDecorators/0/id"),
]


@pytest.mark.parametrize(("kind", "more", "pointer"), CASES)
def test_fields_with_structure(kind: str, more: dict[str, Any], pointer: str | None) -> None:
    pointers = [problem.place.pointer for problem in check(kind, {**GOOD[kind], **more})]
    assert pointers == ([] if pointer is None else [pointer])


def test_an_mcp_server_needs_remotes_or_a_definition() -> None:
    (problem,) = check("API", MCP)
    assert problem.place.pointer == "/spec/remotes"
    assert check("API", {**MCP, "definition": "x"}) == []


OWN_VERSION = {"Template", "AiResource"}


@pytest.mark.parametrize("version", ["backstage.io/v1alpha1", "backstage.io/v1beta1"])
@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind not in OWN_VERSION])
def test_versions_of_catalog_kinds(kind: str, version: str) -> None:
    assert version in BY_NAME[kind].api_versions
    made = Entity(version, kind, {"name": "x"}, GOOD[kind])
    assert BY_NAME[kind].check(made) == []


@pytest.mark.parametrize("version", ["backstage.io/v1beta2", "backstage.io/v1alpha1", "v1"])
def test_another_version_is_refused_with_the_right_one(version: str) -> None:
    made = Entity(version, "Template", {"name": "x"}, GOOD["Template"])
    (problem,) = BY_NAME["Template"].check(made)
    assert (problem.code, problem.place.pointer) == ("kind", "/apiVersion")
    assert SCAFFOLDER in problem.message
    assert version in problem.message


def test_a_kind_is_written_in_its_own_case() -> None:
    made = Entity(CATALOG, "component", {"name": "x"}, GOOD["Component"])
    (problem,) = BY_NAME["Component"].check(made)
    assert (problem.code, problem.place.pointer) == ("kind", "/kind")
    assert "Component" in problem.message


REFS = [
    ("Component", "dependsOn", ["foo"], "/spec/dependsOn/0", "component:foo"),
    ("Component", "dependsOn", ["resource:a", "ns/foo"], "/spec/dependsOn/1", "resource:ns/foo"),
    ("Resource", "dependencyOf", ["foo"], "/spec/dependencyOf/0", "component:foo"),
    ("Component", "dependsOn", [":foo"], "/spec/dependsOn/0", "[kind:][namespace/]name"),
    ("Component", "dependsOn", ["component:"], "/spec/dependsOn/0", "[kind:][namespace/]name"),
    ("Component", "owner", "group:", "/spec/owner", "empty"),
    ("Component", "owner", "/team", "/spec/owner", "empty"),
    ("Component", "owner", "ns/", "/spec/owner", "empty"),
    ("Component", "providesApis", ["a", "api:x/"], "/spec/providesApis/1", "empty"),
    ("System", "domain", ":", "/spec/domain", "empty"),
    ("Component", "owner", "x" * 192, "/spec/owner", "191"),
    ("Group", "members", ["x" * 5_000_000], "/spec/members/0", "5,000,000"),
    ("User", "memberOf", ["a", "group:b", "group:"], "/spec/memberOf/2", "empty"),
]


@pytest.mark.parametrize(("kind", "field", "value", "pointer", "part"), REFS)
def test_references_are_checked(kind: str, field: str, value: Any, pointer: str, part: str) -> None:
    (problem,) = check(kind, {**GOOD[kind], field: value})
    assert (problem.code, problem.place.pointer) == ("ref", pointer)
    assert part in problem.message
    assert len(problem.message) < 400


def test_messages_hold_no_control_characters_and_say_what_is_right() -> None:
    (problem,) = check("Component", {**GOOD["Component"], "dependsOn": ["a\x1b[31m\n"]})
    assert problem.message.isprintable()
    (problem,) = check("Component", {**GOOD["Component"], "owner": 5})
    assert problem.message == (
        "owner must be a text, not the number 5; quote it "
        "(the group or user that owns it, such as group:default/payments)"
    )


def test_problems_are_capped() -> None:
    assert len(check("Group", {**GOOD["Group"], "members": [1] * 50_000})) == 100


RELATIONS = [
    ("Component", "owner", "Team", "ownedBy", "ownerOf", "group:ns/team"),
    ("Component", "owner", "user:default/Jo", "ownedBy", "ownerOf", "user:default/jo"),
    ("Component", "system", "s", "partOf", "hasPart", "system:ns/s"),
    ("Component", "subcomponentOf", "c", "partOf", "hasPart", "component:ns/c"),
    ("Component", "providesApis", ["a"], "providesApi", "apiProvidedBy", "api:ns/a"),
    ("Component", "consumesApis", ["a"], "consumesApi", "apiConsumedBy", "api:ns/a"),
    ("Component", "dependsOn", ["resource:r"], "dependsOn", "dependencyOf", "resource:ns/r"),
    ("Component", "dependencyOf", ["component:c"], "dependencyOf", "dependsOn", "component:ns/c"),
    ("API", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("API", "system", "o/s", "partOf", "hasPart", "system:o/s"),
    ("Resource", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("Resource", "system", "s", "partOf", "hasPart", "system:ns/s"),
    ("Resource", "dependsOn", ["API:a"], "dependsOn", "dependencyOf", "api:ns/a"),
    ("Resource", "dependencyOf", ["api:a"], "dependencyOf", "dependsOn", "api:ns/a"),
    ("System", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("System", "domain", "d", "partOf", "hasPart", "domain:ns/d"),
    ("Domain", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("Domain", "subdomainOf", "d", "partOf", "hasPart", "domain:ns/d"),
    ("Group", "parent", "g", "childOf", "parentOf", "group:ns/g"),
    ("Group", "children", ["g"], "parentOf", "childOf", "group:ns/g"),
    ("Group", "members", ["u"], "hasMember", "memberOf", "user:ns/u"),
    ("User", "memberOf", ["g"], "memberOf", "hasMember", "group:ns/g"),
    ("Template", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("AiResource", "owner", "o", "ownedBy", "ownerOf", "group:ns/o"),
    ("AiResource", "system", "s", "partOf", "hasPart", "system:ns/s"),
]


@pytest.mark.parametrize(("kind", "field", "value", "there", "back", "target"), RELATIONS)
def test_relations_go_both_ways(
    kind: str, field: str, value: Any, there: str, back: str, target: str
) -> None:
    found = list(BY_NAME[kind].relations(entity(kind, {field: value}, "ns")))
    source = f"{kind.lower()}:ns/thing"
    assert [(r.source, r.type, r.target) for r in found] == [
        (source, there, target),
        (target, back, source),
    ]


def test_every_field_with_an_edge_is_in_the_table_above() -> None:
    declared = {(k.name, f.name) for k in KINDS for f, _ in k._fields if f.edge}
    assert declared == {(kind, field) for kind, field, *_ in RELATIONS}


def test_relations_are_distinct() -> None:
    spec = {
        **GOOD["Component"],
        "system": "a",
        "subcomponentOf": "system:a",
        "dependsOn": ["component:B", "component:default/b", "Component:b"],
    }
    found = list(BY_NAME["Component"].relations(entity("Component", spec)))
    assert len(found) == len(set(found)) == 6


def test_a_relation_to_itself_is_stated() -> None:
    spec = {**GOOD["Component"], "dependsOn": ["component:thing"]}
    found = [(r.type, r.target) for r in BY_NAME["Component"].relations(entity("Component", spec))]
    assert ("dependsOn", "component:default/thing") in found
    assert ("dependencyOf", "component:default/thing") in found


def test_locations_state_no_relation() -> None:
    assert list(BY_NAME["Location"].relations(entity("Location", {"target": "./a"}))) == []


def test_an_mcp_server_is_owned_too() -> None:
    found = list(BY_NAME["API"].relations(entity("API", {**MCP, "remotes": [REMOTE]})))
    assert [r.type for r in found] == ["ownedBy", "ownerOf"]
