"""How long a connection waits for a server that says nothing, while it is made and afterwards.

A machine that is gone closes nothing: without limits, who asks it waits for a quarter of an hour,
and who listens to it for two. All connections of the platform take these.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict, make_conninfo

__all__ = ("patience", "patient")

_PATIENCE: Mapping[str, int] = {
    # One whose first words get lost is never answered.
    "connect_timeout": 10,
    # A server that works at a long statement answers these all the same.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def patience(url: str) -> dict[str, int]:
    """What libpq is to be told beside a URL: the limits that the URL does not set itself.

    Raises:
        psycopg.ProgrammingError: libpq cannot read the URL.
    """
    own = conninfo_to_dict(url)
    return {name: value for name, value in _PATIENCE.items() if name not in own}


def patient(url: str) -> str:
    """The URL with these limits, as a string that libpq reads.

    Raises:
        psycopg.ProgrammingError: libpq cannot read the URL.
    """
    return make_conninfo(url, **patience(url))
