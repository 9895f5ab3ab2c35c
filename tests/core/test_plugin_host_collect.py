"""What the host takes from hooks, what it refuses, and what two plugins may not share."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace

import pytest

from towpath_core import hookimpl
from towpath_core.errors import SettingsError
from towpath_core.policy import Allow
from towpath_core.provisioning import Offering, Output, Size
from towpath_core.scaffolding import ActionExample


class Rule:
    def __init__(self, name="rule"):
        self.name = name

    def decide(self, request):
        return Allow()


class Source:
    types = frozenset({"box"})

    def __init__(self, name="box"):
        self.name = name

    def claims(self, type, target):
        return type == "box"

    def read(self, target, *, max_bytes):
        return ()

    def resolve(self, base, relative):
        return relative


class Format:
    def __init__(self, name="ini", suffixes=(".ini",)):
        self.name, self.suffixes = name, frozenset(suffixes)

    def parse(self, content, file):
        return ()


class Kind:
    def __init__(self, name="Robot", versions=("acme.com/v1",)):
        self.name, self.api_versions = name, frozenset(versions)

    def check(self, entity):
        return []

    def relations(self, entity):
        return ()


class Language:
    def __init__(self, name="dollar", versions=("acme.com/v1",)):
        self.name, self.api_versions = name, frozenset(versions)

    def open(self, limits):
        return None


class Step:
    description = "Do it."
    effect = "pure"
    examples = (ActionExample("it", "input: {}"),)

    def __init__(self, id="acme:do", **changed):
        self.id = id
        self.input_schema = {"type": "object"}
        self.output_schema = {"type": "object"}
        for name, value in changed.items():
            setattr(self, name, value)

    def run(self, input, context):
        return {}


class Maker:
    def __init__(self, name="maker"):
        self.name = name

    def plan(self, request):
        return ()

    def apply(self, request, tools):
        return None

    def read(self, resource):
        return None

    def delete(self, resource, tools):
        return None


class Chore:
    title = "Chore"
    description = "Does a chore."
    queue = "default"
    seconds = 60.0

    def __init__(self, name="chore", **changed):
        self.name = name
        self.input_schema = {"type": "object"}
        for attribute, value in changed.items():
            setattr(self, attribute, value)

    def run(self, input, tools):
        return {}


def offering(name="box", provisioner="maker", **changed):
    fields = {"parameters": {"type": "object"}, **changed}
    return Offering(name, "Box", "A box.", "box", provisioner, **fields)


GOOD = {
    "towpath_catalog_sources": Source,
    "towpath_descriptor_formats": Format,
    "towpath_entity_kinds": Kind,
    "towpath_template_languages": Language,
    "towpath_actions": Step,
    "towpath_offerings": offering,
    "towpath_provisioners": Maker,
    "towpath_run_kinds": Chore,
    "towpath_policies": Rule,
}


def plugin(**hooks):
    """A plugin whose hooks give these lists, or what these functions give."""
    made = SimpleNamespace()
    for name, answer in hooks.items():

        def hook(settings, answer=answer):
            return answer(settings) if callable(answer) else answer

        setattr(made, name, hookimpl(specname=name)(hook))
    return made


def test_each_hook_gives_typed_contributions_with_their_plugin(load, info):
    made = plugin(**{hook: [make()] for hook, make in GOOD.items()})
    host = load(extra={"all": made})
    assert info(host, "all").why is None
    assert info(host, "all").contributions == dict.fromkeys(GOOD, 1)
    keys = {field: list(getattr(host.contributions, field)) for field in FIELDS}
    assert keys == {
        "catalog_sources": ["box"],
        "descriptor_formats": [".ini"],
        "entity_kinds": [("robot", "acme.com/v1")],
        "template_languages": ["acme.com/v1"],
        "actions": ["acme:do"],
        "offerings": ["box"],
        "provisioners": ["maker"],
        "run_kinds": ["chore"],
        "policies": ["rule"],
    }
    for field in FIELDS:
        [entry] = getattr(host.contributions, field).values()
        assert (entry.plugin, entry.distribution) == ("all", "in process")
    with pytest.raises(TypeError):
        host.contributions.actions["acme:other"] = None


FIELDS = tuple(hook.removeprefix("towpath_") for hook in GOOD)


def test_a_contribution_stands_under_each_of_its_keys_in_order(load):
    made = plugin(
        towpath_descriptor_formats=[Format("z", (".z", ".b")), Format("a", (".a",))],
        towpath_entity_kinds=[Kind("Robot", ("v2", "v1")), Kind("Arm", ("v1",))],
        towpath_policies=[Rule("zoo"), Rule("ant")],
    )
    found = load(extra={"x": made}).contributions
    assert list(found.descriptor_formats) == [".a", ".b", ".z"]
    assert found.descriptor_formats[".z"] is found.descriptor_formats[".b"]
    assert list(found.entity_kinds) == [("arm", "v1"), ("robot", "v1"), ("robot", "v2")]
    assert list(found.policies) == ["ant", "zoo"]


def test_one_hook_may_be_implemented_twice_by_a_plugin(load):
    made = plugin(towpath_policies=[Rule("one")])
    made.more = hookimpl(specname="towpath_policies")(lambda: (Rule("two"),))
    assert list(load(extra={"x": made}).contributions.policies) == ["one", "two"]


def test_an_optional_hook_that_does_not_exist_is_let_be(load, info):
    made = plugin(towpath_policies=[Rule()])
    made.towpath_future = hookimpl(optionalhook=True)(lambda: 1 / 0)
    host = load(extra={"x": made})
    assert info(host, "x").state == "active"
    assert info(host, "x").hooks == ("towpath_policies",)


def endless():
    number = 0
    while True:
        number += 1
        yield Rule(f"rule-{number}")


def cycle():
    found = {}
    found["self"] = found
    return found


async def coroutine(settings):
    return [Rule()]


def mutates(settings):
    settings["more"] = 1


def mutates_deeply(settings):
    settings["lists"].append(1)


class Shy(BaseException):
    def __str__(self):
        raise KeyboardInterrupt


def shy(settings):
    raise Shy


def stops(settings):
    raise StopIteration


def exits(settings):
    yield Rule("first")
    raise SystemExit(1)


class Lazy(Rule):
    @property
    def name(self):
        raise MemoryError("property")

    @name.setter
    def name(self, value):
        pass


class NoName:
    decide = Rule.decide


class NoMethod:
    name = "no-method"


class ShortMethod:
    name = "short-method"

    def decide(self):
        return Allow()


FAULTS = {
    "nothing": (
        "policies",
        None,
        "returned None, not an iterable of Policy; return \\(\\) for none",
    ),
    "number": ("policies", 5, "returned a value of type int"),
    "text": ("policies", "rule", "returned 'rule', not an iterable"),
    "mapping": ("policies", {"a": Rule()}, "returned a value of type dict"),
    "alone": ("policies", Rule(), "returned a value of type Rule, not an iterable"),
    "coroutine": ("policies", coroutine, "do not make it async"),
    "class": ("policies", [Rule], "the class Rule is not a Policy; return an instance of it"),
    "other-kind": ("policies", [Rule(), "x"], "'x' is not a Policy: it has no 'name'"),
    "no-name": ("policies", [NoName()], "it has no 'name'"),
    "no-method": ("policies", [NoMethod()], "it has no method 'decide'"),
    "short-method": ("policies", [ShortMethod()], r"Policy.decide must take \(request\)"),
    "shouted": ("policies", [Rule("SHOUT")], "Policy.name must be lower-case kebab-case"),
    "long": ("policies", [Rule("a" * 101)], "at most 100 characters"),
    "property": ("policies", [Lazy()], "MemoryError: property"),
    "endless": ("policies", lambda s: endless(), "returned more than 50 items"),
    "twice": ("policies", [Rule(), Rule()], "it offers the policy 'rule' twice"),
    "mutates": ("policies", mutates, "TypeError"),
    "mutates-deeply": ("policies", mutates_deeply, "AttributeError"),
    "shy": ("policies", shy, r"Shy: \(its text cannot be read\)"),
    "stops": ("policies", stops, "StopIteration"),
    "exits": ("policies", exits, "SystemExit: 1"),
    "no-types": ("catalog_sources", [SimpleNamespace(name="x")], "it has no 'types'"),
    "list-of-suffixes": (
        "descriptor_formats",
        [SimpleNamespace(name="x", suffixes=[".x"])],
        "DescriptorFormat.suffixes must be a frozenset .* not a value of type list",
    ),
    "no-suffix": ("descriptor_formats", [Format("x", ())], "at least one of"),
    "bare-suffix": ("descriptor_formats", [Format("x", ("yaml",))], "file suffix such as"),
    "kind": ("entity_kinds", [Kind("my-kind")], "a kind such as 'Component'"),
    "versions": ("entity_kinds", [Kind("K", (1,))], "a frozenset of: an apiVersion"),
    "action-id": ("actions", [Step("noverb")], "an id such as 'group:verb'"),
    "effect": ("actions", [Step(effect="none")], "one of pure, workspace, external"),
    "schema": ("actions", [Step(input_schema="{}")], "a JSON Schema as a dict"),
    "schema-cycle": ("actions", [Step(input_schema=cycle())], "deeper than"),
    "schema-object": ("actions", [Step(output_schema={"a": object()})], "JSON cannot say"),
    "schema-key": ("actions", [Step(input_schema={1: 2})], "a key that is not a string"),
    "schema-nan": ("actions", [Step(input_schema={"a": float("nan")})], "not finite"),
    "schema-large": ("actions", [Step(input_schema={"a": [0] * 200_000})], "larger than"),
    "example": ("actions", [Step(examples=("x",))], "a tuple of ActionExample$"),
    "run-name": ("run_kinds", [Chore("Do_It")], "RunKind.name must be lower-case kebab-case"),
    "run-name-taken": (
        "run_kinds",
        [Chore("provision")],
        "RunKind.name must be none of the platform's own: bind, .*undo.*, not 'provision'",
    ),
    "run-seconds": ("run_kinds", [Chore(seconds=0)], "a number of seconds above 0"),
    "run-seconds-bool": ("run_kinds", [Chore(seconds=True)], "a number of seconds above 0"),
    "run-for-days": ("run_kinds", [Chore(seconds=86_401)], "at most 86400"),
    "run-queue": ("run_kinds", [Chore(queue="")], "RunKind.queue must be lower-case kebab-case"),
    "run-title": ("run_kinds", [Chore(title=None)], "RunKind.title must be a string"),
    "run-schema": ("run_kinds", [Chore(input_schema=[])], "a JSON Schema as a dict"),
    "run-method": (
        "run_kinds",
        [Chore(run=lambda input: {})],
        r"RunKind.run must take \(input, to",
    ),
    "offering-type": ("offerings", [{"name": "box"}], "is not an Offering"),
    "offering-cycle": ("offerings", [offering(parameters=cycle())], "not good data"),
    "offering-field": ("offerings", [offering(sizes=[1])], "Expected `object`"),
    "offering-nan": ("offerings", [offering(parameters={"x": float("inf")})], "not finite"),
    "offering-secret": (
        "offerings",
        [offering(outputs=(Output("password", "", secret=True),))],
        "Offering.outputs must be free of secrets",
    ),
    "offering-sizes": (
        "offerings",
        [offering(sizes=(Size("s", ""), Size("s", "")))],
        "Offering.sizes must be of unique names",
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_answer_takes_the_whole_plugin_out_and_no_other(load, info, name):
    hook, answer, why = FAULTS[name]
    extra = {
        "bad": plugin(**{"towpath_provisioners": [Maker("bad-maker")], f"towpath_{hook}": answer}),
        "good": plugin(towpath_policies=[Rule("good")]),
    }
    settings = {"bad": {"lists": [1]}}
    host = load(extra=extra, settings=settings, max_items=50)

    found = info(host, "bad")
    assert found.state == "failed"
    assert found.why.startswith(f"towpath_{hook}: ") or name == "twice"
    assert re.search(why, found.why), found.why
    assert found.contributions == {}
    assert host.contributions.provisioners == {}
    assert list(host.contributions.policies) == ["good"]
    assert settings == {"bad": {"lists": [1]}}


def test_a_hook_that_hangs_or_goes_on_for_ever_is_given_up(load, info):
    gate = threading.Event()

    def slow():
        while not gate.wait(0.01):
            yield Rule()

    extra = {
        "hangs": plugin(towpath_policies=lambda s: gate.wait(60)),
        "drips": plugin(towpath_policies=lambda s: slow()),
        "good": plugin(towpath_policies=[Rule("good")]),
    }
    for seconds in (0.1, 1.0, 10.0):  # longer where the machine is busy
        host = load(extra=extra, call_seconds=seconds, max_items=10**9)
        gate.set()
        for name in ("hangs", "drips"):
            assert info(host, name).why == f"towpath_policies: no answer within {seconds:g} s"
            assert info(host, name).failures == 1
        if "good" in host.contributions.policies:
            break
        gate.clear()
    assert list(host.contributions.policies) == ["good"]


def test_a_plugin_sees_its_own_settings_only_and_cannot_change_them(load):
    seen = []

    def keep(settings):
        seen.append(settings)
        return ()

    table = {"a": {"deep": [{"x": 1}], "set": {1}}}
    load(
        extra={"a": plugin(towpath_policies=keep), "b": plugin(towpath_policies=keep)},
        settings={**table, "c": {"password": "of-c"}},
    )
    assert seen == [{"deep": ({"x": 1},), "set": frozenset({1})}, {}]
    with pytest.raises(TypeError):
        seen[0]["deep"][0]["x"] = 2
    assert table == {"a": {"deep": [{"x": 1}], "set": {1}}}


def test_settings_reach_an_argument_with_a_default_and_none_is_no_argument(load):
    made = SimpleNamespace()

    @hookimpl
    def towpath_policies(settings=None):
        return [Rule(settings["name"])]

    made.towpath_policies = towpath_policies
    host = load(extra={"x": made}, settings={"x": {"name": "from-settings"}})
    assert list(host.contributions.policies) == ["from-settings"]


def test_secrets_of_the_settings_stay_out_of_the_listing_and_the_trace(load, info):
    secret = "hunter2\nhunter3"
    url = "postgres://app:p@ss-word@db/x"

    def fails(settings):
        raise ValueError(f"cannot reach {settings['url']} with {settings['auth']!r} {secret}")

    settings = {"x": {"url": url, "auth": {"api_token": [secret]}}}
    host = load(extra={"x": plugin(towpath_policies=fails)}, settings=settings)
    shown = repr((host.describe(), host.trace()))
    assert "cannot reach postgres://***@db/x" in info(host, "x").why
    assert not any(word in shown for word in ("hunter", "ss-word"))


def test_the_configuration_does_not_show_settings():
    from towpath_core.plugins import PluginConfig

    shown = repr(PluginConfig(settings={"git": {"token": "hunter2"}}))
    assert "git" in shown and "hunter2" not in shown


CLASHES = {
    "catalog_sources": (Source("box"), Source("box"), "catalog source 'box'"),
    "descriptor_formats": (
        Format("a", (".x", ".y")),
        Format("b", (".y", ".z")),
        "file suffix '.y'",
    ),
    "entity_kinds": (Kind("Robot", ("v1",)), Kind("rOBOT", ("v1",)), "entity kind 'robot of v1'"),
    "template_languages": (
        Language("a", ("v1", "v2")),
        Language("b", ("v2",)),
        "template apiVersion 'v2'",
    ),
    "actions": (Step(), Step(), "action 'acme:do'"),
    "provisioners": (Maker(), Maker(), "provisioner 'maker'"),
    "run_kinds": (Chore(), Chore(queue="slow"), "run kind 'chore'"),
    "policies": (Rule(), Rule(), "policy 'rule'"),
}


@pytest.mark.parametrize("hook", CLASHES)
def test_a_clash_stops_the_start_and_names_both(site, load, hook):
    one, two, key = CLASHES[hook]
    extra = {
        "beta": plugin(**{f"towpath_{hook}": [two]}),
        "alpha": plugin(**{f"towpath_{hook}": [one]}),
    }
    texts = set()
    for order in (extra, dict(reversed(extra.items()))):
        with pytest.raises(SettingsError) as caught:
            load(extra=order)
        texts.add(str(caught.value))
        assert [p.code for p in caught.value.problems] == ["plugin-clash"]
    [text] = texts
    assert f"the {key} is offered by alpha (in process) and beta (in process)" in text


def test_all_clashes_are_listed_in_order(load):
    extra = {n: plugin(towpath_policies=[Rule("zoo"), Rule("ant")]) for n in ("b", "a", "c")}
    with pytest.raises(SettingsError) as caught:
        load(extra=extra)
    who = "is offered by a (in process) and b (in process) and c (in process)"
    assert [str(p) for p in caught.value.problems] == [
        f"the policy 'ant' {who}",
        f"the policy 'zoo' {who}",
    ]


def test_a_clash_names_the_distributions(site, load):
    source = (
        "from towpath_core import hookimpl\nfrom towpath_core.provisioning import Offering\n"
        "@hookimpl\ndef towpath_offerings():\n"
        "    return [Offering('box', 'Box', 'A box.', 'box', 'maker', {})]\n"
    )
    site.module("acme_one", source)
    site.module("acme_two", source)
    site.install("acme-one", {"one": "acme_one"}, version="1.1")
    site.install("acme-two", {"two": "acme_two"}, version="2.2")
    with pytest.raises(SettingsError) as caught:
        load("one", "two", extra={"maker": plugin(towpath_provisioners=[Maker()])})
    assert "offering 'box' is offered by one (acme-one 1.1) and two (acme-two 2.2)" in str(
        caught.value
    )


def test_a_failed_plugin_clashes_with_nobody(load):
    bad = plugin(towpath_policies=[Rule()], towpath_actions=[None])
    host = load(extra={"bad": bad, "good": plugin(towpath_policies=[Rule()])})
    assert host.contributions.policies["rule"].plugin == "good"


def test_an_offering_needs_a_provisioner_of_an_active_plugin(load, info):
    extra = {
        # c loses its provisioner, so b's offering loses its own, so a's does.
        "a": plugin(towpath_offerings=[offering("a", "from-b")]),
        "b": plugin(
            towpath_offerings=[offering("b", "from-c")], towpath_provisioners=[Maker("from-b")]
        ),
        "c": plugin(towpath_provisioners=[Maker("from-c")], towpath_policies=[5]),
        "d": plugin(towpath_offerings=[offering("d", "own")], towpath_provisioners=[Maker("own")]),
    }
    host = load(extra=extra)
    why = "offering b names provisioner from-c, which no active plugin offers"
    assert info(host, "b").why == why
    assert {i.name: i.state for i in host.describe() if i.name in extra} == {
        "a": "failed",
        "b": "failed",
        "c": "failed",
        "d": "active",
    }
    assert list(host.contributions.offerings) == ["d"]


def test_an_offering_is_kept_as_a_copy(load):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    mine = offering(parameters=schema, sizes=(Size("s", "small", {"a": "x"}),))
    made = plugin(towpath_offerings=[mine], towpath_provisioners=[Maker()])
    host = load(extra={"x": made})
    kept = host.contributions.offerings["box"].value
    schema["properties"]["a"]["type"] = "number"
    mine.sizes[0].parameters["a"] = "y"
    assert kept.parameters["properties"] == {"a": {"type": "string"}}
    assert kept.sizes == (Size("s", "small", {"a": "x"}),)


def test_names_are_read_once(load):
    class Changing(Rule):
        reads = 0

        @property
        def name(self):
            type(self).reads += 1
            return f"rule-{self.reads}"

        @name.setter
        def name(self, value):
            pass

    host = load(extra={"x": plugin(towpath_policies=[Changing()])})
    [(key, entry)] = host.contributions.policies.items()
    assert key == entry.name == "rule-1"


def test_two_hosts_do_not_know_each_other(load):
    one = load(extra={"x": plugin(towpath_policies=[Rule("one")])})
    two = load(extra={"x": plugin(towpath_policies=[Rule("two")])})
    assert list(one.contributions.policies) == ["one"]
    assert list(two.contributions.policies) == ["two"]
