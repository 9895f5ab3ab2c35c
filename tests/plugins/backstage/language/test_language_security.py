"""Hostile templates, through the real child process with small limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from towpath_backstage.language import Nunjucks
from towpath_backstage.language.session import Session
from towpath_core.errors import Invalid, LimitExceeded
from towpath_core.scaffolding import FileOptions, RenderLimits

MIB = 1024 * 1024
SMALL = RenderLimits(
    cpu_seconds=30, wall_seconds=100.0, memory_bytes=256 * MIB, output_bytes=100_000
)
SHORT = RenderLimits(cpu_seconds=1, wall_seconds=100.0)


@pytest.fixture
def small() -> Iterator[Session]:
    with Nunjucks().open(SMALL) as session:
        yield session


@pytest.mark.parametrize(
    "source",
    [
        "${{ ''.__class__.__mro__ }}",
        "${{ ''['__class__'] }}",
        "${{ '' | attr('__class__') if false }}",
        "${{ ''['\\x5f\\x5fclass__'] }}",
        "${{ ''['__cl' ~ 'ass__'] }}",
        "${{ [].__class__ }}${{ {}.__class__ }}${{ (1).__class__ }}${{ true.__class__ }}",
        "${{ range.__globals__ }}${{ range.__self__ }}${{ range._run }}${{ range.name }}",
        "${{ cycler.__init__ }}${{ cycler('a').__class__ }}${{ joiner().__call__ }}",
        "${{ ''.split.__self__ }}${{ ''.split.func }}${{ [].push.__closure__ }}",
        "{% macro m() %}{% endmacro %}${{ m.__globals__ }}${{ m._func }}${{ m._environment }}",
        "{% for x in [1] %}${{ loop.__class__ }}${{ loop._iterable }}${{ loop.cycle }}{% endfor %}",
        "${{ self }}${{ self._TemplateReference__context }}${{ context }}${{ environment }}",
        "${{ lipsum }}${{ namespace }}${{ dict }}${{ __builtins__ }}${{ result }}${{ caller }}",
        "${{ nope.__class__ }}${{ none.__class__ }}${{ nope._fail_with_undefined_error }}",
        "${{ ('a' | safe).__html__ }}${{ ('a' | safe).format }}${{ r/a/.regex }}",
        "${{ x.__class__ }}${{ x.pop }}${{ x.update }}${{ x.get }}",
        "${{ [x] | join('', '__class__') }}${{ [x] | map if false }}",
        "${{ x | pick('__class__.__mro__') }}${{ x.constructor }}${{ x.__proto__ }}",
        "${{ ([x] | groupby('__class__')).undefined.x }}",
    ],
)
def test_no_python_object_can_be_reached(session: Session, source: str) -> None:
    assert session.text(source, {"x": {"y": 1}}) == ""


@pytest.mark.parametrize(
    "source",
    [
        "${{ '{0.__class__}'.format(1) }}",
        "{% set f = '{0.__class__}'.format %}${{ f(1) }}",
        "${{ '{0.__class__}'.format_map({}) }}",
        "${{ '%s' | format(1) }}",
        "${{ '' | attr('__class__') }}",
        "${{ [1] | map('upper') }}",
        "${{ x.y.z() }}",
        "${{ lipsum(n=100000, min=1000, max=10000) }}",
        "${{ namespace(a=1) }}",
        "${{ ''.split.call(1) }}",
        "{% call ''.__class__() %}{% endcall %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% do x %}",
        "{% with a = 1 %}{% endwith %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% trans %}a{% endtrans %}",
        "{% print 1 %}",
        "{% for x in [1] recursive %}{% endfor %}",
        "{% set ns.a = 1 %}",
    ],
)
def test_jinja2s_own_doors_are_closed(session: Session, source: str) -> None:
    with pytest.raises(Invalid):
        session.text(source, {})


def test_a_context_cannot_reach_the_generated_code(session: Session) -> None:
    hostile = {
        "__builtins__": "x",
        "environment": "x",
        "v_a": "x",
        "t_1": "x",
        "a\n    import os": "x",
        "result": "x",
        "~truthy": "x",
        "": "x",
    }
    assert session.text("{% if a %}${{ a }}{% endif %}${{ environment }}", hostile) == "x"


def test_strings_cannot_break_out_of_the_generated_code(session: Session) -> None:
    sign = "'''\\\"\"\"\r\n\u2028\0)]}#{"
    written = sign.replace("\\", "\\\\").replace('"', '\\"')
    assert session.text(f'a${{{{ "{written}" }}}}{sign[:5]}', {}) == "a" + sign + sign[:5]


CPU = {
    "loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "pattern": "${{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | replace(r/^(a+)+$/, 'x') }}",
    "joins": "{% for a in range(9999) %}${{ (range(99999) | join)[0] }}{% endfor %}",
}
MEMORY = {
    "repeat": "${{ 'x'.repeat(10000000000) | length }}",
    "center": "${{ 'x' | center(10000000000) | length }}",
    "pad": "${{ 'x'.padEnd(10000000000) | length }}",
    "indent": "${{ 'x\ny' | indent(10000000000) | length }}",
    "joined": "{% set x = 'ab' %}{% for i in range(60) %}{% set x = x ~ x %}{% endfor %}",
    "replaced": "${{ 'a'.repeat(99999).replaceAll('a', 'b'.repeat(99999)) | length }}",
    "captured": (
        "{% set x = 'ab' %}{% for i in range(60) %}"
        "{% set x %}${{ x }}${{ x }}{% endset %}{% endfor %}"
    ),
    "lists": "{% set x = [1, 2] %}{% for i in range(60) %}{% set x = x.concat(x) %}{% endfor %}",
}


@pytest.mark.parametrize("bomb", CPU)
def test_processor_time_runs_out(bomb: str) -> None:
    with (
        Nunjucks().open(SHORT) as session,
        pytest.raises(LimitExceeded, match="cpu_seconds of 1 seconds"),
    ):
        session.text(CPU[bomb], {})


@pytest.mark.parametrize("bomb", MEMORY)
def test_memory_runs_out(small: Session, bomb: str) -> None:
    with pytest.raises(LimitExceeded, match=f"memory_bytes of {256 * MIB} bytes"):
        small.text(MEMORY[bomb], {})


def test_time_runs_out() -> None:
    limits = RenderLimits(cpu_seconds=60, wall_seconds=1.0)
    with Nunjucks().open(limits) as session:
        session.text("${{ 1 }}", {})
        begun = time.monotonic()
        with pytest.raises(LimitExceeded, match="wall_seconds of 1 seconds"):
            session.text(CPU["loops"], {})
        assert 1.0 <= time.monotonic() - begun < 50


@pytest.mark.parametrize(
    "render",
    [
        lambda s: s.text("{% for a in range(9999) %}0123456789x{% endfor %}", {}),
        lambda s: s.text("${{ 'é'.repeat(50001) }}", {}),
        lambda s: s.text("x" * 100_001, {}),
        lambda s: s.value(["${{ x }}"] * 11, {"x": "y" * 10_000}),
        lambda s: s.value("${{ range(99999).concat(range(99999)) }}", {}),
        lambda s: s.value({"a": "x" * 100_001}, {}),
    ],
)
def test_output_runs_out(small: Session, render: Callable[[Session], object]) -> None:
    with pytest.raises(LimitExceeded, match="output_bytes of 100000 bytes"):
        render(small)


DEEP = {
    "macro": "{% macro m() %}${{ m() }}{% endmacro %}${{ m() }}",
    "parentheses": "${{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "lists": "${{ " + "[" * 3000 + "1" + "]" * 3000 + " }}",
    "not": "${{ " + "not " * 5000 + "1 }}",
    "minus": "${{ " + "-" * 5000 + "1 }}",
    "plus": "${{ " + "1 + " * 5000 + "1 }}",
    "lookups": "${{ x" + ".a" * 5000 + " }}",
    "filters": "${{ 1" + " | string" * 5000 + " }}",
    "ifs": "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "loops": "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "elifs": "{% if 0 %}" + "{% elif 0 %}" * 9000 + "{% endif %}",
    "itself": "{% set x = [1] %}${{ x.push(x) }}${{ x }}",
    "itself in JSON": "{% set x = [1] %}${{ x.push(x) }}${{ x | dump }}",
    "range": "${{ range(100000000000) }}",
    "batch": "${{ [1] | batch(10000000000, 1) }}",
}


@pytest.mark.parametrize("bomb", DEEP)
def test_what_is_nested_too_deeply_is_a_fault_and_the_child_lives(
    session: Session, bomb: str
) -> None:
    with pytest.raises(Invalid) as caught:
        session.text(DEEP[bomb], {})
    assert caught.value.problems[0].code == "template"
    assert session.text("${{ 1 + 1 }}", {}) == "2"


def test_numbers_do_not_explode(session: Session) -> None:
    assert session.text("${{ 9 ** 9 ** 9 ** 9 }}", {}) == "Infinity"
    assert session.text("${{ " + "9" * 100_000 + " }}", {}) == "Infinity"
    assert session.text("${{ x | int }}", {"x": "9" * 100_000}) == "Infinity"


def test_what_is_allowed_is_deep_enough(session: Session) -> None:
    for source in (
        "${{ " + "(" * 40 + "1" + ")" * 40 + " }}",
        "${{ " + "0 + " * 150 + "1 }}",
        "{% if 0 %}" + "{% elif 0 %}" * 500 + "{% else %}1{% endif %}",
        "{% if 1 %}" * 60 + "1" + "{% endif %}" * 60,
        "{% for a in [1] %}" * 15 + "1" + "{% endfor %}" * 15,
    ):
        assert session.text(source, {}) == "1"


def test_cookiecutter_opens_no_door(session: Session) -> None:
    options = FileOptions(cookiecutter=True)
    source = "{{ x.__class__ }}{{ ''.__class__ }}{{ [].__class__ }}{{ x.update }}{{ [].extend }}"
    assert session.text(source, {"x": {}}, options) == ""
