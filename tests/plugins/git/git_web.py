"""Real git over real HTTP: `git http-backend` behind the web server of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from web_kit import Handler


def backend(root: Path, *, password: str | None = None) -> Callable[[Handler], None]:
    """Serve the repositories below a folder; to everybody, or to who knows the password."""

    def answer(handler: Handler) -> None:
        given = handler.headers.get("Authorization", "")
        if password is not None and given != f"Basic {password}":
            handler.say(401, "", WWW_Authenticate='Basic realm="git"')
            return
        path, _, query = handler.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(handler.content)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env=environment,
            input=handler.content,
            capture_output=True,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(fields.pop("Status", "200").split()[0])
        handler.say(status, body, fields.pop("Content-Type", None))

    return answer
