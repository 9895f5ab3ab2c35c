"""Threads that plugin code runs in: a lane a plugin, bounded, of daemon threads.

A lane of its own keeps a plugin that hangs from using up the threads of others, and daemon
threads keep it from holding up the end of the process (those of `concurrent.futures` are joined
at exit). Knows nothing of what the work is; whatever it raises becomes an outcome.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import types
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeGuard

from towpath_core.plugins.words import describe_error, traceback_of

__all__ = ("Busy", "GivenUp", "Job", "Lane", "check_wanted", "is_coroutine")

_WAITING_PER_THREAD = 8


class Busy(Exception):
    """The lane takes no more work: it is full, or it was closed."""


class GivenUp(Exception):
    """Nobody waits for the job that this thread works at."""


_here = threading.local()


class Job:
    """One piece of work with the caller's context variables; done once or given up.

    Attributes:
        value: what the work returned, once it is done and did not raise.
        error: what it raised, of any class.
        said: `error` in words, made in the worker because `str` of it is foreign code too.
    """

    __slots__ = (
        "_context",
        "_describe",
        "_done",
        "_lock",
        "_notify",
        "_state",
        "_work",
        "error",
        "said",
        "value",
    )

    def __init__(
        self,
        work: Callable[[], object],
        describe: Callable[[BaseException], str] = describe_error,
    ) -> None:
        self._work: Callable[[], object] | None = work
        self._describe = describe
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._notify: Callable[[], None] | None = None
        self._state: Literal["waiting", "running", "done", "given-up"] = "waiting"
        self.value: object = None
        self.error: BaseException | None = None
        self.said = ""

    def run(self) -> None:
        """Do the work in the current thread, unless it was given up. Never raises."""
        work = self._begin()
        if work is None:
            return
        value: object = None
        error: BaseException | None = None
        said = ""
        _here.job = self
        try:
            value = self._context.run(work)
        except BaseException as raised:  # SystemExit of a plugin must not end its thread either
            said = self._describe(raised)
            # Without this frame, which refers to the job and so would keep both alive in a circle.
            error = BaseException.with_traceback(raised, _traceback(raised))
        finally:
            _here.job = None
        if not self._finish(value, error, said):
            _close(value)

    def _begin(self) -> Callable[[], object] | None:
        with self._lock:
            work, self._work = self._work, None
            if self._state == "waiting":
                self._state = "running"
            return work

    def _finish(self, value: object, error: BaseException | None, said: str) -> bool:
        with self._lock:
            if self._state == "given-up":
                return False
            self._state = "done"
            self.value, self.error, self.said = value, error, said
            notify = self._notify
        self._done.set()
        if notify is not None:
            notify()
        return True

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._state == "given-up"

    def discard(self) -> None:
        """Let go of a result that nobody takes."""
        _close(self.value)

    def wait(self, seconds: float) -> bool:
        """Block until it is done or the time is over; whether it is done."""
        return self._done.wait(max(0.0, seconds))

    def when_done(self, notify: Callable[[], None]) -> None:
        """Call `notify` once, in the worker's thread, or at once where it is done already."""
        with self._lock:
            done = self._state == "done"
            if not done:
                self._notify = notify
        if done:
            notify()

    def give_up(self) -> Literal["waiting", "running", "done"]:
        """Stop waiting for it; tells how far it was. Work that runs goes on, its result is lost."""
        with self._lock:
            if self._state == "given-up":
                return "running"
            was = self._state
            if was != "done":
                self._state, self._work, self._notify = "given-up", None, None
            return was


def _traceback(error: BaseException) -> types.TracebackType | None:
    traceback = traceback_of(error)
    return traceback.tb_next if traceback else None


def check_wanted() -> None:
    """Stop work that nobody waits for any more; called between the parts of work that may not end.

    Raises:
        GivenUp: the job that this thread runs was given up.
    """
    job = getattr(_here, "job", None)
    if job is not None and job.given_up:
        raise GivenUp


def is_coroutine(value: object) -> TypeGuard[Coroutine[Any, Any, object]]:
    """Whether a value is a coroutine; `isinstance` would ask a foreign `__class__`."""
    return type(value) is types.CoroutineType


def _close(value: object) -> None:
    if is_coroutine(value):  # or it would complain that nobody awaited it
        value.close()


class Lane:
    """The threads of one plugin: started when needed, at most `limit`, kept for the next job."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises:
            Busy: all threads work and too many jobs wait, or the lane is closed.
        """
        with self._lock:
            if self._closed:
                raise Busy("the plugin host is closed")
            if self._jobs.qsize() >= self._limit * _WAITING_PER_THREAD:
                raise Busy(f"all {self._limit} threads are at work and the queue is full")
            self._jobs.put(job)
            if self._idle.acquire(blocking=False) or self._threads >= self._limit:
                return
            name = f"towpath-plugin-{self._name}-{self._threads}"
            try:
                threading.Thread(target=self._serve, name=name, daemon=True).start()
            except RuntimeError as error:  # the machine has no more threads
                job.give_up()
                raise Busy("no thread can be started") from error
            self._threads += 1

    def close(self) -> None:
        """Take no more jobs; threads end when idle. Waits for nobody; harmless to repeat."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)

    def _serve(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                self._idle.release()
                job = self._jobs.get()
            if job is None:
                self._jobs.put(None)  # for the next thread
                return
            job.run()
            del job  # an idle thread must not keep the last result alive
