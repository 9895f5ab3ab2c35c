"""Looks at what is not registered yet: would this entity be taken, and what does a place hold?

Nothing is written. Goes the way that a reading goes: placeholders, envelope, kind, size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from sqlalchemy import func, select

from towpath_core.catalog import Document, PlaceholderFormat
from towpath_core.entities import Entity
from towpath_core.errors import Invalid, NotFound, Place, Problem, TowpathError
from towpath_core.identity import Principal
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.judging import annotated, entity_of, json_of
from towpath_engine.catalog.reach import leads_to
from towpath_engine.catalog.reading import LocationReader, ReadingLimits
from towpath_engine.catalog.sources import FileFetch
from towpath_engine.catalog.suggestion import Suggestion, suggest
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database

__all__ = ("Analysis", "CatalogAnalysis", "ExistingEntity")

log = structlog.get_logger(__name__)

DESCRIPTOR = "catalog-info.yaml"
_SECONDS = 20.0
_SUFFIXES = (".yaml", ".yml", ".json")
_MAX_TARGET = 4096


class ExistingEntity(msgspec.Struct, frozen=True):
    """An entity that stands in a file already, and whether the catalog has that file."""

    target: str
    entity: Entity
    registered: bool


class Analysis(msgspec.Struct, frozen=True):
    """What a place holds: entities, or where there are none, what one could look like."""

    existing: Sequence[ExistingEntity] = ()
    suggestions: Sequence[Suggestion] = ()


class CatalogAnalysis:
    """Answers questions about what might be registered."""

    def __init__(
        self, database: Database, host: PluginHost, reader: LocationReader, policy: PolicyGate
    ) -> None:
        self._database = database
        self._host = host
        self._reader = reader
        self._policy = policy
        self._limits = ReadingLimits()

    async def validate(
        self, principal: Principal, entity: dict[str, Any], type: str, target: str
    ) -> Sequence[Problem]:
        """List what would keep an entity out if it stood in a file; empty means it is good.

        Placeholders are read, relative to the file, which itself need not be there.

        Args:
            principal: who asks.
            entity: as its author wrote it.
            type: location type of the file.
            target: the file.
        """
        await self._policy.check(principal, "catalog:write", f"{type}:{target}")
        document = await self._expanded(Document(entity, 1), type, target)
        if document.problems:
            return document.problems
        # In a thread, because a large entity must not hold up the event loop.
        found, problems = await asyncio.to_thread(entity_of, document)
        if found is None or problems:
            return problems
        (verdict,) = await self._reader.kinds.judge([found], f"{type}:{target}")
        if verdict.problems:
            return verdict.problems
        final = annotated(verdict.completed or found, f"{type}:{target}", f"{type}:{target}")
        _, fault = await asyncio.to_thread(json_of, final, self._limits.entity_bytes)
        return [fault] if fault is not None else []

    async def analyze(
        self, principal: Principal, target: str, filename: str | None = None
    ) -> Analysis:
        """The entities that stand at an address, or what one could look like.

        An address that no source reads, or that cannot be read now, is taken for an empty one.

        Args:
            principal: who asks.
            target: address of a file, or of a folder or repository that is looked through.
            filename: what descriptors are called there; default `catalog-info.yaml`.

        Raises:
            Invalid: the target is no URL, or the filename is no name.
        """
        parts = _address(target)
        if filename is not None and (not filename or "/" in filename or "\0" in filename):
            raise Invalid(f"{filename[:80]!r} is not the name of a file.")
        await self._policy.check(principal, "catalog:write", f"url:{target}")
        existing = await self._existing(target, filename or DESCRIPTOR)
        if existing:
            return Analysis(existing)
        return Analysis((), [suggest(parts.hostname or "", parts.path)])

    async def _existing(self, target: str, filename: str) -> list[ExistingEntity]:
        wanted = target
        if not urlsplit(target).path.endswith(_SUFFIXES):
            wanted = f"{target.rstrip('/')}/**/{filename}"
        if self._reader.source_for("url", wanted) is None:
            return []
        try:
            async with asyncio.timeout(_SECONDS):
                reading = await self._reader.read("url", wanted)
        except TimeoutError:
            log.warning("analysis.too_slow", target=target[:200])
            return []
        drafts = [d for d in reading.drafts.values() if d.file and leads_to(wanted, d.file)]
        known = await self._known({draft.file for draft in drafts if draft.file})
        found = []
        for draft in drafts:
            file = draft.file or ""
            # As it would be if that file were registered, and not the pattern that met it.
            entity = annotated(draft.entity, f"url:{file}", f"url:{file}")
            found.append(ExistingEntity(file, entity, file in known))
        return found

    async def _known(self, files: Iterable[str]) -> set[str]:
        """Those of the files that entities of the catalog stand in."""
        c = ENTITIES.c
        query = select(c.file).where(c.file == func.any(list(files))).distinct()
        async with self._database.begin() as transaction:
            return {row.file for row in await transaction.execute(query)}

    async def _expanded(self, document: Document, type: str, target: str) -> Document:
        """The document with its placeholders read; the same where it has none."""
        formats = self._host.contributions.descriptor_formats
        path = target.partition("?")[0].partition("#")[0].lower()
        format = next((f for suffix, f in formats.items() if path.endswith(suffix)), None)
        format = format or formats.get(".yaml")
        if format is None or not isinstance(format.value, PlaceholderFormat):
            return document
        source = self._reader.source_for(type, target)
        limits = self._limits

        if source is not None:
            fetch: Callable[[str], bytes] = FileFetch(
                source.value, target, limits.file_bytes, limits.target_bytes
            )
        else:
            fetch = _no_source(type, target)
        try:
            expanded: Document = await self._host.call(
                format, "expand", document, fetch, seconds=limits.parse_seconds, returns=Document
            )
        except TowpathError as error:
            return Document(None, 1, (Problem(error.code, str(error), Place()),))
        return expanded


def _no_source(type: str, target: str) -> Callable[[str], bytes]:
    def fetch(relative: str) -> bytes:
        raise NotFound(f"No source reads {type}:{target}, so {relative[:200]!r} cannot be found.")

    return fetch


def _address(target: str) -> Any:
    text = target.strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or "://" not in text or len(text) > _MAX_TARGET or "\0" in text:
        raise Invalid(f"{text[:200]!r} is not a URL.", next="Write https://host/owner/repository.")
    return parts
