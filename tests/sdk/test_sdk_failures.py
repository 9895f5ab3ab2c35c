"""What goes wrong between a client and a platform, and that no call has its effect twice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from contract_server import Answer, problem
from contract_server import Platform as Served

from towpath_sdk import (
    ApiError,
    Backoff,
    Conflict,
    Invalid,
    Platform,
    RateLimited,
    TransportFailed,
    Unavailable,
    UnexpectedAnswer,
)

BUSY = Answer(503, {"code": "unavailable", "detail": "The database does not answer."})


@pytest.mark.parametrize("answer", [BUSY, None], ids=["503", "dropped"])
def test_a_lost_answer_is_asked_for_under_the_same_key(
    platform: Platform, served: Served, answer: Answer | None
) -> None:
    served.fail("POST", "/api/v1/plans", answer=answer, done=True, times=2)
    plan = platform.plans.create("postgres-database", "orders")
    assert list(served.plans) == [plan.id]
    keys = {request.key for request in served.calls("POST", "/api/v1/plans")}
    assert len(keys) == 1 and None not in keys
    assert len(served.calls("POST", "/api/v1/plans")) == 3


def test_every_call_has_a_key_of_its_own(platform: Platform, served: Served) -> None:
    for _ in range(2):
        platform.tokens.create("ci", scopes=["catalog:read"])
    assert len(served.tokens) == 2


def test_the_callers_own_key_makes_a_restarted_script_safe(
    platform: Platform, served: Served
) -> None:
    first = platform.plans.create("postgres-database", "orders", idempotency_key="job-7")
    again = platform.plans.create("postgres-database", "orders", idempotency_key="job-7")
    assert first == again and len(served.plans) == 1
    with pytest.raises(Invalid) as caught:
        platform.plans.create("postgres-database", "other", idempotency_key="job-7")
    assert caught.value.code == "idempotency-mismatch"


def test_a_removal_whose_answer_was_lost_has_succeeded(platform: Platform, served: Served) -> None:
    made = platform.tokens.create("ci", scopes=["catalog:read"])
    served.fail("DELETE", "/api/v1/tokens/.*", done=True)
    platform.tokens.revoke(made.id)
    assert served.tokens == {}


def test_a_deletion_that_runs_is_begun_once(platform: Platform, served: Served) -> None:
    plan = platform.plans.create("postgres-database", "orders")
    id = platform.plans.apply(plan.id, plan.hash).resource_id
    served.fail("DELETE", "/api/v1/resources/.*", done=True)
    begun = platform.resources.delete(id)
    assert [r.id for r in platform.runs.list(kind="delete")] == [begun.run_id]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_passing_failures_are_tried_again(platform: Platform, served: Served, status: int) -> None:
    served.fail("GET", "/api/v1/info", answer=Answer(status, {}), times=4)
    assert platform.info().name == "towpath"
    assert len(served.requests) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 500, 501])
def test_final_failures_are_not(platform: Platform, served: Served, status: int) -> None:
    served.fail("GET", "/api/v1/info", answer=Answer(status, {}))
    with pytest.raises(ApiError) as caught:
        platform.info()
    assert caught.value.status == status and len(served.requests) == 1


def test_a_call_still_in_flight_is_waited_for(platform: Platform, served: Served) -> None:
    busy = problem(409, "idempotency-in-flight", "The first is still being worked on.")
    served.fail("POST", "/api/v1/tokens", answer=busy, times=2)
    platform.tokens.create("ci", scopes=["catalog:read"])
    assert len(served.calls("POST", "/api/v1/tokens")) == 3


def test_another_conflict_is_not(platform: Platform, served: Served) -> None:
    served.fail("POST", "/api/v1/tokens", answer=problem(409, "conflict", "No."))
    with pytest.raises(Conflict):
        platform.tokens.create("ci", scopes=["catalog:read"])


def test_in_the_end_it_gives_up(platform: Platform, served: Served) -> None:
    served.fail("GET", "/api/v1/info", answer=BUSY, times=99)
    with pytest.raises(Unavailable) as caught:
        platform.info()
    assert caught.value.what == "The database does not answer."
    assert len(served.requests) == 5


def test_retrying_can_be_turned_off(connect: Any, served: Served) -> None:
    served.fail("GET", "/api/v1/info", answer=BUSY, times=99)
    with connect(retries=0) as platform, pytest.raises(Unavailable):
        platform.info()
    assert len(served.requests) == 1


def test_asked_to_wait_longer_than_patience_it_gives_up(connect: Any, served: Served) -> None:
    later = Answer(429, {"detail": "Slow down."}, headers={"retry-after": "3600"})
    served.fail("GET", "/api/v1/info", answer=later, times=99)
    patience = Backoff(first=0, patience=5)
    with connect(backoff=patience) as platform, pytest.raises(RateLimited) as caught:
        platform.info()
    assert caught.value.retry_after == 3600
    assert len(served.requests) == 1


def test_nobody_listens(connect: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with connect(address) as platform, pytest.raises(TransportFailed) as caught:
            platform.info()
    assert caught.value.what == "GET /api/v1/info could not connect."
    assert caught.value.next is not None


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<html>login</html>", "text/html"), (b"[]", "application/json"), (b"", "text/plain")],
)
def test_something_else_answers(
    platform: Platform, served: Served, content: bytes, kind: str
) -> None:
    served.fail("GET", "/api/v1/info", answer=Answer(200, content, kind))
    with pytest.raises(UnexpectedAnswer) as caught:
        platform.info()
    assert "GET /api/v1/info" in caught.value.what


def test_a_redirect_is_not_followed_and_is_an_error(platform: Platform, served: Served) -> None:
    away = Answer(302, b"", headers={"location": "http://127.0.0.1:1/elsewhere"})
    served.fail("GET", "/api/v1/info", answer=away)
    with pytest.raises(ApiError) as caught:
        platform.info()
    assert caught.value.status == 302


def test_a_list_that_names_its_own_page_as_the_next_ends(
    platform: Platform, served: Served
) -> None:
    again = Answer(200, {"items": [], "nextCursor": "7"})
    served.fail("GET", "/api/v1/tokens", answer=again, times=99)
    with pytest.raises(UnexpectedAnswer):
        list(platform.tokens.list())
    assert len(served.requests) == 2


def test_a_list_goes_on_where_a_page_was_lost(platform: Platform, served: Served) -> None:
    walk = iter(platform.entities.list(filter="kind=component", page_size=2))
    found = [next(walk).name]
    served.fail("GET", "/api/catalog/entities/by-query", times=2)
    found += [one.name for one in walk]
    assert found == [f"shop-{n}" for n in range(1, 8)]


@contextmanager
def closing_server() -> Iterator[tuple[str, list[int]]]:
    """A server that answers once on each connection, and closes it only when it is used again."""
    listener = socket.create_server(("127.0.0.1", 0))
    answered: list[int] = []

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                answered.append(1)
                body = b'{"status":"ok"}'
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                peer.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                peer.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", answered
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_server_that_closes_idle_connections_is_asked_again_at_once(connect: Any) -> None:
    # A wait of a minute would show as a timeout of this test: the retry comes without one.
    slow = Backoff(first=60, cap=60)
    with closing_server() as (address, answered), connect(address, backoff=slow) as platform:
        for _ in range(3):
            assert platform.health().status == "ok"
    assert len(answered) == 3
