"""Requests that break the rules of HTTP, or bend them: an answer, and nothing left behind."""

from __future__ import annotations

import socket
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from live import Live
from raw import ask, connected, head, receive, refused, send

pytestmark = pytest.mark.usefixtures("lives_on")

JSON = "Content-Type: application/json"
BY_QUERY = "/api/catalog/entities/by-query"
BY_NAME = "/api/catalog/entities/by-name/component/default"


def test_a_body_that_is_too_large_is_refused_before_it_came(live: Live) -> None:
    announced = head(live, "POST", "/api/v1/plans", JSON, "Content-Length: 99999999999")
    refused(send(live, announced), 413)
    with connected(live) as connection:
        connection.sendall(head(live, "POST", "/api/v1/plans", JSON, "Transfer-Encoding: chunked"))
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(200):
                connection.sendall(chunk)
            raise TimeoutError("it read 200 MiB")


def test_two_lengths_are_refused(live: Live) -> None:
    target = "/api/v1/plans"
    for lines in (
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -5",),
        ("Content-Length: 5x",),
        ("Transfer-Encoding: chunked, x",),
    ):
        answer = send(live, head(live, "POST", target, JSON, *lines) + b"{}{}{}")
        assert answer is None or answer.status == 400, lines


def test_a_length_beside_chunks_smuggles_nothing(live: Live) -> None:
    hidden = head(live, "DELETE", f"/api/catalog/entities/by-uid/{uuid.uuid4()}")
    smuggled = head(
        live, "POST", "/api/v1/plans", JSON, "Content-Length: 4", "Transfer-Encoding: chunked"
    )
    with connected(live) as connection:
        connection.sendall(smuggled + b"0\r\n\r\n" + hidden)
        refused(receive(connection), 400)
        assert connection.recv(1000) == b"", "the second request was answered"


def test_a_body_that_ends_too_soon_or_breaks_off_frees_its_connection(live: Live) -> None:
    wanted = head(live, "POST", "/api/v1/plans", JSON, "Content-Length: 100")
    before = descriptors(live)
    for _ in range(20):
        with connected(live) as connection:
            connection.sendall(wanted + b'{"offering"')
            connection.shutdown(socket.SHUT_WR)
            answer = receive(connection)
            assert answer is None or answer.status == 400
    for _ in range(20):
        with connected(live) as connection:
            connection.sendall(wanted + b'{"offering"')
    wait_until(lambda: descriptors(live) <= before + 2)
    broken = head(live, "POST", "/api/v1/plans", JSON, "Transfer-Encoding: chunked")
    answer = send(live, broken + b'5\r\n{"a":\r\nzz\r\n')
    assert answer is None or answer.status == 400
    log = (live.folder / "log").read_text()
    assert "request.unexpected" not in log, "a client that went away is nobody's fault"


def descriptors(live: Live) -> int:
    (gateway,) = live.children("serve")
    return len(list(Path(f"/proc/{gateway}/fd").iterdir()))


def wait_until(holds: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_many_slow_bodies_do_not_stop_others(live: Live, api: httpx.Client) -> None:
    wanted = head(live, "POST", "/api/v1/plans", JSON, "Content-Length: 100")
    slow = []
    try:
        for _ in range(100):
            host, _, port = live.url.removeprefix("http://").rpartition(":")
            connection = socket.create_connection((host, int(port)), timeout=60)
            connection.sendall(wanted + b"{")
            slow.append(connection)
        start = time.monotonic()
        assert api.get("/api/v1/plugins").status_code == 200
        assert api.post("/api/v1/plans", json={"offering": "x", "name": "y"}).status_code == 404
        assert time.monotonic() - start < 20  # slow bodies are waited for for 30 s
    finally:
        for connection in slow:
            connection.close()


def test_many_or_long_headers_are_refused(live: Live) -> None:
    many = head(live, "GET", "/api/v1/info", *(f"X-{n}: y" for n in range(2000)))
    long = head(live, "GET", "/api/v1/info", f"X: {'y' * 1_000_000}")
    for request in (many, long):
        with connected(live) as connection:
            try:
                connection.sendall(request)
                answer = receive(connection)
            except ConnectionError:
                continue
        assert answer is None or answer.status == 431


def test_odd_requests_get_an_answer_or_nothing(live: Live) -> None:
    for data in (
        b"GET\r\n\r\n",
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /api/v1/info HTTP/1.1\r\nHost: x\r\n Folded: y\r\n\r\n",
        b"GET /api/v1/info HTTP/1.1\nHost: x\n\n",
    ):
        answer = send(live, data)
        assert answer is None or 400 <= answer.status < 500, data


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "CONNECT", "FOO", "get", "PROPFIND"])
def test_odd_methods_are_405_and_say_what_is_allowed(live: Live, method: str) -> None:
    answer = ask(live, method, "/api/v1/info")
    refused(answer, 405, 400)
    if answer.status == 405:
        assert answer.headers["allow"] == "get, head, options"


def test_an_overridden_method_is_not_read(live: Live) -> None:
    answer = ask(live, "GET", "/api/v1/tokens", "X-HTTP-Method-Override: DELETE")
    assert answer.status == 200
    refused(ask(live, "POST", "/api/v1/info?_method=GET"), 405)


@pytest.mark.parametrize(
    "path", ["/api/v1/info", "/healthz", f"{BY_NAME}/gate-controller", "/api/catalog/entities"]
)
def test_head_is_get_without_the_body(live: Live, path: str) -> None:
    got = ask(live, "GET", path)
    asked = ask(live, "HEAD", path)
    assert asked.status == 200
    assert asked.headers["content-length"] == got.headers["content-length"]
    with connected(live) as connection:
        connection.sendall(head(live, "HEAD", path))
        assert receive(connection, body=False) is not None
        connection.sendall(head(live, "GET", "/healthz"))
        last = receive(connection)
        assert last is not None and last.body == b'{"status":"ok"}'


def test_head_of_a_stream_ends(live: Live, api: httpx.Client) -> None:
    values = {"name": f"h-{uuid.uuid4().hex[:6]}"}
    body = {"templateRef": "template:default/python-service", "values": values}
    run_id = api.post("/api/scaffolder/v2/tasks", json=body).json()["id"]
    answer = api.head(f"/api/v1/runs/{run_id}/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""


def test_options_tells_methods_to_the_known_and_opens_nothing(live: Live) -> None:
    answer = ask(live, "OPTIONS", "/api/v1/info")
    assert answer.status == 204
    assert "get" in answer.headers["allow"]
    preflight = head(
        live,
        "OPTIONS",
        "/api/v1/info",
        "Origin: https://evil.example",
        "Access-Control-Request-Method: DELETE",
        token="none",
    )
    stranger = send(live, preflight)
    refused(stranger, 401)


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://127.0.0.1.evil.example", "file://"]
)
def test_no_origin_is_let_in(live: Live, origin: str) -> None:
    for method in ("GET", "OPTIONS", "POST"):
        answer = ask(live, method, "/api/v1/info", f"Origin: {origin}")
        assert not [name for name in answer.headers if name.startswith("access-control")]


SPOOFED = (
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "Forwarded: host=evil.example",
    "X-Forwarded-User: admin",
    "X-Remote-User: admin",
    "X-Original-URL: /api/v1/tokens",
    "X-Rewrite-URL: /api/v1/tokens",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Prefix: /evil",
)


def test_forwarded_headers_make_no_difference(live: Live) -> None:
    stranger = send(live, head(live, "GET", "/api/v1/info", *SPOOFED, token="none"))
    refused(stranger, 401)
    answer = ask(live, "GET", "/api/v1/info", *SPOOFED)
    plain = ask(live, "GET", "/api/v1/info")
    assert answer.body == plain.body


def test_links_are_never_built_from_the_host(live: Live) -> None:
    bearer = f"Authorization: Bearer {live.token}\r\n"
    target = "GET /api/catalog/entities?limit=1 HTTP/1.1\r\n"
    answer = send(live, f"{target}Host: evil.example\r\n{bearer}\r\n".encode())
    assert answer is not None and answer.status == 200
    assert answer.headers["link"].startswith("</entities?")
    assert "evil" not in str(answer.headers)
    refused(send(live, f"{target}Host: evil<script>\r\n{bearer}\r\n".encode()), 400)


def test_answers_are_not_sniffed_nor_kept(live: Live, api: httpx.Client) -> None:
    for path in ("/healthz", "/api/v1/info", "/api/catalog/entities", "/api/v1/nope", "/nope"):
        answer = api.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert not any(char.isdigit() for char in answer.headers.get("server", "")), path
        assert "x-powered-by" not in answer.headers
    made = api.post("/api/v1/tokens", json={"name": "x", "scopes": ["catalog:read"]})
    assert made.headers["cache-control"] == "no-store"
    assert api.get("/api/v1/tokens").headers["cache-control"] == "no-store"
    assert httpx.get(f"{live.url}/api/v1/info", timeout=60).headers["cache-control"] == "no-store"
