"""Reads a location with all that it leads to: sources, formats, and the judgement of each entity.

Writes nothing. What is wrong becomes a problem with its place and stops nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import structlog

from towpath_core.catalog import (
    CatalogSource,
    DescriptorFormat,
    Document,
    PlaceholderFormat,
    SourceFile,
)
from towpath_core.entities import Entity
from towpath_core.errors import NotFound, Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.following import Stop, follow
from towpath_engine.catalog.judging import KindJudge, annotated, entity_of, json_of, placed
from towpath_engine.catalog.rules import CatalogRules
from towpath_engine.catalog.sources import FileFetch, within
from towpath_engine.catalog.writer import Draft

__all__ = ("FoundProblem", "LocationReader", "Reading", "ReadingLimits")

log = structlog.get_logger(__name__)

_MANY = 50


class ReadingLimits(msgspec.Struct, frozen=True):
    """What one location may lead to.

    Attributes:
        file_bytes: size of one file.
        target_bytes: size of all files of one target together.
        entity_bytes: size of one entity as JSON.
        files: how many files in all.
        depth: how many locations below each other.
        source_seconds: deadline for reading the files of one target.
        parse_seconds: deadline for parsing one file, and for each document's placeholders.
    """

    file_bytes: int = 8 * 1024 * 1024
    target_bytes: int = 256 * 1024 * 1024
    entity_bytes: int = 4 * 1024 * 1024
    files: int = 20_000
    depth: int = 10
    source_seconds: float = 60.0
    parse_seconds: float = 30.0


class FoundProblem(msgspec.Struct, frozen=True):
    """A problem, with the entity it is about where that is known."""

    problem: Problem
    entity_ref: str | None = None


class Reading(msgspec.Struct):
    """What a location led to.

    `files` are those that were read. `spoilt` are those of them that have problems: what was read
    from them before must not be taken as gone. `complete` is False when something could not be
    read at all.
    """

    drafts: dict[str, Draft] = {}
    problems: list[FoundProblem] = []
    files: set[str] = set()
    spoilt: set[str] = set()
    complete: bool = True

    def note(self, code: str, text: str, place: Place | None = None) -> None:
        """Add a problem that is not about one entity."""
        self.problems.append(FoundProblem(Problem(code, text, place or Place())))


class LocationReader:
    """Reads locations with the sources, formats and kinds that plugins offer."""

    def __init__(
        self,
        host: PluginHost,
        limits: ReadingLimits | None = None,
        rules: CatalogRules | None = None,
    ) -> None:
        self._host = host
        self._limits = limits or ReadingLimits()
        self.kinds = KindJudge(host, rules)

    def source_for(self, type: str, target: str) -> Contribution[CatalogSource] | None:
        """The first source, by name, that reads such a location."""
        for offered in self._host.contributions.catalog_sources.values():
            try:
                if type in offered.value.types and offered.value.claims(type, target):
                    return offered
            except Exception:
                log.exception("source.failed", source=offered.name, plugin=offered.plugin)
        return None

    async def read(self, type: str, target: str) -> Reading:
        """Read a location, following the targets of Location entities in it. Never raises."""
        reading = Reading()
        origin = f"{type}:{target}"
        waiting = deque([Stop(type, target, 0)])
        while waiting:
            stop = waiting.popleft()
            for file, source in await self._files(stop, reading):
                if file.target in reading.files:
                    continue
                if len(reading.files) >= self._limits.files:
                    reading.note("limit", f"it leads to over {self._limits.files} files")
                    reading.complete = False
                    return reading
                reading.files.add(file.target)
                documents = await self._documents(file, source, reading)
                found = await self._entities(documents, file.target, stop.type, origin, reading)
                following = await follow(
                    self._host, source, stop, file.target, found, self._limits.depth
                )
                waiting.extend(following.stops)
                for problem in following.problems:
                    reading.problems.append(FoundProblem(problem))
                    reading.complete = False
        return reading

    async def _files(
        self, stop: Stop, reading: Reading
    ) -> list[tuple[SourceFile, Contribution[CatalogSource]]]:
        source = self.source_for(stop.type, stop.target)
        if source is None:
            text = f"no source reads {stop.type}:{stop.target}"
            reading.note("source", text, stop.stated_in)
            reading.complete = False
            return []
        limits = self._limits

        def read(source: CatalogSource) -> Iterator[SourceFile]:
            files = source.read(stop.target, max_bytes=limits.file_bytes)
            return within(files, limits.target_bytes)

        try:
            files = await self._host.call(
                source,
                read,
                seconds=limits.source_seconds,
                collect=limits.files,
                returns=SourceFile,
            )
        except NotFound as error:
            # What was there and is gone is a fact, not a fault of reading.
            if not stop.optional:
                reading.note(error.code, error.what, stop.stated_in)
                reading.complete = reading.complete and stop.depth > 0
            return []
        except TowpathError as error:
            place = stop.stated_in if stop.depth else Place(stop.target)
            reading.note(error.code, str(error), place)
            reading.complete = False
            return []
        return [(file, source) for file in files]

    async def _documents(
        self, file: SourceFile, source: Contribution[CatalogSource], reading: Reading
    ) -> Sequence[Document]:
        format = self._format(file.target)
        if format is None:
            reading.note("format", "no format reads such a file", Place(file.target))
            reading.spoilt.add(file.target)
            return ()
        seconds = self._limits.parse_seconds
        try:
            documents: Sequence[Document] = await self._host.call(
                format,
                "parse",
                file.content,
                file.target,
                seconds=seconds,
                collect=100_000,
                returns=Document,
            )
            if b"$" in file.content and isinstance(format.value, PlaceholderFormat):
                fetch = FileFetch(
                    source.value, file.target, self._limits.file_bytes, self._limits.target_bytes
                )
                documents = [
                    await self._host.call(
                        format, "expand", d, fetch, seconds=seconds, returns=Document
                    )
                    for d in documents
                ]
        except TowpathError as error:
            reading.note(error.code, str(error), Place(file.target))
            reading.spoilt.add(file.target)
            return ()
        return documents

    def _format(self, target: str) -> Contribution[DescriptorFormat] | None:
        path = target.split("?")[0].split("#")[0].lower()
        for suffix, offered in self._host.contributions.descriptor_formats.items():
            if path.endswith(suffix):
                return offered
        return None

    async def _entities(
        self,
        documents: Sequence[Document],
        file: str,
        type: str,
        origin: str,
        reading: Reading,
    ) -> list[tuple[Entity, Document]]:
        """Put the good entities of a file among the drafts; give them, with their documents."""
        if len(documents) < _MANY:
            good = self._enveloped(documents, file, reading)
        else:  # A large file must not hold up the event loop.
            good = await asyncio.to_thread(self._enveloped, documents, file, reading)
        verdicts = await self.kinds.judge([entity for entity, _ in good], origin)
        found = []
        for (entity, document), verdict in zip(good, verdicts, strict=True):
            problems: Iterable[Problem] = verdict.problems
            if not problems:
                final = annotated(verdict.completed or entity, f"{type}:{file}", origin)
                body, fault = json_of(final, self._limits.entity_bytes)
                lacking = bool(document.problems)
                draft = Draft(final, body, verdict.relations, origin, file, lacking)
                problems = [fault] if fault is not None else _twice(draft, reading)
                if not problems:
                    reading.drafts[draft.ref] = draft
                    found.append((final, document))
            _spoil(reading, document, file, problems, str(entity.ref))
        return found

    def _enveloped(
        self, documents: Iterable[Document], file: str, reading: Reading
    ) -> list[tuple[Entity, Document]]:
        good = []
        for document in documents:
            _spoil(reading, document, file, document.problems)
            # What a placeholder should have brought is missing; all else is as its author wrote it.
            unread = any(problem.code != "placeholder" for problem in document.problems)
            if not unread and document.value is not None:
                entity, problems = entity_of(document)
                if entity is not None:
                    good.append((entity, document))
                _spoil(reading, document, file, problems)
        return good


def _spoil(
    reading: Reading,
    document: Document,
    file: str,
    problems: Iterable[Problem],
    ref: str | None = None,
) -> None:
    for problem in problems:
        reading.problems.append(FoundProblem(placed(problem, document, file), ref))
        reading.spoilt.add(file)


def _twice(draft: Draft, reading: Reading) -> list[Problem]:
    other = reading.drafts.get(draft.ref)
    if other is None:
        return []
    text = f"{draft.ref} stands in {other.file} already; this one is left out"
    return [Problem("duplicate", text)]
