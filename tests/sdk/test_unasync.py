"""The generator of the sync twin, and that the committed twin is what it gives."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "unasync.py"
spec = importlib.util.spec_from_file_location("unasync", TOOL)
assert spec and spec.loader
unasync = importlib.util.module_from_spec(spec)
spec.loader.exec_module(unasync)


def body(source: str) -> str:
    header, _, rest = unasync.rewritten(source, "x.py").partition("\n")
    assert header.startswith("# Generated from _async/x.py")
    return str(rest)


def test_the_committed_twin_is_fresh() -> None:
    assert unasync.stale(ROOT / "sdk" / "towpath_sdk") == []


def test_names_and_words_are_rewritten_and_texts_are_not() -> None:
    source = (
        "async def f(p: AsyncPlatform) -> None:\n"
        "    async with p as q:  # await AsyncPlatform\n"
        "        async for x in q: print('async await AsyncPlatform', await x.aclose())\n"
    )
    assert body(source) == (
        "def f(p: Platform) -> None:\n"
        "    with p as q:  # await AsyncPlatform\n"
        "        for x in q: print('async await AsyncPlatform', x.close())\n"
    )


def test_names_that_only_begin_like_one_of_ours_stay() -> None:
    assert body("AsyncPlatforms = awaited = x.anyio_\n") == "AsyncPlatforms = awaited = x.anyio_\n"


@pytest.mark.parametrize("source", ['f"{await x}"\n', 'f"{AsyncPlatform}"\n', 'rf"{aclose(1)}"\n'])
def test_what_pythons_do_not_agree_on_is_refused(source: str) -> None:
    with pytest.raises(unasync.Unreadable):
        body(source)


def test_the_check_names_what_is_stale(tmp_path: Path) -> None:
    sdk = tmp_path / "sdk"
    shutil.copytree(ROOT / "sdk" / "towpath_sdk", sdk)
    command = [sys.executable, str(TOOL), "--check", "--sdk", str(sdk)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    (sdk / "_sync" / "runs.py").write_text("changed")
    (sdk / "_sync" / "pages.py").unlink()
    (sdk / "_sync" / "extra.py").write_text("")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert [line.split(";")[0] for line in done.stderr.splitlines()] == [
        "_sync/pages.py: missing",
        "_sync/extra.py: has no async source",
        "_sync/runs.py: is not what its async source gives",
    ]
    assert subprocess.run(command[:2] + command[3:]).returncode == 0
    assert subprocess.run(command).returncode == 0
