"""What a vendor's pytest run shows and writes, and when it fails."""

from __future__ import annotations

import json

import pytest

pytest_plugins = ["pytester"]

SHELF = """
import pytest
from towpath_core.catalog import SourceFile
from towpath_core.errors import Forbidden, LimitExceeded, NotFound
from towpath_core.testing import CatalogSourceContract
from towpath_core.testing.catalog import Target

class Shelf:
    name = "shelf"
    types = frozenset({"shelf"})
    etag = "1"
    def claims(self, type, target):
        return target == "a"
    def read(self, target, *, max_bytes):
        if target != "a":
            raise NotFound("nothing there")
        if max_bytes < 2:
            raise LimitExceeded("too large")
        return [SourceFile("a", b"a1", self.etag)]
    def resolve(self, base, relative):
        raise Forbidden("there is one file only")

%s
class TestShelf(CatalogSourceContract):
    kind = Shelf
    @pytest.fixture
    def source(self):
        return self.kind()
    @pytest.fixture
    def target(self):
        return Target("shelf", "a")
"""
BROKEN = """
class Stumbling(Shelf):
    def read(self, target, *, max_bytes):
        return {"a": super().read("a", max_bytes=max_bytes)}[target]

class TestStumbling(TestShelf):
    kind = Stumbling
"""
DEVIATION = '@pytest.mark.deviation(rule="catalog.errors-are-typed", reason="upstream, issue 12")'


@pytest.fixture
def run(pytester):
    pytester.makeini("[pytest]\nfilterwarnings = error\nmarkers =\naddopts = --strict-markers\n")

    def run(text: str, *options: str):
        pytester.makepyfile(test_vendor=text)
        quiet = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:timeout")
        return pytester.runpytest_inprocess(*quiet, *options)

    return run


def report(pytester):
    found = json.loads((pytester.path / "out" / "report.json").read_text())
    statuses = {
        one["name"]: {rule["id"]: (rule["status"], rule["reason"]) for rule in one["rules"]}
        for one in found["subjects"]
    }
    return found, statuses


def test_a_good_run_says_its_level_and_writes_the_report(run, pytester):
    result = run(SHELF % "", "--contract-level=silver", "--contract-report=out/report.json")

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*towpath conformance (kit 1, towpath *",
            "test_vendor.py::TestShelf (CatalogSourceContract): silver, 7 of 10 rules done",
            "  exempt    gold   catalog.etag-follows-content: no fixture `change` *",
            "level: silver",
        ]
    )
    found, statuses = report(pytester)
    assert (found["kit"], found["level"], found["untested"]) == (1, "silver", [])
    assert found["subjects"][0]["backend"] == "CatalogSource shelf"
    assert statuses["test_vendor.py::TestShelf"]["catalog.read-is-repeatable"] == ("done", "")


def test_a_failure_names_the_rule_and_what_it_asks(run):
    result = run(SHELF % "" + BROKEN, "-k", "Stumbling")

    result.stdout.fnmatch_lines(
        [
            "*towpath rule*",
            "catalog.errors-are-typed (silver): Whatever the target, a read works or raises *",
            "  todo      silver catalog.errors-are-typed: read of '' raised KeyError('')",
            "FAILED *TestStumbling::test_errors_are_typed - [[]catalog.errors*",
        ]
    )


def test_the_level_asked_for_fails_a_run_that_stays_below(run):
    result = run(SHELF % "", "--contract-level=gold")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["below gold: the level reached is silver"])


def test_a_run_without_contracts_reaches_no_level(run, pytester):
    options = ("--contract-level=bronze", "--contract-report=out/report.json")
    result = run("def test_x(): pass", *options)

    assert result.ret == 1
    result.stdout.fnmatch_lines(["below bronze: no contract was run"])
    assert report(pytester)[0]["level"] is None


def test_a_run_without_contracts_or_options_is_left_alone(run):
    result = run("def test_x(): pass")

    assert result.ret == 0
    result.stdout.no_fnmatch_line("*towpath conformance*")


def test_a_deviation_is_expected_printed_and_blocks_the_level(run, pytester):
    broken = BROKEN.replace("class TestStumbling", f"{DEVIATION}\nclass TestStumbling")
    result = run(SHELF % "" + broken, "--contract-report=out/report.json")

    assert result.ret == 0
    found, statuses = report(pytester)
    assert statuses["test_vendor.py::TestStumbling"]["catalog.errors-are-typed"] == (
        "deviation",
        "upstream, issue 12",
    )
    assert [one["level"] for one in found["subjects"]] == ["silver", "bronze"]
    assert found["level"] == "bronze"


def test_a_deviation_that_is_over_fails(run, pytester):
    result = run(SHELF % DEVIATION, "--contract-report=out/report.json")

    assert result.ret == 1
    _, statuses = report(pytester)
    assert statuses["test_vendor.py::TestShelf"]["catalog.errors-are-typed"] == (
        "todo",
        "the plugin keeps to the rule now; remove the deviation",
    )


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        ('rule="catalog.errors-are-typed"', "*reason=*"),
        ('rule="catalog.errors-are-typed", reason=" "', "*reason=*"),
        ('"catalog.errors-are-typed", reason="x"', "*reason=*"),
        ('rule="catalog.unicorns", reason="x"', "*'catalog.unicorns', which is no rule*"),
        ('rule="provision.plan-is-pure", reason="x"', "*which is no rule of this contract*"),
    ],
)
def test_a_careless_deviation_stops_the_run(run, mark, complaint):
    result = run(SHELF % f"@pytest.mark.deviation({mark})")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def test_skipped_tests_are_todo(run, pytester):
    result = run(SHELF % "@pytest.mark.skip(reason='later')", "--contract-report=out/report.json")

    assert result.ret == 0
    found, statuses = report(pytester)
    assert found["level"] is None
    assert set(statuses["test_vendor.py::TestShelf"].values()) == {("todo", "later")}


def test_an_expected_failure_without_a_deviation_is_todo(run, pytester):
    marked = BROKEN.replace("class TestS", "@pytest.mark.xfail(reason='later')\nclass TestS")
    run(SHELF % "" + marked, "--contract-report=out/report.json")

    _, statuses = report(pytester)
    status, reason = statuses["test_vendor.py::TestStumbling"]["catalog.errors-are-typed"]
    assert (status, reason) == ("todo", "expected to fail, without a deviation: later")


def test_deselected_tests_do_not_earn_a_level(run, pytester):
    run(SHELF % "", "-k", "repeatable", "--contract-report=out/report.json")

    found, statuses = report(pytester)
    assert found["level"] is None
    assert statuses["test_vendor.py::TestShelf"]["catalog.no-path-escape"] == (
        "todo",
        "the test did not run",
    )


def test_a_missing_fixture_is_named(run):
    text = (
        "from towpath_core.testing import ProvisionerContract\n"
        "class TestX(ProvisionerContract): pass\n"
    )
    result = run(text)

    result.stdout.fnmatch_lines(["*the contract needs a fixture `backend`*"])


def test_a_replaced_test_is_refused_at_import(run):
    result = run(SHELF % "" + "\n    def test_read_is_repeatable(self): pass\n")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*TypeError: TestShelf replaces test_read_is_repeatable*"])


def test_what_is_offered_and_not_tested_is_told(run, pytester, monkeypatch):
    (pytester.path / "towpath_shelf.py").write_text(
        "from towpath_core import hookimpl\n"
        "from test_vendor import Shelf\n"
        "TOWPATH_SPEC = 1\n"
        "@hookimpl\ndef towpath_catalog_sources():\n    return [Shelf()]\n"
    )
    info = pytester.path / "towpath_shelf-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: towpath-shelf\nVersion: 1.0\nSummary: A shelf.\n"
        "Requires-Python: >=3.11\nLicense-Expression: MIT\nRequires-Dist: towpath\n"
    )
    (info / "entry_points.txt").write_text("[towpath.plugins]\nshelf = towpath_shelf\n")
    monkeypatch.syspath_prepend(pytester.path)
    packaging = (
        "\nfrom towpath_core.testing import PluginContract\n"
        "class TestPlugin(PluginContract):\n    entry_point = 'shelf'\n"
    )
    alone = run(SHELF.partition("%s")[0] + packaging, "--contract-level=bronze")
    both = run(SHELF % "" + packaging, "--contract-level=bronze")

    assert alone.ret == 1
    alone.stdout.fnmatch_lines(
        [
            "untested: CatalogSource shelf is offered, and no contract was run on it",
            "below bronze: no contract was run on CatalogSource shelf",
        ]
    )
    assert both.ret == 0


def test_a_report_that_cannot_be_written_is_told(run, pytester):
    (pytester.path / "file").write_text("x")

    result = run(SHELF % "", "--contract-report=file/report.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--contract-report: cannot write file/report.json: *"])


def test_workers_of_xdist_report_to_one_place(run, pytester):
    pytester.makepyfile(test_vendor=SHELF % "")
    options = ("-p", "xdist", "-n1", "-p", "no:cacheprovider", "--contract-level=silver")
    result = pytester.runpytest_subprocess(*options, "--contract-report=out/report.json")

    assert result.ret == 0
    assert report(pytester)[0]["level"] == "silver"
