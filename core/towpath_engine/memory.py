"""Keeps the memory of a process near what it needs, and the search for garbage short.

glibc gives each thread an arena of its own, and keeps what was freed in each. Elsewhere, and with
another allocator, it is not told anything.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

__all__ = ("give_back", "look_for_garbage", "spare_garbage", "use_few_arenas")

_M_ARENA_MAX = -8
_ARENAS = 2


def use_few_arenas() -> None:
    """Let the threads of this process share two arenas; call it before there are many threads."""
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give free memory back to the system.

    Without it a process keeps what one big ingest needed for as long as it lives. Takes some
    milliseconds; call it in a thread.
    """
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def spare_garbage() -> None:
    """Look for no garbage while the program starts: nearly all that is made then stays."""
    gc.disable()


def look_for_garbage() -> None:
    """Look for garbage from now on, but not among what is there already.

    To look through a whole catalog takes a tenth of a second and more, in which nobody is answered.
    """
    gc.freeze()
    gc.enable()


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
