"""What one operation takes and gives: stated beside its route, read when the document is made.

Handlers answer with bytes that no framework looks at; this says what is in them. Examples are the
wire structs themselves, so that they cannot have another shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = (
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "IF_NONE_MATCH",
    "LAST_EVENT_ID",
    "OPERATION",
    "Given",
    "Operation",
)

OPERATION = "operation"
"""The option of a handler that holds its `Operation`."""

IDEMPOTENCY_KEY = "Idempotency-Key"
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
LAST_EVENT_ID = "Last-Event-ID"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is no error of the usual form.

    Attributes:
        status: its HTTP status.
        type: of its body, or several; None where there is none.
        example: a body.
        description: what it says, in a sentence.
        media_type: of its body.
        headers: the headers that it has beyond the usual, with what they say.
    """

    status: int = 200
    type: Any = None
    example: Any = None
    description: str = "What was asked for."
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}

    @property
    def types(self) -> tuple[Any, ...]:
        """The types that its body may have; none where it has none."""
        if self.type is None:
            return ()
        return self.type if isinstance(self.type, tuple) else (self.type,)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, beyond what its route and its handler's parameters say.

    Attributes:
        id: stable and unique; generated clients name their methods after it.
        summary: what it does, in a few words.
        gives: its answers that are no errors of the usual form.
        takes: the type of the body.
        request: an example of a body.
        optional: the body may be left out.
        headers: request headers that it honours.
        errors: statuses of errors beyond those that every such operation has.
    """

    id: str
    summary: str
    gives: tuple[Given, ...]
    takes: Any = None
    request: Any = None
    optional: bool = False
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
