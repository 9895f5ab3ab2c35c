from __future__ import annotations

from urllib.parse import urljoin

import pytest
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of

from towpath_core.errors import Invalid
from towpath_engine.catalog.suggestion import suggest

FILE = "https://git.example.com/shop/catalog-info.yaml"


class UrlSource(DictSource):
    """The same for addresses."""

    types = frozenset({"url"})

    def claims(self, type, target):
        return type == "url" and target.startswith("https://git.example.com/")

    def resolve(self, base, relative):
        return urljoin(base, relative)


def entity(name="shop", kind="Component", **spec):
    every = {"type": "service", "lifecycle": "production", "owner": "team-a"} | spec
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": every,
    }


@pytest.fixture
def source():
    return UrlSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


async def faults(platform, value, target=FILE):
    problems = await platform.analysis.validate(ADA, value, "url", target)
    return [(problem.code, problem.place.pointer) for problem in problems]


@pytest.mark.anyio
async def test_a_good_entity_has_no_faults(platform):
    assert await faults(platform, entity()) == []
    # The file need not be readable, where nothing is pulled into the entity.
    assert await faults(platform, entity(), "https://elsewhere.example.com/x") == []


@pytest.mark.anyio
async def test_every_stage_finds_its_faults(platform):
    assert await faults(platform, {}) != []
    wrong = {**entity("not a name"), "relations": []}
    assert ("name", "/metadata/name") in [
        ("name", pointer) for _, pointer in await faults(platform, wrong)
    ]
    assert "/relations" in [pointer for _, pointer in await faults(platform, wrong)]
    assert await faults(platform, entity(kind="Nope")) == [("kind", "/kind")]
    ((_, pointer),) = await faults(platform, entity(owner=1))
    assert pointer == "/spec/owner"
    reserved = entity("generated-0", kind="Location")
    assert await faults(platform, reserved) == [("reserved", "/metadata/name")]


@pytest.mark.anyio
async def test_placeholders_are_read_where_the_file_would_stand(platform, source):
    api = entity(kind="API", definition={"$text": "./openapi.yaml"})
    ((code, pointer),) = await faults(platform, api)
    assert (code, pointer) == ("placeholder", "/spec/definition")
    source.files["https://git.example.com/shop/openapi.yaml"] = b"openapi: 3.1.0\n"
    assert await faults(platform, api) == []
    ((code, _),) = await faults(platform, api, "https://elsewhere.example.com/x.yaml")
    assert code == "placeholder"


@pytest.mark.anyio
async def test_what_stands_at_an_address_is_found(platform, source):
    source.files[FILE] = b"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: shop}
spec: {type: service, lifecycle: production, owner: team-a}
---
apiVersion: backstage.io/v1alpha1
kind: Location
metadata: {name: more}
spec: {target: ./more.yaml}
"""
    source.files["https://git.example.com/shop/more.yaml"] = source.files[FILE].replace(
        b"shop", b"cart"
    )
    before = await platform.analysis.analyze(ADA, FILE)
    # Not what its locations lead to: that stands elsewhere.
    assert [(one.target, one.entity.name, one.registered) for one in before.existing] == [
        (FILE, "shop", False),
        (FILE, "more", False),
    ]
    assert before.suggestions == ()
    for one in before.existing:
        assert set(one.entity.annotations.values()) == {
            f"url:{FILE}",
            "url:https://git.example.com/shop/",
        }
    await platform.catalog.register(ADA, "url", FILE)
    after = await platform.analysis.analyze(ADA, FILE)
    assert all(one.registered for one in after.existing)
    source.down = True
    (made,) = (await platform.analysis.analyze(ADA, FILE)).suggestions
    assert made.entity["metadata"]["name"]


@pytest.mark.anyio
async def test_an_address_without_entities_gets_a_suggestion(platform):
    analysis = await platform.analysis.analyze(ADA, "https://github.com/canal/toll-gate")
    assert analysis.existing == ()
    (made,) = analysis.suggestions
    assert made.entity == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": "toll-gate",
            "annotations": {"github.com/project-slug": "canal/toll-gate"},
        },
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
    assert {field.field: field.state for field in made.fields} == {
        "metadata.name": "analysisSuggestedValue",
        "spec.type": "analysisSuggestedValue",
        "spec.lifecycle": "analysisSuggestedValue",
        "spec.owner": "needsUserInput",
    }


@pytest.mark.parametrize("target", ["", "shop", "/srv/x", "file:x", "http//x", "https://[", "\0"])
@pytest.mark.anyio
async def test_an_address_must_be_one(platform, target):
    with pytest.raises(Invalid, match="is not a URL"):
        await platform.analysis.analyze(ADA, target)


@pytest.mark.parametrize("filename", ["", "../x.yaml", "a/b", "x\0"])
@pytest.mark.anyio
async def test_a_filename_must_be_one(platform, filename):
    with pytest.raises(Invalid, match="is not the name of a file"):
        await platform.analysis.analyze(ADA, "https://github.com/a/b", filename)


@pytest.mark.parametrize(
    ("path", "name", "slug"),
    [
        ("/canal/toll-gate", "toll-gate", "canal/toll-gate"),
        ("/canal/toll-gate.git", "toll-gate", "canal/toll-gate"),
        ("/canal/toll-gate/blob/main/docs/catalog-info.yaml", "toll-gate", "canal/toll-gate"),
        ("/canal/deep/er/-/tree/main", "er", "deep/er"),
        ("/canal/Ä b_", "b", "canal/Ä b_"),
        ("/only", "only", None),
        ("/", None, None),
        ("/a/" + "x" * 100, "x" * 63, "a/" + "x" * 100),
    ],
)
def test_a_suggestion_is_named_after_the_repository(path, name, slug):
    metadata = suggest("github.com", path).entity["metadata"]
    assert metadata.get("name") == name
    assert metadata.get("annotations", {}).get("github.com/project-slug") == slug
    assert "annotations" not in suggest("git.example.com", path).entity["metadata"]
