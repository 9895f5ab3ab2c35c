"""Reads on and on over one connection, and says how long each answer took.

    TOKEN=... python tools/bench/reader.py URL FILE

FILE has a request a line, as `requests.lua` reads them. Ends with its standard input, and then
prints a line for each answer: when it was asked for, in seconds of the monotonic clock that all
processes share, how long it took, and the number of the request.
"""

from __future__ import annotations

import itertools
import os
import select
import sys
import time
from pathlib import Path

from load import SEPARATOR
from serving import Client


def main() -> None:
    """Read until standard input ends."""
    url, file = sys.argv[1:]
    client = Client(url, os.environ["TOKEN"], seconds=60)
    with Path(file).open(encoding="utf-8") as lines:
        requests = [line.rstrip("\n").split(SEPARATOR) for line in lines]
    took: list[str] = []
    print("ready ", flush=True)
    for number in itertools.cycle(range(len(requests))):
        _, path, body = requests[number]
        began = time.monotonic()
        client.read(path, body or None)
        # Kept until the end: a pipe that nobody empties meanwhile would stop the reading.
        took.append(f"{began:.6f} {time.monotonic() - began:.6f} {number}\n")
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    sys.stdout.writelines(took)


if __name__ == "__main__":
    main()
