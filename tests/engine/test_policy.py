from __future__ import annotations

import pytest
from engine_kit import ADA, Plugin, load_host

from towpath_core.errors import Forbidden
from towpath_core.policy import Allow, Deny
from towpath_engine import policy as module
from towpath_engine.policy import PolicyGate

pytestmark = pytest.mark.anyio


class Rule:
    """A policy that answers what it is given, or does it."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer
        self.asked = []

    def decide(self, request):
        self.asked.append(request)
        return self.answer(request) if callable(self.answer) else self.answer


@pytest.fixture
def gate():
    hosts = []

    def build(*rules):
        hosts.append(load_host(Plugin(policies=rules)))
        return PolicyGate(hosts[-1])

    yield build
    for host in hosts:
        host.close()


async def refused(gate, *rules, context=None):
    with pytest.raises(Forbidden) as caught:
        await gate(*rules).check(ADA, "provision:apply", "bucket", context)
    assert caught.value.what == "provision:apply is not allowed."
    return caught.value.why


async def test_without_policies_all_is_allowed(gate):
    await gate().check(ADA, "provision:apply", "bucket")


async def test_all_allow(gate):
    rule = Rule("a", Allow())
    await gate(rule, Rule("b", Allow())).check(ADA, "provision:apply", "bucket", {"x": [1]})
    (request,) = rule.asked
    assert request.principal == ADA
    assert (request.action, request.resource) == ("provision:apply", "bucket")
    assert request.context == {"x": [1]}


@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_one_deny_wins_over_any_number_of_allows(gate, order):
    first, second = order
    why = await refused(gate, Rule(first, Deny(("not today",))), Rule(second, Allow()))
    assert why == f"{first}: not today"


async def test_all_reasons_are_told_in_the_order_of_names(gate):
    why = await refused(gate, Rule("b", Deny(("two",))), Rule("a", Deny(("one", "more"))))
    assert why == "a: one; a: more; b: two"


def explode(_):
    raise ValueError("canary in the text of a foreign exception")


@pytest.mark.parametrize("answer", [explode, None, True, "allow", Allow, {"decision": "allow"}])
async def test_a_policy_that_fails_or_answers_something_else_denies(gate, answer):
    why = await refused(gate, Rule("a", answer), Rule("b", Allow()))
    assert why == "a: policy a could not answer"


async def test_a_policy_that_exits_denies(gate):
    def leave(_):
        raise SystemExit

    assert "could not answer" in await refused(gate, Rule("a", leave))


async def test_a_policy_that_sleeps_denies(gate, monkeypatch):
    import threading

    monkeypatch.setattr(module, "_SECONDS", 0.05)
    wake = threading.Event()
    try:
        assert "could not answer" in await refused(gate, Rule("a", lambda _: wake.wait(60)))
    finally:
        wake.set()


@pytest.mark.parametrize(
    ("reasons", "why"),
    [
        ((), "a denies it"),
        ("in one word", "a: in one word"),
        (["a list"], "a: a list"),
        (5, "a denies it"),
        ((None, 1), "a denies it"),
    ],
)
async def test_a_deny_denies_whatever_its_reasons_are(gate, reasons, why):
    assert await refused(gate, Rule("a", Deny(reasons))) == why


async def test_what_a_policy_does_to_its_context_reaches_nobody(gate):
    def spoil(request):
        request.context["parameters"]["public"] = False
        return Allow()

    context = {"parameters": {"public": True}}
    judge = Rule("b", lambda r: Deny(("no",)) if r.context["parameters"]["public"] else Allow())
    assert await refused(gate, Rule("a", spoil), judge, context=context) == "b: no"
    assert context == {"parameters": {"public": True}}
