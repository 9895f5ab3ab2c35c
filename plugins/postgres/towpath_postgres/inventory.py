"""What is on the server, told by marks: whose a role or a database is, and how it is set up.

Changes nothing. Knows nothing of what is wanted.
"""

from __future__ import annotations

import msgspec

from towpath_core.errors import StepFailed
from towpath_postgres.naming import binding_mark, binding_marks, resource_mark
from towpath_postgres.session import Session

__all__ = (
    "Database",
    "binding_role",
    "binding_roles",
    "database_of",
    "extensions_on_offer",
    "foreign",
    "owner_role",
    "require_free",
)

_MARKED = (
    "SELECT r.rolname FROM pg_roles r JOIN pg_shdescription d"
    " ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass"
)


class Database(msgspec.Struct, frozen=True):
    """How a database is set up.

    Attributes:
        connection_limit: sessions at a time; -1 is no limit.
        statement_timeout: as it was set, such as `30s`; None where it was not.
        open: whether it takes connections at all.
        public: whether every role of the server may connect or make temporary tables.
        mark: its comment.
    """

    connection_limit: int
    statement_timeout: str | None
    open: bool
    public: bool
    mark: str | None


def owner_role(session: Session, resource_id: str) -> str | None:
    """The role that owns the resource's database, which has the same name; None without one."""
    rows = session.run(f"{_MARKED} WHERE d.description = %s", [resource_mark(resource_id)])
    return str(rows[0][0]) if rows else None


def binding_role(session: Session, resource_id: str, binding_id: str) -> str | None:
    """The login role of a binding; None without one."""
    mark = binding_mark(resource_id, binding_id)
    rows = session.run(f"{_MARKED} WHERE d.description = %s", [mark])
    return str(rows[0][0]) if rows else None


def binding_roles(session: Session, resource_id: str) -> list[str]:
    """The login roles of all bindings of a resource, ordered by name."""
    start, end = binding_marks(resource_id)
    rows = session.run(
        f"{_MARKED} WHERE starts_with(d.description, %s)"
        " AND right(d.description, length(%s)) = %s ORDER BY r.rolname",
        [start, end, end],
    )
    return [str(name) for (name,) in rows]


def database_of(session: Session, owner: str) -> Database | None:
    """The database of an owner role; None where there is none.

    Raises:
        StepFailed: there is one of that name which belongs to another role.
    """
    rows = session.run(
        "SELECT pg_get_userbyid(d.datdba), d.datconnlimit, d.datallowconn,"
        " has_database_privilege('public', d.oid, 'CONNECT')"
        " OR has_database_privilege('public', d.oid, 'TEMPORARY'),"
        " shobj_description(d.oid, 'pg_database'), s.setconfig"
        " FROM pg_database d"
        " LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0"
        " WHERE d.datname = %s",
        [owner],
    )
    if not rows:
        return None
    held_by, limit, is_open, public, mark, settings = rows[0]
    if held_by != owner:
        raise foreign("database", owner)
    timeouts = [
        value
        for name, _, value in (one.partition("=") for one in settings or ())
        if name == "statement_timeout"
    ]
    return Database(limit, timeouts[0] if timeouts else None, is_open, public, mark)


def require_free(session: Session, name: str) -> None:
    """See that neither a role nor a database has a name.

    Raises:
        StepFailed: one has, and it is not ours.
    """
    for kind, rows in (
        ("role", session.run("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])),
        ("database", session.run("SELECT 1 FROM pg_database WHERE datname = %s", [name])),
    ):
        if rows:
            raise foreign(kind, name)


def foreign(kind: str, name: str) -> StepFailed:
    """The error for a thing that has our name and is not ours."""
    return StepFailed(
        f"There is a {kind} {name} on the server that Towpath did not make.",
        why="It lacks the mark of this resource; it was not touched.",
        next="Rename or remove it, or ask under another name.",
    )


def extensions_on_offer(session: Session) -> dict[str, bool]:
    """The extensions that the server has files of, each with whether it is trusted."""
    rows = session.run(
        "SELECT e.name, coalesce(v.trusted, false) FROM pg_available_extensions e"
        " LEFT JOIN pg_available_extension_versions v"
        " ON v.name = e.name AND v.version = e.default_version"
    )
    return dict(rows)
