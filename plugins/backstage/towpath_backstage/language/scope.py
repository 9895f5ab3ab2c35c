"""nunjucks' scopes for the variables that `set` writes.

In nunjucks a `set` inside a loop writes the variable outside when there is one, and else one that
lives as long as the loop. Jinja2 gives each pass of a loop and each captured block a scope of its
own, and hides a variable of the context from a loop when a `set` of that name follows it. So names
that are set (most templates have none) are kept in frames at run time, not in Jinja2's variables.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from towpath_backstage.language.build import apply, plain
from towpath_backstage.language.values import UNDEFINED

__all__ = ("Frames", "keep_in_frames")


_Called = TypeVar("_Called", nodes.Macro, nodes.CallBlock)


class _Frame:
    """Variables of one place.

    Attributes:
        closed: nothing outside can be written from here, and only the template's own read.
        declared: names that belong here whatever their value; any other one that is undefined is
            looked for outside.
    """

    def __init__(self, closed: bool) -> None:
        self.closed = closed
        self.variables: dict[str, Any] = {}
        self.declared: set[str] = set()

    def has(self, variable: str) -> bool:
        value = self.variables.get(variable, UNDEFINED)
        return value is not UNDEFINED or variable in self.declared


class Frames:
    """The frames of one render, the template's own at the bottom."""

    def __init__(self) -> None:
        self._root = _Frame(closed=True)
        self._stack = [self._root]

    def push(self, closed: bool) -> None:
        """Enter a loop, or a macro, which is closed."""
        self._stack.append(_Frame(closed))

    def pop(self) -> None:
        """Leave it."""
        self._stack.pop()

    def declare(self, variable: str, value: Any) -> None:
        """Write in the innermost frame, to which the variable belongs."""
        self._stack[-1].variables[variable] = value
        self._stack[-1].declared.add(variable)

    def assign(self, variable: str, value: Any) -> None:
        """Write where the variable is, or in the innermost frame."""
        for frame in reversed(self._stack):
            if frame.has(variable):
                frame.variables[variable] = value
                return
            if frame.closed:
                break
        self._stack[-1].variables[variable] = value

    def read(self, variable: str, otherwise: Any) -> Any:
        """Read the variable, or give what the context has under its name."""
        for frame in reversed(self._stack):
            if frame.has(variable):
                return frame.variables[variable]
            if frame.closed:
                break
        return self._root.variables.get(variable, otherwise)


def keep_in_frames(body: list[nodes.Node], names: set[str]) -> list[nodes.Node]:
    """Rewrite a parsed template so that the names live in frames."""
    template = nodes.Template(body, lineno=1)
    _Rewriter(names).visit(template)
    return template.body


class _Rewriter(NodeTransformer):
    """Replaces reads and writes; loops and macros enter and leave frames."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        """Read through the frames."""
        if node.ctx != "load" or node.name not in self._names:
            return node
        return apply("frame_read", node.lineno, plain(node.name, node.lineno), node)

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:
        """Write through the frames."""
        self.generic_visit(node)
        target = node.target
        if not isinstance(target, nodes.Name) or target.name not in self._names:
            return node
        return _write("frame_assign", target, cast(nodes.Expr, node.node))

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> list[nodes.Node]:
        """Capture first, then write through the frames."""
        self.generic_visit(node)
        target = node.target
        if not isinstance(target, nodes.Name) or target.name not in self._names:
            return [node]
        line = node.lineno
        node.target = nodes.Name("captured", "store", lineno=line)
        captured = nodes.Name("captured", "load", lineno=line)
        return [node, _write("frame_assign", target, captured)]

    def visit_For(self, node: nodes.For) -> list[nodes.Node]:
        """Give the whole loop one frame, which its target is declared in at each pass."""
        self.generic_visit(node)
        node.body = [*self._declared(node.target), *node.body]
        line = node.lineno
        return [_step("frame_push", line, plain(False, line)), node, _step("frame_pop", line)]

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:
        """Give each call a closed frame."""
        return self._framed(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:
        """Give each call of the block a closed frame."""
        return self._framed(node)

    def _framed(self, node: _Called) -> _Called:
        self.generic_visit(node)
        line = node.lineno
        declared: list[nodes.Node] = [step for param in node.args for step in self._declared(param)]
        push = _step("frame_push", line, plain(True, line))
        node.body = [push, *declared, *node.body, _step("frame_pop", line)]
        return node

    def _declared(self, target: nodes.Node) -> list[nodes.Node]:
        found = [target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name)
        return [
            _write("frame_declare", name, nodes.Name(name.name, "load", lineno=name.lineno))
            for name in found
            if name.name in self._names
        ]


def _write(operation: str, target: nodes.Name, value: nodes.Expr) -> nodes.Node:
    line = target.lineno
    return nodes.ExprStmt(apply(operation, line, plain(target.name, line), value), lineno=line)


def _step(operation: str, line: int, *args: nodes.Expr) -> nodes.Node:
    return nodes.ExprStmt(apply(operation, line, *(args or (plain(None, line),))), lineno=line)
