"""Lets everything die that can die, while runs are done, and sees that nothing is lost or doubled.

    python tools/soak [--quick] [--phase kill ...] [--seed 7] [--out soak.json]

A phase has a PostgreSQL, two gateways and three or four workers of its own, as processes: in
network namespaces where these can be had, else on ports. Runs of all kinds are asked for over HTTP,
their effects counted at a provider that keeps them in files. At the end the journal, what followers
were shown, and the provider's files must tell the same.

Needs Linux. Exit status: 0 all is well, 1 a promise was broken, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
from pathlib import Path

import msgspec
import structlog

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE / "plugin"))

from network import Namespaces, Network, NotApart, Ports, end_leftovers  # noqa: E402
from perform import Result, Skipped, perform  # noqa: E402
from phases import PHASES, USUAL  # noqa: E402
from postgres import Unmountable, end_leftover  # noqa: E402
from results import table  # noqa: E402

PREFIX = "tpsoak-"
TEMPORARY = Path("/tmp")  # short, because a unix socket's path is


def main() -> int:
    """Perform the phases, show a table, and write the results."""
    parser = argparse.ArgumentParser(description="Break everything while runs are done.")
    parser.add_argument("--phase", action="append", choices=PHASES, help="one; default all")
    parser.add_argument("--quick", action="store_true", help="the same with few faults")
    parser.add_argument("--seed", type=int, help="decides runs and faults; default any")
    parser.add_argument("--out", type=Path, help="file for the results, as JSON")
    parser.add_argument("--apart", choices=("namespaces", "ports"), help="default what can be had")
    parser.add_argument("--slow", type=float, default=1.0, help="factor for budgets of time")
    parser.add_argument("--keep", action="store_true", help="keep folders with violations")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clear_leftovers()
    try:
        return asyncio.run(soak(options, seed))
    except NotApart as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def soak(options: argparse.Namespace, seed: int) -> int:
    """All phases that were asked for, one after the other."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    network = choose(options.apart)
    print(f"soak: seed {seed}, {network.name}", flush=True)
    results: list[Result] = []
    skipped: list[tuple[str, str]] = []
    try:
        for name in options.phase or USUAL:
            try:
                results.append(await one(name, options, network, seed))
            except (Skipped, NotApart, Unmountable) as error:
                skipped.append((name, str(error)))
    finally:
        network.close()
    print(table(results, skipped))
    if options.out:
        found = {"seed": seed, "network": network.name, "skipped": dict(skipped)}
        found["phases"] = msgspec.to_builtins(results)
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if any(result.violations for result in results) else 0


async def one(name: str, options: argparse.Namespace, network: Network, seed: int) -> Result:
    """One phase in a folder of its own, which goes with it."""
    phase = PHASES[name]
    if phase.cables and isinstance(network, Ports):
        raise Skipped("cables are pulled in network namespaces only")
    folder = TEMPORARY / f"{PREFIX}{os.getpid()}-{name}"
    folder.mkdir()
    # Open to go through: as root the database runs under an account of its own.
    folder.chmod(0o711)
    print(f"soak: {name}: {phase.title}", flush=True)
    kept = False
    try:
        size = phase.quick if options.quick else phase.full
        size = size._replace(seconds=size.seconds * options.slow)
        result = await perform(name, phase, size, folder, network, seed)
        kept = options.keep and bool(result.violations)
        said = f"{result.runs} runs, {result.faults} faults in {result.seconds:.0f} s"
        print(f"soak: {name}: {said}, {len(result.violations)} violations", flush=True)
        for text in result.violations:
            print(f"soak: {name}: {text}", flush=True)
        return result
    finally:
        if kept:
            print(f"soak: {name}: kept {folder}")
        else:
            end_leftover(folder)


def choose(apart: str | None) -> Network:
    """The network that was asked for, or the best that can be had.

    Raises:
        NotApart: namespaces were asked for and cannot be had.
    """
    if apart == "ports":
        return Ports()
    try:
        return Namespaces()
    except NotApart as error:
        if apart is not None:
            raise
        print(f"soak: no network namespaces: {error}", file=sys.stderr)
        return Ports()


def clear_leftovers() -> None:
    """End what runs of this program that were killed have left."""
    end_leftovers()
    for folder in TEMPORARY.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            end_leftover(folder)


if __name__ == "__main__":
    sys.exit(main())
