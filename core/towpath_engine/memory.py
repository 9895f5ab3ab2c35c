"""Keeps the memory of a process near what it needs, where the C library can be told so.

glibc gives each thread an arena of its own, and keeps what was freed in each. Elsewhere, and with
another allocator, nothing happens here.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

__all__ = ("give_back", "use_few_arenas")

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


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
