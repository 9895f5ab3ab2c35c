"""Calls of plugin objects: deadlines, threads, errors of every class, and what is remembered."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import pytest

from towpath_core import hookimpl
from towpath_core.errors import LimitExceeded, NotFound, PluginError, TowpathError, Unavailable
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.runs import Suspended

ASKED = contextvars.ContextVar("ASKED", default="nobody")


class Mute(BaseException):
    def __str__(self):
        raise SystemExit


class MuteNotFound(NotFound):
    def __str__(self):
        raise RuntimeError


class Odd:
    """A policy whose further methods do what plugins should not."""

    name = "odd"

    def __init__(self):
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.ended = threading.Event()

    def decide(self, request):
        return ("decided", request)

    def fail(self, error):
        raise error

    async def afail(self, error):
        await asyncio.sleep(0)
        raise error

    def hang(self, result=None):
        self.entered.release()
        self.gate.wait(60)
        return result() if result else None

    async def ahang(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    def promise(self):
        self.promised = self.add(1)
        self.ended.set()
        return self.promised

    async def add(self, one, two=0):
        await asyncio.sleep(0)
        return one + two

    def count(self, upto):
        yield from range(upto)

    def endless(self):
        number = 0
        try:
            while True:
                number += 1
                yield number
        finally:
            self.ended.set()

    def stopped(self):
        return self.ended.wait(4)

    def fail_late(self):
        yield 1
        raise SystemExit("late")

    def who(self):
        return ASKED.get(), threading.current_thread().name

    async def awho(self):
        return ASKED.get()

    @property
    def trap(self):
        raise KeyboardInterrupt


@pytest.fixture
def odd():
    odd = Odd()
    yield odd
    odd.gate.set()


@pytest.fixture
def made(odd, load):
    plugin = SimpleNamespace(towpath_policies=hookimpl(specname="towpath_policies")(lambda: [odd]))
    return lambda **config: load(extra={"odd-plugin": plugin}, **config)


def sync(host, method, *args, **kwargs):
    return host.call_sync(host.contributions.policies["odd"], method, *args, **kwargs)


def coroutine(host, method, *args, **kwargs):
    return asyncio.run(host.call(host.contributions.policies["odd"], method, *args, **kwargs))


both = pytest.mark.parametrize("call", [sync, coroutine])


@both
def test_results_come_back_from_plain_and_async_methods(made, call):
    host = made()
    assert call(host, "decide", 5, seconds=60) == ("decided", 5)
    assert call(host, "add", 1, two=2, seconds=60) == 3
    assert call(host, "add", 1) == 1


@both
def test_a_function_of_the_caller_makes_many_calls_in_one(made, call):
    def decide_all(policy, requests, *, last):
        return [policy.decide(request) for request in (*requests, last)]

    host = made()
    assert call(host, decide_all, [1, 2], last=3) == [("decided", n) for n in (1, 2, 3)]
    assert host.trace()[-1].call == "odd.decide_all"


@both
@pytest.mark.parametrize("method", ["fail", "afail"])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no\x1b[31m\nsecond"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(1),
        StopAsyncIteration(),
        asyncio.CancelledError(),
        MemoryError(),
        Mute(),
        MuteNotFound("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_plugin_raises_becomes_one_error(made, call, method, error):
    host = made()
    with pytest.raises(PluginError) as caught:
        call(host, method, error, seconds=60)
    assert caught.value.what == f"The plugin odd-plugin failed in odd.{method}."
    kind = type(error).__name__
    # A coroutine cannot let StopIteration out: Python itself turns it into a RuntimeError.
    assert caught.value.why.startswith((kind, "RuntimeError"))
    assert "\n" not in caught.value.why and "\x1b" not in caught.value.why
    assert "in process" in caught.value.next
    assert caught.value.__cause__ is None
    assert call(host, "decide", 1) == ("decided", 1)
    [info] = [i for i in host.describe() if i.name == "odd-plugin"]
    assert (info.state, info.failures) == ("active", 1)


@both
@pytest.mark.parametrize("method", ["fail", "afail"])
def test_errors_of_ours_pass_unchanged_and_are_no_failure(made, call, method):
    host = made()
    error = NotFound("There is no such thing.", why="it left")
    with pytest.raises(NotFound) as caught:
        call(host, method, error, seconds=60)
    assert caught.value is error
    assert host.trace()[-1].outcome == "refused"
    assert [i.failures for i in host.describe() if i.name == "odd-plugin"] == [0]


@both
@pytest.mark.parametrize("method", ["fail", "afail"])
def test_a_run_that_waits_passes_unchanged_and_is_no_failure(made, call, method):
    host = made()
    waits = Suspended()
    with pytest.raises(Suspended) as caught:
        call(host, method, waits, seconds=60)
    assert caught.value is waits
    assert [one.outcome for one in host.trace() if one.call == f"odd.{method}"] == ["suspended"]
    assert [i.failures for i in host.describe() if i.name == "odd-plugin"] == [0]
    assert call(host, "decide", 1) == ("decided", 1)


def test_a_run_that_waits_in_the_middle_of_what_it_gives_passes_too(made):
    class Waits(Odd):
        def waits(self):
            yield 1
            raise Suspended

    host = made()
    host.contributions.policies["odd"].value.waits = Waits().waits
    with pytest.raises(Suspended):
        sync(host, "waits", collect=5, seconds=60)
    assert host.trace()[-1].outcome == "suspended"


@both
@pytest.mark.parametrize("method", ["trap", "missing"])
def test_an_attribute_that_is_no_method_is_a_failure(made, call, method):
    with pytest.raises(PluginError):
        call(made(), method)


@both
def test_the_place_of_an_error_is_a_module_and_a_line(made, call):
    with pytest.raises(PluginError, match=r"ValueError: x \(at [\w.]*test_plugin_host_call:\d+\)"):
        call(made(), "fail", ValueError("x"))


@both
@pytest.mark.parametrize("method", ["hang", "ahang"])
def test_a_missed_deadline_is_an_error_with_its_seconds(made, call, method):
    host = made()
    before = time.monotonic()
    with pytest.raises(PluginError, match=rf"did not answer odd\.{method} within 0\.05 s"):
        call(host, method, seconds=0.05)
    assert time.monotonic() - before < 50
    if call is coroutine:
        assert host.trace()[-1].outcome == "timeout"
        assert host.trace()[-1].detail.startswith("no answer within 0.0")


def test_the_event_loop_goes_on_while_a_method_hangs(made, odd):
    host = made()

    async def main():
        hung = asyncio.create_task(host.call(host.contributions.policies["odd"], "hang"))
        await asyncio.to_thread(odd.entered.acquire)
        # The loop is free: another call of the same plugin is answered meanwhile.
        assert await host.call(host.contributions.policies["odd"], "decide", 2) == ("decided", 2)
        assert not hung.done()
        odd.gate.set()
        assert await hung is None

    asyncio.run(main())


def test_cancelling_the_caller_stops_the_waiting(made, odd):
    host = made()
    policy = host.contributions.policies["odd"]

    async def main(method):
        task = asyncio.create_task(host.call(policy, method, seconds=60))
        if method == "hang":
            await asyncio.to_thread(odd.entered.acquire)
        else:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main("hang"))
    asyncio.run(main("ahang"))


def test_a_coroutine_that_nobody_awaits_is_closed(made, odd):
    host = made(threads=1)
    with pytest.raises(PluginError):
        coroutine(host, "hang", odd.promise, seconds=0.02)
    odd.gate.set()
    assert sync(host, "decide", 1, seconds=60) == ("decided", 1)  # behind it in the one thread
    assert inspect.getcoroutinestate(odd.promised) == "CORO_CLOSED"


def test_a_coroutine_that_comes_with_the_cancelling_is_closed(made, odd):
    host = made()

    async def main():
        task = asyncio.create_task(host.call(host.contributions.policies["odd"], "promise"))
        await asyncio.sleep(0)
        # The loop stands still, so that it learns of the answer and the cancelling at once.
        assert odd.ended.wait(60)
        time.sleep(0.02)  # there is no event for what happens after the method returned
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert inspect.getcoroutinestate(odd.promised) == "CORO_CLOSED"


def test_an_async_method_that_misses_its_deadline_is_cancelled(made, odd):
    host = made()

    async def main():
        with pytest.raises(PluginError):
            await host.call(host.contributions.policies["odd"], "ahang", seconds=0.02)
        await asyncio.sleep(0)
        assert odd.ended.is_set()

    asyncio.run(main())


def test_a_call_leaves_nothing_in_the_loop_and_no_result_in_a_thread(made):
    host = made()
    timers = []

    class Result:
        pass

    async def main():
        loop = asyncio.get_running_loop()
        real = loop.call_later
        loop.call_later = lambda *args: timers.append(real(*args)) or timers[-1]
        policy = host.contributions.policies["odd"]
        return weakref.ref((await host.call(policy, "decide", Result(), seconds=60))[1])

    result = asyncio.run(main())
    assert [timer.cancelled() for timer in timers] == [True]
    for _ in range(6000):
        if result() is None:
            return
        time.sleep(0.01)
    pytest.fail("an idle thread holds the last result")


def test_a_loop_that_is_gone_harms_nobody(made, odd):
    host = made()
    with pytest.raises(PluginError):
        coroutine(host, "hang", seconds=0.02)
    odd.gate.set()
    assert sync(host, "decide", 1) == ("decided", 1)


@both
def test_iterables_are_gone_through_in_the_thread(made, odd, call):
    host = made()
    assert call(host, "count", 5, collect=5) == [0, 1, 2, 3, 4]
    assert call(host, "count", 0, collect=5, returns=int) == []
    with pytest.raises(LimitExceeded, match=r"odd\.endless gave more than 1000 results"):
        call(host, "endless", collect=1000)
    odd.ended.clear()
    with pytest.raises(PluginError, match=r"within 0\.05 s"):
        call(host, "endless", collect=10**12, seconds=0.05)
    assert call(host, "stopped", seconds=60)  # nobody goes on counting
    with pytest.raises(PluginError, match="SystemExit: late"):
        call(host, "fail_late", collect=5)


@both
def test_results_may_be_checked(made, call):
    host = made()
    assert call(host, "add", 1, returns=int) == 1
    for arguments in [("decide", 1), ("add", "x", "y")]:
        with pytest.raises(PluginError, match=r"with the wrong type.*Why: returned"):
            call(host, *arguments, returns=(int, type(None)))
    with pytest.raises(PluginError, match="returned a value of type int, not an iterable"):
        call(host, "add", 1, collect=3)
    with pytest.raises(PluginError, match="returned a value of type int"):
        call(host, "count", 2, collect=3, returns=str)
    assert host.trace()[-1].outcome == "wrong-type"


@both
def test_context_variables_reach_the_method(made, call):
    token = ASKED.set("somebody")
    try:
        host = made()
        asked, thread = call(host, "who")
        assert asked == "somebody" and thread.startswith("towpath-plugin-odd-plugin-")
        assert call(host, "awho") == "somebody"
    finally:
        ASKED.reset(token)


def test_threads_are_used_again(made):
    host = made()
    names = {sync(host, "who")[1] for _ in range(50)}
    assert len(names) <= 3


@both
def test_a_plugin_out_of_threads_is_unavailable_and_no_other_is(load, made, odd, call):
    host = made(threads=2)
    policy = host.contributions.policies["odd"]
    callers = [threading.Thread(target=host.call_sync, args=(policy, "hang")) for _ in range(2)]
    for caller in callers:
        caller.start()
    for _ in callers:
        assert odd.entered.acquire(timeout=60)
    with pytest.raises(Unavailable, match=r"no thread of it was free for 0.02 s"):
        call(host, "decide", 1, seconds=0.02)
    for _ in range(15):
        with pytest.raises(Unavailable):
            sync(host, "decide", 1, seconds=0)
    with pytest.raises(Unavailable, match="queue is full"):
        call(host, "decide", 1, seconds=60)
    assert {c.outcome for c in host.trace()[3:]} == {"busy"}
    odd.gate.set()
    for caller in callers:
        caller.join(60)
    assert call(host, "decide", 1, seconds=60) == ("decided", 1)


def test_many_callers_at_once_each_get_their_own_answer(made):
    host = made(threads=4)
    policy = host.contributions.policies["odd"]

    async def main():
        calls = [host.call(policy, "decide", n, seconds=30) for n in range(30)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [("decided", n) for n in range(30)]
    assert threading.active_count() < 20


def test_the_trace_is_bounded_and_in_order(made):
    host = made(trace_size=5)
    for number in range(10):
        sync(host, "add", number)
    with pytest.raises(PluginError):
        sync(host, "fail", ValueError("x"))
    calls = host.trace()
    assert [(c.plugin, c.call) for c in calls[-2:]] == [
        ("odd-plugin", "odd.add"),
        ("odd-plugin", "odd.fail"),
    ]
    assert len(calls) == 5
    assert calls[-1].outcome == "error" and calls[-1].detail.startswith("ValueError: x")


def test_secrets_of_the_settings_stay_out_of_errors(made):
    host = made(settings={"odd-plugin": {"api-key": "hunter2hunter2"}})
    with pytest.raises(PluginError) as caught:
        sync(host, "fail", ValueError("denied for hunter2hunter2" + " " * 600))
    assert "denied for ***" in str(caught.value)
    assert "hunter2" not in repr(host.trace())


@both
def test_a_closed_host_takes_no_calls(made, call):
    host = made()
    sync(host, "decide", 1)
    host.close()
    host.close()
    with pytest.raises(Unavailable, match="closed"):
        call(host, "decide", 1)
    assert [i.state for i in host.describe() if i.name == "odd-plugin"] == ["active"]


def test_threads_end_with_the_host(made):
    before = set(threading.enumerate())
    with made() as host:
        sync(host, "decide", 1)
        mine = set(threading.enumerate()) - before
    assert mine
    for thread in mine:
        thread.join(60)
        assert not thread.is_alive()


def test_a_contribution_of_another_host_is_refused(made, load):
    contribution = made().contributions.policies["odd"]
    with pytest.raises(PluginError, match="no plugin odd-plugin"):
        load().call_sync(contribution, "decide", 1)


def test_a_hung_call_does_not_hold_up_the_end_of_the_process():
    code = """
import threading
from types import SimpleNamespace
from towpath_core import hookimpl
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.runs import Suspended

class Hangs:
    name = "hangs"
    def decide(self, request):
        threading.Event().wait()

plugin = SimpleNamespace(towpath_policies=hookimpl(specname="towpath_policies")(lambda: [Hangs()]))
host = PluginHost.load(PluginConfig(only=()), extra={"x": plugin})
try:
    host.call_sync(host.contributions.policies["hangs"], "decide", 1, seconds=0.05)
except Exception as error:
    print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "plugin-error\n", "")


def test_every_error_of_a_call_is_one_of_ours(made):
    """The mapping is total: no other class leaves the host, whatever the plugin does."""

    class Liar(BaseException):
        @property
        def __class__(self):
            raise SystemExit

    host = made()
    group = BaseExceptionGroup("g", [SystemExit()])
    for error in (Exception(), BaseException(), group, Liar()):
        with pytest.raises(TowpathError):
            sync(host, "fail", error)


@both
def test_a_result_that_lies_about_its_class_is_handed_on(made, call):
    class Liar:
        @property
        def __class__(self):
            raise SystemExit

    liar = Liar()
    assert call(made(), "decide", liar)[1] is liar
    assert call(made(), lambda policy: liar) is liar


def test_the_default_configuration_loads():
    assert isinstance(PluginHost.load(PluginConfig(), entry_points=()), PluginHost)
