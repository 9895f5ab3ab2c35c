"""Commands about the catalog: reading entities, and the locations they come from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.asking import confirmed
from towpath_cli.extensions import CatalogGroup
from towpath_cli.failure import NOT_FOUND, Failed
from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Entity, LocationReport

__all__ = ("app", "register")

app = group("Register and refresh the locations that entities are read from.", cls=CatalogGroup)
_TABLE_FIELDS = (
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.title",
    "spec.type",
    "spec.owner",
)
LocationId = Annotated[
    str, typer.Argument(metavar="LOCATION", help="Id of the location, or its target.")
]


def register(root: typer.Typer) -> None:
    """Add the commands that stand at the top."""
    command(
        root,
        "get",
        examples=(
            "towpath get",
            "towpath get component",
            "towpath get component:default/shop",
            "towpath get component -l spec.type=service -l metadata.tags=java -o json",
        ),
    )(get)


def get(
    session: Session,
    what: Annotated[
        str | None, typer.Argument(metavar="[KIND|REF]", help="A kind, or one entity.")
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option("--filter", "-l", help="field=value, or field alone; said twice means and."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="Field to sort by; with - in front descending.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Text that must be found.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many to show; all without.")] = None,
) -> None:
    """List what the catalog knows, or show one entity.

    Without a kind it counts the entities of each.
    """
    if what and (":" in what or "/" in what):
        found = session.platform.entities.get(what)
        if not session.out.wire(found):
            show_entity(session, found)
        return
    conditions = [*([f"kind={what}"] if what else []), *(filter or ())]
    if not conditions and not search and not sort and limit is None:
        _count_kinds(session)
        return
    walk = session.platform.entities.list(
        filter=",".join(conditions) or None,
        order=sort,
        search=search,
        fields=_TABLE_FIELDS if session.out.form == "table" else (),
        page_size=min(limit or 500, 500),
    )
    listed = list(islice(walk, limit))
    if session.out.wire(listed):
        return
    rows = [(one.ref, one.spec.get("type"), one.spec.get("owner"), _title(one)) for one in listed]
    if rows:
        session.out.table(("NAME", "TYPE", "OWNER", "TITLE"), rows)
    else:
        session.out.say("Nothing of that sort. What there is: towpath get")


@command(
    app,
    "add",
    examples=(
        "towpath catalog add https://git.example.com/shop/catalog-info.yaml",
        "towpath catalog add ./catalog/all.yaml",
    ),
)
def add(
    session: Session,
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="Address or path.")],
    type: Annotated[
        str | None, typer.Option(help="url, file, or what a plugin offers; told by the target.")
    ] = None,
) -> None:
    """Register locations and read them; known ones are read again.

    Paths are on the platform's machine. Problems are printed with their place, and end the command
    with 1; what is good is taken in all the same.
    """
    reports = [_added(session, target, type) for target in targets]
    if not session.out.wire(reports):
        rows = [(ref,) for report in reports for ref in report.entity_refs]
        session.out.table(("ENTITY",), rows)
    _end_with_problems(reports)


@command(app, "ls", examples=("towpath catalog ls", "towpath catalog ls -o json"))
def ls(session: Session) -> None:
    """List the registered locations."""
    found = session.platform.locations.list()
    if not session.out.wire(found):
        rows = [(one.id, one.type, one.target) for one in found]
        session.out.table(("ID", "TYPE", "TARGET"), rows, whole="ID")


@command(app, "refresh", examples=("towpath catalog refresh https://git.example.com/all.yaml",))
def refresh(session: Session, location: LocationId) -> None:
    """Read a location again now."""
    report = session.platform.locations.refresh(_location(session, location))
    if not session.out.wire(report):
        session.out.say(f"{report.target}: {_amount(len(report.entity_refs), 'entity')}")
    _end_with_problems([report])


@command(app, "rm", examples=("towpath catalog rm https://git.example.com/all.yaml --yes",))
def rm(
    session: Session,
    location: LocationId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a location and the entities that come from it alone."""
    id = _location(session, location)
    confirmed(f"Remove {location} and its entities?", yes=yes)
    session.platform.locations.remove(id)
    session.out.say(f"Removed {location}.")


@command(app, "problems", examples=("towpath catalog problems", "towpath catalog problems -o json"))
def problems(
    session: Session,
    location: Annotated[str | None, typer.Option(help="Id or target of one location.")] = None,
) -> None:
    """List what the catalog could not take in, as file:line:column: message."""
    id = _location(session, location) if location else None
    found = list(session.platform.locations.problems(id))
    if session.out.wire(found):
        return
    for one in found:
        since = f" ({ago(one.at)} ago)"
        about = f" [{one.entity_ref}]" if one.entity_ref and one.file else ""
        typer.echo(line(f"{one.problem}{about}") + since)
    if not found:
        session.out.say("No problems.")


def show_entity(session: Session, entity: Entity) -> None:
    """Print one entity for people."""
    relations = tuple(f"{edge.type} {edge.target_ref}" for edge in entity.relations)
    links = entity.metadata.get("links")
    session.out.record(
        {
            "Entity": str(entity.ref),
            "Title": _title(entity),
            "Description": entity.metadata.get("description"),
            "Type": entity.spec.get("type"),
            "Lifecycle": entity.spec.get("lifecycle"),
            "Owner": entity.spec.get("owner"),
            "Tags": ", ".join(map(str, entity.metadata.get("tags") or ())),
            "Relations": relations,
            "Links": tuple(str(one.get("url")) for one in links or () if isinstance(one, dict)),
            "Problems": tuple(item.message for item in entity.status.items),
        }
    )
    if entity.kind.lower() == "template":
        from towpath_cli.create import show_parameters

        show_parameters(session, entity)


def _title(entity: Entity) -> str | None:
    return entity.title if entity.title != entity.name else None


def _count_kinds(session: Session) -> None:
    facets = session.platform.entities.facets("kind")
    if not session.out.wire(facets):
        session.out.table(("KIND", "ENTITIES"), [(f.value, f.count) for f in facets["kind"]])


def _added(session: Session, target: str, type: str | None) -> LocationReport:
    if type is None and "://" not in target:
        target, type = str(Path(target).absolute()), "file"
    report = session.platform.locations.add(target, type=type)
    done = "Registered" if report.created else "Read again"
    session.out.say(f"{done} {report.target}: {_amount(len(report.entity_refs), 'entity')}")
    return report


def _end_with_problems(reports: list[Any]) -> None:
    lines = [str(problem) for report in reports for problem in report.problems]
    if lines:
        raise Failed(f"{_amount(len(lines), 'problem')} in what was read.", lines=lines)


def _location(session: Session, named: str) -> str:
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


def _amount(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
