"""The files of an embedded PostgreSQL: a cluster is made whole or not at all.

Knows neither locks nor running servers: the caller sees that nobody else works on the same
folder meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from towpath_core.errors import SettingsError, Unavailable
from towpath_engine.store.embedded_account import MAJOR, Site

__all__ = ("ENVIRONMENT", "SUPERUSER", "ensure_cluster", "log_tail", "open_log")

SUPERUSER = "towpath"

LOG_BYTES = 4 * 1024 * 1024

# TZ spares initdb a search through all time zones.
ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def ensure_cluster(site: Site, *, sync: bool = True, log: Path) -> bool:
    """Make the cluster when there is none; an interrupted attempt leaves nothing that counts.

    Args:
        site: where.
        sync: whether all files are on the disk when it returns.
        log: where the output of `initdb` goes.

    Returns:
        Whether a cluster was made.

    Raises:
        SettingsError: the files are of another major version.
        Unavailable: `initdb` failed; the end of its output is told.
    """
    if site.data.exists():
        _check_version(site)
        return False
    for leftover in site.home.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # initdb works in a folder of another name: only a finished cluster is ever called `data`.
    partial = site.home / f"data.new-{secrets.token_hex(4)}"
    partial.mkdir(mode=0o700)
    if site.account:
        os.chown(partial, site.account.uid, site.account.gid)
    _run_initdb(site, partial, sync=sync, log=log)
    partial.rename(site.data)
    if sync:
        _sync(site.home)
    return True


def _check_version(site: Site) -> None:
    try:
        version = (site.data / "PG_VERSION").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        version = "unknown"
    if version != str(MAJOR):
        raise SettingsError(
            f"The database in {site.data} is of PostgreSQL {version}; this is {MAJOR}.",
            why="PostgreSQL reads data of its own major version only. Nothing was changed.",
            next=f"Move {site.data} away, start again and load a dump that pg_dumpall "
            f"{version} made of it; or run that version and set TOWPATH_DATABASE_URL to it.",
        )


def _run_initdb(site: Site, data: Path, *, sync: bool, log: Path) -> None:
    command = [
        str(site.binaries / "initdb"),
        *("-D", str(data), "-U", SUPERUSER, "-E", "UTF8"),
        # Built in: sorting is by code point and cannot change with the system's libraries.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        *("--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"),
        *(() if sync else ("--no-sync",)),
    ]
    with open_log(log) as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            check=False,
            start_new_session=True,
            **site.identity(),
        )
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise Unavailable(
            "The embedded PostgreSQL could not make its files.",
            why=log_tail(log),
            next=f"See that {site.home} is on a disk with room; the whole output is in {log}.",
        )


def log_tail(log: Path, size: int = 1500) -> str:
    """The end of a log file, at most `size` bytes, from the start of a line."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "there is no log"
    cut = text.find("\n") + 1 if len(text) >= size else 0
    return text[cut:].strip() or "its log is empty"


@contextlib.contextmanager
def open_log(log: Path) -> Iterator[int]:
    """Open a log for a program that inherits it: its account needs no right to the folder.

    A log of more than `LOG_BYTES` is set aside first, over the one that was set aside before.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.old"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(log, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
