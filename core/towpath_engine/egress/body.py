"""The body of an answer, read within its budget: bytes, ratio of compression, content type."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from towpath_core.egress import FetchBudget
from towpath_core.errors import Invalid, LimitExceeded, Unavailable

__all__ = ("check_type", "read_body")

# A small body may well be compressed better than any ratio allows for.
_FREE_BYTES = 1024 * 1024
_STEP = 256 * 1024
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


def check_type(given: str | None, budget: FetchBudget) -> None:
    """Refuse a content type that was not asked for.

    Raises:
        Invalid: names it.
    """
    found = (given or "").partition(";")[0].strip().lower() or "application/octet-stream"
    if budget.types and not any(fnmatchcase(found, one) for one in budget.types):
        raise Invalid(
            f"The answer is of the type {found[:100]!r}, which is not taken.",
            next="See that the address is that of the file itself, and needs no login in a browser."
            if found == "text/html"
            else None,
        )


def read_body(chunks: Iterable[bytes], encoding: str, budget: FetchBudget) -> bytes:
    """Put a body together, decompressed.

    Raises:
        LimitExceeded: it has more bytes than the budget, or is compressed too well.
        Unavailable: it is damaged, or encoded in a way that nobody asked for.
    """
    if encoding not in _ENCODINGS:
        raise Unavailable("The answer is encoded in a way that was not asked for.")
    reading = _Reading(budget, packed=encoding not in ("", "identity"))
    for chunk in chunks:
        reading.take(chunk)
    return reading.end()


class _Reading:
    def __init__(self, budget: FetchBudget, *, packed: bool) -> None:
        self._budget = budget
        # 47 recognises gzip and zlib by their first bytes.
        self._packer = zlib.decompressobj(47) if packed else None
        self._parts: list[bytes] = []
        self._sent = self._size = 0

    def take(self, chunk: bytes) -> None:
        self._sent += len(chunk)
        if self._packer is None:
            self._keep(chunk)
            return
        try:
            while chunk:
                self._keep(self._packer.decompress(chunk, _STEP))
                chunk = self._packer.unconsumed_tail
        except zlib.error:
            raise Unavailable("The answer is damaged: it cannot be decompressed.") from None

    def end(self) -> bytes:
        if self._packer is not None and self._sent and not self._packer.eof:
            raise Unavailable("The answer is damaged: it ends too early.")
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._budget.bytes:
            raise LimitExceeded(f"The answer is larger than {self._budget.bytes:,} bytes.")
        most = max(self._sent * self._budget.ratio, _FREE_BYTES)
        if self._packer is not None and self._size > most:
            raise LimitExceeded(
                f"The answer becomes more than {self._budget.ratio} times larger when "
                "it is decompressed."
            )
        self._parts.append(part)
