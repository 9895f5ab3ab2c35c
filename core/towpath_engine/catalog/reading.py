"""Reads a location with all that it leads to: sources, formats, and the judgement of each entity.

Writes nothing. What is wrong becomes a problem with its place and stops nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import structlog

from towpath_core.catalog import CatalogSource, SourceFile, one_reading
from towpath_core.errors import NotFound, Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.digesting import BYTES_AT_ONCE, FILES_AT_ONCE, Digest, Digester, batches
from towpath_engine.catalog.drafts import Draft
from towpath_engine.catalog.findings import (
    FileRead,
    FoundProblem,
    KnownFile,
    Reading,
    ReadingLimits,
)
from towpath_engine.catalog.following import Stop, Trail, follow
from towpath_engine.catalog.judging import KindJudge
from towpath_engine.catalog.rules import CatalogRules
from towpath_engine.catalog.sources import within

__all__ = ("FoundProblem", "LocationReader", "Reading", "ReadingLimits", "twice", "twice_at")

log = structlog.get_logger(__name__)

_STOPS_AT_ONCE = 4
_MAKING = 1
"""Counted up when the same file makes other entities than before."""

Found = tuple[list[SourceFile], Contribution[CatalogSource]]


class Chosen(msgspec.Struct, frozen=True):
    """A file that a stop led to, with its source and what becomes of it."""

    stop: Stop
    source: Contribution[CatalogSource]
    file: SourceFile
    read: FileRead


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
        self._makers = _makers(host, rules)

    def source_for(self, type: str, target: str) -> Contribution[CatalogSource] | None:
        """The first source, by name, that reads such a location."""
        for offered in self._host.contributions.catalog_sources.values():
            try:
                if type in offered.value.types and offered.value.claims(type, target):
                    return offered
            except Exception:
                log.exception("source.failed", source=offered.name, plugin=offered.plugin)
        return None

    async def read(
        self, type: str, target: str, known: Mapping[str, KnownFile] | None = None
    ) -> Reading:
        """Read a location, following the targets of Location entities in it. Never raises.

        Args:
            type: of the location.
            target: where it is.
            known: files that need not be parsed again if they have not changed. They are `kept`
                in what is given; their entities are not among its drafts.
        """
        with one_reading():
            return await self._read(type, target, known or {})

    async def _read(self, type: str, target: str, known: Mapping[str, KnownFile]) -> Reading:
        reading = Reading()
        origin = f"{type}:{target}"
        waiting, trail = [Stop(type, target, 0)], Trail(self._limits.targets)
        trail.take(type, target)
        while waiting and not reading.cut:
            chosen: list[Chosen] = []
            # Many small targets are parsed together.
            while waiting and not _worth_parsing(chosen):
                stops, waiting = waiting[:_STOPS_AT_ONCE], waiting[_STOPS_AT_ONCE:]
                for stop, found in zip(stops, await self._files(stops, reading), strict=True):
                    chosen += self._choose(stop, found, known, reading)
            await self._parse([one for one in chosen if not one.read.kept], origin, reading)
            for one in chosen:
                trail.take(one.stop.type, one.file.target)
            waiting += [stop for one in chosen for stop in self._onward(one, trail, reading)]
        return reading

    def _choose(
        self, stop: Stop, found: Found | None, known: Mapping[str, KnownFile], reading: Reading
    ) -> Iterator[Chosen]:
        """Take the files of a stop that were not met before into the reading."""
        files, source = found or ((), None)
        for file in files:
            if file.target in reading.files or source is None:
                continue
            if len(reading.files) >= self._limits.files:
                if not reading.cut:
                    reading.note("limit", f"it leads to over {self._limits.files} files")
                reading.complete, reading.cut = False, True
                return
            read = FileRead(self._etag(stop.type, file))
            reading.files[file.target] = read
            before = known.get(file.target)
            if before is not None and before.etag == read.etag:
                read.kept, read.stops = True, before.stops
            yield Chosen(stop, source, file, read)

    async def _parse(self, fresh: Sequence[Chosen], origin: str, reading: Reading) -> None:
        """Make drafts of files, those of one source together, and merge them in order."""
        for _, alike in groupby(fresh, lambda one: (one.source.name, one.stop.type)):
            group = list(alike)
            rest = iter(group)
            for some in batches(one.file for one in group):
                digester = Digester(self._host, self.kinds, self._limits)
                source, type = group[0].source, group[0].stop.type
                digests = await digester.digest(some, source, type, origin)
                for digest, one in zip(digests, rest, strict=False):
                    await self._merge(one, digest, reading)

    async def _merge(self, one: Chosen, digest: Digest, reading: Reading) -> None:
        file, stop, name = one.read, one.stop, one.file.target
        if digest.pulled:
            file.whole = False
        if digest.problems:
            file.spoil()
            reading.problems += digest.problems
        out = {(draft.ref, draft.line) for draft in digest.drafts if not _add(draft, reading)}
        leading = [(e, doc) for e, doc in digest.leading if (str(e.ref), doc.line) not in out]
        if not leading:
            return
        # How deep they may nest depends on who leads here, and is looked at when they are followed.
        following = await follow(self._host, one.source, stop, name, leading, stop.depth + 1)
        file.stops = tuple(following.stops)
        for problem in following.problems:
            reading.problems.append(FoundProblem(problem))
            reading.complete = file.whole = False

    def _onward(self, chosen: Chosen, trail: Trail, reading: Reading) -> Iterator[Stop]:
        stop, stops = chosen.stop, chosen.read.stops
        if stops and stop.depth >= self._limits.depth:
            text = f"locations nest deeper than {self._limits.depth}"
            reading.note("limit", text, stops[0].stated_in)
            reading.complete = False
            return
        for one in stops:
            if trail.full:
                text = f"the location leads to over {trail.most:,} targets"
                reading.note("limit", text, one.stated_in)
                reading.complete = False
                return
            if trail.take(one.type, one.target):
                yield msgspec.structs.replace(one, depth=stop.depth + 1)

    async def _files(self, stops: Sequence[Stop], reading: Reading) -> list[Found | None]:
        """What each stop gives, in order; they are asked at the same time."""
        parts = [Reading() for _ in stops]
        found = await asyncio.gather(*map(self._files_of, stops, parts))
        for part in parts:  # problems in the order of the stops, whoever answers first
            reading.problems += part.problems
            reading.complete = reading.complete and part.complete
        return found

    async def _files_of(self, stop: Stop, reading: Reading) -> Found | None:
        source = self.source_for(stop.type, stop.target)
        if source is None:
            text = f"no source reads {stop.type}:{stop.target}"
            reading.note("source", text, stop.stated_in)
            reading.complete = False
            return None
        limits = self._limits

        def read(source: CatalogSource) -> Iterator[SourceFile]:
            files = source.read(stop.target, max_bytes=limits.file_bytes)
            return within(files, limits.target_bytes)

        try:
            files: list[SourceFile] = await self._host.call(
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
                reading.complete = stop.depth > 0
            return None
        except TowpathError as error:
            place = stop.stated_in if stop.depth else Place(stop.target)
            reading.note(error.code, str(error), place)
            reading.complete = False
            return None
        if not files and stop.depth == 0:
            reading.note("empty", "it gives no file at all", Place(stop.target))
            reading.complete = False
        return files, source

    def _etag(self, type: str, file: SourceFile) -> str:
        """Tells a file's content, and all that turns it into entities."""
        text = f"{self._makers}\n{type}\n{file.etag}".encode(errors="surrogatepass")
        return hashlib.sha256(text).hexdigest()


def _worth_parsing(chosen: Sequence[Chosen]) -> bool:
    """Whether there is enough for one call of a plugin."""
    size = sum(len(one.file.content) for one in chosen)
    return len(chosen) >= FILES_AT_ONCE or size >= BYTES_AT_ONCE


def _add(draft: Draft, reading: Reading) -> bool:
    """Add a draft; one whose reference stands elsewhere in the location is a problem instead."""
    other = reading.drafts.get(draft.ref)
    if other is None:
        reading.drafts[draft.ref] = draft
        return True
    reading.problems.append(twice(draft, other.file))
    if draft.file is not None:
        reading.files[draft.file].spoil()
    return False


def twice(draft: Draft, elsewhere: str | None) -> FoundProblem:
    """The problem that a reference stands in two places of a location."""
    return twice_at(Place(draft.file, draft.line), draft.ref, elsewhere)


def twice_at(place: Place, ref: str, elsewhere: str | None) -> FoundProblem:
    """The same, by the place that is left out."""
    text = f"{ref} stands in {elsewhere} already; this one is left out"
    return FoundProblem(Problem("duplicate", text, place), ref)


def _makers(host: PluginHost, rules: CatalogRules | None) -> str:
    """What turns content into entities: our own way, the plugins, their kinds, and the rules."""
    plugins = [f"{p.name} {p.version}" for p in host.describe() if p.state == "active"]
    offered = host.contributions
    kinds = sorted(
        f"{kind} {version} {getattr(one.value, 'revision', '')}"
        for (kind, version), one in offered.entity_kinds.items()
    )
    names = [*offered.catalog_sources, *offered.descriptor_formats]
    text = "\n".join([str(_MAKING), *plugins, *kinds, *map(str, names), str(rules)])
    return hashlib.sha256(text.encode()).hexdigest()
