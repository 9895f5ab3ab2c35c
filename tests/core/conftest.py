"""A site of fake distributions on disk, found by the real entry-point discovery."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from towpath_core.plugins import PluginConfig, PluginHost, PluginInfo


class Site:
    """A folder on `sys.path` that distributions are installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = threading.Event()
        """Modules that hang wait for this; set at the end, so that no thread is left over."""

    def install(
        self,
        distribution: str,
        plugins: Mapping[str, str],
        *,
        version: str = "1.0",
        metadata: str = "",
        folder: Path | None = None,
    ) -> None:
        stem = f"{distribution.replace('-', '_')}-{version}.dist-info"
        info = (folder or self.folder) / stem
        info.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(head + metadata)
        lines = "".join(f"{name} = {value}\n" for name, value in plugins.items())
        (info / "entry_points.txt").write_text(f"[towpath.plugins]\n{lines}")

    def module(self, name: str, source: str) -> None:
        (self.folder / f"{name}.py").write_text(dedent(source))
        importlib.invalidate_caches()

    def plugin(self, name: str, source: str, extra: str = "") -> None:
        """Install the distribution `acme-<name>` with the module `acme_<name>`."""
        module = f"acme_{name.replace('-', '_')}"
        self.module(module, source)
        self.install(f"acme-{name}", {name: module + extra})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    site = Site(folder)
    gate = types.ModuleType("acme_gate")
    gate.wait = lambda: site.gate.wait(60)  # type: ignore[attr-defined]
    gate.is_set = site.gate.is_set  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_gate", gate)
    monkeypatch.syspath_prepend(str(folder))
    yield site
    site.gate.set()
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


Load = Callable[..., PluginHost]


@pytest.fixture
def load() -> Iterator[Load]:
    """Load a host of the installed plugins named and those passed in; closed at the end.

    Without names it does not look at what is installed, which takes a while.
    """
    hosts: list[PluginHost] = []

    def load(*only: str, extra: Mapping[str, object] | None = None, **config: Any) -> PluginHost:
        installed = None if only else ()
        wanted = PluginConfig(only=only, **config)
        host = PluginHost.load(wanted, entry_points=installed, extra=extra)
        hosts.append(host)
        return host

    yield load
    for host in hosts:
        host.close()


@pytest.fixture
def info() -> Callable[[PluginHost, str], PluginInfo]:
    """Look up the listing of one plugin."""

    def info(host: PluginHost, name: str) -> PluginInfo:
        [found] = [each for each in host.describe() if each.name == name]
        return found

    return info
