"""An edit of a registered file is answered soon, without anybody asking for a refresh."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
from live import Live

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  title: {title}
spec:
  type: service
  lifecycle: production
  owner: group:bookings
"""


def shown(api: httpx.Client, name: str, title: str, seconds: float = 60) -> float:
    """Ask until an entity has a title; gives how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        answer = api.get(f"/api/catalog/entities/by-name/component/default/{name}")
        if answer.status_code == 200 and answer.json()["metadata"].get("title") == title:
            return time.monotonic() - begun
        time.sleep(0.02)
    raise AssertionError(f"{name} did not become {title}")


def test_an_edit_is_answered_soon(live: Live, api: httpx.Client, files: Path) -> None:
    folder = files / "watched"
    folder.mkdir()
    (folder / "a.yaml").write_text(COMPONENT.format(name="watched-a", title="one"))
    body = {"type": "file", "target": str(folder / "*.yaml")}
    assert api.post("/api/v1/catalog/locations", json=body).status_code == 201
    shown(api, "watched-a", "one")
    for title in ("two", "three"):
        (folder / "a.yaml").write_text(COMPONENT.format(name="watched-a", title=title))
        shown(api, "watched-a", title)
    (folder / "b.yaml").write_text(COMPONENT.format(name="watched-b", title="new"))
    shown(api, "watched-b", "new")
