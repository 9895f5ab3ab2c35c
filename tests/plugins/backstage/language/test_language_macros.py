from __future__ import annotations

from collections.abc import Callable

import pytest

from towpath_backstage.language.faults import TemplateFault

GREET = "{% macro greet(name, mark='!') %}Hi ${{ name }}${{ mark }}{% endmacro %}"
WRAP = "{% macro wrap(x) %}<${{ caller(x) }}>{% endmacro %}"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("${{ greet('a') }}", "Hi a!"),
        ("${{ greet('a', '?') }}", "Hi a?"),
        ("${{ greet('a', mark='.') }}", "Hi a."),
        ("${{ greet(name='a') }}", "Hi a!"),
        ("${{ greet() }}", "Hi !"),
        ("${{ greet('a', 'b', 'c', d=1) }}", "Hi ab"),
        ("${{ greet('a') | upper }}", "HI A!"),
        ("${{ greet('a') == 'Hi a!' }}", "true"),
        ("{% for x in ['a', 'b'] %}${{ greet(x) }}{% endfor %}", "Hi a!Hi b!"),
    ],
)
def test_macros(render: Callable[..., str], call: str, expected: str) -> None:
    assert render(GREET + call) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("{% call wrap() %}in{% endcall %}", "<in>"),
        ("{% call(v) wrap(5) %}[${{ v }}]{% endcall %}", "<[5]>"),
        ("{% set y = 1 %}{% call wrap() %}${{ y }}{% endcall %}", "<1>"),
        ("{% for i in [1, 2] %}{% call wrap() %}${{ i }}{% endcall %}{% endfor %}", "<1><2>"),
    ],
)
def test_call_blocks(render: Callable[..., str], call: str, expected: str) -> None:
    assert render(WRAP + call) == expected


def test_a_macro_without_caller_ignores_the_block(render: Callable[..., str]) -> None:
    assert render(GREET + "{% call greet('a') %}in{% endcall %}") == "Hi a!"


def test_only_macros_can_be_called_with_a_block(render: Callable[..., str]) -> None:
    with pytest.raises(TemplateFault, match="a macro only"):
        render("{% call range(3) %}x{% endcall %}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("${{ range(3) }} ${{ range(1, 7, 2) }} ${{ range(3, 0, -1) }}", "0,1,2 1,3,5 3,2,1"),
        (
            "{% set c = cycler('a', 'b') %}${{ c.next() }}${{ c.next() }}${{ c.next() }}"
            "${{ c.current }}${{ c.reset() }}${{ c.next() }}",
            "abaaa",
        ),
        (
            "{% set j = joiner('-') %}{% for x in [1, 2, 3] %}${{ j() }}${{ x }}{% endfor %}",
            "1-2-3",
        ),
        ("${{ cycler('a') | dump }}", '{"current":null}'),
        ("${{ always() }} ${{ failure() }}", "true false"),
        ("${{ range is callable }} ${{ text is callable }}", "true false"),
        ("[${{ lipsum }}${{ namespace }}${{ self }}${{ dict }}${{ super }}]", "[]"),
    ],
)
def test_functions(render: Callable[..., str], source: str, expected: str) -> None:
    assert render(source) == expected


def test_failure_is_told_by_the_context_and_its_key_is_hidden(render: Callable[..., str]) -> None:
    source = "${{ always() }} ${{ failure() }} [${{ $failed }}]"
    assert render(source, **{"$failed": True}) == "true true []"


def test_a_variable_hides_a_function(render: Callable[..., str]) -> None:
    assert render("${{ range }}", range="mine") == "mine"


def test_a_variable_may_have_any_name(render: Callable[..., str]) -> None:
    names = ["context", "environment", "self", "loop", "caller", "class", "result", "ﬁ", "a?b"]
    for name in names:
        assert render("${{ " + name + " }}", **{name: "x"}) == "x"
