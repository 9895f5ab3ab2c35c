"""The time, and ids that sort by it. All times are UTC and aware."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

__all__ = ("new_id", "now")


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A new UUID of version 7 (RFC 9562): later ids are greater, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (random >> 62) << 64
    value |= 0b10 << 62
    value |= random & ((1 << 62) - 1)
    return UUID(int=value)
