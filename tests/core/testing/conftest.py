"""Tutorials as vendors would follow them: files out of a page, and pytest run on them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[3] / "docs" / "how-to"
BLOCK = re.compile(
    r'^```\w+ title="(?P<title>[^"]+)"\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)


class Vendor:
    """A folder with the files of a page, installed as pip would."""

    def __init__(self, page: str, folder: Path) -> None:
        self.folder = folder
        text = (HOW_TO / page).read_text()
        self.blocks = {found["title"]: found["text"] for found in BLOCK.finditer(text)}
        for title, content in self.blocks.items():
            if "." in title:
                file = folder / title
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
        self._install()

    def run(self, *options: str) -> tuple[int, str]:
        """Run pytest there; gives its exit code and what it printed."""
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
        done = subprocess.run(
            [*command, "-p", "no:hypothesispytest", "--tb=no", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    def without(self, file: str, *lines: str) -> None:
        """Take lines out of a file; each stands in it once."""
        path = self.folder / file
        for line in lines:
            assert path.read_text().count(f"{line}\n") == 1, line
            path.write_text(path.read_text().replace(f"{line}\n", ""))

    def _install(self) -> None:
        project = tomllib.loads(self.blocks["pyproject.toml"])["project"]
        stem = f"{project['name'].replace('-', '_')}-{project['version']}"
        info = self.folder / f"{stem}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
            f"Summary: {project['description']}\nLicense-Expression: {project['license']}\n"
            f"Requires-Python: {project['requires-python']}\n"
            + "".join(f"Requires-Dist: {one}\n" for one in project["dependencies"])
        )
        points = project["entry-points"]["towpath.plugins"]
        lines = [f"{name} = {module}" for name, module in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[towpath.plugins]", *lines, ""]))


@pytest.fixture
def vendor(tmp_path: Path) -> Callable[[str], Vendor]:
    """The files of a page of the how-to's, in a folder of their own."""
    return lambda page: Vendor(page, tmp_path)
