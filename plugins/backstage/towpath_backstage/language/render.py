"""Renders templates in this process: texts, files, conditions and whole JSON values.

Holds the type rule of Backstage's scaffolder: a string that is exactly one `${{ expression }}`
gives the expression's own type, any other one a text. Knows nothing of processes; it has no limit
but the size of what comes out.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from types import TracebackType
from typing import Any

from jinja2 import Template, TemplateError

from towpath_backstage.language.build import RESULT, mangled
from towpath_backstage.language.environment import (
    LanguageContext,
    LanguageEnvironment,
    Program,
)
from towpath_backstage.language.faults import OutputTooLarge, TemplateFault
from towpath_backstage.language.functions import status_functions
from towpath_backstage.language.lexer import SCAFFOLDER, Dialect, has_tags
from towpath_backstage.language.numerals import normal
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.utf16 import scalar
from towpath_backstage.language.values import UNDEFINED, is_callable, own_keys, truthy

__all__ = ("FAILED", "Renderer")

FAILED = "$failed"
"""Key of the context that says whether a step of the run has failed; not seen by templates."""

_CACHED = 512


class Renderer:
    """Renders templates over one context at a time.

    Args:
        output_bytes: how many bytes one answer may have.
    """

    def __init__(self, output_bytes: int) -> None:
        self._output_bytes = output_bytes
        self._environments: dict[Dialect, LanguageEnvironment] = {}
        self._programs: OrderedDict[tuple[str, Dialect, bool], Program] = OrderedDict()
        self._context = "{}"
        self._variables: dict[str, Any] | None = None
        self._left = output_bytes

    def use(self, context: str) -> None:
        """Take a context as JSON text; `$failed` is what `failure()` answers."""
        self._context = context
        self._variables = None

    def text(self, source: str, dialect: Dialect = SCAFFOLDER) -> str:
        """Render to a text.

        Raises:
            TemplateFault: the template is wrong.
            OutputTooLarge: the text has more bytes than allowed.
        """
        self._left = self._output_bytes
        return self._text(source, dialect)

    def value(self, template: Any) -> Any:
        """Render every string of a JSON value; see the contract of a render session.

        An undefined item of a list becomes None, so that the others keep their places.
        """
        self._left = self._output_bytes
        return self._value(template, "")

    def truthy(self, template: str) -> bool:
        """Render a condition; the empty list is false too."""
        self._left = self._output_bytes
        value = self._string(template, "")
        return truthy(value) and value != []

    def _value(self, template: Any, pointer: str) -> Any:
        if isinstance(template, str):
            return self._string(template, pointer)
        if isinstance(template, list):
            items = (self._value(item, f"{pointer}/{i}") for i, item in enumerate(template))
            return [None if item is UNDEFINED else item for item in items]
        if not isinstance(template, dict):
            return template
        rendered = {}
        for key, entry in template.items():
            part = key.replace("~", "~0").replace("/", "~1")
            value = self._value(entry, f"{pointer}/{part}")
            if value is not UNDEFINED:
                rendered[key] = value
        return rendered

    def _string(self, template: str, pointer: str) -> Any:
        if not has_tags(template):
            self._count(template)
            return template
        try:
            program = self._program(template, SCAFFOLDER, native=True)
            if not program.native:
                return self._text(template, SCAFFOLDER)
            context = self._new_context(program.template, SCAFFOLDER)
            for _ in self._run(program.template, context):
                pass
            return self._plain(context.vars[RESULT])
        except TemplateFault as fault:
            fault.pointer = pointer
            raise

    def _text(self, source: str, dialect: Dialect) -> str:
        program = self._program(source, dialect, native=False)
        chunks: list[str] = []
        context = self._new_context(program.template, dialect)
        for chunk in self._run(program.template, context):
            self._count(chunk)
            chunks.append(chunk)
        return scalar("".join(chunks))

    def _program(self, source: str, dialect: Dialect, native: bool) -> Program:
        key = (source, dialect, native)
        program = self._programs.get(key)
        if program is None:
            if dialect not in self._environments:
                self._environments[dialect] = LanguageEnvironment(dialect)
            program = self._compiled(source, dialect, native)
            self._programs[key] = program
            if len(self._programs) > _CACHED:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return program

    def _compiled(self, source: str, dialect: Dialect, native: bool) -> Program:
        try:
            return self._environments[dialect].program(source, native)
        except RecursionError:
            raise TemplateFault("the template is nested too deeply") from None
        except (SyntaxError, MemoryError, TemplateError):
            # Python's compiler has limits of its own, such as 20 loops inside each other, and takes
            # for a lack of memory what is a lack of room in its parser.
            raise TemplateFault("the template is nested too deeply or too long") from None

    def _new_context(self, template: Template, dialect: Dialect) -> LanguageContext:
        if self._variables is None:
            variables = json.loads(self._context, parse_float=_number)
            functions = status_functions(bool(variables.pop(FAILED, False)))
            self._variables = {mangled(key): value for key, value in functions.items()}
            self._variables |= {mangled(key): value for key, value in variables.items()}
        variables = self._variables
        if dialect.python_names:
            variables = _cookiecutter(variables)
        context = template.new_context(variables)
        if not isinstance(context, LanguageContext):
            raise TypeError("the environment makes contexts of another class")
        return context

    def _run(self, template: Template, context: LanguageContext) -> Any:
        """Run a template, chunk by chunk, and turn what it raises into a fault with its line."""
        try:
            yield from template.root_render_func(context)
        except TemplateFault as fault:
            if fault.line is None:
                fault.line = _line(template, fault.__traceback__)
            raise
        except RecursionError as error:
            line = _line(template, error.__traceback__)
            message = "it calls itself, or a value holds itself, too deeply"
            raise TemplateFault(message, line) from None
        except (MemoryError, OutputTooLarge):
            raise
        except Exception as error:
            # The message of a foreign exception may quote a value, so only its type is told.
            line = _line(template, error.__traceback__)
            kind = type(error).__name__
            raise TemplateFault(f"the expression cannot be evaluated ({kind})", line) from None
        finally:
            if context.mutated:
                self._variables = None

    def _count(self, text: str) -> None:
        """Take a text's bytes off what is left of the limit."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self._left -= size
        if self._left < 0:
            raise OutputTooLarge

    def _plain(self, value: Any) -> Any:
        """Copy a value as JSON can say it; counts its text against the limit."""
        if isinstance(value, str):
            self._count(value)
            return scalar(str(value))
        if value is UNDEFINED or is_callable(value):
            return UNDEFINED
        self._count(" ")
        if isinstance(value, list):
            items = map(self._plain, value)
            return [None if item is UNDEFINED else item for item in items]
        if isinstance(value, dict):
            entries = {scalar(key): self._plain(value[key]) for key in own_keys(value)}
            return {key: entry for key, entry in entries.items() if entry is not UNDEFINED}
        return {} if isinstance(value, Pattern) else value


def _number(written: str) -> int | float:
    """Read a number of the context: JavaScript knows no difference between 2.0 and 2."""
    return normal(float(written))


def _cookiecutter(variables: dict[str, Any]) -> dict[str, Any]:
    """Give `values` under the name that cookiecutter templates know."""
    root, values = mangled("cookiecutter"), mangled("values")
    if root in variables or values not in variables:
        return variables
    return {**variables, root: variables[values]}


def _line(template: Template, traceback: TracebackType | None) -> int | None:
    """Find the template's line in the innermost frame of its generated code."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
