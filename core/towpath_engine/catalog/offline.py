"""Validates what a location leads to: reads it as the catalog would, and keeps nothing.

What cannot be read is told apart from what is wrong with what was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from towpath_core.catalog import CatalogSource, Document, SourceFile
from towpath_core.entities import Entity
from towpath_core.errors import NotFound, Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.following import Stop, Trail, follow
from towpath_engine.catalog.reading import LocationReader, ReadingLimits
from towpath_engine.catalog.rules import CatalogRules
from towpath_engine.catalog.sources import within
from towpath_engine.catalog.validation import Sheet, ValidationReport, Validator

__all__ = ("OfflineReport", "validate_targets")


class OfflineReport(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        report: of the documents that were read.
        files: how many files they stand in.
        unread: what could not be read, with the place that names it.
        skipped: what a server would read from elsewhere, with the place that names it.
    """

    report: ValidationReport
    files: int
    unread: tuple[Problem, ...] = ()
    skipped: tuple[Problem, ...] = ()


async def validate_targets(
    host: PluginHost,
    targets: Iterable[str],
    *,
    type: str = "file",
    limits: ReadingLimits | None = None,
    rules: CatalogRules | None = None,
    origin: str = "",
) -> OfflineReport:
    """Read targets with all that they lead to, and validate it together.

    Never raises for what is there. A file that several targets lead to is read once.

    Args:
        host: whose sources, formats and kinds are used.
        targets: files, folders or globs, as they would be registered.
        type: of the targets.
        limits: of one location; they hold for all targets together.
        rules: of the catalog.
        origin: the location that the entities would come from, for the rules.
    """
    reading = _Reading(host, limits or ReadingLimits(), rules, origin, type)
    waiting = deque(Stop(type, target, 0) for target in targets)
    while waiting:
        waiting.extend(await reading.stop(waiting.popleft()))
    return await reading.done()


class _Reading:
    def __init__(
        self,
        host: PluginHost,
        limits: ReadingLimits,
        rules: CatalogRules | None,
        origin: str,
        type: str,
    ) -> None:
        self._host = host
        self._limits = limits
        self._reader = LocationReader(host, limits)
        self._validator = Validator(host, limits=limits, rules=rules)
        self._origin = origin
        self._type = type
        self._files: set[str] = set()
        self._trail = Trail(limits.targets)
        self._sheets: list[Sheet] = []
        self._unread: list[Problem] = []
        self._skipped: list[Problem] = []

    async def stop(self, stop: Stop) -> Sequence[Stop]:
        """Read a stop; gives where it leads to."""
        if self._trail.full:
            text = f"there are more than {self._trail.most:,} targets"
            self._unread.append(Problem("limit", text, stop.stated_in))
            return ()
        if not self._trail.take(stop.type, stop.target):
            return ()
        source = self._reader.source_for(stop.type, stop.target)
        if stop.type != self._type:
            # A server reads it from elsewhere; here nothing is fetched.
            text = f"{stop.type}:{stop.target} was not followed"
            self._skipped.append(Problem("not-followed", text, stop.stated_in))
            return ()
        if source is None:
            text = f"no source reads {stop.type}:{stop.target}"
            self._unread.append(Problem("source", text, stop.stated_in))
            return ()
        fresh = []
        for file in await self._read(stop, source):
            if file.target in self._files:
                continue
            if len(self._files) >= self._limits.files:
                text = f"there are more than {self._limits.files:,} files"
                self._unread.append(Problem("limit", text, stop.stated_in))
                break
            self._files.add(file.target)
            fresh.append(file)
        sheets = await self._validator.read(fresh, source)
        self._sheets += sheets
        leading: dict[str, list[tuple[Entity, Document]]] = {}
        for sheet in sheets:
            if sheet.entity is not None and sheet.entity.kind == "Location":
                leading.setdefault(sheet.file, []).append((sheet.entity, sheet.document))
        stops: list[Stop] = []
        for name, found in leading.items():
            led = await follow(self._host, source, stop, name, found, self._limits.depth)
            stops += led.stops
            self._unread += led.problems
        return stops

    async def _read(self, stop: Stop, source: Contribution[CatalogSource]) -> Sequence[SourceFile]:
        limits = self._limits

        def read(source: CatalogSource) -> Iterator[SourceFile]:
            return within(
                source.read(stop.target, max_bytes=limits.file_bytes), limits.target_bytes
            )

        try:
            files: list[SourceFile] = await self._host.call(
                source,
                read,
                seconds=limits.source_seconds,
                collect=limits.files,
                returns=SourceFile,
            )
        except TowpathError as error:
            if not (stop.optional and isinstance(error, NotFound)):
                place = stop.stated_in if stop.depth else Place(stop.target)
                self._unread.append(Problem(error.code, str(error), place))
            return ()
        return files

    async def done(self) -> OfflineReport:
        """Judge all that was read, together."""
        report = await self._validator.report(self._sheets, origin=self._origin)
        unread, skipped = tuple(self._unread), tuple(self._skipped)
        return OfflineReport(report, len(self._files), unread, skipped)
