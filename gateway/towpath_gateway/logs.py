"""Logs on standard error: readable on a terminal, JSON lines elsewhere. Data stays on stdout.

Every line goes through `redact` last of all, tracebacks and other people's messages too: a token or
a password in an address is gone whoever wrote it.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

__all__ = ("configure_logs", "redact")

_SECRETS = (
    (re.compile(r"tow_[a-z]+_[A-Za-z0-9_]{8,}"), "tow_***"),
    (re.compile(r"(\w://[^\s/:@\"']*):[^\s\"']+@"), r"\1:***@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(password|passwd|secret)=[^\s&\"',;]+", re.IGNORECASE), r"\1=***"),
)


def redact(text: str) -> str:
    """The text without tokens, and without passwords in addresses and connection strings."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def configure_logs(level: str = "info") -> None:
    """Send all logs of this process to standard error, from `level` on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    terminal = sys.stderr.isatty()
    # Plain tracebacks: the pretty ones show local variables, and with them what is secret.
    render: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )

    def renderer(logger: Any, name: str, event: Any) -> str:
        return redact(render(logger, name, event))

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if not terminal:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # These write whole URLs and tokens at levels below.
    for name in ("httpx", "httpcore", "authlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
