"""Descriptors that are made to hurt a catalog: each is a problem, and its neighbours go in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engine_kit import ADMIN, load_host, platform_of

from towpath_core.errors import Problem
from towpath_engine.platform import Platform
from towpath_engine.store.migrate import migrate

pytestmark = pytest.mark.anyio

GOOD = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: service
  lifecycle: production
  owner: team
"""
SECRET = "root:x:0:0"

Take = Callable[[str], Any]


@pytest.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "secret").write_text(SECRET)
    migrate(database_url)
    settings = {"roots": [str(tmp_path / "catalog")], "yaml": {"documents": 50}}
    with load_host(installed=["backstage"], settings={"backstage": settings}) as host:
        async with platform_of(host, database_url, tmp_path / "home") as platform:
            yield platform


class Catalog:
    """A platform with one file; what is taken in, and what is wrong."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.file = folder / "catalog" / "all.yaml"
        self.problems: list[Problem] = []

    async def take(self, text: str) -> set[str]:
        """Register the file with a text; give the references that it holds."""
        self.file.write_text(text)
        report = await self.platform.catalog.register(ADMIN, "file", str(self.file), again=True)
        self.problems = [found.problem for found in report.problems]
        return {ref for ref in report.entity_refs if not ref.startswith("location:default/gen")}

    def entity(self, ref: str) -> dict[str, Any]:
        """An entity as readers get it."""
        entry = self.platform.index.by_ref(ref)
        assert entry is not None
        found: dict[str, Any] = msgspec.json.decode(entry.final)
        return found


@pytest.fixture
def catalog(platform: Platform, tmp_path: Path) -> Catalog:
    return Catalog(platform, tmp_path)


def beside(text: str) -> str:
    """A document between two good ones."""
    return f"{GOOD.format(name='first')}---\n{text}\n---\n{GOOD.format(name='last')}"


NEIGHBOURS = {"component:default/first", "component:default/last"}

NAMES = [
    "../../etc/passwd",
    "default/x",
    "a:b",
    "a" * 64,
    "p\\u0430yments",  # a Cyrillic letter that looks like ours
    "pay\\u202ements",
    "pay.",
    "-pay",
    "pay ",
    "pay\\nments",
    "",
    "%2e%2e",
    "pay?x=1",
]


@pytest.mark.parametrize("field", ["name", "namespace"])
async def test_names_that_lead_elsewhere_are_refused(catalog: Catalog, field: str) -> None:
    texts = []
    for name in NAMES:
        text = GOOD.format(name="x") if field == "namespace" else GOOD
        if field == "namespace":
            text = text.replace("metadata:\n", f'metadata:\n  namespace: "{name}"\n')
        texts.append(text.replace("{name}", f'"{name}"'))
    assert await catalog.take(beside("\n---\n".join(texts))) == NEIGHBOURS
    assert [problem.place.pointer for problem in catalog.problems] == [
        f"/metadata/{field}" for _ in NAMES
    ]
    assert all(problem.place.line and problem.place.column for problem in catalog.problems)
    assert all(problem.message.isprintable() for problem in catalog.problems)


async def test_a_nul_in_a_name_is_refused(catalog: Catalog) -> None:
    assert await catalog.take(beside(GOOD.format(name='"a\\0b"'))) == NEIGHBOURS
    assert [problem.code for problem in catalog.problems] == ["yaml-character"]


LARGE = {
    "`nodes`": "metadata:\n  annotations:\n" + "".join(f"    a{n}: b\n" for n in range(50_000)),
    "`entity_bytes`": GOOD.format(name="x") + "  text: " + "x" * (5 * 1024 * 1024),
    "`depth`": "a: " + "[" * 100_000,
    "`digits`": "a: " + "9" * 1_000_000,
    "`alias_nodes`": "a: &a [x]\nb: [" + "*a, " * 200_000 + "]",
    "`key_characters`": "? " + "a" * 1_100 + "\n: 1",
}


@pytest.mark.parametrize("budget", LARGE)
async def test_a_document_over_a_budget_is_named_with_it(catalog: Catalog, budget: str) -> None:
    begin = time.process_time()
    assert await catalog.take(beside(LARGE[budget])) == NEIGHBOURS
    assert time.process_time() - begin < 2.0
    (problem,) = catalog.problems
    assert budget in problem.message
    assert len(problem.message) < 300


async def test_documents_over_the_budget_of_a_file_are_left_out(catalog: Catalog) -> None:
    texts = [GOOD.format(name=f"c{number}") for number in range(60)]
    found = await catalog.take("---\n".join(texts))
    assert found == {f"component:default/c{number}" for number in range(50)}
    (problem,) = catalog.problems
    assert "`documents` of 50" in problem.message
    assert problem.place.line == 50 * 9


async def test_authors_cannot_say_where_an_entity_comes_from(catalog: Catalog) -> None:
    text = GOOD.format(name="x").replace(
        "metadata:\n",
        "metadata:\n  uid: mine\n  etag: mine\n  annotations:\n"
        "    backstage.io/managed-by-location: url:https://evil.example/x\n"
        "    backstage.io/managed-by-origin-location: url:https://evil.example/x\n",
    )
    await catalog.take(text)
    metadata = catalog.entity("component:default/x")["metadata"]
    own = f"file:{catalog.file}"
    assert metadata["annotations"]["backstage.io/managed-by-location"] == own
    assert metadata["annotations"]["backstage.io/managed-by-origin-location"] == own
    assert "mine" not in (metadata["uid"], metadata["etag"])


async def test_relations_in_a_circle_are_stored_and_end(catalog: Catalog) -> None:
    group = (
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: NAME}\n"
        "spec: {type: team, parent: OTHER, children: [NAME]}\n"
    )
    texts = [
        GOOD.format(name="a") + "  dependsOn: ['component:a', 'component:b']\n",
        GOOD.format(name="b") + "  dependsOn: ['component:a']\n  subcomponentOf: b\n",
        group.replace("NAME", "g").replace("OTHER", "h"),
        group.replace("NAME", "h").replace("OTHER", "g"),
    ]
    assert len(await catalog.take("---\n".join(texts))) == 4
    assert catalog.problems == []
    edges = {
        (r["type"], r["targetRef"]) for r in catalog.entity("component:default/a")["relations"]
    }
    assert {("dependsOn", "component:default/a"), ("dependencyOf", "component:default/b")} <= edges
    assert ("childOf", "group:default/h") in {
        (r["type"], r["targetRef"]) for r in catalog.entity("group:default/g")["relations"]
    }


async def test_links_that_run_are_refused_and_titles_are_text(catalog: Catalog) -> None:
    links = "metadata:\n  links: [{{url: '{url}', title: '<img src=x onerror=alert(1)>'}}]\n"
    urls = [
        "javascript:alert(1)",
        " JaVaScRiPt:x",
        "java\tscript:x",
        "data:text/html,x",
        "VBScript:x",
    ]
    texts = [
        GOOD.format(name=f"x{number}").replace("metadata:\n", links.format(url=url))
        for number, url in enumerate(urls)
    ]
    assert await catalog.take(beside("\n---\n".join(texts))) == NEIGHBOURS
    assert {problem.place.pointer for problem in catalog.problems} == {"/metadata/links/0/url"}
    await catalog.take(
        GOOD.format(name="y").replace("metadata:\n", links.format(url="https://a.example"))
    )
    (link,) = catalog.entity("component:default/y")["metadata"]["links"]
    assert link["title"] == "<img src=x onerror=alert(1)>"


TARGETS = [
    "/etc/passwd",
    "file:///etc/passwd",
    "../secret",
    "./../secret",
    "http://169.254.169.254/latest/meta-data",
    "http://127.1/x",
    "http://2130706433/",
    "https://evil.example/x.yaml",
    "\\0",
    "",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_placeholders_stay_where_their_file_is(catalog: Catalog, target: str) -> None:
    text = (
        "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: api}\nspec:\n"
        f'  type: openapi\n  lifecycle: x\n  owner: team\n  definition: {{$text: "{target}"}}\n'
    )
    await catalog.take(beside(text))
    assert {problem.code for problem in catalog.problems} <= {"placeholder", "yaml-character"}
    assert len(catalog.problems) == 1
    assert SECRET not in str(catalog.problems[0])
    entry = catalog.platform.index.by_ref("api:default/api")
    assert entry is None or SECRET.encode() not in entry.final


LOCATION = "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: NAME}\nspec: SPEC\n"


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "file:///etc/passwd", "../../*"])
async def test_locations_stay_below_their_root(catalog: Catalog, target: str) -> None:
    text = LOCATION.replace("NAME", "out").replace("SPEC", f"{{targets: ['{target}']}}")
    await catalog.take(beside(text))
    (problem,) = catalog.problems
    assert problem.code == "forbidden"
    assert problem.place.pointer == "/spec/targets/0"
    assert SECRET not in problem.message


async def test_locations_lead_only_so_deep(catalog: Catalog) -> None:
    for number in range(15):
        spec = f"{{target: ./l{number + 1}.yaml}}"
        text = LOCATION.replace("NAME", f"l{number}").replace("SPEC", spec)
        (catalog.file.parent / f"l{number}.yaml").write_text(text)
    (catalog.file.parent / "l15.yaml").write_text(GOOD.format(name="deep"))
    found = await catalog.take(
        LOCATION.replace("NAME", "top").replace("SPEC", "{targets: [./l0.yaml, ./all.yaml]}")
    )
    assert "location:default/l3" in found
    assert "component:default/deep" not in found
    assert ["nest deeper" in problem.message for problem in catalog.problems] == [True]
