"""A platform that runs for real: `towpath up` as a process, asked over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from towpath_core.identity import Principal
from towpath_engine.store.database import Database
from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.tokens import TokenService

READY = "towpath demo"


class Live:
    """One running platform, with its administrator's token and a client for it."""

    def __init__(self, *, roots: tuple[Path, ...] = (), port: int = 0, workers: int = 1) -> None:
        # Short, because a unix socket's path is; open to go through, because as root the
        # database runs under an account of its own.
        self.folder = Path(tempfile.mkdtemp(prefix="tp-", dir="/tmp"))
        self.folder.chmod(0o711)
        self.home = self.folder / "home"
        self.workers = workers
        self.env = {key: value for key, value in os.environ.items() if "TOWPATH" not in key}
        self.env |= {
            "HOME": str(self.folder),
            "TOWPATH_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        self.roots = roots
        self._log = (self.folder / "log").open("a")
        self._port = port
        self.process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self.token = ""
        self.url = ""
        self.said = ""

    def start(self) -> None:
        arguments = ["--port", str(self._port), "--workers", str(self.workers)]
        for root in self.roots:
            arguments += ["--root", str(root)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "towpath_gateway", "up", *arguments],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if READY in line:
                break
        else:
            raise AssertionError(f"it did not start: {(self.folder / 'log').read_text()}")
        self.url = re.search(r"up: (http\S+)", self.said)[1]
        self._port = int(self.url.rpartition(":")[2])
        if found := re.search(r"(tow_pat_\S+)", self.said):
            self.token = found[1]
        # Nobody reads on; a full pipe must not stop it.
        self._drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._drain.start()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait(120)
        if self._drain is not None:
            self._drain.join(10)
        self.process.stdout.close()
        return status

    def remove(self) -> None:
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, token: str | None = None) -> httpx.Client:
        bearer = self.token if token is None else token
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def children(self, name: str) -> list[int]:
        """Process ids of the supervisor's processes whose command has a word."""
        assert self.process is not None
        found = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [line.split(None, 1) for line in found.splitlines()]
        return [int(pid) for pid, command in rows if f" {name}" in command]

    def cpu(self) -> float:
        """Seconds of a processor that the gateway has used."""
        [pid] = self.children("serve")
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def known_as(self, subject: str, *scopes: str, groups: tuple[str, ...] = ()) -> httpx.Client:
        """A client with a token of somebody else, made where all tokens are kept."""
        token = asyncio.run(self._token_of(subject, scopes, groups))
        return self.client(token)

    async def _token_of(
        self, subject: str, scopes: tuple[str, ...], groups: tuple[str, ...]
    ) -> str:
        somebody = Principal(
            issuer="towpath",
            subject=subject,
            kind="user",
            entity_ref=f"user:default/{subject}",
            groups=frozenset(groups),
            scopes=frozenset(scopes),
        )
        server = EmbeddedServer(self.home / "postgres")
        await asyncio.to_thread(server.start)  # it runs; this is one more who uses it
        database = Database(server.url(), pool_size=1)
        try:
            return (await TokenService(database).create(somebody, "test", scopes)).token
        finally:
            await database.close()
            await asyncio.to_thread(server.stop)

    def scoped(self, *scopes: str) -> httpx.Client:
        """A client with a token of its own that has some scopes only."""
        with self.client() as admin:
            made = admin.post("/api/v1/tokens", json={"name": "test", "scopes": list(scopes)})
        assert made.status_code == 201, made.text
        return self.client(made.json()["token"])


def follow(client: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """All events of a run, up to its end."""
    events = []
    with client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
    return events


def finished(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """The run, once it has ended."""
    follow(client, run_id)
    run = client.get(f"/api/v1/runs/{run_id}").json()
    assert run["state"] in ("succeeded", "failed", "cancelled"), run
    return run


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Live]:
    """A platform of a test's own."""
    live = Live(**options)
    try:
        live.start()
        yield live
    finally:
        if live.process is not None:
            if live.process.poll() is None:
                live.process.send_signal(signal.SIGTERM)
            live.wait()
        live.remove()
