"""What the SDK says of itself to the platform: its version and Python's."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ("user_agent", "version_of_towpath")


def version_of_towpath() -> str:
    """The installed version; `0` when the sources are used without being installed."""
    try:
        return version("towpath")
    except PackageNotFoundError:
        return "0"


@cache
def user_agent() -> str:
    """For example `towpath-sdk/0.1.0 python/3.11.7`."""
    return f"towpath-sdk/{version_of_towpath()} python/{platform.python_version()}"
