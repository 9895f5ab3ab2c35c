"""Text of others made safe to show: what a platform says cannot steer the terminal.

Names, titles, log lines and error texts come from people all over a company, and from whoever can
write a descriptor. Nothing of it reaches a terminal unless it went through here.
"""

from __future__ import annotations

import re

__all__ = ("block", "escaped", "line")

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links
    r"|\x1b[ -/]*[0-Z\\^-~]"  # all other escapes
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Marks that turn the direction of text let a name show as another one.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile("[\u2028\u2029]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def block(text: object) -> str:
    """Text of any number of lines, without escape sequences, control and direction marks."""
    plain = _SEQUENCES.sub("", str(text).replace("\r\n", "\n"))
    return _TURNS.sub("", _CONTROLS.sub("", _BREAKS.sub("\n", plain)))


def line(text: object) -> str:
    """The same on one line."""
    return " ".join(block(text).split())


def escaped(json: str) -> str:
    """JSON that means the same and holds nothing that a terminal obeys.

    JSON writers escape the older control characters only; what is left stands inside of strings.
    """
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", json)
