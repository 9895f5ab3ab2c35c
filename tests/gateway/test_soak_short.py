"""The short form of `make soak`: workers killed and paused, connections cut, PostgreSQL killed."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import soak_kit  # noqa: F401

from network import Ports  # isort: skip
from perform import perform  # isort: skip
from phases import PHASES  # isort: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the soak needs Linux")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because a unix socket's path is; open to go through, for the database's account."""
    made = Path(tempfile.mkdtemp(prefix="tp-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(600)
def test_whatever_dies_every_run_ends_and_every_effect_is_there_once(folder: Path) -> None:
    seed, phase = 7, PHASES["short"]
    result = asyncio.run(perform("short", phase, phase.quick, folder, Ports(), seed))
    assert result.violations == [], f"seed {seed}"
    assert result.faults == phase.quick.faults + 3
    assert result.deaths >= phase.quick.faults
    assert result.runs >= phase.quick.runs
    assert result.takeovers > 0
    assert result.effects > result.runs
    assert result.events > result.runs * 5
