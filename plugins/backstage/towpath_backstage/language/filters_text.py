"""The filters that work on text."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.utf16 import JS_SPACE, length, merged, units
from towpath_backstage.language.values import (
    UNDEFINED,
    SafeText,
    display,
    is_nothing,
    is_number,
    kind_of,
    own_keys,
    text,
    to_integer,
    to_number,
    truthy,
)

__all__ = ("TEXT_FILTERS",)

_ESCAPES = str.maketrans(
    {"&": "&amp;", '"': "&quot;", "'": "&#39;", "<": "&lt;", ">": "&gt;", "\\": "&#92;"}
)
_TAG = re.compile(r"</?([a-z][a-z0-9]*)\b[^>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL | re.ASCII)
_URI_SAFE = "-_.!~*'()"


def _subject(value: Any, filter_name: str) -> str:
    """Take what a text filter works on: nothing and false are the empty text."""
    if isinstance(value, str):
        return value
    if is_nothing(value) or value is False:
        return ""
    raise TemplateFault(f"the filter `{filter_name}` needs a text, not {kind_of(value)}")


def _like(original: Any, result: str) -> str:
    """Mark a result safe when what it was made of was."""
    return SafeText(result) if isinstance(original, SafeText) else result


def _capitalized(word: str) -> str:
    lowered = word.lower()
    return lowered[:1].upper() + lowered[1:]


def _capitalize(value: Any) -> str:
    return _like(value, _capitalized(_subject(value, "capitalize")))


def _center(value: Any, width: Any = UNDEFINED) -> str:
    subject = "" if value is False else display(value)
    spaces = (to_number(width) if truthy(width) else 80) - length(subject)
    if not spaces > 0:
        return subject
    before = max(-int(-(spaces / 2 - spaces % 2) // 1), 0)
    after = max(-int(-(spaces / 2) // 1), 0)
    return _like(value, " " * before + subject + " " * after)


def _escape(value: Any) -> str:
    return value if isinstance(value, SafeText) else _force_escape(value)


def _force_escape(value: Any) -> str:
    return SafeText(display(value).translate(_ESCAPES))


def _indent(value: Any, width: Any = UNDEFINED, first: Any = UNDEFINED) -> str:
    subject = _subject(value, "indent")
    if not subject and not isinstance(value, SafeText):
        return ""
    margin = " " * max(to_integer(width) if truthy(width) else 4, 0)
    indented = subject.replace("\n", "\n" + margin)
    return _like(value, margin + indented if truthy(first) else indented)


def _lower(value: Any) -> str:
    return _subject(value, "lower").lower()


def _upper(value: Any) -> str:
    return _subject(value, "upper").upper()


def _nl2br(value: Any) -> str:
    return _like(value, re.sub(r"\r\n|\n", "<br />\n", _subject(value, "nl2br")))


def _replace(value: Any, old: Any = UNDEFINED, new: Any = UNDEFINED, most: Any = UNDEFINED) -> Any:
    if isinstance(old, Pattern):
        return old.replace(_subject(value, "replace"), text(new))
    if not (is_number(old) or (isinstance(old, str) and not isinstance(old, SafeText))):
        return value
    if not (is_number(value) or isinstance(value, str)):
        return value
    subject, wanted, replacement = text(value), text(old), text(new)
    if wanted == "":
        return _like(value, replacement + replacement.join(units(subject)) + replacement)
    count = -1 if most is UNDEFINED else to_integer(most)
    if count < -1:
        count = 0
    return _like(value, subject.replace(wanted, replacement, count))


def _safe(value: Any) -> str:
    return value if isinstance(value, SafeText) else SafeText(display(value))


def _string(value: Any) -> str:
    return _like(value, display(value))


def _strip_tags(value: Any, keep_lines: Any = UNDEFINED) -> str:
    stripped = _TAG.sub("", _subject(value, "striptags")).strip(JS_SPACE)
    if not truthy(keep_lines):
        return _like(value, re.sub(r"\s+", " ", stripped))
    lines = re.sub(r"^ +| +$", "", stripped, flags=re.MULTILINE)
    lines = re.sub(r" +", " ", lines).replace("\r\n", "\n")
    return _like(value, re.sub(r"\n\n\n+", "\n\n", lines))


def _title(value: Any) -> str:
    return _like(value, " ".join(map(_capitalized, _subject(value, "title").split(" "))))


def _trim(value: Any) -> str:
    return _like(value, _subject(value, "trim").strip(JS_SPACE))


def _truncate(
    value: Any, size: Any = UNDEFINED, kill_words: Any = UNDEFINED, end: Any = UNDEFINED
) -> str:
    subject = units(_subject(value, "truncate"))
    most = to_number(size) if truthy(size) else 255
    if len(subject) <= most:
        return merged(subject)
    cut = to_integer(most) if most == most else len(subject)
    if not truthy(kill_words):
        space = subject.rfind(" ", 0, max(cut, 0) + 1)
        cut = cut if space < 0 else space
    ending = "..." if is_nothing(end) else text(end)
    return _like(value, merged(subject[: max(cut, 0)]) + ending)


def _urlencode(value: Any) -> str:
    if isinstance(value, str):
        return _encoded(value)
    pairs: list[Any] = []
    if isinstance(value, dict):
        pairs = [[key, value[key]] for key in own_keys(value)]
    elif isinstance(value, list):
        pairs = value
    if not all(isinstance(pair, list) for pair in pairs):
        raise TemplateFault("the filter `urlencode` needs a text, an object or a list of pairs")
    padded = [[*pair, UNDEFINED, UNDEFINED] for pair in pairs]
    return "&".join(f"{_encoded(text(pair[0]))}={_encoded(text(pair[1]))}" for pair in padded)


def _encoded(value: str) -> str:
    try:
        return quote(value, safe=_URI_SAFE)
    except UnicodeEncodeError:
        raise TemplateFault("the filter `urlencode` cannot encode a lone surrogate") from None


_PUNCTUATION = re.compile(r"(?:\(|<|&lt;)?(.*?)(?:\.|,|\)|\n|&gt;)?\Z")
_EMAIL = re.compile(
    r"[\w.!#$%&'*+\-/=?^`{|}~]+@[a-z\d\-]+(\.[a-z\d\-]+)+", re.IGNORECASE | re.ASCII
)
_DOMAIN = re.compile(r"\.(?:org|net|com)(?:\:|/|\Z)")


def _urlize(value: Any, size: Any = UNDEFINED, no_follow: Any = UNDEFINED) -> str:
    number = to_number(size)
    most = None if number != number else to_integer(size)
    attribute = ' rel="nofollow"' if no_follow is True else ""
    words = re.split(r"(\s+)", _subject(value, "urlize"))
    return "".join(_linked(word, most, attribute) for word in words)


def _linked(word: str, most: int | None, attribute: str) -> str:
    match = _PUNCTUATION.match(word)
    target = match.group(1) if match else word
    shown = target if most is None else target[: max(most, 0)]
    if target.startswith(("http://", "https://")):
        return f'<a href="{target}"{attribute}>{shown}</a>'
    if target.startswith("www."):
        return f'<a href="http://{target}"{attribute}>{shown}</a>'
    if _EMAIL.fullmatch(target):
        return f'<a href="mailto:{target}">{target}</a>'
    if _DOMAIN.search(target):
        return f'<a href="http://{target}"{attribute}>{shown}</a>'
    return word


def _word_count(value: Any) -> int | None:
    if not truthy(value):
        return None
    return len(re.findall(r"\w+", _subject(value, "wordcount"), re.ASCII)) or None


TEXT_FILTERS = {
    "capitalize": _capitalize,
    "center": _center,
    "e": _escape,
    "escape": _escape,
    "forceescape": _force_escape,
    "indent": _indent,
    "lower": _lower,
    "nl2br": _nl2br,
    "replace": _replace,
    "safe": _safe,
    "string": _string,
    "striptags": _strip_tags,
    "title": _title,
    "trim": _trim,
    "truncate": _truncate,
    "upper": _upper,
    "urlencode": _urlencode,
    "urlize": _urlize,
    "wordcount": _word_count,
}
