"""Validation of many descriptors at once: the catalog's own checks, and nothing is taken in."""

from __future__ import annotations

from litestar import Controller

from towpath_core.catalog import SourceFile
from towpath_core.errors import Invalid
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_validation as op
from towpath_gateway.catalog.wire_validation import ValidateManyBody, ValidationWire
from towpath_gateway.routing import post

__all__ = ("ValidationController",)

_FILES = 1_000
_ENTITIES = 10_000


class ValidationController(Controller):
    """Descriptors that are not in the catalog yet."""

    path = "/api/v1/catalog"
    tags = ("Catalog",)

    @post("/validate", "catalog:read", op.VALIDATE_MANY)
    async def validate(self, request: Ask) -> Answer:
        """What the catalog would say of descriptors, each document alone and all together.

        Placeholders are left as they are. A reference to what is not among the documents is a
        warning, as it may be in the catalog. At most 1,000 files and 10,000 entities.
        """
        data = await request.read(ValidateManyBody)
        if not data.files and not data.entities:
            raise Invalid("There is nothing to validate.", next="Send files, entities, or both.")
        if len(data.files) > _FILES or len(data.entities) > _ENTITIES:
            raise Invalid(f"At most {_FILES:,} files and {_ENTITIES:,} entities are validated.")
        files = [SourceFile(file.name, file.content.encode(), "") for file in data.files]
        report = await request.platform.validator.check(files, data.entities, origin=data.origin)
        return reply(ValidationWire.of(report))
