"""What keeps the pages true: links, codes, scopes, settings, dependencies, decisions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from towpath_core.identity import SCOPES
from towpath_gateway.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


def rows(page: Path) -> dict[str, str]:
    """The first two cells of every row of a page's tables, the first without its backquotes."""
    found = re.findall(r"^\| `?([^`|]+)`? \| ([^|]+) \|", page.read_text(), re.MULTILINE)
    return {key.strip(): value.strip() for key, value in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_problem_code_is_on_the_page_with_its_status() -> None:
    table = rows(DOCS / "reference" / "rest.md")
    for code, kind in PROBLEMS.items():
        assert table.get(code) == str(kind.status), code


def test_every_error_code_of_ours_can_be_answered() -> None:
    import towpath_engine.idempotency
    import towpath_engine.runs.journal  # noqa: F401  (each defines errors)
    from towpath_core.errors import TowpathError

    def below(kind: type[TowpathError]) -> list[type[TowpathError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in below(sub))]

    ours = [
        k
        for k in below(TowpathError)
        if k.__module__.startswith(("towpath_core", "towpath_engine"))
    ]
    codes = {kind.code for kind in ours} - {"fence-lost"}
    assert len(codes) > 12
    assert codes <= PROBLEMS.keys()


def test_every_scope_is_on_the_page_as_the_code_has_it() -> None:
    table = rows(DOCS / "reference" / "rest.md")
    for scope, meaning in SCOPES.items():
        assert table.get(scope) == meaning


def test_every_variable_that_is_read_is_on_the_page() -> None:
    read = set()
    for room in ("core", "gateway", "plugins", "sdk"):
        for file in (ROOT / room).rglob("*.py"):
            read |= set(re.findall(r"[\"'](TOWPATH_[A-Z_]+)[\"']", file.read_text()))
    told = set(
        re.findall(r"`(TOWPATH_[A-Z_]+)`", (DOCS / "reference" / "configuration.md").read_text())
    )
    private = {"TOWPATH_LIFELINE", "TOWPATH_SPEC"}
    assert read - private == told


def test_every_dependency_is_named_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    wanted += project["dependency-groups"]["dev"]
    page = (DOCS / "dependencies.md").read_text().lower()
    for requirement in wanted:
        name = re.split(r"[\[<>=]", requirement)[0].lower()
        if not name.startswith(("towpath", "types-")):
            assert name in page, name


def test_decisions_are_numbered_and_listed() -> None:
    pages = sorted((DOCS / "adr").glob("0*.md"))
    index = (DOCS / "adr" / "README.md").read_text()
    assert len(pages) >= 10
    for number, page in enumerate(pages, start=1):
        text = page.read_text()
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert f"]({page.name})" in index
        for part in ("## Context", "## Choice", "## What was given up", "## When to reconsider"):
            assert part in text


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"`make ([a-z]+)\b", page.read_text()):
            assert name in targets, (page, name)


def test_ci_calls_what_the_readme_names() -> None:
    assert "make check" in (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^check:.* test ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "\nmake up " in (ROOT / "README.md").read_text()
    assert "\nmake test " in (ROOT / "README.md").read_text()


def test_fragments_of_the_changelog_stand_in_their_sections() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    sections = {section["path"] for section in config["section"]}
    kinds = {kind["directory"] for kind in config["type"]}
    for file in (ROOT / "changelog.d").rglob("*.md"):
        assert file.parent.name in sections
        assert file.name.split(".")[-2] in kinds
