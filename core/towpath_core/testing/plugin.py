"""Pytest plugin of the conformance kit: rule ids in failures, deviations, the report, the level.

Pytest loads this module in every run of every environment that has Towpath in it. It must import
nothing of the core before contracts were run: an early import would spoil a vendor's coverage.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from towpath_core.testing.conformance import Outcome, Report, Status

__all__ = ()

_RULE = "towpath-rule"
_MARKER = "deviation(rule, reason): this plugin departs from a rule of the Towpath kit, and why"
_LEVELS = ("bronze", "silver", "gold")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("towpath", "Towpath conformance")
    group.addoption(
        "--contract-report", metavar="FILE", help="write the conformance report as JSON"
    )
    group.addoption(
        "--contract-level", choices=_LEVELS, help="fail the run below this level of conformance"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the collector in the process that sees all outcomes."""
    config.addinivalue_line("markers", _MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "towpath-conformance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the rule of each test, and expect declared deviations to fail.

    Raises:
        pytest.UsageError: a deviation has no reason or names no rule of its contract.
    """
    for item in items:
        declared = list(item.iter_markers("deviation"))
        rule = _rule_of(item)
        if rule is not None:
            item.user_properties.append((_RULE, rule.id))
        for mark in declared:
            departs, reason = _declaration(item, mark)
            if rule is not None and rule.id == departs:
                item.add_marker(pytest.mark.xfail(strict=True, reason=f"deviation: {reason}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the rule's id and sentence into the failures of its test."""
    report = yield
    rule = _rule_of(item)
    if rule is not None and report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is not None:
            crash.message = f"[{rule.id}] {crash.message}"
        report.sections.append(("towpath rule", f"{rule.id} ({rule.level}): {rule.summary}"))
    return report


class _Collector:
    """Gathers outcomes of rules, also from xdist's workers, and reports at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._report_file: str | None = config.getoption("--contract-report")
        self._wanted: str | None = config.getoption("--contract-level")
        self._phases: dict[str, list[pytest.TestReport]] = {}
        self._verdict: Report | None = None
        self._complaint = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the phases of a rule's test."""
        if dict(report.user_properties).get(_RULE):
            self._phases.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge, write the report, and fail a run that stays below the level asked for."""
        if self._phases or self._report_file or self._wanted:
            from towpath_core.testing.conformance import judge

            self._verdict = judge(self._outcomes())
        if self._verdict is None:
            return
        if self._report_file:
            _write(Path(self._report_file), self._verdict)
        self._complaint = _complaint(self._verdict, self._wanted)
        if self._complaint and session.exitstatus in (0, 5):  # passed, or collected nothing
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the conformance section, where contracts were run."""
        if self._verdict is None:
            return
        kit = f"kit {self._verdict.kit}, towpath {self._verdict.towpath}"
        terminalreporter.section(f"towpath conformance ({kit})")
        for line in _lines(self._verdict):
            terminalreporter.write_line(line)
        if self._complaint:
            terminalreporter.write_line(self._complaint, red=True)

    def _outcomes(self) -> Iterator[Outcome]:
        from towpath_core.testing.conformance import Outcome

        for nodeid, phases in self._phases.items():
            properties = [(str(name), str(value)) for name, value in phases[-1].user_properties]
            status, reason = _add_up(phases)
            yield Outcome(
                nodeid.partition("[")[0].rpartition("::")[0],
                dict(properties)[_RULE],
                status,
                reason,
                tuple(pair for pair in properties if pair[0] != _RULE),
            )


def _rule_of(item: pytest.Item) -> Any:
    return getattr(getattr(item, "function", None), "towpath_rule", None)


def _declaration(item: pytest.Item, mark: pytest.Mark) -> tuple[str, str]:
    rule, reason = mark.kwargs.get("rule"), mark.kwargs.get("reason")
    if mark.args or not isinstance(reason, str) or not reason.strip():
        raise pytest.UsageError(
            f"{item.nodeid}: write deviation(rule='<id>', reason='<why, in a sentence>')"
        )
    owner = getattr(item, "cls", None)
    rules: list[Any] = [
        getattr(getattr(owner, name, None), "towpath_rule", None) for name in dir(owner)
    ]
    known = {one.id for one in rules if one is not None}
    if rule not in known:
        raise pytest.UsageError(
            f"{item.nodeid}: deviation from {rule!r}, which is no rule of this contract; "
            f"it has {', '.join(sorted(known)) or 'none'}"
        )
    return str(rule), reason.strip()


def _add_up(phases: list[pytest.TestReport]) -> tuple[Status, str]:
    """One status of a test's phases: setup, call, teardown."""
    for phase in phases:
        if phase.failed:
            return "todo", _failure(phase)
    for phase in phases:
        expected = getattr(phase, "wasxfail", None)
        if phase.skipped and expected is not None:
            declared = expected.removeprefix("reason: ")
            if declared.startswith("deviation: "):
                return "deviation", declared.removeprefix("deviation: ")
            return "todo", f"expected to fail, without a deviation: {declared}"
        if phase.skipped:
            told = phase.longrepr[2] if isinstance(phase.longrepr, tuple) else ""
            reason = told.removeprefix("Skipped: ")
            if reason.startswith("exempt: "):
                return "exempt", reason.removeprefix("exempt: ")
            return "todo", reason
    if any(phase.when == "call" for phase in phases):
        return "done", ""
    return "todo", "the test did not finish"


def _failure(phase: pytest.TestReport) -> str:
    crash = getattr(phase.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else phase.longreprtext).strip()
    if text.startswith("[XPASS(strict)]"):
        return "the plugin keeps to the rule now; remove the deviation"
    line = text.partition("\n")[0]
    rule = dict(phase.user_properties).get(_RULE)
    return line.removeprefix(f"[{rule}] ").removeprefix("AssertionError: ")


def _write(file: Path, verdict: Report) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(verdict), indent=2)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text + b"\n")
    except OSError as error:
        raise pytest.UsageError(f"--contract-report: cannot write {file}: {error}") from error


def _complaint(verdict: Report, wanted: str | None) -> str:
    if wanted is None:
        return ""
    if not verdict.subjects:
        return f"below {wanted}: no contract was run"
    if verdict.untested:
        return f"below {wanted}: no contract was run on {', '.join(verdict.untested)}"
    level = verdict.level
    if level is None or _LEVELS.index(level) < _LEVELS.index(wanted):
        return f"below {wanted}: the level reached is {level or 'none'}"
    return ""


def _lines(verdict: Report) -> Iterator[str]:
    for subject in verdict.subjects:
        done = sum(one.status == "done" for one in subject.rules)
        head = f"{subject.name} ({subject.contract})"
        yield f"{head}: {subject.level or 'no level'}, {done} of {len(subject.rules)} rules done"
        for one in subject.rules:
            if one.status != "done":
                yield f"  {one.status:<9} {one.level:<6} {one.id}: {one.reason}"
    for name in verdict.untested:
        yield f"untested: {name} is offered, and no contract was run on it"
    yield f"level: {verdict.level or 'none'}"
