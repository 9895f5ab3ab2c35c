"""Logging in to a PostgreSQL database with credentials that the platform handed over.

The command brings no database client: it uses psycopg where that is installed, else psql.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import parse_qsl, unquote, urlsplit

from towpath_cli.failure import Failed
from towpath_cli.text import line

__all__ = ("Account", "Refused", "client", "log_in")

_SECONDS = 10
_WHO = "SELECT current_user || '@' || current_database()"
_NAMES: Mapping[str, tuple[str, ...]] = {
    "host": ("host", "hostname"),
    "port": ("port",),
    "user": ("user", "username", "role"),
    "password": ("password",),
    "database": ("database", "dbname"),
}
_ADDRESSES = ("uri", "url", "dsn", "connection_string", "connection_uri")


class Refused(Exception):
    """The database did not let one in; the text is its reason."""


@dataclass(frozen=True)
class Account:
    """Where to log in and as whom; the password is in no repr."""

    host: str
    user: str
    database: str
    password: str = field(repr=False)
    port: str = "5432"

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Account:
        """Read the credentials of a binding: single values, or one address that holds them all.

        Raises:
            Failed: something that a login needs is not among them; the values are not shown.
        """
        known = _from_address(values)
        for name, written in _NAMES.items():
            for key in written:
                if values.get(key):
                    known[name] = str(values[key])
        missing = [name for name in _NAMES if name not in known and name != "port"]
        if missing:
            raise Failed(
                f"The credentials hold no {', '.join(missing)}.",
                why=f"They hold {', '.join(sorted(values)) or 'nothing'}.",
            )
        return cls(**known)


def client() -> str:
    """Which client there is: `psycopg` or `psql`.

    Raises:
        Failed: there is none.
    """
    if find_spec("psycopg") is not None:
        return "psycopg"
    if shutil.which("psql") is not None:
        return "psql"
    raise Failed(
        "There is no PostgreSQL client to log in with.",
        next="Install psql, or pip install 'psycopg[binary]'.",
    )


def log_in(account: Account, *, using: str) -> str:
    """Log in, and return who one is there: `user@database`.

    Raises:
        Refused: the database did not let one in.
    """
    return _by_psycopg(account) if using == "psycopg" else _by_psql(account)


def _by_psycopg(account: Account) -> str:
    import psycopg

    try:
        with psycopg.connect(
            host=account.host,
            port=account.port,
            user=account.user,
            password=account.password,
            dbname=account.database,
            connect_timeout=_SECONDS,
        ) as connection:
            row = connection.execute(_WHO).fetchone()
    except psycopg.Error as error:
        raise Refused(_reason(str(error), account)) from None
    return str(row[0]) if row else ""


def _by_psql(account: Account) -> str:
    # What is in the environment stays out of the list of processes that everybody can read.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environ |= {
        "PGHOST": account.host,
        "PGPORT": account.port,
        "PGUSER": account.user,
        "PGPASSWORD": account.password,
        "PGDATABASE": account.database,
        "PGCONNECT_TIMEOUT": str(_SECONDS),
    }
    command = ["psql", "--no-psqlrc", "--no-password", "--no-align", "--tuples-only"]
    try:
        done = subprocess.run(
            [*command, "--command", _WHO],
            env=environ,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=3 * _SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Refused("no answer") from None
    if done.returncode != 0:
        raise Refused(_reason(done.stderr, account))
    return done.stdout.strip()


def _reason(text: str, account: Account) -> str:
    """The last line of what a client says, without the password should it be in there."""
    lines = [line(one) for one in text.strip().splitlines() if one.strip()]
    return (lines[-1] if lines else "no reason given").replace(account.password, "***")


def _from_address(values: Mapping[str, str]) -> dict[str, str]:
    address = next((values[key] for key in _ADDRESSES if values.get(key)), None)
    if address is None:
        return {}
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return {}
    asked = dict(parse_qsl(parts.query))
    found = {
        "host": unquote(parts.hostname or "") or asked.get("host", ""),
        "port": str(port) if port else asked.get("port", ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}
