"""Server commands of `towpath`: up, serve, worker, admin.

Light to import, because `towpath --help` does: what a command needs is imported in it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

__all__ = ("app",)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
admin = typer.Typer(no_args_is_help=True, help="What needs the database instead of a token.")
app.add_typer(admin, name="admin")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.", min=0, max=65535)]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.", metavar="LEVEL")]
Roots = Annotated[
    list[Path] | None,
    typer.Option("--root", help="Folder that file locations may be read from; repeatable."),
]


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 7007,
    root: Roots = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes.")] = 1,
    demo: Annotated[bool, typer.Option(help="Load the demo when the catalog is new.")] = True,
    log_level: LogLevel = "warning",
) -> None:
    """Run everything on this machine: database, gateway, worker. Stop with Ctrl-C.

    The first start prints an administrator's token, once, and logs this user's command in.

    Example: towpath up --root ~/catalogs
    """
    _logs(log_level)
    from towpath_engine.settings import load_settings
    from towpath_gateway.places import DEMO_FOLDER, free_port
    from towpath_gateway.signals import stop_signals
    from towpath_gateway.supervisor import Supervisor, default_roots

    async def run() -> None:

        usual = default_roots(DEMO_FOLDER, Path.cwd(), Path.home())
        roots = [one for one in usual if demo or one != DEMO_FOLDER]
        settings = load_settings(roots=[*roots, *(root or ())])
        number = free_port(host, port)
        supervisor = Supervisor(
            settings, host=host, port=number, workers=workers, log_level=log_level
        )
        stop = stop_signals()
        telling = asyncio.create_task(_tell_stopping(stop))
        try:
            await supervisor.run(stop, _welcome)
        finally:
            telling.cancel()

    _run(run())


@app.command()
def serve(
    host: Host = "127.0.0.1", port: Port = 7007, root: Roots = None, log_level: LogLevel = "info"
) -> None:
    """Run the gateway alone; runs need at least one `towpath worker` beside it.

    Example: TOWPATH_DATABASE_URL=postgresql://... towpath serve --host 0.0.0.0
    """
    _logs(log_level)
    from towpath_engine.settings import load_settings
    from towpath_gateway.beginning import begun, read_in
    from towpath_gateway.places import free_port
    from towpath_gateway.signals import stop_signals

    async def run() -> None:
        settings, stop = load_settings(roots=root or ()), stop_signals()
        number = free_port(host, port)
        async with begun(settings) as servers:
            await read_in("towpath_gateway.serve")
            from towpath_gateway.serve import serve as serve_gateway

            await serve_gateway(settings, host, number, servers=servers, stop=stop)

    _run(run())


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Runs at a time.")] = 8,
    queues: Annotated[
        str | None,
        typer.Option(
            help="Queues to take runs from, separated by commas; all without it.",
            metavar="NAMES",
        ),
    ] = None,
    root: Roots = None,
    log_level: LogLevel = "info",
) -> None:
    """Run a worker; start as many as wanted, on as many machines as wanted, on one database.

    Templates are read from the catalog roots: give it the same as the gateway. Told to stop, it
    takes no more runs and hands back those that do not end within the grace period.

    Example: towpath worker --concurrency 16 --root /srv/catalog
    Example: towpath worker --queues provision,scaffold
    """
    _logs(log_level)
    from towpath_engine.settings import load_settings
    from towpath_gateway.beginning import begun, read_in
    from towpath_gateway.signals import stop_signals

    names = [name for part in (queues or "").split(",") if (name := part.strip())]
    if queues is not None and not names:
        raise typer.BadParameter("name at least one queue, or leave --queues out")

    async def run() -> None:
        settings, stop = load_settings(roots=root or ()), stop_signals()
        async with begun(settings) as servers:
            await read_in("towpath_gateway.serve")
            from towpath_gateway.serve import work

            await work(settings, concurrency, names, servers=servers, stop=stop)

    _run(run())


@admin.command()
def token(
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it lives.")] = 1,
) -> None:
    """Make an administrator's token, for when none is left. It goes to standard output.

    Example: towpath admin token | towpath login --url http://127.0.0.1:7007 --token-stdin
    """
    _logs("warning")

    async def run() -> None:
        from towpath_engine.servers import Servers
        from towpath_engine.settings import load_settings
        from towpath_engine.store.database import Database
        from towpath_engine.store.migrate import migrate
        from towpath_engine.tokens import TokenService

        servers = Servers()
        settings = await servers.start(load_settings())
        url = settings.database_url or ""
        try:
            await asyncio.to_thread(migrate, url)
            async with Database(url, pool_size=1) as database:
                made = await TokenService(database).recover(days=days)
            typer.echo(made.token)
        finally:
            await servers.stop()

    _run(run())


@admin.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the API.

    Example: towpath admin openapi > openapi.json
    """
    from towpath_gateway.app import routes_alone
    from towpath_gateway.openapi.document import text

    sys.stdout.write(text(routes_alone()))


def _logs(level: str) -> None:
    from towpath_gateway.logs import configure_logs

    try:
        configure_logs(level)
    except KeyError as error:
        raise typer.BadParameter(f"there is no log level {level!r}") from error


def _run(work: Coroutine[Any, Any, None]) -> None:
    from towpath_core.errors import SettingsError, TowpathError

    try:
        asyncio.run(work)
    except TowpathError as error:
        _fail(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(SettingsError(f"{name}{error.strerror or error}."))
    except Exception as error:
        _log_unexpected(error)
        _fail(
            TowpathError(
                "Something went wrong that should not have.",
                why=type(error).__name__,
                next="The log above says where; its last line says what.",
            )
        )


def _log_unexpected(error: Exception) -> None:
    # Through the log, which leaves secrets out; a bare traceback would show them.
    import structlog

    structlog.get_logger(__name__).error("command.failed", exc_info=error)


def _fail(error: Any) -> NoReturn:
    typer.echo(f"towpath: {error.what}", err=True)
    if error.why:
        typer.echo(f"  why:  {error.why}", err=True)
    if error.next:
        typer.echo(f"  next: {error.next}", err=True)
    for problem in error.problems:
        typer.echo(f"  - {problem}", err=True)
    raise SystemExit(1)


def _welcome(up: Any) -> None:
    typer.echo(f"\nTowpath is up: {up.url}\n")
    if up.token is not None:
        typer.echo("Administrator's token, shown this once:\n")
        typer.echo(f"    {up.token.token}\n")
        if _login(up.url, up.token.token):
            typer.echo("The command of this user is logged in with it.\n")
    else:
        typer.echo("The administrator's token was printed at the first start.")
        typer.echo(f"For another: {_command()} admin token\n")
    command = _command()
    typer.echo("Try next, in another terminal:\n")
    typer.echo(f"    {command} get component")
    typer.echo(f"    {command} create template:default/python-service -p name=my-service")
    typer.echo(f"    {command} demo\n")


def _command() -> str:
    """How this command is called from here: by its name where that is found, else by its path."""
    import os
    import shutil

    if shutil.which("towpath"):
        return "towpath"
    return os.path.relpath(Path(sys.executable).parent / "towpath")


async def _tell_stopping(stop: Any) -> None:
    await stop.asked.wait()
    typer.echo("Stopping; runs under way may end first. Ctrl-C again stops at once.", err=True)


def _login(url: str, token: str) -> bool:
    """Log the command in as a user would, so that there is one place that keeps logins."""
    import subprocess

    command = [sys.executable, "-m", "towpath_cli", "--url", url, "login", "--token-stdin"]
    done = subprocess.run(command, input=token, text=True, capture_output=True, check=False)
    return done.returncode == 0
