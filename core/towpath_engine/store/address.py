"""Addresses of databases. Light to import: the configuration checks them before anything starts."""

from __future__ import annotations

from urllib.parse import urlsplit

from towpath_core.errors import SettingsError

__all__ = ("driver_url",)


def driver_url(url: str) -> str:
    """Turn a libpq URL into SQLAlchemy's form with the psycopg 3 driver.

    Raises:
        SettingsError: it is not a PostgreSQL URL, or cannot be read.
    """
    # Not above: without an address nothing of the driver is needed to read the configuration.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            address = url[len(scheme) :]
            break
    else:
        raise SettingsError(
            "TOWPATH_DATABASE_URL is not a PostgreSQL URL.",
            next="Write postgresql://user:password@host:5432/database, or leave it unset.",
        )
    try:
        conninfo_to_dict(f"postgresql://{address}")
        _ = urlsplit(f"postgresql://{address}").port
    except (ProgrammingError, ValueError):
        # Not what they say of it: they may repeat the password.
        raise SettingsError(
            "TOWPATH_DATABASE_URL cannot be read.",
            next="Write postgresql://user:password@host:5432/database; encode / : @ as %2F "
            "%3A %40.",
        ) from None
    return f"postgresql+psycopg://{address}"
