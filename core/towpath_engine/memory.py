"""Hands memory back to the system after work that needed a lot of it."""

from __future__ import annotations

import ctypes
import sys

__all__ = ("give_back",)


def give_back() -> None:
    """Give free memory back, where the C library can be asked to; elsewhere nothing happens.

    Without it a process keeps what one big ingest needed for as long as it lives. Takes some
    milliseconds; call it in a thread.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
