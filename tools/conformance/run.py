"""Proves that code nobody here wrote can speak to the catalog.

    python tools/conformance/run.py            everything, a few minutes
    python tools/conformance/run.py --quick    the same with fewer random requests

Starts a platform of its own, registers Backstage's example catalog, and drives it with the npm
client, with the client from PyPI, and with random requests made from two OpenAPI documents. What
they need is installed once, in a folder outside the tree.

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
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from clients import Missing, Tools
from served import Served

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run all parts; returns the exit status."""
    parser = argparse.ArgumentParser(description="Prove the catalog's contract.")
    parser.add_argument("--quick", action="store_true", help="fewer random requests")
    parser.add_argument(
        "--only", choices=("npm", "pypi", "fuzz"), help="one part; default all of them"
    )
    asked = parser.parse_args()
    try:
        corpus, script, document = places()
        tools = Tools(cache())
        parts: dict[str, Callable[[Served], bool]] = {
            "npm": lambda served: npm(served, tools.npm(), script),
            "pypi": lambda served: pypi(served, tools.pypi()),
            "fuzz": lambda served: fuzz(served, tools.fuzz(), document, quick=asked.quick),
        }
        chosen = [asked.only] if asked.only else list(parts)
        tools.prepare(chosen)
        outcome = {}
        for name in chosen:
            # A platform each: what one removes or breaks, the next must not miss.
            with (
                tempfile.TemporaryDirectory(prefix="tp-", dir="/tmp") as folder,
                Served(Path(folder), corpus) as served,
            ):
                outcome[name] = parts[name](served)
    except Missing as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    for name, good in outcome.items():
        print(f"{name:6} {'ok' if good else 'FAILED'}")
    return 0 if all(outcome.values()) else 1


def cache() -> Path:
    """The folder that other people's clients are installed in."""
    default = Path("~/.cache/towpath/conformance").expanduser()
    return Path(os.environ.get("TOWPATH_CONFORMANCE_CACHE") or default)


def places() -> tuple[Path, Path, Path]:
    """The corpus, the check script and Backstage's document."""
    corpus = Path(os.environ.get("TOWPATH_CORPUS") or ROOT.parent / "shared" / "data").resolve()
    beside = corpus.parent
    script = os.environ.get("TOWPATH_CATALOG_CHECK") or beside / "tools/catalog-client/check.mjs"
    document = (
        os.environ.get("TOWPATH_CATALOG_OPENAPI") or beside / "reference/catalog-openapi.json"
    )
    for path in (corpus / "backstage-examples", Path(script), Path(document)):
        if not path.exists():
            raise Missing(f"there is no {path}; set TOWPATH_CORPUS")
    return corpus, Path(script), Path(document)


def npm(served: Served, folder: Path, script: Path) -> bool:
    """Drive every public method of `@backstage/catalog-client`; says what failed, and the count."""
    # Linked into the folder, because node looks for packages beside the script.
    linked = folder / "check.mjs"
    linked.unlink(missing_ok=True)
    linked.symlink_to(script)
    target = served.repository()
    environ = {
        **os.environ,
        "BASE_URL": f"{served.url}/api/catalog",
        "TOKEN": served.token,
        "LOCATION_TARGET": target,
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


def pypi(served: Served, python: Path) -> bool:
    """Read through the client from PyPI."""
    command = [str(python), str(HERE / "read_with_pypi_client.py"), served.url]
    environ = {**os.environ, "TOKEN": served.token}
    return subprocess.run(command, env=environ, timeout=120).returncode == 0


def fuzz(served: Served, python: Path, document: Path, *, quick: bool) -> bool:
    """Send random requests made from Backstage's document and from ours."""
    ours = ROOT / "docs" / "reference" / "openapi.json"
    good = True
    for name, path, base in (
        ("backstage", document, f"{served.url}/api/catalog"),
        ("towpath", ours, served.url),
    ):
        command = [str(python), str(HERE / "fuzz.py"), name, str(path), base]
        command += ["--examples", "10" if quick else "100"]
        environ = {**os.environ, "TOKEN": served.token}
        done = subprocess.run(command, env=environ, cwd=served.folder, timeout=3600)
        good = good and done.returncode == 0
    return good and served.lives()


if __name__ == "__main__":
    if shutil.which("git") is None:
        print("conformance: git is missing", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(main())
