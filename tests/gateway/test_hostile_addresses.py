"""Paths and queries that nobody sends by accident: each is refused, and the same for all."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from live import Live
from raw import ask, connected, head, receive, refused, send

pytestmark = pytest.mark.usefixtures("lives_on")

BY_QUERY = "/api/catalog/entities/by-query"
BY_NAME = "/api/catalog/entities/by-name/component/default"
NUL = "a\0b"


PATHS = {
    "nul": (f"{BY_NAME}/a%00b", 400),
    "newline": (f"{BY_NAME}/a%0d%0aX:%20y", 400),
    "encoded slash": (f"{BY_NAME}/a%2Fb", 400),
    "encoded slashes": ("/api%2Fv1%2Finfo", 400),
    "backslash": ("/api/v1/..%5cinfo", 400),
    "overlong": (f"{BY_NAME}/%c0%af", 400),
    "no text": (f"{BY_NAME}/%ff%fe", 400),
    "half escape": (f"{BY_NAME}/a%2", 400),
    "no escape": (f"{BY_NAME}/a%zz", 400),
    "dots": ("/api/v1/runs/../info", 404),
    "encoded dots": ("/api/%2e%2e/api/v1/info", 404),
    "dots and semicolon": ("/api/v1/..;/info", 404),
    "parameters": ("/api/v1/info;x=y", 404),
    "case": ("/API/v1/info", 404),
    "unknown": ("/api/v1/nope", 404),
    "root": ("/", 404),
    "asterisk": ("*", 404),
    "admin": ("/api/%2e%2e/admin", 404),
    "unicode": (f"{BY_NAME}/%F0%9F%98%80", 404),
    "space": (f"{BY_NAME}/a%20b", 404),
    "colon": (f"{BY_NAME}/component:default", 404),
    "fullwidth": ("/api/v1/%EF%BC%8E%EF%BC%8E/info", 404),
}


@pytest.mark.parametrize(("target", "status"), PATHS.values(), ids=PATHS)
def test_odd_paths_are_refused(live: Live, target: str, status: int) -> None:
    refused(ask(live, "GET", target), status)


def test_slashes_more_and_less_mean_the_same_and_need_a_token(live: Live) -> None:
    for target in ("//api//v1//info/", "/api/v1/info/", "/api/v1/info"):
        assert ask(live, "GET", target).status == 200
        stranger = send(live, head(live, "GET", target, token="tow_pat_none"))
        refused(stranger, 401)


def test_a_whole_url_as_target_is_answered_as_its_path(live: Live) -> None:
    answer = ask(live, "GET", "http://evil.example/api/v1/info")
    assert answer.status == 200
    assert b"evil.example" not in answer.body


@pytest.mark.parametrize("size", [33_000, 60_000, 100_000, 1_000_000])
def test_long_addresses_are_refused(live: Live, size: int) -> None:
    for target in (f"/{'a' * size}", f"{BY_QUERY}?filter={'a' * size}"):
        with connected(live) as connection:
            try:
                connection.sendall(head(live, "GET", target))
                answer = receive(connection)
            except ConnectionError:
                continue
        assert answer is None or answer.status in (414, 431), answer


@pytest.mark.parametrize(
    "query",
    [
        "limit=1e3",
        "limit=5.0",
        "limit=٣",
        "limit=%D9%A3",
        "limit=+5",
        "limit=05",
        "limit=0x10",
        "limit=1_0",
        "limit=",
        "limit=null",
        "limit=true",
        "limit=%205",
        "limit=-1",
        "limit=99999999999999999999999999",
        "limit=5&limit=6",
        "limit=5&limit=5",
        "offset=-1",
        "Limit=5",
        "limit[]=5",
        "cursor=",
        "cursor=a&cursor=b",
        "cursor=%00",
        "totalItems=Include",
        "nope=1",
        "%00=1",
        "access_token=x",
        "filter==x",
        "orderField=a,sideways",
        "fields=" + ",".join(f"f{n}" for n in range(101)),
    ],
)
def test_odd_parameters_of_a_query_are_refused(live: Live, query: str) -> None:
    refused(ask(live, "GET", f"{BY_QUERY}?{query}".encode()), 400)


def test_parameters_of_other_routes_are_held_to_the_same(api: httpx.Client) -> None:
    run = uuid.uuid4()
    for url in (
        "/api/v1/runs?limit=0",
        "/api/v1/runs?limit=1001",
        "/api/v1/runs?limit=1e2",
        "/api/v1/runs?stat=failed",
        "/api/v1/runs?cursor=%ff",
        "/api/v1/runs?cursor=WzEsMl0",
        "/api/v1/resources?limit=-1",
        "/api/v1/offerings?cursor=-1",
        "/api/v1/catalog/problems?cursor=9999999999999999999999",
        "/api/v1/catalog/problems?location=1",
        f"/api/v1/runs/{run}/events?after=-1",
        f"/api/v1/runs/{run}/events?after=9223372036854775808",
        f"/api/v1/runs/{run}/stream?after=x",
        f"/api/scaffolder/v2/tasks/{run}/events?after=-1",
        "/api/scaffolder/v2/tasks?order=asc:spec",
        "/api/scaffolder/v2/tasks?limit=-1",
        "/api/catalog/entities?limit=0",
        "/api/catalog/entities?after=bnVsbA==",
        "/api/catalog/entities?after=eyJsaW1pdCI6LTEsIm9mZnNldCI6MH0=",
        "/api/catalog/entities?" + "&".join(["order=asc:kind"] * 11),
        "/api/catalog/entity-facets?" + "&".join(f"facet=f{n}" for n in range(101)),
    ):
        refused(api.get(url), 400)


def test_wildcards_are_plain_characters(api: httpx.Client) -> None:
    for text in ("%", "_", "%gate%", "g_te-controller", "gate*", "gate.*", "$", "'", "\\"):
        params: dict[str, Any] = {"filter": f"metadata.name={text}"}
        assert api.get(BY_QUERY, params=params).json()["totalItems"] == 0, text
        params = {"fullTextFilterTerm": text, "fullTextFilterFields": "metadata.name"}
        assert api.get(BY_QUERY, params=params).json()["totalItems"] == 0, text
    for value in ("%", "s%", "_caffold", "scaffold'--", "\\"):
        assert api.get("/api/v1/runs", params={"kind": value}).json() == {"items": []}
    assert api.get("/api/v1/runs", params={"kind": NUL}).status_code == 400


def test_few_refs_do_not_make_a_huge_answer(api: httpx.Client) -> None:
    refs = ["component:default/gate-controller"] * 10_000
    answer = api.post("/api/catalog/entities/by-refs", json={"entityRefs": refs})
    assert answer.status_code in (200, 422)
    assert len(answer.content) < 64 * 1024 * 1024 + 100
    more = api.post("/api/catalog/entities/by-refs", json={"entityRefs": [*refs, "x"]})
    refused(more, 400)
