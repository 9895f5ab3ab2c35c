"""Why an entity is there or not, in one sentence and stage by stage."""

from __future__ import annotations

from uuid import UUID

import pytest
from descriptor_kit import component, joined, location
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from pyroaring import BitMap
from sqlalchemy import text

from towpath_engine.catalog.findings import ReadingLimits

pytestmark = pytest.mark.anyio


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


async def explain(platform, name, **options):
    return await platform.catalog.explainer.explain(f"component:default/{name}", **options)


def stages(found):
    return [(stage.name, stage.outcome) for stage in found.stages]


async def test_an_entity_that_is_there(platform, source):
    source.files["/all.yaml"] = joined(component("b"), component("a"))
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    found = await explain(platform, "a")
    assert found.state == "there"
    assert found.summary == ("It is in the catalog, in revision 1, as /all.yaml:10 states it.")
    assert stages(found) == [
        ("registered", "ok"),
        ("read", "ok"),
        ("parsed", "ok"),
        ("checked", "ok"),
        ("written", "ok"),
        ("index", "ok"),
    ]
    registered, read, parsed, _, written, _ = found.stages
    assert "towpath/ada" in registered.message and registered.location_id == place.id
    assert (read.file, parsed.line, parsed.file) == ("/all.yaml", 10, "/all.yaml")
    assert all(stage.at is not None for stage in found.stages[:-1])
    assert "mem:/all.yaml" in written.message
    assert str(found.uid) == platform.index.by_ref("component:default/a").uid
    assert found.dangling == ["group:default/team-a"]


async def test_one_that_nobody_ever_stated(platform, source):
    source.files["/all.yaml"] = joined(
        component("payments", dependsOn=["component:paymets"]), component("other")
    )
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    found = await explain(platform, "paymets")
    assert (found.state, found.stages, found.uid) == ("unknown", [], None)
    assert found.summary.startswith(
        "No source ever stated it; nearest names: component:default/payments."
    )
    assert found.named_by == ["component:default/payments"]
    assert "1 entity names it" in found.summary
    strange = await platform.catalog.explainer.explain("weird:x/\u202e?")
    assert strange.summary == "No source ever stated it."


async def test_one_whose_newest_version_is_wrong(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    source.files["/all.yaml"] = joined(component("b"), component("a", owner=None))
    await platform.catalog.refresh(ADA, place.id)
    found = await explain(platform, "a")
    assert found.state == "there"
    assert "as it was before" in found.summary and "/all.yaml:1" in found.summary
    assert ("checked", "failed") in stages(found)
    source.files["/all.yaml"] = joined(component("b")) + b"---\na: [\n"
    await platform.catalog.refresh(ADA, place.id)
    found = await explain(platform, "a")
    assert ("parsed", "failed") in stages(found)


async def test_one_that_was_never_good(platform, source):
    source.files["/all.yaml"] = joined(component("a", owner=None))
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    found = await explain(platform, "a")
    assert found.state == "refused"
    assert found.summary.startswith("/all.yaml:") and "not taken in" in found.summary
    assert stages(found)[-1] == ("checked", "failed")


async def test_one_that_another_holds(platform, source):
    source.files |= {"/1.yaml": joined(component("a")), "/2.yaml": joined(component("a"))}
    for target in source.files:
        await platform.catalog.register(ADA, "mem", target)
    found = await explain(platform, "a")
    assert "mem:/2.yaml states it too and is left out" in found.summary
    (stage,) = [stage for stage in found.stages if stage.name == "conflict"]
    assert (stage.outcome, stage.file, stage.line) == ("left-out", "/2.yaml", 1)


async def test_one_that_waits_for_confirmation(platform, source):
    source.files["/all.yaml"] = joined(*(component(f"c{n}") for n in range(20)))
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    source.files["/all.yaml"] = joined(*(component(f"c{n}") for n in range(10)))
    await platform.catalog.refresh(ADA, place.id)
    found = await explain(platform, "c15")
    assert (found.state, ("held", "waits") in stages(found)) == ("held", True)
    assert "until somebody confirms" in found.summary
    assert (await explain(platform, "c5")).state == "there"


@pytest.mark.parametrize("how", ["vanished", "unregistered", "deleted", "too long ago"])
async def test_one_that_was_removed(platform, source, how):
    source.files["/all.yaml"] = joined(component("a"), component("b"))
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    if how == "unregistered":
        await platform.catalog.unregister(ADA, place.id)
    elif how == "deleted":
        uid = platform.index.by_ref("component:default/a").uid
        await platform.catalog.delete_entity(ADA, UUID(uid))
    else:
        source.files["/all.yaml"] = joined(component("b"))
        await platform.catalog.refresh(ADA, place.id)
    if how == "too long ago":
        async with platform.database.begin() as transaction:
            await transaction.execute(text("DELETE FROM catalog_tombstones"))
    found = await explain(platform, "a")
    assert found.state == "removed"
    said = {
        "vanished": "because mem:/all.yaml does not state it any more; it can be restored until",
        "unregistered": "with its location mem:/all.yaml by towpath/ada; it can be restored until",
        "deleted": "It comes back when mem:/all.yaml is read again",
        "too long ago": "too long ago to be restored",
    }
    assert said[how] in found.summary
    assert stages(found)[-1] == ("removed", "ok")


async def test_one_that_was_restored(platform, source):
    source.files["/all.yaml"] = joined(component("a"), component("b"))
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    source.files["/all.yaml"] = joined(component("b"))
    await platform.catalog.refresh(ADA, place.id)
    (buried,) = await platform.catalog.tombstones.page()
    await platform.catalog.tombstones.restore(ADA, buried.uid)
    found = await explain(platform, "a")
    assert "because it was restored, though mem:/all.yaml lacks it" in found.summary


async def test_one_that_was_deleted_and_restored_is_not_said_to_be_lacking(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    uid = UUID(platform.index.by_ref("component:default/a").uid)
    await platform.catalog.delete_entity(ADA, uid)
    await platform.catalog.tombstones.restore(ADA, uid)
    found = await explain(platform, "a")
    assert "restored; it is held by mem:/all.yaml again when that is read" in found.summary


@pytest.mark.parametrize("target", ["/all.yaml", "/*.yaml"])
@pytest.mark.parametrize("down", [True, False])
async def test_one_whose_location_cannot_be_read(platform, source, target, down):
    source.files["/all.yaml"] = joined(component("a"))
    place = (await platform.catalog.register(ADA, "mem", target)).location
    source.down = down
    source.files.clear()
    await platform.catalog.refresh(ADA, place.id)
    found = await explain(platform, "a")
    why = "The dict does not answer." if down else f"There is no {target}."
    assert found.state == "there"
    assert "as it was before; its source could not be read: " in found.summary
    assert why in found.summary
    (read,) = [stage for stage in found.stages if stage.name == "read"]
    assert (read.outcome, read.message) == ("failed", why)
    assert ("parsed", "ok") not in stages(found)


async def test_one_whose_file_cannot_be_reached_from_its_location(platform, source):
    source.files["/all.yaml"] = joined(location("./b.yaml", "./c.yaml"))
    source.files |= {"/b.yaml": joined(component("b")), "/c.yaml": joined(component("c"))}
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    platform.reader._limits = ReadingLimits(file_bytes=1_000)
    source.files["/b.yaml"] += b"#" * 1_000
    await platform.catalog.refresh(ADA, place.id)
    found = await explain(platform, "b")
    assert "its source could not be read: /all.yaml:" in found.summary
    assert ("read", "failed") in stages(found)
    assert ("read", "ok") in stages(await explain(platform, "c"))


async def test_what_is_hidden_is_explained_as_what_never_was(platform, source):
    source.files["/all.yaml"] = joined(component("secret"), component("secrets"))
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    seen = BitMap([platform.index.by_ref("component:default/secrets").number])
    found = await explain(platform, "secret", visible=seen)
    assert (found.state, found.uid, found.stages) == ("unknown", None, [])
    assert found.nearest == ["component:default/secrets"]
    source.files["/all.yaml"] = joined(component("secrets"))
    await platform.catalog.register(ADA, "mem", "/all.yaml", again=True)
    assert (await explain(platform, "secret")).state == "removed"
    assert (await explain(platform, "secret", visible=seen)).state == "unknown"
    found = await explain(platform, "secre", visible=BitMap())
    assert (list(found.nearest), list(found.named_by)) == ([], [])
