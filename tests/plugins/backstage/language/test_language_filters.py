"""Every filter and test: what nunjucks 3.2.4 answers, and where ours is kinder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from towpath_backstage.language.environment import FILTERS
from towpath_backstage.language.faults import TemplateFault

CONTEXT: dict[str, Any] = {
    "text": "hello World",
    "nums": [3, 1, 2],
    "words": ["b", "A", "c"],
    "mixed": [1, "1", None, True, [2, 3], {"a": 1}],
    "people": [{"n": "b", "v": 2, "d": {"e": 1}}, {"n": "a", "v": 0}],
    "entries": {"b": 2, "a": 1, "10": "x"},
    "html": "<p class='x'>a &amp; b</p>\n\n\n<br/> c <!-- d -->",
    "wide": "a😀b",
}

FILTER_TABLE = {
    "-3 | abs": "3",
    "'-2.5' | abs": "2.5",
    "nums | batch(2) | dump": "[[3,1],[2]]",
    "nums | batch(2, 'x') | dump": '[[3,1],[2,"x"]]',
    "'abc' | batch(2) | dump": '[["a","b"],["c"]]',
    "'aBC' | capitalize": "Abc",
    "'a' | center(4)": " a  ",
    "'abc' | center(6)": " abc  ",
    "'abcdef' | center(3)": "abcdef",
    "nope | d('x')": "x",
    "entries | dictsort | dump": '[["10","x"],["a",1],["b",2]]',
    "{b: 1, a: 2} | dictsort(false, 'value') | dump": '[["b",1],["a",2]]',
    "{B: 1, a: 2} | dictsort(true) | dump": '[["B",1],["a",2]]',
    "entries | dump": '{"10":"x","b":2,"a":1}',
    "mixed | dump": '[1,"1",null,true,[2,3],{"a":1}]',
    "mixed | dump(1)": '[\n 1,\n "1",\n null,\n true,\n [\n  2,\n  3\n ],\n {\n  "a": 1\n }\n]',
    "[] | dump(2)": "[]",
    "{a: {}} | dump('--')": '{\n--"a": {}\n}',
    "{a: nope, b: none, c: range} | dump": '{"b":null}',
    "[nope, range, 0 / 0] | dump": "[null,null,null]",
    "nope | dump": "",
    "'é\"\\n\\t\u2028' | dump": '"é\\"\\n\\t\u2028"',
    '"<a>&\'" | escape': "&lt;a&gt;&amp;&#39;",
    "'<' | e | e": "&lt;",
    "'<' | e | forceescape": "&amp;lt;",
    "nums | first": "3",
    "'xyz' | first": "x",
    "'1.5px' | float": "1.5",
    "'x' | float(7)": "7",
    "people | groupby('d.e') | dump": (
        '{"1":[{"n":"b","v":2,"d":{"e":1}}],"undefined":[{"n":"a","v":0}]}'
    ),
    "'a\\nb\\nc' | indent": "a\n    b\n    c",
    "'a\\nb' | indent(2, true)": "  a\n  b",
    "'12.7px' | int": "12",
    "'ff' | int(0, 16)": "255",
    "'x' | int(default=3)": "3",
    "'101' | int(base=2)": "5",
    "nums | join": "312",
    "mixed | join('-')": "1-1--true-2,3-[object Object]",
    "people | join('/', 'n')": "b/a",
    "nums | last": "2",
    "'xyz' | last": "z",
    "wide | length": "4",
    "entries | length": "3",
    "none | length": "0",
    "'ab' | list | dump": '["a","b"]',
    "{a: 1} | list | dump": '[{"key":"a","value":1}]',
    "'ÀB' | lower": "àb",
    "'a\\r\\nb\\n' | nl2br": "a<br />\nb<br />\n",
    "[5] | random": "5",
    "[0, 1, '', 'a'] | reject | dump": '[0,""]',
    "[0, 1, 2] | reject('odd') | dump": "[0,2]",
    "people | rejectattr('v') | dump": '[{"n":"a","v":0}]',
    "'abab' | replace('b', '$&')": "a$&a$&",
    "'abab' | replace('b', 'c', 1)": "acab",
    "5.5 | replace('.', ',')": "5,5",
    "true | replace('t', 'x')": "true",
    "'abc' | reverse": "cba",
    "nums | reverse | dump": "[2,1,3]",
    "2.5 | round": "3",
    "-2.5 | round": "-2",
    "1.2345 | round(2)": "1.23",
    "1.21 | round(1, 'ceil')": "1.3",
    "1.29 | round(1, 'floor')": "1.2",
    "'<' | safe": "<",
    "[0, 1, 2, 3] | select('even') | dump": "[0,2]",
    "[1, 5, 9] | select('gt', 4) | dump": "[5,9]",
    "people | selectattr('v') | dump": '[{"n":"b","v":2,"d":{"e":1}}]',
    "[1, 2, 3, 4, 5] | slice(2) | dump": "[[1,2,3],[4,5]]",
    "[1, 2, 3] | slice(2, 'x') | dump": '[[1,2],[3,"x"]]',
    "'abcde' | slice(2) | dump": '["abc","de"]',
    "words | sort | dump": '["A","b","c"]',
    "[10, 9, '8'] | sort | dump": '["8",9,10]',
    "people | sort(false, false, 'n') | join(',', 'n')": "a,b",
    "mixed | string": "1,1,,true,2,3,[object Object]",
    "html | striptags": "a &amp; b c",
    "html | striptags(true)": "a &amp; b\n\nc",
    "nums | sum": "6",
    "people | sum('v', 10)": "12",
    "['a', 1] | sum": "00a1",
    "'the qUICK fox' | title": "The Quick Fox",
    "'\\n a ﻿' | trim": "a",
    "'hello big world' | truncate(9)": "hello big...",
    "'hello big world' | truncate(8)": "hello...",
    "'hello big world' | truncate(9, true)": "hello big...",
    "'hello big world' | truncate(9, true, '')": "hello big",
    "'ß' | upper": "SS",
    "'a b/ü&' | urlencode": "a%20b%2F%C3%BC%26",
    "{a: 'x y', b: 1} | urlencode": "a=x%20y&b=1",
    "[['k', 'v']] | urlencode": "k=v",
    "'see http://x.com/a. ok' | urlize": 'see <a href="http://x.com/a">http://x.com/a</a> ok',
    "'www.x.org' | urlize(5, true)": '<a href="http://www.x.org" rel="nofollow">www.x</a>',
    "'(me@x.org)' | urlize": '<a href="mailto:me@x.org">me@x.org</a>',
    "'a b-c' | wordcount": "3",
    "'' | wordcount": "",
    "text | safe | length": "11",
    "text | safe is escaped": "true",
    "text is string": "true",
    "5 is number": "true",
    "[] is mapping": "false",
    "{} is mapping": "true",
    "[] is iterable": "true",
    "'a' is lower": "true",
    "'a' is upper": "false",
    "3 is odd": "true",
    "3 is ge(3)": "true",
    "3 is le(2)": "false",
    "3 is lessthan(4)": "true",
    "3 is ne('3')": "true",
    "nums is sameas(nums)": "true",
    "nope is undefined": "true",
}

OURS = {
    "nope | first": "",
    "nope | last": "",
    "nope | random": "",
    "none | join(',')": "",
    "none | sum": "0",
    "none | list | dump": "[]",
    "none | dictsort | dump": "[]",
    "nope | select | dump": "[]",
    "nope | selectattr('a') | dump": "[]",
    "nope | trim": "",
    "nope | urlize": "",
    "nope | string": "",
    "false | trim": "",
    "entries | jsonify": '{"10":"x","b":2,"a":1}',
    "'<' | safe | dump": '"<"',
    "'github.com?owner=o&repo=%2Fr%2F&x=1' | parseRepoUrl | dump": (
        '{"host":"github.com","owner":"o","repo":"r"}'
    ),
    "'dev.azure.com?organization=o&project=p&repo=r' | parseRepoUrl | dump": (
        '{"host":"dev.azure.com","repo":"r","organization":"o","project":"p"}'
    ),
    "nope | parseRepoUrl | dump": "{}",
    "'gh.io:8443?owner=a&repo=b' | projectSlug": "a/b",
    "'x' | projectSlug": "undefined/undefined",
    "'Component:ns/Name' | parseEntityRef | dump": (
        '{"kind":"Component","namespace":"ns","name":"Name"}'
    ),
    "'name' | parseEntityRef({defaultKind: 'User'}) | dump": (
        '{"kind":"User","namespace":"default","name":"name"}'
    ),
    "'ns/na:me' | parseEntityRef({defaultKind: 'User'}) | dump": (
        '{"kind":"User","namespace":"ns","name":"na:me"}'
    ),
    "{kind: 'API', name: 'a'} | parseEntityRef | dump": (
        '{"kind":"API","namespace":"default","name":"a"}'
    ),
    "people | pick('[0].d.e')": "1",
    "people | pick('0.n')": "b",
    "people | pick(['1', 'n'])": "a",
    "{'a.b': 1} | pick('a.b')": "1",
    "people[0] | pick('d[\"e\"]')": "1",
    "people | pick('length')": "2",
    "people | pick('5.x.y') is undefined": "true",
    "nope | pick('a') is undefined": "true",
    "text | pick('__class__') is undefined": "true",
}


@pytest.mark.parametrize("expression", [*FILTER_TABLE, *OURS])
def test_answer(render: Callable[..., str], expression: str) -> None:
    expected = (FILTER_TABLE | OURS)[expression]
    assert render("${{ " + expression + " }}", **CONTEXT) == expected


def test_every_filter_is_in_the_table() -> None:
    named = " ".join([*FILTER_TABLE, *OURS, "| default"])
    assert {name for name in FILTERS if f"| {name}" not in named} == set()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("5 | upper", "`upper` needs a text, not a number"),
        ("true | trim", "`trim` needs a text, not a boolean"),
        ("[] | title", "`title` needs a text, not a list"),
        ("{} | join", "`join` needs a list, not an object"),
        ("5 | list", "`list` needs a list, not a number"),
        ("'a' | selectattr('x')", "`selectattr` needs a list, not a text"),
        ("[] | dictsort", "`dictsort` needs an object, not a list"),
        ("{} | dictsort(false, 'x')", "by `key` or by `value`"),
        ("[1] | select('nope')", "the name of a test"),
        ("[none, none] | sort(attribute='a')", "null or undefined"),
        ("[1] | urlencode", "list of pairs"),
        ("nope | parseEntityRef", "needs a reference"),
        ("'name' | parseEntityRef", "without kind"),
        ("'a:' | parseEntityRef", "[<kind>:][<namespace>/]<name>"),
        ("{name: 'x'} | parseEntityRef", "without kind"),
        ("'[x' | parseRepoUrl", "needs a repository url"),
        ("5 is lower", "`lower` needs a text, not a number"),
        ("[1] | batch(10000000, 1)", "at most"),
    ],
)
def test_refused(render: Callable[..., str], expression: str, message: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        render("${{ " + expression + " }}")
    assert message in caught.value.message
    assert caught.value.line == 1


def test_random_takes_one_of_the_items(render: Callable[..., str]) -> None:
    drawn = {render("${{ nums | random }}", **CONTEXT) for _ in range(60)}
    assert drawn == {"1", "2", "3"}
