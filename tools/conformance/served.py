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
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Served:
    """A running platform, until the block ends; `target` is a location that it can read."""

    def __init__(self, folder: Path, corpus: Path) -> None:
        # Open to go through: as root, the database runs under an account of its own.
        folder.chmod(0o711)
        self.folder = folder
        self.url = ""
        self.token = ""
        self._corpus = corpus
        self.target = ""
        self._files: ThreadingHTTPServer | None = None
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Served:
        self._serve_files()
        self._start()
        examples = self._corpus / "backstage-examples" / "v2025"
        for name in ("all.yaml", "acme-corp.yaml"):
            body = {"type": "file", "target": str(examples / name)}
            try:
                made = self.ask("POST", "/api/v1/catalog/locations", body)
            except urllib.error.HTTPError as error:
                self.__exit__()
                raise SystemExit(
                    f"{name}: {error}: {error.read().decode()}\n{self.log()}"
                ) from None
            if not made["entityRefs"]:
                raise SystemExit(f"{name} was not read: {made['problems']}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
        if self._files is not None:
            self._files.shutdown()
            self._files.server_close()

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

    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "log").read_text()[-3000:]

    def _serve_files(self) -> None:
        """Let the platform read a descriptor over HTTP, as it would from a code host."""
        work = self.folder / "files"
        work.mkdir()
        (work / "catalog-info.yaml").write_text(DESCRIPTOR)
        (work / "openapi.yaml").write_text("openapi: 3.1.0\n")
        self._files = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(work)))
        threading.Thread(target=self._files.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{self._files.server_address[1]}"
        self.target = f"http://{host}/catalog-info.yaml"
        (self.folder / "towpath.toml").write_text(f'[egress]\nallow = ["{host}"]\n')

    def _start(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
        environ |= {
            "HOME": str(self.folder),
            "TOWPATH_HOME": str(self.folder / "home"),
            "TOWPATH_CONFIG": str(self.folder / "towpath.toml"),
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
