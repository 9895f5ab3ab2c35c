"""The page about the SDK: its examples run, and everything public is on it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from contract_server import TOKEN
from contract_server import Platform as Served

import towpath_sdk
from towpath_sdk import Platform

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sdk.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_run(
    number: int,
    url: str,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for held in range(12):
        served.finished("scaffold", f"run {held}", {})
    monkeypatch.setenv("TOWPATH_URL", url)
    monkeypatch.setenv("TOWPATH_TOKEN", TOKEN)
    monkeypatch.setenv("TOWPATH_LOGINS", str(tmp_path / "logins.json"))
    code = compile(EXAMPLES[number], f"sdk.md example {number}", "exec")
    exec(code, {"__name__": "example"})
    said = capsys.readouterr().out
    assert said and TOKEN not in said and "p-secret" not in said


def test_every_public_name_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert [name for name in towpath_sdk.__all__ if name not in words] == []


def test_every_method_is_in_the_table_with_its_arguments() -> None:
    platform = Platform("http://a.example")
    parts = {"": platform, **{n: v for n, v in vars(platform).items() if not n.startswith("_")}}
    missing = []
    for part, thing in parts.items():
        for name, method in inspect.getmembers(type(thing), inspect.isfunction):
            if name.startswith("_") or (not part and name == "close"):
                continue
            row = re.search(
                rf"^\| `{re.escape(f'{part}.{name}'.lstrip('.'))}\((.*?)\)`", PAGE, re.M
            )
            known = set(inspect.signature(method).parameters)
            said = {word.strip("*= ") for word in row[1].split(",") if word} if row else {"?"}
            if not said <= known | {"names"}:
                missing.append(f"{part}.{name}")
    assert missing == []
