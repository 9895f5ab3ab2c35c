"""Chains of operators, bound as the JavaScript that nunjucks generates would be."""

from __future__ import annotations

from jinja2 import nodes

from towpath_backstage.language.build import apply

__all__ = ("OPERATORS", "Chain", "bind", "negated")

Chain = list[nodes.Expr | str]
"""Operands with the operators between them, not bound yet."""

_PRECEDENCE = {
    "==": 1, "!=": 1, "===": 1, "!==": 1,
    "<": 2, ">": 2, "<=": 2, ">=": 2,
    "+": 3, "-": 3,
    "*": 4, "/": 4, "%": 4,
}  # fmt: skip
OPERATORS = frozenset(_PRECEDENCE)
"""The operators that a chain may hold."""


def bind(chain: Chain) -> nodes.Expr:
    """Bind a chain by JavaScript's precedences, from left to right."""
    operands: list[nodes.Expr] = [_operand(chain[0])]
    operators: list[str] = []

    def reduce(lowest: int) -> None:
        while operators and _PRECEDENCE[operators[-1]] >= lowest:
            right = operands.pop()
            left = operands.pop()
            operands.append(apply(operators.pop(), left.lineno, left, right))

    for operator, operand in zip(chain[1::2], chain[2::2], strict=True):
        reduce(_PRECEDENCE[str(operator)])
        operators.append(str(operator))
        operands.append(_operand(operand))
    reduce(0)
    return operands[0]


def negated(chain: Chain, line: int) -> Chain:
    """Put `not` before a chain; its sign binds tighter than any operator that follows."""
    return [apply("!", line, _operand(chain[0])), *chain[1:]]


def _operand(part: nodes.Expr | str) -> nodes.Expr:
    if isinstance(part, str):
        raise TypeError("an operator stands where an operand belongs")
    return part
