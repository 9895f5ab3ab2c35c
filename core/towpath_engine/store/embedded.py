"""The embedded PostgreSQL server: one for a folder, shared by all processes that use the folder.

Owns starting, attaching and stopping. It outlives a killed process: the next one attaches.
Knows nothing of what is stored.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
import structlog

from towpath_core.errors import SettingsError, Unavailable
from towpath_engine.store.embedded_account import SYSTEM_FOLDER, Site, find_site, pg_binaries
from towpath_engine.store.embedded_cluster import (
    SUPERUSER,
    ensure_cluster,
    log_tail,
)
from towpath_engine.store.embedded_locks import UserLock, exclusive
from towpath_engine.store.embedded_process import Postmaster, forget_stale, postmaster, spawn, stop
from towpath_engine.store.embedded_setup import make_database, set_password

__all__ = ("EmbeddedServer", "pg_binaries")

SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
POLL_SECONDS = 0.005
ORPHANS = "pre-existing shared memory block"
PORT_TAKEN = "could not create any TCP/IP sockets"
RETRY_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class EmbeddedServer:
    """A PostgreSQL server that lives in a folder.

    Any number of processes may use it: the first to start it makes it, the others attach, and
    the last to stop ends it. A process that is killed counts no longer at once. All methods
    block; call them in a thread from async code. Not to be shared between threads while it
    starts or stops.

    When Towpath runs as root, the server runs under the account `towpath-pg`, and a folder that
    this account cannot reach (such as one in `/root`) holds a note only: the files stand below
    `/var/lib/towpath` then.

    Args:
        folder: its own folder, made when missing (mode 0700, or 0711 as root).
        name: shown in the list of processes.
        listen: address and port for TCP with passwords; port 0 is any free one. Without it the
            server is reached through its unix socket only, by its owner and root.
        port: number in the name of the unix socket where `listen` is not given.
        options: PostgreSQL settings that go before ours, for a server that is started here.
        binaries: folder of `postgres` and `initdb`; the installed wheel's by default.
        system_folder: where files stand as root that cannot stand in `folder`.
        timeout: seconds that a start or stop may take, recovery after a crash included.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "towpath",
        listen: tuple[str, int] | None = None,
        port: int = 5432,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
        system_folder: Path = SYSTEM_FOLDER,
        timeout: float = 60.0,
    ) -> None:
        self.folder = folder
        self.log_file = folder / "server.log"
        self.started_here = False
        self.attached = False
        self._name = name
        self._listen = listen
        self._wanted_port = port
        self._options = dict(options or {})
        self._binaries = binaries
        self._system_folder = system_folder
        self._timeout = timeout
        self._site: Site | None = None
        self._port = 0
        self._pid = 0
        self._users: UserLock | None = None

    @property
    def data_dir(self) -> Path:
        """The data folder; known from the start on."""
        return self._running_site().data

    @property
    def socket_dir(self) -> Path:
        """Folder of the unix socket; known from the start on."""
        return self._running_site().data

    def url(self, database: str = "towpath") -> str:
        """A libpq URL over the unix socket, as superuser, without a password."""
        return self._url(database, self._port)

    def admin_url(self, database: str = "postgres") -> str:
        """A libpq URL over TCP, as superuser, with its password. A secret.

        Raises:
            SettingsError: the server was not asked to listen.
        """
        if self._listen is None:
            raise SettingsError(
                "The embedded PostgreSQL does not listen on TCP.", next="Give it `listen`."
            )
        password = self._password_file().read_text("ascii").strip()
        where = f"{self._listen[0]}:{self._port}"
        return f"postgresql://{SUPERUSER}:{password}@{where}/{quote(database, safe='')}"

    def start(self) -> None:
        """Make the server run and be one of its users; harmless when it is one already.

        Makes the cluster and the database `towpath` where they are missing.

        Raises:
            SettingsError: the folder cannot be used, its path is too long, its data are of
                another major version, or others use the server and it does not `listen` as
                asked here.
            Unavailable: the server does not start; the end of its log is told.
        """
        if self._users is not None:
            return
        self._make_folder()
        with exclusive(self.folder / "start.lock", seconds=self._timeout):
            self._site = find_site(
                self.folder, self._binaries or pg_binaries(), self._system_folder
            )
            users = UserLock(self.folder / "users.lock")
            try:
                self._bring_up(self._site, users)
            except BaseException as error:
                if self.started_here and users.is_last():
                    stop(self._site.data, seconds=5.0)
                users.release()
                if isinstance(error, OSError | psycopg.Error):
                    raise Unavailable(
                        "The embedded PostgreSQL could not be set up.",
                        why=str(error).strip(),
                        next=f"See that {self._site.home} has room; its log is {self.log_file}.",
                    ) from error
                raise
            self._users = users
            self._pid = os.getpid()

    def stop(self) -> bool:
        """Stop being a user, and end the server when no other process uses it.

        Harmless when it was not started. What was committed is kept.

        Returns:
            Whether the server was ended.

        Raises:
            Unavailable: the server does not end.
        """
        if self._users is None:
            return False
        if self._pid != os.getpid():  # a forked child shares its parent's lock
            self._users.release()
            self._users = None
            return False
        with exclusive(self.folder / "start.lock", seconds=self._timeout):
            users, self._users = self._users, None
            try:
                last = users.is_last()
                if last:
                    stop(self.data_dir, seconds=self._timeout)
            finally:
                users.release()
        return last

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _url(self, database: str, port: int) -> str:
        host = quote(str(self.socket_dir), safe="/")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={port}"

    def _running_site(self) -> Site:
        if self._site is None:
            raise SettingsError("The embedded PostgreSQL was not started.", next="Call start().")
        return self._site

    def _password_file(self) -> Path:
        return self.folder / "superuser.password"

    def _make_folder(self) -> None:
        # Resolved, so that all ways to the folder give one server with one name.
        self.folder = self.folder.resolve()
        self.log_file = self.folder / self.log_file.name
        try:
            self.folder.mkdir(mode=0o700, parents=True)
            if os.geteuid() == 0:
                self.folder.chmod(0o711)  # the server's account goes through it to its data
        except FileExistsError:
            return
        except OSError as error:
            raise SettingsError(
                f"The folder {self.folder} cannot be made.",
                why=error.strerror,
                next="Set TOWPATH_HOME to a folder that may be written.",
            ) from error

    def _bring_up(self, site: Site, users: UserLock) -> None:
        until = time.monotonic() + self._timeout
        self.attached = self.started_here = False
        running = postmaster(site.data)
        if running and running.alive and not self._suits(running):
            self._make_way(site, users)
        elif running and self._await_ready(site, until, process=None):
            self.attached = True
        if not self.attached:
            self._start_server(site, until)
        self._prepare()

    def _suits(self, running: Postmaster) -> bool:
        if self._listen is None:
            return True
        return running.listens and self._listen[1] in (0, running.port)

    def _make_way(self, site: Site, users: UserLock) -> None:
        if not users.is_last():
            raise SettingsError(
                f"The PostgreSQL in {self.folder} does not listen as asked, and others use it.",
                next="Stop the other Towpath processes, then start again.",
            )
        stop(site.data, seconds=self._timeout)
        users.share()

    def _start_server(self, site: Site, until: float) -> None:
        address, wanted = self._listen or ("", self._wanted_port)
        self._check_socket_path(site.data / f".s.PGSQL.{wanted or 65535}")
        began = time.monotonic()
        sync = self._options.get("fsync", "on") not in ("off", "false", "no", "0")
        made = ensure_cluster(site, sync=sync, log=self.log_file)
        forget_stale(site.data)
        patient_until = time.monotonic() + RETRY_SECONDS
        while True:
            process = spawn(
                site,
                name=self._name,
                port=wanted or _free_port(address),
                listen=address,
                options=self._options,
                log=self.log_file,
            )
            self.started_here = True
            if self._await_ready(site, until, process=process):
                break
            self._check_retry(patient_until, any_port=not wanted)
        seconds = round(time.monotonic() - began, 3)
        _log.info("embedded_postgres.started", folder=str(site.home), new=made, seconds=seconds)

    def _check_retry(self, until: float, *, any_port: bool) -> None:
        # Sessions of a server that was killed need a moment to notice that it has gone, and a
        # port that was free when it was looked for may be taken by now.
        tail = log_tail(self.log_file)
        last = tail.splitlines()[-3:]
        orphans = any(ORPHANS in line for line in last)
        taken = any_port and any(PORT_TAKEN in line for line in last)
        if not (orphans or taken) or time.monotonic() > until:
            raise Unavailable(
                "The embedded PostgreSQL does not start.",
                why=tail,
                next=f"The whole log is in {self.log_file}.",
            )
        time.sleep(0.05)

    def _check_socket_path(self, path: Path) -> None:
        size = len(os.fsencode(path))
        if size > SOCKET_PATH_BYTES:
            raise SettingsError(
                f"The path {path} has {size} bytes; a unix socket may have {SOCKET_PATH_BYTES}.",
                next="Set TOWPATH_HOME to a shorter path.",
            )

    def _await_ready(
        self, site: Site, until: float, *, process: subprocess.Popen[bytes] | None
    ) -> bool:
        """Wait until the server answers; False when there is none, or it ended before."""
        while True:
            running = postmaster(site.data)
            # Asked even where its process is not seen: that may be another container's.
            if running and running.ready and self._answers(running.port):
                self._port = running.port
                return True
            alive = process.poll() is None if process else running and running.alive
            if not alive:
                return False
            if time.monotonic() > until:
                raise Unavailable(
                    f"The embedded PostgreSQL does not answer within {self._timeout:g} s.",
                    why=log_tail(self.log_file),
                    next=f"The whole log is in {self.log_file}.",
                )
            time.sleep(POLL_SECONDS)

    def _answers(self, port: int) -> bool:
        # The socket stands in the data folder: who answers there serves these data.
        try:
            psycopg.connect(self._url("postgres", port), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            make_database(connection)
            if self._listen is not None:
                set_password(connection, self._password_file())


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
