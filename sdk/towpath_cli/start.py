"""Where `towpath` begins: says what to install where the command's own libraries are missing.

Imports nothing but the standard library, because the light core is installed without them.
"""

from __future__ import annotations

import sys

__all__ = ("main",)


def main() -> None:
    """Run the command, or end with status 1 and the line that installs what it needs."""
    try:
        from towpath_cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "towpath").startswith("towpath"):
            raise
        sys.stderr.write(
            f"error: The towpath command needs {error.name}, which is not installed.\n"
            "  next: pip install 'towpath[cli]', or 'towpath[gateway]' for the server too.\n"
        )
        raise SystemExit(1) from None
    run()
