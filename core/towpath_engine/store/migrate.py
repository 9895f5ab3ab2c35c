"""Brings a database's schema up to date, once, however many processes start together."""

from __future__ import annotations

from pathlib import Path

import psycopg
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import OperationalError

from towpath_core.errors import SettingsError, Unavailable
from towpath_engine.store.address import driver_url
from towpath_engine.store.patience import patient

__all__ = ("HEAD", "migrate")

HEAD = "0006"
"""The newest revision. A test holds it equal to the scripts."""

_LOCK = 0x70_77_70_01


def migrate(url: str) -> bool:
    """Run the migrations that a database has not seen; returns whether there were any.

    Blocks; call it in a thread. Holds an advisory lock meanwhile, so that others wait.

    Raises:
        SettingsError: the database was made by a newer version.
        Unavailable: the database does not answer.
    """
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(patient(plain), autocommit=True) as connection:
            if _revision(connection) == HEAD:
                return False
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            try:
                found = _revision(connection)
                if found == HEAD:
                    return False
                _upgrade(url, found)
            finally:
                connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    except (psycopg.OperationalError, OperationalError) as error:
        raise Unavailable(
            "The database does not answer.",
            why=str(error).strip().partition("\n")[0] or None,
            next="See that PostgreSQL runs and that TOWPATH_DATABASE_URL is right.",
        ) from error
    return True


def _revision(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _upgrade(url: str, found: str | None) -> None:
    # Imported here because it costs a later start 0.2 s and is needed by the first only.
    from alembic.command import upgrade
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    if found is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(found)
        except CommandError as error:
            raise SettingsError(
                f"The database has schema {found}, which this version does not know.",
                why="A newer Towpath has used it.",
                next="Use that version again, or restore the backup that was made before it.",
            ) from error
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        upgrade(config, "head")
