"""How the commands about the catalog name locations, and count."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from towpath_cli.failure import NOT_FOUND, Failed
from towpath_cli.session import Session

__all__ = ("LocationId", "amount", "location_id", "say_if_name")

_NAMED = 5

LocationId = Annotated[
    str, typer.Argument(metavar="LOCATION", help="Id of the location, or its target.")
]


def location_id(session: Session, named: str) -> str:
    """The id of a location that is named by its id or its target."""
    known = session.platform.locations.list()
    for one in known:
        if named in (one.id, one.target, str(Path(one.target))):
            return one.id
    path = str(Path(named).absolute())
    for one in known:
        if one.target == path:
            return one.id
    raise Failed(f"There is no location {named}.", next="towpath catalog ls", code=NOT_FOUND)


def say_if_name(session: Session, word: str) -> None:
    """Say which entities have a name, where somebody took it for a kind."""
    named = session.platform.entities.list(filter=f"metadata.name={word}", page_size=_NAMED)
    if refs := [str(one.ref) for one in islice(named, _NAMED)]:
        session.out.say(f"{word} is a name: towpath get {' or '.join(refs)}")


def amount(count: int, noun: str) -> str:
    """A count with its noun, in words."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
