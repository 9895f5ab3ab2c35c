"""The catalog's types: where entities are read from, how they are written, what kinds mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from towpath_core.entities import Entity, Relation
from towpath_core.errors import Place, Problem

__all__ = (
    "CatalogSource",
    "CompletingKind",
    "DescriptorFormat",
    "Document",
    "EntityKind",
    "PlaceholderFormat",
    "SourceFile",
    "TreeClaims",
    "TreeSource",
    "WatchableSource",
    "one_reading",
    "reading_memo",
)


class SourceFile(msgspec.Struct, frozen=True):
    """One file as a source read it.

    Attributes:
        target: where it is, in the form that the same source can read again.
        content: its bytes; at most the limit that the source was given.
        etag: changes when the content does; a hash where the backend has nothing better.
    """

    target: str
    content: bytes
    etag: str


@runtime_checkable
class CatalogSource(Protocol):
    """Where descriptor files are read from. Called in a thread, with a deadline.

    Attributes:
        name: lower-case kebab-case, unique among all plugins.
        types: the location types it reads, such as `file` or `url`.
    """

    name: str
    types: frozenset[str]

    def claims(self, type: str, target: str) -> bool:
        """Whether this source reads such a target. Looks at the text only, does no I/O."""
        ...

    def read(self, target: str, *, max_bytes: int) -> Iterable[SourceFile]:
        """Read the files a target names, ordered by target.

        A target may be a file, a folder (its `catalog-info.yaml`/`.yml`), or hold globs.

        Raises:
            NotFound: nothing is there.
            Forbidden: the target lies outside what the source may read.
            Unavailable: the backend does not answer.
            LimitExceeded: a file is larger than `max_bytes`.
        """
        ...

    def resolve(self, base: str, relative: str) -> str:
        """Turn a target written in the file `base` into one that `read` takes. No I/O.

        Raises:
            Forbidden: the result would leave the root, repository or host of `base`.
        """
        ...


@runtime_checkable
class TreeSource(Protocol):
    """The power of a source to hand over whole folders, beside `CatalogSource`."""

    def read_tree(self, target: str, destination: Path, *, max_bytes: int, max_files: int) -> None:
        """Copy a file or folder to `destination`: a file to a file, a folder to a folder.

        Nothing is at `destination` yet, or an empty folder; the folder above it exists. Links
        are refused.

        Raises:
            NotFound: nothing is there.
            Forbidden: the target lies outside what the source may read.
            Invalid: it holds a link or a special file.
            LimitExceeded: there is more than `max_bytes` in all, or more than `max_files`.
        """
        ...


@runtime_checkable
class TreeClaims(Protocol):
    """The power of a `TreeSource` to hand over folders of addresses that another source reads."""

    def claims_tree(self, type: str, target: str) -> bool:
        """Whether it hands over such a target. Looks at the text only, does no I/O."""
        ...


@runtime_checkable
class WatchableSource(Protocol):
    """The power of a source to tell when files change, beside `CatalogSource`."""

    def watch(
        self, targets: Sequence[str], stop: threading.Event, *, seconds: float
    ) -> Iterator[frozenset[str]]:
        """Give those of `targets` behind which something changed, again and again.

        Each is a target that `read` takes: a file, a folder, or one with globs, below which new
        files count too. What nobody can watch is left out. The first answer comes when the
        watching has begun; one comes at least every `seconds`, empty where nothing changed. Ends
        soon after `stop` is set. To name a target without reason is harmless.
        """
        ...


_memo: ContextVar[dict[object, Any] | None] = ContextVar("towpath_reading", default=None)


@contextmanager
def one_reading() -> Iterator[None]:
    """Make the block one reading of a location, with all calls that are made from it.

    Within one reading a source may answer every call from one state of its backend: one fetch of
    a repository, however many of its files are read. A reading inside a reading is part of it.
    """
    token = _memo.set({}) if _memo.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _memo.reset(token)


def reading_memo() -> dict[object, Any] | None:
    """Where a source keeps what holds for the reading under way; None outside of any."""
    return _memo.get()


class Document(msgspec.Struct, frozen=True):
    """One document of a descriptor file, parsed, with the place of every node.

    Attributes:
        value: JSON data, or None where the document could not be read.
        line: 1-based line where it starts.
        problems: why it could not be read; empty for a good one.
        lines: line of a JSON pointer below `value`, for errors found later.
        columns: column of the same, where the format knows it.
    """

    value: Any
    line: int
    problems: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)
    columns: Mapping[str, int] = msgspec.field(default_factory=dict)

    def place(self, file: str, pointer: str | None = None) -> Place:
        """The place of a node, falling back to its nearest ancestor and then to the document."""
        at = pointer or ""
        while at and at not in self.lines:
            at = at.rpartition("/")[0]
        column = self.columns.get(at)
        return Place(file, self.lines.get(at, self.line), column, pointer or None)


@runtime_checkable
class DescriptorFormat(Protocol):
    """A file format that entities are written in.

    Attributes:
        name: lower-case kebab-case, unique among all plugins.
        suffixes: file name endings it reads, with the dot, lower case.
    """

    name: str
    suffixes: frozenset[str]

    def parse(self, content: bytes, file: str) -> Sequence[Document]:
        """Read every document of a file; a bad one is returned with its problems, never raised.

        Must come back within a second for any input of a few megabytes, and must not recurse
        with the depth of the input.
        """
        ...


@runtime_checkable
class PlaceholderFormat(Protocol):
    """The power of a format to pull other files into a document, beside `DescriptorFormat`."""

    def expand(self, document: Document, read: Callable[[str], bytes]) -> Document:
        """Replace placeholders such as `{$text: ./api.yaml}` by what they name.

        `read` takes a target relative to the file and raises as `CatalogSource.read` does; what
        it raises becomes a problem of the document. A document without placeholders is returned
        as it is.
        """
        ...


@runtime_checkable
class EntityKind(Protocol):
    """A kind of entity: which documents it takes, and what they say about others.

    A kind whose rules are configured may have a text `revision` that changes with them: files that
    have not changed are judged again when it does.

    Attributes:
        name: as written in `kind`, such as `Component`.
        api_versions: the versions it takes; each is unique with the name, without its case, among
            all plugins.
    """

    name: str
    api_versions: frozenset[str]

    def check(self, entity: Entity) -> list[Problem]:
        """List what is wrong with the spec, each with a JSON pointer; empty means good. No I/O."""
        ...

    def relations(self, entity: Entity) -> Iterable[Relation]:
        """The edges an entity states, both directions of each, with canonical references.

        Only called for an entity that `check` found no fault with. No I/O.
        """
        ...


@runtime_checkable
class CompletingKind(Protocol):
    """The power of a kind to fill in what an author left out, beside `EntityKind`."""

    def complete(self, entity: Entity) -> Entity:
        """The entity with values where its author gave none; called before `check`. No I/O.

        Must give back an entity of the same reference, and the same object where nothing is
        missing; it does not change the one that it gets.
        """
        ...
