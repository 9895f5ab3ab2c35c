"""Addresses of databases. Light to import: the configuration checks them before anything starts."""

from __future__ import annotations

from towpath_core.errors import SettingsError

__all__ = ("driver_url",)


def driver_url(url: str) -> str:
    """Turn a libpq URL into SQLAlchemy's form with the psycopg 3 driver.

    Raises:
        SettingsError: it is not a PostgreSQL URL.
    """
    for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url[len(scheme) :]
    raise SettingsError(
        "TOWPATH_DATABASE_URL is not a PostgreSQL URL.",
        next="Write postgresql://user:password@host:5432/database, or leave it unset.",
    )
