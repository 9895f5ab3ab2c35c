"""What the two halves say to each other: frames of JSON, nothing else.

A frame is its length in four bytes, high byte first, and then that many bytes of JSON. Beyond JSON,
the numbers NaN, Infinity and -Infinity are written as these bare words, as Python reads and writes
them, because templates can make them. Undefined is no value on the wire; an answer says it.

    parent: {"cpu_seconds", "memory_bytes", "output_bytes"}, once
    child:  {"ready": true}, once its limits are set
    parent: {"op": "value" | "truthy" | "text", "fresh", "cookiecutter", "lstrip_blocks",
            "trim_blocks", "template"}
            and, where `fresh` is true, the context as a frame of its own
    child:  {"value": ..} | {"undefined": true} | {"limit": name}
            | {"fault": {"message", "line", "pointer"}}
"""

from __future__ import annotations

import struct

__all__ = ("HEADER", "MEMORY_EXIT", "framed", "largest_answer")

HEADER = struct.Struct(">I")

MEMORY_EXIT = 77
"""Exit status of a child that could get no more memory."""


def framed(payload: bytes) -> bytes:
    """Put the length before a payload."""
    return HEADER.pack(len(payload)) + payload


def largest_answer(output_bytes: int) -> int:
    """How large an answer may be as JSON, where a byte may need six and a number many."""
    return 8 * output_bytes + 64 * 1024
