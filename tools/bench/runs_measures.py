"""What is measured of runs: how fast a queue is emptied, what one waits for, what waiting costs."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import runs_noop
from runs_place import Place, proportional
from runs_plugin import EVENTS, STEPS, WAITING
from serving import Client, Failed, Usage

from towpath_core.identity import Principal
from towpath_engine.runs.service import RunService
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database

PATIENCE_SECONDS = 300
RUNS = "/api/v1/runs"
WHO = Principal(
    issuer="towpath",
    subject="bench",
    kind="user",
    entity_ref="user:default/bench",
    groups=frozenset(),
    scopes=frozenset({"platform:admin"}),
    token_id=None,
)
_POLL_SECONDS = 0.01
_STEPS = 3
_FIRST_WAITING = 100
_FIRST_PART = 0.1
"""What is done of a queue before the clock is started: workers start, and caches fill."""


class Drain(NamedTuple):
    """How a queue was emptied: jobs a second, and CPU time for one, in microseconds."""

    count: int
    rate: float
    worker_cpu: float
    database_cpu: float


class Delay(NamedTuple):
    """How long something took, in milliseconds."""

    p50: float
    p99: float
    most: float
    count: int


def fill_noop(at: Place, count: int) -> None:
    """Put jobs that do nothing on Procrastinate's queue."""
    at.do(
        "SELECT procrastinate_defer_jobs_v1(array_agg("
        "ROW(%s, %s, 0, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1))"
        " FROM generate_series(1, %s)",
        runs_noop.QUEUE,
        runs_noop.NAME,
        count,
    )


def fill_runs(at: Place, count: int, kind: str = STEPS) -> None:
    """Accept runs, each in a transaction of its own, as a gateway does."""

    async def fill() -> None:
        async with Database(at.url) as database:
            service = RunService(database, Sealer(bytes(32)))
            for number in range(count):
                async with database.begin() as transaction:
                    title = f"Run {number}"
                    await service.create(transaction, WHO, kind, title, {"steps": _STEPS})

    asyncio.run(fill())


def drain(at: Place, way: str, count: int, *, concurrency: int, workers: int) -> Drain:
    """Fill the queue, and let workers empty it.

    Raises:
        Failed: they do not, or not all runs succeed.
    """
    if way == "noop":
        fill_noop(at, count)
    else:
        fill_runs(at, count)
    # Nothing of what was before is cleaned up meanwhile.
    at.do("VACUUM ANALYZE")
    with at.workers(way, concurrency, workers) as usages:

        def used() -> tuple[float, float, float]:
            return time.monotonic(), sum(u.cpu() for u in usages), at.database_cpu()

        _wait_until(lambda: _left(at) <= count * (1 - _FIRST_PART), f"The workers of {way}")
        first, before = _left(at), used()
        _wait_until(lambda: _left(at) == 0, f"The workers of {way}")
        after = used()
    if way == "runs" and (bad := at.ask(_NOT_DONE, STEPS)):
        raise Failed(f"{bad} runs did not succeed: {at.complaints()[:3]}")
    seconds, worker, database = (b - a for a, b in zip(before, after, strict=True))
    return Drain(count, first / seconds, worker / first * 1e6, database / first * 1e6)


_NOT_DONE = "SELECT count(*) FROM runs WHERE kind = %s AND state <> 'succeeded'"


def _left(at: Place) -> int:
    return int(at.ask("SELECT count(*) FROM procrastinate_jobs"))


def _wait_until(holds: Callable[[], bool], who: str) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise Failed(f"{who} did not do it within {PATIENCE_SECONDS} s.")
        time.sleep(_POLL_SECONDS)


def begun_by_request(client: Client, samples: int) -> tuple[Delay, Delay]:
    """From the answer to `POST /api/v1/runs`, and from the request, to the first step."""
    answered, asked = [], []
    for _ in range(samples):
        request = time.monotonic()
        made = client.json(RUNS, {"kind": STEPS, "input": {"steps": 1}})
        accepted = time.monotonic()
        begun = _ended(client, made["id"])["output"]["begun"]
        # It may be begun before the answer has come all the way.
        answered.append(max(0.0, begun - accepted))
        asked.append(begun - request)
    return _delay(answered), _delay(asked)


def begun_by_commit(at: Place, samples: int) -> Delay:
    """From the commit of a run's acceptance to its first step."""

    async def accept() -> tuple[UUID, float]:
        async with database.begin() as transaction:
            run_id = await service.create(transaction, WHO, STEPS, "One", {"steps": 1})
        return run_id, time.monotonic()

    found = []
    with asyncio.Runner() as runner:
        database = Database(at.url)
        service = RunService(database, Sealer(bytes(32)))
        for _ in range(samples):
            run_id, committed = runner.run(accept())
            time.sleep(0.03)  # asked too early, the question itself would hold it up
            found.append(max(0.0, _output(at, run_id)["begun"] - committed))
        runner.run(database.close())
    return _delay(found)


def _output(at: Place, run_id: UUID) -> Any:
    query = "SELECT output FROM runs WHERE id = %s"
    _wait_until(lambda: at.ask(query, run_id) is not None, "The worker")
    return at.ask(query, run_id)


def told(client: Client, samples: int) -> Delay:
    """From an event that a step emits to the client that follows the run."""
    made = client.json(RUNS, {"kind": EVENTS, "input": {"count": samples, "pause": 0.05}})
    found = []
    for event in follow(client, f"{RUNS}/{made['id']}/stream"):
        now = time.monotonic()
        if event.get("type") == "bench:sent":
            found.append(now - event["body"]["at"])
    if len(found) != samples:
        raise Failed(f"{len(found)} of {samples} events have come.")
    return _delay(found)


def follow(client: Client, path: str) -> Any:
    """The data of each event of a stream, until it ends."""
    connection = http.client.HTTPConnection(client.address, timeout=PATIENCE_SECONDS)
    connection.request("GET", path, headers=client.headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise Failed(f"{path}: {answer.status} {answer.read()[:500]!r}")
    while line := answer.readline():
        if line.startswith(b"data:"):
            yield json.loads(line.removeprefix(b"data:"))
    connection.close()


def waiting(at: Place, gateway: Usage, workers: list[Usage], count: int) -> int:
    """Bytes of memory that so many more runs cost which wait for an approval."""
    pids = [gateway.pid, *(usage.pid for usage in workers)]
    _let_wait(at, _FIRST_WAITING)  # connections are opened for these, and stay open
    before = proportional([*pids, *at.database_processes()])
    _let_wait(at, count)
    return proportional([*pids, *at.database_processes()]) - before


def _let_wait(at: Place, count: int) -> None:
    query = "SELECT count(*) FROM runs WHERE kind = %s AND state = 'waiting'"
    before = at.ask(query, WAITING)
    fill_runs(at, count, WAITING)
    _wait_until(lambda: at.ask(query, WAITING) == before + count, "The worker")
    time.sleep(1)


def _ended(client: Client, run_id: str) -> Any:
    while (run := client.json(f"{RUNS}/{run_id}"))["state"] != "succeeded":
        if run["state"] in ("failed", "cancelled", "unknown"):
            raise Failed(f"A run ended as {run['state']}: {run['error']}")
        time.sleep(_POLL_SECONDS)
    return run


def _delay(seconds: list[float]) -> Delay:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Delay(cuts[49] * 1e3, cuts[98] * 1e3, max(seconds) * 1e3, len(seconds))
