"""A platform of its own: `towpath up` on a free port, with Backstage's example catalog in it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

DESCRIPTOR = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: conformance-probe
spec:
  type: service
  lifecycle: production
  owner: team-a
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata:
  name: conformance-probe-api
spec:
  type: openapi
  lifecycle: production
  owner: team-a
  definition:
    $text: ./openapi.yaml
"""


class Served:
    """A running platform, until the block ends."""

    def __init__(self, folder: Path, corpus: Path) -> None:
        # Open to go through: as root, the database runs under an account of its own.
        folder.chmod(0o711)
        self.folder = folder
        self.url = ""
        self.token = ""
        self._corpus = corpus
        self._home = folder / "home"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Served:
        self._start()
        examples = self._corpus / "backstage-examples" / "v2025"
        for name in ("all.yaml", "acme-corp.yaml"):
            body = {"type": "file", "target": str(examples / name)}
            made = self.ask("POST", "/api/v1/catalog/locations", body)
            if not made["entityRefs"]:
                raise SystemExit(f"{name} was not read: {made['problems']}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the platform, as its administrator."""
        request = urllib.request.Request(  # our own address
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self.token}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def lives(self) -> bool:
        """Whether the gateway still answers, and stumbled over nothing."""
        try:
            alive = self.ask("GET", "/healthz") == {"status": "ok"}
        except (OSError, urllib.error.HTTPError):
            alive = False
        stumbled = (self.folder / "log").read_text().count("request.unexpected")
        if not alive or stumbled:
            print(f"  alive: {alive}; unexpected errors in the log: {stumbled}")
        return alive and not stumbled

    def repository(self) -> str:
        """A location that the platform can read: a file in a git repository."""
        bare, work = self._home / "git" / "probe.git", self.folder / "work"
        bare.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir()
        (work / "catalog-info.yaml").write_text(DESCRIPTOR)
        (work / "openapi.yaml").write_text("openapi: 3.1.0\n")
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        self._git("init", "--quiet", "--initial-branch=main", cwd=work)
        self._git("add", ".", cwd=work)
        who = ("-c", "user.name=probe", "-c", "user.email=probe@example.com")
        self._git(*who, "commit", "--quiet", "-m", "A descriptor", cwd=work)
        self._git("push", "--quiet", str(bare), "main", cwd=work)
        return f"git+file://{bare}/-/blob/main/catalog-info.yaml"

    def _git(self, *arguments: str, cwd: Path | None = None) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environ |= {"HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", *arguments], cwd=cwd, env=environ, check=True)

    def _start(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
        environ |= {
            "HOME": str(self.folder),
            "TOWPATH_HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        up = [sys.executable, "-m", "towpath_gateway", "up", "--no-demo", "--port", "0"]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*up, "--root", str(self._corpus)],
                env=environ,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if "towpath demo" in line:
                break
        else:
            raise SystemExit(f"it did not start: {(self.folder / 'log').read_text()[-2000:]}")
        self.url = re.findall(r"up: (http\S+)", said)[0]
        self.token = re.findall(r"(tow_pat_\S+)", said)[0]
        # Nobody reads on; a full pipe must not stop it.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
