"""The methods that values have, and that they have no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.members import member, python_member
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.values import UNDEFINED, Function, SafeText

CONTEXT: dict[str, Any] = {
    "s": "Hello World",
    "wide": "a😀b",
    "l": [3, 1, 2],
    "m": [1, "1", None, [2, [3]]],
    "n": 1234.5678,
    "o": {"a": 1, "length": 9},
    "t": True,
}
TABLE = {
    "s.at(-1)": "d",
    "s.at(99) is undefined": "true",
    "s.charAt(4)": "o",
    "s.charAt(99)": "",
    "s.charCodeAt(0)": "72",
    "s.charCodeAt(99)": "NaN",
    "wide.codePointAt(1)": "128512",
    "wide.charCodeAt(1)": "55357",
    "s.concat('!', 1, none)": "Hello World!1null",
    "s.endsWith('ld')": "true",
    "s.endsWith('lo', 5)": "true",
    "s.includes('World', 7)": "false",
    "s.indexOf('o', 5)": "7",
    "s.indexOf('')": "0",
    "s.lastIndexOf('o')": "7",
    "s.lastIndexOf('o', 6)": "4",
    "s.match(r/o/g) | dump": '["o","o"]',
    "s.match(r/(W)(x)?/) | dump": '["W","W",null]',
    "s.match(r/z/)": "",
    "s.padStart(13, 'ab')": "abHello World",
    "s.padEnd(13)": "Hello World  ",
    "s.padStart(3)": "Hello World",
    "'ab'.repeat(3)": "ababab",
    "s.replace('o', '0')": "Hell0 World",
    "s.replace('l', '$&$&$$')": "Hell$lo World",
    "s.replace(r/(\\w+) (\\w+)/, '$2 $1')": "World Hello",
    "s.replace(r/O/gi, '0')": "Hell0 W0rld",
    "s.replace(r/(?<x>W)/, '<$<x>>')": "Hello <W>orld",
    "s.replace(r/o/, '[$`|$\\']')": "Hell[Hell| World] World",
    "s.replaceAll('l', 'L')": "HeLLo WorLd",
    "s.replaceAll(r/l/g, '')": "Heo Word",
    "s.search(r/W/)": "6",
    "s.slice(-5)": "World",
    "s.slice(2, -2)": "llo Wor",
    "s.slice(5, 2)": "",
    "s.split(' ') | dump": '["Hello","World"]',
    "s.split('o', 2) | dump": '["Hell"," W"]',
    "'ab'.split('') | dump": '["a","b"]',
    "s.split() | dump": '["Hello World"]',
    "'a1b22c'.split(r/[0-9]+/) | dump": '["a","b","c"]',
    "'a1b'.split(r/([0-9])/) | dump": '["a","1","b"]',
    "s.startsWith('World', 6)": "true",
    "s.substr(-5, 3)": "Wor",
    "s.substring(5, 0)": "Hello",
    "s.substring(-3, 2)": "He",
    "s.toLowerCase() ~ s.toUpperCase()": "hello worldHELLO WORLD",
    "'\u00a0 a \ufeff'.trim()": "a",
    "' a '.trimStart() ~ '|' ~ ' a '.trimEnd() ~ '|'": "a | a|",
    "s[0] ~ s['1'] ~ s.length": "He11",
    "s['-1'] is undefined": "true",
    "wide[3]": "b",
    "l.at(-1)": "2",
    "l.concat([4], 5) | dump": "[3,1,2,4,5]",
    "l.fill(0, 1) | dump": "[3,0,0]",
    "m.flat() | dump": '[1,"1",null,2,[3]]',
    "m.flat(9) | dump": '[1,"1",null,2,3]',
    "l.includes(2)": "true",
    "l.includes('2')": "false",
    "[0 / 0].includes(0 / 0)": "true",
    "[0 / 0].indexOf(0 / 0)": "-1",
    "l.indexOf(1)": "1",
    "l.indexOf(3, 1)": "-1",
    "l.join()": "3,1,2",
    "m.join('-')": "1-1--2,3",
    "[1, 2, 1].lastIndexOf(1)": "2",
    "[1, 2, 1].lastIndexOf(1, 1)": "0",
    "l.pop() ~ l": "23,1",
    "l.push(9, 8) ~ l": "53,1,2,9,8",
    "l.reverse() | dump": "[2,1,3]",
    "l.shift() ~ l": "31,2",
    "l.slice(1) | dump": "[1,2]",
    "l.slice(-2, -1) | dump": "[1]",
    "[10, 9, 1].sort() | dump": "[1,10,9]",
    "l.splice(1, 1, 'a', 'b') ~ l": "13,a,b,2",
    "l.splice(1) ~ '|' ~ l": "1,2|3",
    "l.unshift(0) ~ l": "40,3,1,2",
    "l['1'] ~ l[1] ~ l.length": "113",
    "l[-1] is undefined": "true",
    "l['01'] is undefined": "true",
    "n.toFixed(2)": "1234.57",
    "n.toFixed()": "1235",
    "n.toPrecision(3)": "1.23e+3",
    "n.toPrecision(6)": "1234.57",
    "n.toExponential(1)": "1.2e+3",
    "n.toString()": "1234.5678",
    "(255).toString(16)": "ff",
    "(-5).toString(2)": "-101",
    "t.toString()": "true",
    "o.hasOwnProperty('a')": "true",
    "o.hasOwnProperty('hasOwnProperty')": "false",
    "o.length": "9",
    "r/a+/i.test('xA')": "true",
    "r/a+/gi ~ ''": "/a+/gi",
}


@pytest.mark.parametrize("expression", TABLE)
def test_answer(render: Callable[..., str], expression: str) -> None:
    assert render("${{ " + expression + " }}", **CONTEXT) == TABLE[expression]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("s.repeat(-1)", "count of 0 or more"),
        ("s.startsWith(r/a/)", "regular expression"),
        ("n.toFixed(101)", "from 0 to 100"),
        ("n.toString(2)", "whole number"),
        ("s.format()", "`s.format` cannot be called"),
        ("l.append(1)", "`l.append` cannot be called"),
        ("o.items()", "`o.items` cannot be called"),
        ("s.length()", "it is not a function"),
        ("o['x' ~ 'y'](1)", "`o[..]` cannot be called"),
        ("('a')()", "`(..)` cannot be called"),
    ],
)
def test_refused(render: Callable[..., str], expression: str, message: str) -> None:
    with pytest.raises(TemplateFault, match=re.escape(message)):
        render("${{ " + expression + " }}", **CONTEXT)


def test_a_change_lasts_as_long_as_the_template(value: Callable[..., Any]) -> None:
    template = ["${{ l.push(9) }}", "${{ l }}", "a${{ l.pop() }}${{ l }}", "${{ l.length }}"]
    assert value(template, l=[1, 2]) == [3, [1, 2], "a21", 2]


@pytest.mark.parametrize(
    ("body", "flags", "subject", "found"),
    [
        ("^a$", "", "a\n", -1),
        ("^b$", "m", "a\nb\nc", 2),
        (r"\/", "", "a/", 1),
        (r"\u0041\x42", "", "xAB", 1),
        ("[[]", "", "a[", 1),
        ("[&&||~~]", "", "a|", 1),
        ("[^]", "", "\n", 0),
        ("[]", "", "a", -1),
        (r"(?<x>a)\k<x>", "", "baa", 1),
        ("(?<!a)b", "", "abb", 2),
        (r"\d", "", "\u0661", -1),
        (r"[\]a]", "", "]", 0),
        (r"\e\-", "", "e-", 0),
    ],
)
def test_patterns_mean_what_javascript_means(
    body: str, flags: str, subject: str, found: int
) -> None:
    assert Pattern(body, flags).search(subject) == found


@pytest.mark.parametrize("body", ["(", "(?P<a>b)", "(?i)a", "a" * 16_385, "*", r"(?<a"])
def test_wrong_patterns_are_refused(body: str) -> None:
    with pytest.raises(TemplateFault):
        Pattern(body, "")


@pytest.mark.parametrize("lookup", [member, python_member])
@pytest.mark.parametrize(
    "owner",
    [
        *("x", SafeText("x"), 1, 1.5, True, None, UNDEFINED, [1], {"a": 1}),
        *(Pattern("a", ""), Function("f", lambda: None)),
    ],
)
def test_no_attribute_of_a_python_object_can_be_reached(lookup: Any, owner: Any) -> None:
    class Everything:
        """Has no attribute of its own."""

    names = set(dir(owner)) | set(dir(Everything)) | {"__globals__", "__code__", "func"}
    reached = {name for name in names if lookup(owner, name) is not UNDEFINED}
    # What is left are JavaScript's and, in cookiecutter templates, a few of Python's collections.
    shared = {"concat", "flags", "split", "replace", "pop", "reverse", "sort", "index", "count"}
    shared |= {"append", "insert", "remove", "get", "items", "keys", "values"}
    assert reached <= shared
    assert all(isinstance(lookup(owner, name), Function) for name in reached)
