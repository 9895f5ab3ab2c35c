"""The route that Prometheus reads."""

from __future__ import annotations

import asyncio

from litestar import Controller

from towpath_core.identity import Scope
from towpath_engine.runs.metrics import RunMetrics
from towpath_gateway.answer import NO_STORE, Answer
from towpath_gateway.ask import Ask
from towpath_gateway.metrics import operations as op
from towpath_gateway.routing import get

__all__ = ("MetricsController",)

READ: Scope = "platform:read"

_LONGEST_ACCEPT = 1000


class MetricsController(Controller):
    """Metrics of the whole platform, whichever gateway is asked."""

    tags = ("Platform",)

    @get("/metrics", READ, op.GET_METRICS)
    async def metrics(self, request: Ask) -> Answer:
        """How all runs stand, read now; ask one gateway, the others answer the same."""
        # Not with the others above: it takes longer to load than a gateway may take to start.
        from towpath_gateway.metrics.families import Scrape, encoded

        runs: RunMetrics = request.platform.run_metrics
        scrape = Scrape(
            await runs.state(), await runs.present(), await runs.totals(), await runs.steps()
        )
        accept = request.headers.get("accept", "")[:_LONGEST_ACCEPT]
        body, media_type = await asyncio.to_thread(encoded, scrape, accept)
        return Answer(body, media_type=media_type.encode(), headers=(NO_STORE,))
