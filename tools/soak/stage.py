"""A platform for one phase: PostgreSQL, gateways and workers as processes, each in its place."""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import httpx
from network import Network
from postgres import Postgres
from programs import Program, clean_environment
from tcp_proxy import TcpProxy
from towpath_soak.provider import FileProvider

from towpath_core.identity import Principal, Scope
from towpath_engine.store.database import Database
from towpath_engine.tokens import TokenService

__all__ = ("Stage",)

HERE = Path(__file__).resolve().parent
DISTRIBUTION = "towpath_soak-1.0.dist-info"
TOKEN_DAYS = 2
MAX_CRASHES = 20
"""More than are usual: here workers are killed all the time, and no run is to blame for it."""
_BEATING = (
    "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '5 s'"
)


class Stage:
    """Everything of one phase, from `start` to `stop`.

    Args:
        folder: of its own; short, because a unix socket's path is.
        network: where processes run.
        gateways, workers: how many.
        concurrency: runs that one worker does at a time.
        takeover: seconds within which a dead worker's runs go on.
        proxied: put a proxy between each process and the database.
        clocks: environment that moves the clock of some workers, by their number.
    """

    def __init__(
        self,
        folder: Path,
        network: Network,
        *,
        gateways: int,
        workers: int,
        concurrency: int = 4,
        takeover: float = 15.0,
        proxied: bool = False,
        clocks: Sequence[dict[str, str]] = (),
    ) -> None:
        self.folder = folder
        self.network = network
        self.provider = FileProvider(folder / "provider")
        addresses = list(dict.fromkeys(["127.0.0.1", network.address]))
        self.postgres = Postgres(folder / "pg", addresses, _free_port(network.address))
        self.gateways: list[Program] = []
        self.workers: list[Program] = []
        self.proxies: dict[str, TcpProxy] = {}
        self.clients: list[httpx.AsyncClient] = []
        self.approvers: list[httpx.AsyncClient] = []
        self._names = [f"gateway-{n}" for n in range(gateways)]
        self._names += [f"worker-{n}" for n in range(workers)]
        self.takeover = takeover
        self._concurrency = concurrency
        self._proxied = proxied
        self._clocks = clocks
        self._key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    async def start(self) -> None:
        """Start everything; returns when it all says that it is ready."""
        self._write_files()
        await asyncio.to_thread(self.postgres.start)
        for name in self._names:
            await self._add(name)
        # The first brings the schema; the others find it.
        await self.gateways[0].start()
        async with asyncio.TaskGroup() as group:
            for program in [*self.gateways[1:], *self.workers]:
                group.create_task(program.start())
        await self._log_in()

    async def stop(self) -> None:
        """Stop everything that was started, however far the start came."""
        for client in [*self.clients, *self.approvers]:
            await client.aclose()
        for proxy in self.proxies.values():
            proxy.set("pass")
        programs = [*self.workers, *self.gateways]
        await asyncio.gather(*(one.stop() for one in programs), return_exceptions=True)
        for proxy in self.proxies.values():
            await proxy.stop()
        await asyncio.to_thread(self.postgres.stop)

    def logs(self, words: Sequence[str]) -> list[str]:
        """Lines of all processes' logs that hold one of some words."""
        return [
            line
            for program in [*self.gateways, *self.workers]
            for line in program.log.read_text("utf-8", "replace").splitlines()
            if any(word in line for word in words)
        ]

    async def missing(self) -> list[str]:
        """Gateways that are not ready, and workers that give no sign of life."""
        found = []
        for program, client in zip(self.gateways, self.clients, strict=True):
            try:
                answer = await client.get("/readyz", timeout=5)
                ready = answer.text if answer.status_code != 200 else ""
            except httpx.HTTPError as error:
                ready = type(error).__name__
            found += [f"{program.name} is not ready: {ready}"] if ready else []
        alive = await asyncio.to_thread(self._beating)
        if alive < len(self.workers):
            found.append(f"{alive} of {len(self.workers)} workers give a sign of life")
        return found

    def _beating(self) -> int:
        with self.postgres.session() as session:
            row = session.execute(_BEATING).fetchone()
            return int(str(row[0])) if row else 0

    async def _add(self, name: str) -> None:
        place, address = self.network.join(name)
        url = self.postgres.url(self.network.address)
        if self._proxied:
            proxy = TcpProxy(self.network.address, (self.network.address, self.postgres.port))
            await proxy.start()
            self.proxies[name] = proxy
            url = self.postgres.url(self.network.address, proxy.port)
        env = self._environment(name) | {"TOWPATH_DATABASE_URL": url}
        log = self.folder / f"{name}.log"
        log.touch()
        if name.startswith("gateway"):
            port = _free_port(self.network.address)
            words = ["serve", "--host", address, "--port", str(port)]
            self.gateways.append(Program(name, words, env, log, place))
            self._addresses.append(f"http://{address}:{port}")
        else:
            if (number := len(self.workers)) < len(self._clocks):
                env |= self._clocks[number]
            words = ["worker", "--concurrency", str(self._concurrency)]
            self.workers.append(Program(name, words, env, log, place))

    def _environment(self, name: str) -> dict[str, str]:
        home = self.folder / name
        home.mkdir()
        site, plugin = self.folder / "site", HERE / "plugin"
        return clean_environment(home) | {
            "PYTHONPATH": f"{site}:{plugin}",
            "TOWPATH_HOME": str(home / "home"),
            "TOWPATH_CONFIG": str(self.folder / "towpath.toml"),
            "TOWPATH_SECRET_KEY": self._key,
            "TOWPATH_PLUGINS": "soak",
        }

    def _write_files(self) -> None:
        """The configuration, and the plugin's metadata as an installer writes it."""
        self._addresses: list[str] = []
        (self.folder / "towpath.toml").write_text(
            f"[runs]\ntakeover_seconds = {self.takeover}\nmax_crashes = {MAX_CRASHES}\n"
            f'[plugins.soak]\nfolder = "{self.provider.folder}"\n'
        )
        info = self.folder / "site" / DISTRIBUTION
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: towpath-soak\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[towpath.plugins]\nsoak = towpath_soak.plugin\n")

    async def _log_in(self) -> None:
        """One who starts runs, and another who approves them."""
        async with Database(self.postgres.inside(), pool_size=1) as database:
            tokens = TokenService(database)
            starter = await _token(tokens, "soak", "runs:read", "runs:write")
            approver = await _token(tokens, "soak-approver", "platform:admin")
        for token, clients in ((starter, self.clients), (approver, self.approvers)):
            headers = {"authorization": f"Bearer {token}"}
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
            clients += [
                httpx.AsyncClient(base_url=url, headers=headers, limits=limits, trust_env=False)
                for url in self._addresses
            ]


async def _token(tokens: TokenService, name: str, *scopes: Scope) -> str:
    who = Principal(
        issuer="towpath",
        subject=name,
        kind="user",
        entity_ref=f"user:default/{name}",
        scopes=frozenset(scopes),
    )
    return (await tokens.create(who, "soak", scopes, days=TOKEN_DAYS)).token


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
