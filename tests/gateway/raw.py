"""HTTP by hand, for what clients make tidy before they send it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
from live import Live

LEAKS = ("Traceback", 'File "', "site-packages", "/home/", "psycopg", "sqlalchemy", "tow_pat_")


class Answered(msgspec.Struct):
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def connected(live: Live, seconds: float = 60) -> Iterator[socket.socket]:
    host, _, port = live.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        yield connection


def head(live: Live, method: str, target: bytes | str, *lines: str, token: str = "") -> bytes:
    path = target.encode() if isinstance(target, str) else target
    bearer = f"Authorization: Bearer {token or live.token}"
    rest = "".join(f"{line}\r\n" for line in ("Host: towpath", bearer, *lines))
    return method.encode() + b" " + path + b" HTTP/1.1\r\n" + rest.encode("latin-1") + b"\r\n"


def receive(connection: socket.socket, *, body: bool = True) -> Answered | None:
    """The next answer; None when the connection ended without one."""
    came = b""
    while b"\r\n\r\n" not in came:
        if not (chunk := connection.recv(65536)):
            return None
        came += chunk
    first, _, content = came.partition(b"\r\n\r\n")
    lines = first.decode("latin-1").split("\r\n")
    headers = dict(re.split(r":\s*", line.lower(), maxsplit=1) for line in lines[1:])
    length = int(headers.get("content-length", "0")) if body else 0
    while len(content) < length:
        content += connection.recv(65536)
    return Answered(int(lines[0].split()[1]), headers, content)


def send(live: Live, data: bytes, **options: Any) -> Answered | None:
    with connected(live) as connection:
        connection.sendall(data)
        return receive(connection, **options)


def ask(live: Live, method: str, target: bytes | str, *lines: str, body: bytes = b"") -> Answered:
    if body:
        lines = (*lines, f"Content-Length: {len(body)}")
    answer = send(live, head(live, method, target, *lines) + body, body=method != "HEAD")
    assert answer is not None, (method, target)
    return answer


def refused(answer: Answered | httpx.Response | None, *statuses: int) -> None:
    assert answer is not None
    status = answer.status if isinstance(answer, Answered) else answer.status_code
    text = answer.body.decode() if isinstance(answer, Answered) else answer.text
    assert status in (statuses or range(400, 500)), (status, text[:500])
    assert not any(leak in text for leak in LEAKS), text
    assert len(text) < 4000
