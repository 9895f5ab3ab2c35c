"""Commands about what became of entities: why, what was removed, and what two sources want."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.asking import confirmed
from towpath_cli.catalog import app
from towpath_cli.catalog_words import LocationId, amount, location_id
from towpath_cli.failure import NOT_FOUND, REFUSED, Failed
from towpath_cli.output import ago
from towpath_cli.session import Session, command
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Explanation

__all__ = ("app",)

Limit = Annotated[int | None, typer.Option(min=1, help="How many to show; all without.")]
Ref = Annotated[str, typer.Argument(metavar="REF", help="Such as component:default/shop.")]


@command(
    app,
    "explain",
    examples=(
        "towpath catalog explain component:default/shop",
        "towpath catalog explain group:tolls -o json",
    ),
)
def explain(session: Session, ref: Ref) -> None:
    """Say why an entity is in the catalog as it is, or why it is not.

    Shows every stage it went through with its place: registered, read, parsed, checked, written.
    Works for references that nobody ever stated, too.
    """
    found = session.platform.entities.explain(ref)
    if not session.out.wire(found):
        _show(session, found)


@command(
    app,
    "confirm",
    examples=(
        "towpath catalog confirm https://git.example.com/all.yaml",
        "towpath catalog confirm https://git.example.com/all.yaml 3f786850e387550f",
    ),
)
def confirm(
    session: Session,
    location: LocationId,
    digest: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIGEST]", help="Names exactly what you have seen; asked for without."
        ),
    ] = None,
) -> None:
    """Confirm that what vanished from a location at once is gone.

    Until then nothing of it is removed. Afterwards it can be brought back for some days.
    """
    id = location_id(session, location)
    if digest is None:
        held = session.platform.locations.state(id).held
        if held is None:
            raise Failed(f"Nothing is held of {location}.", code=REFUSED)
        for ref in held.entity_refs:
            typer.echo(line(ref), err=True)
        said = f"If these are meant to go: towpath catalog confirm {id} {held.digest}"
        confirmed(f"Remove {amount(held.count, 'entity')}?", yes=False, instead=said)
        digest = held.digest
    refs = session.platform.locations.confirm(id, digest)
    if not session.out.wire(refs):
        session.out.say(f"Removed {amount(len(refs), 'entity')}.")


@command(
    app,
    "tombstones",
    examples=("towpath catalog tombstones", "towpath catalog tombstones --limit 20 -o json"),
)
def tombstones(session: Session, limit: Limit = None) -> None:
    """List what was removed and can still be brought back, the last removed first.

    -o json has the uids, too.
    """
    found = list(islice(session.platform.tombstones.list(page_size=min(limit or 200, 200)), limit))
    if session.out.wire(found):
        return
    rows = [(one.ref, one.reason, ago(one.deleted_at), one.origin) for one in found]
    if rows:
        session.out.table(("NAME", "REASON", "AGO", "FROM"), rows)
    else:
        session.out.say("Nothing was removed lately.")


@command(
    app,
    "restore",
    examples=(
        "towpath catalog restore component:default/shop",
        "towpath catalog restore 019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7",
        "towpath catalog restore component:default/shop 4711",
    ),
)
def restore(
    session: Session,
    what: Annotated[str, typer.Argument(metavar="REF|UID", help="The entity; it may be gone.")],
    seq: Annotated[
        int | None,
        typer.Argument(metavar="[SEQ]", help="SEQ of a change, as history tells it."),
    ] = None,
) -> None:
    """Bring back an entity that was removed, with its uid and its history.

    It stays even if its source still lacks it, until that states it again. With SEQ the entity,
    there or gone, is made what it was after that change; that is refused where a location or a
    set holds it, which would overwrite it.
    """
    if seq is not None:
        made = session.platform.history.restore(what, seq)
        if not session.out.wire(made):
            session.out.say(f"{made.entity_ref} {made.change}, revision {made.revision}.")
        return
    uid = what
    if ":" in what or "/" in what:
        buried = next(iter(session.platform.tombstones.list(what, page_size=1)), None)
        if buried is None:
            raise Failed(
                f"{what} was not removed lately.",
                next="towpath catalog tombstones",
                code=NOT_FOUND,
            )
        uid = buried.uid
    done = session.platform.tombstones.restore(uid)
    if not session.out.wire(done):
        session.out.say(f"Restored {done.entity_ref}.")


@command(
    app,
    "conflicts",
    examples=("towpath catalog conflicts", "towpath catalog conflicts -o json"),
)
def conflicts(
    session: Session,
    location: Annotated[
        str | None, typer.Option(help="Id or target of a location on either side.")
    ] = None,
    limit: Limit = None,
) -> None:
    """List references that two sources state. The first holder keeps one; the other is left out."""
    id = location_id(session, location) if location else None
    found = list(islice(session.platform.conflicts.list(location=id), limit))
    if session.out.wire(found):
        return
    rows = [(one.ref, one.holder, one.origin, ago(one.since)) for one in found]
    if rows:
        session.out.table(("NAME", "HELD BY", "LEFT OUT", "AGO"), rows)
    else:
        session.out.say("No conflicts.")


def _show(session: Session, found: Explanation) -> None:
    typer.echo(line(found.summary))
    rows = []
    for stage in found.stages:
        place = f"{stage.file}:{stage.line}" if stage.file and stage.line else stage.file
        rows.append((stage.name, stage.outcome, ago(stage.at), stage.message, place))
    if rows:
        session.out.table(("STAGE", "OUTCOME", "AGO", "WHAT", "WHERE"), rows)
    for title, refs in (("Named by", found.named_by), ("Names in vain", found.dangling)):
        if refs:
            session.out.say(f"{title}: {', '.join(refs)}")
