"""Tells when files below folders of this machine change, as the system tells it.

Owns which folders are looked at for a target, and which changes matter to it. What may be read is
for the folder source to judge: it hands in targets with the folders that these stand for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from towpath_core.errors import Unavailable

__all__ = ("Watched", "changes")

_MOST_FOLDERS = 20_000
_DEBOUNCE_MS = 200
_STEP_MS = 50
_LOOK_MS = 200
# What editors and synchronisers leave beside a file for a moment.
_NOISE = (".swp", ".swx", ".tmp", "~")


class Watched(msgspec.Struct, frozen=True):
    """What to look at for one target.

    Attributes:
        target: as it was given.
        folders: real paths of the folders to look at, not below them.
        names: names in them that matter; None where every name does.
    """

    target: str
    folders: tuple[str, ...]
    names: frozenset[str] | None = None


def changes(
    look: Callable[[], Sequence[Watched]], stop: threading.Event, *, seconds: float
) -> Iterator[frozenset[str]]:
    """Give the targets behind which something changed; see `WatchableSource.watch`.

    Args:
        look: gives what to look at, as it is now; asked again when folders come and go.
        stop: ends it.
        seconds: longest time without an answer.

    Raises:
        Unavailable: the system watches no more folders.
    """
    late: frozenset[str] = frozenset()
    while not stop.is_set():
        watched = tuple(look())
        again = False
        for paths in _events(_folders_of(watched), stop, seconds):
            yield late | _touched(watched, paths)
            late = frozenset()
            if any(_is_folder_news(path, watched) for path in paths):
                again = tuple(look()) != watched
            if again:
                # What came into a new folder before it was looked at has told nobody.
                late = _touched(watched, paths)
                break
        if not again:
            return


def _folders_of(watched: Sequence[Watched]) -> list[str]:
    folders = sorted({folder for one in watched for folder in one.folders if Path(folder).is_dir()})
    if len(folders) > _MOST_FOLDERS:
        raise Unavailable(f"More than {_MOST_FOLDERS:,} folders would have to be watched.")
    return folders


def _events(
    folders: Sequence[str], stop: threading.Event, seconds: float
) -> Iterator[frozenset[str]]:
    """Paths that changed directly in folders; the first answer comes when the watching began."""
    from watchfiles import watch

    if not folders:
        yield frozenset()
        while not stop.wait(seconds):
            yield frozenset()
        return
    waiting = watch(
        *folders,
        watch_filter=None,
        recursive=False,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    quiet = seconds
    try:
        for found in waiting:
            quiet = 0.0 if found else quiet + _LOOK_MS / 1000
            if found or quiet >= seconds:
                yield frozenset(path for _, path in found)
                quiet = 0.0
    except FileNotFoundError:
        # A folder went between looking and watching; whoever asks looks again.
        yield frozenset(folders)
    except OSError as error:
        raise Unavailable(
            "The folders cannot be watched.",
            why=error.strerror or str(error)[:200],
            next="Raise fs.inotify.max_user_watches, or set watch = false under [catalog].",
        ) from None


def _touched(watched: Sequence[Watched], paths: frozenset[str]) -> frozenset[str]:
    by_folder: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder or "/", set()).add(name)
        by_folder.setdefault(path, set())  # the folder itself came or went
    return frozenset(
        one.target
        for one in watched
        if any(_matters(one, by_folder.get(folder)) for folder in one.folders)
    )


def _matters(one: Watched, names: set[str] | None) -> bool:
    if names is None:
        return False
    if one.names is None:
        return not names or any(not _is_noise(name) for name in names)
    # A folder of links that are all turned at once, as clusters mount settings, has such a name.
    return not names or bool(names & one.names) or "..data" in names


def _is_noise(name: str) -> bool:
    return name.endswith(_NOISE) or (name.startswith(".") and name != "..data") or name == "4913"


def _is_folder_news(path: str, watched: Sequence[Watched]) -> bool:
    """Whether a folder may have come or gone: then it must be looked again at what to watch."""
    return any(path in one.folders for one in watched) or Path(path).is_dir()
