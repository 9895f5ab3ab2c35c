"""Gives the way out to the objects of plugins that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog

from towpath_core.egress import Egress, UsesEgress
from towpath_core.errors import TowpathError
from towpath_core.plugins import Contribution, PluginHost

__all__ = ("hand_over",)

log = structlog.get_logger(__name__)


async def hand_over(host: PluginHost, egress: Egress) -> None:
    """Hand `egress` to every contributed object with `use_egress`. Never raises.

    One that fails is left as it is: without a way out, which it says when it needs one.
    """
    for offered in _every(host):
        if not isinstance(offered.value, UsesEgress):
            continue
        try:
            await host.call(offered, "use_egress", egress)
        except TowpathError as error:
            log.warning("egress.not_taken", plugin=offered.plugin, object=offered.name, why=error)


def _every(host: PluginHost) -> Iterator[Contribution[Any]]:
    """Each contributed object once, whatever keys it stands under."""
    offered = host.contributions
    seen: set[int] = set()
    for name in offered.__struct_fields__:
        for contribution in getattr(offered, name).values():
            if id(contribution.value) not in seen:
                seen.add(id(contribution.value))
                yield contribution
