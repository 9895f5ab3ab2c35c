"""What a scalar means: the core schema of YAML 1.2, and keys as JavaScript writes them.

Only `true`, `false`, `null`, `~` and numbers are more than text. `yes`, `on`, dates and `22:22`
stay text: this is where YAML 1.1 readers surprise people.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal

from towpath_backstage.yaml.limits import YamlFault, YamlLimits, fault_at

__all__ = (
    "CORE_TAG",
    "TYPED_STARTS",
    "WORDS",
    "Scalar",
    "key_text",
    "shown",
    "tagged",
    "typed",
    "unknown_tag",
)

Scalar = str | int | float | bool | None

TYPED_STARTS = frozenset("0123456789+-.~nNtTfF")
"""Characters that a plain scalar may begin with that is more than text. Most begin otherwise."""

CORE_TAG = "tag:yaml.org,2002:"

_TAG_TYPES: dict[str, tuple[type, ...]] = {
    f"{CORE_TAG}int": (int,),
    f"{CORE_TAG}float": (float, int),
    f"{CORE_TAG}bool": (bool,),
    f"{CORE_TAG}null": (type(None),),
}
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
"""Plain scalars that are no text and no number."""

_WORD_STARTS = frozenset("~nNtTfF")
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]++)"
    r"|0o(?P<oct>[0-7]++)"
    r"|0x(?P<hex>[0-9a-fA-F]++)"
    r"|(?P<float>[-+]?(?:\.[0-9]++|[0-9]++(?:\.[0-9]*+)?)(?:[eE][-+]?[0-9]++)?)"
    r"|(?P<none>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_EXACT_FLOAT = 2.0**53
_BASES = {"oct": 8, "hex": 16}
_PLAIN_IN_FLOW = re.compile(
    r"[^\s\[\]{},:#&*!|>'\"%@`?-](?:(?:[^\[\]{},:#\n]|:(?=[^\s\[\]{},])|(?<=\S)#)*(?<=[^\s:]))?"
)


def typed(text: str, mark: object, limits: YamlLimits) -> Scalar:
    """The value of a plain scalar.

    Whole floats become integers, as JavaScript has one number type and writes `1.0` as `1`.

    Raises:
        YamlFault: a number that JSON has no way to write, or one of too many digits.
    """
    if not text or text[0] in _WORD_STARTS:
        return WORDS.get(text, text)
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    if len(text) > limits.digits:
        why = f"a number of {len(text):,} characters goes over the budget `digits` of"
        raise fault_at(mark, "yaml-limit", f"{why} {limits.digits}; quote it if it is text")
    kind = str(found.lastgroup)
    if kind == "int":
        return int(text)
    if kind in _BASES:
        return int(found[kind], _BASES[kind])
    number = float(text) if kind == "float" else math.inf
    if not math.isfinite(number):
        why = f"{text} is read as a number, and JSON cannot write it"
        raise fault_at(mark, "yaml-number", f"{why}; quote it if it is text")
    return int(number) if number.is_integer() and abs(number) < _EXACT_FLOAT else number


def tagged(text: str, tag: str, mark: object, limits: YamlLimits) -> Scalar:
    """The value of a scalar with an explicit tag; the tags of the core schema only.

    Raises:
        YamlFault: any other tag, or a text that the tag does not fit.
    """
    if tag in ("!", f"{CORE_TAG}str"):
        return text
    if tag not in _TAG_TYPES:
        raise unknown_tag(tag, mark)
    value = typed(text, mark, limits)
    if type(value) not in _TAG_TYPES[tag]:
        raise fault_at(mark, "yaml-tag", f"{shown(text)} is not a value of the tag {_short(tag)}")
    return value


def unknown_tag(tag: str, mark: object) -> YamlFault:
    """The fault for a tag outside the core schema: nothing is constructed from it."""
    why = f"the tag {shown(_short(tag))} is not read; write plain YAML without it"
    return fault_at(mark, "yaml-tag", why)


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(CORE_TAG)}" if tag.startswith(CORE_TAG) else tag


def key_text(value: object, mark: object, limits: YamlLimits) -> str:
    """A key as text, the way JavaScript writes one: `1.0` as `1`, null as nothing.

    A key that is a collection becomes its flow form, so `{{ x }}` has the key `{ x }`.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _flow_text(value, mark, limits)


def _flow_text(root: object, mark: object, limits: YamlLimits) -> str:
    """JSON data on one line in YAML's flow style, built without recursion."""
    parts: list[str] = []
    room = limits.key_characters
    todo: list[tuple[bool, object]] = [(False, root)]
    while todo:
        literal, item = todo.pop()
        if isinstance(item, dict) and not literal:
            todo += reversed(_mapping_parts(item))
            continue
        if isinstance(item, list) and not literal:
            todo += reversed(_sequence_parts(item))
            continue
        # A long text is over the budget however it is quoted, so it is not looked at.
        whole = not literal and not (isinstance(item, str) and len(item) > room)
        part = _scalar_text(item) if whole else str(item)
        parts.append(part)
        room -= len(part)
        if room < 0:
            why = f"a key longer than the budget `key_characters` of {limits.key_characters}"
            raise fault_at(mark, "yaml-limit", f"{why} cannot be written as text")
    return "".join(parts)


def _mapping_parts(members: dict[str, object]) -> list[tuple[bool, object]]:
    parts: list[tuple[bool, object]] = []
    for key, value in members.items():
        parts += ((True, ", "), (False, key))
        if value is not None:
            parts += ((True, ": "), (False, value))
    return [(True, "{ "), *parts[1:], (True, " }")] if parts else [(True, "{}")]


def _sequence_parts(items: list[object]) -> list[tuple[bool, object]]:
    parts: list[tuple[bool, object]] = []
    for item in items:
        parts += ((True, ", "), (False, item))
    return [(True, "[ "), *parts[1:], (True, " ]")] if parts else [(True, "[]")]


def _scalar_text(value: object) -> str:
    if isinstance(value, str):
        plain = value not in WORDS and not _NUMBER.fullmatch(value)
        good = plain and _PLAIN_IN_FLOW.fullmatch(value)
        return value if good else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _float_text(value: float) -> str:
    if 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return re.sub(r"e([-+])0*", r"e\1", repr(value))


def shown(text: str) -> str:
    """A text as it may stand in a message: quoted, without control characters, cut."""
    return repr(text) if len(text) <= 80 else f"{text[:80]!r}..."
