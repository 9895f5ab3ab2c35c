"""The configuration: from the environment and one TOML file, checked before anything starts.

    TOWPATH_HOME           data folder; default $XDG_DATA_HOME/towpath
    TOWPATH_CONFIG         TOML file; default <home>/towpath.toml, which may be missing
    TOWPATH_DATABASE_URL   your PostgreSQL; without it Towpath runs its own
    TOWPATH_SECRET_KEY     sealing key, 32 bytes in URL-safe base64; default <home>/secret.key
    TOWPATH_CATALOG_ROOTS  folders that file locations are read from, separated as in PATH
    TOWPATH_PLUGINS        names of plugins to load, separated by commas; default all

The file has tables `[catalog]`, `[egress]`, `[runs]`, `[plugins] disable`, and `[plugins.<name>]`
with a plugin's own settings; anything else in it is refused, because it is a slip. The environment
wins over it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from towpath_core.errors import SettingsError
from towpath_core.plugins import PluginConfig
from towpath_engine.catalog.keeping import KEEPING_NAMES, Keeping, read_keeping
from towpath_engine.catalog.rules import CatalogRule
from towpath_engine.catalog.watch_settings import WATCH_NAMES, WatchSettings, read_watch
from towpath_engine.egress.settings import EgressSettings, read_egress
from towpath_engine.runs.settings import RUN_NAMES, RunSettings, read_runs
from towpath_engine.store.address import driver_url

__all__ = ("EngineSettings", "load_settings")

_MOST_DAYS = 36_500


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is started with. Shows no secret in its repr.

    Attributes:
        home: data folder; made when missing.
        database_url: libpq URL, or None for the embedded server.
        secret_key: sealing key in base64, or None for the file in `home`.
        catalog_roots: folders that file locations may be read from.
        catalog_rules: which kinds may come from where; all from everywhere where there is none.
        plugins: which plugins, with their settings.
        keeping: how careful the catalog is with what vanishes.
        egress: which other machines may be asked.
        watch: when locations are read again by themselves.
        history_days: how long the catalog remembers what entities were.
        runs: how runs are done and kept.
    """

    home: Path
    database_url: str | None = None
    secret_key: str | None = None
    catalog_roots: tuple[Path, ...] = ()
    catalog_rules: tuple[CatalogRule, ...] = ()
    plugins: PluginConfig = PluginConfig()
    keeping: Keeping = Keeping()
    egress: EgressSettings = EgressSettings()
    watch: WatchSettings = WatchSettings()
    history_days: int = 365
    runs: RunSettings = RunSettings()

    @property
    def embedded(self) -> bool:
        """Whether the engine runs its own PostgreSQL."""
        return self.database_url is None

    def __repr__(self) -> str:
        """Name what may be shown."""
        return f"EngineSettings(home={str(self.home)!r}, embedded={self.embedded})"


def load_settings(
    environ: Mapping[str, str] | None = None, *, roots: Sequence[Path] = ()
) -> EngineSettings:
    """Read the configuration.

    Args:
        environ: instead of the process's environment.
        roots: catalog roots on top of the configured ones.

    Raises:
        SettingsError: a setting is wrong; says which, and what would be right. The text of an
            address, which holds a password, is never in it.
    """
    env = os.environ if environ is None else environ
    home = _home(env)
    file = Path(env.get("TOWPATH_CONFIG") or home / "towpath.toml")
    table = _read(file, required=bool(env.get("TOWPATH_CONFIG")))
    _check_names(table, ("catalog", "egress", "plugins", "runs"), "", file)
    catalog = _table(table, "catalog", file)
    names = ("roots", "rules", "history_days", *KEEPING_NAMES, *WATCH_NAMES)
    _check_names(catalog, names, "catalog.", file)
    runs = _table(table, "runs", file)
    _check_names(runs, RUN_NAMES, "runs.", file)
    written = env.get("TOWPATH_CATALOG_ROOTS")
    configured = written.split(os.pathsep) if written else catalog.get("roots", [])
    if not isinstance(configured, list) or not all(isinstance(r, str) for r in configured):
        raise SettingsError(f"{file}: catalog.roots must be a list of folders.")
    every = [*(Path(root).expanduser() for root in configured if root), *roots]
    resolved = tuple(dict.fromkeys(root.resolve() for root in every))
    return EngineSettings(
        home=home,
        database_url=_database_url(env),
        secret_key=env.get("TOWPATH_SECRET_KEY") or None,
        catalog_roots=resolved,
        catalog_rules=_rules(catalog.get("rules", []), file),
        plugins=_plugins(table, file, env, home, resolved),
        keeping=read_keeping(catalog),
        egress=read_egress(_table(table, "egress", file), env),
        watch=read_watch(catalog),
        history_days=_days(catalog, file),
        runs=read_runs(runs),
    )


def _rules(written: Any, file: Path) -> tuple[CatalogRule, ...]:
    try:
        return msgspec.convert(written, tuple[CatalogRule, ...])
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{file}: catalog.rules is wrong: {error}",
            next='Write rules = [{ allow = ["Component"], locations = ["url:https://*"], '
            'namespaces = ["team-a"] }].',
        ) from error


def _days(catalog: Mapping[str, Any], file: Path) -> int:
    days = catalog.get("history_days", 365)
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _MOST_DAYS:
        raise SettingsError(
            f"{file}: catalog.history_days must be a whole number, 1 to {_MOST_DAYS}."
        )
    return days


def _database_url(env: Mapping[str, str]) -> str | None:
    url = env.get("TOWPATH_DATABASE_URL")
    if not url:
        return None
    driver_url(url)
    return url


def _home(env: Mapping[str, str]) -> Path:
    if env.get("TOWPATH_HOME"):
        return Path(env["TOWPATH_HOME"]).expanduser().absolute()
    base = env.get("XDG_DATA_HOME") or "~/.local/share"
    return (Path(base).expanduser() / "towpath").absolute()


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        if required:
            raise SettingsError(
                f"There is no file {file}.", next="Mend TOWPATH_CONFIG, or make the file."
            ) from error
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error


def _check_names(table: Mapping[str, Any], known: Sequence[str], prefix: str, file: Path) -> None:
    for name in table:
        if name not in known:
            raise SettingsError(
                f"{file}: there is no setting {prefix}{name}.",
                next=f"Known here: {', '.join(known)}.",
            )


def _table(table: Mapping[str, Any], name: str, file: Path) -> dict[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise SettingsError(f"{file}: [{name}] must be a table.")
    return found


def _plugins(
    table: Mapping[str, Any],
    file: Path,
    env: Mapping[str, str],
    home: Path,
    roots: Sequence[Path],
) -> PluginConfig:
    plugins = _table(table, "plugins", file)
    disabled = plugins.get("disable", [])
    if not isinstance(disabled, list) or not all(isinstance(name, str) for name in disabled):
        raise SettingsError(f"{file}: plugins.disable must be a list of plugin names.")
    settings: dict[str, dict[str, Any]] = {
        "backstage": {"roots": [str(root) for root in roots]},
        "git": {"root": str(home / "git"), "mirrors": str(home / "mirrors")},
    }
    for name in plugins:
        if name != "disable":
            settings[name] = {**settings.get(name, {}), **_table(plugins, name, file)}
    config = PluginConfig.from_env(env)
    return msgspec.structs.replace(config, disabled=frozenset(disabled), settings=settings)
