"""Lists that fetch themselves page by page while they are walked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._wire.calls import Call
from towpath_sdk._wire.pages import Page, Reader, next_call

__all__ = ("AsyncPages",)

T = TypeVar("T")


class AsyncPages(Generic[T]):
    """A list on the platform. Nothing is asked for until it is walked; each walk asks anew.

    Walk it for its items, or walk `pages()` for pages with a cursor to keep. Only one page is held
    at a time. Items may appear or vanish while one walks.
    """

    def __init__(
        self, link: AsyncConnection, call: Call, read: Reader[T], *, cursor: str = "cursor"
    ) -> None:
        self._link = link
        self._call = call
        self._read = read
        self._cursor = cursor

    async def __aiter__(self) -> AsyncIterator[T]:
        """Walk all items, in the platform's order."""
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Walk the pages; hand a page's `next_cursor` to the list call to go on from there."""
        call = self._call
        while True:
            page = self._read(call, await self._link.send(call))
            yield page
            if page.next_cursor is None:
                return
            call = next_call(call, page.next_cursor, self._cursor)
