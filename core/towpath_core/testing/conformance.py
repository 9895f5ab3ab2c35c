"""From test outcomes to a verdict: statuses, the level that was reached, the report.

Knows rules and outcomes as plain values, and nothing of pytest's objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import msgspec

from towpath_core.hookspecs import SPEC_VERSION
from towpath_core.testing.rules import LEVELS, Level, Rule, rules_of

__all__ = (
    "BACKEND",
    "LEVELS",
    "OFFERS",
    "Outcome",
    "Report",
    "RuleResult",
    "Status",
    "Subject",
    "contracts",
    "judge",
    "reached",
    "rule_table",
)

OFFERS = "towpath-offers"
"""Property of a test: an object that the plugin offers, as `Provisioner sqlite`."""
BACKEND = "towpath-backend"
"""Property of a test: the object that a contract was run on, in the same form."""

Status = Literal["done", "todo", "exempt", "deviation"]
_CONTRACTED = ("CatalogSource", "Provisioner", "Action", "RunKind")


class Outcome(msgspec.Struct, frozen=True):
    """What became of one test of a rule.

    Attributes:
        subject: the vendor's test class, as pytest names it.
        rule: id of the rule.
        status: what the test's phases add up to.
        reason: the failure's first line, or why it was skipped or expected to fail.
        properties: what the test noted, as (name, value).
    """

    subject: str
    rule: str
    status: Status
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()


class RuleResult(msgspec.Struct, frozen=True):
    """How a subject stands to one rule."""

    id: str
    level: Level
    status: Status
    reason: str = ""


class Subject(msgspec.Struct, frozen=True):
    """One contract that was run on one thing, with every rule of the contract."""

    name: str
    contract: str
    backend: str
    level: Level | None
    rules: tuple[RuleResult, ...]


class Report(msgspec.Struct, frozen=True):
    """The verdict of a run.

    Attributes:
        kit: version of the kit, which is that of the hook specs.
        towpath: version of the distribution that the kit came with.
        level: what all subjects together reach; None below bronze.
        untested: objects that a plugin offers and no contract was run on.
        subjects: ordered by name.
    """

    kit: int
    towpath: str
    level: Level | None
    untested: tuple[str, ...]
    subjects: tuple[Subject, ...]


def contracts() -> tuple[type, ...]:
    """The contracts of the kit. Imports them, and with them pytest."""
    from towpath_core.testing.actions import ActionContract
    from towpath_core.testing.catalog import CatalogSourceContract
    from towpath_core.testing.kinds import EntityKindContract
    from towpath_core.testing.packaging import PluginContract
    from towpath_core.testing.provisioning import ProvisionerContract
    from towpath_core.testing.run_kinds import RunKindContract

    return (
        PluginContract,
        CatalogSourceContract,
        EntityKindContract,
        ActionContract,
        ProvisionerContract,
        RunKindContract,
    )


def reached(results: Iterable[RuleResult]) -> Level | None:
    """The highest level whose rules, and all below, are done or exempt.

    At least one rule of the level itself must be done: exemption earns nothing.
    """
    found = list(results)
    best: Level | None = None
    for level in LEVELS:
        of_level = [one.status for one in found if one.level == level]
        if any(status in ("todo", "deviation") for status in of_level):
            break
        if "done" in of_level:
            best = level
    return best


def judge(outcomes: Iterable[Outcome]) -> Report:
    """Add outcomes up to a verdict; rules of a contract that never ran are `todo`."""
    by_subject: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_subject.setdefault(outcome.subject, []).append(outcome)
    subjects = tuple(_subject(name, found) for name, found in sorted(by_subject.items()))
    tested = {subject.backend for subject in subjects}
    offered = {
        value
        for found in by_subject.values()
        for outcome in found
        for name, value in outcome.properties
        if name == OFFERS and value.partition(" ")[0] in _CONTRACTED
    }
    results = [result for subject in subjects for result in subject.rules]
    try:
        ours = version("towpath")
    except PackageNotFoundError:  # the core runs from a bare checkout
        ours = "unknown"
    return Report(SPEC_VERSION, ours, reached(results), tuple(sorted(offered - tested)), subjects)


def _subject(name: str, outcomes: Sequence[Outcome]) -> Subject:
    contract, rules = _contract_of({outcome.rule for outcome in outcomes})
    results = tuple(
        _add_up(rule, [one for one in outcomes if one.rule == rule.id]) for rule in rules
    )
    backend = next(
        (value for one in outcomes for key, value in one.properties if key == BACKEND), ""
    )
    return Subject(name, contract, backend, reached(results), results)


def _contract_of(ids: set[str]) -> tuple[str, tuple[Rule, ...]]:
    for contract in contracts():
        rules = rules_of(contract)
        if ids & {rule.id for rule in rules}:
            return contract.__name__, rules
    return "Contract", tuple(Rule(id, "bronze", "") for id in sorted(ids))


def _add_up(rule: Rule, outcomes: Sequence[Outcome]) -> RuleResult:
    """The worst outcome counts; an exemption gives way to a test that was done."""
    for status in ("todo", "deviation", "done", "exempt"):
        for outcome in outcomes:
            if outcome.status == status:
                return RuleResult(rule.id, rule.level, outcome.status, outcome.reason)
    return RuleResult(rule.id, rule.level, "todo", "the test did not run")


def rule_table() -> str:
    """The rules of all contracts as Markdown, one table a contract, as the reference prints it."""
    parts = []
    for contract in contracts():
        rows = [f"| `{one.id}` | {one.level} | {one.summary} |" for one in rules_of(contract)]
        head = [f"### {contract.__name__}", "", "| rule | level | what it asks |", "|---|---|---|"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts) + "\n"
