"""The grammar of expressions.

nunjucks parses with precedences of its own and then writes JavaScript without parentheses, so the
meaning of a chain of operators is JavaScript's: `not a == b` is `(!a) == b`, and `'x' ~ 1 + 2` is
`x12`. A chain is therefore collected flat here and bound by JavaScript's precedences.
"""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import nodes

from towpath_backstage.language.build import apply, filtered, name, plain, unmangled
from towpath_backstage.language.chains import OPERATORS, Chain, bind, negated
from towpath_backstage.language.lexer import Dialect, Token
from towpath_backstage.language.numerals import parse_number
from towpath_backstage.language.reader import Reader

__all__ = ("ExpressionParser",)

_CHAINED = OPERATORS - {"%"} | {"~"}
_OPERANDS = frozenset({"string", "int", "float", "regex", "symbol"})
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}
_PYTHON_WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}


class ExpressionParser:
    """Reads expressions and gives Jinja2 nodes.

    Args:
        reader: the tokens.
        dialect: how the template is written.
        filters: names that may follow a `|`.

    Attributes:
        macros: how many macros are open here; inside one, `caller` is a special name.
    """

    def __init__(self, reader: Reader, dialect: Dialect, filters: frozenset[str]) -> None:
        self._reader = reader
        self._dialect = dialect
        self._filters = filters
        self.macros = 0

    # From loosest to tightest

    def expression(self) -> nodes.Expr:
        """Read one expression, inline `if` included."""
        value = self._or()
        line = self._reader.peek().line
        if not self._reader.skip("symbol", "if"):
            return value
        test = apply("truthy", line, self._or())
        other = self._or() if self._reader.skip("symbol", "else") else plain("", line)
        return nodes.CondExpr(test, value, other, lineno=line)

    def _or(self) -> nodes.Expr:
        return self._logic("or", self._and, nodes.Or)

    def _and(self) -> nodes.Expr:
        return self._logic("and", lambda: bind(self._not()), nodes.And)

    def _logic(
        self,
        word: str,
        operand: Callable[[], nodes.Expr],
        node: type[nodes.Or] | type[nodes.And],
    ) -> nodes.Expr:
        """Join operands so that one of them is the answer and each is evaluated at most once."""
        left = operand()
        if not self._reader.at("symbol", word):
            return left
        line = self._reader.peek().line
        left = apply("box", line, left)
        while self._reader.skip("symbol", word):
            left = node(left, apply("box", line, operand()), lineno=line)
        return apply("unbox", line, left)

    def _not(self) -> Chain:
        line = self._reader.peek().line
        if not self._reader.skip("symbol", "not"):
            return self._in()
        return negated(self._not(), line)

    def _in(self) -> Chain:
        chain = self._is()
        while True:
            line = self._reader.peek().line
            following = self._reader.peek(1)
            inverted = self._reader.at("symbol", "not") and following[:2] == ("symbol", "in")
            if inverted:
                self._reader.next()
            if not self._reader.skip("symbol", "in"):
                return chain
            found = apply("in", line, bind(chain), bind(self._is()))
            chain = [apply("!", line, found) if inverted else found]

    def _is(self) -> Chain:
        chain = self._chain()
        line = self._reader.peek().line
        if not self._reader.skip("symbol", "is"):
            return chain
        inverted = self._reader.skip("symbol", "not")
        if not self._reader.at("symbol") and not self._reader.at("string"):
            self._reader.fail("expected the name of a test after `is`")
        token = self._reader.next()
        args = self.arguments() if self._reader.at("op", "(") else []
        test = apply("is", line, bind(chain), plain(token.value, line), *args)
        return [apply("!", line, test) if inverted else test]

    def _chain(self) -> Chain:
        chain = self._whole_quotient()
        while self._reader.peek().kind == "op" and self._reader.peek().value in _CHAINED:
            operator = self._reader.next()
            if operator.value == "~":
                chain += ["+", plain("", operator.line), "+"]
            else:
                chain.append(operator.value)
            chain += self._whole_quotient()
        return chain

    def _whole_quotient(self) -> Chain:
        chain = self._remainder()
        while self._reader.at("op", "//"):
            line = self._reader.next().line
            quotient = bind([*chain, "/", *self._remainder()])
            chain = [apply("floor", line, quotient)]
        return chain

    def _remainder(self) -> Chain:
        chain: Chain = [self._power()]
        while self._reader.skip("op", "%"):
            chain += ["%", self._power()]
        return chain

    def _power(self) -> nodes.Expr:
        base = self._unary()
        while self._reader.at("op", "**"):
            line = self._reader.next().line
            base = apply("**", line, base, self._unary())
        return base

    def _unary(self, filters: bool = True) -> nodes.Expr:
        token = self._reader.peek()
        value: nodes.Expr
        if self._reader.skip("op", "-"):
            value = apply("neg", token.line, self._unary(filters=False))
        elif self._reader.skip("op", "+"):
            value = apply("pos", token.line, self._unary(filters=False))
        else:
            value = self.operand()
        return self._filtered(value) if filters else value

    def _filtered(self, value: nodes.Expr) -> nodes.Expr:
        while self._reader.at("op", "|"):
            line = self._reader.next().line
            value = self.filter_call(value, line)
        return value

    def filter_call(self, value: nodes.Expr | None, line: int) -> nodes.Filter:
        """Read a filter's name and arguments; without a value it works on a block."""
        filter_name = self._reader.expect("symbol", "after `|`").value
        while self._reader.skip("op", "."):
            filter_name += "." + self._reader.expect("symbol", "after `.`").value
        args = self.arguments() if self._reader.at("op", "(") else []
        if filter_name not in self._filters:
            # nunjucks finds out only when it gets there, so a dead branch may name any filter.
            return filtered("~unknown", line, value, [plain(filter_name, line)])
        return filtered(filter_name, line, value, args)

    # Operands

    def operand(self) -> nodes.Expr:
        """Read an operand with its lookups and calls."""
        return self._postfix(self._primary())

    def _primary(self) -> nodes.Expr:
        token = self._reader.peek()
        if token.kind not in _OPERANDS and not self._reader.at("op", "(", "[", "{"):
            self._reader.fail("expected an expression")
        self._reader.next()
        line = token.line
        match token.kind:
            case "string":
                return plain(token.value, line)
            case "int" | "float":
                return self._number(token)
            case "regex":
                body, _, flags = token.value.rpartition("\0")
                return apply("regex", line, plain(body, line), plain(flags, line))
            case "symbol":
                return self._symbol(token)
            case "op" if token.value == "(":
                return self._group(line)
            case "op" if token.value == "[":
                return nodes.List(self._items("]"), lineno=line)
        return self._dict(line)

    def _group(self, line: int) -> nodes.Expr:
        if self._reader.at("op", ")"):
            self._reader.fail("expected an expression between `(` and `)`")
        items = self._items(")")
        return items[0] if len(items) == 1 else apply("last", line, *items)

    def _number(self, token: Token) -> nodes.Expr:
        value = parse_number(token.value)
        if value == float("inf"):
            return apply("pos", token.line, plain("Infinity", token.line))
        return plain(value, token.line)

    def _symbol(self, token: Token) -> nodes.Expr:
        if token.value in _WORDS:
            return plain(_WORDS[token.value], token.line)
        if self._dialect.python_names and token.value in _PYTHON_WORDS:
            return plain(_PYTHON_WORDS[token.value], token.line)
        if token.value == "caller" and self.macros:
            return nodes.Name("caller", "load", lineno=token.line)
        return name(token.value, token.line)

    def _items(self, closing: str) -> list[nodes.Expr]:
        items: list[nodes.Expr] = []
        while not self._reader.skip("op", closing):
            if items:
                self._reader.expect_sign(",", "between the values")
            items.append(self.expression())
        return items

    def _dict(self, line: int) -> nodes.Dict:
        pairs: list[nodes.Pair] = []
        while not self._reader.skip("op", "}"):
            if pairs:
                self._reader.expect_sign(",", "between the entries")
            key = self._reader.peek()
            if key.kind not in ("symbol", "string"):
                self._reader.fail("expected a name or a string as key")
            self._reader.next()
            self._reader.expect_sign(":", "after a key")
            pairs.append(nodes.Pair(plain(key.value, key.line), self.expression(), lineno=key.line))
        return nodes.Dict(pairs, lineno=line)

    def _postfix(self, value: nodes.Expr) -> nodes.Expr:
        while self._reader.peek().kind == "op":
            token = self._reader.peek()
            if token.value == "(":
                called = plain(_described(value), token.line)
                value = apply("call", token.line, value, called, *self.arguments())
            elif token.value == "[":
                self._reader.next()
                value = self._index_of(value, token.line)
            elif token.value == ".":
                self._reader.next()
                key = self._reader.expect("symbol", "after `.`")
                value = apply("member", token.line, value, plain(key.value, key.line))
            else:
                break
        return value

    def _index_of(self, value: nodes.Expr, line: int) -> nodes.Expr:
        if not self._dialect.python_names:
            index = self.expression()
            self._reader.expect_sign("]", "after an index")
            return apply("member", line, value, index)
        bounds: list[nodes.Expr] = []
        while len(bounds) < 3:
            empty = self._reader.at("op", ":", "]") if bounds else self._reader.at("op", ":")
            bounds.append(plain(None, line) if empty else self.expression())
            if not self._reader.skip("op", ":"):
                break
        self._reader.expect_sign("]", "after an index")
        if len(bounds) == 1 and not empty:
            return apply("member", line, value, *bounds)
        bounds += [plain(None, line)] * (3 - len(bounds))
        return apply("slice", line, value, *bounds)

    def arguments(self) -> list[nodes.Expr]:
        """Read `(a, b, key=value)`; keyword arguments become one last argument."""
        line = self._reader.expect_sign("(", "before the arguments").line
        args: list[nodes.Expr] = []
        keywords: list[nodes.Pair] = []
        while not self._reader.skip("op", ")"):
            if args or keywords:
                self._reader.expect_sign(",", "between the arguments")
            key = self._reader.peek()
            if key.kind == "symbol" and self._reader.peek(1)[:2] == ("op", "="):
                self._reader.next()
                self._reader.next()
                keywords.append(nodes.Pair(plain(key.value, line), self.expression(), lineno=line))
            else:
                args.append(self.expression())
        if keywords:
            args.append(apply("keywords", line, nodes.Dict(keywords, lineno=line)))
        return args


def _described(node: nodes.Expr) -> str:
    """Write a callee as the template does, for a message."""
    if isinstance(node, nodes.Name):
        return "caller" if node.name == "caller" else unmangled(node.name)
    if isinstance(node, nodes.Filter) and node.name == "~member" and node.node is not None:
        key = node.args[0]
        owner = _described(node.node)
        return f"{owner}.{key.value}" if isinstance(key, nodes.Const) else f"{owner}[..]"
    return "(..)"
