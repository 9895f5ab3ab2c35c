"""Validates descriptors with the code that takes them in, and takes nothing in.

Needs plugins and no database. Besides what is wrong with a document alone, it sees what is wrong
between those that are given together: two of one reference, and references to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.catalog import (
    CatalogSource,
    DescriptorFormat,
    Document,
    PlaceholderFormat,
    SourceFile,
)
from towpath_core.entities import Entity, Relation
from towpath_core.errors import Invalid, Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.refs import parse_ref
from towpath_engine.catalog.judging import KindJudge, annotated, entity_of, json_of, placed
from towpath_engine.catalog.reading import ReadingLimits
from towpath_engine.catalog.rules import CatalogRules
from towpath_engine.catalog.sources import FileFetch

__all__ = ("Checked", "Sheet", "ValidationReport", "Validator")

_DOCUMENTS = 100_000
_WARNINGS = 1_000


class Checked(msgspec.Struct, frozen=True):
    """What was found of one document.

    Attributes:
        file: that it stands in.
        line: where it begins, counted from 1; None where the file itself is at fault.
        ref: its reference, where its envelope is good.
        problems: what keeps it out of a catalog, each with its place.
        warnings: what does not.
    """

    file: str
    line: int | None = None
    ref: str | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class ValidationReport(msgspec.Struct, frozen=True):
    """What was found of all documents, in the order of the files and of their documents."""

    documents: tuple[Checked, ...] = ()

    @property
    def problems(self) -> list[Problem]:
        """All problems."""
        return [problem for one in self.documents for problem in one.problems]

    @property
    def warnings(self) -> list[Problem]:
        """All warnings."""
        return [warning for one in self.documents for warning in one.warnings]


class Sheet:
    """A document on its way to its report; `entity` is None where its envelope is bad."""

    def __init__(self, file: str, document: Document) -> None:
        self.file = file
        self.document = document
        self.entity: Entity | None = None
        self.relations: Sequence[Relation] = ()
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    @property
    def ref(self) -> str | None:
        """The reference of its entity."""
        return str(self.entity.ref) if self.entity else None

    def note(self, problems: Iterable[Problem]) -> None:
        """Add problems, each with its place."""
        self.problems += map(self.at, problems)

    def at(self, problem: Problem) -> Problem:
        """A problem with its place; what is data already has no lines."""
        problem = placed(problem, self.document, self.file)
        if problem.place.line:
            return problem
        return msgspec.structs.replace(
            problem, place=Place(problem.place.file, pointer=problem.place.pointer)
        )

    def done(self) -> Checked:
        """What was found of it."""
        line = self.document.line or None
        return Checked(self.file, line, self.ref, tuple(self.problems), tuple(self.warnings))


class Validator:
    """Validates with the formats and kinds that plugins offer, and the rules of a catalog."""

    def __init__(
        self,
        host: PluginHost,
        *,
        limits: ReadingLimits | None = None,
        rules: CatalogRules | None = None,
    ) -> None:
        self._host = host
        self._limits = limits or ReadingLimits()
        self._kinds = KindJudge(host, rules)

    async def check(
        self,
        files: Sequence[SourceFile] = (),
        values: Sequence[Any] = (),
        *,
        origin: str = "",
    ) -> ValidationReport:
        """Validate files and entities together. Never raises for what they are.

        Args:
            files: their targets say which format they are in; placeholders are left as they are.
            values: entities that are data already. They have no lines; the file of the one at
                index 3 is `#3`.
            origin: the location they are meant for, as `type:target`, for the catalog's rules.
        """
        sheets = await self.read(files)
        more = [Sheet(f"#{number}", Document(value, 0)) for number, value in enumerate(values)]
        await asyncio.to_thread(_look_at_envelopes, more)
        return await self.report([*sheets, *more], origin=origin)

    async def read(
        self, files: Sequence[SourceFile], source: Contribution[CatalogSource] | None = None
    ) -> list[Sheet]:
        """The documents of files, with their envelopes looked at; the first step of validating.

        Args:
            files: their targets say which format they are in.
            source: reads what placeholders name; without it they are left as they are.
        """
        sheets: list[Sheet] = []
        for file in files:
            documents = await self._documents(file, source)
            sheets += [Sheet(file.target, document) for document in documents]
        await asyncio.to_thread(_look_at_envelopes, sheets)
        return sheets

    async def report(self, sheets: Sequence[Sheet], *, origin: str = "") -> ValidationReport:
        """Judge documents that were read, each alone and all together; the second step."""
        judged = [(sheet, sheet.entity) for sheet in sheets if sheet.entity is not None]
        verdicts = await self._kinds.judge([entity for _, entity in judged], origin)

        def finish() -> ValidationReport:
            for (sheet, entity), verdict in zip(judged, verdicts, strict=True):
                sheet.note(verdict.problems)
                sheet.relations = verdict.relations
                final = annotated(verdict.completed or entity, "", "")
                _, fault = json_of(final, self._limits.entity_bytes)
                sheet.note([fault] if fault else ())
            _look_between(sheets)
            return ValidationReport(tuple(sheet.done() for sheet in sheets))

        return await asyncio.to_thread(finish)

    async def _documents(
        self, file: SourceFile, source: Contribution[CatalogSource] | None
    ) -> Sequence[Document]:
        format = self._format(file.target)
        if format is None:
            suffixes = ", ".join(sorted(self._host.contributions.descriptor_formats))
            text = f"no format reads such a file; known: {suffixes}"
            return [_spoilt("format", text, file.target)]
        if len(file.content) > self._limits.file_bytes:
            most = f"the file has more than the {self._limits.file_bytes:,} bytes that are taken"
            return [_spoilt("limit", most, file.target)]
        seconds = self._limits.parse_seconds
        try:
            documents: Sequence[Document] = await self._host.call(
                format,
                "parse",
                file.content,
                file.target,
                seconds=seconds,
                collect=_DOCUMENTS,
                returns=Document,
            )
            if source is None or b"$" not in file.content:
                return documents
            return await self._expanded(documents, format, file, source)
        except TowpathError as error:
            return [_spoilt(error.code, str(error), file.target)]

    async def _expanded(
        self,
        documents: Sequence[Document],
        format: Contribution[DescriptorFormat],
        file: SourceFile,
        source: Contribution[CatalogSource],
    ) -> list[Document]:
        limits = self._limits
        fetch = FileFetch(source.value, file.target, limits.file_bytes, limits.target_bytes)

        def expand(format: DescriptorFormat) -> list[Document]:
            if not isinstance(format, PlaceholderFormat):
                return list(documents)
            return [format.expand(document, fetch) for document in documents]

        expanded: list[Document] = await self._host.call(
            format, expand, seconds=limits.parse_seconds, returns=list
        )
        return expanded

    def _format(self, target: str) -> Contribution[DescriptorFormat] | None:
        path = target.split("?")[0].split("#")[0].lower()
        for suffix, offered in self._host.contributions.descriptor_formats.items():
            if path.endswith(suffix):
                return offered
        return None


def _spoilt(code: str, text: str, file: str) -> Document:
    return Document(None, 0, (Problem(code, text, Place(file)),))


def _look_at_envelopes(sheets: Iterable[Sheet]) -> None:
    for sheet in sheets:
        sheet.note(sheet.document.problems)
        # What a placeholder should have brought is missing; all else is as its author wrote it.
        unread = any(problem.code != "placeholder" for problem in sheet.problems)
        if not unread:
            sheet.entity, problems = entity_of(sheet.document)
            sheet.note(problems)


def _look_between(sheets: Iterable[Sheet]) -> None:
    """Find what is there twice, and what names nothing."""
    first: dict[str, Sheet] = {}
    for sheet in sheets:
        ref = sheet.ref
        if ref is None:
            continue
        if ref in first:
            place = first[ref].at(Problem("", "")).place
            sheet.note([Problem("duplicate", f"{ref} stands in {place} already")])
        first.setdefault(ref, sheet)
    left = _WARNINGS
    for sheet in first.values():
        for warning in _dangling(sheet, first):
            left -= 1
            if left >= 0:
                sheet.warnings.append(sheet.at(warning))


def _dangling(sheet: Sheet, known: Mapping[str, Sheet]) -> Iterator[Problem]:
    entity = sheet.entity
    if entity is None:
        return
    seen: set[str] = set()
    for relation in sheet.relations:
        target = relation.target
        if relation.source != sheet.ref or target in known or target in seen:
            continue
        seen.add(target)
        text = f"{relation.type}: {target} is not among what was validated"
        yield Problem("dangling", text, Place(pointer=_pointer_to(entity, target)))


def _pointer_to(entity: Entity, target: str) -> str:
    """Where an entity names another, as far as its fields and lists show."""
    kind = target.partition(":")[0]
    for field, value in entity.spec.items():
        for index, text in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(text, str) and _means(text, kind, entity.namespace, target):
                at = f"/spec/{field.replace('~', '~0').replace('/', '~1')}"
                return f"{at}/{index}" if isinstance(value, list) else at
    return "/spec"


def _means(text: str, kind: str, namespace: str, target: str) -> bool:
    if len(text) > len(target):
        return False
    try:
        return str(parse_ref(text, default_kind=kind, default_namespace=namespace)) == target
    except Invalid:
        return False
