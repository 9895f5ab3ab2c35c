"""Plans, held deletions, tombstones, conflicts and reasons over HTTP, from end to end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from live import Live

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: {type}
  lifecycle: production
  owner: group:gatekeepers
"""
V1 = "/api/v1/catalog"


class Place:
    """A descriptor file of a test's own, with components that no other test has."""

    def __init__(self, api: httpx.Client, files: Path) -> None:
        self.api = api
        self.key = f"k{uuid.uuid4().hex[:8]}"
        self.file = files / f"{self.key}.yaml"
        self.id = ""

    def name(self, number: int) -> str:
        return f"{self.key}-{number:02}"

    def ref(self, number: int) -> str:
        return f"component:default/{self.name(number)}"

    def write(self, *numbers: int, type: str = "service", **others: str) -> None:
        documents = [COMPONENT.format(name=self.name(n), type=type) for n in numbers]
        documents += [COMPONENT.format(name=name, type=kind) for name, kind in others.items()]
        self.file.write_text("---\n".join(documents))

    def register(self) -> dict[str, Any]:
        made = self.api.post(f"{V1}/locations", json={"target": str(self.file)})
        assert made.status_code in (200, 201), made.text
        self.id = made.json()["id"]
        return made.json()

    def refresh(self, **params: str) -> dict[str, Any]:
        done = self.api.post(f"{V1}/locations/{self.id}/refresh", params=params)
        assert done.status_code == 200, done.text
        return done.json()

    def state(self) -> dict[str, Any]:
        return self.api.get(f"{V1}/locations/{self.id}").json()

    def uid(self, number: int) -> str | None:
        path = f"/api/catalog/entities/by-name/component/default/{self.name(number)}"
        found = self.api.get(path)
        return found.json()["metadata"]["uid"] if found.status_code == 200 else None

    def explain(self, number: int) -> dict[str, Any]:
        return self.api.get(f"{V1}/explain/component/default/{self.name(number)}").json()


@pytest.fixture
def place(api: httpx.Client, files: Path) -> Callable[[], Place]:
    return lambda: Place(api, files)


def test_what_vanishes_waits_is_confirmed_and_comes_back(api: httpx.Client, place: Any) -> None:
    here = place()
    here.write(*range(12))
    here.register()
    uid = here.uid(11)
    here.write(*range(6))
    report = here.refresh()
    held = report["held"]
    assert held["count"] == 6
    assert held["entityRefs"] == [here.ref(n) for n in range(6, 12)]
    assert [problem["code"] for problem in report["problems"]] == ["held"]
    assert here.state()["held"] == held
    assert here.uid(11) == uid
    why = here.explain(11)
    assert (why["state"], "confirms" in why["summary"]) == ("held", True)
    confirm = f"{V1}/locations/{here.id}/confirm"
    refused = api.post(confirm, json={"digest": "0" * 16})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    done = api.post(confirm, json={"digest": held["digest"]})
    assert done.json() == {"entityRefs": held["entityRefs"]}
    assert here.uid(11) is None
    assert here.state()["held"] is None
    assert api.post(confirm, json={"digest": held["digest"]}).status_code == 409
    assert here.explain(11)["state"] == "removed"
    buried = api.get(f"{V1}/tombstones", params={"ref": here.ref(11)}).json()["items"]
    assert [(one["uid"], one["reason"]) for one in buried] == [(uid, "vanished")]
    restored = api.post(f"{V1}/tombstones/{uid}/restore")
    assert restored.json() == {"entityRef": here.ref(11), "uid": uid}
    assert here.uid(11) == uid
    assert api.post(f"{V1}/tombstones/{uid}/restore").status_code == 404
    here.refresh()
    assert here.uid(11) == uid
    assert "restored" in here.explain(11)["summary"]


def test_tombstones_and_locations_come_in_pages(api: httpx.Client, place: Any) -> None:
    here = place()
    here.write(*range(7))
    here.register()
    api.delete(f"{V1}/locations/{here.id}")
    for path, params in ((f"{V1}/tombstones", {}), (f"{V1}/locations", {})):
        whole = api.get(path, params=params).json()["items"]
        seen, cursor = [], None
        while True:
            more = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
            page = api.get(path, params=params | more).json()
            seen += page["items"]
            cursor = page.get("nextCursor")
            if cursor is None:
                break
        # Folders are watched: one may have been read again between two pages.
        still = [{k: v for k, v in one.items() if k != "readAt"} for one in whole]
        assert [{k: v for k, v in one.items() if k != "readAt"} for one in seen] == still
    mine = [t for t in api.get(f"{V1}/tombstones").json()["items"] if here.key in t["ref"]]
    assert {one["reason"] for one in mine} == {"unregistered"} and len(mine) == 7


def test_a_plan_shows_all_and_does_nothing(api: httpx.Client, place: Any) -> None:
    here, there = place(), place()
    here.write(0, 1, 2)
    target = {"target": str(here.file)}
    plan = api.post(f"{V1}/locations/plan", json=target).json()
    assert plan["locationId"] is None
    assert {one["ref"] for one in plan["adds"]} >= {here.ref(n) for n in range(3)}
    assert here.uid(0) is None
    here.register()
    there.write(0, **{here.name(1): "other"})
    there.register()
    here.write(0, type="library")
    plan = api.post(f"{V1}/locations/plan", json=target).json()
    assert plan["locationId"] == here.id
    (change,) = plan["changes"]
    assert change["fields"] == [
        {"op": "replace", "pointer": "/spec/type", "old": "service", "new": "library"}
    ]
    assert [one["ref"] for one in plan["deletes"]] == [here.ref(2)]
    assert [one["ref"] for one in plan["handed"]] == [here.ref(1)]
    assert here.uid(2) is not None
    removal = api.delete(f"{V1}/locations/{here.id}", params={"dryRun": "true"}).json()
    assert {one["ref"] for one in removal["deletes"]} >= {here.ref(0), here.ref(2)}
    assert here.state()["id"] == here.id
    gone = api.delete(f"{V1}/locations/{here.id}").json()
    assert [one["ref"] for one in gone["handed"]] == [here.ref(1)]
    assert api.get(f"{V1}/locations/{here.id}").status_code == 404
    assert here.uid(0) is None and here.uid(1) is not None


def test_a_conflict_is_on_both_sides_and_ends_at_once(api: httpx.Client, place: Any) -> None:
    first, second = place(), place()
    first.write(0, 1)
    first.register()
    second.write(5, **{first.name(0): "other"})
    report = second.register()
    assert [problem["code"] for problem in report["problems"]] == ["conflict"]
    for side in (first, second):
        found = api.get(f"{V1}/conflicts", params={"location": side.id}).json()["items"]
        assert [(one["ref"], one["holderFile"]) for one in found] == [
            (first.ref(0), str(first.file))
        ]
    assert first.state()["conflicts"] == 0 and second.state()["conflicts"] == 1
    assert "states it too and is left out" in first.explain(0)["summary"]
    first.write(1)
    first.refresh()
    path = f"/api/catalog/entities/by-name/component/default/{first.name(0)}"
    assert api.get(path).json()["spec"]["type"] == "other"
    assert api.get(f"{V1}/conflicts", params={"ref": first.ref(0)}).json()["items"] == []


def test_warnings_are_told_apart_from_errors(api: httpx.Client, place: Any) -> None:
    here = place()
    here.file.write_text(
        COMPONENT.format(name=here.name(0), type="service").replace("gatekeepers", here.key)
    )
    report = here.register()
    assert report["problems"] == []
    (warning,) = report["warnings"]
    assert (warning["level"], warning["target"]) == ("warning", f"group:default/{here.key}")
    assert warning["line"] == 1
    params = {"location": here.id}
    assert len(api.get(f"{V1}/problems", params=params).json()["items"]) == 1
    params["level"] = "error"
    assert api.get(f"{V1}/problems", params=params).json()["items"] == []
    missing = api.get(f"{V1}/explain/group/default/{here.key}").json()
    assert (missing["state"], missing["namedBy"]) == ("unknown", [here.ref(0)])
    assert "No source ever stated it" in missing["summary"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/locations?cursor=x", None, 400),
        ("GET", "/locations/x", None, 400),
        ("GET", f"/locations/{uuid.UUID(int=1)}", None, 404),
        ("POST", "/locations/plan", {"target": ""}, 400),
        ("POST", "/locations/plan", {"target": "/etc/passwd"}, 200),
        ("POST", "/locations/plan", {"target": "\0"}, 400),
        ("POST", "/locations/plan", {"target": "x", "odd": 1}, 400),
        ("POST", f"/locations/{uuid.UUID(int=1)}/confirm", {"digest": "x"}, 404),
        ("POST", f"/locations/{uuid.UUID(int=1)}/confirm", {}, 400),
        ("DELETE", f"/locations/{uuid.UUID(int=1)}?dryRun=true", None, 404),
        ("GET", "/tombstones?ref=%00", None, 400),
        ("GET", "/tombstones?cursor=%00", None, 400),
        ("GET", "/conflicts?cursor=WyIiXQ", None, 400),
        ("GET", "/conflicts?cursor=WyJcdTAwMDAiLCIiXQ", None, 400),
        ("GET", "/conflicts?location=x", None, 400),
        ("POST", "/tombstones/x/restore", None, 400),
        ("POST", f"/tombstones/{uuid.UUID(int=1)}/restore", None, 404),
        ("GET", "/explain/a/b/%E2%80%AE", None, 200),
        ("GET", "/explain/a/b/%00", None, 400),
        ("GET", f"/explain/a/b/{'x' * 3000}", None, 200),
    ],
)
def test_odd_requests_are_answered_and_nothing_breaks(
    api: httpx.Client, lives_on: None, method: str, path: str, body: Any, status: int
) -> None:
    answer = api.request(method, f"{V1}{path}", json=body)
    assert answer.status_code == status, answer.text


def test_who_may_read_cannot_decide(live: Live) -> None:
    with live.scoped("catalog:read") as reader:
        assert reader.get(f"{V1}/locations").status_code == 200
        assert reader.get(f"{V1}/conflicts").status_code == 200
        id = reader.get(f"{V1}/locations").json()["items"][0]["id"]
        for method, path in (
            ("POST", "/locations/plan"),
            ("POST", f"/locations/{id}/confirm"),
            ("DELETE", f"/locations/{id}?dryRun=true"),
            ("GET", "/tombstones"),
            ("POST", f"/tombstones/{id}/restore"),
        ):
            assert reader.request(method, f"{V1}{path}", json={}).status_code == 403, path
