"""Characters that libyaml refuses or takes for line breaks, though YAML 1.2 and JSON do not.

They stand aside as private-use characters while a text is read and come back in its values, so
that the lines are those an editor shows and no hidden break can smuggle in a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ("set_aside",)

_BREAKS_AND_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_LONE_RETURN = re.compile("\r(?!\n)")
_ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})
_SPARE = range(0x100000, 0x10FFFE)


def set_aside(text: str, content: bytes) -> tuple[str, Mapping[int, str]]:
    """Replace such characters by others that do not occur in a text, one for one.

    Args:
        text: the text.
        content: the same as UTF-8, which is quicker to search.

    Returns:
        The text to read, and a table for `str.translate` that undoes it; an empty table in the
        usual case that there was nothing to replace.
    """
    lone = content.count(b"\r") != content.count(b"\r\n")
    plain = text.isascii() and len(content.translate(None, _ASCII_CONTROLS)) == len(content)
    found = set() if plain else set(_BREAKS_AND_CONTROLS.findall(text))
    if not found and not lone:
        return text, {}
    taken = set(text)
    spare = (chr(code) for code in _SPARE if chr(code) not in taken)
    aside = dict(zip(sorted(found), spare, strict=False))
    table = {ord(new): old for old, new in aside.items()}
    text = text.translate(str.maketrans(aside))
    if lone:
        instead = next(spare)
        table[ord(instead)] = "\r"
        text = _LONE_RETURN.sub(instead, text)
    return text, table
