"""The SDK against a real gateway: every noun, both twins where they differ by more than `await`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Live

from towpath_sdk import (
    AsyncPlatform,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PlanStale,
    Platform,
    RunFailed,
    Unauthorized,
)


@pytest.fixture
def platform(live: Live) -> Iterator[Platform]:
    with Platform(live.url, token=live.token) as platform:
        yield platform


def test_who_am_i_and_what_is_there(platform: Platform) -> None:
    info = platform.info()
    assert info.principal.entity_ref == "user:default/admin"
    assert info.spec_version == 1
    assert platform.health().status == "ok"
    readiness = platform.readiness()
    assert readiness.checks["database"] == "ok"
    assert {plugin.name for plugin in platform.plugins.list()} >= {"backstage", "postgres"}


def test_walking_filtering_and_counting(platform: Platform) -> None:
    everything = list(platform.entities.list(page_size=7))
    assert len({entity.uid for entity in everything}) == len(everything) >= 61
    services = platform.entities.list(filter={"kind": "component", "spec.type": "service"})
    assert all(entity.spec["type"] == "service" for entity in services)
    names = [e.name for e in platform.entities.list(filter="kind=user", order="-metadata.name")]
    assert names == sorted(names, reverse=True)
    kinds = platform.entities.facets("kind")["kind"]
    assert {facet.value: facet.count for facet in kinds}["Domain"] == 3
    one, none = platform.entities.by_refs(["component:default/gate-controller", "system:x/y"])
    assert one is not None
    assert one.name == "gate-controller"
    assert none is None
    with pytest.raises(NotFound):
        platform.entities.get("component:default/nope")


def test_a_location_and_its_problems(platform: Platform, files: Path) -> None:
    name = f"sdk-{uuid.uuid4().hex[:6]}"
    file = files / f"{name}.yaml"
    file.write_text(
        "apiVersion: backstage.io/v1alpha1\nkind: Group\n"
        f"metadata: {{name: {name}}}\nspec: {{type: team, children: []}}\n---\nkind: Group\n"
    )
    report = platform.locations.add(str(file))
    assert report.created
    assert report.entity_refs == (f"group:default/{name}",)
    assert {problem.line for problem in report.problems} == {6}
    assert len(list(platform.locations.problems(location=report.id))) == len(report.problems)
    file.write_text(file.read_text().partition("---")[0])
    assert platform.locations.refresh(report.id).problems == ()
    platform.locations.remove(report.id)
    with pytest.raises(NotFound):
        platform.entities.get(f"group:default/{name}")


def test_what_would_be_done_and_what_became_of_it(platform: Platform, files: Path) -> None:
    name = f"sdk-{uuid.uuid4().hex[:6]}"
    file = files / f"{name}.yaml"

    def write(count: int, owner: str = "gatekeepers") -> None:
        file.write_text(
            "---\n".join(
                "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
                f"metadata: {{name: {name}-{number}}}\n"
                f"spec: {{type: service, lifecycle: beta, owner: {owner}}}\n"
                for number in range(count)
            )
        )

    write(10)
    assert len(platform.locations.plan(str(file)).adds) == 11
    report = platform.locations.add(str(file))
    write(4, owner="nobody")
    plan = platform.locations.plan(str(file), full=True)
    assert (len(plan.changes), len(plan.held), plan.location_id) == (4, 6, report.id)
    assert plan.changes[0].fields[0].new == "nobody"
    report = platform.locations.refresh(report.id, full=True)
    assert [warning.code for warning in report.warnings] == ["dangling"] * 4
    assert report.held and report.held.count == 6
    assert platform.locations.state(report.id).held == report.held
    assert report.id in [one.id for one in platform.locations.states(page_size=3)]
    gone = platform.locations.confirm(report.id, report.held.digest)
    assert gone == report.held.entity_refs
    [buried] = platform.tombstones.list(gone[0])
    found = platform.entities.explain(gone[0])
    assert (found.state, found.stages[-1].name) == ("removed", "removed")
    assert platform.tombstones.restore(buried.uid).entity_ref == gone[0]
    assert platform.entities.get(gone[0]).uid == buried.uid
    rival = files / f"{name}-rival.yaml"
    rival.write_text(file.read_text().replace("beta", "production"))
    second = platform.locations.add(str(rival))
    assert {one.holder_location_id for one in platform.conflicts.list(location=second.id)} == {
        report.id
    }
    removal = platform.locations.plan_removal(report.id)
    assert (len(removal.handed), len(removal.deletes)) == (4, 1)
    platform.locations.remove(report.id)
    assert platform.entities.get(f"component:default/{name}-0").spec["lifecycle"] == "production"


def test_errors_are_told_by_their_class(live: Live, platform: Platform) -> None:
    with Platform(live.url, token="tow_pat_" + "x" * 61) as stranger, pytest.raises(Unauthorized):
        stranger.info()
    with pytest.raises(Invalid) as refused:
        platform.templates.create("python-service", {"port": 1})
    assert {problem.pointer for problem in refused.value.problems} & {"", "/port", None}
    with pytest.raises(NotFound):
        platform.plans.create("nope", "x")
    token = platform.tokens.create("reader", scopes=["catalog:read"])
    with Platform(live.url, token=token.token) as reader, pytest.raises(Forbidden):
        reader.plans.create("postgres-database", "x")
    platform.tokens.revoke(token.id)
    listed = {entry.id: entry for entry in platform.tokens.list()}
    assert listed[token.id].revoked_at is not None


def test_plan_apply_bind_and_delete(platform: Platform) -> None:
    plan = platform.plans.create("postgres-database", f"sdk-{uuid.uuid4().hex[:6]}")
    with pytest.raises(PlanStale):
        platform.plans.apply(plan.id, "0" * 64)
    begun = platform.plans.apply(plan.id, plan.hash)
    events: list[int] = []
    platform.runs.wait(begun.run_id, timeout=60, on_event=lambda event: events.append(event.seq))
    assert events == list(range(1, len(events) + 1))
    with pytest.raises(Conflict):
        platform.plans.apply(plan.id, plan.hash)
    bound = platform.resources.bind(begun.resource_id, name="test")
    platform.runs.wait(bound.run_id, timeout=60)
    credentials = platform.bindings.credentials(bound.binding_id)
    assert credentials.values["password"] not in repr(credentials)
    with pytest.raises(Gone):
        platform.bindings.credentials(bound.binding_id)
    again = platform.resources.bind(begun.resource_id)
    platform.runs.wait(again.run_id, timeout=60)
    # An answer that was lost on its way is given again for its key, and for no other.
    first = platform.bindings.credentials(again.binding_id, idempotency_key="mine")
    second = platform.bindings.credentials(again.binding_id, idempotency_key="mine")
    assert first.values == second.values != credentials.values
    with pytest.raises(Gone):
        platform.bindings.credentials(again.binding_id, idempotency_key="other")
    platform.runs.wait(platform.resources.delete(begun.resource_id).run_id, timeout=60)
    assert platform.resources.get(begun.resource_id).phase == "deleted"


def test_a_failed_run_carries_its_reason(platform: Platform, files: Path) -> None:
    name = f"fail-{uuid.uuid4().hex[:6]}"
    (files / f"{name}.yaml").write_text(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
        f"metadata: {{name: {name}}}\nspec:\n  type: service\n  steps:\n"
        "    - {id: boom, action: 'fetch:plain', input: {url: ./not-there}}\n"
    )
    platform.locations.add(str(files / f"{name}.yaml"))
    run = platform.templates.create(name, {})
    with pytest.raises(RunFailed) as failed:
        platform.runs.wait(run.id, timeout=60)
    assert failed.value.run.error is not None
    assert "not-there" in failed.value.run.error.message


def test_the_async_twin_walks_the_same_road(live: Live) -> None:
    async def road() -> str:
        async with AsyncPlatform(live.url, token=live.token) as platform:
            run = await platform.templates.create(
                "python-service", {"name": f"async-{uuid.uuid4().hex[:6]}"}
            )
            seen = [event.seq async for event in platform.runs.follow(run.id)]
            assert seen == list(range(1, len(seen) + 1))
            run = await platform.runs.wait(run.id, timeout=60)
            return (await platform.entities.get(run.output["entityRef"])).kind

    assert asyncio.run(road()) == "Component"
