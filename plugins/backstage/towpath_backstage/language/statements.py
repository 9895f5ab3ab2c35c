"""The grammar of tags and whole templates."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import nodes

from towpath_backstage.language.build import LOOP, apply, mangled, name, plain, store
from towpath_backstage.language.expressions import ExpressionParser
from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.lexer import Dialect, tokenize
from towpath_backstage.language.reader import Reader

__all__ = ("Parser",)

_LOADING = frozenset({"include", "import", "from", "extends"})


class Parser:
    """Parses one template; use once.

    Attributes:
        assigned: names that a `set` writes, mangled; see `scope` for why they are special.
    """

    def __init__(self, source: str, dialect: Dialect, filters: frozenset[str]) -> None:
        self._reader = Reader(tokenize(source, dialect))
        self._expressions = ExpressionParser(self._reader, dialect, filters)
        self.assigned: set[str] = set()
        self._switches = 0
        self._open: list[tuple[str, int]] = []
        self._statements: dict[str, Callable[[], list[nodes.Node]]] = {
            "block": self._block,
            "call": self._call,
            "filter": self._filter,
            "for": self._for,
            "if": self._if,
            "macro": self._macro,
            "set": self._set,
            "switch": self._switch,
        }

    def parse(self) -> list[nodes.Node]:
        """Read the whole template.

        Raises:
            TemplateFault: it is not one, with the line.
        """
        return self._body()

    # Bodies

    def _body(self, *ends: str) -> list[nodes.Node]:
        """Read until a tag among `ends`, which is left with its name as the next token."""
        body: list[nodes.Node] = []
        output: list[nodes.Expr] = []
        while not self._reader.at("end"):
            token = self._reader.next()
            if token.kind == "data":
                output.append(nodes.TemplateData(token.value, lineno=token.line))
            elif token.kind == "variable_start":
                output.append(self._expressions.expression())
                self._expect_end("variable_end", "expression")
            else:
                _flush(output, body)
                if self._reader.at("symbol", *ends) and ends:
                    return body
                body += self._statement()
        if ends:
            tag, line = self._open[-1]
            raise TemplateFault(f"this `{tag}` has no end: `{ends[-1]}` is missing", line)
        _flush(output, body)
        return body

    def _statement(self) -> list[nodes.Node]:
        token = self._reader.peek()
        if token.kind != "symbol":
            self._reader.fail("expected the name of a tag")
        if token.value in _LOADING:
            raise TemplateFault(
                f"`{token.value}` cannot be used: a template stands alone", token.line
            )
        read = self._statements.get(token.value)
        if read is None:
            inside = f" inside `{self._open[-1][0]}`" if self._open else ""
            raise TemplateFault(f"unknown tag `{token.value}`{inside}", token.line)
        self._reader.next()
        self._open.append((token.value, token.line))
        statement = read()
        self._open.pop()
        return statement

    def _expect_end(self, kind: str, what: str) -> None:
        if not self._reader.skip(kind):
            self._reader.fail(f"expected the {what} to end")

    def _end_tag(self, what: str) -> None:
        self._expect_end("block_end", f"`{what}` tag")

    def _close(self) -> str:
        """Read the rest of the tag that ended a body; gives its name."""
        tag = self._reader.next().value
        self._end_tag(tag)
        return tag

    # Tags

    def _if(self) -> list[nodes.Node]:
        first = self._branch()
        while True:
            tag = self._reader.peek().value
            if tag in ("elif", "elseif"):
                self._reader.next()
                first.elif_.append(self._branch())
                continue
            self._close()
            if tag == "else":
                first.else_ = self._body("endif")
                self._close()
            return [first]

    def _branch(self) -> nodes.If:
        line = self._reader.peek().line
        test = apply("truthy", line, self._expressions.expression())
        self._end_tag("if")
        body = self._body("elif", "elseif", "else", "endif")
        return nodes.If(test, body, [], [], lineno=line)

    def _for(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        targets = [self._reader.expect("symbol", "after `for`").value]
        while self._reader.skip("op", ","):
            targets.append(self._reader.expect("symbol", "after `,`").value)
        self._reader.expect_sign("in", "in the `for` tag")
        items = apply("iterate", line, self._expressions.expression(), plain(len(targets), line))
        self._end_tag("for")
        body = self._body("else", "endfor")
        otherwise: list[nodes.Node] = []
        if self._close() == "else":
            otherwise = self._body("endfor")
            self._close()
        if any(node.name == LOOP for part in body for node in part.find_all(nodes.Name)):
            # `loop` becomes plain data, so that nothing of Jinja2's own object can be reached.
            state = apply("loop", line, nodes.Name("loop", "load", lineno=line))
            body = [nodes.Assign(store("loop", line), state, lineno=line), *body]
        names: list[nodes.Expr] = [store(target, line) for target in targets]
        target = names[0] if len(names) == 1 else nodes.Tuple(names, "store", lineno=line)
        return [nodes.For(target, items, body, otherwise, None, False, lineno=line)]

    def _set(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        targets = [self._reader.expect("symbol", "after `set`").value]
        while self._reader.skip("op", ","):
            targets.append(self._reader.expect("symbol", "after `,`").value)
        first = store(targets[0], line)
        assign: nodes.Node
        if self._reader.skip("op", "="):
            assign = nodes.Assign(first, self._expressions.expression(), lineno=line)
            self._end_tag("set")
        else:
            self._end_tag("set")
            assign = nodes.AssignBlock(first, None, self._body("endset"), lineno=line)
            self._close()
        self.assigned.update(map(mangled, targets))
        copies = [
            nodes.Assign(store(target, line), name(targets[0], line), lineno=line)
            for target in targets[1:]
        ]
        return [assign, *copies]

    def _switch(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        self._switches += 1
        subject = f"s_{self._switches}"
        assign = nodes.Assign(
            nodes.Name(subject, "store", lineno=line), self._expressions.expression(), lineno=line
        )
        self._end_tag("switch")
        self._body("case", "default", "endswitch")
        cases: list[nodes.If] = []
        tests: list[nodes.Expr] = []
        while self._reader.at("symbol", "case"):
            case_line = self._reader.next().line
            value = nodes.Name(subject, "load", lineno=case_line)
            tests.append(apply("===", case_line, value, self._expressions.expression()))
            self._end_tag("case")
            body = self._body("case", "default", "endswitch")
            if body:  # a case with nothing in it falls through to the next one
                cases.append(nodes.If(_any(tests), body, [], [], lineno=case_line))
                tests = []
        otherwise: list[nodes.Node] = []
        if self._close() == "default":
            otherwise = self._body("endswitch")
            self._close()
        if not cases:
            return [assign, *otherwise]
        cases[0].elif_ = cases[1:]
        cases[0].else_ = otherwise
        return [assign, cases[0]]

    def _macro(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        macro_name = self._reader.expect("symbol", "after `macro`").value
        params, defaults = self._parameters()
        self._end_tag("macro")
        self._expressions.macros += 1
        body = self._body("endmacro")
        self._expressions.macros -= 1
        self._close()
        return [nodes.Macro(mangled(macro_name), params, defaults, body, lineno=line)]

    def _parameters(self) -> tuple[list[nodes.Name], list[nodes.Expr]]:
        self._reader.expect_sign("(", "before the parameters")
        params: list[nodes.Name] = []
        defaults: list[nodes.Expr] = []
        while not self._reader.skip("op", ")"):
            if params:
                self._reader.expect_sign(",", "between the parameters")
            token = self._reader.expect("symbol", "as a parameter")
            params.append(nodes.Name(mangled(token.value), "param", lineno=token.line))
            if self._reader.skip("op", "="):
                defaults.append(self._expressions.expression())
            elif defaults:
                self._reader.fail("expected a default; a parameter before it has one")
        return params, defaults

    def _call(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        params, defaults = self._parameters() if self._reader.at("op", "(") else ([], [])
        called = self._expressions.operand()
        if not (isinstance(called, nodes.Filter) and called.name == "~call") or not called.node:
            self._reader.fail("expected the call of a macro")
        self._end_tag("call")
        body = self._body("endcall")
        self._close()
        call = nodes.Call(called.node, list(called.args[1:]), [], None, None, lineno=line)
        return [nodes.CallBlock(call, params, defaults, body, lineno=line)]

    def _filter(self) -> list[nodes.Node]:
        line = self._reader.peek().line
        call = self._expressions.filter_call(None, line)
        self._end_tag("filter")
        body = self._body("endfilter")
        self._close()
        return [nodes.FilterBlock(body, call, lineno=line)]

    def _block(self) -> list[nodes.Node]:
        """Read a block of inheritance; there is none here, so it is its content."""
        block_name = self._reader.expect("symbol", "after `block`").value
        self._end_tag("block")
        body = self._body("endblock")
        self._reader.next()
        self._reader.skip("symbol", block_name)
        self._end_tag("endblock")
        return body


def _flush(output: list[nodes.Expr], body: list[nodes.Node]) -> None:
    if output:
        body.append(nodes.Output(output[:], lineno=output[0].lineno))
        output.clear()


def _any(tests: list[nodes.Expr]) -> nodes.Expr:
    test = tests[0]
    for other in tests[1:]:
        test = nodes.Or(test, other, lineno=other.lineno)
    return test
