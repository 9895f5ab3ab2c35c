"""What holds for every input."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from towpath_backstage.language import build, numerals, utf16
from towpath_backstage.language.environment import FILTERS
from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.filters_data import dump
from towpath_backstage.language.lexer import Dialect, has_tags, tokenize
from towpath_backstage.language.members import member
from towpath_backstage.language.operators import BINARY, add, loosely_equal, strictly_equal
from towpath_backstage.language.render import Renderer
from towpath_backstage.language.values import UNDEFINED, text, to_number, truthy

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
NAMES = st.text(min_size=1, max_size=8)
many = settings(deadline=None, max_examples=60)


def rendered(source: str, context: dict[str, Any] | None = None) -> str:
    renderer = Renderer(10_000_000)
    renderer.use(json.dumps(context or {}))
    return renderer.text(source)


def plain_text() -> st.SearchStrategy[str]:
    alphabet = st.sampled_from("ab \n\r\t${}%#-'\"\\é😀\u2028")
    return st.text(alphabet).filter(lambda written: not has_tags(written))


@many
@given(plain_text())
def test_text_without_tags_comes_out_as_it_is(written: str) -> None:
    assert rendered(written) == written
    assert rendered(written + "${{ 1 }}" + written) == written + "1" + written


@many
@given(plain_text())
def test_raw_text_comes_out_as_it_is(written: str) -> None:
    assert rendered("{% raw %}" + written + "${{ {% {{" + "{% endraw %}") == written + "${{ {% {{"


@many
@given(JSON)
def test_a_value_without_tags_is_itself(template: Any) -> None:
    if not has_tags(json.dumps(template, ensure_ascii=False)):
        assert Renderer(10_000_000).value(template) == template


@many
@given(JSON)
def test_an_expression_gives_its_value(given_: Any) -> None:
    renderer = Renderer(10_000_000)
    renderer.use(json.dumps({"x": given_}))
    assert renderer.value("${{ x }}") == given_


@many
@given(JSON)
def test_dump_writes_what_json_reads(value: Any) -> None:
    for indent in (UNDEFINED, 2):
        assert json.loads(dump(value, indent), parse_int=float) == value


@many
@given(st.text(alphabet="{}%#$-' \"\\\n\rabr/|.,:()[]=!<>~+*0123456789_eé", max_size=40))
@example("${{ a.b }}{% raw %}{#")
def test_any_source_is_rendered_or_refused_with_its_line(source: str) -> None:
    for written in (source, "${{ " + source + " }}", "{% " + source + " %}"):
        try:
            rendered(written)
        except TemplateFault as fault:
            lines = written.count("\n") + 1
            assert fault.line is None or 1 <= fault.line <= lines
            assert "Error)" not in fault.message


@many
@given(st.text(alphabet="{}%#$- \n'a", max_size=30))
def test_tokens_come_with_their_lines(source: str) -> None:
    try:
        tokens = tokenize(source, Dialect())
    except TemplateFault:
        return
    lines = [token.line for token in tokens]
    assert lines == sorted(lines)
    assert lines[-1] == source.count("\n") + 1


@many
@given(st.sampled_from(sorted(FILTERS)), JSON, st.lists(JSON, max_size=3))
def test_a_filter_answers_or_refuses(name: str, value: Any, args: list[Any]) -> None:
    renderer = Renderer(100_000_000)
    small = [arg % 100 if isinstance(arg, (int, float)) else arg for arg in args]
    renderer.use(json.dumps({"x": value, "args": small}))
    arguments = ", ".join(f"args[{index}]" for index in range(len(args)))
    try:
        renderer.value("${{ x | " + name + "(" + arguments + ") }}")
    except TemplateFault as fault:
        assert "Error)" not in fault.message


@many
@given(st.sampled_from(sorted(BINARY)), JSON, JSON)
def test_an_operator_answers_or_refuses(sign: str, left: Any, right: Any) -> None:
    try:
        BINARY[sign](left, right)
    except TemplateFault:
        assert sign == "in"


@many
@given(JSON, JSON)
def test_equality_is_symmetric_and_strict_implies_loose(left: Any, right: Any) -> None:
    assert loosely_equal(left, right) == loosely_equal(right, left)
    assert strictly_equal(left, right) == strictly_equal(right, left)
    assert loosely_equal(left, right) or not strictly_equal(left, right)


@many
@given(JSON)
def test_not_and_text_agree_with_truth(value: Any) -> None:
    renderer = Renderer(10_000_000)
    renderer.use(json.dumps({"x": value}))
    assert renderer.value("${{ not x }}") is not truthy(value)
    assert renderer.value("${{ x ~ '' }}") == utf16.scalar(text(value))


@many
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_from_its_text(number: float) -> None:
    assert numerals.parse_number(numerals.number_text(number).lstrip("-")) == abs(number)


@many
@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_arithmetic_is_that_of_doubles(left: int, right: int) -> None:
    assert add(left, right) == float(left) + float(right)
    assert BINARY["*"](left, right) == float(left) * float(right)


@many
@given(st.text())
def test_units_are_merged_back(written: str) -> None:
    assert utf16.merged(utf16.units(written)) == written
    assert len(utf16.units(written)) == utf16.length(written)
    assert utf16.length(written) == len(written.encode("utf-16-le")) // 2


@many
@given(NAMES, NAMES)
def test_mangled_names_are_identifiers_and_differ(one: str, other: str) -> None:
    assert build.mangled(one).isidentifier()
    assert build.mangled(one).isascii()
    assert build.unmangled(build.mangled(one)) == one
    assert (build.mangled(one) == build.mangled(other)) == (one == other)


@many
@given(st.dictionaries(NAMES, st.integers(0, 9), max_size=4), NAMES)
def test_an_object_has_its_own_keys_only(entries: dict[str, int], name: str) -> None:
    if name != "hasOwnProperty":
        assert member(entries, name) == entries.get(name, UNDEFINED)


@many
@given(st.lists(JSON, max_size=6), st.integers(-8, 8), st.integers(-8, 8))
def test_slices_are_pythons(items: list[Any], start: int, end: int) -> None:
    renderer = Renderer(10_000_000)
    renderer.use(json.dumps({"x": items}))
    assert renderer.value(f"${{{{ x.slice({start}, {end}) }}}}") == items[start:end]


@many
@given(st.text(max_size=20))
def test_conversion_to_a_number_never_fails(written: str) -> None:
    number = to_number(written)
    assert isinstance(number, (int, float)) or math.isnan(number)
