"""What can be asked for: a database, its sizes, and what is handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from towpath_core.errors import Invalid, Place, Problem
from towpath_core.provisioning import Offering, Output, Size

__all__ = (
    "PROVISIONER",
    "Parameters",
    "database_offering",
    "read_parameters",
    "refused_extension",
)

PROVISIONER = "postgres"

MOST_CONNECTIONS = 100
MOST_SECONDS = 3600


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a database is asked to be.

    Attributes:
        connection_limit: sessions at a time, of all its bindings together.
        statement_timeout: seconds after which a statement is given up; a session may change it.
        extensions: what is installed in it. One that is left out later is not removed.
    """

    connection_limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_CONNECTIONS)] = 10
    statement_timeout: Annotated[int, msgspec.Meta(ge=1, le=MOST_SECONDS)] = 60
    extensions: tuple[str, ...] = ()


def read_parameters(parameters: Mapping[str, Any], allowed: Sequence[str]) -> Parameters:
    """Check what was asked for.

    Raises:
        Invalid: a parameter is unknown or wrong, or an extension is not allowed.
    """
    try:
        found = msgspec.convert(dict(parameters), Parameters)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The parameters are wrong: {error}.",
            problems=[Problem("parameters", str(error), Place(pointer="/parameters"))],
        ) from error
    for number, name in enumerate(found.extensions):
        if name not in allowed:
            raise refused_extension(number, "it is not among those that may be asked for", allowed)
    return found


def refused_extension(number: int, why: str, allowed: Sequence[str]) -> Invalid:
    """The error for an extension that was asked for as the `number`th, counted from 0."""
    message = f"Extension {number + 1} cannot be had: {why}."
    place = Place(pointer=f"/parameters/extensions/{number}")
    return Invalid(
        message,
        next=f"Ask for one of: {', '.join(allowed) or 'none'}.",
        problems=[Problem("extension", message, place)],
    )


def database_offering(extensions: Sequence[str]) -> Offering:
    """The offering `postgres-database`, with the extensions that may be asked for."""
    return Offering(
        name="postgres-database",
        title="PostgreSQL database",
        description="A database of your own on the shared PostgreSQL server, in seconds. "
        "Nobody else's credentials open it, and yours open nothing else.",
        resource_type="database",
        provisioner=PROVISIONER,
        parameters=_schema(extensions),
        sizes=(
            Size("small", "10 connections; statements end after 30 s.", _size(10, 30)),
            Size("medium", "40 connections; statements end after 2 minutes.", _size(40, 120)),
        ),
        outputs=(
            Output("host", "Name or address of the server."),
            Output("port", "TCP port of the server."),
            Output("database", "Name of the database."),
        ),
        credentials=(
            Output("username", "Role to log in as."),
            Output("password", "Password of the role.", secret=True),
            Output("host", "Name or address of the server."),
            Output("port", "TCP port of the server."),
            Output("database", "Name of the database."),
            Output("uri", "All of it as one libpq URL.", secret=True),
        ),
    )


def _size(connections: int, seconds: int) -> dict[str, Any]:
    return {"connection_limit": connections, "statement_timeout": seconds}


def _schema(extensions: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "connection_limit": {
                "type": "integer",
                "title": "Connections",
                "description": "Sessions at a time, of all bindings together.",
                "minimum": 1,
                "maximum": MOST_CONNECTIONS,
                "default": 10,
            },
            "statement_timeout": {
                "type": "integer",
                "title": "Statement timeout",
                "description": "Seconds after which a statement is given up, unless a session "
                "asks for another limit.",
                "minimum": 1,
                "maximum": MOST_SECONDS,
                "default": 60,
            },
            "extensions": {
                "type": "array",
                "title": "Extensions",
                "description": "What is installed in the database. Leaving one out later does "
                "not remove it.",
                "items": {"type": "string", "enum": list(extensions)},
                "uniqueItems": True,
                "default": [],
            },
        },
    }
