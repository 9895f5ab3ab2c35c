from __future__ import annotations

import json
import uuid

import pytest
from engine_kit import ADA, Plugin, load_host
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.policy import AllOf, Allow, AnyOf, Conditional, Deny, Not, Rule
from towpath_engine.catalog import visibility as module
from towpath_engine.catalog.index import CatalogIndex, StoredEntity
from towpath_engine.catalog.passing import found_by
from towpath_engine.catalog.visibility import Sight, meeting, meets
from towpath_engine.policy import PolicyGate

pytestmark = pytest.mark.anyio

TYPES = ["service", "Website", None]
OWNERS = ["group:default/a", "group:default/b"]


def stored(name, type, owner):
    body = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": name}, "spec": {}}
    if type is not None:
        body["spec"]["type"] = type
    ref = f"component:default/{name}"
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, ref))
    return StoredEntity(uid, ref, json.dumps(body), ((ref, "ownedBy", owner),))


ENTITIES = {
    f"{number}": (type, owner)
    for number, (type, owner) in enumerate((t, o) for t in TYPES for o in OWNERS)
}


@pytest.fixture(scope="module")
def index():
    index = CatalogIndex()
    index.apply([stored(name, *facts) for name, facts in ENTITIES.items()], ())
    return index


def names(index, numbers):
    return {index.by_number(number).ref.rpartition("/")[2] for number in numbers}


rules = st.one_of(
    st.builds(
        lambda values: (
            Rule("Spec.Type", tuple(values)),
            lambda type, _: (
                type is not None
                and (not values or type.lower() in {value.lower() for value in values})
            ),
        ),
        st.lists(st.sampled_from(["SERVICE", "website", "none"]), max_size=2),
    ),
    st.builds(
        lambda owner: (
            Rule("relations.ownedBy", (owner.upper(),)),
            lambda _, found: found == owner,
        ),
        st.sampled_from(OWNERS),
    ),
)
criteria = st.recursive(
    rules,
    lambda inner: st.one_of(
        inner.map(lambda p: (Not(p[0]), lambda t, o: not p[1](t, o))),
        st.lists(inner, max_size=3).map(
            lambda ps: (
                AllOf(tuple(p[0] for p in ps)),
                lambda t, o: all(p[1](t, o) for p in ps),
            )
        ),
        st.lists(inner, max_size=3).map(
            lambda ps: (
                AnyOf(tuple(p[0] for p in ps)),
                lambda t, o: any(p[1](t, o) for p in ps),
            )
        ),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=100)
@given(asked=criteria)
def test_the_set_is_that_of_the_decisions_one_by_one(index, asked):
    asked, holds = asked
    wanted = {name for name, facts in ENTITIES.items() if holds(*facts)}
    assert names(index, meeting(index, asked)) == wanted
    entries = [index.by_number(number) for number in index.everything]
    alone = {e.ref.rpartition("/")[2] for e in entries if meets(asked, found_by(read(e)))}
    assert alone == wanted


def read(entry):
    return json.loads(entry.final)


class Says:
    def __init__(self, name, *answers):
        self.name = name
        self.answers = list(answers)
        self.asked = []

    def decide(self, request):
        self.asked.append(request)
        return self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)


@pytest.fixture
def sight(index):
    hosts = []

    def build(*policies):
        hosts.append(load_host(Plugin(policies=policies)))
        return Sight(index, PolicyGate(hosts[-1]))

    yield build
    for host in hosts:
        host.close()


SERVICES = Rule("spec.type", ("service",))
OURS = Rule("relations.ownedBy", ("group:default/a",))


async def test_without_policies_and_where_all_allow_everything_is_seen(sight):
    assert await sight().of(ADA) is None
    says = Says("a", Allow())
    assert await sight(says, Says("b", Allow())).of(ADA) is None
    (request,) = says.asked
    assert (request.action, request.resource, request.principal) == ("catalog:read", "*", ADA)


async def test_what_is_seen_is_what_all_policies_agree_on(sight, index):
    seen = await sight(Says("a", Conditional(SERVICES)), Says("b", Conditional(OURS))).of(ADA)
    assert names(index, seen) == {"0"}
    seen = await sight(Says("a", Conditional(SERVICES)), Says("b", Allow())).of(ADA)
    assert names(index, seen) == {"0", "1"}
    assert not await sight(Says("a", Conditional(SERVICES)), Says("b", Deny(("no",)))).of(ADA)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "allow",
        Conditional("all"),
        Conditional(None),
        Conditional(Rule("kind", "component")),
        Conditional(Rule(None)),
        Conditional(AllOf((SERVICES, "x"))),
        Conditional(AnyOf([SERVICES])),
        Conditional(AnyOf((SERVICES,) * 300)),
    ],
)
async def test_a_policy_that_answers_something_else_lets_nothing_be_seen(sight, answer):
    seen = await sight(Says("a", answer), Says("b", Allow())).of(ADA)
    assert seen is not None
    assert not seen


async def test_an_answer_is_kept_for_a_while_and_its_set_until_a_change(sight, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 3600.0)
    says = Says("a", Conditional(SERVICES), Conditional(OURS))
    looks = sight(says)
    first = await looks.of(ADA)
    assert await looks.of(ADA) is first
    assert len(says.asked) == 1
    later = module.time.monotonic() + 3601
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert await looks.of(ADA) != first
    assert len(says.asked) == 2


async def test_a_change_of_the_catalog_changes_what_is_seen_at_once(sight):
    looks = sight(Says("a", Conditional(SERVICES)))
    assert len(await looks.of(ADA)) == 2
    index = looks._index
    new = stored("new", "service", OWNERS[0])
    index.apply([new], ())
    try:
        assert len(await looks.of(ADA)) == 3
    finally:
        index.apply([], [new.uid])
    assert len(await looks.of(ADA)) == 2
