"""The command that tries a platform: its catalog, a golden path and self-service, for real.

It talks to the platform as any script would, through the SDK, and checks from outside what was
made: by cloning the repository, and by logging in to the database.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from towpath_cli.failure import Failed
from towpath_cli.follow import follow
from towpath_cli.session import Session, command
from towpath_cli.text import line
from towpath_cli.values import Form

if TYPE_CHECKING:
    from towpath_sdk import Info, Resource

__all__ = ("register",)

_OFFERING = "postgres-database"
_ENTITIES = 61
_SHOWN_FILES = 12
_CLONE_SECONDS = 120


def register(root: typer.Typer) -> None:
    """Add the command."""
    command(root, "demo", examples=("towpath demo", "towpath demo -o json"))(demo)


def demo(session: Session) -> None:
    """Try the platform: read a catalog, make a service, get a database.

    Makes a repository that stays, and a database that is deleted in the end. Fails when anything is
    not as it should be.
    """
    tried = _Trial(session)
    name = f"demo-{secrets.token_hex(3)}"
    result = {
        "catalog": tried.catalog(),
        "template": tried.template(name),
        "database": tried.database(name),
    }
    tried.tell("")
    tried.tell("Everything is as it should be.")
    if session.out.form != "table":
        session.out.wire(result)


class _Trial:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._platform = session.platform
        self._info = self._platform.info()
        self.tell = partial(typer.echo, err=session.out.form != "table")

    def catalog(self) -> dict[str, Any]:
        """Register the sample catalog, and see that its entities can be read."""
        self.tell("1. The catalog")
        if self._info.demo_location is None:
            raise _not_brought("sample catalog")
        report = self._platform.locations.add(self._info.demo_location)
        if report.problems:
            raise Failed("The sample catalog has problems.", lines=[*map(str, report.problems)])
        entities = [one for one in self._platform.entities.by_refs(report.entity_refs) if one]
        self.tell(f"   {len(entities)} entities from {line(report.target)}")
        if len(entities) < _ENTITIES:
            raise Failed(f"{len(entities)} entities can be read; there should be {_ENTITIES}.")
        components = [one for one in entities if one.kind == "Component"] or entities
        for one in components[:3]:
            owner = ", ".join(one.related("ownedBy")) or "nobody"
            self.tell(f"   {line(one.ref)}, owned by {line(owner)}")
        return {"location": report.target, "entities": len(entities)}

    def template(self, name: str) -> dict[str, Any]:
        """Run the sample template, clone what it made, and find it in the catalog."""
        self.tell("2. A golden path")
        if self._info.demo_template is None:
            raise _not_brought("sample template")
        templates = self._platform.templates
        form = Form(templates.schema(self._info.demo_template).schemas())
        values = form.with_defaults({"name": name, "owner": self._owner(self._info)})
        if unknown := form.missing(values):
            raise Failed(f"{self._info.demo_template} asks for {', '.join(unknown)} too.")
        run = templates.create(self._info.demo_template, values)
        output = follow(self._session, run.id).output or {}
        remote, ref = output.get("remoteUrl"), output.get("entityRef")
        if not isinstance(remote, str) or not isinstance(ref, str):
            raise Failed(f"Run {run.id} did not say where its repository and its component are.")
        files = _cloned(remote)
        self.tell(f"   {line(remote)} holds {len(files)} files:")
        for path in files[:_SHOWN_FILES]:
            self.tell(f"     {line(path)}")
        if len(files) > _SHOWN_FILES:
            self.tell(f"     and {len(files) - _SHOWN_FILES} more")
        found = self._platform.entities.get(ref)
        self.tell(f"   {line(found.ref)} is in the catalog")
        return {"run": run.id, "remoteUrl": remote, "files": files, "entityRef": str(found.ref)}

    def database(self, name: str) -> dict[str, Any]:
        """Get a database, log in to it, delete it, and see that one cannot log in any more."""
        from towpath_cli.database import Account, Refused, client, log_in

        self.tell("3. Self-service")
        using = client()
        with self._provided(name) as resource:
            bound = self._platform.resources.bind(resource.id)
            follow(self._session, bound.run_id)
            account = Account.of(self._platform.bindings.credentials(bound.binding_id).values)
            try:
                who = log_in(account, using=using)
            except Refused as error:
                raise Failed("The new credentials open nothing.", why=str(error)) from None
            self.tell(f"   logged in as {line(who)}, by {using}")
        try:
            log_in(account, using=using)
        except Refused as error:
            self.tell(f"   deleted; logging in fails: {line(error)}")
            return {"resource": resource.id, "loggedInAs": who, "afterwards": str(error)}
        raise Failed(f"{resource.id} is deleted, and its credentials still open it.")

    @contextmanager
    def _provided(self, name: str) -> Iterator[Resource]:
        """A resource that is deleted in the end; one that cannot be is named."""
        plans, resources = self._platform.plans, self._platform.resources
        plan = plans.create(_OFFERING, name, owner=self._owner(self._info))
        for change in plan.changes:
            self.tell(f"   plan: {line(change.action)} {line(change.target)}")
        begun = plans.apply(plan.id, plan.hash)
        try:
            follow(self._session, begun.run_id)
            resource = resources.get(begun.resource_id)
            self.tell(
                f"   {line(resource.name)} is {line(resource.phase)}, {line(resource.entity_ref)}"
            )
            if resource.phase != "active":
                raise Failed(f"{resource.id} is {resource.phase} and not active.")
            yield resource
            follow(self._session, resources.delete(resource.id).run_id)
        except BaseException:
            left = f"towpath resources delete {begun.resource_id}"
            self._session.out.say(f"Left behind, if it is there: {left}")
            raise

    def _owner(self, info: Info) -> str:
        """Who shall own what is made: the one who asks, else a group of the catalog."""
        own = info.principal.entity_ref
        if self._platform.entities.by_refs([own])[0] is not None:
            return own
        groups = self._platform.entities.list(filter="kind=group", page_size=1)
        return next((str(one.ref) for one in groups), own)


def _not_brought(what: str) -> Failed:
    return Failed(
        f"This platform brings no {what}.", next="Start one that does: towpath up", code=1
    )


def _cloned(remote: str) -> list[str]:
    """Clone a repository to a passing place, and list its files."""
    environ = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
    }
    with tempfile.TemporaryDirectory(prefix="towpath-demo-") as folder:
        copy = str(Path(folder) / "copy")
        for arguments in (["clone", "--quiet", "--", remote, copy], ["-C", copy, "ls-files", "-z"]):
            done = _git(arguments, environ)
    files = sorted(path for path in done.split("\0") if path)
    if not files:
        raise Failed(f"The repository {remote} is empty.")
    return files


def _git(arguments: list[str], environ: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_CLONE_SECONDS,
        )
    except FileNotFoundError:
        raise Failed("There is no git on this machine.", next="Install git.") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"git took longer than {_CLONE_SECONDS} seconds.") from None
    if done.returncode != 0:
        raise Failed("The repository cannot be cloned.", why=line(done.stderr)[:500])
    return done.stdout
