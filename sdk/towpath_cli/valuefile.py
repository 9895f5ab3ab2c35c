"""Files of values: YAML 1.2 or JSON, read as the platform reads YAML.

PyYAML by itself reads YAML 1.1, where a country code `NO` is false and `22:30` a number.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from towpath_cli.failure import USAGE, Failed

__all__ = ("read_values",)

_MAX_BYTES = 1_000_000
_ANOTHER = "but found another document"
"""How PyYAML says that a file has a second document."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2 core scalars; a key that stands twice in one mapping is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if isinstance(key, str) and key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key!r} stands here twice", problem_mark=key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else id(key_node))
        return super().construct_mapping(node, deep=deep)


def _parsed(text: str) -> Any:
    if text.lstrip().startswith("{"):
        # YAML reads most JSON, but not characters written as two surrogate escapes.
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            pass
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer rules


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} stands twice in one object")
        found[key] = value
    return found


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    for prefix, base in (("0o", 8), ("0x", 16)):
        if text.startswith(prefix):
            return int(text[2:], base)
    return int(text)  # with a leading zero it is decimal, unlike in YAML 1.1


def _core() -> None:
    rules = (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    )
    for tag, pattern, firsts in rules:
        _Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(firsts)
        )


_core()
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def read_values(path: str, *, several: str | None = None) -> dict[str, Any]:
    """Read a file of values; `-` is standard input.

    Args:
        path: of the file.
        several: what to do next where it holds more than one document.

    Raises:
        Failed: it cannot be read, is not YAML, or does not hold names and values; says where.
    """
    try:
        if path == "-":
            text = sys.stdin.read(_MAX_BYTES + 1)
        else:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(_MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failed(f"{path} cannot be read.", why=reason, code=USAGE) from error
    if len(text) > _MAX_BYTES:
        raise Failed(f"{path} is longer than {_MAX_BYTES} characters.", code=USAGE)
    try:
        values = _parsed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        if error.problem == _ANOTHER:
            another = [f"{place}: here another one begins"]
            what = f"{path} holds more than one document."
            raise Failed(what, next=several, lines=another, code=USAGE) from error
        fault = f"{place}: {error.problem or error.context}"
        raise Failed(f"{path} is not YAML.", lines=[fault], code=USAGE) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Failed(f"{path} is not YAML.", why=str(error)[:200], code=USAGE) from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise Failed(f"{path} does not hold names and values.", code=USAGE)
    return values
