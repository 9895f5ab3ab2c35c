"""Random requests from two OpenAPI documents: no answer is a 5xx, and each is as they say.

`make conformance` sends many more; its tools are used here where they were installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Live, running

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tools" / "conformance" / "fuzz.py"
EXAMPLES = "4"
SECONDS = "20"


@pytest.fixture(scope="module")
def python() -> Path:
    """Python with schemathesis."""
    default = Path("~/.cache/towpath/conformance").expanduser()
    cache = Path(os.environ.get("TOWPATH_CONFORMANCE_CACHE") or default)
    found = cache / "fuzz" / "bin" / "python"
    if not (cache / "fuzz" / ".ready").is_file():
        pytest.skip("schemathesis is not there; run: make conformance")
    return found


@pytest.fixture(scope="module")
def alone() -> Iterator[Live]:
    """A platform that no other test looks at."""
    with running() as live:
        yield live


def fuzzed(live: Live, python: Path, name: str, document: Path, url: str) -> None:
    before = (live.folder / "log").stat().st_size
    command = [str(python), str(FUZZ), name, str(document), url]
    done = subprocess.run(
        [*command, "--examples", EXAMPLES, "--seconds", SECONDS],
        env={**os.environ, "TOKEN": live.token},
        cwd=live.folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (live.folder / "log").open() as log:
        log.seek(before)
        assert "request.unexpected" not in log.read()


def test_random_requests_from_backstages_document(alone: Live, python: Path, corpus: Path) -> None:
    document = corpus.parent / "reference" / "catalog-openapi.json"
    if not document.is_file():
        pytest.skip(f"there is no {document}")
    fuzzed(alone, python, "backstage", document, f"{alone.url}/api/catalog")


def test_random_requests_from_our_document(alone: Live, python: Path) -> None:
    document = ROOT / "docs" / "reference" / "openapi.json"
    fuzzed(alone, python, "towpath", document, alone.url)
