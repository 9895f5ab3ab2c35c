"""Starting and stopping, as badly as it can go: nothing is left behind, and the reason is told."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from live import READY, Live

from towpath_core.errors import Unavailable
from towpath_gateway import child as child_module
from towpath_gateway.child import Child
from towpath_gateway.signals import LIFELINE, Stop, unless


@pytest.fixture
def live() -> Iterator[Live]:
    """A platform that is not started yet; whatever a test leaves of it is killed."""
    found = Live()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.wait(60)
    if found.process is not None and found.process.stdout is not None:
        found.process.stdout.close()
    found.remove()


def begin(live: Live, *arguments: str) -> subprocess.Popen[str]:
    live.process = subprocess.Popen(
        [sys.executable, "-m", "towpath_gateway", "up", "--port", "0", *arguments],
        env=live.env,
        cwd=live.folder,
        stdout=subprocess.PIPE,
        stderr=live._log,
        text=True,
    )
    return live.process


def left_of(live: Live) -> list[bytes]:
    """Commands of processes that still have the platform's folder in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes()
        except OSError:
            continue
        if str(live.home).encode() in command:
            found.append(command)
    return found


def run(*arguments: str, live: Live, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "towpath_gateway", *arguments],
        env=live.env | env,
        cwd=live.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_port_that_is_taken_is_told_and_nothing_is_started(live: Live, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(command, "--port", port, live=live)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stderr
    assert "next: Choose another --port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not live.home.exists()
    assert left_of(live) == []


@pytest.mark.parametrize(
    ("command", "address", "says"),
    [
        ("up", "postgresql://u:s3cr3t@127.0.0.1:1/x", "does not answer"),
        ("worker", "postgresql://u:s3cr3t@127.0.0.1:1/x", "does not answer"),
        ("serve", "postgresql://u:s3cr3t@127.0.0.1:1/x", "does not answer"),
        ("serve", "postgresql://u:s3cr3t@nowhere.invalid/x", "nowhere.invalid"),
        ("serve", "mysql://u:s3cr3t@127.0.0.1/x", "not a PostgreSQL URL"),
        ("serve", "postgresql://u:s3cr3t@[bad/x", "cannot be read"),
        ("serve", "s3cr3t", "not a PostgreSQL URL"),
    ],
)
def test_a_wrong_database_is_told_without_its_password(
    live: Live, command: str, address: str, says: str
) -> None:
    port = () if command == "worker" else ("--port", "0")
    done = run(command, *port, live=live, TOWPATH_DATABASE_URL=address)
    assert done.returncode == 1
    assert says in done.stderr
    assert "next: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr + done.stdout


def test_a_wrong_setting_is_told_by_every_command(live: Live) -> None:
    live.home.mkdir()
    (live.home / "towpath.toml").write_text("[catalogue]\n")
    for command in (("up", "--port", "0"), ("serve", "--port", "0"), ("worker",)):
        done = run(*command, live=live)
        assert done.returncode == 1, command
        assert "there is no setting catalogue" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_told(live: Live) -> None:
    done = run("up", "--port", "0", live=live, TOWPATH_HOME="/proc/nope")
    assert done.returncode == 1
    assert "/proc/nope" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seconds", [0.7, 1.5, 3.0])
def test_a_stop_in_the_middle_of_the_start_leaves_nothing(live: Live, seconds: float) -> None:
    process = begin(live)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGTERM), (live.folder / "log").read_text()
    assert left_of(live) == []
    assert "Traceback" not in (live.folder / "log").read_text()
    if READY not in said and process.returncode == 0:
        # A token that nobody saw must not have been the first one.
        live.start()
        assert "Administrator's token, shown this once" in live.said
        assert live.stop() == 0


def test_a_gateway_that_cannot_start_ends_everything(live: Live) -> None:
    (live.folder / "site").mkdir()
    (live.folder / "site" / "sitecustomize.py").write_text(
        "import sys\nif 'serve' in sys.argv:\n    raise SystemExit(7)\n"
    )
    live.env["PYTHONPATH"] = f"{live.folder / 'site'}:{live.env.get('PYTHONPATH', '')}"
    process = begin(live)
    _, _ = process.communicate(timeout=120)
    log = (live.folder / "log").read_text()
    assert process.returncode == 1, log
    assert "The gateway ended with status" in log
    assert left_of(live) == []


def test_a_second_signal_does_not_wait_for_runs(live: Live) -> None:
    live.roots = (live.folder,)
    live.start()
    name = f"long-{uuid.uuid4().hex[:6]}"
    steps = "".join(
        f"    - action: debug:log\n      input: {{message: {n}}}\n" for n in range(9000)
    )
    (live.folder / f"{name}.yaml").write_text(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
        f"metadata: {{name: {name}}}\nspec:\n  type: service\n  steps:\n{steps}"
    )
    with live.client() as client:
        target = str(live.folder / f"{name}.yaml")
        made = client.post("/api/v1/catalog/locations", json={"target": target})
        assert made.json()["problems"] == []
        body = {"templateRef": name, "values": {}}
        run_id = client.post("/api/scaffolder/v2/tasks", json=body).json()["id"]
        with client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
            next(line for line in stream.iter_lines() if '"succeeded"' in line)
    assert live.process is not None
    start = time.monotonic()
    live.process.send_signal(signal.SIGINT)
    wait_for_log(live, "Ctrl-C again")
    live.process.send_signal(signal.SIGINT)
    assert live.wait() == 0
    # Runs get 20 seconds, and their worker 30.
    assert time.monotonic() - start < 18
    assert left_of(live) == []


def wait_for_log(live: Live, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (live.folder / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_token_is_ever_logged(live: Live) -> None:
    process = begin(live, "--log-level", "debug")
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if READY in line:
            break
    found = re.search(r"up: (http\S+)", said)
    token = re.search(r"tow_pat_\S+", said)
    assert found and token
    live.url, live.token = found[1], token[0]
    with live.client() as client:
        made = client.post("/api/v1/tokens", json={"name": "x", "scopes": ["catalog:read"]}).json()
        client.get(f"/api/v1/info?access_token={live.token}")
        client.get(f"/api/v1/runs/{live.token}")
        client.post("/api/v1/plans", json={"offering": live.token, "name": live.token})
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    log = (live.folder / "log").read_text()
    assert log
    for secret in (live.token, made["token"], live.token[40:60]):
        assert secret not in log


# One process


@pytest.fixture
async def lifeline() -> AsyncIterator[int]:
    ends = os.pipe()
    yield ends[0]
    for end in ends:
        os.close(end)


def python(code: str) -> Child:
    return Child("part", (sys.executable, "-c", code), dict(os.environ))


@pytest.mark.anyio
async def test_a_process_that_ends_at_once_is_told(lifeline: int) -> None:
    part = python("raise SystemExit(3)")
    with pytest.raises(Unavailable, match="The part ended with status 3"):
        await part.start(lifeline)
    await part.stop(asyncio.Event())


@pytest.mark.anyio
async def test_a_process_that_hangs_is_killed(
    lifeline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "READY_SECONDS", 0.5)
    part = python("import time; time.sleep(100)")
    with pytest.raises(Unavailable, match="did not get ready"):
        await part.start(lifeline)
    assert part.process is not None
    assert part.process.returncode == -signal.SIGKILL


@pytest.mark.anyio
async def test_what_a_process_prints_neither_confuses_nor_blocks_it(lifeline: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "done"
        part = python(
            "import os, time\nprint('hello')\nprint('ready here', flush=True)\n"
            f"print('x' * 1_000_000, flush=True)\nopen({str(done)!r}, 'w').close()\n"
            "time.sleep(100)"
        )
        await part.start(lifeline)
        assert part.ready == "here"
        async with asyncio.timeout(60):
            while not done.exists():
                await asyncio.sleep(0.01)
        await part.stop(asyncio.Event())
    assert part.process is not None
    assert part.process.returncode == -signal.SIGTERM


@pytest.mark.anyio
async def test_a_process_that_does_not_want_to_stop_is_killed_when_it_hurries(
    lifeline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "STOP_SECONDS", 3600.0)
    part = python(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', 'x', flush=True)\ntime.sleep(100)"
    )
    await part.start(lifeline)
    at_once = asyncio.Event()
    stopping = asyncio.create_task(part.stop(at_once))
    await asyncio.sleep(0.2)
    assert not stopping.done()
    at_once.set()
    async with asyncio.timeout(60):
        await stopping
    assert part.process is not None
    assert part.process.returncode == -signal.SIGKILL


@pytest.mark.anyio
async def test_a_process_learns_where_its_lifeline_is(lifeline: int) -> None:
    part = python(
        f"import os\nos.fstat(int(os.environ[{LIFELINE!r}]))\nprint('ready', 'yes', flush=True)"
    )
    await part.start(lifeline)
    assert part.ready == "yes"
    await part.stop(asyncio.Event())


@pytest.mark.anyio
async def test_work_is_left_when_its_event_comes() -> None:
    stop = Stop()
    cancelled = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.sleep(100)
        finally:
            cancelled.set()
        return 1

    doing = asyncio.create_task(unless(stop.asked, work()))
    await asyncio.sleep(0)
    stop.ask()
    assert await doing is None
    assert cancelled.is_set()
    assert not stop.at_once.is_set()
    stop.ask()
    assert stop.at_once.is_set()

    async def quick() -> int:
        return 2

    assert await unless(asyncio.Event(), quick()) == 2
