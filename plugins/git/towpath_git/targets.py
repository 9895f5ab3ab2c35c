"""Addresses of files in git repositories of this machine, as text, and how all of ours join.

`git+file:///srv/git/acme/shop.git/-/blob/main/docs/api.yaml`: a repository, a branch or tag, and
a path, which may hold globs. `tree` may stand for `blob`. Does no I/O: where the name of a branch
ends and the path begins is for the repository to say, unless its slashes are written `%2F`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote, unquote

import msgspec

from towpath_core.errors import Forbidden, Invalid

__all__ = (
    "SCHEMES",
    "GitTarget",
    "format_target",
    "is_odd",
    "join_target",
    "parse_target",
    "split",
)

SCHEMES = ("git+file:", "git+http:", "git+https:", "git+ssh:")
"""Beginnings of the addresses that are ours to answer for; the last is not read."""

_LOCAL = "git+file://"
_READ = (_LOCAL, "git+https://", "git+http://")
_MARKS = ("/-/blob/", "/-/tree/")
_GLOB_SAFE = "*!$&'()+,;=:@~%"
_MAX_LENGTH = 4096


class GitTarget(msgspec.Struct, frozen=True):
    """An address, read.

    Attributes:
        repository: path of the git directory on this machine.
        rest: ref and path, name by name, still percent-encoded, so that `%2A` is no glob.
    """

    repository: PurePosixPath
    rest: tuple[str, ...]


def parse_target(target: str) -> GitTarget:
    """Read an address.

    Raises:
        Forbidden: it is of another machine, or has `..` in it.
        Invalid: it is not in the form above.
    """
    if not target.startswith(_LOCAL):
        raise Forbidden(
            "Repositories of other machines are not allowed here.",
            why="This is no git+file address.",
            next="Register the repository with git+https.",
        )
    repository, _, rest = split(target)
    host, _, path = repository.removeprefix(_LOCAL).partition("/")
    names = [name for name in rest.split("/") if name]
    if any(is_odd(name) for name in (*path.split("/"), *names[1:])) or names[0] == "..":
        raise Forbidden("An address may not have '..' or an encoded '/' in it.")
    if host not in ("", "localhost") or "?" in target or "#" in target:
        raise _unreadable()
    return GitTarget(PurePosixPath(f"/{unquote(path)}"), tuple(names))


def format_target(repository: PurePosixPath, ref: str, path: str = "") -> str:
    """Write an address; what `parse_target` would take for something else is percent-encoded."""
    rest = f"{quote(ref, safe='')}/{quote(path)}" if path else quote(ref, safe="")
    return f"{_LOCAL}{quote(str(repository))}{_MARKS[0]}{rest}"


def join_target(base: str, relative: str) -> str:
    """The address that a path written in the file `base` means, in the same repository and ref.

    Globs stay globs.

    Raises:
        Forbidden: it is absolute or an address of its own, or would leave the repository.
    """
    repository, mark, rest = split(base)
    if ":" in relative.partition("/")[0] or relative.startswith("/"):
        raise Forbidden(
            f"{relative[:200]!r} leads out of the repository.",
            next="Write a path relative to the file, or register the other location by itself.",
        )
    ref, *path = [name for name in rest.split("/") if name]
    folder = path[:-1]
    for name in relative.split("/"):
        if is_odd(name):
            if unquote(name) != "..":
                raise Forbidden(f"{relative[:200]!r} has an encoded '/' in it.")
            if not folder:
                raise Forbidden(f"{relative[:200]!r} leads out of the repository.")
            folder.pop()
        elif name not in ("", "."):
            folder.append(quote(name, safe=_GLOB_SAFE))
    return "/".join((f"{repository}{mark}{ref}", *folder))


def is_odd(name: str) -> bool:
    """Whether a name of a percent-encoded path is `..`, or hides a slash or a NUL."""
    decoded = unquote(name)
    return decoded == ".." or "/" in decoded or "\0" in decoded


def split(target: str) -> tuple[str, str, str]:
    """An address as repository, mark and the rest; the first mark counts.

    Raises:
        Invalid: it is not in the form above.
    """
    if len(target) <= _MAX_LENGTH and target.startswith(_READ):
        found = [(target.find(mark), mark) for mark in _MARKS if mark in target]
        for at, mark in sorted(found)[:1]:
            repository, rest = target[:at], target[at + len(mark) :]
            if repository.endswith(".git") and rest.strip("/"):
                return repository, mark, rest
    raise _unreadable()


def _unreadable() -> Invalid:
    return Invalid(
        "This is not the address of a file in a git repository.",
        next="Write git+https://host/path/to/name.git/-/blob/<branch>/<path>, or git+file:///...",
    )
