"""The actions catalog:write and catalog:register."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.actions.catalog import CatalogRegister, CatalogWrite
from towpath_backstage.actions.descriptor import to_yaml
from towpath_backstage.descriptors import YamlDescriptors
from towpath_core.errors import Invalid, NotFound
from towpath_core.scaffolding import Registration
from towpath_core.testing import RecordingContext

ENTITY = {
    "kind": "Component",
    "apiVersion": "backstage.io/v1alpha1",
    "metadata": {"name": "shop", "annotations": {"a.b/c": "1"}},
    "spec": {"type": "service", "owner": "team", "lifecycle": "production"},
}
REPO = "git+file:///srv/acme/shop.git/-/blob/main"


@pytest.fixture
def context(tmp_path):
    (tmp_path / "workspace").mkdir()
    return RecordingContext(tmp_path / "workspace")


def test_writes_the_entity_with_its_template_in_its_own_order(context):
    CatalogWrite().run({"entity": ENTITY}, context)
    text = (context.workspace / "catalog-info.yaml").read_text()
    assert text.startswith("kind: Component\napiVersion:")
    written = yaml.safe_load(text)
    annotations = written["metadata"].pop("annotations")
    assert annotations == {"a.b/c": "1", "backstage.io/source-template": "template:default/kit"}
    assert written == {**ENTITY, "metadata": {"name": "shop"}}
    assert [level for level, _ in context.lines] == ["info"]
    assert ENTITY["metadata"]["annotations"] == {"a.b/c": "1"}


def test_writes_elsewhere_and_over_what_is_there(context):
    for name in ("one", "two"):
        entity = {**ENTITY, "metadata": {"name": name}}
        CatalogWrite().run({"entity": entity, "filePath": "a/b/c.yaml"}, context)
    assert "name: two" in (context.workspace / "a/b/c.yaml").read_text()


def test_a_run_without_a_template_adds_nothing(context):
    context.template_ref = ""
    CatalogWrite().run({"entity": {"x": 1}}, context)
    assert (context.workspace / "catalog-info.yaml").read_text() == "x: 1\n"


def test_what_the_catalog_will_refuse_is_written_with_a_warning(context):
    entity = {**ENTITY, "metadata": {"name": "no such name!"}}
    CatalogWrite().run({"entity": entity}, context)
    warnings = [text for level, text in context.lines if level == "warning"]
    assert len(warnings) == 1
    assert "/metadata/name" in warnings[0]
    assert (context.workspace / "catalog-info.yaml").exists()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"entity": "text"},
        {"entity": {"metadata": []}},
        {"entity": {"metadata": {"annotations": "x"}}},
        {"entity": ENTITY, "filePath": "../x.yaml"},
        {"entity": ENTITY, "filePath": "/etc/x.yaml"},
        {"entity": ENTITY, "filePath": ".git/config"},
        {"entity": ENTITY, "filePath": "."},
        {"entity": ENTITY, "filePath": "link/x.yaml"},
        {"entity": {"a": "\ud800"}},
    ],
)
def test_wrong_input_writes_nothing(context, given, tmp_path):
    (tmp_path / "outside").mkdir()
    (context.workspace / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(Invalid):
        CatalogWrite().run(given, context)
    assert [path.name for path in context.workspace.iterdir()] == ["link"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_bottomless_entity_is_refused(context):
    entity: dict[str, object] = {}
    inner = entity
    for _ in range(5000):
        inner["x"] = {}
        inner = inner["x"]
    with pytest.raises(Invalid):
        CatalogWrite().run({"entity": entity}, context)


LOOKALIKES = re.findall(
    r"\S+",
    """no NO on yes ~ null Null 1.10 1e3 1E5 .5 5. +1 -0 0o17 0x1F 0b1 1_000 22:22 012 .inf .NaN
    2026-01-01 <<: - ? : # & * ! | > % @ ` true True = << . -.5 1e+3 +.5E-2 0o8 0xg --- ...
    [ ] { } , ' \\ 12e03 -0x1 +0o7 1__0 0. y n""",
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=12),
    st.sampled_from(LOOKALIKES),
)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcN0.-", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(["a", "no", "1", "1e3", "x y", ""]), values, max_size=4))
def test_every_reader_gets_the_same_data_back(entity):
    text = to_yaml(entity)
    assert yaml.safe_load(text) == entity
    assert not re.search(r"[:-] [&*]\w", text) or yaml.safe_load(text) == entity
    (document,) = YamlDescriptors().parse(text.encode(), "x.yaml")
    assert document.problems == ()
    assert document.value == entity


def test_shared_data_is_written_out_twice():
    shared = ["x"]
    assert to_yaml({"a": shared, "b": shared}) == "a:\n- x\nb:\n- x\n"


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"catalogInfoUrl": "https://x/y.yaml"}, "https://x/y.yaml"),
        ({"repoContentsUrl": REPO}, f"{REPO}/catalog-info.yaml"),
        (
            {"repoContentsUrl": REPO, "catalogInfoPath": "catalog-info.yaml"},
            f"{REPO}/catalog-info.yaml",
        ),
        ({"repoContentsUrl": f"{REPO}/", "catalogInfoPath": "/a/b.yaml"}, f"{REPO}/a/b.yaml"),
        (
            {"repoContentsUrl": "https://h/p/browse?at=main", "catalogInfoPath": "/x.yaml"},
            "https://h/p/browse/x.yaml?at=main",
        ),
        (
            {"repoContentsUrl": "https://h/o/r", "catalogInfoPath": "/-/blob/main/x.yaml"},
            "https://h/o/r/-/blob/main/x.yaml",
        ),
    ],
)
def test_registers_the_target_once(context, given, target):
    for _ in range(2):
        outputs = CatalogRegister().run(given, context)
        assert outputs == {"catalogInfoUrl": target, "entityRef": "component:default/kit-1"}
    assert context.registered == [target]


def test_a_dry_run_registers_nothing(context):
    context.dry_run = True
    outputs = CatalogRegister().run({"repoContentsUrl": REPO}, context)
    assert outputs == {"catalogInfoUrl": f"{REPO}/catalog-info.yaml"}
    assert context.registered == []


class Missing(RecordingContext):
    def register(self, target, *, optional=False):
        self.registered.append(optional)
        raise NotFound("There is no such file.")


def test_a_missing_file_may_be_optional(context):
    missing = Missing(context.workspace)
    outputs = CatalogRegister().run({"catalogInfoUrl": "https://x/y", "optional": True}, missing)
    assert outputs == {"catalogInfoUrl": "https://x/y"}
    with pytest.raises(NotFound):
        CatalogRegister().run({"catalogInfoUrl": "https://x/y"}, missing)
    assert missing.registered == [True, False]


class Empty(RecordingContext):
    def register(self, target, *, optional=False):
        return Registration("1", target, ())


def test_a_file_without_entities_gives_no_reference(context):
    outputs = CatalogRegister().run({"catalogInfoUrl": "x"}, Empty(context.workspace))
    assert outputs == {"catalogInfoUrl": "x"}


def test_userinfo_of_a_url_is_not_logged(context):
    CatalogRegister().run({"catalogInfoUrl": "https://me:hunter2@x/y?token=abc"}, context)
    assert "hunter2" not in context.text()
    assert "abc" not in context.text()


@pytest.mark.parametrize("given", [{}, {"catalogInfoUrl": 1}])
def test_no_target_is_invalid(context, given):
    with pytest.raises(Invalid):
        CatalogRegister().run(given, context)
