"""Following and awaiting runs over connections that break."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from contract_server import Answer, problem
from contract_server import Platform as Served

from towpath_sdk import (
    Event,
    NotFound,
    Platform,
    PlatformError,
    RunFailed,
    TransportFailed,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
)

STREAM = "/api/v1/runs/.*/stream"


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_events_come_as_they_happen(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "live")
    run.add("log", message="line 1", level="info")
    heard = []
    for event in platform.runs.follow(run.id):
        heard.append(event.text)
        if len(heard) < 4:  # each next event is made only after the one before was heard
            run.add("log", message=f"line {len(heard) + 1}", level="info")
        elif len(heard) == 4:
            run.end()
    assert heard == ["line 1", "line 2", "line 3", "line 4", "succeeded"]


def test_a_broken_stream_is_taken_up_where_it_was(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "broken")
    for number in range(10):
        run.add("log", message=str(number), level="info")
    run.end()
    for _ in range(3):
        served.fail("GET", STREAM, events=3)
    heard = [event.seq for event in platform.runs.follow(run.id)]
    assert heard == list(range(1, 12))
    resumed = [r.headers.get("last-event-id") for r in served.calls("GET", STREAM)]
    assert resumed == [None, "3", "6", "9"]


def test_breaks_are_counted_anew_with_each_event(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "brittle")
    for number in range(30):
        run.add("log", message=str(number), level="info")
        served.fail("GET", STREAM, events=1)
    run.end()
    assert len(list(platform.runs.follow(run.id))) == 31


def test_a_platform_that_restarts_is_waited_for(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "restart")
    run.end()
    served.fail("GET", STREAM, answer=Answer(503, {}), times=3)
    served.fail("GET", STREAM, times=3)
    assert [event.text for event in platform.runs.follow(run.id)] == ["succeeded"]


def test_lost_connections_are_told(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "cut")
    run.add("log", message="one", level="info")
    served.fail("GET", STREAM, events=1)
    served.fail("GET", STREAM, answer=Answer(503, {}))
    told: list[str] = []

    def tell(error: PlatformError | None) -> None:
        told.append(type(error).__name__)
        if error is None:
            run.end()

    platform.runs.wait(run.id, timeout=60, on_connection=tell)
    assert told == ["TransportFailed", "Unavailable", "NoneType"]


def test_a_platform_that_stays_away_is_given_up(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "away")
    served.fail("GET", STREAM, times=99)
    with pytest.raises(TransportFailed):
        list(platform.runs.follow(run.id))
    assert len(served.calls("GET", STREAM)) == 11


def test_an_event_that_a_plugin_calls_done_is_not_the_end(
    platform: Platform, served: Served
) -> None:
    run = served.run("scaffold", "odd")
    run.add("done", what="a part of it")
    run.end()
    assert [event.type for event in platform.runs.follow(run.id)] == ["done", "state"]


def test_events_known_already_are_left_out(platform: Platform, served: Served) -> None:
    run = served.finished("scaffold", "known", {})
    assert [event.seq for event in platform.runs.follow(run.id, after=3)] == [4]


@pytest.mark.parametrize(
    "hostile", ["a\u2028b", "a\u0085b", "a\x0bb\x1cc", "a\rb\nc", "\ud83d\ude00"]
)
def test_line_ends_inside_of_an_event_do_not_break_it(
    platform: Platform, served: Served, hostile: str
) -> None:
    hostile = hostile.encode("utf-16", "surrogatepass").decode("utf-16")
    run = served.run("scaffold", "odd")
    run.add("log", message=hostile, level="info")
    run.end()
    assert next(iter(platform.runs.follow(run.id))).text == hostile


def test_leaving_the_loop_frees_the_connection(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "left")
    run.add("log", message="one", level="info")
    for _ in range(3):
        for event in platform.runs.follow(run.id):
            assert event.seq == 1
            break
    assert platform.runs.get(run.id).state == "running"


def test_a_run_that_is_not_there(platform: Platform) -> None:
    with pytest.raises(NotFound):
        list(platform.runs.follow("none"))
    with pytest.raises(NotFound):
        platform.runs.wait("none")


def test_a_token_revoked_in_the_middle(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "revoked")
    run.add("log", message="one", level="info")
    served.fail("GET", STREAM, events=1)
    served.fail("GET", STREAM, answer=problem(401, "unauthenticated", "Revoked."))
    with pytest.raises(Unauthorized):
        list(platform.runs.follow(run.id))


def test_an_answer_that_is_no_stream(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "html")
    served.fail("GET", STREAM, answer=Answer(200, b"<html>", "text/html"))
    with pytest.raises(UnexpectedAnswer):
        list(platform.runs.follow(run.id))


def test_waiting_hands_over_every_event_first(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "waited")
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if event.seq == 1:
            run.end(output={"remoteUrl": "x"})

    run.add("log", message="one", level="info")
    ended = platform.runs.wait(run.id, timeout=60, on_event=hear)
    assert ended.output == {"remoteUrl": "x"}
    assert [event.seq for event in heard] == [1, 2]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_run_that_does_not_succeed(platform: Platform, served: Served, state: str) -> None:
    run = served.run("scaffold", "Create boat")
    run.end(state, error={"code": "step-failed", "message": "The host is full."})
    with pytest.raises(RunFailed) as caught:
        platform.runs.wait(run.id)
    assert caught.value.run.state == state
    assert caught.value.why == "The host is full."
    assert run.id in str(caught.value)


def test_the_end_of_the_wait_leaves_the_run_in_hand(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "long")
    with pytest.raises(WaitTimeout) as caught:
        platform.runs.wait(run.id, timeout=0.2)
    assert caught.value.run.id == run.id
    assert caught.value.run.state == "running"
    ender = in_background(run.end)
    assert platform.runs.wait(run.id, timeout=60).state == "succeeded"
    ender.join()


def test_no_time_to_wait_looks_once(platform: Platform, served: Served) -> None:
    done = served.finished("scaffold", "done", {})
    assert platform.runs.wait(done.id, timeout=0).id == done.id
    with pytest.raises(WaitTimeout):
        platform.runs.wait(served.run("scaffold", "open").id, timeout=0)


def test_a_silent_connection_is_made_anew(
    platform: Platform, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_sync", "_async"):
        monkeypatch.setattr(f"towpath_sdk.{module}.runs._LOOK", 0.1)
    served.keep_alive = 30  # nothing at all comes while a run stands still
    run = served.run("scaffold", "silent")
    for seconds in (0.5, 5, 30):  # longer where the machine is busy
        with pytest.raises(WaitTimeout):
            platform.runs.wait(run.id, timeout=seconds)
        if len(served.calls("GET", STREAM)) >= 3:
            break
    assert len(served.calls("GET", STREAM)) >= 3


def test_a_proxy_that_holds_events_back_does_not_hold_the_wait(
    platform: Platform, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_sync", "_async"):
        monkeypatch.setattr(f"towpath_sdk.{module}.runs._LOOK", 0.05)
    run = served.finished("scaffold", "held back", {})
    served.fail("GET", STREAM, mute=True, times=99)
    assert platform.runs.wait(run.id, timeout=60).state == "succeeded"
