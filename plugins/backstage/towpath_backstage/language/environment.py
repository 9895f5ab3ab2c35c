"""The Jinja2 sandbox that templates are compiled for.

Everything that Jinja2 brings for templates (filters, tests, globals, attribute access, calls) is
taken out and replaced, so the sandbox's own checks are a second wall and not the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jinja2 import Template, nodes, pass_context
from jinja2.runtime import Context, Macro
from jinja2.sandbox import SandboxedEnvironment

from towpath_backstage.language.build import RESULT, mangled
from towpath_backstage.language.checks import check
from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.filters_data import DATA_FILTERS
from towpath_backstage.language.filters_list import LIST_FILTERS
from towpath_backstage.language.filters_text import TEXT_FILTERS
from towpath_backstage.language.functions import template_functions
from towpath_backstage.language.lexer import Dialect
from towpath_backstage.language.members import member, places, python_member, sliced
from towpath_backstage.language.operators import BINARY, UNARY
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.scope import Frames, keep_in_frames
from towpath_backstage.language.statements import Parser
from towpath_backstage.language.utf16 import units
from towpath_backstage.language.values import (
    UNDEFINED,
    Function,
    Keywords,
    SafeText,
    Undefined,
    display,
    own_keys,
    truthy,
)

__all__ = ("FILTERS", "LanguageContext", "LanguageEnvironment", "Program")


class LanguageContext(Context):
    """The variables of one render.

    Attributes:
        frames: variables that Jinja2's scopes would lose.
        mutated: a method changed a value in place, so the context must not be used again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = Frames()
        self.mutated = False


class _Box:
    """An operand of `and` or `or`: Python takes its truth, the template gets its value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return truthy(self.value)


def _iterate(value: Any, targets: int) -> list[Any]:
    """List what a loop goes over; tuples where it has more than one target."""
    if targets == 1:
        if isinstance(value, str):
            return list(units(value))
        return value[:] if isinstance(value, list) else []
    if isinstance(value, list):
        if any(item is None or item is UNDEFINED for item in value):
            raise TemplateFault("a loop with several names cannot take null or undefined apart")
        return [tuple(member(item, index) for index in range(targets)) for item in value]
    padding = (UNDEFINED,) * (targets - 2)
    if isinstance(value, dict):
        return [(key, value[key], *padding) for key in own_keys(value)]
    if isinstance(value, str):
        return [(str(index), unit, *padding) for index, unit in enumerate(units(value))]
    return []


def _loop(state: Any) -> dict[str, Any]:
    """Copy what nunjucks shows of a loop."""
    names = ("index", "index0", "revindex", "revindex0", "first", "last", "length")
    return {name: getattr(state, name) for name in names}


def _unknown_filter(_value: Any, name: str) -> NoReturn:
    raise TemplateFault(f"unknown filter `{name}`")


@pass_context
def _call(context: LanguageContext, called: Any, written: str, *args: Any) -> Any:
    if isinstance(called, Function):
        context.mutated = context.mutated or called.mutates
        return called(*args)
    if isinstance(called, Macro):
        return _call_macro(context, called, args, {})
    problem = "not a function" if truthy(called) else "undefined or empty"
    raise TemplateFault(f"`{written}` cannot be called: it is {problem}")


def _call_macro(
    context: Context, macro: Macro, args: tuple[Any, ...], keywords: dict[str, Any]
) -> SafeText:
    """Call a macro; arguments that it has no place for are left out, as in JavaScript."""
    if args and isinstance(args[-1], Keywords):
        given = {mangled(key): value for key, value in args[-1].items()}
        args = args[:-1]
        free = macro.arguments[len(args) :]
        keywords |= {key: value for key, value in given.items() if key in free}
    if not macro.caller:
        keywords.pop("caller", None)
    return SafeText(context.call(macro, *args[: len(macro.arguments)], **keywords))


@pass_context
def _finalize(_context: Context, value: Any) -> str:
    """Write a value out. Asking for the context keeps Jinja2 from doing it while it compiles."""
    return display(value)


@pass_context
def _frame_push(context: LanguageContext, closed: bool) -> None:
    context.frames.push(closed)


@pass_context
def _frame_pop(context: LanguageContext, _nothing: None) -> None:
    context.frames.pop()


@pass_context
def _frame_read(context: LanguageContext, variable: str, otherwise: Any) -> Any:
    return context.frames.read(variable, otherwise)


@pass_context
def _frame_assign(context: LanguageContext, variable: str, value: Any) -> None:
    context.frames.assign(variable, value)


@pass_context
def _frame_declare(context: LanguageContext, variable: str, value: Any) -> None:
    context.frames.declare(variable, value)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "box": _Box,
    "call": _call,
    "frame_assign": _frame_assign,
    "frame_declare": _frame_declare,
    "frame_pop": _frame_pop,
    "frame_push": _frame_push,
    "frame_read": _frame_read,
    "is": lambda value, name, *args: check(value, name, *args[:1]),
    "iterate": _iterate,
    "keywords": Keywords,
    "last": lambda *items: items[-1],
    "loop": _loop,
    "regex": Pattern,
    "slice": sliced,
    "truthy": truthy,
    "unbox": lambda box: box.value,
    "unknown": _unknown_filter,
}


def _trimmed(run: Callable[..., Any]) -> Callable[..., Any]:
    """Leave out the arguments that a filter has no place for, as JavaScript does."""
    count = places(run)
    return run if count is None else lambda *args: run(*args[:count])


FILTERS: Mapping[str, Callable[..., Any]] = {
    name: _trimmed(run) for name, run in (TEXT_FILTERS | LIST_FILTERS | DATA_FILTERS).items()
}
"""The filters that a template may name."""

_NAMES = frozenset(FILTERS)


class Program:
    """One compiled template.

    Attributes:
        native: the template is exactly one expression, whose value can be had.
    """

    def __init__(self, template: Template, native: bool) -> None:
        self.template = template
        self.native = native


class LanguageEnvironment(SandboxedEnvironment):
    """Compiles templates of one dialect."""

    context_class = LanguageContext

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(undefined=Undefined, autoescape=False, optimized=False, finalize=_finalize)
        self._dialect = dialect
        self.globals = {mangled(name): run for name, run in template_functions().items()}
        self.tests = {}
        operations = {**_OPERATIONS, **BINARY, **UNARY}
        operations["member"] = python_member if dialect.python_names else member
        self.filters = {**FILTERS, **{f"~{name}": run for name, run in operations.items()}}

    def program(self, source: str, native: bool) -> Program:
        """Compile a template.

        Args:
            source: the template.
            native: when it is exactly one expression, keep its value instead of its text.

        Raises:
            TemplateFault: it is wrong, with the line.
        """
        parser = Parser(source, self._dialect, _NAMES)
        body = parser.parse()
        single = _single_expression(body) if native else None
        if single is not None:
            body = [nodes.Assign(nodes.Name(RESULT, "store"), single, lineno=single.lineno)]
        if parser.assigned:
            body = keep_in_frames(body, parser.assigned)
        tree = nodes.Template(body, lineno=1)
        tree.set_environment(self)
        code = self.compile(tree)
        return Program(Template.from_code(self, code, self.globals), single is not None)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key; no generated code asks for an attribute."""
        return member(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key; no generated code asks for an item."""
        return member(obj, argument)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a macro with a `call` block; generated code calls nothing else this way."""
        if not isinstance(__obj, Macro):
            raise TemplateFault("a `call` block can call a macro only")
        keywords = {"caller": kwargs["caller"]} if "caller" in kwargs else {}
        return _call_macro(__context, __obj, args, keywords)


def _single_expression(body: list[nodes.Node]) -> nodes.Expr | None:
    """Find the expression that is all of a template; comments and what they strip do not count."""
    if len(body) != 1 or not isinstance(body[0], nodes.Output):
        return None
    parts = [
        part
        for part in body[0].nodes
        if not (isinstance(part, nodes.TemplateData) and part.data == "")
    ]
    if len(parts) != 1 or isinstance(parts[0], nodes.TemplateData):
        return None
    return parts[0]
