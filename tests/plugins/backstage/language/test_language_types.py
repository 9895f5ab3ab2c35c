"""The type rule, conditions, places of faults, and how numbers travel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from towpath_backstage.language.faults import OutputTooLarge, TemplateFault
from towpath_backstage.language.render import Renderer
from towpath_backstage.language.session import Session
from towpath_backstage.language.values import UNDEFINED
from towpath_core import scaffolding
from towpath_core.errors import Invalid

CONTEXT: dict[str, Any] = {
    "o": {"a": [1, {"b": None}]},
    "l": [],
    "t": True,
    "n": 2.0,
    "none_": None,
    "s": "x",
    "failed": True,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${{ o }}", {"a": [1, {"b": None}]}),
        ("${{ o.a }}", [1, {"b": None}]),
        ("${{- t -}}", True),
        ("${{ n }}", 2),
        ("${{ n / 4 }}", 0.5),
        ("${{ none_ }}", None),
        ('${{ "" }}', ""),
        ("${{ s if not t }}", ""),
        ("{# why #}${{ l }}{#- because -#}\n", []),
        (" ${{- t -}} ", True),
        (" ${{ t }}", " true"),
        ("${{ t }}\n", "true\n"),
        ("${{ o }}${{ o }}", "[object Object][object Object]"),
        ("{% if t %}true{% endif %}", "true"),
        ("{% set x = 1 %}${{ x }}", "1"),
        ("{% raw %}${{ t }}{% endraw %}", "${{ t }}"),
        ("${{ o | dump }}", '{"a":[1,{"b":null}]}'),
        ("${{ 's' | safe }}", "s"),
        ("${{ [nope, range, r/a/] }}", [None, None, {}]),
        ("${{ {a: nope, b: range, c: 1} }}", {"c": 1}),
        ("${{ {n: 1.0, m: [1.5]} }}", {"n": 1, "m": [1.5]}),
        ("no tags", "no tags"),
        (5, 5),
        (None, None),
    ],
)
def test_the_type_rule(value: Callable[..., Any], template: Any, expected: Any) -> None:
    rendered = value(template, **CONTEXT)
    assert rendered == expected
    assert type(rendered) is type(expected)


def test_undefined_keys_disappear_and_undefined_items_become_null(
    value: Callable[..., Any],
) -> None:
    template = {"a": "${{ nope }}", "b": ["${{ nope }}", "${{ t }}"], "${{ s }}": {"c": "${{ x }}"}}
    assert value(template, **CONTEXT) == {"b": [None, True], "${{ s }}": {}}
    assert value("${{ nope.x }}", **CONTEXT) is UNDEFINED


def test_the_child_keeps_types(session: Session) -> None:
    template = {"o": "${{ o }}", "u": "${{ nope }}", "nan": "${{ nope - 1 }}", "inf": "${{ 1/0 }}"}
    rendered = session.value(template, CONTEXT)
    assert rendered.keys() == {"o", "nan", "inf"}
    assert rendered["o"] == CONTEXT["o"]
    assert math.isnan(rendered["nan"])
    assert rendered["inf"] == math.inf
    assert session.value("${{ nope }}", CONTEXT) is scaffolding.UNDEFINED


@pytest.mark.parametrize(
    ("template", "truth"),
    [
        (True, True),
        (False, False),
        (None, True),
        ("", False),
        ("false", True),
        ("${{ t }}", True),
        ("${{ not t }}", False),
        ("${{ l }}", False),
        ("${{ {} }}", True),
        ("${{ nope }}", False),
        ("${{ none_ }}", False),
        ("${{ 0 }}", False),
        ("${{ nope - 1 }}", False),
        ("${{ '' }}", False),
        ("x${{ t }}", True),
        ("{% if not t %}x{% endif %}", False),
        ("${{ always() }}", True),
        ("${{ failure() }}", False),
    ],
)
def test_conditions(session: Session, template: Any, truth: bool) -> None:
    assert session.truthy(template, CONTEXT) is truth


def test_failure_is_what_the_caller_says(session: Session) -> None:
    assert session.truthy("${{ failure() }}", {"$failed": True}) is True
    assert session.truthy("${{ failure() }}", {"$failed": False}) is False


def test_faults_have_their_place(session: Session) -> None:
    template = {"input": {"a/b": ["ok", "line one\n${{ nope() }}"]}}
    with pytest.raises(Invalid) as caught:
        session.value(template, CONTEXT)
    (problem,) = caught.value.problems
    assert problem.code == "template"
    assert problem.place.pointer == "/input/a~1b/1"
    assert problem.place.line == 2
    assert "`nope` cannot be called" in problem.message
    assert "line 2 at /input/a~1b/1" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a\n\n${{ x | upper }}\n", 3),
        ("{% if true %}\n\n{% for i in [1] %}\n${{ i.x() }}{% endfor %}{% endif %}", 4),
        ("{% macro m() %}\n${{ nope() }}\n{% endmacro %}\n\n${{ m() }}", 2),
        ("a\nb\n${{ 1 + }}", 3),
        ("a\r\n{% if x %}\r\n", 2),
        ("\n{# x", 2),
        ("{% raw %}\n\n{% endraw %}\n${{ nope.a.b() }}", 4),
        ("\n${{ {\na: 1,\nb: nope() } }}", 2),
        ("{% set y %}\n${{ 5 | upper }}{% endset %}", 2),
        ("${{ '\n\n' }}${{ nope() }}", 3),
    ],
)
def test_the_line_of_a_fault(render: Callable[..., str], source: str, line: int) -> None:
    with pytest.raises(TemplateFault) as caught:
        render(source, x=5)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "template",
    [
        "${{ secret() }}",
        "${{ secret.x() }}",
        "${{ o[secret]() }}",
        "${{ secret | dictsort }}",
        "${{ secret | parseEntityRef }}",
        "${{ (secret ~ '/') | parseEntityRef }}",
        "${{ ('[' ~ secret) | parseRepoUrl }}",
        "${{ [1] | select(secret) }}",
        "${{ 'x'.match('(' ~ secret) }}",
        "${{ 1 in (secret | int) }}",
        "${{ [secret] | upper }}",
        "${{ o | join(secret) }}",
        "${{ (1).toFixed(secret.length * 100) }}",
    ],
)
def test_a_fault_never_tells_a_value(session: Session, template: str) -> None:
    with pytest.raises(Invalid) as caught:
        session.text(template, {"secret": "hunter2:", "o": {"hunter2:": 1}})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.problems)


def test_output_is_counted_in_bytes_over_all_strings() -> None:
    renderer = Renderer(10)
    assert renderer.text("${{ 'é' }}12345678") == "é12345678"
    assert renderer.value(["${{ 'aaaaa' }}", "bbbbb"]) == ["aaaaa", "bbbbb"]
    with pytest.raises(OutputTooLarge):
        renderer.text("${{ 'é' }}123456789")
    with pytest.raises(OutputTooLarge):
        renderer.value(["${{ 'aaaaa' }}", "bbbbb", "c"])
    with pytest.raises(OutputTooLarge):
        renderer.value("${{ range(20) }}")


def test_lone_surrogates_become_replacement_characters(session: Session) -> None:
    assert session.text("${{ '😀'[0] }}", {}) == "\ufffd"
    assert session.value("${{ ['😀'[1]] }}", {}) == ["\ufffd"]


def test_what_is_not_json_is_refused_with_its_place(session: Session) -> None:
    with pytest.raises(Invalid) as caught:
        session.text("${{ a }}", {"a": {"b": [object()]}})
    assert caught.value.problems[0].place.pointer == "/a/b/0"
    circular: list[Any] = []
    circular.append(circular)
    with pytest.raises(Invalid, match="circular"):
        session.text("${{ a }}", {"a": circular})
    with pytest.raises(Invalid, match="too long a number"):
        session.value({"a": 10**5000, "b": "${{ 1 }}"}, {})


def test_undefined_in_a_context_is_left_out(session: Session) -> None:
    context = {"a": scaffolding.UNDEFINED, "b": (1, scaffolding.UNDEFINED)}
    assert session.text("${{ a is undefined }} ${{ b | dump }}", context) == "true [1,null]"
