"""The contract of a catalog source: what it reads, how often the same, and what it refuses.

Knows the protocol only; descriptor formats and entity kinds are other people's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from towpath_core.catalog import CatalogSource, SourceFile
from towpath_core.errors import Forbidden, Invalid, LimitExceeded, NotFound, TowpathError
from towpath_core.testing.conformance import BACKEND
from towpath_core.testing.offers import KEBAB
from towpath_core.testing.quiet import forbid_io
from towpath_core.testing.rules import Contract, broken, exempt, require, rule, shown

__all__ = ("HOSTILE_RELATIVES", "HOSTILE_TARGETS", "CatalogSourceContract", "Target")

MAX_BYTES = 10 * 1024 * 1024

HOSTILE_TARGETS = (
    "",
    "\0",
    "../../../../../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/",
    "http://[::1",
    "--upload-pack=touch escaped",
    "\u202e" + "\u00e9" * 5000,
)
"""Targets that nobody should register and somebody will."""

HOSTILE_RELATIVES = (
    "../" * 60 + "etc/passwd",
    "/etc/passwd",
    "//kit.invalid/catalog-info.yaml",
    "https://kit.invalid/catalog-info.yaml",
    "file:///etc/passwd",
)
"""Ways out of a root, a repository or a host."""


class Target(NamedTuple):
    """A location as it is registered: its type and its target."""

    type: str
    target: str


class CatalogSourceContract(Contract):
    """What every source keeps to. Give the fixtures `source` and `target`."""

    @pytest.fixture
    def source(self) -> CatalogSource:
        """The source. Give this one."""
        broken("the contract needs a fixture `source` that returns the catalog source")

    @pytest.fixture
    def target(self) -> Target:
        """A location with at least one file that is not empty. Give this one."""
        broken("the contract needs a fixture `target` that returns Target(type, target)")

    @pytest.fixture
    def missing(self) -> str:
        """A target that the source may read, where nothing is. Give it to have that checked."""
        exempt("no fixture `missing` that names a target where nothing is")

    @pytest.fixture
    def outside(self) -> str:
        """A target that exists and that the source may not read. Give it to have that checked."""
        exempt("no fixture `outside` that names a target which may not be read")

    @pytest.fixture
    def change(self) -> Callable[[], None]:
        """Change the content behind `target`. Give it to have changes checked."""
        exempt("no fixture `change` that changes what is behind the target")

    @pytest.fixture(autouse=True)
    def _noted(self, source: CatalogSource, request: pytest.FixtureRequest) -> None:
        name = getattr(source, "name", type(source).__qualname__)
        request.node.user_properties.append((BACKEND, f"CatalogSource {name}"))

    @rule("catalog.source-is-named", level="bronze")
    def test_source_is_named(self, source: CatalogSource) -> None:
        """The source has a kebab-case name and says which location types it reads."""
        require(isinstance(source, CatalogSource), f"{type(source).__name__} is no CatalogSource")
        require(KEBAB.fullmatch(source.name), f"{source.name!r} is not lower-case kebab-case")
        require(
            source.types and isinstance(source.types, frozenset), "`types` is no full frozenset"
        )

    @rule("catalog.claims-are-pure", level="bronze")
    def test_claims_are_pure(self, source: CatalogSource, target: Target) -> None:
        """Claiming looks at the text only: no I/O, no error, whatever the text."""
        with forbid_io() as tried:
            require(source.claims(*target) is True, f"the source does not claim {target}")
            for type in sorted(source.types):
                for text in HOSTILE_TARGETS:
                    answer = _attempt(source.claims, type, text)
                    require(
                        isinstance(answer, bool),
                        f"claims({type!r}, {text[:40]!r}): {shown(answer)}",
                    )
        require(not tried, f"claims tried {shown(tried)}")

    @rule("catalog.read-is-repeatable", level="bronze")
    def test_read_is_repeatable(self, source: CatalogSource, target: Target) -> None:
        """Reading twice gives the same files, contents and etags."""
        first, second = _read(source, target.target), _read(source, target.target)
        require(first, f"nothing was read from {target}")
        require(first == second, "two reads in a row differ")

    @rule("catalog.files-are-ordered", level="bronze")
    def test_files_are_ordered(self, source: CatalogSource, target: Target) -> None:
        """Files come ordered by target, each once, and each target can be read again alone."""
        files = _read(source, target.target)
        targets = [one.target for one in files]
        require(targets == sorted(set(targets)), f"not ordered, or one twice: {targets}")
        for one in files:
            alone = _contents(_read(source, one.target))
            require(alone == _contents([one]), f"{one.target} alone reads differently")

    @rule("catalog.no-path-escape", level="bronze")
    def test_no_path_escape(self, source: CatalogSource, target: Target) -> None:
        """A relative target that leaves the root, the repository or the host is `Forbidden`."""
        base = _read(source, target.target)[0].target
        with forbid_io() as tried:
            for relative in HOSTILE_RELATIVES:
                answer = _attempt(source.resolve, base, relative)
                stays = isinstance(answer, str) and _shares_root(base, answer)
                require(
                    stays or isinstance(answer, (Forbidden, Invalid)),
                    f"resolve({shown(base)}, {relative[:40]!r}) gave {shown(answer)}",
                )
        require(not tried, f"resolve tried {shown(tried)}")

    @rule("catalog.outside-is-forbidden", level="bronze")
    def test_outside_is_forbidden(self, source: CatalogSource, outside: str) -> None:
        """What lies outside of the source's reach is `Forbidden`, or not said to exist."""
        answer = _attempt(_read, source, outside)
        require(
            isinstance(answer, (Forbidden, NotFound)),
            f"read of {shown(outside)} gave {shown(answer)}",
        )

    @rule("catalog.limit-honoured", level="silver")
    def test_limit_honoured(self, source: CatalogSource, target: Target) -> None:
        """A file of more than `max_bytes` is `LimitExceeded`; one of as many is read."""
        files = _read(source, target.target)
        largest = max(len(one.content) for one in files)
        again = _read(source, target.target, largest)
        require(_contents(again) == _contents(files), "max_bytes itself is refused")
        answer = _attempt(_read, source, target.target, largest - 1)
        require(
            isinstance(answer, LimitExceeded),
            f"with max_bytes={largest - 1} a file of {largest} bytes gave {shown(answer)}",
        )

    @rule("catalog.missing-is-not-found", level="silver")
    def test_missing_is_not_found(self, source: CatalogSource, missing: str) -> None:
        """Reading where nothing is raises `NotFound`."""
        answer = _attempt(_read, source, missing)
        require(isinstance(answer, NotFound), f"read of {shown(missing)} gave {shown(answer)}")

    @rule("catalog.errors-are-typed", level="silver")
    def test_errors_are_typed(self, source: CatalogSource) -> None:
        """Whatever the target, a read works or raises a `TowpathError`, never anything else."""
        for text in HOSTILE_TARGETS:
            answer = _attempt(_read, source, text)
            good = isinstance(answer, (list, TowpathError))
            require(good, f"read of {text[:40]!r} raised {shown(answer)}")

    @rule("catalog.etag-follows-content", level="gold")
    def test_etag_follows_content(
        self, source: CatalogSource, target: Target, change: Callable[[], None]
    ) -> None:
        """When the content changes, so does the etag."""
        before = _read(source, target.target)
        change()
        after = _read(source, target.target)
        require(
            {one.content for one in before} != {one.content for one in after},
            "the next read does not show the change",
        )
        old = {one.etag: one.content for one in before}
        stale = [one.target for one in after if old.get(one.etag, one.content) != one.content]
        require(not stale, f"the etag of {', '.join(stale)} stayed, its content did not")


def _read(source: CatalogSource, target: str, most: int = MAX_BYTES) -> list[SourceFile]:
    return list(source.read(target, max_bytes=most))


def _shares_root(base: str, answer: str) -> bool:
    """Whether a resolved target is at least on the host and below the first folder of its base."""
    try:
        here, there = urlsplit(base), urlsplit(answer)
    except ValueError:
        return False
    roots = [one.path.lstrip("/").partition("/")[0] for one in (here, there)]
    same_host = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    return same_host and roots[0] == roots[1] and ".." not in there.path.split("/")


def _contents(files: list[SourceFile]) -> list[tuple[str, bytes]]:
    return [(one.target, one.content) for one in files]


def _attempt(call: Callable[..., object], *arguments: object) -> object:
    """What a call answers, or the error that it raises."""
    try:
        return call(*arguments)
    except Exception as error:
        return error
