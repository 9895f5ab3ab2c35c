"""Making, comparing and removing the database of a resource and the role that owns it.

Any statement may be the last before a crash, and all of them may be repeated. The role is made
and marked in one transaction; a database is ours when that role owns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import errors, sql

from towpath_core.provisioning import Change
from towpath_postgres.inventory import (
    Database,
    binding_roles,
    database_of,
    extensions_on_offer,
    foreign,
    owner_role,
)
from towpath_postgres.offering import Parameters, refused_extension
from towpath_postgres.session import Session

__all__ = ("drop_all", "ensure_database", "ensure_inside", "ensure_owner", "planned")


def planned(
    name: str, mark: str, found: Database | None, installed: Sequence[str], wanted: Parameters
) -> list[Change]:
    """Compare what is there with what is wanted; equal arguments give equal changes."""
    timeout = _timeout(wanted)
    target = f"database {name}"
    detail: dict[str, Any]
    if found is None:
        detail = {"connection_limit": wanted.connection_limit, "statement_timeout": timeout}
        changes = [Change("create", target, detail)]
    else:
        pairs = {
            "connection_limit": (found.connection_limit, wanted.connection_limit),
            "statement_timeout": (found.statement_timeout, timeout),
            "open": (found.open, True),
            "public": (found.public, False),
            "comment": (found.mark, mark),
        }
        detail = {
            key: {"now": now, "then": then} for key, (now, then) in pairs.items() if now != then
        }
        changes = [Change("update" if detail else "none", target, detail)]
    missing = [one for one in sorted(wanted.extensions) if one not in installed]
    return changes + [Change("create", f"extension {one} in {target}") for one in missing]


def ensure_owner(session: Session, name: str, mark: str) -> None:
    """Make the owner role with its mark; the caller saw that the name is free.

    Raises:
        StepFailed: another role of that name came between.
    """
    role = sql.Identifier(name)
    try:
        with session.together():
            session.run(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
            session.run(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(mark)))
    except (errors.DuplicateObject, errors.UniqueViolation) as error:
        raise foreign("role", name) from error


def ensure_database(session: Session, name: str, mark: str, wanted: Parameters) -> bool:
    """Make the database where it is missing, and set it up as wanted.

    It takes no connections until all other roles are shut out.

    Returns:
        Whether it was made.

    Raises:
        StepFailed: there is one of that name which is not ours.
    """
    known = sql.Identifier(name)
    if not session.superuser:
        session.run(sql.SQL("GRANT {} TO CURRENT_USER").format(known))
    missing = database_of(session, name) is None
    if missing:
        make = sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false"
        )
        try:
            session.run(make.format(known, known))
        except (errors.DuplicateDatabase, errors.UniqueViolation) as error:
            raise foreign("database", name) from error
    timeout = sql.Literal(_timeout(wanted))
    limit = sql.Literal(wanted.connection_limit)
    for statement in (
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(known, sql.Literal(mark)),
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(known),
        sql.SQL("ALTER DATABASE {} SET statement_timeout = {}").format(known, timeout),
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {} ALLOW_CONNECTIONS true").format(
            known, limit
        ),
    ):
        session.run(statement)
    return missing


def ensure_inside(session: Session, owner: str, wanted: Parameters, allowed: Sequence[str]) -> None:
    """Close the schema `public` to other roles and install extensions; called inside.

    Raises:
        Invalid: the server does not have an extension.
    """
    with session.together():
        _become(session, owner)
        if session.run("SELECT 1 FROM pg_namespace WHERE nspname = 'public'"):
            session.run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    installed = {name for (name,) in session.run("SELECT extname FROM pg_extension")}
    on_offer = extensions_on_offer(session) if wanted.extensions else {}
    for number, name in enumerate(wanted.extensions):
        if name in installed:
            continue
        if name not in on_offer:
            raise refused_extension(number, "the server does not have it", allowed)
        # An extension that is trusted belongs to the owner; others only a superuser can make.
        with session.together():
            if on_offer[name]:
                _become(session, owner)
            make = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public")
            session.run(make.format(sql.Identifier(name)))


def drop_all(session: Session, resource_id: str) -> str | None:
    """Remove the database, all login roles and the owner role, in this order.

    The owner goes last because its mark is what an interrupted attempt is found again by.

    Returns:
        The name of what was removed; None when nothing was there.
    """
    owner = owner_role(session, resource_id)
    logins = binding_roles(session, resource_id)
    for login in logins:
        session.run(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(login)))
    if owner is not None and database_of(session, owner) is not None:
        _drop_database(session, owner)
    for role in (*logins, *((owner,) if owner else ())):
        session.run(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
    return owner


def _drop_database(session: Session, name: str) -> None:
    # Not WITH (FORCE): that is refused to everybody but superusers while autovacuum is inside. A
    # plain DROP ends autovacuum by itself and gives others five seconds to leave.
    database = sql.Identifier(name)
    session.run(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
    session.run(
        "SELECT pg_terminate_backend(a.pid, 5000)"
        " FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid"
        " WHERE a.datname = %s AND (NOT r.rolsuper OR %s)",
        [name, session.superuser],
    )
    session.run(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))


def _become(session: Session, owner: str) -> None:
    # Until the end of the transaction. What is done inside a database is done with its owner's
    # rights: its users could have prepared it for somebody with more.
    session.run(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))


def _timeout(wanted: Parameters) -> str:
    return f"{wanted.statement_timeout}s"
