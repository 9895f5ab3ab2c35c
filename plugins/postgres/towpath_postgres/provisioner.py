"""The provisioner: plan, apply, read, delete, bind and unbind, each in its right order.

Knows the order of the work; what is said to the server is in `databases` and `bindings`.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from towpath_core.errors import StepFailed
from towpath_core.provisioning import Applied, Change, Credentials, PlanRequest, ResourceHandle
from towpath_core.runs import StepTools
from towpath_postgres.bindings import (
    Login,
    drop_login,
    ensure_login,
    new_password,
    shut_out,
    uri_of,
)
from towpath_postgres.databases import (
    drop_all,
    ensure_database,
    ensure_inside,
    ensure_owner,
    planned,
)
from towpath_postgres.inventory import (
    Database,
    binding_role,
    database_of,
    extensions_on_offer,
    owner_role,
    require_free,
)
from towpath_postgres.naming import name_for, resource_mark
from towpath_postgres.offering import PROVISIONER, Parameters, read_parameters, refused_extension
from towpath_postgres.session import Session, open_session
from towpath_postgres.settings import PostgresSettings

__all__ = ("PostgresProvisioner",)

LOCK_POLL_SECONDS = 0.05


class PostgresProvisioner:
    """Databases on one PostgreSQL server. Implements `Provisioner` and `Bindable`.

    A resource is a database and a role of the same name that owns it and cannot log in. Work on
    one resource is done one at a time on the whole server, also by workers of other machines.
    """

    name = PROVISIONER

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings

    def plan(self, request: PlanRequest) -> Sequence[Change]:
        """Compare the server with what is asked for."""
        wanted = read_parameters(request.parameters, self._settings.extensions)
        mark = resource_mark(request.resource_id)
        with open_session(self._settings) as session:
            self._check_extensions(session, wanted)
            owner = owner_role(session, request.resource_id)
            name = owner or self._name(request.name, request.resource_id)
            if owner is None:
                require_free(session, name)
                found = None
            else:
                found = database_of(session, name)
        installed = self._installed(name, found) if wanted.extensions else []
        role = [] if owner else [Change("create", f"role {name}")]
        return role + planned(name, mark, found, installed, wanted)

    def apply(self, request: PlanRequest, tools: StepTools) -> Applied:
        """Make the database or set it up as asked; goes on where an earlier attempt stopped."""
        wanted = read_parameters(request.parameters, self._settings.extensions)
        mark = resource_mark(request.resource_id)
        with self._alone(request.resource_id, tools) as session:
            self._check_extensions(session, wanted)
            name = owner_role(session, request.resource_id)
            if name is None:
                name = self._name(request.name, request.resource_id)
                require_free(session, name)
                ensure_owner(session, name, mark)
                tools.log(f"Made role {name}.")
            made = ensure_database(session, name, mark, wanted)
            tools.log(f"{'Made' if made else 'Set up'} database {name}.")
            with open_session(self._settings, tools, database=name) as inside:
                ensure_inside(inside, name, wanted, self._settings.extensions)
            return self._applied(session, name)

    def read(self, resource: ResourceHandle) -> Applied | None:
        """Where the database is; None without one."""
        with open_session(self._settings) as session:
            owner = owner_role(session, resource.resource_id)
            if owner is None or database_of(session, owner) is None:
                return None
            return self._applied(session, owner)

    def delete(self, resource: ResourceHandle, tools: StepTools) -> None:
        """Remove the database with all that is in it, its sessions, bindings and owner."""
        with self._alone(resource.resource_id, tools) as session:
            name = drop_all(session, resource.resource_id)
        tools.log(f"Removed database {name}." if name else "There was nothing to remove.")

    def bind(self, resource: ResourceHandle, binding_id: str, tools: StepTools) -> Credentials:
        """Make a login role of its own; repeated, it gives the role a new password."""
        with self._alone(resource.resource_id, tools) as session:
            owner = owner_role(session, resource.resource_id)
            if owner is None or database_of(session, owner) is None:
                raise StepFailed(
                    "There is no database to bind to.", next="Apply the resource again."
                )
            password = new_password()
            role = ensure_login(
                session,
                owner,
                self._name(resource.name, f"binding {binding_id}"),
                password,
                resource_id=resource.resource_id,
                binding_id=binding_id,
            )
            host, port = self._address(session)
        login = Login(role, password, host, port, owner)
        tools.log(f"Made login role {role}.")
        return self._credentials(login)

    def unbind(
        self, resource: ResourceHandle, binding_id: str, state: dict[str, Any], tools: StepTools
    ) -> None:
        """Shut the login role out and drop it; what it made stays with the database."""
        with self._alone(resource.resource_id, tools) as session:
            role = binding_role(session, resource.resource_id, binding_id)
            if role is None:
                return
            shut_out(session, role)
            owner = owner_role(session, resource.resource_id)
            inside = owner if owner and database_of(session, owner) else None
            with open_session(self._settings, tools, database=inside) as there:
                drop_login(there, owner if inside else None, role)
        tools.log(f"Removed login role {role}.")

    def _name(self, name: str, id: str) -> str:
        return name_for(name, id, self._settings.prefix)

    def _installed(self, name: str, found: Database | None) -> list[str]:
        if found is None or not found.open:
            return []
        with open_session(self._settings, database=name) as inside:
            return [one for (one,) in inside.run("SELECT extname FROM pg_extension")]

    def _check_extensions(self, session: Session, wanted: Parameters) -> None:
        on_offer = extensions_on_offer(session) if wanted.extensions else {}
        for number, name in enumerate(wanted.extensions):
            if name not in on_offer:
                allowed = [one for one in self._settings.extensions if one in on_offer]
                raise refused_extension(number, "the server does not have it", allowed)

    def _address(self, session: Session) -> tuple[str, int]:
        info = session.connection.info
        return self._settings.host or info.host, self._settings.port or info.port

    def _applied(self, session: Session, name: str) -> Applied:
        host, port = self._address(session)
        return Applied({"host": host, "port": port, "database": name}, {"name": name})

    def _credentials(self, login: Login) -> Credentials:
        values = {
            "username": login.username,
            "password": login.password,
            "host": login.host,
            "port": str(login.port),
            "database": login.database,
            "uri": uri_of(login, self._settings.conninfo().get("sslmode")),
        }
        return Credentials(values, {"role": login.username})

    @contextlib.contextmanager
    def _alone(self, resource_id: str, tools: StepTools) -> Iterator[Session]:
        """A session that nobody else has for this resource.

        A worker that was killed leaves its last statement running: without the lock, the next
        attempt would meet it half done.
        """
        digest = hashlib.sha256(resource_id.encode("utf-8", "surrogatepass")).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        with open_session(self._settings, tools) as session:
            while session.run("SELECT pg_try_advisory_lock(%s)", [key]) != [(True,)]:
                time.sleep(LOCK_POLL_SECONDS)
            yield session  # the lock ends with the session
