"""What the operation of metrics gives, with an example."""

from __future__ import annotations

from towpath_gateway.openapi.operation import Given, Operation

_EXAMPLE = """\
# HELP towpath_workers Workers that live.
# TYPE towpath_workers gauge
towpath_workers 2.0
# HELP towpath_run_takeovers_total Runs that another worker went on with because theirs had died.
# TYPE towpath_run_takeovers_total counter
towpath_run_takeovers_total{kind="scaffold"} 3.0
"""

GET_METRICS = Operation(
    id="getMetrics",
    summary="Metrics for Prometheus",
    gives=(
        Given(
            type=str,
            example=_EXAMPLE,
            description="All metrics, in the text form of Prometheus, or as OpenMetrics.",
            media_type="text/plain",
        ),
    ),
    errors=(503,),
)
