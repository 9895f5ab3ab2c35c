"""Builds Jinja2 nodes whose meaning is JavaScript's.

Every operation is a call of an internal filter, because Jinja2 compiles a filter to a plain call of
a function it has looked up once. Their names begin with `~`, which no template can write. Names of
the template get a prefix, so that no variable can meet a name of Jinja2's or Python's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import nodes

__all__ = (
    "LOOP",
    "RESULT",
    "apply",
    "filtered",
    "mangled",
    "name",
    "plain",
    "store",
    "unmangled",
)

_SIMPLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

RESULT = "result"
"""The name that the value of a template is kept under, outside the template's own names."""


def mangled(variable: str) -> str:
    """Turn a template's name into one that is safe in generated code; reversible."""
    if _SIMPLE.fullmatch(variable):
        return f"v_{variable}"
    return f"x_{variable.encode('utf-8', 'surrogatepass').hex()}"


def unmangled(variable: str) -> str:
    """Give back the template's name."""
    if variable.startswith("v_"):
        return variable[2:]
    return bytes.fromhex(variable[2:]).decode("utf-8", "surrogatepass")


LOOP = mangled("loop")


def apply(operation: str, line: int, first: nodes.Expr, *rest: nodes.Expr) -> nodes.Expr:
    """Call an internal operation."""
    return filtered(f"~{operation}", line, first, rest)


def filtered(
    filter_name: str, line: int, first: nodes.Expr | None, rest: Sequence[nodes.Expr]
) -> nodes.Filter:
    """Call a filter by its full name; without a first operand, on what a block holds."""
    return nodes.Filter(first, filter_name, list(rest), [], None, None, lineno=line)


def name(variable: str, line: int) -> nodes.Name:
    """Read a template's variable."""
    return nodes.Name(mangled(variable), "load", lineno=line)


def store(variable: str, line: int) -> nodes.Name:
    """Write a template's variable."""
    return nodes.Name(mangled(variable), "store", lineno=line)


def plain(value: str | int | float | bool | None, line: int) -> nodes.Const:
    """Write a constant."""
    return nodes.Const(value, lineno=line)
