"""Descriptor files and skeletons out of git repositories, of this machine and of others.

Owns which repositories may be read and what a target means in one. Must not know how git is
called, nor what the files say.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from towpath_core.catalog import SourceFile
from towpath_core.egress import Egress, NoEgress
from towpath_core.errors import Forbidden, LimitExceeded, NotFound
from towpath_core.forges import forge_file
from towpath_git.git import Git
from towpath_git.globs import has_glob, match_names, other_suffix
from towpath_git.mirrors import Mirrors
from towpath_git.remote_targets import is_remote, join_remote, parse_remote
from towpath_git.repository import Repository, TreeEntry
from towpath_git.targets import SCHEMES, format_target, parse_target
from towpath_git.writing import write_file, write_tree

__all__ = ("GitSource",)

_DESCRIPTORS = ("catalog-info.yaml", "catalog-info.yml")
_MAX_FILES = 10_000


class GitSource:
    """Reads files of bare and other repositories at a branch, tag or commit; checks nothing out.

    Those of other machines are copied, no more than their tips, and fetched again when these
    moved; the page of a code host is read so where it has a glob.

    Args:
        roots: folders below which repositories may be read.
        git: how git is called; its errors must be `Unavailable`.
        mirrors: the copies; without, no other machine's repository is read.
    """

    name = "git"
    types = frozenset({"url"})

    def __init__(self, roots: Sequence[Path], git: Git, mirrors: Mirrors | None = None) -> None:
        self._roots = tuple(roots)
        self._git = git
        self._mirrors = mirrors
        self._egress: Egress = NoEgress()

    def use_egress(self, egress: Egress) -> None:
        """Take the way out."""
        self._egress = egress

    def claims(self, type: str, target: str) -> bool:
        """Whether it is the address of a repository; what may not be read is refused later."""
        return type in self.types and (target.startswith(SCHEMES) or is_remote(target))

    def claims_tree(self, type: str, target: str) -> bool:
        """Whether it is the page of a code host: only a copy of the repository has its folders."""
        return type in self.types and forge_file(target) is not None

    def read(self, target: str, *, max_bytes: int) -> Iterable[SourceFile]:
        """Read the files a target names, ordered by target; `etag` is git's own hash.

        A target names a file, or a folder with a `catalog-info.yaml` or `.yml`, or has `*` (within
        a name) and `**` (any number of folders) in it. Links and submodules are not followed:
        one that is named is refused, one that a glob meets is passed over.

        Raises:
            NotFound: no such repository, branch or file.
            Forbidden: the repository is not below a root, its host is not allowed or wants a
                token, or the target names a link.
            Invalid: the target cannot be read as an address.
            Unavailable: git or the host is not there, does not answer in time, or there is damage.
            LimitExceeded: a file is larger than `max_bytes`, a glob meets very many, or the
                repository is too large.
        """
        at = self._open(target)
        found = sorted(_find(at), key=lambda entry: at.target(entry.path))
        for entry in found:
            if entry.size > max_bytes:
                raise LimitExceeded(f"{at.target(entry.path)} is larger than {max_bytes} bytes.")
        contents = at.repository.read([entry.oid for entry in found], limit=max_bytes)
        return (
            SourceFile(at.target(entry.path), content, entry.oid)
            for entry, content in zip(found, contents, strict=True)
        )

    def resolve(self, base: str, relative: str) -> str:
        """The target that a path written in the file `base` means; the same repository and ref.

        Raises:
            Forbidden: it would leave the repository, or is an address of its own.
            Invalid: `base` is not an address.
        """
        return join_remote(base, relative)

    def read_tree(self, target: str, destination: Path, *, max_bytes: int, max_files: int) -> None:
        """Copy a folder, or one file, out of the repository.

        The copy has the modes of files that git knows, 0644 and 0755, and nothing of git's own.
        After an error nothing is left of it.

        Args:
            target: names the folder or file, without globs.
            destination: path that the copy gets; nothing is there yet, or an empty folder.
            max_bytes: size of all files together.
            max_files: number of files.

        Raises:
            NotFound: no such repository, branch or folder.
            Forbidden: the repository is not below a root.
            Invalid: there is a link, a submodule, or a name that is not to be written.
            Conflict: something is at the destination.
            LimitExceeded: it is larger, or holds more, than allowed.
            Unavailable: git is not there, does not answer in time, or finds damage.
        """
        at = self._open(target)
        names = [unquote(name) for name in at.names]
        tree = at.repository.find_folder(at.commit, names)
        entries = (
            [_named(at, names)] if tree is None else at.repository.entries(tree, recursive=True)
        )
        total = sum(entry.size for entry in entries)
        if len(entries) > max_files or total > max_bytes:
            raise LimitExceeded(
                f"{target} holds {len(entries)} files of {total} bytes together; "
                f"at most {max_files} files and {max_bytes} bytes are taken."
            )
        contents = at.repository.read([entry.oid for entry in entries], limit=max_bytes)
        if tree is None:
            write_file(destination, entries[0], contents)
        else:
            write_tree(destination, entries, contents)

    def _open(self, target: str) -> _Opened:
        elsewhere = is_remote(target) or forge_file(target) is not None
        return self._open_remote(target) if elsewhere else self._open_local(target)

    def _open_remote(self, target: str) -> _Opened:
        address = parse_remote(target)
        if self._mirrors is None:
            raise Forbidden(
                "Repositories of other machines are not allowed here.",
                next="Set `mirrors` of the plugin git, the folder that copies are kept in.",
            )
        refs = self._mirrors.refs(self._egress, address.url)
        found = refs.find([unquote(name) for name in address.rest])
        if found is None:
            raise _no_ref(address.name, address.rest)
        folder = self._mirrors.hold(self._egress, address.url, found)
        rest = address.rest[found.names :]

        def name(path: str) -> str:
            return address.target(found.shown, path)

        repository = Repository(folder, self._git)
        return _Opened(repository, address.name, found.shown, found.commit, rest, name)

    def _open_local(self, target: str) -> _Opened:
        address = parse_target(target)
        folder = Path(os.path.realpath(address.repository))
        roots = [Path(os.path.realpath(root)) for root in self._roots]
        if not any(root in folder.parents for root in roots):
            raise Forbidden(
                "That repository is not allowed here.",
                why="It does not lie below a folder that is configured.",
                next="Set `root` or `roots` of the plugin git, or move the repository there.",
            )
        # Not `.git` files: they name another folder, which may lie anywhere.
        if not (folder / "objects").is_dir() or not (folder / "HEAD").is_file():
            raise NotFound(f"There is no repository at {address.repository}.")
        repository = Repository(folder, self._git)
        found = repository.find_commit([unquote(name) for name in address.rest])
        if found is None:
            raise _no_ref(address.repository.name, address.rest)
        commit, ref, count = found

        def name(path: str) -> str:
            return format_target(address.repository, ref, path)

        rest = address.rest[count:]
        return _Opened(repository, address.repository.name, ref, commit, rest, name)


class _Opened(msgspec.Struct, frozen=True):
    """A target whose repository and ref were found.

    Attributes:
        title: the repository in a sentence.
        names: the path, percent-encoded.
        target: gives the target of a file by its path.
    """

    repository: Repository
    title: str
    ref: str
    commit: str
    names: tuple[str, ...]
    target: Callable[[str], str]

    def missing(self) -> NotFound:
        path = unquote("/".join(self.names))[:200]
        return NotFound(f"There is no {path!r} in {self.title} at {self.ref}.")


def _no_ref(title: str, rest: Sequence[str]) -> NotFound:
    shown = unquote("/".join(rest))[:200]
    return NotFound(f"No branch or tag of {title} begins {shown!r}.")


def _find(at: _Opened) -> list[TreeEntry]:
    """The files that a target means, with paths from the repository's root."""
    if any(has_glob(name) for name in at.names):
        return _matching(at)
    names = [unquote(name) for name in at.names]
    tree = at.repository.find_folder(at.commit, names)
    if tree is None:
        return [_file(_named(at, names))]
    inside = {entry.path: entry for entry in at.repository.entries(tree, recursive=False)}
    for name in _DESCRIPTORS:
        if name in inside:
            return [_below(names, _file(inside[name]))]
    raise at.missing()


def _matching(at: _Opened) -> list[TreeEntry]:
    fixed = list(itertools.takewhile(lambda name: not has_glob(name), at.names))
    names = [unquote(name) for name in fixed]
    tree = at.repository.find_folder(at.commit, names)
    entries = [] if tree is None else at.repository.entries(tree, recursive=True)
    pattern = at.names[len(fixed) :]
    files = [entry for entry in entries if entry.kind == "file" and _is_text(entry)]
    met = [entry for entry in files if match_names(pattern, entry.path.split("/"))]
    if other := other_suffix(pattern):
        known = {entry.path.rpartition("/")[0] for entry in met}
        met += [
            entry
            for entry in files
            if match_names(other, entry.path.split("/"))
            and entry.path.rpartition("/")[0] not in known
        ]
    found = [_below(names, entry) for entry in met]
    if not found:
        raise at.missing()
    if len(found) > _MAX_FILES:
        raise LimitExceeded(f"The glob meets more than {_MAX_FILES} files.")
    return found


def _named(at: _Opened, names: Sequence[str]) -> TreeEntry:
    """What is named, where it is no folder."""
    tree = at.repository.find_folder(at.commit, names[:-1])
    for entry in [] if tree is None else at.repository.entries(tree, recursive=False):
        if entry.path == names[-1]:
            return _below(names[:-1], entry)
    raise at.missing()


def _file(entry: TreeEntry) -> TreeEntry:
    if entry.kind != "file":
        raise Forbidden(f"{entry.path!r} is a {entry.kind} in the repository, not a file.")
    return entry


def _below(names: Sequence[str], entry: TreeEntry) -> TreeEntry:
    return msgspec.structs.replace(entry, path="/".join((*names, entry.path)))


def _is_text(entry: TreeEntry) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in entry.path)
