"""The pure half of the SDK: errors, retry rules, filters, references, paths, event streams."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_sdk import (
    ApiError,
    Backoff,
    BadArgument,
    ConfigurationError,
    Conflict,
    EntityRef,
    Invalid,
    NotFound,
    PlanStale,
    PlatformError,
    Problem,
    TransportFailed,
    Unavailable,
    UnexpectedAnswer,
    parse_ref,
)
from towpath_sdk._wire.address import checked_token, checked_url
from towpath_sdk._wire.calls import post, route
from towpath_sdk._wire.problems import error_from
from towpath_sdk._wire.query import filter_params
from towpath_sdk._wire.retry import retry_delay
from towpath_sdk._wire.sse import MAX_FRAME, Frame, FrameParser

few = settings(deadline=None, max_examples=60)


def error(status: int, body: object, **headers: str) -> ApiError:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from("GET /x", status, named, content)


def test_a_problem_document_says_what_why_next_and_where() -> None:
    fault = {"code": "kind", "detail": "no such kind", "file": "a.yaml", "line": 3, "column": 7}
    made = error(
        422,
        {
            "type": "urn:towpath:problem:invalid",
            "title": "Invalid",
            "status": 422,
            "code": "invalid",
            "detail": "The descriptor is wrong.",
            "why": "It has an unknown kind.",
            "next": "Correct it.",
            "errors": [fault, {"code": "x", "detail": "y", "pointer": "/spec/owner"}],
        },
    )
    assert isinstance(made, Invalid)
    assert (made.what, made.why, made.next) == (
        "The descriptor is wrong.",
        "It has an unknown kind.",
        "Correct it.",
    )
    assert made.problems[0] == Problem("kind", "no such kind", "a.yaml", 3, 7)
    assert str(made).splitlines()[1:] == ["  a.yaml:3:7: no such kind", "  /spec/owner: y"]


def test_both_backstage_forms() -> None:
    wrapped = {"error": {"name": "NotFoundError", "message": "No entity"}, "response": {}}
    assert isinstance(error(404, wrapped), NotFound)
    assert error(404, wrapped).what == "No entity"
    listed = error(
        400,
        {"errors": [{"property": "instance.db.list[0]", "message": "is wrong", "name": "type"}]},
    )
    assert listed.what == "The platform refused the values."
    assert listed.problems == (Problem("type", "is wrong", pointer="/db/list/0"),)


def test_a_stable_code_chooses_the_class() -> None:
    assert type(error(409, {"code": "plan-stale", "detail": "d"})) is PlanStale
    assert type(error(409, {"code": "conflict", "detail": "d"})) is Conflict
    assert type(error(500, {})) is ApiError


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<html><h1>Bad gateway</h1>", "GET /x was answered with status 502."),
        (b"upstream\x1b[31m gone\n", "GET /x was answered with status 502: upstream[31m gone"),
        (b"", "GET /x was answered with status 502."),
        (b"\xff\xfe", "GET /x was answered with status 502: \ufffd\ufffd"),
        (b"[" * 100_000, None),
        (b"9" * 2_000_000, None),
    ],
)
def test_what_is_not_ours_becomes_an_error_too(body: bytes, shown: str | None) -> None:
    made = error(502, body)
    assert isinstance(made, Unavailable)
    assert len(made.what) < 300
    assert shown is None or made.what == shown


@few
@given(
    st.integers(300, 599),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["errors", "error", "detail", "code", "line", "message", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.text(max_size=30),
)
def test_no_body_and_no_header_breaks_the_reading_of_an_error(
    status: int, body: object, header: str
) -> None:
    made = error(status, body, retry_after=header, date=header)
    assert made.status == status and made.what and str(made)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": " 0 "}, 0),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "\u0663"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
        (
            {
                "retry_after": "Mon, 23 Nov 2026 10:00:30 GMT",
                "date": "Mon, 23 Nov 2026 10:00:00 GMT",
            },
            30,
        ),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert error(503, {}, **headers).retry_after == seconds


def delay(failure: PlatformError, attempt: int, luck: float = 1.0, **how: float) -> float | None:
    backoff = Backoff(**how) if how else Backoff()
    return retry_delay(failure, attempt, retries=50, backoff=backoff, luck=lambda: luck)


def test_waits_double_up_to_the_cap_and_are_drawn_from_the_whole_window() -> None:
    failure = TransportFailed("refused")
    assert [delay(failure, n) for n in range(7)] == [0.25, 0.5, 1, 2, 4, 8, 8]
    assert delay(failure, 5, luck=0.5) == 4
    assert delay(failure, 5, luck=0) == 0
    assert delay(failure, 49) == 8
    assert delay(failure, 50) is None


@few
@given(
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_no_wait_is_negative_or_longer_than_the_cap(
    attempt: int, luck: float, first: float, cap: float
) -> None:
    wait = retry_delay(
        Unavailable("x", status=503, code="unavailable"),
        attempt,
        retries=attempt + 1,
        backoff=Backoff(first=first, cap=cap),
        luck=lambda: luck,
    )
    assert wait is not None and 0 <= wait <= cap


def test_a_lost_connection_is_made_anew_at_once_and_then_with_waits() -> None:
    lost = TransportFailed("lost", lost=True)
    assert delay(lost, 0) == 0
    assert delay(lost, 1) == 0.5


def test_retry_after_is_obeyed_up_to_ones_patience() -> None:
    assert delay(error(503, {}, retry_after="3"), 0, luck=0) == 3
    assert delay(error(503, {}, retry_after="3"), 0, luck=1) == 3.25
    assert delay(error(503, {}, retry_after="61"), 0) is None
    assert delay(error(409, {}, retry_after="1"), 0, luck=0) == 1
    assert delay(error(404, {}, retry_after="1"), 0) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("component:shop", "component:default/shop"),
        ("Component:Team-A/Shop", "component:team-a/shop"),
        ("api:default/a:b", "api:default/a:b"),
    ],
)
def test_references(text: str, canonical: str) -> None:
    assert str(parse_ref(text)) == canonical
    assert parse_ref(parse_ref(text)) == parse_ref(text)


def test_a_reference_may_leave_out_a_kind_that_is_known() -> None:
    assert parse_ref("a/b:c", kind="template") == EntityRef("template", "a", "b:c")


@pytest.mark.parametrize("text", ["", ":", "a:", ":a", "a:/b", "a:b/", "shop", "ns/shop", ":x/y"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_ref(text)
    assert isinstance(caught.value, ValueError) and caught.value.next


@few
@given(st.text(st.characters(exclude_characters=":/"), min_size=1).filter(lambda t: t.strip()))
def test_what_is_written_is_read_again(name: str) -> None:
    ref = EntityRef("component", "default", name)
    assert str(parse_ref(str(ref))) == str(ref)


def test_filters_are_written_as_the_catalog_reads_them() -> None:
    assert filter_params({"kind": "api", "spec.type": ["a", "b"], "spec.x": None, "y": ""}) == [
        ("filter", "kind=api,spec.type=a,spec.type=b,spec.x,y=")
    ]
    assert filter_params(["a=b", {"c": "d"}, ""]) == [("filter", "a=b"), ("filter", "c=d")]
    assert filter_params(None) == []


@few
@given(st.text(min_size=1, max_size=40).filter(lambda t: t not in (".", "..")))
def test_a_segment_stays_one_segment(name: str) -> None:
    encodable = name.encode("utf-8", "replace").decode()
    path = route("/api", encodable)
    assert re.fullmatch(r"/api/[A-Za-z0-9._~%-]+", path)
    assert unquote(path.removeprefix("/api/")) == encodable


def test_what_is_none_is_left_out_of_a_body() -> None:
    assert post("/x", {"a": None, "b": 1}).body == b'{"b":1}'


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("HTTP://LocalHost:8000/", "http://localhost:8000"),
        ("https://a.example:443/idp/", "https://a.example/idp"),
        ("http://[::1]:80", "http://[::1]"),
        (" https://a.example ", "https://a.example"),
    ],
)
def test_addresses_have_one_form(given_url: str, kept: str) -> None:
    assert checked_url(given_url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://a",
        "http://",
        "http://a b",
        "http://a/?x=1",
        "http://a/#x",
        "http://a:99999",
        "http://[::1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_url(url)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_url("https://ann:hunter2@a.example")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "a b", "a\n", "a\r\nx-admin: 1", "tokén", "\x00"])
def test_a_token_unfit_for_a_header_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_token(token)
    assert not token.strip() or token not in str(caught.value)


def frames(*chunks: bytes) -> list[Frame]:
    parser = FrameParser()
    return [frame for chunk in chunks for frame in parser.feed(chunk)]


def test_event_streams_as_the_standard_has_them() -> None:
    stream = (
        b"\xef\xbb\xbf: hello\r\n\r\nid: 1\nevent: log\ndata: a\ndata: b\n\ndata:x\r\rretry: 5\n"
    )
    assert frames(stream) == [Frame("log", "a\nb", "1"), Frame("message", "x", "1")]
    assert frames(b"event: done\n\n") == [Frame("done", "", "")]
    assert frames(b"data: cut off") == []
    assert frames(b"id: a\0b\ndata: x\n\n") == [Frame("message", "x", "")]


LINES = st.sampled_from(
    [b"data: x", b"data", b"id: 7", b"event: log", b": c", b"", b"data: \xe2\x80\xa8y", b"odd"]
)


@few
@given(
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=30),
    st.lists(st.integers(0, 300), max_size=12),
    st.booleans(),
)
def test_where_a_stream_is_cut_makes_no_difference(
    lines: list[tuple[bytes, bytes]], cuts: list[int], bom: bool
) -> None:
    # A last line feed settles whether a carriage return before it was half of a pair.
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(a + b for a, b in lines) + b"\n"
    spots = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(spots)]
    assert frames(*pieces) == frames(stream)


def test_an_event_without_end_is_refused() -> None:
    parser = FrameParser()
    with pytest.raises(UnexpectedAnswer):
        for _ in range(MAX_FRAME // 1_000_000 + 2):
            parser.feed(b"x" * 1_000_000)
    parser = FrameParser()
    with pytest.raises(UnexpectedAnswer):
        for _ in range(MAX_FRAME // 1_000_000 + 2):
            parser.feed(b"data: " + b"x" * 1_000_000 + b"\n")
