"""Which plugins there are: entry points of installed distributions, and objects passed in.

Reads metadata only and imports nothing of a plugin. Knows no hooks.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from collections.abc import Iterable, Mapping

import msgspec

from towpath_core.errors import Problem, SettingsError
from towpath_core.plugins.words import line_of

__all__ = ("ENTRY_POINT_GROUP", "Candidate", "about", "discover")

ENTRY_POINT_GROUP = "towpath.plugins"
IN_PROCESS = "in process"
_UNKNOWN = "unknown distribution"

EntryPoints = Iterable[importlib.metadata.EntryPoint]


class Candidate(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A plugin that was found and not loaded yet: an entry point, an object, or a fault.

    Attributes:
        name: name of the entry point, or of the object passed in.
        distribution: name of the distribution as written in its metadata.
        version: the distribution's version, where it is known.
        extras: what the entry point needs installed, as `towpath[gateway]`; empty for nothing.
        entry_point: where it is loaded from; None for an object.
        plugin: the object that was passed in.
        fault: why it cannot be loaded.
    """

    name: str
    distribution: str
    version: str | None = None
    extras: str = ""
    entry_point: importlib.metadata.EntryPoint | None = None
    plugin: object = None
    fault: str | None = None

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}" if self.version else self.distribution


def discover(
    entry_points: EntryPoints | None = None, extra: Mapping[str, object] | None = None
) -> list[Candidate]:
    """List all plugins, ordered by name.

    Args:
        entry_points: instead of those of the installed distributions.
        extra: plugin objects of this process, by name.

    Raises:
        SettingsError: two distributions bring a plugin of one name; names both.
    """
    found, broken = _installed() if entry_points is None else (list(entry_points), [])
    names: dict[int, tuple[str, str | None]] = {}
    candidates: dict[tuple[str, str, str], Candidate] = {}
    for entry_point in found:
        candidate = _candidate(entry_point, names)
        # A distribution that is twice on the path (editable and wheel) is one; the first wins,
        # as it does for imports.
        same = (candidate.name, _canonical(candidate.distribution), entry_point.value)
        candidates.setdefault(same, candidate)
    every = [*candidates.values(), *broken]
    for name, plugin in (extra or {}).items():
        every.append(Candidate(name=name, distribution=IN_PROCESS, plugin=plugin))
    every.sort(key=lambda c: (c.name, c.distribution))
    _refuse_twins(every)
    return every


def _installed() -> tuple[list[importlib.metadata.EntryPoint], list[Candidate]]:
    try:
        return list(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)), []
    except Exception:  # one unreadable file stops the standard library: find out whose
        return _one_by_one()


def _one_by_one() -> tuple[list[importlib.metadata.EntryPoint], list[Candidate]]:
    found: list[importlib.metadata.EntryPoint] = []
    broken: list[Candidate] = []
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name, version = _name_of(distribution)
        if _canonical(name) in seen:  # an older one, further down the path
            continue
        seen.add(_canonical(name))
        try:
            found += distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        except Exception as error:
            if _names_plugins(distribution):
                why = f"its entry_points.txt cannot be read ({type(error).__name__})"
                broken.append(Candidate(name=name, distribution=name, version=version, fault=why))
    return found, broken


def _names_plugins(distribution: importlib.metadata.Distribution) -> bool:
    try:
        return ENTRY_POINT_GROUP in (distribution.read_text("entry_points.txt") or "")
    except (OSError, ValueError):  # not even text: whatever it is, it was not meant for us
        return False


def _candidate(
    entry_point: importlib.metadata.EntryPoint, names: dict[int, tuple[str, str | None]]
) -> Candidate:
    distribution = entry_point.dist
    name, version = _UNKNOWN, None
    if distribution is not None:
        # Reading metadata parses a mail header with a whole README: once a distribution.
        if id(distribution) not in names:
            names[id(distribution)] = _name_of(distribution)
        name, version = names[id(distribution)]
    bracket = re.search(r"\[(.*)\]", entry_point.value)
    extras = ",".join(re.findall(r"[\w.-]+", bracket[1])) if bracket else ""
    return Candidate(
        name=entry_point.name,
        distribution=name,
        version=version,
        extras=f"{name}[{extras}]" if extras else "",
        entry_point=entry_point,
    )


def _name_of(distribution: importlib.metadata.Distribution) -> tuple[str, str | None]:
    try:
        name = _first(distribution.metadata, "Name")
        version = _first(distribution.metadata, "Version")
    except Exception:  # a broken METADATA must not stop the others; what it says is lost
        return _UNKNOWN, None
    return line_of(name or _UNKNOWN, 100), line_of(version, 100) if version else None


def about(candidate: Candidate) -> tuple[str | None, str | None]:
    """Summary and http(s) homepage of the distribution's metadata, where they can be read."""
    distribution = candidate.entry_point.dist if candidate.entry_point else None
    if distribution is None:
        return None, None
    try:
        metadata = distribution.metadata
        summary, home = _first(metadata, "Summary"), _first(metadata, "Home-page")
        urls = [url.partition(",") for url in metadata.get_all("Project-URL") or ()]
    except Exception:  # as in _name_of: the listing goes on without
        return None, None
    homes = [home or "", *(url.strip() for label, _, url in urls if label.lower() == "homepage")]
    web = [line_of(url) for url in homes if url.startswith(("https://", "http://"))]
    return line_of(summary) if summary else None, web[0] if web else None


def _first(metadata: importlib.metadata.PackageMetadata, field: str) -> str | None:
    found = metadata.get_all(field)  # [field] of a missing one is deprecated from 3.12 on
    return str(found[0]) if found else None


def _canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _refuse_twins(candidates: list[Candidate]) -> None:
    problems = []
    for one, two in itertools.pairwise(candidates):
        if one.name == two.name:
            where = [c.entry_point.value if c.entry_point else "an object" for c in (one, two)]
            problems.append(
                Problem(
                    "plugin-name",
                    f"two plugins are named {line_of(one.name, 100)!r}: "
                    f"{line_of(where[0], 100)} of {one.origin} and "
                    f"{line_of(where[1], 100)} of {two.origin}",
                )
            )
    if problems:
        raise SettingsError(
            f"Start-up stopped: {problems[0].message}.",
            next="Uninstall one of the two distributions.",
            problems=problems,
        )
