"""Looks at what is not registered yet. Contract: Backstage's catalog."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Controller

from towpath_core.errors import Invalid, Problem
from towpath_gateway.answer import JSON, Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_contract as op
from towpath_gateway.catalog.wire_contract import (
    AnalysisWire,
    AnalyzeBody,
    EntityFault,
    EntityFaults,
    ValidateBody,
)
from towpath_gateway.routing import post

__all__ = ("AnalysisController",)

_MOST = 100
"""How many faults are told of one entity."""


class AnalysisController(Controller):
    """Entities and addresses that are not in the catalog."""

    path = "/api/catalog"
    tags = ("Catalog",)

    @post("/validate-entity", "catalog:write", op.VALIDATE_ENTITY)
    async def validate(self, request: Ask) -> Answer:
        """Whether an entity would be taken if it stood in that file, which need not be there.

        Its placeholders are read, relative to the file.
        """
        try:
            data = await request.read(ValidateBody)
            type, target = _location(data.location)
        except Invalid as error:
            return _faults(error.problems or [Problem("body", str(error))])
        problems = await request.platform.analysis.validate(
            request.principal, data.entity, type, target
        )
        if problems:
            return _faults(problems)
        return Answer(b"", media_type=JSON)

    @post("/analyze-location", "catalog:write", op.ANALYZE_LOCATION)
    async def analyze(self, request: Ask) -> Answer:
        """The entities that stand at an address; where there are none, what one could look like.

        An address that cannot be read is taken for an empty one.
        """
        data = await request.read(AnalyzeBody)
        if data.location.type != "url":
            raise Invalid(f"Unsupported location type '{data.location.type[:80]}'")
        filename = data.catalog_filename or data.catalog_file_name
        analysis = await request.platform.analysis.analyze(
            request.principal, data.location.target, filename
        )
        return reply(AnalysisWire.of(analysis))


def _location(text: str) -> tuple[str, str]:
    type, colon, target = text.partition(":")
    if type != "url" or not colon or not target.strip():
        raise Invalid(
            f"Invalid location {text[:200]!r}: only url:<target> is taken here, "
            "such as url:https://host/path"
        )
    return type, target


def _faults(problems: Sequence[Problem]) -> Answer:
    return reply(EntityFaults([EntityFault.of(problem) for problem in problems[:_MOST]]), 400)
