"""The command that runs a template: a golden path, from values to something new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.asking import gather, secrets_from
from towpath_cli.follow import follow
from towpath_cli.runs_show import show_run
from towpath_cli.session import Session, command
from towpath_cli.values import Form

if TYPE_CHECKING:
    from towpath_sdk import Entity

__all__ = ("register", "show_fields", "show_parameters")

Values = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A value.")
]
ValuesFile = Annotated[
    str | None, typer.Option("--values", metavar="FILE", help="Values in YAML or JSON; - is stdin.")
]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="NAME[=VALUE]", help="A secret; NAME alone reads $NAME."),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end.")]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Said twice it has its effect once; for CI jobs."),
]


def register(root: typer.Typer) -> None:
    """Add the command."""
    command(
        root,
        "create",
        examples=(
            "towpath create python-service -p name=boat -p owner=group:default/canal",
            "towpath create python-service --values boat.yaml --secret API_KEY --no-wait",
        ),
    )(create)


def create(
    session: Session,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Name or reference.")],
    param: Values = None,
    values: ValuesFile = None,
    secret: Secrets = None,
    wait: Wait = True,
    idempotency_key: Key = None,
) -> None:
    """Make something new from a template.

    Values become what the template's schema wants: numbers, yes and no, lists. What is required and
    missing is asked for on a terminal. What a template asks for: towpath get template:NAME.
    """
    templates = session.platform.templates
    secrets = secrets_from(secret or ())
    form = Form(templates.schema(template).schemas())
    given = form.with_defaults(gather(form, param or (), values, secrets=secrets))
    run = templates.create(
        template, given, secrets=secrets or None, idempotency_key=idempotency_key
    )
    if wait:
        session.out.say(f"Run {run.id}: {run.title}")
        run = follow(session, run.id)
    if session.out.wire(run):
        return
    if wait:
        show_run(session, run, steps=False)
    else:
        typer.echo(run.id)
        session.out.say(f"It runs by itself. Follow it: towpath runs logs -f {run.id}")


def show_parameters(session: Session, template: Entity) -> None:
    """Print what a template asks for, for people."""
    schema = session.platform.templates.schema(template.ref)
    show_fields(session, Form(schema.schemas()))


def show_fields(session: Session, form: Form) -> None:
    """Print what a form asks for, for people."""
    if not form.fields:
        return
    typer.echo()
    rows = [
        (
            f"{name}{'*' if name in form.required else ''}",
            _kind(field),
            _default(field),
            _about(field),
        )
        for name, field in form.fields.items()
    ]
    session.out.table(("VALUE (* required)", "TYPE", "DEFAULT", "ABOUT"), rows)


def _kind(field: Mapping[str, Any]) -> str | None:
    if field.get("enum"):
        return " | ".join(map(str, field["enum"]))
    kind = field.get("type")
    return " | ".join(map(str, kind)) if isinstance(kind, list) else kind


def _default(field: Mapping[str, Any]) -> str | None:
    return str(field["default"]) if "default" in field else None


def _about(field: Mapping[str, Any]) -> str | None:
    return field.get("description") or field.get("title")
