"""The gateway that is measured: `towpath serve` with its own database, and what it uses up."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS = 300
_IDLE_SECONDS = 5.0


class Failed(Exception):
    """The measurement cannot go on; the text says why."""


class Usage:
    """What a process has used up so far, read from `/proc`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self, *, children: bool = False) -> float:
        """Seconds of CPU time, those of ended children included when asked for."""
        # The name of the command, in brackets, may hold spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if children else 13])) / TICK

    def rss(self) -> int:
        """Bytes of memory that are resident now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes of memory that ever were resident."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise Failed(f"/proc/{self.pid}/status has no {name}.")


class Client:
    """One keep-alive connection that asks with a token; 4xx and 5xx raise."""

    def __init__(self, url: str, token: str = "", seconds: float = 3600) -> None:
        self.address = urlsplit(url).netloc
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self._connection = http.client.HTTPConnection(self.address, timeout=seconds)
        self._asked = 0.0

    def read(self, path: str, body: Any = None, *, method: str | None = None) -> bytes:
        """The body of an answer; a body to send is given as plain data or as JSON text."""
        headers = dict(self.headers)
        if body is not None:
            headers["content-type"] = "application/json"
            body = body if isinstance(body, str) else json.dumps(body)
        if time.monotonic() - self._asked > _IDLE_SECONDS:
            self._connection.close()  # the server has done so, or is about to
        self._asked = time.monotonic()
        way = method or ("GET" if body is None else "POST")
        self._connection.request(way, path, body=body, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise Failed(f"{way} {path[:200]}: {answer.status} {content[:500]!r}")
        return content

    def json(self, path: str, body: Any = None) -> Any:
        """The answer as plain data."""
        return json.loads(self.read(path, body))

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()


class Start(NamedTuple):
    """Seconds until the first answer, and seconds of CPU time of the gateway."""

    seconds: float
    cpu: float


class Gateway:
    """One `towpath serve` in a folder of its own, started and stopped as often as wanted."""

    def __init__(self) -> None:
        # Short, because a unix socket's path is; open to go through, because as root the
        # database runs under an account of its own.
        self.folder = Path(tempfile.mkdtemp(prefix="tpb-"))
        self.folder.chmod(0o711)
        self.catalog = self.folder / "catalog"
        self.catalog.mkdir()
        self.url = ""
        self._env = environment(self.folder)
        self._process: subprocess.Popen[str] | None = None
        self._log = (self.folder / "log").open("a")
        # Byte code is there when somebody has installed it; in a checkout it may not be yet.
        command = [sys.executable, "-c", "import towpath_gateway.serve, alembic.command"]
        subprocess.run(command, env=self._env, check=True)

    def start(self, token: str = "", path: str = "/healthz") -> Start:
        """Start it; returns when it has answered a request for the first time."""
        began = time.monotonic()
        command = ["serve", "--port", "0", "--root", str(self.catalog)]
        self._process, said = spawn([*_TOWPATH, *command], self._env, self._log)
        self.url = said.removeprefix("ready ").strip()
        Client(self.url, token).read(path)
        seconds = time.monotonic() - began
        return Start(seconds, self.usage.cpu(children=True))

    def stop(self) -> None:
        """Stop it in order; its database stops with it."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def forget_index(self) -> None:
        """Remove the index that it wrote when it was stopped, as if it had been killed."""
        (self.folder / "home" / "catalog.index").unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop it, and delete its folder."""
        self.stop()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def usage(self) -> Usage:
        """What the gateway process has used up."""
        assert self._process is not None
        return Usage(self._process.pid)

    def database_cpu(self) -> float:
        """Seconds of CPU time of the gateway's database, with all that it ever started."""
        notes = sorted((self.folder / "home" / "postgres").rglob("postmaster.pid"))
        if not notes:
            return 0.0
        first = int(notes[0].read_text().split()[0])
        total = Usage(first).cpu(children=True)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if int(fields[1]) == first:
                total += sum(map(int, fields[11:15])) / TICK
        return total

    def token(self, *scopes: str) -> str:
        """A new token with some scopes; as somebody who keeps a platform makes one."""
        command = [*_TOWPATH, "admin", "token"]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"towpath admin token: {done.stderr}")
        admin = Client(self.url, done.stdout.strip())
        made = admin.json("/api/v1/tokens", {"name": "bench", "scopes": list(scopes)})
        return str(made["token"])

    def complaints(self) -> list[str]:
        """Lines of the log that tell of something that went wrong."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line for line in lines if '"error"' in line or '"critical"' in line]


_TOWPATH = (sys.executable, "-m", "towpath_gateway")


def environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of this user's platform is known, nor how Python is run."""
    kept = {k: v for k, v in os.environ.items() if "TOWPATH" not in k and "PYTHON" not in k}
    config = str(home / "config")
    return {
        **kept,
        "HOME": str(home),
        "TOWPATH_HOME": str(home / "home"),
        "XDG_CONFIG_HOME": config,
    }


def spawn(
    command: list[str], env: Mapping[str, str], log: IO[str]
) -> tuple[subprocess.Popen[str], str]:
    """Start a process that prints `ready ...` when it is; returns it with that line."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    late = threading.Timer(START_SECONDS, process.kill)
    late.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                # Nobody reads on; a full pipe must not stop it.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return process, line
    finally:
        late.cancel()
    process.wait()
    tail = Path(log.name).read_text()[-2000:]
    raise Failed(f"{command[1:4]} ended with status {process.returncode}:\n{tail}")


def end(process: subprocess.Popen[str]) -> None:
    """End a process in order, or hard when it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
