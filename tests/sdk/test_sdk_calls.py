"""Every method of both twins, against a platform that answers as the API says."""

from __future__ import annotations

from typing import Any

import pytest
from contract_server import OFFERING, TOKEN, problem
from contract_server import Platform as Served
from contract_state import tombstone

from towpath_sdk import (
    BadArgument,
    Conflict,
    EntityRef,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PlanStale,
    Platform,
    Problem,
    Unauthorized,
)


def test_who_one_is(platform: Platform) -> None:
    info = platform.info()
    assert info.principal.entity_ref == "user:default/ann"
    assert info.spec_version == 1
    assert platform.health().status == "ok"


def test_a_platform_that_is_not_ready_is_an_answer_and_no_error(platform: Platform) -> None:
    readiness = platform.readiness()
    assert readiness.checks["workers"] == "none is running"
    assert readiness.plugins[0].why == "needs towpath[aws]"


def test_a_list_walks_all_pages(platform: Platform, served: Served) -> None:
    found = list(platform.entities.list(filter={"kind": "component"}, page_size=3))
    assert [one.name for one in found] == [f"shop-{n}" for n in range(1, 8)]
    assert len(served.calls("GET", "/api/catalog/entities/by-query")) == 3


def test_nothing_is_asked_before_the_walk(platform: Platform, served: Served) -> None:
    platform.entities.list()
    assert served.requests == []


def test_a_kept_cursor_takes_the_list_up_again(platform: Platform) -> None:
    pages = platform.entities.list(filter="kind=component", page_size=3).pages()
    first = next(iter(pages))
    assert first.total == 7
    rest = platform.entities.list(filter="kind=component", page_size=3, cursor=first.next_cursor)
    assert [one.name for one in rest] == ["shop-4", "shop-5", "shop-6", "shop-7"]


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ("kind=component,spec.type=website", 3),
        ({"kind": "component", "spec.type": "website"}, 3),
        ({"spec.lifecycle": None}, 7),
        ([{"kind": "user"}, "kind=template"], 2),
    ],
)
def test_filters(platform: Platform, filter: Any, count: int) -> None:
    assert len(list(platform.entities.list(filter=filter))) == count


def test_order_and_fields(platform: Platform) -> None:
    walk = platform.entities.list(
        filter="kind=component", order="-metadata.name", fields=("metadata.name",)
    )
    found = list(walk)
    assert [one.name for one in found][:2] == ["shop-7", "shop-6"]
    assert found[0].kind == "" and found[0].spec == {}


def test_a_predicate_is_posted_and_walked_by_cursor(platform: Platform, served: Served) -> None:
    walk = platform.entities.list(query={"kind": "component"}, fields=("kind",), page_size=4)
    assert [one.kind for one in walk] == ["Component"] * 7
    post, get = (r for r in served.requests)
    assert post.key is None and "authorization" in post.headers
    assert dict(get.query).keys() == {"limit", "fields", "cursor"}


def test_one_entity(platform: Platform) -> None:
    found = platform.entities.get("Component:shop-1")
    assert found.ref == EntityRef("Component", "default", "shop-1")
    assert str(found.ref) == "component:default/shop-1"
    assert found.related("ownedBy") == ("group:default/canal",)


def test_an_entity_that_is_not_there(platform: Platform) -> None:
    with pytest.raises(NotFound) as caught:
        platform.entities.get("component:default/none")
    assert (caught.value.status, caught.value.code) == (404, "not-found")
    assert caught.value.request == "GET /api/catalog/entities/by-name/component/default/none"


def test_many_entities_by_reference(platform: Platform, served: Served) -> None:
    found = platform.entities.by_refs(["Component:shop-2", "user:nobody", "user:default/ann"])
    assert [one and one.name for one in found] == ["shop-2", None, "ann"]
    assert served.requests[0].body["entityRefs"][0] == "component:default/shop-2"


def test_many_references_are_asked_for_in_parts(platform: Platform, served: Served) -> None:
    assert len(platform.entities.by_refs(f"user:u{n}" for n in range(1001))) == 1001
    assert [len(r.body["entityRefs"]) for r in served.requests] == [500, 500, 1]


def test_facets(platform: Platform) -> None:
    facets = platform.entities.facets("kind", "spec.type", filter="kind=component")
    assert [(f.value, f.count) for f in facets["spec.type"]] == [("service", 4), ("website", 3)]


def test_an_entity_is_removed_by_its_reference(platform: Platform) -> None:
    platform.entities.delete("component:shop-1")
    with pytest.raises(NotFound):
        platform.entities.delete("component:shop-1")


def test_an_entity_is_refreshed(platform: Platform) -> None:
    platform.entities.refresh("component:shop-1")
    with pytest.raises(NotFound):
        platform.entities.refresh("component:none")


def test_locations(platform: Platform, served: Served) -> None:
    served.problems = [{"code": "yaml", "message": "no", "file": "a.yaml", "line": 3, "column": 1}]
    report = platform.locations.add("https://git.example.com/catalog-info.yaml")
    assert report.created and report.type == "url"
    assert [str(one) for one in report.problems] == ["a.yaml:3:1: no"]
    assert platform.locations.refresh(report.id).created is False
    assert [one.id for one in platform.locations.list()] == [report.id]
    assert platform.locations.get(report.id).target.endswith("catalog-info.yaml")
    platform.locations.remove(report.id)
    with pytest.raises(NotFound):
        platform.locations.remove(report.id)


def test_what_locations_would_do_and_what_waits(platform: Platform, served: Served) -> None:
    report = platform.locations.add("https://git.example.com/catalog-info.yaml")
    assert platform.locations.refresh(report.id, full=True).held is None
    assert served.requests[-1].param("full") == "true"
    plan = platform.locations.plan("https://git.example.com/catalog-info.yaml")
    assert [one.ref for one in plan.adds] == ["component:default/new"]
    assert plan.changes[0].fields[0].new == "library"
    assert str(plan.problems[0]) == "a.yaml:3: no such kind"
    assert platform.locations.plan_removal(report.id).deletes[0].ref == "component:default/old"
    assert list(served.locations) == [report.id]
    served.held = ["component:default/a", "component:default/b"]
    [state] = platform.locations.states()
    assert state.held and state.held.count == 2
    assert platform.locations.state(report.id).held == state.held
    with pytest.raises(Conflict):
        platform.locations.confirm(report.id, "another")
    assert platform.locations.confirm(report.id, state.held.digest) == state.held.entity_refs
    assert platform.locations.state(report.id).held is None


def test_why_and_what_was_removed(platform: Platform, served: Served) -> None:
    found = platform.entities.explain("component:shop-1")
    assert (found.state, found.stages[0].line) == ("there", 2)
    assert platform.entities.explain("component:none").named_by == ("component:default/shop-1",)
    served.tombstones = [tombstone(f"component:default/t{number}") for number in range(5)]
    [one] = platform.tombstones.list("component:T3")
    assert one.ref == "component:default/t3"
    assert len(list(platform.tombstones.list(page_size=2))) == 5
    assert platform.tombstones.restore(one.uid).entity_ref == one.ref
    with pytest.raises(NotFound):
        platform.tombstones.restore(one.uid)
    served.conflicts = [
        {"ref": "component:default/a", "origin": "b", "since": one.deleted_at.isoformat()}
    ]
    [conflict] = platform.conflicts.list(location="l1", ref="component:a")
    assert (conflict.origin, conflict.holder) == ("b", None)


def test_descriptors_are_validated(platform: Platform, served: Served) -> None:
    shop = {"kind": "Component", "metadata": {"namespace": "default", "name": "shop"}}
    good = platform.entities.validate({"a.yaml": "kind: Component"}, entities=[shop])
    assert good.valid
    assert [(one.file, one.entity_ref) for one in good.documents] == [
        ("a.yaml", None),
        ("#0", "component:default/shop"),
    ]
    served.problems = [{"code": "spec", "message": "no", "file": "a.yaml", "line": 3, "column": 1}]
    bad = platform.entities.validate({"a.yaml": "kind: Component"}, origin="url:https://a.example")
    assert not bad.valid
    assert [str(one) for one in bad.documents[0].problems] == ["a.yaml:3:1: no"]


def test_problems_of_locations(platform: Platform, served: Served) -> None:
    served.problems = [{"code": "kind", "message": f"bad {n}", "line": n} for n in range(3)]
    found = list(platform.locations.problems("l1", page_size=2))
    assert found[0].problem == Problem("kind", "bad 0", line=0)
    assert len(found) == 3
    assert list(platform.locations.problems("l2")) == []


def test_a_template_is_run(platform: Platform) -> None:
    assert [one.name for one in platform.templates.list()] == ["python-service"]
    assert platform.templates.schema("python-service").steps[0].title == "About"
    run = platform.templates.create(
        "python-service", {"name": "boat", "owner": "canal"}, secrets={"key": "s3cret"}
    )
    assert run.ended and run.output is not None
    assert run.output["entityRef"] == "component:default/boat"
    assert [one.id for one in platform.templates.actions()] == ["fetch:template"]


def test_values_that_a_template_refuses(platform: Platform) -> None:
    with pytest.raises(Invalid) as caught:
        platform.templates.create("python-service", {})
    assert [str(one) for one in caught.value.problems] == ["/name: is required"]


def test_runs(platform: Platform, served: Served) -> None:
    done = served.finished("scaffold", "one", {})
    held = served.run("bind", "two")
    assert {one.id for one in platform.runs.list(page_size=1)} == {done.id, held.id}
    assert [one.id for one in platform.runs.list(kind="bind", state="running")] == [held.id]
    assert platform.runs.get(done.id).steps[0].name == "Work"
    assert [one.seq for one in platform.runs.events(done.id, after=1)] == [2, 3, 4]
    assert platform.runs.cancel(held.id).state == "cancelled"


def test_offering_plan_resource_binding(platform: Platform) -> None:
    assert [one.name for one in platform.offerings.list()] == ["postgres-database"]
    assert platform.offerings.get("postgres-database").sizes[1].name == "large"
    plan = platform.plans.create("postgres-database", "orders", size="large")
    assert platform.plans.get(plan.id) == plan
    with pytest.raises(PlanStale):
        platform.plans.apply(plan.id, "sha256:other")
    applied = platform.plans.apply(plan.id, plan.hash)
    assert platform.runs.wait(applied.run_id).state == "succeeded"
    assert platform.resources.get(applied.resource_id).phase == "active"
    bound = platform.resources.bind(applied.resource_id, name="app")
    assert [one.id for one in platform.resources.bindings(applied.resource_id)] == [
        bound.binding_id
    ]
    credentials = platform.bindings.credentials(bound.binding_id)
    assert credentials.values["password"] == "p-secret"
    with pytest.raises(Gone):
        platform.bindings.credentials(bound.binding_id)
    platform.runs.wait(platform.bindings.delete(bound.binding_id).run_id)
    platform.runs.wait(platform.resources.delete(applied.resource_id).run_id)
    assert platform.resources.get(applied.resource_id).phase == "deleted"
    assert list(platform.resources.list()) == []


def test_the_shapes_read_all_that_an_offering_says(platform: Platform) -> None:
    offering = platform.offerings.get("postgres-database")
    assert offering.parameters == OFFERING["parameters"]
    assert offering.credentials[0].secret is True


def test_plugins(platform: Platform) -> None:
    assert [(one.name, one.state) for one in platform.plugins.list()] == [
        ("git", "active"),
        ("acme", "failed"),
    ]


def test_tokens(platform: Platform) -> None:
    made = platform.tokens.create("ci", scopes=["catalog:read"], days=7)
    assert made.token.startswith("tow_pat_")
    assert [one.scopes for one in platform.tokens.list()] == [("catalog:read",)]
    platform.tokens.revoke(made.id)
    with pytest.raises(NotFound):
        platform.tokens.revoke(made.id)


def test_a_wrong_token(connect: Any) -> None:
    with connect(token="tow_pat_wrong") as stranger:
        with pytest.raises(Unauthorized) as caught:
            stranger.info()
        assert caught.value.next == "Log in again."
        with pytest.raises(Unauthorized):
            list(stranger.entities.list())
        assert stranger.health().status == "ok"


def test_forbidden(platform: Platform, served: Served) -> None:
    served.fail("GET", "/api/v1/tokens", answer=problem(403, "forbidden", "You may not."))
    with pytest.raises(Forbidden):
        list(platform.tokens.list())


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.runs.get(""),
        lambda p: p.runs.get(".."),
        lambda p: p.entities.get("component:default/.."),
        lambda p: p.entities.get("shop"),
        lambda p: p.entities.get("component:"),
        lambda p: p.entities.list(filter={"a,b": "c"}),
        lambda p: p.entities.list(filter={"a": "b,c"}),
        lambda p: p.entities.list(filter="kind=api", query={"kind": "api"}),
        lambda p: p.entities.list(page_size=0),
        lambda p: p.entities.list(fields=("metadata[0]",)),
        lambda p: p.entities.facets(),
        lambda p: p.tokens.list(page_size=-1),
        lambda p: p.locations.add("x", idempotency_key="two words"),
        lambda p: p.locations.add("x", idempotency_key=""),
        lambda p: p.templates.create("t", {"a": object()}),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_sent(
    platform: Platform, served: Served, call: Any
) -> None:
    with pytest.raises(BadArgument):
        call(platform)
    assert served.requests == []


@pytest.mark.parametrize("name", ["a/b", "a?b=c", "a#b", "ä", "%2e%2e", "a b", "a\n"])
def test_a_name_is_one_segment_of_the_path_whatever_it_holds(
    platform: Platform, served: Served, name: str
) -> None:
    with pytest.raises(NotFound) as caught:
        platform.offerings.get(name)
    assert caught.value.what == f"There is no offering {name}."


def test_the_token_is_shown_by_nothing(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    platform.info()
    with pytest.raises(NotFound) as caught:
        platform.runs.get("none")
    shown = f"{platform!r} {caught.value} {caught.value!r} {caplog.text}"
    assert TOKEN not in shown and "secretsecret" not in shown
    assert "HTTP/1.1" in caplog.text
