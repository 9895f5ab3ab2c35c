"""What the SDK exports, what it weighs, and that both twins have the same methods."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from types import ModuleType

import towpath_sdk
from towpath_sdk import AsyncPlatform, Platform

PARTS = (
    "bindings",
    "conflicts",
    "entities",
    "history",
    "locations",
    "offerings",
    "plans",
    "plugins",
    "resources",
    "runs",
    "schedules",
    "sets",
    "templates",
    "tokens",
    "tombstones",
)


def test_all_is_what_there_is() -> None:
    found = {
        name
        for name, value in vars(towpath_sdk).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(towpath_sdk.__all__) == found
    assert len(set(towpath_sdk.__all__)) == len(towpath_sdk.__all__)


def test_every_error_comes_from_one_root() -> None:
    errors = [
        value
        for name in towpath_sdk.__all__
        if inspect.isclass(value := getattr(towpath_sdk, name)) and issubclass(value, Exception)
    ]
    assert len(errors) > 15
    assert all(issubclass(one, towpath_sdk.PlatformError) for one in errors)
    tree = sys.modules["towpath_sdk._wire.errors"].__doc__ or ""
    assert [one.__name__ for one in errors if one.__name__ not in tree] == []


def signatures(thing: object) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in inspect.getmembers(type(thing), inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_twins_have_the_same_methods_with_the_same_docstrings() -> None:
    one, other = Platform("http://a.example"), AsyncPlatform("http://a.example")
    pairs = [(one, other), *((getattr(one, part), getattr(other, part)) for part in PARTS)]
    for sync, awaiting in pairs:
        assert signatures(sync) == signatures(awaiting)
        for name in signatures(sync):
            texts = [inspect.getdoc(getattr(type(twin), name)) for twin in (sync, awaiting)]
            assert texts[0] and texts[0] == texts[1]
            assert "await" not in texts[0].replace("awaiting", ""), name


def test_it_imports_httpx_and_msgspec_and_nothing_of_ours() -> None:
    code = (
        "import sys, json; before = set(sys.modules); import towpath_sdk;"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    ours = {name for name in imported if name.startswith("towpath")}
    assert ours == {"towpath_sdk"}
    heavy = {"yaml", "typer", "pydantic", "litestar", "sqlalchemy", "psycopg", "jinja2"}
    assert imported & heavy == set()
