"""Commands about self-service: what can be asked for, asking for it, and what one has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from towpath_cli.asking import confirmed, gather
from towpath_cli.create import Key, Values, ValuesFile, Wait, show_fields
from towpath_cli.failure import NOT_FOUND, USAGE, Failed
from towpath_cli.follow import follow
from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.text import block, line
from towpath_cli.values import Form

if TYPE_CHECKING:
    from towpath_sdk import Plan, Resource

__all__ = ("app", "register")

app = group("See, bind and delete what was provisioned.")
ResourceName = Annotated[str, typer.Argument(metavar="RESOURCE", help="Id or name of it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(root: typer.Typer) -> None:
    """Add the commands that stand at the top."""
    command(
        root,
        "offerings",
        examples=("towpath offerings", "towpath offerings postgres-database"),
    )(offerings)
    command(
        root,
        "provision",
        examples=(
            "towpath provision postgres-database orders --size small",
            "towpath provision postgres-database orders -p connections=20 --yes -o json",
        ),
    )(provision)
    command(
        root,
        "bind",
        examples=("towpath bind orders", "towpath bind orders --name nightly-job -o json"),
    )(bind)
    command(root, "unbind", examples=("towpath unbind 0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10",))(
        unbind
    )


def offerings(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them.")] = None,
) -> None:
    """List what can be asked for, or show one offering and what it asks for."""
    if name is None:
        found = list(session.platform.offerings.list())
        if not session.out.wire(found):
            rows = [(one.name, one.title, one.description) for one in found]
            session.out.table(("NAME", "TITLE", "ABOUT"), rows)
        return
    one = session.platform.offerings.get(name)
    if session.out.wire(one):
        return
    session.out.record(
        {
            "Offering": one.name,
            "Title": one.title,
            "About": one.description,
            "Becomes": f"a resource of type {one.resource_type}",
            "Sizes": tuple(f"{size.name}: {size.description}" for size in one.sizes),
            "Shows": tuple(f"{output.name}: {output.description}" for output in one.outputs),
            "Hands over": tuple(f"{item.name}: {item.description}" for item in one.credentials),
        }
    )
    show_fields(session, Form([one.parameters]))


def provision(
    session: Session,
    offering: Annotated[str, typer.Argument(metavar="OFFERING", help="Name of the offering.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it shall be called.")],
    param: Values = None,
    values: ValuesFile = None,
    size: Annotated[str | None, typer.Option(help="One of its sizes; the first without.")] = None,
    owner: Annotated[str | None, typer.Option(help="Reference of the owner; you without.")] = None,
    yes: Yes = False,
    wait: Wait = True,
    idempotency_key: Key = None,
) -> None:
    """Ask for an offering: see what would change, say yes, and get exactly that."""
    platform = session.platform
    wanted = platform.offerings.get(offering)
    chosen = [one for one in wanted.sizes if one.name == size] or wanted.sizes[:1]
    preset = chosen[0].parameters if chosen else {}
    given = gather(Form([wanted.parameters]), param or (), values, preset=preset)
    plan = platform.plans.create(
        offering,
        name,
        parameters=given or None,
        size=size,
        owner=owner,
        idempotency_key=idempotency_key and f"{idempotency_key}-plan",
    )
    _show_plan(session, plan)
    confirmed(f"Provide {name} as planned?", yes=yes)
    begun = platform.plans.apply(
        plan.id, plan.hash, idempotency_key=idempotency_key and f"{idempotency_key}-apply"
    )
    if wait:
        session.out.say(f"Run {begun.run_id}")
        follow(session, begun.run_id)
    resource = platform.resources.get(begun.resource_id)
    if not session.out.wire(resource):
        _show_resource(session, resource)


@command(app, "ls", examples=("towpath resources ls", "towpath resources ls -o json"))
def ls(session: Session) -> None:
    """List what was provisioned and is not deleted."""
    found = list(session.platform.resources.list())
    if not session.out.wire(found):
        rows = [(one.id, one.name, one.offering, one.phase, ago(one.created_at)) for one in found]
        session.out.table(("ID", "NAME", "OFFERING", "PHASE", "AGE"), rows)


@command(app, "show", examples=("towpath resources show orders",))
def show(session: Session, resource: ResourceName) -> None:
    """Show a resource and who has credentials to it."""
    found = _found(session, resource)
    if session.out.wire(found):
        return
    _show_resource(session, found)
    bindings = list(session.platform.resources.bindings(found.id))
    if bindings:
        typer.echo()
        rows = [(one.id, one.name, one.state, ago(one.created_at)) for one in bindings]
        session.out.table(("BINDING", "NAME", "STATE", "AGE"), rows, whole="BINDING")


@command(
    app,
    "delete",
    examples=("towpath resources delete orders", "towpath resources delete orders --yes"),
)
def delete(session: Session, resource: ResourceName, yes: Yes = False, wait: Wait = True) -> None:
    """Delete a resource with all it holds, and all credentials to it."""
    found = _found(session, resource)
    confirmed(f"Delete {found.name} ({found.offering}) and all it holds?", yes=yes)
    begun = session.platform.resources.delete(found.id)
    session.out.say(f"Run {begun.run_id}")
    if wait:
        follow(session, begun.run_id)
    if not session.out.wire(begun):
        session.out.say(f"{found.name} is {'deleted' if wait else 'being deleted'}.")


def bind(
    session: Session,
    resource: ResourceName,
    name: Annotated[str | None, typer.Option(help="What the credentials are for.")] = None,
) -> None:
    """Make credentials to a resource and print them. They are shown this once."""
    found = _found(session, resource)
    begun = session.platform.resources.bind(found.id, name=name)
    session.out.say(f"Run {begun.run_id}")
    follow(session, begun.run_id)
    credentials = session.platform.bindings.credentials(begun.binding_id)
    if not session.out.wire(credentials):
        for key, value in sorted(credentials.values.items()):
            typer.echo(f"{line(key)}: {block(value)}")  # never folded: these are copied
    session.out.say("These are shown once. Take them back: towpath unbind " + begun.binding_id)


def unbind(
    session: Session,
    binding: Annotated[str, typer.Argument(metavar="BINDING", help="Id of the binding.")],
    wait: Wait = True,
) -> None:
    """Take credentials back: from then on they open nothing."""
    begun = session.platform.bindings.delete(binding)
    session.out.say(f"Run {begun.run_id}")
    if wait:
        follow(session, begun.run_id)
    if not session.out.wire(begun):
        session.out.say(f"Binding {binding} is {'gone' if wait else 'being taken back'}.")


def _show_plan(session: Session, plan: Plan) -> None:
    """Show what would change: to people on stderr, so that data stays alone on stdout."""
    size = f", size {plan.size}" if plan.size else ""
    session.out.say(f"Plan {plan.id} for {plan.name}{size}, owned by {plan.owner}:")
    for change in plan.changes:
        session.out.say(f"  {change.action:7} {change.target}  {_details(change.detail)}".rstrip())
    session.out.say(f"Nothing else will change ({plan.hash}).")


def _details(detail: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in detail.items())


def _show_resource(session: Session, resource: Resource) -> None:
    session.out.record(
        {
            "Resource": resource.id,
            "Name": resource.name,
            "Offering": resource.offering,
            "Phase": resource.phase,
            "Owner": resource.owner,
            "Entity": resource.entity_ref,
            "Run": resource.run_id,
            "Error": resource.error and f"{resource.error.message} ({resource.error.code})",
            **{f"  {name}": value for name, value in resource.outputs.items()},
        }
    )


def _found(session: Session, named: str) -> Resource:
    """The resource of this id, else the one of this name; deleted ones have an id only."""
    if _is_id(named):
        return session.platform.resources.get(named)
    matches = [one for one in session.platform.resources.list() if one.name == named]
    if not matches:
        raise Failed(f"There is no resource {named}.", next="towpath resources ls", code=NOT_FOUND)
    if len(matches) > 1:
        lines = [f"{one.id}  {one.offering}  {one.phase}" for one in matches]
        raise Failed(f"{len(matches)} resources are called {named}.", lines=lines, code=USAGE)
    return matches[0]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
