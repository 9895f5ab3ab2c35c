"""A run's folder on disk, kept so that a step which was cut off can begin again from before it.

Blocking; called in threads.
"""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ("Workspace",)


class Workspace:
    """The folder of one attempt of one run: `files` is what actions see.

    It moves from attempt to attempt. A worker that was paused while another went on finds it gone,
    and what an attempt left here before the run went on elsewhere is not mistaken for the latest.
    """

    def __init__(self, root: Path, run_id: str, attempt: int) -> None:
        self._run = root / run_id
        self._home = self._run / f"attempt-{attempt}"
        self._before = self._run / f"attempt-{attempt - 1}"
        self.files = self._home / "files"

    def open(self) -> bool:
        """Make the folder; whether it holds what the attempt before this one left."""
        self._run.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._before.is_dir():
            self._before.rename(self._home)
        known = self.files.is_dir()
        for stale in self._run.iterdir():
            if stale != self._home or not known:
                shutil.rmtree(stale)
        self.files.mkdir(parents=True, exist_ok=True, mode=0o700)
        return known

    def guard(self, seq: int) -> None:
        """Keep a copy to go back to; where the step was begun before, go back to it first.

        Call it before a step that changes files. Its number names the copy, so that the copy of
        an earlier step is never mistaken for it.
        """
        before = self._home / f"before-{seq}"
        if before.is_dir():
            shutil.rmtree(self.files)
            shutil.copytree(before, self.files, symlinks=True)
            return
        for old in self._home.glob("before-*"):
            shutil.rmtree(old)
        fresh = self._home / "copying"
        if fresh.is_dir():
            shutil.rmtree(fresh)
        shutil.copytree(self.files, fresh, symlinks=True)
        # The name appears only when the copy is whole.
        fresh.rename(before)

    def remove(self) -> None:
        """Delete the run's folder with all that is in it; a missing one is fine."""
        shutil.rmtree(self._run, ignore_errors=True)
