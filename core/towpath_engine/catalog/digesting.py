"""Makes drafts of files: parses, judges and encodes them, many in one call of each plugin.

Reads no source and writes nothing. What is wrong with one file or document is told with its
place and touches no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from towpath_core.catalog import (
    CatalogSource,
    DescriptorFormat,
    Document,
    PlaceholderFormat,
    SourceFile,
)
from towpath_core.entities import Entity
from towpath_core.errors import Place, PluginError, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.drafts import Draft
from towpath_engine.catalog.findings import FoundProblem, ReadingLimits
from towpath_engine.catalog.judging import (
    KindJudge,
    Verdict,
    annotated,
    entity_of,
    json_of,
    placed,
)
from towpath_engine.catalog.sources import FileFetch

__all__ = ("BYTES_AT_ONCE", "FILES_AT_ONCE", "Digest", "Digester", "batches")

FILES_AT_ONCE = 50
BYTES_AT_ONCE = 1024 * 1024
_DOCUMENTS = 100_000

Good = tuple[Entity, Document]


class Digest(msgspec.Struct):
    """What a file holds.

    `pulled` is True where other files were pulled into it. `leading` are the Location entities in
    it, with their documents.
    """

    drafts: list[Draft] = []
    problems: list[FoundProblem] = []
    leading: list[Good] = []
    pulled: bool = False

    def note(self, problems: Iterable[Problem], document: Document, file: str, ref: str) -> None:
        """Add problems of a document, each with its place."""
        for problem in problems:
            self.problems.append(FoundProblem(placed(problem, document, file), ref or None))


class _Parsed(msgspec.Struct):
    """A file on its way: its good entities so far, and what it will be."""

    digest: Digest
    good: Sequence[Good] = ()


def batches(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    """Files in groups that are worth one call of a plugin, in their order."""
    some: list[SourceFile] = []
    size = 0
    for file in files:
        if some and (len(some) >= FILES_AT_ONCE or size + len(file.content) > BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(file)
        size += len(file.content)
    if some:
        yield some


class Digester:
    """Makes drafts of files with the formats and kinds that plugins offer."""

    def __init__(self, host: PluginHost, kinds: KindJudge, limits: ReadingLimits) -> None:
        self._host = host
        self._kinds = kinds
        self._limits = limits

    async def digest(
        self,
        files: Sequence[SourceFile],
        source: Contribution[CatalogSource],
        type: str,
        origin: str,
    ) -> list[Digest]:
        """What each file holds, in order. Never raises for what a file holds or a plugin does.

        Args:
            files: a batch of one source.
            source: reads what placeholders in them name.
            type: of the location that led to them.
            origin: the registered location, as `type:target`.
        """
        parsed = await self._parsed(files, source)
        good = [entity for one in parsed for entity, _ in one.good]
        verdicts = iter(await self._kinds.judge(good, origin))

        def finish() -> list[Digest]:
            for file, one in zip(files, parsed, strict=True):
                self._finish(one, verdicts, file.target, f"{type}:{file.target}", origin)
            return [one.digest for one in parsed]

        # A large file must not hold up the event loop.
        return await asyncio.to_thread(finish) if len(good) > 1 else finish()

    async def _parsed(
        self, files: Sequence[SourceFile], source: Contribution[CatalogSource]
    ) -> list[_Parsed]:
        parsed: dict[str, _Parsed] = {}
        groups: dict[str, tuple[Contribution[DescriptorFormat], list[SourceFile]]] = {}
        for file in files:
            format = self._format(file.target)
            if format is None:
                problem = Problem("format", "no format reads such a file", Place(file.target))
                parsed[file.target] = _Parsed(Digest(problems=[FoundProblem(problem)]))
            else:
                groups.setdefault(format.name, (format, []))[1].append(file)
        for format, some in groups.values():
            found = await self._parse(format, some, source)
            parsed |= zip((file.target for file in some), found, strict=True)
        return [parsed[file.target] for file in files]

    async def _parse(
        self,
        format: Contribution[DescriptorFormat],
        files: Sequence[SourceFile],
        source: Contribution[CatalogSource],
    ) -> list[_Parsed]:
        limits = self._limits

        def parse(format: DescriptorFormat) -> list[_Parsed]:
            return [_parse(format, file, source.value, limits) for file in files]

        try:
            found: list[_Parsed] = await self._host.call(
                format, parse, seconds=limits.parse_seconds, returns=list
            )
        except TowpathError as error:
            if len(files) > 1:  # One of them is at fault; the others must not suffer.
                return [(await self._parse(format, [file], source))[0] for file in files]
            problem = Problem(error.code, str(error), Place(files[0].target))
            return [_Parsed(Digest(problems=[FoundProblem(problem)]))]
        return found

    def _format(self, target: str) -> Contribution[DescriptorFormat] | None:
        path = target.split("?")[0].split("#")[0].lower()
        for suffix, offered in self._host.contributions.descriptor_formats.items():
            if path.endswith(suffix):
                return offered
        return None

    def _finish(
        self, one: _Parsed, verdicts: Iterator[Verdict], file: str, location: str, origin: str
    ) -> None:
        digest = one.digest
        for entity, document in one.good:
            verdict = next(verdicts)
            problems: Iterable[Problem] = verdict.problems
            if not problems:
                final = annotated(verdict.completed or entity, location, origin)
                body, fault = json_of(final, self._limits.entity_bytes)
                problems = [fault] if fault is not None else ()
            if problems:
                digest.note(problems, document, file, str(entity.ref))
                continue
            lacking = bool(document.problems)
            draft = Draft(final, body, verdict.relations, origin, file, lacking, document.line)
            digest.drafts.append(draft)
            if draft.kind == "location":
                digest.leading.append((final, document))


def _parse(
    format: DescriptorFormat, file: SourceFile, source: CatalogSource, limits: ReadingLimits
) -> _Parsed:
    """Parse a file and look at its envelopes; runs foreign code, in its plugin's thread."""
    digest = Digest()
    documents = list(islice(format.parse(file.content, file.target), _DOCUMENTS + 1))
    if len(documents) > _DOCUMENTS:
        raise PluginError(f"The format gave more than {_DOCUMENTS:,} documents.")
    if b"$" in file.content and isinstance(format, PlaceholderFormat):
        fetch = FileFetch(source, file.target, limits.file_bytes, limits.target_bytes)
        expanded = [format.expand(document, fetch) for document in documents]
        digest.pulled = any(a is not b for a, b in zip(expanded, documents, strict=True))
        documents = expanded
    if not all(isinstance(document, Document) for document in documents):
        raise PluginError("The format gave something else than documents.")
    return _Parsed(digest, list(_enveloped(documents, file.target, digest)))


def _enveloped(documents: Iterable[Document], file: str, digest: Digest) -> Iterator[Good]:
    for document in documents:
        digest.note(document.problems, document, file, "")
        # What a placeholder should have brought is missing; all else is as its author wrote it.
        unread = any(problem.code != "placeholder" for problem in document.problems)
        if not unread and document.value is not None:
            entity, problems = entity_of(document)
            if entity is not None:
                yield entity, document
            digest.note(problems, document, file, "")
