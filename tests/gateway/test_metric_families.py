"""Metrics as Prometheus reads them, parsed by its own library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from towpath_engine.runs.measuring import BOUNDS
from towpath_engine.runs.metrics import Count, QueueState, RunsState, StepHistogram, WorkerState
from towpath_gateway.metrics.families import Scrape, encoded

SCRAPE = Scrape(
    RunsState(
        [QueueState("default", 3, 1, 12.5, 1), QueueState('g"p\nu', 1, 0, 99.0, 0)],
        [WorkerState(1, ("default",), 8, "a", 10)],
    ),
    [Count("scaffold", "running", 2), Count("scaffold", "unknown", 1)],
    {
        "ended": [Count("scaffold", "failed", 4), Count("scaffold", "succeeded", 40)],
        "takeovers": [Count("scaffold", "", 2)],
        "parked": [Count("scaffold", "", 1)],
    },
    [
        StepHistogram(
            "scaffold", "fetch:template", "succeeded", [1, 3, *[4] * (len(BOUNDS) - 2)], 0.25
        )
    ],
)


def values(text: str, parse=text_string_to_metric_families) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_what_was_read_is_told() -> None:
    body, media_type = encoded(SCRAPE, "")
    assert media_type.startswith("text/plain; version=")
    found = values(body.decode())
    assert found[("towpath_runs", ("kind", "scaffold"), ("state", "running"))] == 2
    assert found[("towpath_runs", ("kind", "scaffold"), ("state", "unknown"))] == 1
    assert found[("towpath_queue_age_seconds", ("queue", 'g"p\nu'))] == 99
    assert found[("towpath_queue_due_runs", ("queue", "default"))] == 3
    assert found[("towpath_queue_held_runs", ("queue", "default"))] == 1
    assert found[("towpath_workers",)] == 1
    ended = ("towpath_runs_ended_total", ("kind", "scaffold"))
    assert found[(*ended, ("state", "succeeded"))] == 40
    assert found[(*ended, ("state", "failed"))] == 4
    assert found[("towpath_run_takeovers_total", ("kind", "scaffold"))] == 2
    labels = (("action", "fetch:template"), ("kind", "scaffold"))
    bucket = ("towpath_run_step_seconds_bucket", labels[0], labels[1])
    assert found[(*bucket, ("le", "0.05"), ("state", "succeeded"))] == 3
    assert found[(*bucket, ("le", "+Inf"), ("state", "succeeded"))] == 4
    assert found[("towpath_run_step_seconds_sum", *labels, ("state", "succeeded"))] == 0.25
    assert found[("towpath_run_step_seconds_count", *labels, ("state", "succeeded"))] == 4


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
    body, media_type = encoded(SCRAPE, accept)
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    found = values(body.decode(), openmetrics.text_string_to_metric_families)
    assert found[("towpath_workers",)] == 1
    assert body.endswith(b"# EOF\n")


def test_every_metric_is_on_the_page_with_its_type_and_labels() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
    rows = re.findall(r"^\| `(towpath_\w+)` \| (\w+) \|([^|]*)\|", page.read_text(), re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    body, _ = encoded(SCRAPE, "")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)
    assert told == found


@pytest.mark.parametrize("accept", ["*/*", "image/png", ";;q=x", "text/plain;version=9.9.9"])
def test_any_other_wish_gets_text(accept: str) -> None:
    body, media_type = encoded(SCRAPE, accept)
    assert media_type.startswith("text/plain")
    assert values(body.decode())[("towpath_workers",)] == 1
