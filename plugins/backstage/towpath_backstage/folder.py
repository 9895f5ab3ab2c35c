"""The source that reads descriptor files from folders of this machine, below configured roots.

A target is judged twice: its text before anything is touched, and its real path when it is
opened. The file is reached from the root folder step by step without following a link, so a link
that is put in its way after the check is refused, not followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO, EPERM
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

from towpath_backstage.folder_tree import TreeLimits, copy_tree
from towpath_backstage.globs import folders, has_glob, is_plain_file, is_unicode, matches
from towpath_backstage.watching import Watched, changes
from towpath_backstage.yaml import shown
from towpath_core.catalog import SourceFile
from towpath_core.errors import (
    Forbidden,
    LimitExceeded,
    NotFound,
    SettingsError,
    TowpathError,
    Unavailable,
)

__all__ = ("FolderSource",)

_NAMES = ("catalog-info.yaml", "catalog-info.yml")
_SUFFIXES = (".yaml", ".yml")
_ROOTS_HINT = (
    "List the folders that descriptors may be read from in `roots` under [catalog], "
    "or start the platform with --root."
)
_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1024 * 1024
_MAX_PATH = 4096
_FILE_URL = re.compile(r"file:(?://(?:localhost)?)?(/.*)", re.DOTALL)
_OTHER_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://")


class FolderSource:
    """Reads targets of type `file`: absolute paths or `file://` URLs below its roots.

    A target names a file, a folder, or files by the globs `*`, `?` and `**`. A folder means its
    `catalog-info.yaml` or `catalog-info.yml`, or where it has neither, all `.yaml` and `.yml`
    files directly in it. Links are followed in a target that is written out, as long as they
    stay below a root; globs and folders leave them out.

    Args:
        roots: absolute paths of the folders it may read; none means that it reads nothing.
        max_files: most files that one target may give.

    Raises:
        SettingsError: a root is not an absolute path.
    """

    name = "folder"
    types = frozenset({"file"})

    def __init__(self, roots: Sequence[str | Path] = (), *, max_files: int = 20_000) -> None:
        self._roots = tuple(_root(root) for root in roots)
        self._max_files = max_files

    def claims(self, type: str, target: str) -> bool:
        """Whether the type is `file`; what may be read is told by `read`."""
        return type in self.types

    def read(self, target: str, *, max_bytes: int) -> Iterator[SourceFile]:
        """Read the files a target names, ordered by their path; each is read when it is asked for.

        The etag is the SHA-256 of the content.

        Raises:
            NotFound: nothing is there.
            Forbidden: it lies outside the roots, is no regular file, or may not be read.
            Unavailable: the system gives an error.
            LimitExceeded: a file has more than `max_bytes`, or there are too many files.
        """
        path = self._below_roots(_path_of(target))
        return (self._file(one, max_bytes) for one in self._paths(path))

    def read_tree(self, target: str, destination: Path, *, max_bytes: int, max_files: int) -> None:
        """Copy a file or folder below its roots; see `towpath_core.catalog.TreeSource`."""
        path = self._below_roots(_path_of(target))
        root, real = self._rooted(path)
        limits = TreeLimits(max_bytes, max_files)
        try:
            handle = _open_without_links(root, PurePosixPath(real).relative_to(root).parts)
            try:
                copy_tree(handle, destination, limits)
            finally:
                os.close(handle)
        except OSError as error:
            raise _refused(path, error) from None

    def watch(
        self, targets: Sequence[str], stop: threading.Event, *, seconds: float
    ) -> Iterator[frozenset[str]]:
        """Tell which targets changed; see `towpath_core.catalog.WatchableSource`.

        Raises:
            Unavailable: the system watches no more folders.
        """

        def look() -> list[Watched]:
            found = [self._watched(target) for target in targets]
            return [one for one in found if one is not None]

        return changes(look, stop, seconds=seconds)

    def _watched(self, target: str) -> Watched | None:
        """What to look at for a target; None where it may not be read at all."""
        try:
            path = self._below_roots(_path_of(target))
            real = os.path.realpath(path)
            if not Path(real).exists() and has_glob(path):
                fixed, pattern = _split_glob(path)
                base = self._real(fixed)
                below = folders(base, pattern, most=self._max_files)
                return Watched(target, tuple(f"{base}/{one}".rstrip("/") for one in below))
            if Path(real).is_dir():
                return Watched(target, (self._real(path),))
            beside = {self._real(str(Path(one).parent)) for one in (path, real)}
        except TowpathError:
            return None
        names = frozenset(Path(one).name for one in (path, real))
        return Watched(target, tuple(sorted(beside)), names)

    def resolve(self, base: str, relative: str) -> str:
        """Turn a target written in the file `base` into an absolute path. No I/O.

        Raises:
            Forbidden: the result lies below no root.
        """
        if _OTHER_URL.match(relative):
            raise Forbidden(
                f"{shown(relative)} is not a path.",
                why="a file can only refer to other files",
                next="Register it as a location of its own, with its own type.",
            )
        absolute = relative.startswith(("/", "file:"))
        joined = relative if absolute else f"{_path_of(base).rpartition('/')[0]}/{relative}"
        return self._below_roots(_path_of(joined))

    def _below_roots(self, path: str) -> str:
        """The path without `.` and `..`, refused where its text leaves every root."""
        if not self._roots:
            raise Forbidden("No folder may be read.", next=_ROOTS_HINT)
        clean = f"/{os.path.normpath(path).lstrip('/')}"
        if not any(_is_below(clean, root) for root in self._roots):
            raise Forbidden(
                f"{shown(path)} lies outside the folders that may be read.", next=_ROOTS_HINT
            )
        return clean

    def _paths(self, path: str) -> Iterable[str]:
        """The paths of the files that a target names."""
        try:
            mode = Path(self._real(path)).stat().st_mode
        except OSError as error:
            if error.errno in (ENOENT, ENAMETOOLONG) and has_glob(path):
                return self._globbed(path)
            raise _refused(path, error) from None
        return self._in_folder(path) if stat.S_ISDIR(mode) else [path]

    def _globbed(self, path: str) -> list[str]:
        fixed, pattern = _split_glob(path)
        folder = self._real(fixed)
        found = [f"{fixed}/{name}" for name in matches(folder, pattern, most=self._max_files)]
        if not found:
            raise NotFound(f"No file matches {shown(path)}.")
        return found

    def _in_folder(self, path: str) -> list[str]:
        folder = self._real(path)
        try:
            with os.scandir(folder) as entries:
                names = sorted(
                    entry.name for entry in entries if entry.name in _NAMES or is_plain_file(entry)
                )
        except OSError as error:
            raise _refused(path, error) from None
        for name in _NAMES:
            if name in names:
                return [f"{path}/{name}"]
        found = [f"{path}/{name}" for name in names if name.lower().endswith(_SUFFIXES)]
        if not found:
            raise NotFound(f"{shown(path)} has no {_NAMES[0]} and no other .yaml file.")
        if len(found) > self._max_files:
            raise LimitExceeded(f"{shown(path)} has more than {self._max_files:,} .yaml files.")
        return found

    def _real(self, path: str) -> str:
        """The path without links, refused where they leave every root."""
        return self._rooted(path)[1]

    def _rooted(self, path: str) -> tuple[str, str]:
        """The real root that a path really lies below, and its real path."""
        try:
            real = os.path.realpath(path)
            roots = [os.path.realpath(root) for root in self._roots]
        except OSError as error:
            raise _refused(path, error) from None
        for root in roots:
            if _is_below(real, root):
                return root, real
        raise Forbidden(f"{shown(path)} leads outside the folders that may be read.")

    def _file(self, path: str, max_bytes: int) -> SourceFile:
        root, real = self._rooted(path)
        try:
            handle = _open_without_links(root, PurePosixPath(real).relative_to(root).parts)
        except OSError as error:
            raise _refused(path, error) from None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Forbidden(f"{shown(path)} is not a regular file.")
            content = _read_all(file, max_bytes, path)
        return SourceFile(path, content, hashlib.sha256(content).hexdigest())


def _root(root: str | Path) -> str:
    text = os.fspath(root)
    if not text.startswith("/") or "\0" in text:
        raise SettingsError(
            f"The root {shown(text)} of [plugins.backstage] is not an absolute path.",
            next='Write it from the start, such as roots = ["/srv/catalog"].',
        )
    return os.path.normpath(text)


def _path_of(target: str) -> str:
    """The path that a target names, by its text alone."""
    url = _FILE_URL.fullmatch(target)
    path = unquote(url[1]) if url else target
    if not path.startswith("/"):
        raise Forbidden(
            f"{shown(target)} is not an absolute path on this machine.",
            next="Write it from the start, such as /srv/catalog/all.yaml.",
        )
    if "\0" in path or not is_unicode(path) or len(path) > _MAX_PATH:
        raise Forbidden(f"{shown(target)} is not a path: it is too long, or not text.")
    return path


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root == "/" else f"{root}/")


def _split_glob(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder before the first part with a glob, and the parts from there on."""
    parts = path.split("/")
    first = next(index for index, part in enumerate(parts) if has_glob(part))
    return "/".join(parts[:first]) or "/", tuple(parts[first:])


def _open_without_links(root: str, parts: tuple[str, ...]) -> int:
    """Open a file below a folder part by part; raises OSError where a part is a link."""
    folder = os.open(root, _STEP)
    try:
        for part in parts[:-1]:
            below = os.open(part, _STEP, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1] if parts else ".", _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _read_all(file: BinaryIO, max_bytes: int, path: str) -> bytes:
    chunks: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
    if left <= 0:
        raise LimitExceeded(f"{shown(path)} has more than {max_bytes:,} bytes.")
    return b"".join(chunks)


def _refused(path: str, error: OSError) -> TowpathError:
    if error.errno in (ENOENT, ENOTDIR, ENAMETOOLONG):
        return NotFound(f"{shown(path)} is not there.")
    if error.errno == ELOOP:
        return Forbidden(f"{shown(path)} is a link that cannot be followed.")
    if error.errno == ENXIO:
        return Forbidden(f"{shown(path)} is not a regular file.")
    if error.errno in (EACCES, EPERM):
        return Forbidden(f"{shown(path)} may not be read by this process.")
    return Unavailable(f"{shown(path)} cannot be read.", why=error.strerror)
