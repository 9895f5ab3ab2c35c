"""Writes, history and watching by both twins, over connections that break."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from contract_server import Answer, problem
from contract_server import Platform as Served

from towpath_sdk import BadArgument, Conflict, Gone, Invalid, NotFound, Platform, TransportFailed


def component(name: str, type: str = "service") -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": type},
    }


def test_an_entity_is_put_and_changed_where_it_is_still_so(platform: Platform) -> None:
    made = platform.entities.put(component("boat"), new=True)
    assert (made.change, made.revision, made.entity_ref) == ("added", 1, "component:default/boat")
    read = platform.entities.tagged("component:boat")
    assert read.etag == made.etag
    assert platform.entities.put(read.entity).change == "unchanged"
    done = platform.entities.put(component("boat", "library"), if_match=read.etag)
    assert done.change == "changed" and done.entity.spec["type"] == "library"
    with pytest.raises(Conflict) as caught:
        platform.entities.put(component("boat"), if_match=read.etag)
    assert (caught.value.status, caught.value.code) == (412, "precondition-failed")
    with pytest.raises(Conflict):
        platform.entities.delete("component:boat", if_match=read.etag)
    with pytest.raises(Invalid) as wrong:
        platform.entities.put({"kind": "Component", "metadata": {"name": "x"}})
    assert wrong.value.problems[0].pointer == "/spec/type"


def test_what_cannot_be_sent_is_not(platform: Platform, served: Served) -> None:
    for bad in ({}, {"kind": "Component"}, {"kind": "C", "metadata": {}}):
        with pytest.raises(BadArgument):
            platform.entities.put(bad)
    with pytest.raises(BadArgument):
        platform.entities.put(component("a"), new=True, if_match='"x"')
    with pytest.raises(BadArgument):
        platform.entities.put(component("a"), if_match="a\r\nx: y")
    with pytest.raises(BadArgument):
        platform.history.entity("component:a", datetime(2026, 1, 1))
    assert served.requests == []


def test_removing_tells_what_returns(platform: Platform, served: Served) -> None:
    (one,) = platform.entities.delete("component:shop-1").returns
    assert (one.holder.file, one.holder.line, one.holder.location_id) == ("a.yaml", 3, "1")
    with pytest.raises(NotFound):
        platform.entities.delete("component:shop-1")
    # The answer was lost: what is gone at the second attempt was removed by the first.
    served.fail("DELETE", ".*shop-2", done=True)
    assert platform.entities.delete("component:shop-2").entity_ref == "component:default/shop-2"
    assert "component:default/shop-2" not in served.entities


def test_history_is_walked_and_restored(platform: Platform) -> None:
    platform.entities.put(component("boat"))
    platform.entities.put(component("boat", "library"))
    first, second = reversed(list(platform.history.list("component:boat", page_size=1)))
    assert [one.change for one in (first, second)] == ["added", "changed"]
    (difference,) = second.differences
    assert (difference.op, difference.old, difference.new) == ("replace", "service", "library")
    assert platform.history.get("component:boat", first.seq).entity.spec["type"] == "service"
    assert platform.history.restore("component:boat", first.seq).change == "changed"
    assert platform.entities.get("component:boat").spec["type"] == "service"
    now = datetime.now(UTC)
    assert platform.history.entity("component:boat", now).name == "boat"
    names = {one.name for one in platform.history.entities(now, kind="component", page_size=3)}
    assert "boat" in names
    with pytest.raises(NotFound):
        list(platform.history.list("component:nothing"))


def test_sets_are_planned_applied_and_removed(platform: Platform) -> None:
    names = [f"n{number}" for number in range(6)]
    done = platform.sets.apply("tolls", [component(name) for name in names])
    assert len(done.added) == 6 and not done.dry_run
    plan = platform.sets.apply("tolls", [component("n0")], dry_run=True)
    assert plan.guarded and len(plan.deleted) == 5
    with pytest.raises(Conflict) as caught:
        platform.sets.apply("tolls", [component("n0")])
    assert caught.value.code == "vanishing"
    done = platform.sets.apply("tolls", [component("n0")], prune=plan.prune_digest)
    assert len(done.deleted) == 5
    with pytest.raises(Invalid) as wrong:
        platform.sets.apply("tolls", files={"a.yaml": "nothing"})
    assert str(wrong.value.problems[0]).startswith("a.yaml:2: ")
    assert [one.id for one in platform.sets.list()] == ["tolls"]
    assert platform.sets.get("tolls").entities == 1
    assert list(platform.sets.refs("tolls", page_size=1)) == ["component:default/n0"]
    assert platform.sets.delete("tolls") == ("component:default/n0",)
    with pytest.raises(NotFound):
        platform.sets.get("tolls")


def told(events: Any, count: int) -> list[tuple[str, str | None, int | None]]:
    return [(e.type, e.entity_ref, e.seq) for e in islice(events, count)]


def test_a_watch_begins_with_a_list_and_goes_on(platform: Platform, served: Served) -> None:
    known = len(served.entities)
    events = iter(platform.entities.watch(listed=True))
    listed = told(events, known + 1)
    assert {one[0] for one in listed[:-1]} == {"put"} and listed[-1] == ("bookmark", None, 0)
    platform.entities.put(component("boat"))
    platform.entities.delete("component:boat")
    assert told(events, 2) == [
        ("put", "component:default/boat", 1),
        ("delete", "component:default/boat", 2),
    ]


def test_a_watch_that_breaks_goes_on_where_it_was(platform: Platform, served: Served) -> None:
    for number in range(6):
        platform.entities.put(component(f"n{number}"))
    for events in (1, 2, 3):
        served.fail("GET", "/api/v1/catalog/watch", events=events)
    # A frame that is no event counts too: the sign of life that comes first.
    served.fail("GET", "/api/v1/catalog/watch", answer=problem(503, "unavailable", "Busy."))
    found = told(platform.entities.watch(after=0, kind="component"), 6)
    assert found == [("put", f"component:default/n{n}", n + 1) for n in range(6)]
    asked = served.calls("GET", "/api/v1/catalog/watch")
    assert [one.headers.get("last-event-id") for one in asked] == ["0", "0", "1", "3", "3"]
    assert asked[-1].param("kind") == "component"


def test_who_is_too_slow_comes_again(platform: Platform, served: Served) -> None:
    served.slow = True
    platform.entities.put(component("n0"))
    events = iter(platform.entities.watch(after=0))
    assert told(events, 1) == [("put", "component:default/n0", 1)]
    platform.entities.put(component("n1"))
    assert told(events, 1) == [("put", "component:default/n1", 2)]
    assert len(served.calls("GET", "/api/v1/catalog/watch")) == 2


def test_what_is_not_kept_is_said(platform: Platform) -> None:
    with pytest.raises(Gone) as caught:
        next(iter(platform.entities.watch(after=99)))
    assert caught.value.next == "Begin anew with a list."


def test_a_platform_that_is_gone_is_given_up(connect: Any, served: Served) -> None:
    served.fail("GET", "/api/v1/catalog/watch", events=0, times=99)
    with connect() as platform, pytest.raises(TransportFailed):
        next(iter(platform.entities.watch(after=0)))
    assert len(served.calls("GET", "/api/v1/catalog/watch")) == 11
    with connect(retries=0) as platform, pytest.raises(TransportFailed):
        next(iter(platform.entities.watch(after=0)))


def test_other_answers_are_no_events(platform: Platform, served: Served) -> None:
    answer = Answer(200, b"<html>", content_type="text/html")
    served.fail("GET", "/api/v1/catalog/watch", answer=answer)
    from towpath_sdk import UnexpectedAnswer

    with pytest.raises(UnexpectedAnswer):
        next(iter(platform.entities.watch()))
