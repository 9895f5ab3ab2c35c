"""What was read before, as far as memory allows: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict

import msgspec

from towpath_core.catalog import SourceFile

__all__ = ("FileCache", "Kept")


class Kept(msgspec.Struct, frozen=True):
    """A file with what its host gave to recognise it by: two headers, either may be empty."""

    file: SourceFile
    etag: str
    modified: str


class FileCache:
    """Files by the address they were fetched from. Safe from any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, address: str) -> Kept | None:
        """What is kept of an address; counts as a use."""
        with self._lock:
            kept = self._kept.get(address)
            if kept is not None:
                self._kept.move_to_end(address)
            return kept

    def put(self, address: str, kept: Kept) -> None:
        """Keep a file, if its host can recognise it, instead of what was kept before."""
        with self._lock:
            old = self._kept.pop(address, None)
            self._left += _size(old) if old is not None else 0
            if kept.etag or kept.modified:
                self._kept[address] = kept
                self._left -= _size(kept)
            while self._left < 0:
                _, dropped = self._kept.popitem(last=False)
                self._left += _size(dropped)


def _size(kept: Kept) -> int:
    return len(kept.file.content) + 1024
