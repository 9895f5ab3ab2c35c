"""Commands about who one is: logging in to a platform and out of it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from towpath_cli.failure import USAGE, Failed
from towpath_cli.session import Session, command
from towpath_cli.text import line

__all__ = ("register",)

_MAX_TOKEN = 10_000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "login",
        examples=(
            "towpath login --url https://towpath.example.com",
            "towpath login --url https://towpath.example.com --token-stdin < token.txt",
        ),
    )(login)
    command(app, "logout", examples=("towpath logout",))(logout)


def login(
    session: Session,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from standard input.")
    ] = False,
) -> None:
    """Try a token and remember it for its platform.

    The token is asked for, or read from standard input; it is not shown. It is kept in a file that
    only you can read, and used for this address and no other.
    """
    from towpath_sdk import Logins, Platform

    logins = Logins.load()
    url = session.options.url or os.environ.get("TOWPATH_URL") or logins.current
    if url is None:
        if not sys.stdin.isatty():
            raise Failed("No platform is named.", next="Say --url https://...", code=USAGE)
        url = typer.prompt("Address of the platform", err=True)
    token = _read_token() if token_stdin else session.options.token
    token = token or os.environ.get("TOWPATH_TOKEN") or _asked_token()
    with Platform(url, token=token, timeout=min(session.options.timeout or 30.0, 30.0)) as platform:
        info = platform.info()
        path = logins.added(platform.url, token).save()
        if session.out.wire(info):
            return
        session.out.say(f"Logged in to {platform.url} as {line(info.principal.subject)}.")
        session.out.say(f"Kept in {path}.")


def logout(session: Session) -> None:
    """Forget the token for a platform. The token itself stays good: revoke it to end that."""
    from towpath_sdk import Logins

    logins = Logins.load()
    url = session.options.url or logins.current
    known = logins.find(url) if url else None
    if known is None:
        raise Failed("You are not logged in" + (f" to {url}." if url else "."), code=USAGE)
    logins.removed(known.url).save()
    session.out.say(f"Logged out of {known.url}.")


def _read_token() -> str:
    token = sys.stdin.read(_MAX_TOKEN).strip()
    if not token:
        raise Failed("There is no token on standard input.", code=USAGE)
    return token


def _asked_token() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True, err=True)).strip()
    return _read_token()
