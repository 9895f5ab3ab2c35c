"""Where the Location entities of a file lead to: their targets, made absolute by the source.

Reads nothing. An address of another machine is taken as it is written, whatever file it stands in;
a path is the source's to join. No file from elsewhere may name one of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from towpath_core.catalog import CatalogSource, Document
from towpath_core.entities import Entity
from towpath_core.errors import Place, Problem, TowpathError
from towpath_core.plugins import Contribution, PluginHost

__all__ = ("Following", "Stop", "Trail", "follow")

_SECONDS = 10.0
_ELSEWHERE = re.compile(r"(git\+)?https?://", re.IGNORECASE)
_HERE = re.compile(r"(git\+)?file:", re.IGNORECASE)


class Trail:
    """Where one reading of a location was led to: each place once, and not too many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: set[tuple[str, str]] = set()

    @property
    def full(self) -> bool:
        """Whether no more places are taken."""
        return len(self._known) >= self.most

    def take(self, type: str, target: str) -> bool:
        """Note a place; False where it was noted before."""
        if (type, target) in self._known:
            return False
        self._known.add((type, target))
        return True


class Stop(msgspec.Struct, frozen=True):
    """A place that is still to be read."""

    type: str
    target: str
    depth: int
    optional: bool = False
    stated_in: Place = Place()


class Following(msgspec.Struct, frozen=True):
    """Where a file leads to, and what cannot be followed."""

    stops: list[Stop] = []
    problems: list[Problem] = []


async def follow(
    host: PluginHost,
    source: Contribution[CatalogSource],
    stop: Stop,
    file: str,
    found: Iterable[tuple[Entity, Document]],
    depth: int,
) -> Following:
    """The places that the locations among a file's entities lead to. Never raises.

    Each is there, also where the reading was led to it before: it means the same for the file,
    whatever else is read. One that cannot be followed becomes a problem, and does not touch the
    others.

    Args:
        host: calls the source.
        source: of the file.
        stop: what led to the file.
        file: the file that states them.
        found: its good entities.
        depth: how deep locations may nest.
    """
    stated = list(_stated(found, stop, file))
    if not stated:
        return Following()
    if stop.depth >= depth:
        text = f"locations nest deeper than {depth}"
        return Following([], [Problem("limit", text, stated[0].stated_in)])
    joined = [one.target for one in stated if _is_joined(one, stop)]
    answers = iter(await _resolve(host, source, file, joined))
    following = Following()
    for one in stated:
        answer = next(answers) if _is_joined(one, stop) else _as_written(one, stop, file)
        if isinstance(answer, Problem):
            problem = msgspec.structs.replace(answer, place=one.stated_in)
            following.problems.append(problem)
        else:
            following.stops.append(msgspec.structs.replace(one, target=answer))
    return following


def _is_joined(one: Stop, stop: Stop) -> bool:
    """Whether a target is the source's to join to its file."""
    return one.type == stop.type and not (one.type == "url" and _ELSEWHERE.match(one.target))


def _as_written(one: Stop, stop: Stop, file: str) -> str | Problem:
    local = one.type == "file" or _HERE.match(one.target)
    if local and stop.type != "file" and not _HERE.match(file):
        return Problem("forbidden", f"a {stop.type} location cannot name files of this host")
    return one.target


async def _resolve(
    host: PluginHost, source: Contribution[CatalogSource], file: str, targets: Sequence[str]
) -> Sequence[str | Problem]:
    """Make targets absolute, all in one call of the plugin."""

    def resolve(source: CatalogSource) -> list[str | Problem]:
        answers: list[str | Problem] = []
        for target in targets:
            try:
                answers.append(str(source.resolve(file, target)))
            except TowpathError as error:
                answers.append(Problem(error.code, str(error)))
        return answers

    if not targets:
        return ()
    try:
        answers: list[str | Problem] = await host.call(
            source, resolve, seconds=_SECONDS, returns=list
        )
    except TowpathError as error:
        return [Problem(error.code, str(error))] * len(targets)
    return answers


def _stated(found: Iterable[tuple[Entity, Document]], stop: Stop, file: str) -> Iterator[Stop]:
    for entity, document in found:
        if entity.kind.lower() != "location":
            continue
        type = str(entity.spec.get("type") or stop.type)
        optional = entity.spec.get("presence") == "optional"
        for pointer, target in _targets(entity.spec):
            place = document.place(file, pointer)
            yield Stop(type, target, stop.depth + 1, optional, place)


def _targets(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The targets that the spec of a Location entity states, each after its JSON pointer."""
    if isinstance(spec.get("target"), str):
        yield "/spec/target", spec["target"]
    targets = spec.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if isinstance(target, str):
            yield f"/spec/targets/{index}", target
