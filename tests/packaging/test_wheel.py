"""The wheel as a vendor and a script get it: what it brings along, and that it imports."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BASE = {"msgspec", "pluggy", "towpath"}
SDK = BASE | {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions"}
OPTIONAL = {"exceptiongroup", "sniffio"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run(
        [str(uv), "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)],
        check=True,
    )
    return next(folder.glob("*.whl"))


def install(wheel: Path, folder: Path, extra: str) -> Path:
    venv.create(folder, with_pip=False)
    uv = Path(sys.executable).parent / "uv"
    python = folder / "bin" / "python"
    subprocess.run(
        [str(uv), "pip", "install", "--quiet", "--python", str(python), f"{wheel}{extra}"],
        check=True,
    )
    return python


def installed(python: Path) -> set[str]:
    code = (
        "import importlib.metadata as m;"
        "print(*{d.metadata['Name'].lower().replace('-', '_') for d in m.distributions()})"
    )
    done = subprocess.run(
        [str(python), "-I", "-c", code], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", *arguments], capture_output=True, text=True, check=False
    )


IMPORT_ALL = """
import importlib, pkgutil
package = importlib.import_module({name!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if ".testing" not in module.name:
        importlib.import_module(module.name)
"""


def test_the_base_is_the_light_core(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "v", "")
    assert installed(python) == BASE
    done = run(python, "-c", IMPORT_ALL.format(name="towpath_core"))
    assert done.returncode == 0, done.stderr


def test_the_command_without_its_extra_says_what_to_install(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "v", "")
    done = subprocess.run(
        [str(python.parent / "towpath"), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "pip install 'towpath[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sdk_adds_httpx_and_nothing_of_the_gateway(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "v", "[sdk]")
    assert installed(python) - OPTIONAL == SDK
    done = run(python, "-c", IMPORT_ALL.format(name="towpath_sdk"))
    assert done.returncode == 0, done.stderr


def test_the_gateway_is_not_heavy(wheel: Path, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "v", "[gateway]")
    assert len(installed(python)) <= 70
    site = next((tmp_path / "v" / "lib").glob("python*/site-packages"))
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size <= 250 * 1024 * 1024
    assert list(site.glob("towpath_gateway/demo/templates/python-service/skeleton/*"))
