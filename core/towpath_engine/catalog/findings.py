"""What reading a location finds: drafts, problems with their places, and the files it led to."""

from __future__ import annotations

from typing import Literal

import msgspec

from towpath_core.errors import Place, Problem
from towpath_engine.catalog.drafts import Draft
from towpath_engine.catalog.following import Stop

__all__ = ("FileRead", "FoundProblem", "KnownFile", "Level", "Reading", "ReadingLimits")

Level = Literal["error", "warning"]


class ReadingLimits(msgspec.Struct, frozen=True):
    """What one location may lead to.

    Attributes:
        file_bytes: size of one file.
        target_bytes: size of all files of one target together.
        entity_bytes: size of one entity as JSON.
        files: how many files in all.
        targets: how many places its locations name in all.
        depth: how many locations below each other.
        source_seconds: deadline for reading the files of one target.
        parse_seconds: deadline for parsing one file, with its placeholders.
    """

    file_bytes: int = 8 * 1024 * 1024
    target_bytes: int = 256 * 1024 * 1024
    entity_bytes: int = 4 * 1024 * 1024
    files: int = 20_000
    targets: int = 10_000
    depth: int = 10
    source_seconds: float = 60.0
    parse_seconds: float = 30.0


class FoundProblem(msgspec.Struct, frozen=True):
    """A problem, with the entity it is about where that is known.

    `level` is `error` for what could not be taken in, `warning` for what was all the same.
    `target` is the reference that leads nowhere, where that is the problem.
    """

    problem: Problem
    entity_ref: str | None = None
    level: Level = "error"
    target: str | None = None


class KnownFile(msgspec.Struct, frozen=True):
    """A file as it was when it was taken in; unchanged, it means the same entities and stops."""

    etag: str
    stops: tuple[Stop, ...] = ()


class FileRead(msgspec.Struct):
    """A file that a location led to.

    Attributes:
        etag: of the content, and of what made entities of it.
        kept: unchanged, and not parsed: the entities that were read from it before stay.
        spoilt: it has problems; what was read from it before must not be taken as gone.
        whole: nothing in it is wrong and nothing else was pulled into it.
        stops: where the locations in it lead to.
    """

    etag: str
    kept: bool = False
    spoilt: bool = False
    whole: bool = True
    stops: tuple[Stop, ...] = ()

    def spoil(self) -> None:
        """Note that something in it is wrong."""
        self.spoilt, self.whole = True, False


class Reading(msgspec.Struct):
    """What a location led to.

    `files` are those that were read, in order. `complete` is False when something could not be
    read at all, `cut` is True when it led to more than was read.
    """

    drafts: dict[str, Draft] = {}
    problems: list[FoundProblem] = []
    files: dict[str, FileRead] = {}
    complete: bool = True
    cut: bool = False

    @property
    def spoilt(self) -> set[str]:
        """The files that have problems."""
        return {name for name, file in self.files.items() if file.spoilt}

    @property
    def kept(self) -> list[str]:
        """The files that were not parsed, because they have not changed."""
        return [name for name, file in self.files.items() if file.kept]

    @property
    def empty(self) -> bool:
        """Whether it led to nothing at all, good or bad."""
        return not self.drafts and not self.kept and not self.spoilt

    def note(self, code: str, text: str, place: Place | None = None) -> None:
        """Add a problem that is not about one entity."""
        self.problems.append(FoundProblem(Problem(code, text, place or Place())))
