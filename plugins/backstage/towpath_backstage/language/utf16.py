"""Text as JavaScript counts it: in UTF-16 units, where a character beyond the first plane is two.

Most text has no such character; then the units are the characters and nothing is copied.
"""

from __future__ import annotations

__all__ = ("JS_SPACE", "length", "merged", "scalar", "sort_key", "units")

JS_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript takes for white space; Python's own idea of it differs."""


def _is_wide(text: str) -> bool:
    return not text.isascii() and max(text) > "\uffff"


def length(text: str) -> int:
    """Count the units of a text."""
    if not _is_wide(text):
        return len(text)
    return len(text) + sum(1 for character in text if character > "\uffff")


def units(text: str) -> str:
    """Write every wide character as its two surrogates, so that one unit is one character."""
    if not _is_wide(text):
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(low | high << 8) for low, high in zip(data[::2], data[1::2], strict=True))


def merged(text: str) -> str:
    """Join surrogates that stand together; the opposite of `units`."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def scalar(text: str) -> str:
    """Replace each lone surrogate by U+FFFD, so that the text can be written as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sort_key(text: str) -> bytes:
    """Give what JavaScript compares a text by."""
    return text.encode("utf-16-be", "surrogatepass")
