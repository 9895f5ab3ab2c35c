"""A fetched copy of a skeleton in scratch: what is in it, checked against links and quotas.

Owns the limits of all that templates bring into a workspace. Knows nothing of rendering.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import msgspec

from towpath_backstage.actions.inputs import masked
from towpath_backstage.actions.names import Parts, check_output, fold, show
from towpath_backstage.actions.paths import Entry, Kind, WorkTree
from towpath_core.errors import Invalid, LimitExceeded, Place, PluginError, Problem
from towpath_core.scaffolding import ActionContext

__all__ = ("MAX_FILE_BYTES", "Budget", "Layout", "Skeleton", "fetched")

MAX_FILES = 10_000
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 256 * 1024 * 1024


class Skeleton(msgspec.Struct, frozen=True):
    """A fetched folder.

    Attributes:
        url: where it is from, fit for messages.
        base: where its copy is.
        scratch: a folder for whatever else; empty.
        entries: what is in it, with paths relative to `base`, folders first, ordered by name.
    """

    url: str
    base: Parts
    scratch: Parts
    entries: tuple[Entry, ...]

    def place(self, path: Parts) -> str:
        """Name a file of it for a message."""
        return f"{self.url.rstrip('/')}/{show(path)}"


@contextmanager
def fetched(tree: WorkTree, context: ActionContext, url: str) -> Iterator[Skeleton]:
    """Fetch a folder, or a file as a folder that holds it, for as long as the block runs.

    Raises:
        Invalid: there is a link or a special file in it, or the url is no url.
        LimitExceeded: there is too much of it.
    """
    shown = masked(url)
    if not url.isprintable():
        what = "A url is one line of printable characters."
        raise Invalid(what, problems=[Problem("url", what, Place(pointer="/url"))])
    with tree.scratch() as scratch:
        base = (*scratch, "fetched")
        context.fetch(url, context.workspace.joinpath(*base))
        match tree.kind(base):
            case "file":
                name = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
                check_output((name,), Place(pointer="/url"))
                single = (*scratch, "single")
                tree.move(base, (*single, name))
                base = single
            case "folder":
                pass
            case found:
                raise PluginError(f"Fetching {shown} gave {found or 'nothing'}, not a folder.")
        work = (*scratch, "work")
        tree.make_folder(work)
        yield Skeleton(shown, base, work, tuple(_checked(tree, base, shown)))


def _checked(tree: WorkTree, base: Parts, url: str) -> Iterator[Entry]:
    budget = Budget(f"The files of {url}")
    for entry in tree.entries(base):
        path = entry.path[len(base) :]
        if ".git" in path:  # a checkout's own bookkeeping is no part of what it holds
            continue
        if entry.kind in ("link", "other"):
            kind = "a link" if entry.kind == "link" else "not a file"
            where = f"{url.rstrip('/')}/{show(path)}"
            raise Invalid(
                f"{where} is {kind}; only files and folders are copied.",
                next="Put a copy of the file in its place.",
                problems=[Problem("link", f"it is {kind}", Place(file=where))],
            )
        budget.spend(entry.size)
        yield Entry(path, entry.kind, entry.size, entry.executable)


class Budget:
    """How many files, and bytes, one step may still bring in.

    Args:
        what: the thing that is counted, to begin a sentence with.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._files = 0
        self._bytes = 0

    def spend(self, size: int) -> None:
        """Count one file or folder of that many bytes.

        Raises:
            LimitExceeded: says which limit, and its value.
        """
        self._files += 1
        self._bytes += size
        if self._files > MAX_FILES:
            raise LimitExceeded(f"{self._what} are more than {MAX_FILES} files and folders.")
        if size > MAX_FILE_BYTES:
            raise LimitExceeded(f"{self._what} hold one of more than {MAX_FILE_BYTES} bytes.")
        if self._bytes > MAX_TOTAL_BYTES:
            raise LimitExceeded(f"{self._what} are more than {MAX_TOTAL_BYTES} bytes together.")


class Layout:
    """Where the files of a step go: finds two that some file system takes for the same one.

    Args:
        present: what is there before the step, with paths as they will be claimed.
    """

    def __init__(self, present: Iterable[Entry]) -> None:
        self._taken: dict[Parts, _Claim] = {
            _key(entry.path): _Claim(entry.path, entry.kind, None) for entry in present
        }

    def add(self, path: Parts, kind: Kind, source: str) -> bool:
        """Claim a path, and the folders above it, for what `source` names.

        Returns:
            Whether it was there before the step. A file may stand where one did, and folders may
            come together; two files of one step may not have the same place.

        Raises:
            Invalid: something else is there, by the same name or by one that differs in case or
                in the form of its Unicode. Code `collision`.
        """
        for depth in range(1, len(path)):
            self._claim(_Claim(path[:depth], "folder", source))
        return self._claim(_Claim(path, kind, source))

    def _claim(self, wanted: _Claim) -> bool:
        key = _key(wanted.path)
        there = self._taken.setdefault(key, wanted)
        if there is wanted:
            return False
        if wanted.kind == there.kind == "folder":
            return there.source is None and there.path == wanted.path
        if there.kind != wanted.kind or there.path != wanted.path or there.source is not None:
            raise _collision(wanted, there)
        self._taken[key] = wanted
        return True


class _Claim(msgspec.Struct, frozen=True):
    path: Parts
    kind: Kind
    source: str | None


def _key(path: Parts) -> Parts:
    return tuple(fold(name) for name in path)


def _collision(wanted: _Claim, there: _Claim) -> Invalid:
    other = f"{there.source}" if there.source else "before this step"
    what = f"{show(wanted.path)} (from {wanted.source}) would take the place of "
    what += f"the {there.kind} {show(there.path)} (from {other})."
    return Invalid(
        what,
        why="Names that differ in case or in the form of their Unicode are one on some systems.",
        next="Give one of them another name.",
        problems=[Problem("collision", what, Place(file=wanted.source))],
    )
