"""What can be asked for: the offering, and the parameters of a request as a checked value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from towpath_core.errors import Invalid, Place, Problem
from towpath_core.provisioning import Offering, Output, Size

__all__ = ("SQLITE_DATABASE", "JournalMode", "Wish", "read_wish")

JournalMode = Literal["wal", "delete"]
_MOST_MIB = 1024 * 1024
_POINTER = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")

SQLITE_DATABASE = Offering(
    name="sqlite-database",
    title="SQLite database",
    description="A SQLite database file on the platform's disk, for one program at a time.",
    resource_type="database",
    provisioner="sqlite",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "max_size_mib": {
                "type": "integer",
                "title": "Largest size in MiB",
                "minimum": 1,
                "maximum": _MOST_MIB,
                "default": 64,
            },
            "journal_mode": {
                "type": "string",
                "title": "Journal mode",
                "description": "wal: readers do not wait for the writer; delete: one plain file.",
                "enum": ["wal", "delete"],
                "default": "wal",
            },
        },
    },
    sizes=(
        Size("small", "Up to 64 MiB.", {"max_size_mib": 64}),
        Size("medium", "Up to 1 GiB.", {"max_size_mib": 1024}),
        Size("large", "Up to 16 GiB.", {"max_size_mib": 16 * 1024}),
    ),
    outputs=(
        Output("path", "Where the file is."),
        Output("journal_mode", "How the database keeps its journal."),
        Output("max_size_mib", "How large the file may become, in MiB."),
    ),
    # SQLite has no users: whoever may open the file is in. So none of these is a secret.
    credentials=(
        Output("path", "Where the file is."),
        Output("uri", "The file as a SQLite URI that opens for writing and never creates."),
        Output("setup", "SQL for each new connection; SQLite does not store these settings."),
    ),
)


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a request, checked."""

    max_size_mib: Annotated[int, msgspec.Meta(ge=1, le=_MOST_MIB)] = 64
    journal_mode: JournalMode = "wal"


def read_wish(parameters: Mapping[str, Any]) -> Wish:
    """Check the parameters of a request, whoever sent it.

    Raises:
        Invalid: one is unknown, of the wrong type or out of range; its place is a JSON pointer.
    """
    try:
        return msgspec.convert(dict(parameters), Wish)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _POINTER.search(text)
        what = _POINTER.sub("", text)[:200]
        pointer = "/parameters" + (f"/{found['path']}" if found and found["path"] else "")
        raise Invalid(
            f"The parameters of {SQLITE_DATABASE.name} are wrong: {what}.",
            next="Compare them with the offering's schema.",
            problems=[Problem("parameters", what, Place(pointer=pointer))],
        ) from error
