"""A git repository on this machine, read without checking anything out.

Owns how refs, folders and files are found in it. Every object is asked for by its id; what others
named goes through standard input. Must not know addresses, nor where repositories may lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

import msgspec

from towpath_core.errors import Unavailable
from towpath_git.git import Git
from towpath_git.names import is_ref_name

__all__ = ("Repository", "TreeEntry")

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_REF_PARTS = 8

_EntryKind = Literal["file", "folder", "link", "module", "other"]
_KINDS: dict[str, _EntryKind] = {
    "100644": "file",
    "100664": "file",
    "100755": "file",
    "040000": "folder",
    "120000": "link",
    "160000": "module",
}


class TreeEntry(msgspec.Struct, frozen=True):
    """What a commit holds at a path.

    Attributes:
        path: relative to the folder that was listed, as git has it: not to be trusted.
        kind: `module` is a submodule's commit, `other` what git itself would not write.
        oid: id of the object.
        size: bytes of a file, 0 for all else.
    """

    path: str
    kind: _EntryKind
    oid: str
    size: int = 0
    executable: bool = False


class Repository:
    """Reads one repository.

    Every method raises `Unavailable` where git fails or does not answer.
    """

    def __init__(self, folder: Path, git: Git) -> None:
        self._folder = folder
        self._git = git

    def find_commit(self, names: Sequence[str]) -> tuple[str, str, int] | None:
        """Find the ref that a path begins with.

        Args:
            names: the path, name by name; the ref is one of them or some joined by `/`. Git
                keeps no two branches of which one's name begins the other's, so there is one.

        Returns:
            The commit's id, the ref as written, and how many names it took. A branch goes before
            a tag, a tag before a commit's own id. None where nothing fits.
        """
        refs = ["/".join(names[:n]) for n in range(1, min(len(names), _MAX_REF_PARTS) + 1)]
        asked: list[tuple[str, str, int]] = []
        for count, ref in enumerate(refs, 1):
            if is_ref_name(ref):
                asked += [(f"refs/heads/{ref}", ref, count), (f"refs/tags/{ref}", ref, count)]
            if ref == "HEAD" or _HASH.fullmatch(ref):
                asked.append((ref, ref, count))
        found = self._look_up(f"{name}^{{commit}}" for name, _, _ in asked)
        for (_, ref, count), (oid, kind) in zip(asked, found, strict=True):
            if kind == "commit":
                return oid, ref, count
        return None

    def find_folder(self, commit: str, names: Sequence[str]) -> str | None:
        """The id of a folder's tree; None where there is no folder. Links are not followed."""
        path = "/".join(names)
        if any("\n" in name or name in ("", ".", "..") for name in names):
            return None
        oid, kind = self._look_up([f"{commit}:{path}" if path else f"{commit}^{{tree}}"])[0]
        return oid if kind == "tree" else None

    def entries(self, tree: str, *, recursive: bool) -> list[TreeEntry]:
        """What a folder holds, ordered as git orders it; folders are left out if recursive."""
        arguments = ["ls-tree", "-z", "-l", "--full-tree", *(["-r"] if recursive else []), tree]
        output = self._git.run(arguments, repository=self._folder).output
        return [_entry(line) for line in output.split(b"\0") if line]

    def read(self, oids: Iterable[str], *, limit: int) -> Iterator[bytes]:
        """The contents of files, one for each id, in that order.

        Raises:
            Unavailable: one is not there, or larger than the `limit` in bytes: the repository
                does not hold what it lists.
        """
        given = "".join(f"{oid}\n" for oid in oids).encode()
        if not given:
            return
        arguments = ["cat-file", "--batch", "--buffer"]
        with self._git.answers(arguments, repository=self._folder, given=given) as pipe:
            for _ in range(given.count(b"\n")):
                yield _content(pipe, limit)

    def _look_up(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """The ids and types of objects by name; two empty texts for one that is not there."""
        given = "".join(f"{name}\n" for name in names).encode(errors="replace")
        if not given:
            return []
        arguments = ["cat-file", "--batch-check=%(objectname) %(objecttype)"]
        output = self._git.run(arguments, repository=self._folder, given=given).output
        lines = output.decode(errors="replace").split("\n")[:-1]
        words = [tuple(line.split(" ")) for line in lines]
        return [(w[0], w[1]) if len(w) == 2 and _HASH.fullmatch(w[0]) else ("", "") for w in words]


def _entry(line: bytes) -> TreeEntry:
    about, _, path = line.partition(b"\t")
    mode, _, oid, size = about.decode().split()
    kind: _EntryKind = _KINDS.get(mode, "other")
    number = int(size) if kind == "file" and size.isdigit() else 0
    return TreeEntry(
        path.decode(errors="surrogateescape"), kind, oid, number, executable=mode == "100755"
    )


def _content(pipe: IO[bytes], limit: int) -> bytes:
    head = pipe.readline().split()
    if len(head) != 3 or head[1] != b"blob" or int(head[2]) > limit:
        raise Unavailable("The repository does not hold a file that it lists.")
    size = int(head[2])
    content = pipe.read(size + 1)
    if len(content) != size + 1:
        raise Unavailable("The repository stopped in the middle of a file.")
    return content[:size]
