"""Write the sync twin of the SDK from its async source.

    python tools/unasync.py           write sdk/towpath_sdk/_sync
    python tools/unasync.py --check   write nothing; fail when it is not what would be written

Works on tokens, so that strings and comments stay as they are. It renames only the names below:
a new async name must be added to them, or the twin will not type-check.

Rules for the source: no tasks and no gathering, concurrency is the caller's; no `await` and no name
of a twin inside f-strings; docstrings that are true for both twins.
"""

from __future__ import annotations

import argparse
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent / "sdk" / "towpath_sdk"
HEADER = "# Generated from _async/{name} by tools/unasync.py. Change that file, not this one.\n"
GONE = frozenset({"async", "await"})
NAMES = {
    "AsyncBaseTransport": "BaseTransport",
    "AsyncBindings": "Bindings",
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncEntities": "Entities",
    "AsyncGenerator": "Generator",
    "AsyncHistory": "History",
    "AsyncIterator": "Iterator",
    "AsyncLocations": "Locations",
    "AsyncOfferings": "Offerings",
    "AsyncPages": "Pages",
    "AsyncPlans": "Plans",
    "AsyncPlatform": "Platform",
    "AsyncPlugins": "Plugins",
    "AsyncResources": "Resources",
    "AsyncRunControl": "RunControl",
    "AsyncRuns": "Runs",
    "AsyncSchedules": "Schedules",
    "AsyncSets": "Sets",
    "AsyncTemplates": "Templates",
    "AsyncTokens": "Tokens",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "_async": "_sync",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_bytes": "iter_bytes",
    "anyio": "time",
    "aread": "read",
    "asynccontextmanager": "contextmanager",
}


class Unreadable(Exception):
    """The source holds something that cannot be rewritten the same way on every Python."""


def rewritten(source: str, name: str) -> str:
    """The sync twin of an async module.

    Raises:
        Unreadable: an f-string holds an `await` or a name that must be renamed.
    """
    lines = source.splitlines(keepends=True)
    edits = list(_edits(source))
    for row, start, stop, text in reversed(edits):
        line = lines[row - 1]
        lines[row - 1] = line[:start] + text + line[stop:]
    return HEADER.format(name=name) + "".join(lines)


def _edits(source: str) -> Iterator[tuple[int, int, int, str]]:
    """What to replace, in order: the row, the columns from and to, and the new text."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        depth += {"FSTRING_START": 1, "FSTRING_END": -1}.get(kind, 0)
        row, start = token.start
        if kind == "STRING" and token.string.lower().startswith(("f", "rf")):
            _check_f_string(token.string, row)
        if kind != "NAME":
            continue
        if depth and (token.string in GONE or token.string in NAMES):
            raise Unreadable(f"line {row}: {token.string} inside an f-string")
        if token.string in GONE:
            yield row, start, token.end[1] + 1, ""
        elif token.string in NAMES:
            yield row, start, token.end[1], NAMES[token.string]


def _check_f_string(text: str, row: int) -> None:
    """Up to Python 3.11 an f-string is one token, from 3.12 on its inside is tokens of its own."""
    words = set(text.replace("{", " ").replace("}", " ").replace("(", " ").split())
    if found := words & ({"await", *NAMES}):
        raise Unreadable(f"line {row}: {', '.join(sorted(found))} inside an f-string")


def twins(sdk: Path) -> dict[Path, str]:
    """What the folder of the sync twin must hold: each file and its text."""
    sources = sorted((sdk / "_async").glob("*.py"))
    return {sdk / "_sync" / s.name: rewritten(s.read_text("utf-8"), s.name) for s in sources}


def stale(sdk: Path) -> list[str]:
    """What is not as it must be, a line each; empty when the twin is fresh."""
    wanted = twins(sdk)
    found = set((sdk / "_sync").glob("*.py"))
    faults = [f"{path.name}: missing" for path in sorted(wanted.keys() - found)]
    faults += [f"{path.name}: has no async source" for path in sorted(found - wanted.keys())]
    for path in sorted(found & wanted.keys()):
        if path.read_text("utf-8") != wanted[path]:
            faults.append(f"{path.name}: is not what its async source gives")
    return faults


def write(sdk: Path) -> None:
    """Make the folder of the sync twin what it must be."""
    wanted = twins(sdk)
    (sdk / "_sync").mkdir(exist_ok=True)
    for path in set((sdk / "_sync").glob("*.py")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")


def main() -> int:
    """Write the twin, or say whether it is fresh."""
    parser = argparse.ArgumentParser(description="Write the sync twin of the SDK.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    parser.add_argument("--sdk", type=Path, default=SDK, help="folder of the SDK's sources")
    options = parser.parse_args()
    if not options.check:
        write(options.sdk)
        return 0
    faults = stale(options.sdk)
    for fault in faults:
        print(f"_sync/{fault}; run python tools/unasync.py", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
