"""kill -9 of each process in the middle of its work: what was accepted is done, and is kept."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live import Live, finished, running

TASKS = "/api/scaffolder/v2/tasks"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Path]]:
    files = tmp_path_factory.mktemp("kill")
    with running(roots=(files,)) as live:
        yield live, files


def wait_for_kill(pids: list[int], name: str, live: Live) -> None:
    """Kill processes and wait until the supervisor has started others."""
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (new := live.children(name)) and not set(new) & set(pids):
            return
        time.sleep(0.05)
    raise AssertionError(f"no new {name} was started")


def long_template(client: httpx.Client, files: Path, steps: int) -> str:
    name = f"long-{uuid.uuid4().hex[:6]}"
    body = "".join(
        f"    - id: s{n}\n      action: debug:log\n      input: {{message: line {n}}}\n"
        for n in range(steps)
    )
    publish = (
        "    - id: write\n      action: catalog:write\n      input:\n        entity:\n"
        "          apiVersion: backstage.io/v1alpha1\n          kind: Component\n"
        "          metadata: {name: '${{ parameters.name }}'}\n"
        "          spec: {type: service, lifecycle: experimental, owner: 'user:default/admin'}\n"
        "    - id: publish\n      action: publish:git\n"
        "      input: {repoUrl: 'git?owner=kill&repo=${{ parameters.name }}'}\n"
        "    - id: register\n      action: catalog:register\n      input:\n"
        "        repoContentsUrl: ${{ steps.publish.output.repoContentsUrl }}\n"
    )
    (files / f"{name}.yaml").write_text(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
        f"metadata: {{name: {name}}}\nspec:\n  type: service\n  steps:\n{publish}{body}"
        "  output: {remoteUrl: '${{ steps.publish.output.remoteUrl }}'}\n"
    )
    target = str(files / f"{name}.yaml")
    made = client.post("/api/v1/catalog/locations", json={"target": target})
    assert made.json()["problems"] == []
    return f"template:default/{name}"


def test_a_run_survives_the_death_of_its_worker(own: tuple[Live, Path]) -> None:
    live, files = own
    with live.client() as client:
        ref = long_template(client, files, 120)
        for _ in range(5):
            name = f"k-{uuid.uuid4().hex[:6]}"
            body = {"templateRef": ref, "values": {"name": name}}
            run_id = client.post(TASKS, json=body).json()["id"]
            workers = live.children("worker")
            with client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
                next(line for line in stream.iter_lines() if "line 20" in line)
            wait_for_kill(workers, "worker", live)
            run = finished(client, run_id)
            assert run["state"] == "succeeded", run
            if run["attempt"] >= 2:
                break  # else it was too quick for us
        assert run["attempt"] >= 2
        assert [step["seq"] for step in run["steps"]] == list(range(1, 124))
        # Done once: what was journalled before the death was not done again after it.
        assert all(step["attempts"] <= 2 for step in run["steps"])
        assert sum(step["attempts"] for step in run["steps"]) <= 123 + 1
        events = client.get(f"/api/v1/runs/{run_id}/events").json()["items"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        entity = client.get(f"/api/catalog/entities/by-name/component/default/{name}")
        assert entity.status_code == 200


def test_what_the_gateway_acknowledged_survives_its_death(own: tuple[Live, Path]) -> None:
    live, files = own
    acknowledged: list[str] = []
    stop = threading.Event()

    def register() -> None:
        with live.client() as client:
            while not stop.is_set():
                name = f"g-{uuid.uuid4().hex[:8]}"
                (files / f"{name}.yaml").write_text(
                    "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
                    f"metadata: {{name: {name}}}\n"
                    "spec: {type: service, lifecycle: production, owner: group:bookings}\n"
                )
                try:
                    target = str(files / f"{name}.yaml")
                    made = client.post("/api/v1/catalog/locations", json={"target": target})
                    if made.status_code == 201:
                        acknowledged.append(name)
                except httpx.TransportError:
                    time.sleep(0.05)

    threads = [threading.Thread(target=register) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        while len(acknowledged) < 30:
            time.sleep(0.01)
        wait_for_kill(live.children("serve"), "serve", live)
        before = len(acknowledged)
        deadline = time.monotonic() + 60
        while len(acknowledged) < before + 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(acknowledged) >= before + 10, "the new gateway takes nothing"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    with live.client() as client:
        body = {"entityRefs": [f"component:default/{name}" for name in acknowledged]}
        items = client.post("/api/catalog/entities/by-refs", json=body).json()["items"]
    lost = [name for name, item in zip(acknowledged, items, strict=True) if item is None]
    assert lost == []


def test_after_the_death_of_the_supervisor_a_new_one_takes_over(
    tmp_path: Path,
) -> None:
    with running() as live:
        assert live.process is not None
        with live.client() as client:
            count = len(client.get("/api/catalog/entities").json())
        orphans = live.children("serve") + live.children("worker")
        live.process.kill()
        live.wait()
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in orphans):
            assert time.monotonic() < deadline, "its processes live on"
            time.sleep(0.05)
        token = live.token
        live.start()
        assert "printed at the first start" in live.said
        assert live.token == token
        with live.client() as client:
            assert len(client.get("/api/catalog/entities").json()) == count


def test_a_stop_leaves_nothing_running() -> None:
    with running() as live:
        assert live.process is not None
        home = str(live.home)
        assert live.stop() == 0
        left = [
            cmd.read_bytes()
            for cmd in Path("/proc").glob("[0-9]*/cmdline")
            if home.encode() in _read(cmd)
        ]
        assert left == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
