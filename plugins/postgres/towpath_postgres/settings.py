"""The plugin's settings: which server, how developers reach it, what they may ask for."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from towpath_core.errors import SettingsError
from towpath_core.hookspecs import Settings

__all__ = ("PostgresSettings", "read_settings")

TABLE = "[plugins.postgres]"

Extension = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class PostgresSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, repr_omit_defaults=True
):
    """The table `[plugins.postgres]` of the configuration.

    Attributes:
        url: libpq URL of a role with CREATEROLE and CREATEDB, or of a superuser; its database
            is the one to work from. A direct connection: a pooler in between would lose locks.
        host: what developers are told to connect to; by default the host of `url`.
        port: likewise.
        prefix: what the names of databases and roles begin with.
        extensions: what developers may ask for in their database. One that PostgreSQL does not
            call trusted is made by the role of `url`, which must be a superuser for that.
    """

    url: str
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    prefix: Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9_]{0,15})?$")] = ""
    extensions: tuple[Extension, ...] = ("citext", "hstore", "pg_trgm", "vector")

    def __repr__(self) -> str:
        """Leave out the url, which holds a password."""
        return f"PostgresSettings(prefix={self.prefix!r})"

    def conninfo(self) -> dict[str, Any]:
        """The parts of `url`, as libpq names them. One of them is a secret."""
        return dict(conninfo_to_dict(self.url))


def read_settings(settings: Settings) -> PostgresSettings:
    """Check the plugin's table.

    Raises:
        SettingsError: `url` is missing, or a setting is wrong; never shows a value.
    """
    if not settings.get("url"):
        raise SettingsError(
            f"{TABLE} has no url, so there is no server to make databases on.",
            next='Set url = "postgresql://admin:password@host:5432/postgres", a role with '
            "CREATEROLE and CREATEDB; or disable the plugin.",
        )
    try:
        found = msgspec.convert(dict(settings), PostgresSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{TABLE} is wrong: {error}") from None
    try:
        found.conninfo()
    except psycopg.ProgrammingError:
        # The cause is dropped: libpq quotes the url, password and all.
        raise SettingsError(
            f"The url in {TABLE} is not one that PostgreSQL understands.",
            next="Write postgresql://user:password@host:port/database, "
            "with special characters percent-encoded.",
        ) from None
    return found
