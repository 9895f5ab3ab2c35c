"""Names of files in a workspace: how an author's path is read, and which names are never written.

Knows text only, no file system: what is really on the disk is the business of `paths`.
"""

from __future__ import annotations

import re
import unicodedata

from towpath_core.errors import Invalid, Place, Problem

__all__ = (
    "MAX_DEPTH",
    "SCRATCH",
    "Parts",
    "check_output",
    "fold",
    "name_fault",
    "parse_path",
    "show",
)

Parts = tuple[str, ...]
"""A path below the workspace, name by name; the empty tuple is the workspace itself."""

SCRATCH = ".towpath-scratch"
"""Folder of the workspace that actions work in; it is gone when an action has ended."""

MAX_DEPTH = 64
_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 1024

_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
# HFS+ looks past these when it compares names, so ".g\u200cit" is ".git" on a Mac.
_INVISIBLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def parse_path(text: str, place: Place) -> Parts:
    """Read a relative path as an author wrote it; `.` and `..` are resolved by the text alone.

    Args:
        text: the path, with `/` between names; empty or `.` is the folder it is relative to.
        place: where it stands, for the error.

    Raises:
        Invalid: it is absolute, leaves the folder, or holds what no path may. Code `path`.
    """
    if text.startswith("/") or _DRIVE.match(text):
        raise _refused(text, place, "it is absolute; write it relative to the workspace")
    parts: list[str] = []
    for name in text.split("/"):
        if name in ("", "."):
            continue
        if name != "..":
            parts.append(name)
        elif parts:
            parts.pop()
        else:
            raise _refused(text, place, "it leaves its folder")
    for name in parts:
        if fault := _unspeakable(name):
            raise _refused(text, place, fault)
    _check_whole(tuple(parts), place)
    return tuple(parts)


def check_output(parts: Parts, place: Place) -> None:
    """Refuse a path that is not to be written, because some system or git takes it for another.

    Raises:
        Invalid: says which name and why. Code `path`.
    """
    for name in parts:
        if fault := name_fault(name):
            raise _refused("/".join(parts), place, fault)
    _check_whole(parts, place)


def name_fault(name: str) -> str | None:
    """Say why a single name is never written; None for a good one."""
    if fault := _unspeakable(name):
        return fault
    if _is_git_folder(name):
        return "a .git folder is never written"
    if name != name.rstrip(" ."):
        return "a name ends with a dot or a space, which Windows drops"
    if _DEVICE.fullmatch(name.partition(".")[0].rstrip()):
        return "a name is reserved for a device on Windows"
    if _DRIVE.match(name):
        return "a name starts like a drive of Windows"
    return None


def fold(name: str) -> str:
    """Map names that some file system takes for the same one to one text.

    Case and Unicode's composed and decomposed forms make no difference, nor does what HFS+
    looks past.
    """
    visible = _INVISIBLE.sub("", name)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold())


def show(parts: Parts) -> str:
    """Write a path for a message: printable, at most 200 characters."""
    text = "/".join(parts) or "."
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 200 else f"{text[:200]}..."


def _unspeakable(name: str) -> str | None:
    if any(c in _BIDI or unicodedata.category(c) in _CONTROL for c in name):
        return "it holds a control character or is not UTF-8"
    if "\\" in name:
        return "it holds a backslash; write / between names"
    return None


def _is_git_folder(name: str) -> bool:
    bare = _INVISIBLE.sub("", name).partition(":")[0].rstrip(" .").casefold()
    return bare in (".git", "git~1")


def _check_whole(parts: Parts, place: Place) -> None:
    sizes = [len(name.encode()) for name in parts]
    if parts and parts[0] == SCRATCH:
        raise _refused("/".join(parts), place, "that name is reserved")
    if len(parts) > MAX_DEPTH:
        raise _refused("/".join(parts), place, f"it is deeper than {MAX_DEPTH} folders")
    if sizes and max(sizes) > _MAX_NAME_BYTES:
        raise _refused("/".join(parts), place, f"a name is longer than {_MAX_NAME_BYTES} bytes")
    if sum(sizes) + len(sizes) > _MAX_PATH_BYTES:
        raise _refused("/".join(parts), place, f"it is longer than {_MAX_PATH_BYTES} bytes")


def _refused(text: str, place: Place, why: str) -> Invalid:
    what = f"The path {show(tuple(text.split('/')))!r} is refused: {why}."
    return Invalid(what, problems=[Problem("path", what, place)])
