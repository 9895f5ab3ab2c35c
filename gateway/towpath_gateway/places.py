"""Where the gateway listens, and where its demo stands. Light to import."""

from __future__ import annotations

import socket
from pathlib import Path

from towpath_core.errors import SettingsError

__all__ = ("DEMO_FOLDER", "free_port")

DEMO_FOLDER = Path(__file__).parent / "demo"


def free_port(host: str, port: int) -> int:
    """See that a port can be listened on; 0 is any free one.

    Raises:
        SettingsError: something else listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"{host}:{port} cannot be listened on: {error.strerror}.",
                next="Choose another --port or --host, or stop what listens there.",
            ) from error
        number: int = probe.getsockname()[1]
        return number
