"""How Backstage's catalog is asked: slashes, methods, media types, and errors in its body."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from contract import BASE, refused
from live import Live

pytestmark = pytest.mark.usefixtures("lives_on")

NOBODY = "7d3c9a52-1f0e-4b6a-9c8d-2e5f60718293"

READS = (
    "/entities",
    "/entities/by-query",
    "/entities/by-name/component/default/gate-controller",
    "/entities/by-name/component/default/gate-controller/ancestry",
    "/entity-facets?facet=kind",
    "/locations",
    "/locations/by-entity/component/default/gate-controller",
    "/openapi.json",
)


@pytest.mark.parametrize("path", READS)
def test_a_slash_at_the_end_and_an_empty_json_body_make_no_difference(
    api: httpx.Client, path: str
) -> None:
    plain = api.get(f"{BASE}{path}")
    assert plain.status_code == 200, plain.text
    assert plain.headers["content-type"] == "application/json; charset=utf-8"
    bare, mark, query = path.partition("?")
    headers = {"content-type": "application/json"}
    other = api.get(f"{BASE}{bare}/{mark}{query}", headers=headers)
    assert (other.status_code, other.content) == (200, plain.content)
    asked = f"{BASE}{path}{'&' if query else '?'}unknown=1"
    refused(api.get(asked), 400, "InputError", "unknown")
    head = api.head(f"{BASE}{path}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == plain.headers["content-length"]


WRITES = (
    ("POST", "/refresh", {"entityRef": "component:default/none"}, 404),
    ("POST", "/entities/by-refs", {"entityRefs": []}, 200),
    ("POST", "/entities/by-query", {"limit": 0}, 200),
    ("POST", "/entity-facets", {"facets": ["kind"]}, 200),
    ("POST", "/locations/by-query", {}, 200),
    ("POST", "/validate-entity", {}, 400),
    ("POST", "/analyze-location", {}, 400),
    ("POST", "/locations", {}, 400),
    ("PUT", f"/locations/{NOBODY}", {}, 400),
    ("DELETE", f"/locations/{NOBODY}", None, 404),
    ("DELETE", f"/entities/by-uid/{NOBODY}", None, 204),
    ("GET", f"/entities/by-uid/{NOBODY}", None, 404),
    ("GET", f"/locations/{NOBODY}", None, 404),
)


@pytest.mark.parametrize(("method", "path", "body", "status"), WRITES)
def test_writes_take_a_slash_at_the_end_too(
    live: Live, api: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    headers = {"content-type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    for url in (f"{BASE}{path}", f"{BASE}{path}/"):
        answer = api.request(method, url, content=content, headers=headers)
        assert answer.status_code == status, answer.text
        refused(api.request(method, f"{url}?unknown=1", content=content), 400, "InputError")
        if content is not None:
            plain = {"content-type": "text/plain"}
            refused(api.request(method, url, content=b"x", headers=plain), 415, "InputError")
            empty = api.request(method, url, headers=headers)
            if path.endswith("/by-query"):  # where everything may be left out
                bare = api.request(method, url, content=b"{}", headers=headers)
                assert (empty.status_code, empty.content) == (200, bare.content)
                continue
            assert empty.status_code == 400
            assert "body is missing" in empty.text
    with live.client("tow_pat_wrong") as nobody:
        refused(
            nobody.request(method, f"{BASE}{path}", content=content), 401, "AuthenticationError"
        )
    if method != "GET" and "query" not in path and "refs" not in path and "facets" not in path:
        with live.known_as("reader", "catalog:read") as reader:
            answer = reader.request(method, f"{BASE}{path}", content=content)
            refused(answer, 403, "NotAllowedError")


@pytest.mark.parametrize("path", ["", "/", "/nope", "/nope/deeper", "/entities/nope", "/LOCATIONS"])
def test_what_is_not_there_is_404_in_the_body_of_the_contract(api: httpx.Client, path: str) -> None:
    refused(api.get(f"{BASE}{path}"), 404, "NotFoundError", "nothing at this path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/entities", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/locations/x", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("GET", "/validate-entity", {"POST", "OPTIONS"}),
        ("DELETE", "/locations", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/locations/by-query", {"POST", "OPTIONS"}),
    ],
)
def test_other_methods_are_405_and_name_those_that_are_there(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.request(method, f"{BASE}{path}")
    refused(answer, 405, "InputError", f"but {answer.headers['allow']}.")
    assert set(answer.headers["allow"].split(", ")) == allowed
    options = api.options(f"{BASE}{path}")
    assert options.status_code == 204
    assert set(options.headers["allow"].split(", ")) == allowed
