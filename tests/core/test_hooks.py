"""The hooks and their pages: each is documented, typed, shown at work, and its example runs."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from towpath_core import hookspecs
from towpath_core.catalog import Document, SourceFile
from towpath_core.entities import Relation, entity_from
from towpath_core.errors import Invalid, LimitExceeded, NotFound, SettingsError
from towpath_core.hookspecs import SPEC_CLASSES
from towpath_core.identity import Principal
from towpath_core.plugins import Contributions
from towpath_core.plugins.rules import HOOK_RULES
from towpath_core.policy import Allow, Deny, PolicyRequest
from towpath_core.provisioning import Change, PlanRequest, ResourceHandle
from towpath_core.runs import Suspended
from towpath_core.scaffolding import RenderLimits
from towpath_core.testing import RecordingTools

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "hooks"
HOOKS = {
    name: function
    for each in SPEC_CLASSES
    for name, function in vars(each).items()
    if name.startswith("towpath_")
}

every_hook = pytest.mark.parametrize("hook", HOOKS)


def page_of(hook):
    return PAGES / f"{hook.removeprefix('towpath_').replace('_', '-')}.md"


def heading_of(hook):
    signature = inspect.signature(HOOKS[hook])
    parameters = list(signature.parameters.values())[1:]
    taken = ", ".join(f"{p.name}: {p.annotation}" for p in parameters)
    return f"# `{hook}({taken}) -> {signature.return_annotation}`"


def blocks_of(hook):
    return re.findall(r"```python\n(.*?)```", page_of(hook).read_text(), re.S)


def example_of(hook):
    [source] = blocks_of(hook)
    module = types.ModuleType(f"example_{hook}")
    exec(compile(source, str(page_of(hook)), "exec"), vars(module))
    return module


@pytest.fixture
def example(load):
    """Load the plugin of a page; gives the host and what is called by what key."""

    def example(hook, settings=None, **others):
        extra = {"example": example_of(hook), **{n: example_of(h) for n, h in others.items()}}
        tables = {name: (settings or {}) for name in extra}
        host = load(extra=extra, settings=tables, strict=True)
        found = getattr(host.contributions, hook.removeprefix("towpath_"))

        def call(key, method, *args, **kwargs):
            return host.call_sync(found[key], method, *args, seconds=60, **kwargs)

        return types.SimpleNamespace(host=host, found=found, call=call)

    return example


@every_hook
def test_a_hook_says_what_it_returns_and_shows_an_example(hook):
    text = inspect.getdoc(HOOKS[hook])
    assert "\nReturns:\n" in text
    assert "\nExample:\n" in text and "@hookimpl" in text and f"def {hook}(" in text
    assert re.search(r"\nNew in spec \d+\.$", text)


@every_hook
def test_a_hook_is_typed_and_its_items_are_what_the_host_checks(hook):
    hints = typing.get_type_hints(HOOKS[hook])
    items = hints.pop("return")
    assert hints == {"settings": Mapping[str, typing.Any]}
    assert typing.get_args(items) == (HOOK_RULES[hook].type,)


@every_hook
def test_the_host_checks_every_attribute_that_a_protocol_declares(hook):
    rule = HOOK_RULES[hook]
    if not issubclass(rule.type, msgspec.Struct):
        assert set(rule.attributes) == set(inspect.get_annotations(rule.type))


@every_hook
def test_a_hook_has_a_page_with_its_signature_and_one_example(hook):
    page = page_of(hook).read_text()
    assert page.splitlines()[0] == heading_of(hook)
    assert f"`{HOOK_RULES[hook].type.__module__}.{HOOK_RULES[hook].type.__name__}`" in page
    assert len(blocks_of(hook)) == 1
    assert f"def {hook}(" in blocks_of(hook)[0]


@every_hook
def test_a_hook_has_a_test_of_its_name(hook):
    assert inspect.isfunction(globals()[f"test_{hook}"])


def test_hooks_rules_pages_and_contributions_are_the_same_set():
    assert list(HOOK_RULES) == list(HOOKS)
    assert {page_of(hook) for hook in HOOKS} == set(PAGES.glob("*.md")) - {PAGES / "README.md"}
    fields = [hook.removeprefix("towpath_") for hook in HOOKS]
    assert list(Contributions.__struct_fields__) == fields
    assert sorted(c.__name__ for c in SPEC_CLASSES) == [
        name for name in hookspecs.__all__ if name.endswith("Specs")
    ]


def test_towpath_catalog_sources(example):
    made = example("towpath_catalog_sources", {"files": {"shop.yaml": "kind: Component"}})
    [file] = made.call("inline", "read", "shop.yaml", max_bytes=100, collect=9, returns=SourceFile)
    assert (file.target, file.content, len(file.etag)) == ("shop.yaml", b"kind: Component", 64)
    assert made.call("inline", "claims", "inline", "shop.yaml") is True
    assert made.call("inline", "claims", "url", "https://x") is False
    assert made.call("inline", "resolve", "shop.yaml", "other.yaml") == "other.yaml"
    with pytest.raises(NotFound):
        made.call("inline", "read", "other.yaml", max_bytes=100, collect=9)
    with pytest.raises(LimitExceeded):
        made.call("inline", "read", "shop.yaml", max_bytes=3, collect=9)


def test_towpath_descriptor_formats(example):
    made = example("towpath_descriptor_formats")
    content = b'{"kind": "A"}\n\n{"kind": \n{"kind": "B"}\n'
    good, bad, last = made.call(".jsonl", "parse", content, "x.jsonl", collect=9, returns=Document)
    assert (good.value, good.line, last.value, last.line) == ({"kind": "A"}, 1, {"kind": "B"}, 4)
    assert bad.value is None
    assert str(bad.problems[0]).startswith("x.jsonl:3: ")


def test_towpath_entity_kinds(example):
    made = example("towpath_entity_kinds")
    document = {"apiVersion": "acme.com/v1", "kind": "MlModel", "metadata": {"name": "Churn"}}
    entity = entity_from({**document, "spec": {"owner": "Team-A"}})
    key = ("mlmodel", "acme.com/v1")
    assert made.call(key, "check", entity) == []
    [problem] = made.call(key, "check", entity_from(document))
    assert problem.place.pointer == "/spec/owner"
    there, back = made.call(key, "relations", entity, collect=9, returns=Relation)
    assert there == Relation("mlmodel:default/churn", "ownedBy", "group:default/team-a")
    assert back == Relation("group:default/team-a", "ownerOf", "mlmodel:default/churn")


def test_towpath_template_languages(example):
    made = example("towpath_template_languages")
    session = made.call("acme.com/dollar-v1", "open", RenderLimits())
    context = {"name": "shop", "no": "false"}
    value = {"a": ["$name", 5], "b": {"c": "x-$name"}}
    assert session.value(value, context) == {"a": ["shop", 5], "b": {"c": "x-shop"}}
    assert session.text("Hello, $name", context) == "Hello, shop"
    assert session.truthy("$name", context) and not session.truthy("$no", context)
    with pytest.raises(Invalid):
        session.text("$other", context)
    session.close()


def test_towpath_actions(example):
    made = example("towpath_actions")
    lines = []
    context = types.SimpleNamespace(log=lines.append)
    outputs = made.call("acme:slug", "run", {"text": " My New Shop! "}, context, returns=dict)
    assert outputs == {"slug": "my-new-shop"}
    assert lines == ["named it my-new-shop"]


def test_towpath_offerings(example, tmp_path):
    settings = {"root": str(tmp_path)}
    made = example("towpath_offerings", settings, maker="towpath_provisioners")
    offering = made.found["shared-folder"].value
    assert offering.provisioner in made.host.contributions.provisioners
    assert [size.name for size in offering.sizes] == ["small", "large"]


def test_towpath_provisioners(example, tmp_path):
    made = example("towpath_provisioners", {"root": str(tmp_path / "root")})
    request = PlanRequest("r-1", "notes", "shared-folder", {}, "group:default/a")
    handle = ResourceHandle("r-1", "notes", "shared-folder", {}, "group:default/a")
    assert made.call("folder", "plan", request) == [Change("create", "folder r-1")]
    assert made.call("folder", "read", handle) is None
    applied = made.call("folder", "apply", request, None)
    assert made.call("folder", "apply", request, None) == applied
    assert made.call("folder", "read", handle) == applied
    assert Path(applied.outputs["path"]).is_dir()
    assert made.call("folder", "plan", request) == [Change("none", "folder r-1")]
    for _ in range(2):
        made.call("folder", "delete", handle, None)
        assert made.call("folder", "read", handle) is None


def test_the_example_of_a_missing_setting_names_it(load):
    plugin = example_of("towpath_provisioners")
    [info] = load(extra={"example": plugin}).describe()
    assert info.state == "failed"
    assert info.why.endswith(
        'SettingsError: The setting root is missing. Next: Write root = "/srv/folders".'
    )
    with pytest.raises(SettingsError):
        plugin.towpath_provisioners({})


def test_towpath_run_kinds(example, tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "one.txt").write_text("1")
    made = example("towpath_run_kinds", {"root": str(tmp_path)})
    given = {"folder": "plans", "owners": "group:default/ops"}
    tools = RecordingTools(key="r-1:0")
    with pytest.raises(Suspended):
        made.call("retire-folder", "run", given, tools)
    assert tools.steps["approval:retire"].shown["approvers"] == ["group:default/ops"]
    assert (tmp_path / "plans").is_dir()

    tools.approve("retire", by="user:default/ann")
    for _ in range(2):
        done = made.call("retire-folder", "run", given, tools, returns=Mapping)
        assert done == {"files": 1, "place": ".retired/plans"}
        tools.begin_again()
    assert tools.calls == {"count": 1, "set aside": 1}
    assert not (tmp_path / "plans").exists()

    [undo] = tools.undos
    for _ in range(2):
        made.call("retire-folder", "undo", undo.name, undo.data, tools)
        assert (tmp_path / "plans" / "one.txt").read_text() == "1"


def test_towpath_policies(example):
    made = example("towpath_policies", {"until": "Monday"})
    asker = Principal("towpath", "ann", "user", "user:default/ann")
    request = PolicyRequest(asker, "provision:apply", "postgres-database", {})
    assert made.call("freeze", "decide", request, returns=(Allow, Deny)) == Deny(
        ("Provisioning is frozen until Monday.",)
    )
    reading = PolicyRequest(asker, "catalog:write", "component:default/a", {})
    assert made.call("freeze", "decide", reading, returns=(Allow, Deny)) == Allow()
