"""Where nunjucks and Jinja2 differ: each row is answered as nunjucks 3.2.4 answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.lexer import COOKIECUTTER, Dialect

CONTEXT: dict[str, Any] = {
    "o": {"items": 1, "keys": 2, "values": 3, "get": 4, "name": 5, "b-c": 6},
    "entries": {"b": 1, "a": "x"},
    "list": [1, "1", None, True, [2, 3], {"a": 1}],
    "words": ["b", "A", "c"],
    "people": [{"n": "z", "v": 1}, {"n": "a", "v": 2}, {"n": "z", "v": 3}],
    "empty": {"list": [], "object": {}, "text": ""},
    "text": "hello",
    "one": 1,
    "none_": None,
    "steps": {"a-b": {"output": {"id": 7}}},
    "wide": "a😀b",
}

TABLE: dict[str, dict[str, str]] = {
    "01 lookup on undefined is undefined": {
        "[${{ nope.a.b['c'].d }}]": "[]",
        "[${{ none_.a.b }}]": "[]",
        "${{ nope.a is undefined }}": "true",
    },
    "02 the last newline stays": {"a\n": "a\n", "${{ one }}\n\n": "1\n\n", "\n": "\n"},
    "03 line ends stay as they are": {
        "a\r\n${{ one }}\r\nb\n": "a\r\n1\r\nb\n",
        "{% if one %}\r\nx\n\r{% endif %}\r": "\r\nx\n\r\r",
    },
    "04 values are written as JavaScript writes them": {
        "${{ true }} ${{ false }} ${{ none }} ${{ nope }}|": "true false  |",
        "${{ list }}": "1,1,,true,2,3,[object Object]",
        "${{ entries }}": "[object Object]",
        "${{ 4 / 2 }} ${{ 1.50 }}": "2 1.5",
    },
    "05 strict equality": {
        "${{ one === 1 }} ${{ one === '1' }} ${{ one !== '1' }}": "true false true",
        "${{ '===' }}{% if one!==2 %}y{% endif %}": "===y",
    },
    "06 elseif, verbatim, switch": {
        "{% if nope %}a{% elseif one %}b{% endif %}": "b",
        "{% verbatim %}${{ x }}{% if %}{% endverbatim %}": "${{ x }}{% if %}",
        "{% raw %}a{% raw %}b{% endraw %}c{% endraw %}d": "a{% raw %}b{% endraw %}cd",
        "{% switch one %} x {% case '1' %}S{% case 1 %}N{% default %}D{% endswitch %}": "N",
        "{% switch 'b' %}{% case 'a' %}{% case 'b' %}{% case 'c' %}C{% endswitch %}": "C",
        "{% switch 9 %}{% case 1 %}x{% default %}D{% endswitch %}": "D",
        "{% switch 9 %}{% case 1 %}x{% endswitch %}|": "|",
    },
    "07 truth, and operands as answers": {
        "{% if empty.list %}y{% endif %}{% if empty.object %}y{% endif %}": "yy",
        "${{ 'y' if empty.text else 'n' }}": "n",
        "${{ empty.list or 'x' }}|${{ nope or 0 or 'last' }}": "|last",
        "${{ one and 'x' }}|${{ 0 and nope.x() }}|${{ not empty.list }}": "x|0|false",
        "${{ not one == 2 }}": "false",
    },
    "08 loose equality": {
        "${{ '1' == 1 }} ${{ none_ == nope }} ${{ 0 == '' }}": "true true true",
        "${{ true == 1 }} ${{ none_ == 0 }} ${{ '2' != 2 }}": "true false false",
        "${{ list == list }} ${{ [1] == [1] }} ${{ [1] == 1 }}": "true false true",
    },
    "09 in": {
        "${{ 1 in list }} ${{ '2' in [2] }}": "true false",
        "${{ 'ell' in text }} ${{ 'b' in entries }} ${{ 'z' not in entries }}": "true true true",
    },
    "10 arithmetic": {
        "${{ 'a' + 1 }} ${{ 1 + '1' }} ${{ none_ + 1 }}": "a1 11 1",
        "${{ 7 / 2 }} ${{ 7 // 2 }} ${{ -7 // 2 }} ${{ -7 % 3 }}": "3.5 3 -4 -1",
        "${{ nope - 1 }} ${{ 'a' * 2 }} ${{ '3' * '4' }} ${{ 2 ** 3 }}": "NaN NaN 12 8",
        "${{ 1 / 0 }} ${{ -1 / 0 }}": "Infinity -Infinity",
        "${{ 'x' ~ 1 + 2 }} ${{ none_ ~ nope }}": "x12 nullundefined",
        "${{ 2 * 6 % 4 }} ${{ 1 < 2 < 3 }} ${{ 3 > 2 > 1 }}": "0 true false",
        "${{ -one ** 2 }} ${{ +'5' + 1 }}": "1 6",
    },
    "11 names of Python's methods are data": {
        "${{ o.items }}${{ o.keys }}${{ o.values }}${{ o.get }}${{ o.name }}": "12345",
        "[${{ entries.items }}${{ entries.copy }}${{ text.format }}${{ words.append }}]": "[]",
    },
    "12 methods of JavaScript": {
        "${{ text.length }} ${{ words.length }} ${{ 'a,b'.split(',')[1] }}": "5 3 b",
        "${{ text.includes('ell') }} ${{ words.includes('A') }} ${{ ' x '.trim() }}": "true true x",
        "${{ 'aXbX'.replace('X', '-') }} ${{ 'aXbX'.replaceAll('X', '-') }}": "a-bX a-b-",
        "${{ text.startsWith('he') }} ${{ text.toUpperCase() }}": "true HELLO",
    },
    "13 unquoted keys are strings": {
        "${{ {one: 'x', 'two': 2} | dump }}": '{"one":"x","two":2}',
        "${{ 'user:a' | parseEntityRef({defaultNamespace: 'ns'}) | dump }}": (
            '{"kind":"user","namespace":"ns","name":"a"}'
        ),
    },
    "14 loops": {
        "{% for k, v in entries %}${{ k }}=${{ v }};{% endfor %}": "b=1;a=x;",
        "{% for x in entries %}x{% else %}none{% endfor %}": "none",
        "{% for x in nope %}x{% else %}none{% endfor %}": "none",
        "{% for x in none_ %}x{% endfor %}{% for x in 5 %}x{% endfor %}|": "|",
        "{% for c in 'ab' %}${{ c }}.{% endfor %}": "a.b.",
        "{% for a, b in [[1, 2], [3, 4]] %}${{ a }}${{ b }},{% endfor %}": "12,34,",
        "{% for i in words %}${{ loop.index }}/${{ loop.length }}${{ loop.last }} {% endfor %}": (
            "1/3false 2/3false 3/3true "
        ),
        "{% for i in [1] %}${{ loop }}${{ loop.cycle }}{% endfor %}": "[object Object]",
    },
    "15 null, none and tests": {
        "${{ null }}|${{ none_ is null }} ${{ nope is null }}": "|true false",
        "${{ '' is falsy }} ${{ [] is truthy }} ${{ 1 is equalto(1) }}": "true true true",
        "${{ nope is not defined }} ${{ 4 is divisibleby(2) }}": "true true",
    },
    "16 an inline if without else": {"[${{ 'x' if nope }}]": "[]"},
    "17 replace": {
        "${{ 'a1b2' | replace(r/[0-9]/g, '<$&>') }}": "a<1>b<2>",
        "${{ 'ab' | replace('', '.') }}": ".a.b.",
        "${{ 5 | replace(5, 6) }} ${{ list | replace('1', '2') }}": (
            "6 1,1,,true,2,3,[object Object]"
        ),
        "${{ 'aaa' | replace('a', 'b', 2) }}": "bba",
    },
    "18 default": {
        "${{ nope | default('d') }}|${{ none_ | default('d') }}|${{ '' | default('d') }}": "d||",
        "${{ '' | default('d', true) }} ${{ 0 | d(1, true) }}": "d 1",
    },
    "19 a dash is a minus": {
        "${{ steps.a-b.output.id }}": "NaN",
        "${{ steps['a-b'].output.id }}": "7",
    },
    "20 set writes the variable outside": {
        "{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + i %}{% endfor %}${{ x }}": "3",
        "{% for i in [1, 2, 3] %}${{ q }}{% set q = i %}{% endfor %}|${{ q }}": "12|",
        "{% set x = 1 %}{% if one %}{% set x = 2 %}{% endif %}${{ x }}": "2",
        "{% for i in [1] %}${{ one }}{% endfor %}{% set one = 2 %}${{ one }}": "12",
        "{% set x = 1 %}{% filter upper %}{% set x = 'a' %}${{ x }}{% endfilter %}${{ x }}": "Aa",
        "{% set x %}b${{ one }}{% endset %}${{ x | upper }}": "B1",
        "{% set a, b = 5 %}${{ a }}${{ b }}": "55",
        "{% macro m() %}{% set x = 2 %}${{ x }}{% endmacro %}{% set x = 1 %}${{ m() }}${{ x }}": (
            "21"
        ),
    },
    "21 two braces in an object": {"${{ {a: {b: 1}}.a.b }}": "1"},
    "22 filters of its own": {
        "${{ people | groupby('n') | dump }}": (
            '{"z":[{"n":"z","v":1},{"n":"z","v":3}],"a":[{"n":"a","v":2}]}'
        ),
        "${{ words | sort }} ${{ words | sort(true) }} ${{ words | sort(false, true) }}": (
            "A,b,c c,b,A A,b,c"
        ),
        "${{ people | sort(attribute='v', reverse=true) | join(',', 'v') }}": "3,2,1",
        "${{ entries | dictsort | dump }}": '[["a","x"],["b",1]]',
        "${{ 'hELLO wORLD' | title }} ${{ 'ABC' | capitalize }}": "Hello World Abc",
        "${{ 'a b c d' | truncate(4) }}": "a b...",
        "[${{ nope | indent }}${{ nope | safe }}${{ nope | join }}${{ nope | trim }}]": "[]",
        "[${{ nope | sort }}${{ nope | first }}${{ nope | upper }}${{ nope | length }}]": "[0]",
        "${{ 'a\n\nb' | indent(2) }}": "a\n  \n  b",
    },
    "23 UTF-16, escapes and names": {
        "${{ wide.length }} ${{ wide | length }} ${{ wide.slice(0, 3) }}": "4 4 a😀",
        '${{ "\\d\\n\\"" }}': 'd\n"',
        "${{ $x? }}${{ a$b }}|": "|",
    },
}
CASES = [(row, source) for row, cases in TABLE.items() for source in cases]


@pytest.mark.parametrize(("row", "source"), CASES)
def test_as_nunjucks(render: Callable[..., str], row: str, source: str) -> None:
    assert render(source, **CONTEXT) == TABLE[row][source]


def test_the_child_process_gives_the_same(session: Any) -> None:
    different = {
        source: rendered
        for row, source in CASES
        if (rendered := session.text(source, CONTEXT)) != TABLE[row][source]
    }
    assert different == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("${{ 1 in 5 }}", "cannot search in a number"),
        ("${{ nope.x() }}", "`nope.x` cannot be called"),
        ("a {# b", "has no end"),
        ("a #} b", "never began"),
        ("{% raw %}x", "`endraw` is missing"),
        ("{% if one %}x", "`endif` is missing"),
        ("${{ x | nope }}", "unknown filter `nope`"),
        ("${{ x is nope }}", "unknown test `nope`"),
        ("${{ one && 1 }}", "write `and`"),
        ("${{ one || 1 }}", "write `or`"),
        ("${{ !one }}", "write `not`"),
        ("${{ one }", "expected the expression to end"),
        ("${{ }}", "expected an expression"),
        ("{% nope %}", "unknown tag `nope`"),
        ("{% include 'a' %}", "a template stands alone"),
        ("{% else %}", "unknown tag `else`"),
        ("{% for x in [1] %}{% endif %}{% endfor %}", "unknown tag `endif` inside `for`"),
        ("${{ 'a' if }}", "expected an expression"),
        ("${{ [1 2] }}", "expected `,`"),
        ("${{ {1: 2} }}", "as key"),
        ("${{ 'a }}", "expected the expression to end"),
        ("${{ 1 is 2 }}", "name of a test"),
        ("${{ range(100001) }}", "at most 100000"),
        ("${{ 'x'.replaceAll(r/x/, 'y') }}", "flag g"),
        ("${{ 'x' | replace(r/(/, 'y') }}", "regular expression is wrong"),
        ("${{ [none] | join(',', 'a') }}", "null or undefined"),
    ],
)
def test_what_is_wrong_is_refused(render: Callable[..., str], source: str, message: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        render(source, one=1)
    assert message in caught.value.message
    assert caught.value.line == 1


def test_an_unknown_filter_in_a_dead_branch_is_harmless(render: Callable[..., str]) -> None:
    assert render("{% if false %}${{ x | nope }}{% endif %}ok") == "ok"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("a ${{- 1 -}} b", "a1b"),
        ("a {#- c -#} b", "ab"),
        ("a\n  {%- set x = 1 -%}\n  b", "ab"),
        ("{% set x -%} a {% endset %}[${{ x }}]", "[ a ]"),
        ("{% raw -%} a {% endraw %} b", " a b"),
        ("{%- if true %}\u00a0\ufeff{%- endif %}", ""),
        ("{%- if true %}\x1c{%- endif %}", "\x1c"),
    ],
)
def test_white_space_control(render: Callable[..., str], source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("  {% if true %}\r\n  a\n  {% endif %}\n\nb", "  a\n\nb"),
        ("a {% if true %}\nb{% endif %}\rc", "a b\rc"),
        ("  ${{ 1 }}\n  {# c #}\n", "  1\n  \n"),
        ("{% raw %}\nx{% endraw %}\ny", "x\ny"),
        ("\t{% set x = 1 %}\nx", "x"),
    ],
)
def test_trimmed_blocks(render: Callable[..., str], source: str, expected: str) -> None:
    assert render(source, Dialect(trim_blocks=True, lstrip_blocks=True)) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ cookiecutter.name | upper }} ${{ x }}", "PAY $"),
        ("{{ True }}{{ False }}{{ None }}", "truefalse"),
        ("{{ cookiecutter.list[1:] }} {{ cookiecutter.list[:-1] }}", "2,3 1,2"),
        ("{{ cookiecutter.list[::-1] }} {{ cookiecutter.list[1] }}", "3,2,1 2"),
        ("{% for k, v in cookiecutter.map.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{{ cookiecutter.map.get('z', 'd') }} {{ cookiecutter.map | jsonify }}", 'd {"a":1}'),
        ("{{ cookiecutter.list.index(2) }}{{ cookiecutter.list.count(3) }}", "11"),
    ],
)
def test_cookiecutter(render: Callable[..., str], source: str, expected: str) -> None:
    values = {"name": "pay", "list": [1, 2, 3], "map": {"a": 1}}
    assert render(source, COOKIECUTTER, values=values) == expected
