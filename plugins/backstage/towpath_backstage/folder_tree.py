"""Copies a file or folder out of a folder of this machine, without following a link anywhere.

Knows no roots: whoever calls it has judged the target. Works on directory descriptors, so that a
link which is put in the way meanwhile is refused, not followed.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import msgspec

from towpath_backstage.yaml import shown
from towpath_core.errors import Invalid, LimitExceeded

__all__ = ("TreeLimits", "copy_tree")

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_MAX_DEPTH = 64


class TreeLimits(msgspec.Struct):
    """What may still be copied; counted down."""

    bytes: int
    files: int

    def take(self, size: int) -> None:
        """Take one file of a size off.

        Raises:
            LimitExceeded: there is no more left.
        """
        self.bytes -= size
        self.files -= 1
        if self.files < 0:
            raise LimitExceeded("There are too many files in the folder.")
        if self.bytes < 0:
            raise LimitExceeded("The folder holds too many bytes.")


def copy_tree(descriptor: int, destination: Path, limits: TreeLimits) -> None:
    """Copy what an open descriptor stands for, a file to a file or a folder to a folder.

    Args:
        descriptor: of a file or folder; stays open.
        destination: what the copy is called; nothing is there yet, or an empty folder.
        limits: counted down.

    Raises:
        Invalid: there is a link, a device or the like.
        LimitExceeded: there is more than the limits allow, or it is nested too deep.
        OSError: the system gives an error.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        _copy_file(descriptor, destination, limits)
        return
    if not stat.S_ISDIR(mode):
        raise Invalid("The target is neither a file nor a folder.")
    destination.mkdir(exist_ok=True)
    waiting = [(os.dup(descriptor), destination, 0)]
    try:
        while waiting:
            folder, target, depth = waiting.pop()
            try:
                waiting += _copy_folder(folder, target, depth, limits)
            finally:
                os.close(folder)
    finally:
        for folder, _, _ in waiting:
            os.close(folder)


def _copy_folder(
    folder: int, target: Path, depth: int, limits: TreeLimits
) -> list[tuple[int, Path, int]]:
    if depth > _MAX_DEPTH:
        raise LimitExceeded(f"The folder is nested deeper than {_MAX_DEPTH}.")
    below: list[tuple[int, Path, int]] = []
    try:
        for name in sorted(os.listdir(folder)):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                (target / name).mkdir(exist_ok=True)
                opened = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=folder)
                below.append((opened, target / name, depth + 1))
            elif stat.S_ISREG(mode):
                opened = os.open(name, _OPEN, dir_fd=folder)
                try:
                    _copy_file(opened, target / name, limits)
                finally:
                    os.close(opened)
            else:
                what = "a link" if stat.S_ISLNK(mode) else "no regular file"
                raise Invalid(f"{shown(name)} is {what}; templates hold files and folders only.")
    except BaseException:
        for opened, _, _ in below:
            os.close(opened)
        raise
    return below


def _copy_file(descriptor: int, target: Path, limits: TreeLimits) -> None:
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        raise Invalid(f"{shown(target.name)} is no regular file.")
    limits.take(state.st_size)
    with os.fdopen(os.dup(descriptor), "rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
        os.fchmod(copy.fileno(), 0o755 if state.st_mode & 0o111 else 0o644)
