"""What tests of the catalog's contract share: entities, repositories, and errors to the letter."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx
from live import Live

BASE = "/api/catalog"


def entity(name: str, kind: str = "Component", **spec: object) -> dict[str, Any]:
    every = {"type": "service", "lifecycle": "production", "owner": "group:bookings"}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**every, **spec},
    }


class Repository:
    """A git repository that the platform may read, as an address."""

    def __init__(self, live: Live, folder: Path) -> None:
        self.name = f"r-{uuid.uuid4().hex[:8]}"
        self._bare = live.home / "git" / f"{self.name}.git"
        self._work = folder / self.name
        self._work.mkdir()
        self._bare.parent.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        self._git("init", "--quiet", "--initial-branch=main")

    def target(self, path: str = "catalog-info.yaml") -> str:
        return f"git+file://{self._bare}/-/blob/main/{path}"

    def write(self, path: str, *entities: dict[str, Any]) -> str:
        """Commit a file; gives its address."""
        file = self._work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n---\n".join(json.dumps(one) for one in entities))
        self._git("add", ".")
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        self._git(*who, "commit", "--quiet", "--allow-empty", "-m", "x")
        self._git("push", "--quiet", str(self._bare), "main")
        return self.target(path)

    def _git(self, *arguments: str) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        env |= {"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self._work)}
        subprocess.run(["git", *arguments], cwd=self._work, env=env, check=True)


def refused(answer: httpx.Response, status: int, name: str, says: str = "") -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"]["name"] == name
    assert says in body["error"]["message"]
    assert body["response"] == {"statusCode": status}
    assert body["request"]["method"] == answer.request.method
