"""Login roles: one for each binding, a member of the role that owns the database.

The password is made here and only its verifier is sent, so that no log of the server can hold it.
"""

from __future__ import annotations

import secrets
from urllib.parse import quote, urlencode

import msgspec
from psycopg import errors, sql

from towpath_core.errors import StepFailed
from towpath_postgres.inventory import binding_role, foreign
from towpath_postgres.naming import binding_mark
from towpath_postgres.session import Session

__all__ = ("Login", "drop_login", "ensure_login", "new_password", "shut_out", "uri_of")


class Login(msgspec.Struct, frozen=True):
    """What a binding hands over."""

    username: str
    password: str
    host: str
    port: int
    database: str

    def __repr__(self) -> str:
        """Leave out the password."""
        return f"Login({self.username!r})"


def new_password() -> str:
    """A random password of 32 characters that need no quoting in a URL; 192 bits."""
    return secrets.token_urlsafe(24)


def ensure_login(
    session: Session, owner: str, name: str, password: str, *, resource_id: str, binding_id: str
) -> str:
    """Make a binding's login role, or give the one it has a new password.

    What it makes in the database belongs to the owner role, so that it outlives the binding.

    Returns:
        The name of the role: `name`, or the one it had already.

    Raises:
        StepFailed: a role of that name is not ours.
    """
    existing = binding_role(session, resource_id, binding_id)
    role = sql.Identifier(existing or name)
    verifier = _verifier(session, existing or name, password)
    mark = sql.Literal(binding_mark(resource_id, binding_id))
    try:
        with session.together():
            verb = sql.SQL("ALTER ROLE" if existing else "CREATE ROLE")
            make = sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, role, verifier)
            session.run(make)
            session.run(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, mark))
            session.run(sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), role))
            session.run(sql.SQL("ALTER ROLE {} SET role = {}").format(role, sql.Literal(owner)))
            if not session.superuser:  # to end its sessions, and to take over what it owns
                session.run(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
    except (errors.DuplicateObject, errors.UniqueViolation) as error:
        raise foreign("role", name) from error
    return existing or name


def shut_out(session: Session, role: str) -> None:
    """Take the right to log in from a role, and end its sessions."""
    session.run(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
    ended = session.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [role]
    )
    if not all(done for (done,) in ended):
        raise StepFailed(f"A session of role {role} does not end.", next="Try again later.")


def drop_login(inside: Session, owner: str | None, role: str) -> None:
    """Drop a role; what it owns in the database, inside which it is called, goes to the owner.

    `owner` is None when the database is gone, and with it all that the role could own.
    """
    known = sql.Identifier(role)
    with inside.together():
        if owner is not None:
            give = sql.SQL("REASSIGN OWNED BY {} TO {}")
            inside.run(give.format(known, sql.Identifier(owner)))
            inside.run(sql.SQL("DROP OWNED BY {}").format(known))
        inside.run(sql.SQL("DROP ROLE {}").format(known))


def uri_of(login: Login, sslmode: str | None) -> str:
    """All of a login as one libpq URL. A secret."""
    parts = {"host": login.host, "port": str(login.port)} if login.host[:1] == "/" else {}
    if sslmode:
        parts["sslmode"] = sslmode
    host = f"[{login.host}]" if ":" in login.host else login.host
    where = "" if login.host[:1] == "/" else f"{host}:{login.port}"
    who = f"{quote(login.username, safe='')}:{quote(login.password, safe='')}"
    query = f"?{urlencode(parts)}" if parts else ""
    return f"postgresql://{who}@{where}/{quote(login.database, safe='')}{query}"


def _verifier(session: Session, name: str, password: str) -> sql.Literal:
    made = session.connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    )
    return sql.Literal(made.decode())
