"""A request as handlers see it: who asks, of which platform, and with what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request
from litestar.datastructures import State
from pyroaring import BitMap

from towpath_core.errors import Invalid
from towpath_core.identity import Principal
from towpath_engine.platform import Platform
from towpath_gateway.auth.chain import Chain
from towpath_gateway.body import decode_body, read_bytes, refuse_ambiguous
from towpath_gateway.catalog.cursors import Cursors
from towpath_gateway.marks import Marks

__all__ = ("Ask", "Demo", "Served")

T = TypeVar("T")

_BIG = 64 * 1024


class Demo(msgspec.Struct, frozen=True):
    """Where the demo's catalog is, and which template it has."""

    location: str
    template: str


class Served:
    """What the application answers from; `closing` is set when it is about to stop."""

    def __init__(self, platform: Platform, chain: Chain, demo: Demo | None = None) -> None:
        self.platform = platform
        self.chain = chain
        self.cursors = Cursors(platform.sealer.derive("catalog.cursor"))
        self.run_marks = Marks(platform.sealer.derive("runs.cursor"))
        self.demo = demo
        self.closing = asyncio.Event()


class Ask(Request[Principal, Any, State]):
    """A request of one principal."""

    @property
    def served(self) -> Served:
        """What it is answered from."""
        return cast(Served, self.scope["app"].state["served"])

    @property
    def platform(self) -> Platform:
        """The platform that is asked."""
        return self.served.platform

    @property
    def principal(self) -> Principal:
        """Who asks; only on routes that are not open to everybody."""
        return cast(Principal, self.scope["user"])

    async def visible(self) -> BitMap | None:
        """What of the catalog the principal may see; None for everything."""
        return await self.platform.sight.of(self.principal)

    async def sees(self, number: int) -> bool:
        """Whether the principal may see an entity of the index."""
        visible = await self.visible()
        return visible is None or number in visible

    async def sight_of_refs(self) -> Callable[[str], bool]:
        """Tells whether the principal may see the entity with a canonical reference.

        What is not there any more is seen only by those who may see everything.
        """
        visible, index = await self.visible(), self.platform.index
        if visible is None:
            return lambda ref: True
        return lambda ref: (entry := index.by_ref(ref)) is not None and entry.number in visible

    @property
    def key(self) -> str | None:
        """The `Idempotency-Key`.

        Raises:
            Invalid: there are two, or it is not plain text.
        """
        found = [value for name, value in self.scope["headers"] if name == b"idempotency-key"]
        if not found:
            return None
        if len(found) > 1 or not found[0].isascii():
            raise Invalid("A request has one Idempotency-Key, in ASCII.")
        return found[0].decode()

    async def read(self, type: type[T]) -> T:
        """The body, in the shape asked for.

        Raises:
            Invalid: it is missing, no JSON, of another shape, or ambiguous; names the place.
            MediaType: it is not JSON.
            TooLarge: it is too large.
            TooSlow: it did not come in time.
        """
        return await self._decoded(await read_bytes(self.scope, self.receive), type)

    async def read_if_any(self, type: type[T], nothing: T) -> T:
        """The body, in the shape asked for; `nothing` where there is none.

        Raises:
            Invalid: it is no JSON, of another shape, or ambiguous; names the place.
            MediaType: it is not JSON.
            TooLarge: it is too large.
            TooSlow: it did not come in time.
        """
        if (b"content-length", b"0") in self.scope["headers"]:
            return nothing
        content = await read_bytes(self.scope, self.receive, needed=False)
        return await self._decoded(content, type) if content else nothing

    async def read_query(self, type: type[T], nothing: T | None = None) -> T:
        """The body of a read, which nothing is kept of: of two equal keys the last counts.

        Args:
            type: the shape asked for.
            nothing: what it is where there is none; None where there must be one.

        Raises:
            Invalid: it is missing, no JSON, or of another shape; names the place.
            MediaType: it is not JSON.
            TooLarge: it is too large.
            TooSlow: it did not come in time.
        """
        content = await read_bytes(self.scope, self.receive, needed=nothing is None)
        return decode_body(content, type) if content or nothing is None else nothing

    async def _decoded(self, content: bytes, type: type[T]) -> T:
        data = decode_body(content, type)
        if len(content) > _BIG:
            await asyncio.to_thread(refuse_ambiguous, content)
        else:
            refuse_ambiguous(content)
        return data
