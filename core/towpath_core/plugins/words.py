"""Words that come from plugins, made fit to show: short, printable, without secrets.

Everything here may touch hostile objects, so it is called in the plugin's own thread wherever it
could run foreign code (`str` of an exception does).
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from towpath_core.errors import TowpathError

__all__ = (
    "UNREADABLE",
    "Mask",
    "describe_error",
    "line_of",
    "mask_for",
    "nearest",
    "shown",
    "traceback_of",
)

Mask = Callable[[str], str]

UNREADABLE = "(its text cannot be read)"
_MAX_LINE = 500
_SECRET_KEY = re.compile(r"secret|token|passw|credential|private|dsn|apikey|(^|[-_])key$", re.I)
_USERINFO = re.compile(r"(?<=://)[^/\s]+@")
_MASK = "***"
_NOT_THEIRS = ("importlib.", "towpath_core.plugins.")


def line_of(text: str, limit: int = _MAX_LINE) -> str:
    """Make one printable line: white space joined, other control characters escaped, cut."""
    cut = text[: limit * 4]
    joined = " ".join(cut.split())
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in joined)
    return clean if len(clean) <= limit else f"{clean[:limit]}..."


def shown(value: object, limit: int = 80) -> str:
    """Name a value for a message: a short text as it is, anything else by its type."""
    if isinstance(value, str) and len(value) <= limit:
        return line_of(repr(str.__str__(value)))
    if value is None or isinstance(value, bool):
        return str(value)
    return f"a value of type {line_of(type(value).__name__, limit)}"


def describe_error(error: BaseException, mask: Mask = str) -> str:
    """Say class, text and place of an exception. Never raises, even where its `str` does.

    The text is masked before it is cut, or the rest of a secret would be left standing. The place
    is module and line, not a path: paths tell about the machine.
    """
    name: str = type.__dict__["__name__"].__get__(type(error))
    try:
        text = mask(str.__str__(str(error)))
    except BaseException:  # `str` of a foreign exception is foreign code
        text = UNREADABLE
    said = line_of(f"{name}: {text}" if text else name)
    return said if issubclass(type(error), TowpathError) else said + _place(error)


def traceback_of(error: BaseException) -> types.TracebackType | None:
    """The traceback of an exception, past whatever its class makes of that attribute."""
    found: types.TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def _place(error: BaseException) -> str:
    """The innermost line that is neither the import system's nor the host's own."""
    place, traceback = "", traceback_of(error)
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__")
        if type(module) is str and not module.startswith(_NOT_THEIRS):
            place = f" (at {line_of(module, 100)}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return place


def mask_for(settings: Mapping[str, Any]) -> Mask:
    """Build a function that hides the secrets of a settings table in a text.

    Secrets are the values below keys that sound like one, and user information in addresses.
    """
    plain = {secret for secret in _secrets(settings, False) if len(secret) > 2}
    escaped = {repr(secret)[1:-1] for secret in plain}  # as a message with the repr has it
    secrets = sorted(plain | escaped, key=len, reverse=True)

    def mask(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _MASK)
        return _USERINFO.sub(f"{_MASK}@", text)

    return mask


def _secrets(node: object, secret: bool) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _secrets(value, secret or bool(_SECRET_KEY.search(str(key))))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _secrets(value, secret)
    elif secret and isinstance(node, str):
        yield node
    elif isinstance(node, str) and (found := _USERINFO.search(node)):
        user, _, password = found[0][:-1].partition(":")
        yield password or user


def nearest(name: str, known: list[str]) -> str:
    """Suggest the known name that a misspelt one resembles, as the end of a sentence."""
    import difflib  # only a misspelt name pays for it

    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
