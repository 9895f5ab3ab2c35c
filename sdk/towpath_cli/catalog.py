"""Commands about the catalog: reading entities, and the locations they come from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.asking import confirmed
from towpath_cli.catalog_plan import Plan, show_plans
from towpath_cli.catalog_words import LocationId, amount, location_id, say_if_name
from towpath_cli.extensions import CatalogGroup
from towpath_cli.failure import Failed
from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Entity, LocationPlan, LocationReport, LocationState

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
_SHOWN = 10


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
        return
    session.out.say("Nothing of that sort. What there is: towpath get")
    if what:
        say_if_name(session, what)


@command(
    app,
    "add",
    examples=(
        "towpath catalog add https://git.example.com/shop/catalog-info.yaml",
        "towpath catalog add ./catalog/all.yaml",
        "towpath catalog add ./catalog/all.yaml --plan",
    ),
)
def add(
    session: Session,
    targets: Annotated[list[str], typer.Argument(metavar="TARGET...", help="Address or path.")],
    type: Annotated[
        str | None, typer.Option(help="url, file, or what a plugin offers; told by the target.")
    ] = None,
    plan: Plan = False,
) -> None:
    """Register locations and read them; known ones are read again.

    Paths are on the platform's machine. Problems are printed with their place, and end the command
    with 1; what is good is taken in all the same. Warnings, such as references that lead nowhere,
    end it with 0.
    """
    if plan:
        show_plans(session, [_planned(session, one, type) for one in targets])
        return
    reports = [_added(session, target, type) for target in targets]
    if not session.out.wire(reports):
        rows = [(ref,) for report in reports for ref in report.entity_refs]
        if rows:
            session.out.table(("ENTITY",), rows)
    _end_with_problems(session, reports)


@command(app, "ls", examples=("towpath catalog ls", "towpath catalog ls -o json"))
def ls(session: Session) -> None:
    """List the registered locations; -o json counts what they hold and what is wrong.

    A location is faulty where something in it could not be taken in: see towpath catalog problems.
    It is held where much vanished from it at once: that stays until you confirm that it is gone.
    """
    found = list(session.platform.locations.states())
    if not session.out.wire(found):
        rows = [(one.id, _standing(one), one.target) for one in found]
        session.out.table(("ID", "STATE", "TARGET"), rows, whole="ID")


@command(
    app,
    "refresh",
    examples=(
        "towpath catalog refresh https://git.example.com/all.yaml",
        "towpath catalog refresh https://git.example.com/all.yaml --plan",
    ),
)
def refresh(
    session: Session,
    location: LocationId,
    full: Annotated[
        bool, typer.Option("--full", help="Parse files that have not changed, too.")
    ] = False,
    plan: Plan = False,
) -> None:
    """Read a location again now.

    Files that have not changed are not parsed again; --full does, as when rules have changed.
    """
    id = location_id(session, location)
    if plan:
        one = session.platform.locations.get(id)
        planned = session.platform.locations.plan(one.target, type=one.type, full=full)
        show_plans(session, [planned])
        return
    report = session.platform.locations.refresh(id, full=full)
    if not session.out.wire(report):
        session.out.say(f"{report.target}: {_amount_read(report)}")
    _end_with_problems(session, [report])


@command(
    app,
    "rm",
    examples=(
        "towpath catalog rm https://git.example.com/all.yaml --plan",
        "towpath catalog rm https://git.example.com/all.yaml --yes",
    ),
)
def rm(
    session: Session,
    location: LocationId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    plan: Plan = False,
) -> None:
    """Remove a location and the entities that come from it alone.

    For some days they can be brought back: see towpath catalog tombstones.
    """
    id = location_id(session, location)
    if plan:
        show_plans(session, [session.platform.locations.plan_removal(id)])
        return
    confirmed(f"Remove {location} and its entities?", yes=yes)
    session.platform.locations.remove(id)
    session.out.say(f"Removed {location}.")


@command(app, "problems", examples=("towpath catalog problems", "towpath catalog problems -o json"))
def problems(
    session: Session,
    location: Annotated[str | None, typer.Option(help="Id or target of one location.")] = None,
) -> None:
    """List what the catalog could not take in, as file:line:column: message.

    Warnings are about what was taken in all the same, such as references that lead nowhere.
    """
    id = location_id(session, location) if location else None
    found = list(session.platform.locations.problems(id))
    if session.out.wire(found):
        return
    for one in found:
        since = f" ({ago(one.at)} ago)"
        about = f" [{one.entity_ref}]" if one.entity_ref and one.file else ""
        kind = "" if one.level == "error" else f"{one.level}: "
        typer.echo(line(f"{kind}{one.problem}{about}") + since)
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


def _standing(state: LocationState) -> str:
    """What needs attention first."""
    if state.held:
        return "held"
    return "faulty" if state.errors else "ok"


def _added(session: Session, target: str, type: str | None) -> LocationReport:
    target, type = _named(target, type)
    report = session.platform.locations.add(target, type=type)
    done = "Registered" if report.created else "Read again"
    session.out.say(f"{done} {report.target}: {_amount_read(report)}")
    return report


def _amount_read(report: LocationReport) -> str:
    if report.problems and not report.entity_refs and not report.created:
        return "no entity could be read"
    return amount(len(report.entity_refs), "entity")


def _planned(session: Session, target: str, type: str | None) -> LocationPlan:
    target, type = _named(target, type)
    return session.platform.locations.plan(target, type=type)


def _named(target: str, type: str | None) -> tuple[str, str | None]:
    """A target as the platform takes it: a path is made absolute."""
    if type is None and "://" not in target:
        return str(Path(target).absolute()), "file"
    return target, type


def _end_with_problems(session: Session, reports: list[LocationReport]) -> None:
    for report in reports:
        for warning in report.warnings[:_SHOWN]:
            session.out.say(f"warning: {warning}")
        if more := len(report.warnings[_SHOWN:]):
            session.out.say(f"warning: {more} more; see towpath catalog problems")
        if report.held:
            session.out.say(
                f"{amount(report.held.count, 'entity')} vanished at once and stay. If they are "
                f"meant to go: towpath catalog confirm {report.id} {report.held.digest}"
            )
    lines = [str(problem) for report in reports for problem in report.problems]
    if lines:
        raise Failed(f"{amount(len(lines), 'problem')} in what was read.", lines=lines)
