"""What the tutorials tell a vendor to write is a distribution that builds, with its package."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
FILE = re.compile(r'^```\w+ title="([^"]+\.\w+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "package"),
    [("write-a-plugin.md", "towpath_folders"), ("write-a-run-kind.md", "towpath_releases")],
)
def test_the_files_of_the_page_build_a_wheel_with_the_plugin(tmp_path, page, package):
    for title, text in FILE.findall((HOW_TO / page).read_text()):
        file = tmp_path / "plugin" / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "build", "--wheel", "--quiet", "--out-dir", str(tmp_path / "dist")]
    done = subprocess.run([*command, str(tmp_path / "plugin")], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert f"{package}/plugin.py" in zipfile.ZipFile(wheel).namelist()
