"""The SDK's writes, history and watch against a real gateway, also over its restart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from catalog_kit import component
from live import Live, running

from towpath_sdk import AsyncPlatform, Conflict, Gone, Invalid, NotFound, Platform


@pytest.fixture
def platform(live: Live) -> Iterator[Platform]:
    with Platform(live.url, token=live.token) as platform:
        yield platform


def fresh() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


def test_put_change_look_back_and_remove(platform: Platform, lives_on: None) -> None:
    name = fresh()
    ref = f"component:default/{name}"
    made = platform.entities.put(component(name, title="One"), new=True)
    assert made.change == "added" and made.entity is not None
    then = datetime.now(UTC)
    read = platform.entities.tagged(ref)
    assert read.etag == made.etag and read.entity == made.entity
    assert platform.entities.put(read.entity).change == "unchanged"
    read.entity.metadata["title"] = "Two"
    assert platform.entities.put(read.entity, if_match=read.etag).change == "changed"
    with pytest.raises(Conflict) as stale:
        platform.entities.put(read.entity, if_match=read.etag)
    assert stale.value.code == "precondition-failed"
    with pytest.raises(Invalid) as wrong:
        platform.entities.put({**component(name), "spec": {}})
    assert {one.pointer for one in wrong.value.problems} >= {"/spec/type", "/spec/owner"}
    new, old = list(platform.history.list(ref))
    (difference,) = new.differences or ()
    assert (difference.pointer, difference.old, difference.new) == ("/metadata/title", "One", "Two")
    assert platform.history.get(ref, old.seq).entity.title == "One"  # type: ignore[union-attr]
    assert platform.history.entity(ref, then) == made.entity
    assert any(one.name == name for one in platform.history.entities(then, kind="component"))
    assert platform.history.restore(ref, old.seq).change == "changed"
    assert platform.entities.get(ref).title == "One"
    assert platform.entities.delete(ref).returns == ()
    with pytest.raises(NotFound):
        platform.entities.delete(ref)
    assert platform.history.restore(ref, old.seq).change == "added"
    platform.entities.delete(ref)


def test_what_the_demo_declares_is_not_ours(platform: Platform, lives_on: None) -> None:
    gate = platform.entities.get("component:default/gate-controller")
    with pytest.raises(Conflict) as held:
        platform.entities.put(gate)
    assert "components.yaml" in str(held.value)


def test_a_set_of_files(platform: Platform, lives_on: None) -> None:
    id, name = fresh(), fresh()
    text = (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\n"
        "spec:\n  type: service\n  lifecycle: production\n  owner: group:bookings\n"
    )
    files = {"a.yaml": text.format(name), "b.yaml": text.format(f"{name}-b")}
    assert len(platform.sets.apply(id, files=files).added) == 2
    assert platform.sets.get(id).entities == 2
    assert len(list(platform.sets.refs(id, page_size=1))) == 2
    with pytest.raises(Invalid) as wrong:
        platform.sets.apply(id, files={**files, "c.yaml": text.format("-")})
    assert str(wrong.value.problems[0]).startswith("c.yaml:4")
    plan = platform.sets.apply(id, dry_run=True)
    assert plan.guarded and len(plan.deleted) == 2
    with pytest.raises(Conflict):
        platform.sets.apply(id)
    assert len(platform.sets.apply(id, prune=plan.prune_digest).deleted) == 2
    with pytest.raises(NotFound):
        platform.sets.get(id)


def test_a_watch_sees_what_is_written(platform: Platform, lives_on: None) -> None:
    name = fresh()
    events = platform.entities.watch(filter=f"metadata.name={name}", listed=True)
    assert next(events).type == "bookmark"
    platform.entities.put(component(name))
    put = next(events)
    assert put.entity == platform.entities.get(f"component:{name}")
    platform.entities.delete(f"component:{name}")
    assert next(events).type == "delete"
    events.close()
    again = platform.entities.watch(filter=f"metadata.name={name}", after=(put.seq or 0) - 1)
    assert [event.type for event in islice(again, 2)] == ["put", "delete"]
    again.close()
    with pytest.raises(Gone):
        next(platform.entities.watch(after=10**15))


def test_watching_goes_on_over_a_restart() -> None:
    with running() as live, Platform(live.url, token=live.token) as platform:
        events: Any = platform.entities.watch(kind="component", listed=True)
        while next(events).type != "bookmark":
            pass
        platform.entities.put(component("before"))
        assert next(events).entity_ref == "component:default/before"
        live.stop()
        live.start()
        platform.entities.put(component("after"))
        assert next(events).entity_ref == "component:default/after"
        events.close()


def test_both_twins_watch(live: Live, lives_on: None) -> None:
    name = fresh()

    async def main() -> list[str]:
        async with AsyncPlatform(live.url, token=live.token) as platform:
            events = platform.entities.watch(filter={"metadata.name": name}, listed=True)
            found = [(await anext(events)).type]
            await platform.entities.put(component(name))
            found.append((await anext(events)).type)
            await platform.entities.delete(f"component:{name}")
            found.append((await anext(events)).type)
            await events.aclose()
        return found

    assert asyncio.run(main()) == ["bookmark", "put", "delete"]
