"""The running embedded PostgreSQL: starting its process, finding it again, ending it.

Knows neither who uses the server nor locks: the caller sees that nobody else starts or stops a
server on the same folder meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from towpath_core.errors import Unavailable
from towpath_engine.store.embedded_account import Site
from towpath_engine.store.embedded_cluster import ENVIRONMENT, open_log

__all__ = ("Postmaster", "forget_stale", "postmaster", "spawn", "stop")

POLL_SECONDS = 0.005

# No line for replication, and passwords for everything that comes over TCP. The socket stands
# in the data folder (mode 0700): who reaches it is the owner, or root.
HBA = """\
local all all trust
host all all all scram-sha-256
"""

# Durable, and small enough for a laptop. Parallel queries are off because they need /dev/shm,
# which containers keep at 64 MB and which systemd empties when a user logs out. Statements that
# fail are not logged: they may hold what nobody should read.
SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "logging_collector": "off",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
}


class Postmaster(msgspec.Struct, frozen=True):
    """What the server's own pid file says, and whether a server of that data has that pid."""

    pid: int
    port: int
    listens: bool
    ready: bool
    alive: bool


def spawn(
    site: Site, *, name: str, port: int, listen: str, options: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, so that it outlives our process group.

    Returns at once; the server is not ready yet. A thread reaps it when it ends.
    """
    hba = site.home / "pg_hba.conf"
    hba.write_text(HBA, "utf-8")
    hba.chmod(0o644)
    settings = {
        **SETTINGS,
        "hba_file": str(hba),
        "cluster_name": name,
        "port": str(port),
        "listen_addresses": listen,
        "unix_socket_directories": str(site.data),
        **options,
    }
    command = [str(site.binaries / "postgres"), "-D", str(site.data)]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    with open_log(log) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            umask=0o077,
            **site.identity(),
        )
    # Left alone, a server that ends before us would stay a zombie, whose pid looks alive.
    threading.Thread(target=process.wait, name="postgres-reaper", daemon=True).start()
    return process


def postmaster(data: Path) -> Postmaster | None:
    """The server that runs on a data folder, ready or not; None where there is none."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    lines += [""] * (8 - len(lines))
    return Postmaster(
        pid=pid,
        port=int(lines[3]) if lines[3].strip().isdigit() else 0,
        listens=bool(lines[5].strip()),
        ready=lines[7].strip() == "ready",
        alive=_serves(pid, data),
    )


def forget_stale(data: Path) -> None:
    """Remove the pid file of a killed server whose pid belongs to another program by now.

    PostgreSQL would take that program for a server and refuse to start. All other cases are
    left to PostgreSQL, which knows more: whether sessions of the old server still live.
    """
    found = postmaster(data)
    if found is None or found.alive:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(found.pid, 0)
        (data / "postmaster.pid").unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    # The command line, because other links in /proc are closed to root in most containers.
    if Path("/proc/self/cmdline").exists():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(data) in words and Path(os.fsdecode(words[0])).name == "postgres"
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return f"postgres -D {data} " in shown


def stop(data: Path, *, seconds: float) -> None:
    """End the server on a data folder: open sessions are cut, what was committed is kept.

    After `seconds` it is ended at once, and recovers at the next start. A missing one is success.

    Raises:
        Unavailable: it does not end at all.
    """
    for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 5.0)):
        running = postmaster(data)
        if running is None or not running.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            running = postmaster(data)
            if running is None or not running.alive:
                return
            time.sleep(POLL_SECONDS)
    raise Unavailable(
        f"The embedded PostgreSQL in {data} does not stop.", next="Look at its process and log."
    )
