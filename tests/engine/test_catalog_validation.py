"""Descriptors are validated as they would be taken in, without a database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_kit import load_host

from towpath_core.catalog import SourceFile
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.offline import OfflineReport, validate_targets
from towpath_engine.catalog.reading import ReadingLimits
from towpath_engine.catalog.rules import CatalogRule, CatalogRules
from towpath_engine.catalog.validation import ValidationReport, Validator

pytestmark = pytest.mark.anyio

GOOD = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: service
  lifecycle: production
  owner: {owner}
"""
TEAM = """\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: team-a
spec:
  type: team
  children: []
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("descriptors")


@pytest.fixture(scope="module")
def host(root: Path) -> Iterator[PluginHost]:
    settings = {"backstage": {"roots": [str(root)]}}
    with load_host(installed=["backstage"], settings=settings) as host:
        yield host


@pytest.fixture
def folder(root: Path, request: pytest.FixtureRequest) -> Path:
    made = root / str(abs(hash(request.node.name)))
    made.mkdir()
    return made


def file(text: str, name: str = "a.yaml") -> SourceFile:
    return SourceFile(name, text.encode(), "")


def shown(report: ValidationReport) -> list[str]:
    return [f"{p.place}: {p.code}" for p in report.problems]


def warned(report: ValidationReport) -> list[str]:
    return [f"{p.place}: {p.message}" for p in report.warnings]


async def test_good_documents_have_their_references(host: PluginHost) -> None:
    text = f"# first\n{GOOD.format(name='Shop', owner='team-a')}---\n{TEAM}"
    report = await Validator(host).check([file(text)])
    assert [(one.file, one.line, one.ref) for one in report.documents] == [
        ("a.yaml", 2, "component:default/shop"),
        ("a.yaml", 11, "group:default/team-a"),
    ]
    assert shown(report) == warned(report) == []


async def test_every_step_has_its_say_with_a_place(host: PluginHost) -> None:
    texts = {
        "a.yaml": "a: [",
        "b.yaml": "x: 1\n---\n" + GOOD.format(name="-a-", owner="team-a"),
        "c.yaml": GOOD.format(name="c", owner="''"),
        "d.yaml": TEAM.replace("Group", "Grop"),
        "e.txt": TEAM,
        "f.yaml": TEAM.replace("children: []", "children: [':']"),
    }
    report = await Validator(host).check([file(text, name) for name, text in texts.items()])
    assert shown(report) == [
        "a.yaml:2:1: yaml-syntax",
        *("b.yaml:1:1 (/x): envelope", "b.yaml:1:1 (/apiVersion): envelope"),
        *("b.yaml:1:1 (/kind): envelope", "b.yaml:1:1 (/metadata): envelope"),
        "b.yaml:6:3 (/metadata/name): envelope",
        "c.yaml:8:3 (/spec/owner): spec",
        "d.yaml:2:1 (/kind): kind",
        "e.txt: format",
        "f.yaml:7:14 (/spec/children/0): ref",
    ]


async def test_two_of_one_reference_are_a_problem_of_the_second(host: PluginHost) -> None:
    report = await Validator(host).check([file(TEAM), file(f"\n{TEAM}", "b.yaml")])
    assert shown(report) == ["b.yaml:2:1: duplicate"]
    assert "group:default/team-a stands in a.yaml:1:1 already" in report.problems[0].message


async def test_references_to_nothing_are_warnings_where_they_stand(host: PluginHost) -> None:
    text = (
        GOOD.format(name="a", owner="Team-B")
        + "  dependsOn:\n    - component:b\n    - component:a\n"
    )
    report = await Validator(host).check([file(text)])
    assert shown(report) == []
    assert warned(report) == [
        "a.yaml:8:3 (/spec/owner): ownedBy: group:default/team-b is not among what was validated",
        "a.yaml:10:7 (/spec/dependsOn/0): dependsOn: component:default/b is not among what was "
        "validated",
    ]


async def test_a_bad_document_is_there_all_the_same(host: PluginHost) -> None:
    bad_team = TEAM.replace("type: team", "type: ''")
    report = await Validator(host).check(
        [file(GOOD.format(name="a", owner="team-a")), file(bad_team)]
    )
    assert shown(report) == ["a.yaml:6:3 (/spec/type): spec"]
    assert warned(report) == []


async def test_entities_as_data_have_no_lines(host: PluginHost) -> None:
    group = {"apiVersion": "backstage.io/v1alpha1", "kind": "Group", "metadata": {"name": "g"}}
    report = await Validator(host).check(
        [file(TEAM)],
        [{**group, "spec": {"type": "t", "children": ["h"]}}, {**group, "spec": {}}, 5],
    )
    assert [(one.file, one.line, one.ref) for one in report.documents] == [
        ("a.yaml", 1, "group:default/team-a"),
        ("#0", None, "group:default/g"),
        ("#1", None, "group:default/g"),
        ("#2", None, None),
    ]
    assert [p.split(": ")[0] for p in shown(report)] == [
        "#1 (/spec/type)",
        "#1 (/spec/children)",
        "#1",
        "#2",
    ]
    assert warned(report)[0].startswith("#0 (/spec/children/0): parentOf: group:default/h is not")


async def test_rules_and_budgets_are_those_of_the_catalog(host: PluginHost) -> None:
    rules = CatalogRules([CatalogRule(allow=("API",), locations=("url:*",))])
    limits = ReadingLimits(file_bytes=1_000, entity_bytes=400)
    validator = Validator(host, rules=rules, limits=limits)
    assert shown(await validator.check([file(TEAM)], origin="url:https://a")) == [
        "a.yaml:2:1 (/kind): rule"
    ]
    assert shown(await validator.check([file(TEAM)], origin="file:/a")) == []
    large = TEAM.replace("name: team-a", f"name: team-a\n  title: {'x' * 300}")
    assert shown(await validator.check([file(large)])) == ["a.yaml:1:1: limit"]
    assert shown(await validator.check([file("#" * 1_001)])) == ["a.yaml: limit"]


async def read(host: PluginHost, *targets: Path, **options: Any) -> OfflineReport:
    return await validate_targets(host, map(str, targets), **options)


async def test_targets_are_read_with_what_they_lead_to(host: PluginHost, folder: Path) -> None:
    (folder / "all.yaml").write_text(
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: all}\n"
        "spec:\n  targets: [./a/*.yaml, ./gone.yaml, all.yaml]\n"
        "---\napiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: far}\n"
        "spec: {type: url, target: 'https://a.example/x.yaml'}\n"
    )
    (folder / "a").mkdir()
    (folder / "a" / "team.yaml").write_text(TEAM)
    (folder / "a" / "shop.yaml").write_text(GOOD.format(name="shop", owner="team-a"))
    found = await read(host, folder / "all.yaml", folder / "a" / "team.yaml")
    assert found.files == 3
    assert [one.ref for one in found.report.documents] == [
        "location:default/all",
        "location:default/far",
        "group:default/team-a",
        "component:default/shop",
    ]
    assert shown(found.report) == []
    assert [str(one.place) for one in found.unread] == [f"{folder}/all.yaml:5:25 (/spec/targets/1)"]
    assert [one.message for one in found.skipped] == [
        "url:https://a.example/x.yaml was not followed"
    ]


async def test_placeholders_are_read_beside_the_file(host: PluginHost, folder: Path) -> None:
    api = (
        "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: a}\nspec:\n"
        "  type: openapi\n  lifecycle: x\n  owner: user:u\n  definition:\n    $text: ./NAME\n"
    )
    (folder / "there.json").write_text("{}")
    (folder / "good.yaml").write_text(api.replace("NAME", "there.json"))
    (folder / "bad.yaml").write_text(api.replace("NAME", "gone.json").replace("name: a", "name: b"))
    found = await read(host, folder / "*.yaml")
    assert shown(found.report) == [f"{folder}/bad.yaml:8:3 (/spec/definition): placeholder"]


async def test_what_is_not_there_is_told_apart(host: PluginHost, folder: Path) -> None:
    found = await read(host, folder / "none.yaml", Path("/etc/passwd"))
    assert [one.code for one in found.unread] == ["not-found", "forbidden"]
    assert found.report.documents == ()


async def test_locations_that_lead_in_a_circle_end(host: PluginHost, folder: Path) -> None:
    for here, there in (("a", "b"), ("b", "a")):
        (folder / f"{here}.yaml").write_text(
            f"apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {{name: {here}}}\n"
            f"spec: {{target: ./{there}.yaml}}\n"
        )
    found = await read(host, folder / "a.yaml")
    assert found.files == 2
    assert found.unread == ()


async def test_many_documents_take_little(host: PluginHost) -> None:
    text = "---\n".join(GOOD.format(name=f"c-{n}", owner="team-a") for n in range(2_000))
    begin = time.process_time()
    report = await Validator(host).check([file(text), file(TEAM, "b.yaml")])
    assert time.process_time() - begin < 3.0
    assert len(report.documents) == 2_001
    assert shown(report) == warned(report) == []
