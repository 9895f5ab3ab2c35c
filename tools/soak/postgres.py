"""A PostgreSQL of the harness's own: durable, over TCP, ended and started again as wanted."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.embedded_account import ACCOUNT_NAME
from towpath_engine.store.embedded_process import postmaster, stop

__all__ = ("Postgres", "SmallDisk", "Unmountable", "end_leftover")

DATABASE = "towpath"
_SECONDS = 60.0


class Postgres:
    """One server in a folder, on a port that it keeps.

    Args:
        folder: short, because a unix socket's path is.
        addresses: where it listens.
        port: which must be free.
    """

    def __init__(self, folder: Path, addresses: Sequence[str], port: int) -> None:
        self.port = port
        self.restarts = 0
        self._folder = folder
        self._server = EmbeddedServer(
            folder,
            name="towpath-soak",
            listen=(",".join(addresses), port),
            # A process that has gone is noticed by its silent connection, as on real networks.
            options={"max_connections": "300"},
        )

    def start(self) -> None:
        """Make it run; returns when it answers."""
        self._server.start()

    def stop(self, *, immediate: bool = False) -> None:
        """End it: sessions are cut; `immediate` leaves recovery to the next start."""
        if immediate and (running := postmaster(self._server.data_dir)):
            os.kill(running.pid, signal.SIGQUIT)
            until = time.monotonic() + _SECONDS
            while (now := postmaster(self._server.data_dir)) and now.alive:
                if time.monotonic() > until:
                    raise TimeoutError("PostgreSQL does not end.")
                time.sleep(0.01)
        self._server.stop()

    def restart(self, *, immediate: bool, down: float = 0.0) -> None:
        """End it, leave it down for some seconds, and start it again."""
        self.stop(immediate=immediate)
        time.sleep(down)
        self.start()
        self.restarts += 1

    def url(self, host: str, port: int | None = None) -> str:
        """A libpq URL over TCP, to this server or to what stands before it. A secret."""
        password = quote((self._folder / "superuser.password").read_text("ascii").strip())
        return f"postgresql://towpath:{password}@{host}:{port or self.port}/{DATABASE}"

    def inside(self) -> str:
        """A libpq URL over the unix socket, which no fault touches."""
        return self._server.url(DATABASE)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A session of the superuser's, each statement a transaction."""
        with psycopg.connect(self.inside(), autocommit=True) as connection:
            yield connection


class Unmountable(Exception):
    """A small disk cannot be had here; the text says why."""


class SmallDisk:
    """A file system of a few MiB that a table is put on, to be filled up.

    Args:
        folder: where it is mounted.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._ballast = folder / "ballast"

    def mount(self) -> Path:
        """Mount it; returns a folder on it that the database's account owns.

        Raises:
            Unmountable: this user may not.
        """
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m,mode=0711", "tmpfs"]
        done = subprocess.run([*command, str(self.folder)], capture_output=True, text=True)
        if done.returncode:
            raise Unmountable(done.stderr.strip())
        space = self.folder / "space"
        space.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT_NAME)
            os.chown(space, account.pw_uid, account.pw_gid)
        return space

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def clear(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Let go of it; harmless where it is not mounted."""
        if self.folder.is_mount():
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


def end_leftover(folder: Path) -> None:
    """End what an earlier run that was killed has left in a folder, and remove it."""
    for data in folder.rglob("postmaster.pid"):
        with contextlib.suppress(Exception):
            stop(data.parent, seconds=5.0)
    for mount in folder.glob("*"):
        if mount.is_mount():
            subprocess.run(["umount", "-l", str(mount)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
