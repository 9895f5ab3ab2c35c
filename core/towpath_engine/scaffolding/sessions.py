"""The session that renders for a run, off the event loop, and the next when it is used up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from towpath_core.errors import NotFound, Unavailable
from towpath_core.plugins import PluginHost
from towpath_core.scaffolding import RenderLimits, RenderSession

__all__ = ("Sessions",)


class Sessions:
    """The run's render session, and another one when a limit has used it up."""

    def __init__(self, host: PluginHost, version: str, limits: RenderLimits) -> None:
        self._host = host
        self._version = version
        self._limits = limits
        self._open: RenderSession | None = None

    @property
    def current(self) -> RenderSession:
        """The session that is open.

        Raises:
            Unavailable: there is none.
        """
        if self._open is None:
            raise Unavailable("The run has no render session.")
        return self._open

    async def renew(self) -> None:
        """Open a session, and close the one before it.

        Raises:
            NotFound: no plugin offers the language.
        """
        await self.close()
        language = self._host.contributions.template_languages.get(self._version)
        if language is None:
            raise NotFound(f"No plugin offers a language for {self._version}.")
        self._open = await self._host.call(language, "open", self._limits, seconds=30.0)

    async def value(self, template: Any, context: Mapping[str, Any]) -> Any:
        """Render a JSON value."""
        return await asyncio.to_thread(self.current.value, template, context)

    async def truthy(self, condition: str, context: Mapping[str, Any]) -> bool:
        """Evaluate a condition."""
        return await asyncio.to_thread(self.current.truthy, condition, context)

    async def close(self) -> None:
        """Close the session; harmless where there is none."""
        session, self._open = self._open, None
        if session is not None:
            await asyncio.to_thread(session.close)
