"""Bodies of validation."""

from __future__ import annotations

from typing import Any

from towpath_engine.catalog.reading import FoundProblem
from towpath_engine.catalog.validation import Checked, ValidationReport
from towpath_gateway.catalog.wire import CatalogProblemWire
from towpath_gateway.wire import StrictBody, Wire

__all__ = ("CheckedWire", "DescriptorFile", "ValidateManyBody", "ValidationWire")


class DescriptorFile(StrictBody, frozen=True):
    """A descriptor as text; the end of its name says which format it is in."""

    content: str
    name: str = "catalog-info.yaml"


class ValidateManyBody(StrictBody, frozen=True):
    """Body of `POST /api/v1/catalog/validate`: descriptors as text, entities as data, or both."""

    files: tuple[DescriptorFile, ...] = ()
    entities: tuple[Any, ...] = ()
    origin: str = ""


class CheckedWire(Wire, frozen=True):
    """What was found of one document."""

    file: str
    problems: list[CatalogProblemWire]
    warnings: list[CatalogProblemWire]
    line: int | None = None
    entity_ref: str | None = None

    @classmethod
    def of(cls, checked: Checked) -> CheckedWire:
        """Show what was found."""
        problems, warnings = (
            [CatalogProblemWire.found(FoundProblem(one, checked.ref)) for one in found]
            for found in (checked.problems, checked.warnings)
        )
        return cls(checked.file, problems, warnings, checked.line, checked.ref)


class ValidationWire(Wire, frozen=True):
    """What was found of all documents, in their order; warnings do not make them invalid."""

    valid: bool
    documents: list[CheckedWire]

    @classmethod
    def of(cls, report: ValidationReport) -> ValidationWire:
        """Show a report."""
        return cls(not report.problems, [CheckedWire.of(one) for one in report.documents])
