"""Where runs are measured: a database of the embedded PostgreSQL, a gateway and workers on it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import runs_plugin
from serving import TICK, Client, Failed, Usage, end, environment, spawn

from towpath_engine.store.embedded import EmbeddedServer
from towpath_engine.store.migrate import migrate

NOOP = Path(__file__).with_name("runs_noop.py")
_TOWPATH = (sys.executable, "-m", "towpath_gateway")


class Place:
    """A running database, and what is started on it."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.url = server.url()
        self._server = server
        self._folder = folder
        self._env = environment(folder) | {
            "TOWPATH_DATABASE_URL": self.url,
            "TOWPATH_PLUGINS": "backstage,bench",
            "PYTHONPATH": runs_plugin.install(folder),
        }
        self._connection = psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def ask(self, query: str, *values: Any) -> Any:
        """The first value of the first row that a statement gives, if it gives any."""
        row = self._connection.execute(query, values).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def do(self, query: str, *values: Any) -> None:
        """A statement that gives nothing."""
        self._connection.execute(query, values)  # type: ignore[arg-type]

    @contextmanager
    def workers(self, way: str, concurrency: int, count: int = 1) -> Iterator[list[Usage]]:
        """So many worker processes, of `runs` or of `noop` jobs, as long as the block lasts."""
        command = (
            [sys.executable, str(NOOP), self.url, str(concurrency)]
            if way == "noop"
            else [*_TOWPATH, "worker", "--concurrency", str(concurrency), "--log-level", "warning"]
        )
        with ExitStack() as stack:
            started = [stack.enter_context(self._process(way, command)) for _ in range(count)]
            yield [Usage(process.pid) for process, _ in started]

    @contextmanager
    def gateway(self) -> Iterator[tuple[Client, Usage]]:
        """A gateway as long as the block lasts, and a client that may start runs and see them."""
        command = [*_TOWPATH, "serve", "--port", "0", "--log-level", "warning"]
        with self._process("gateway", command) as (process, said):
            url = said.removeprefix("ready ").strip()
            yield Client(url, self._token(url)), Usage(process.pid)

    def database_cpu(self) -> float:
        """Seconds of CPU time of PostgreSQL, with all processes that it ever started."""
        first, *others = self.database_processes()
        total = Usage(first).cpu(children=True)
        for pid in others:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            total += sum(map(int, fields[11:15])) / TICK
        return total

    def database_processes(self) -> list[int]:
        """The processes of PostgreSQL, the first one first."""
        first = int((self._server.data_dir / "postmaster.pid").read_text().split()[0])
        found = [first]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == first:
                found.append(int(stat.parent.name))
        return found

    def complaints(self) -> list[str]:
        """Lines of the logs that tell of something that went wrong."""
        lines = [
            line for log in self._folder.glob("*.log") for line in log.read_text().splitlines()
        ]
        return [line for line in lines if '"error"' in line or "Traceback" in line]

    @contextmanager
    def _process(
        self, name: str, command: list[str]
    ) -> Iterator[tuple[subprocess.Popen[str], str]]:
        with (self._folder / f"{name}.log").open("a") as log:
            process, said = spawn(command, self._env, log)
            try:
                yield process, said
            finally:
                end(process)

    def _token(self, url: str) -> str:
        command = [*_TOWPATH, "admin", "token"]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"towpath admin token: {done.stderr}")
        scopes = ["runs:read", "runs:write"]
        asked = {"name": "bench", "scopes": scopes}
        return str(Client(url, done.stdout.strip()).json("/api/v1/tokens", asked)["token"])


@contextmanager
def place() -> Iterator[Place]:
    """A place in a folder of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        folder = Path(name)
        # As root the database runs under an account of its own, which goes through it.
        folder.chmod(0o711)
        with EmbeddedServer(folder / "postgres") as server:
            migrate(server.url())
            found = Place(server, folder)
            try:
                yield found
            finally:
                found.close()


def proportional(pids: list[int]) -> int:
    """Bytes of memory of processes, what they share counted once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
