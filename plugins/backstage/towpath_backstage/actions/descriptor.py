"""An entity as YAML that every reader takes for the same data.

Knows nothing of actions or files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from towpath_core.errors import Invalid

__all__ = ("to_yaml",)

_MAX_DEPTH = 100
_MAX_NODES = 100_000


class _Dumper(yaml.SafeDumper):
    """PyYAML's, which writes YAML 1.1, told to quote what YAML 1.2 would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write data out wherever it stands: readers refuse anchors."""
        return True


_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OCTAL_OR_HEX = re.compile(r"[-+]?0(o[0-7]+|x[0-9a-fA-F]+)")
for _pattern in (_NUMBER, _OCTAL_OR_HEX):
    _Dumper.add_implicit_resolver(
        "tag:towpath.dev,2026:number",
        re.compile(f"^(?:{_pattern.pattern})$"),
        list("-+.0123456789"),
    )


def to_yaml(entity: Mapping[str, Any]) -> str:
    """Write JSON data as YAML, in its own order of keys.

    A reader of YAML 1.1 and one of YAML 1.2 get the same data back.

    Raises:
        Invalid: it is deeper or larger than any entity, or is no JSON.
    """
    _check(entity)
    try:
        text: str = yaml.dump(
            dict(entity), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
    except yaml.YAMLError as error:
        raise Invalid("The entity cannot be written as YAML.", why=str(error)) from error
    return text


def _check(data: object) -> None:
    left = _MAX_NODES
    waiting: list[tuple[object, int]] = [(data, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, str) and _SURROGATE.search(node):
            raise Invalid("The entity holds half a surrogate pair, which is no text.")
        inner: list[object] = []
        if isinstance(node, dict):
            inner = [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple):
            inner = list(node)
        left -= len(inner)
        if depth > _MAX_DEPTH or left < 0:
            raise Invalid(
                f"The entity is deeper than {_MAX_DEPTH} or larger than {_MAX_NODES} values."
            )
        waiting += [(child, depth + 1) for child in inner]
