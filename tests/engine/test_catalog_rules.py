"""Restrictions: what may come from where, and which rule said no."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from towpath_core.entities import Entity
from towpath_core.errors import SettingsError
from towpath_engine.catalog.rules import CatalogRule, CatalogRules
from towpath_engine.settings import load_settings

ORG = "url:https://git.example.com/org/all.yaml"
SHOP = "url:https://git.example.com/shop/catalog-info.yaml"
RULES = CatalogRules(
    [
        CatalogRule(allow=("Component", "API")),
        CatalogRule(allow=("user", "group"), locations=("url:*/org/*.yaml",)),
        CatalogRule(locations=("file:/srv/*",), namespaces=("team-a", "team-b")),
    ]
)


def entity(kind: str, namespace: str = "default") -> Entity:
    return Entity("backstage.io/v1alpha1", kind, {"name": "x", "namespace": namespace})


def test_without_rules_everything_may_come_from_everywhere() -> None:
    for kind in ("Component", "User", "Template", "Own"):
        assert CatalogRules().refuse(entity(kind), ORG) is None


@pytest.mark.parametrize(
    ("kind", "namespace", "origin"),
    [
        ("Component", "default", SHOP),
        ("api", "default", SHOP),
        ("User", "default", ORG),
        ("Component", "default", ORG),
        ("System", "team-a", "file:/srv/x.yaml"),
        ("Component", "default", ""),
    ],
)
def test_one_rule_that_lets_it_in_is_enough(kind: str, namespace: str, origin: str) -> None:
    assert RULES.refuse(entity(kind, namespace), origin) is None


@pytest.mark.parametrize(
    ("kind", "namespace", "origin", "pointer", "parts"),
    [
        ("User", "default", SHOP, "/kind", ["rule 1 allows Component, API"]),
        ("User", "default", "", "/kind", ["rule 1 allows Component, API"]),
        ("System", "default", ORG, "/kind", ["rule 1", "rule 2 allows user, group (for url:*/org"]),
        ("System", "x", "file:/srv/a", "/kind", ["rule 3 allows all kinds in team-a, team-b"]),
    ],
)
def test_a_refusal_names_the_rules(
    kind: str, namespace: str, origin: str, pointer: str, parts: list[str]
) -> None:
    problem = RULES.refuse(entity(kind, namespace), origin)
    assert problem is not None
    assert (problem.code, problem.place.pointer) == ("rule", pointer)
    assert "[catalog] rules" in problem.message
    for part in parts:
        assert part in problem.message


def test_a_namespace_is_named_as_the_fault() -> None:
    rules = CatalogRules([CatalogRule(namespaces=("team-a",))])
    problem = rules.refuse(entity("System", "team-b"), "")
    assert problem is not None
    assert problem.place.pointer == "/metadata/namespace"


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("url:https://a/b", ["url:https://a/b"], ["url:https://a/bc", "url:https://a/"]),
        ("url:*", ["url:", "url:x"], ["file:x", "xurl:"]),
        ("*/org/*", ["url:https://a/org/", "a/org/b"], ["a/orgs/b"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["ac", "abx", "acb"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("*", ["", "x"], []),
        ("a[b]?", ["a[b]?"], ["ab", "a[b]x"]),
    ],
)
def test_patterns_of_locations(pattern: str, good: list[str], bad: list[str]) -> None:
    rules = CatalogRules([CatalogRule(allow=("API",), locations=(pattern,))])
    assert all(rules.refuse(entity("User"), one) is not None for one in good)
    assert all(rules.refuse(entity("User"), one) is None for one in bad)


def test_patterns_take_no_long_time() -> None:
    rules = CatalogRules([CatalogRule(locations=("*a" * 200 + "b",), allow=("API",))])
    begin = time.process_time()
    rules.refuse(entity("User"), "a" * 100_000)
    assert time.process_time() - begin < 0.25


def test_rules_are_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "towpath.toml"
    file.write_text(
        '[catalog]\nrules = [{ allow = ["Component"], locations = ["url:*"] }, '
        '{ namespaces = ["team-a"] }]\n'
    )
    settings = load_settings({"TOWPATH_HOME": str(tmp_path)})
    assert settings.catalog_rules == (
        CatalogRule(allow=("Component",), locations=("url:*",)),
        CatalogRule(namespaces=("team-a",)),
    )


@pytest.mark.parametrize("text", ["rules = 1", "rules = [1]", 'rules = [{ alow = ["x"] }]'])
def test_wrong_rules_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "towpath.toml").write_text(f"[catalog]\n{text}\n")
    with pytest.raises(SettingsError, match=r"catalog\.rules is wrong"):
        load_settings({"TOWPATH_HOME": str(tmp_path)})
