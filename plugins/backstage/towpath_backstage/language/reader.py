"""Steps through tokens, and says what stands where something else was expected."""

from __future__ import annotations

from typing import NoReturn

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.lexer import Token

__all__ = ("Reader",)

_HINTS = {
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "?": "write `a if condition else b`",
    "?.": "write `.`; a lookup on undefined is undefined",
}


class Reader:
    """The tokens of one template and a place among them."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0

    def peek(self, ahead: int = 0) -> Token:
        """Look at the next token, or at one after it; the last one is `end`."""
        return self._tokens[min(self._index + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        """Take the next token; `end` stays."""
        token = self.peek()
        self._index += token.kind != "end"
        return token

    def at(self, kind: str, *values: str) -> bool:
        """Whether the next token is of a kind, and one of the values where any are given."""
        token = self.peek()
        return token.kind == kind and (not values or token.value in values)

    def skip(self, kind: str, *values: str) -> bool:
        """Take the next token if it is the one that is asked for."""
        found = self.at(kind, *values)
        self._index += found and kind != "end"
        return found

    def expect(self, kind: str, where: str) -> Token:
        """Take a token of a kind; fail where there is another."""
        if not self.at(kind):
            self.fail(f"expected a {kind} {where}")
        return self.next()

    def expect_sign(self, sign: str, where: str) -> Token:
        """Take a sign or a word; fail where there is another."""
        if not self.at("op", sign) and not self.at("symbol", sign):
            self.fail(f"expected `{sign}` {where}")
        return self.next()

    def fail(self, expected: str) -> NoReturn:
        """Refuse the next token, with a hint for what other languages would allow."""
        token = self.peek()
        found = f"`{token.value.strip() or token.kind}`"
        if token.kind == "end":
            found = "the end of the template"
        doubled = token.value == "|" and self.peek(-1).value == "|"
        hint = _HINTS.get("||" if doubled else token.value)
        raise TemplateFault(f"{expected}, found {found}{f' ({hint})' if hint else ''}", token.line)
