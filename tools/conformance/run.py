"""Proves that code nobody here wrote can speak to the catalog.

    python tools/conformance/run.py            everything, a few minutes
    python tools/conformance/run.py --quick    the same with fewer random requests

    npm            the npm client, every method of it
    pypi           reads through the client from PyPI
    fuzz           random requests made from Backstage's OpenAPI document and from ours
    differential   random questions, answered by Backstage's in-memory client as well
    model          real descriptors, taken and refused by Backstage's model as well

Each starts a platform of its own with what it needs in it. Other people's code is installed once,
in a folder outside the tree.

    TOWPATH_CONFORMANCE_CACHE   that folder; default ~/.cache/towpath/conformance
    TOWPATH_CORPUS              real descriptors; default ../shared/data
    TOWPATH_CATALOG_CHECK       script that drives the npm client; default beside the corpus
    TOWPATH_CATALOG_OPENAPI     Backstage's OpenAPI document; default beside the corpus

Exit status: 0 all is well, 1 something is not, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from clients import Missing, Tools
from served import Served

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run all parts; returns the exit status."""
    parser = argparse.ArgumentParser(description="Prove the catalog's contract.")
    parser.add_argument("--quick", action="store_true", help="fewer random requests")
    parser.add_argument("--only", choices=PARTS, help="one part; default all of them")
    asked = parser.parse_args()
    chosen = [asked.only] if asked.only else list(PARTS)
    outcome = {}
    try:
        places = Places.find()
        tools = Tools(places.cache)
        tools.prepare(chosen)
        for name in chosen:
            outcome[name] = PARTS[name](tools, places, asked.quick)
    except Missing as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    for name, good in outcome.items():
        print(f"{name:13} {'ok' if good else 'FAILED'}")
    return 0 if all(outcome.values()) else 1


class Places(NamedTuple):
    """Where things are: the corpus, what lies beside it, and the folder that is installed into."""

    corpus: Path
    script: Path
    document: Path
    cache: Path

    @classmethod
    def find(cls) -> Places:
        """Look for them.

        Raises:
            Missing: one is not there.
        """
        given = os.environ.get
        corpus = Path(given("TOWPATH_CORPUS") or ROOT.parent / "shared" / "data").resolve()
        beside = corpus.parent
        script = Path(given("TOWPATH_CATALOG_CHECK") or beside / "tools/catalog-client/check.mjs")
        default = beside / "reference/catalog-openapi.json"
        document = Path(given("TOWPATH_CATALOG_OPENAPI") or default)
        for path in (corpus / "backstage-examples", script, document):
            if not path.exists():
                raise Missing(f"there is no {path}; set TOWPATH_CORPUS")
        home = Path("~/.cache/towpath/conformance").expanduser()
        return cls(corpus, script, document, Path(given("TOWPATH_CONFORMANCE_CACHE") or home))


@contextmanager
def platform(places: Places) -> Iterator[Served]:
    """A platform with the examples; what one part removes or breaks, the next must not miss."""
    with (
        tempfile.TemporaryDirectory(prefix="tp-", dir="/tmp") as folder,
        Served(Path(folder), places.corpus) as served,
    ):
        yield served


def npm(tools: Tools, places: Places, quick: bool) -> bool:
    """Drive every public method of `@backstage/catalog-client`; says what failed, and the count."""
    with platform(places) as served:
        return drive(served, tools.npm(), places.script)


def drive(served: Served, folder: Path, script: Path) -> bool:
    """Run the script that drives the npm client."""
    # Linked into the folder, because node looks for packages beside the script.
    linked = folder / "check.mjs"
    linked.unlink(missing_ok=True)
    linked.symlink_to(script)
    environ = {
        **os.environ,
        "BASE_URL": f"{served.url}/api/catalog",
        "TOKEN": served.token,
        "LOCATION_TARGET": served.target,
    }
    command = ["node", "--preserve-symlinks", "--preserve-symlinks-main", str(linked)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
    checks = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    summary = next((c for c in checks if c["method"] == "(summary)"), None)
    checks = [check for check in checks if check["method"] != "(summary)"]
    for check in checks:
        if check["result"] != "ok":
            print("  ", json.dumps(check))
    good = sum(check["result"] == "ok" for check in checks)
    print(f"npm    {good} of {len(checks)} checks passed")
    if summary is None or summary["missed"]:
        print("  ", done.stderr.strip() or summary)
    return done.returncode == 0 and summary is not None


def pypi(tools: Tools, places: Places, quick: bool) -> bool:
    """Read through the client from PyPI."""
    with platform(places) as served:
        command = [str(tools.pypi()), str(HERE / "read_with_pypi_client.py"), served.url]
        environ = {**os.environ, "TOKEN": served.token}
        return subprocess.run(command, env=environ, timeout=120).returncode == 0


def fuzz(tools: Tools, places: Places, quick: bool) -> bool:
    """Send random requests made from Backstage's document and from ours."""
    ours = ROOT / "docs" / "reference" / "openapi.json"
    good = True
    with platform(places) as served:
        for name, document, base in (
            ("backstage", places.document, f"{served.url}/api/catalog"),
            ("towpath", ours, served.url),
        ):
            command = [str(tools.fuzz()), str(HERE / "fuzz.py"), name, str(document), base]
            command += ["--examples", "10" if quick else "100"]
            environ = {**os.environ, "TOKEN": served.token}
            done = subprocess.run(command, env=environ, cwd=served.folder, timeout=3600)
            good = good and done.returncode == 0
        return good and served.lives()


def differential(tools: Tools, places: Places, quick: bool) -> bool:
    """Ask random questions that Backstage's in-memory client answers as well."""
    command = [sys.executable, str(HERE / "differential.py")]
    command += ["--questions", "1000" if quick else "10000"]
    environ = {**os.environ, "TOWPATH_NODE_PACKAGES": str(tools.npm())}
    return subprocess.run(command, env=environ, timeout=3600).returncode == 0


def model(tools: Tools, places: Places, quick: bool) -> bool:
    """See that Backstage's model takes and refuses the descriptors that we do."""
    test = ROOT / "tests" / "plugins" / "backstage" / "test_backstage_model.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-rs", str(test)]
    environ = {
        **os.environ,
        "TOWPATH_CORPUS": str(places.corpus),
        "TOWPATH_CONFORMANCE_CACHE": str(places.cache),
    }
    return subprocess.run(command, env=environ, cwd=ROOT, timeout=3600).returncode == 0


PARTS: dict[str, Callable[[Tools, Places, bool], bool]] = {
    "npm": npm,
    "pypi": pypi,
    "fuzz": fuzz,
    "differential": differential,
    "model": model,
}

if __name__ == "__main__":
    raise SystemExit(main())
