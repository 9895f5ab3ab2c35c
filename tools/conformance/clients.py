"""Other people's clients, installed once in a folder outside the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

NPM = ("@backstage/catalog-client", "@backstage/catalog-model")
MODEL = (
    "@backstage/catalog-model@1.10",
    "@backstage/plugin-scaffolder-common@2.4",
    "yaml@2",
)
PYPI = ("backstage-catalog-client",)
FUZZ = ("schemathesis>=4.10,<5",)


class Missing(Exception):
    """Something that cannot be made up for is not there."""


class Tools:
    """The clients in one folder; what is there already is taken as it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def npm(self) -> Path:
        """Folder with `node_modules`."""
        return self._folder / "npm"

    def model(self) -> Path:
        """Folder with `node_modules` that has Backstage's model and its YAML."""
        return self._folder / "model"

    def pypi(self) -> Path:
        """Python with the client from PyPI."""
        return self._folder / "pypi" / "bin" / "python"

    def fuzz(self) -> Path:
        """Python with schemathesis."""
        return self._folder / "fuzz" / "bin" / "python"

    def prepare(self, parts: Sequence[str]) -> None:
        """Install what the parts need.

        Raises:
            Missing: node is not there, or a registry does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if {"npm", "differential"} & {*parts}:
            self._install_npm(self.npm(), NPM)
        if "model" in parts:
            self._install_npm(self.model(), MODEL)
        if "pypi" in parts:
            self._install(self.pypi(), PYPI)
        if "fuzz" in parts:
            self._install(self.fuzz(), FUZZ)

    def _install_npm(self, folder: Path, names: Sequence[str]) -> None:
        for command in ("node", "npm"):
            if shutil.which(command) is None:
                raise Missing(f"{command} is missing; install Node.js 20 or newer")
        plain = [re.sub(r"(?<=.)@.*", "", name) for name in names]
        if all((folder / "node_modules" / name / "package.json").is_file() for name in plain):
            return
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        self._run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *names], folder)

    def _install(self, python: Path, names: Sequence[str]) -> None:
        ready = python.parent.parent / ".ready"
        if ready.is_file() and ready.read_text() == " ".join(names):
            return
        # Its own environment: it may want other versions than ours of the same libraries.
        venv.create(python.parent.parent, with_pip=True, clear=True)
        self._run([str(python), "-m", "pip", "install", "--quiet", *names], self._folder)
        ready.write_text(" ".join(names))

    def _run(self, command: Sequence[str], folder: Path) -> None:
        print("installing:", *command[-2:], file=sys.stderr)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-5:]
            raise Missing("\n".join([f"`{' '.join(command)}` failed:", *said]))
