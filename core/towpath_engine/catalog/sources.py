"""What sources give, held to budgets; runs in the threads of the plugins that read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import structlog

from towpath_core.catalog import CatalogSource, SourceFile, TreeClaims, TreeSource
from towpath_core.errors import LimitExceeded, NotFound
from towpath_core.plugins import Contribution

__all__ = ("FileFetch", "tree_source", "within")

log = structlog.get_logger(__name__)


def within(files: Iterable[SourceFile], limit: int) -> Iterator[SourceFile]:
    """The files, until they are too large together; runs foreign code."""
    total = 0
    for file in files:
        total += len(file.content)
        if total > limit:
            raise LimitExceeded(f"The files are larger than {limit:,} bytes together.")
        yield file


def tree_source(
    reads: Contribution[CatalogSource] | None,
    sources: Iterable[CatalogSource],
    type: str,
    target: str,
) -> TreeSource | None:
    """Who hands over a folder: the source that reads it, else the first that offers to.

    Args:
        reads: the source that reads the target, where there is one.
        sources: all sources, ordered by name.
        type: location type of the target.
        target: what is wanted.
    """
    if reads is not None and isinstance(reads.value, TreeSource):
        return reads.value
    for source in sources:
        if isinstance(source, TreeClaims) and isinstance(source, TreeSource):
            try:
                if type in source.types and source.claims_tree(type, target):
                    return source
            except Exception:
                log.exception("source.failed", source=source.name)
    return None


class FileFetch:
    """Reads the files that placeholders name, relative to the file that holds them.

    Args:
        source: reads the file that holds them, and so what they name.
        base: that file.
        file_bytes: most bytes of one file.
        all_bytes: most bytes of all together.
    """

    def __init__(self, source: CatalogSource, base: str, file_bytes: int, all_bytes: int) -> None:
        self._source = source
        self._base = base
        self._file_bytes = file_bytes
        self._all_bytes = all_bytes
        self._left = all_bytes

    def __call__(self, relative: str) -> bytes:
        """The content of a file.

        Raises:
            NotFound: nothing is there; and what else the source raises.
            LimitExceeded: the budget is used up.
        """
        target = self._source.resolve(self._base, relative)
        for file in self._source.read(target, max_bytes=self._file_bytes):
            self._left -= len(file.content)
            if self._left < 0:
                limit = self._all_bytes
                raise LimitExceeded(f"Placeholders read more than {limit:,} bytes in all.")
            return file.content
        raise NotFound(f"There is no file {relative}.")
