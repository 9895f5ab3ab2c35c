"""Commands about the platform itself: plugins, tokens, versions."""

from __future__ import annotations

import platform as machine
from typing import Annotated

import typer

from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.text import line

__all__ = ("app", "register")

app = group("Make and revoke tokens for scripts and services.")


def register(root: typer.Typer) -> None:
    """Add the commands that stand at the top."""
    command(root, "plugins", examples=("towpath plugins", "towpath plugins -o json"))(plugins)
    command(root, "version", examples=("towpath version", "towpath version -o json"))(version)


def plugins(session: Session) -> None:
    """List the platform's plugins, and what stopped those that do not run."""
    found = session.platform.plugins.list()
    if not session.out.wire(found):
        rows = [
            (one.name, one.version, one.state, one.why or ", ".join(one.hooks)) for one in found
        ]
        session.out.table(("NAME", "VERSION", "STATE", "WHY OR HOOKS"), rows)


def version(session: Session) -> None:
    """Say which version of the command this is."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        found = installed("towpath")
    except PackageNotFoundError:
        found = "0"
    if not session.out.wire({"version": found, "python": machine.python_version()}):
        typer.echo(f"towpath {found} (Python {machine.python_version()})")


@command(
    app,
    "create",
    examples=(
        "towpath token create ci --scope catalog:read --days 30",
        "TOWPATH_TOKEN=$(towpath token create ci --scope catalog:write)",
    ),
)
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Annotated[list[str], typer.Option("--scope", "-s", help="What it allows; repeat it.")],
    days: Annotated[int | None, typer.Option(min=1, help="How long it is good.")] = None,
) -> None:
    """Make a token and print it. It is shown this once."""
    made = session.platform.tokens.create(name, scopes=scope, days=days)
    if not session.out.wire(made):
        typer.echo(line(made.token))
    session.out.say(f"Token {made.id}, good until {made.expires_at:%Y-%m-%d}. It is shown once.")


@command(app, "ls", examples=("towpath token ls",))
def ls(session: Session) -> None:
    """List tokens, without their secrets."""
    found = list(session.platform.tokens.list())
    if session.out.wire(found):
        return
    rows = [
        (
            one.id,
            one.name,
            " ".join(one.scopes),
            "revoked" if one.revoked_at else f"{one.expires_at:%Y-%m-%d}",
            ago(one.last_used_at),
        )
        for one in found
    ]
    session.out.table(("ID", "NAME", "SCOPES", "UNTIL", "USED"), rows)


@command(app, "revoke", examples=("towpath token revoke 4fJq0aTn2mXk9cLw7ZpRbd",))
def revoke(
    session: Session, token: Annotated[str, typer.Argument(metavar="ID", help="Id of the token.")]
) -> None:
    """Make a token useless from now on."""
    session.platform.tokens.revoke(token)
    session.out.say(f"Token {token} is revoked.")
