"""Backstage's in-memory client, in a process of its own that is asked a line of JSON at a time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from entities_seen import Entity

PACKAGES = "TOWPATH_NODE_PACKAGES"
SCRIPT = Path(__file__).with_name("differential.mjs")


class Broken(Exception):
    """The comparison cannot go on; the text says why."""


class Oracle:
    """Backstage's in-memory client, in a process of its own."""

    def __init__(self, entities: list[Entity], packages: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(SCRIPT)],
            env={**os.environ, PACKAGES: str(packages)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._say(entities) != len(entities):
            raise Broken("The client did not take the entities.")

    def ask(self, call: str, request: dict[str, Any]) -> Any:
        """What it answers."""
        return self._say({"call": call, "request": request})

    def _say(self, what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Broken("node ended; are its packages installed?")
        answer = json.loads(line)
        if "error" in answer:
            raise Broken(f"The client answers {answer['error']} to {what}")
        return answer["value"]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
