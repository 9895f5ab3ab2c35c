"""What an embedded PostgreSQL holds before the platform's own tables: a database, closed doors.

Everything here may be repeated at every start. Knows nothing of files, except for the one that
keeps the superuser's password.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import psycopg
from psycopg import sql

from towpath_engine.store.embedded_cluster import SUPERUSER

__all__ = ("make_database", "set_password")

DATABASE = "towpath"


def make_database(connection: psycopg.Connection) -> None:
    """Make the platform's database where it is missing, and close it to all other roles."""
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, [DATABASE]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    # Roles that are provisioned on this server have no business in the platform's data.
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE datname = ANY(%s)"
        " AND has_database_privilege('public', oid, 'CONNECT')",
        [[DATABASE, "postgres", "template1"]],
    )
    for (name,) in rows.fetchall():
        revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC")
        connection.execute(revoke.format(sql.Identifier(name)))


def set_password(connection: psycopg.Connection, path: Path) -> None:
    """Give the superuser the password in a file, which is made (mode 0600) where it is missing."""
    if not path.exists():
        partial = path.with_name(f"{path.name}.new")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(24)}\n")
        partial.replace(path)
    # The verifier is made here: the server, and so its log, never sees the password.
    password = path.read_text("ascii").strip().encode()
    verifier = connection.pgconn.encrypt_password(password, SUPERUSER.encode(), b"scram-sha-256")
    query = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(query.format(sql.Identifier(SUPERUSER), sql.Literal(verifier.decode())))
