# Generated from _async/resources.py by tools/unasync.py. Change that file, not this one.
"""Resources and bindings: what was provisioned, and the credentials to it."""

from __future__ import annotations

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import begin_delete, get, post, route
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.provisioning import (
    Binding,
    BindingRun,
    Credentials,
    Resource,
    ResourceRun,
    UnbindRun,
)

__all__ = ("AsyncBindings", "AsyncResources")

_RESOURCES = "/api/v1/resources"
_BINDINGS = "/api/v1/bindings"


class Resources:
    """See, bind and delete what was provisioned."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(self, *, page_size: int = 100, cursor: str | None = None) -> Pages[Resource]:
        """Walk the resources that the asker may see and that are not deleted, newest first."""
        call = list_call(_RESOURCES, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Resource]))

    def get(self, id: str) -> Resource:
        """Read a resource.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return self._link.read(get(route(_RESOURCES, id)), Resource)

    def delete(self, id: str, *, idempotency_key: str | None = None) -> ResourceRun:
        """Delete a resource and all its bindings, in a run that goes on by itself.

        Raises:
            Conflict: it is being worked on, or is deleted already.
            NotFound: there is none, or the asker may not see it.
        """
        call = begin_delete(route(_RESOURCES, id), idempotency_key)
        return self._link.read(call, ResourceRun)

    def bind(
        self, id: str, *, name: str | None = None, idempotency_key: str | None = None
    ) -> BindingRun:
        """Make credentials of their own for one user of a resource, in a run.

        When the run has succeeded, `bindings.credentials` hands them over, once.

        Args:
            id: the resource.
            name: what the binding is for; the platform names it without.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            Conflict: the resource is not active, or its offering has no credentials.
            NotFound: there is none, or the asker may not see it.
        """
        call = post(f"{route(_RESOURCES, id)}/bindings", {"name": name}, idempotency_key)
        return self._link.read(call, BindingRun)

    def bindings(
        self, id: str, *, page_size: int = 100, cursor: str | None = None
    ) -> Pages[Binding]:
        """Walk the bindings of a resource, without their credentials."""
        path = f"{route(_RESOURCES, id)}/bindings"
        call = list_call(path, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Binding]))


class Bindings:
    """Hand over and take back credentials."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def credentials(self, id: str, *, idempotency_key: str | None = None) -> Credentials:
        """Hand over the credentials of a binding. They can be had once.

        A lost answer is asked for again under the same key, which the platform answers again.

        Raises:
            Gone: they were handed over before.
            Conflict: they are not ready yet.
            NotFound: there is no such binding, or the asker may not see it.
        """
        call = post(f"{route(_BINDINGS, id)}/credentials", key=idempotency_key)
        return self._link.read(call, Credentials)

    def delete(self, id: str, *, idempotency_key: str | None = None) -> UnbindRun:
        """Take the credentials back, in a run that goes on by itself.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        call = begin_delete(route(_BINDINGS, id), idempotency_key)
        return self._link.read(call, UnbindRun)
