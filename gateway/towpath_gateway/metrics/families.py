"""The metrics of runs, as Prometheus has them; the names are a promise to dashboards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from towpath_engine.runs.measuring import BOUNDS
from towpath_engine.runs.metrics import Count, RunsState, StepHistogram

__all__ = ("Scrape", "encoded")


class Scrape(msgspec.Struct, frozen=True):
    """What was read for one answer."""

    state: RunsState
    present: Sequence[Count]
    totals: Mapping[str, Sequence[Count]]
    steps: Sequence[StepHistogram]


class _Families(Collector):
    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape

    def collect(self) -> Iterator[Metric]:
        scrape = self._scrape
        runs = GaugeMetricFamily(
            "towpath_runs",
            "Runs that are queued, running or waiting, and unknown ones that wait for a person.",
            labels=("kind", "state"),
        )
        for one in scrape.present:
            runs.add_metric((one.kind, one.label), one.amount)
        yield runs
        yield from _queues(scrape.state)
        yield _workers(scrape.state)
        yield _counter(
            "towpath_runs_ended",
            "Runs that came to an end, by the state they ended in; each end of a retried one.",
            ("kind", "state"),
            (((one.kind, one.label), one.amount) for one in scrape.totals["ended"]),
        )
        yield _counter(
            "towpath_run_takeovers",
            "Runs that another worker went on with because theirs had died.",
            ("kind",),
            (((one.kind,), one.amount) for one in scrape.totals["takeovers"]),
        )
        yield _counter(
            "towpath_runs_parked",
            "Runs that were given up because workers died on them again and again.",
            ("kind",),
            (((one.kind,), one.amount) for one in scrape.totals["parked"]),
        )
        yield _steps(scrape.steps)


def _queues(state: RunsState) -> Iterator[Metric]:
    for name, says, values in (
        (
            "towpath_queue_age_seconds",
            "How long the oldest run of a queue has waited that a worker could begin now.",
            [(queue.name, queue.oldest_seconds) for queue in state.queues],
        ),
        (
            "towpath_queue_due_runs",
            "Runs of a queue that a worker could begin now.",
            [(queue.name, float(queue.due)) for queue in state.queues],
        ),
        (
            "towpath_queue_held_runs",
            "Runs of a queue that are held back, because their key or the queue is busy.",
            [(queue.name, float(queue.held)) for queue in state.queues],
        ),
    ):
        family = GaugeMetricFamily(name, says, labels=("queue",))
        for queue, value in values:
            family.add_metric((queue,), value)
        yield family


def _workers(state: RunsState) -> Metric:
    family = GaugeMetricFamily("towpath_workers", "Workers that live.")
    family.add_metric((), len(state.workers))
    return family


def _counter(
    name: str,
    says: str,
    labels: Sequence[str],
    counts: Iterable[tuple[Sequence[str], int]],
) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, amount in counts:
        family.add_metric(values, amount)
    return family


def _steps(histograms: Sequence[StepHistogram]) -> Metric:
    family = HistogramMetricFamily(
        "towpath_run_step_seconds",
        "How long steps took, by the action that they did and what it came to.",
        labels=("kind", "action", "state"),
    )
    for one in histograms:
        buckets = list(zip(map(_bound, BOUNDS), map(float, one.buckets), strict=True))
        family.add_metric((one.kind, one.action, one.state), buckets, one.seconds)
    return family


def _bound(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else str(bound)


def encoded(scrape: Scrape, accept: str) -> tuple[bytes, str]:
    """The metrics in the form that is asked for, and its media type.

    Args:
        scrape: what was read.
        accept: the request's `Accept`; empty for Prometheus' own text.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(scrape))
    encoder, media_type = choose_encoder(accept)
    return encoder(registry), media_type
