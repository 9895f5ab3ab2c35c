"""Any sequence of writes against a model: history, reads as of a time, and replayed watches."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing

import hypothesis.strategies as st
import psycopg
import pytest
from engine_kit import ADA, load_host, platform_of
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import select

from towpath_core.errors import Conflict, NotFound
from towpath_core.refs import EntityRef, parse_ref
from towpath_engine.catalog.tables import REVISIONS
from towpath_engine.catalog.watching import Watch
from towpath_engine.clock import now

NAMES = st.sampled_from(["a", "b", "c", "d"])
OWNERS = st.sampled_from(["x", "y"])
SETS = st.sampled_from(["one", "two"])
LISTS = st.dictionaries(NAMES, OWNERS, max_size=4)

_EMPTY = "TRUNCATE entities, entity_revisions, catalog_marks, catalog_tombstones, audit"


def component(name, owner):
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "production", "owner": owner},
    }


def ref(name):
    return EntityRef("component", "default", name)


def seen(entity):
    """What the model knows of an entity that was read."""
    relations = sorted((edge["type"], edge["targetRef"]) for edge in entity["relations"])
    assert relations == [("ownedBy", f"group:default/{entity['spec']['owner']}")]
    return entity["spec"]["owner"]


class Writes(RuleBasedStateMachine):
    url: str
    home: object

    def __init__(self):
        super().__init__()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_EMPTY)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        making = platform_of(load_host(installed=("backstage",)), self.url, self.home)
        self.platform = self.do(self.stack.enter_async_context(making))
        self.state = {}  # name -> (owner, holder)
        self.moments = [(now(), {})]
        self.past = {}  # seq -> owner of the entity then

    def do(self, awaitable):
        async def run():
            return await awaitable

        return self.runner.run(run())

    def done(self):
        self.moments.append((now(), {name: owner for name, (owner, _) in self.state.items()}))

    def teardown(self):
        self.do(self.stack.aclose())
        self.runner.close()

    @rule(name=NAMES, owner=OWNERS)
    def put(self, name, owner):
        held = self.state.get(name)
        call = self.platform.declarations.put(ADA, ref(name), component(name, owner))
        if held is not None and held[1] != "api":
            self.refused(call, Conflict)
            return
        change = self.do(call).change
        expected = "added" if held is None else "unchanged" if held[0] == owner else "changed"
        assert change == expected
        self.state[name] = (owner, "api")
        self.done()

    @rule(name=NAMES)
    def remove(self, name):
        call = self.platform.declarations.remove(ADA, ref(name))
        held = self.state.pop(name, None)
        if held is None:
            self.refused(call, NotFound)
            return
        returns = self.do(call).returns
        assert bool(returns) == (held[1] != "api")
        self.done()

    @rule(id=SETS, listed=LISTS)
    def apply(self, id, listed):
        entities = [component(name, owner) for name, owner in listed.items()]
        own = {name for name, (_, holder) in self.state.items() if holder == id}
        taken = {n for n in listed if n in self.state and self.state[n][1] != id}
        plan = self.do(self.platform.sets.apply(ADA, id, entities, dry=True)).plan
        assert {parse_ref(one).name for one in plan.conflicts} == taken
        assert {parse_ref(one).name for one in plan.deleted} == own - listed.keys()
        call = self.platform.sets.apply(ADA, id, entities, consent=plan.digest)
        if taken:
            self.refused(call, Conflict)
            return
        self.do(call)
        for name in own - listed.keys():
            del self.state[name]
        self.state |= {name: (owner, id) for name, owner in listed.items()}
        self.done()

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def restore(self, data):
        seq = data.draw(st.sampled_from(sorted(self.past)))
        name, owner = self.past[seq]
        call = self.platform.restoring.restore(ADA, ref(name), seq)
        held = self.state.get(name)
        if owner is None or (held is not None and held[1] != "api"):
            self.refused(call, Conflict)
            return
        self.do(call)
        self.state[name] = (owner, "api")
        self.done()

    def refused(self, call, kind):
        try:
            self.do(call)
        except kind:
            return
        raise AssertionError(f"it was not refused with {kind.__name__}")

    @invariant()
    def history_has_no_gaps(self):
        rows = self.do(self.rows())
        self.past = {
            row.seq: (
                parse_ref(row.ref).name,
                json.loads(row.body)["spec"]["owner"] if row.body else None,
            )
            for row in rows
        }
        for name in {parse_ref(row.ref).name for row in rows}:
            told, following = self.do(self.platform.history.revisions(ref(name)))
            assert following is None
            assert [one.seq for one in told] == [
                row.seq for row in reversed(rows) if row.ref == str(ref(name))
            ]
            numbers = {}
            for one in reversed(told):
                # What comes back to the same holder within days goes on with its numbers.
                numbers.setdefault(one.uid, []).append(one.revision)
                if one.change == "changed":
                    assert one.differences
            assert all(them == list(range(1, len(them) + 1)) for them in numbers.values())
            gone = told[0].change == "deleted"
            assert gone == (name not in self.state)

    @invariant()
    def every_recorded_time_can_be_read(self):
        for moment, state in self.moments[-4:]:
            found = self.do(self.platform.past.list(moment))
            read = [json.loads(one.final) for one in found]
            assert {one["metadata"]["name"]: seen(one) for one in read} == state
        moment, state = self.moments[-1]
        for name, owner in state.items():
            one = self.do(self.platform.past.entity(ref(name), moment))
            assert seen(json.loads(one.final)) == owner

    @invariant()
    def a_watch_from_any_point_comes_to_the_same(self):
        present = {name: owner for name, (owner, _) in self.state.items()}
        assert self.do(self.watched(None, {})) == present
        for moment, state in self.moments[-3:]:
            assert self.do(self.watched(moment, state)) == present

    async def rows(self):
        async with self.platform.database.begin() as transaction:
            return (await transaction.execute(select(REVISIONS).order_by(REVISIONS.c.seq))).all()

    async def watched(self, moment, state):
        """What a watcher knows at last who knew a state at a time, or nothing."""
        after = None
        if moment is not None:
            after = max((row.seq for row in await self.rows() if row.at <= moment), default=0)
        found = dict(state)
        watch: Watch = await self.platform.hub.watch(
            after=after, listed=after is None, beat_seconds=0
        )
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type == "put":
                    entity = json.loads(event.final or event.change.final)
                    found[entity["metadata"]["name"]] = seen(entity)
                elif event.type == "delete":
                    found.pop(parse_ref(event.change.ref).name, None)
                elif event.type == "quiet" or (event.type == "bookmark" and after is not None):
                    return found


@pytest.mark.timeout(600)
def test_writes_history_and_watches_agree_with_a_model(engine_url, tmp_path):
    Writes.url, Writes.home = engine_url, tmp_path
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_machine(
        Writes,
        settings=settings(
            max_examples=5,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=checks,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
        ),
    )
