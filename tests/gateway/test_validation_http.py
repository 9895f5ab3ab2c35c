"""Validation through HTTP: many descriptors at once, and nothing is taken in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from live import Live

PATH = "/api/v1/catalog/validate"
COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: NAME
spec:
  type: service
  owner: group:tolls
  lifecycle: production
"""

pytestmark = pytest.mark.usefixtures("lives_on")


def asked(api: httpx.Client, **body: Any) -> Any:
    answer = api.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_each_document_has_its_findings(api: httpx.Client) -> None:
    good = COMPONENT.replace("NAME", "validated-only")
    bad = good.replace("  lifecycle: production\n", "").replace("validated-only", "bad_one-")
    found = asked(api, files=[{"name": "x/a.yaml", "content": f"{good}---\n{bad}"}])
    assert found["valid"] is False
    first, second = found["documents"]
    assert (first["file"], first["line"]) == ("x/a.yaml", 1)
    assert first["entityRef"] == "component:default/validated-only"
    assert first["problems"] == []
    assert [(w["code"], w["line"], w["column"], w["pointer"]) for w in first["warnings"]] == [
        ("dangling", 7, 3, "/spec/owner")
    ]
    assert [(p["code"], p["line"], p["pointer"]) for p in second["problems"]] == [
        ("envelope", 13, "/metadata/name")
    ]
    gone = api.get("/api/catalog/entities/by-name/component/default/validated-only")
    assert gone.status_code == 404


def test_entities_as_data_are_judged_with_files(api: httpx.Client) -> None:
    tolls = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": "tolls"},
        "spec": {"type": "team", "children": []},
    }
    files = [{"content": COMPONENT.replace("NAME", "a")}]
    found = asked(api, files=files, entities=[tolls])
    assert found == {
        "valid": True,
        "documents": [
            {
                "file": "catalog-info.yaml",
                "line": 1,
                "entityRef": "component:default/a",
                "problems": [],
                "warnings": [],
            },
            {"file": "#0", "entityRef": "group:default/tolls", "problems": [], "warnings": []},
        ],
    }


HOSTILE = [
    "[" * 100_000,
    "a: &a [*a]",
    "a: 1\na: 2",
    "a: !!python/object/apply:os.system [id]",
    "a: " + "9" * 100_000,
    'a: "x\\0y"',
    "---\n" * 20_000,
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_are_findings(api: httpx.Client, content: str) -> None:
    found = asked(api, files=[{"name": "a.yaml", "content": content}])
    assert found["valid"] is False
    assert found["documents"][-1]["problems"][0]["code"].startswith("yaml-")


WRONG: list[Any] = [
    {},
    {"files": [{"name": "a.yaml"}]},
    {"files": [{"content": "", "more": 1}]},
    {"files": [{"content": ""}] * 1_001},
    {"entities": [1] * 10_001},
    [],
]


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
def test_wrong_bodies_are_refused(api: httpx.Client, body: Any) -> None:
    answer = api.post(PATH, json=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_who_may_not_read_may_not_ask(live: Live) -> None:
    with live.scoped("runs:read") as other:
        assert other.post(PATH, json={"entities": [1]}).status_code == 403
    with live.client(token="") as nobody:
        nobody.headers.pop("authorization", None)
        assert nobody.post(PATH, json={"entities": [1]}).status_code == 401


def test_values_of_any_shape_are_findings(api: httpx.Client) -> None:
    found = asked(api, entities=[None, 1, "x", [], {}, {"kind": "Component"}])
    assert [bool(one["problems"]) for one in found["documents"]] == [True] * 6
