"""What the plugins offer, put together: each hook called alone, then the whole made consistent.

Owns the rules that hold between contributions (unique keys, offerings that find their
provisioner). Knows nothing of threads: the host decides where `consume` runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from towpath_core.errors import Problem, SettingsError
from towpath_core.plugins.checks import TooMany, WrongType
from towpath_core.plugins.lanes import check_wanted, is_coroutine
from towpath_core.plugins.loading import Implementation
from towpath_core.plugins.model import Contribution, Contributions
from towpath_core.plugins.rules import HOOK_RULES, Key, Offered, examine
from towpath_core.plugins.words import shown

__all__ = (
    "Share",
    "assemble",
    "consume",
    "freeze",
    "go_through",
    "missing_provisioner",
    "repeated",
)


T = TypeVar("T")


class Share(msgspec.Struct, frozen=True, eq=False):
    """What one plugin offers, by hook, and where the plugin comes from."""

    plugin: str
    origin: str
    offered: Mapping[str, tuple[Offered, ...]]


def freeze(value: object) -> object:
    """Copy settings so that nobody can change them: mappings read-only, lists as tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return value


def consume(
    implementation: Implementation, settings: Mapping[str, Any], limit: int
) -> tuple[Offered, ...]:
    """Call one implementation and check all it returns. Runs foreign code.

    Raises:
        WrongType: it returned something else, or more than `limit` items.
        BaseException: whatever the plugin raises.
    """
    wants = "settings" in implementation.arguments
    answer = implementation.function(settings=settings) if wants else implementation.function()
    rule = HOOK_RULES[implementation.hook]
    found = go_through(answer, limit, rule.type.__name__, lambda item: examine(rule, item))
    return tuple(found)


def go_through(answer: object, limit: int, kind: str, each: Callable[[object], T]) -> list[T]:
    """Do something with each item of an answer that should be an iterable of `kind`.

    Raises:
        WrongType: it is no iterable.
        TooMany: it goes on after `limit` items.
        GivenUp: the caller's deadline has passed; an iterable without end would go on for ever.
    """
    if is_coroutine(answer):
        answer.close()
        raise WrongType(f"returned a coroutine, not an iterable of {kind}; do not make it async")
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        hint = "; return () for none" if answer is None else ""
        raise WrongType(f"returned {shown(answer)}, not an iterable of {kind}{hint}")
    found: list[T] = []
    try:
        for item in answer:
            check_wanted()
            if len(found) >= limit:
                raise TooMany(f"returned more than {limit} items")
            found.append(each(item))
    finally:
        if inspect.isgenerator(answer):
            answer.close()  # here, with its files, and not when the collector comes by
    return found


def repeated(offered: Mapping[str, tuple[Offered, ...]]) -> str | None:
    """Say which key one plugin uses twice; None where all are its own."""
    seen: set[Key] = set()
    for items in offered.values():
        for key in (key for item in items for key in item.keys):
            if key in seen:
                return f"it offers {key} twice"
            seen.add(key)
    return None


def missing_provisioner(shares: Iterable[Share]) -> tuple[str, str] | None:
    """Find the first plugin with an offering that no plugin can make; its name, and why."""
    every = list(shares)
    known = {item.name for s in every for item in s.offered.get("towpath_provisioners", ())}
    for share in every:
        for item in share.offered.get("towpath_offerings", ()):
            wanted = item.value.provisioner
            if wanted not in known:
                why = f"offering {item.name} names provisioner {wanted}, "
                return share.plugin, why + "which no active plugin offers"
    return None


def assemble(shares: Iterable[Share]) -> Contributions:
    """Put the shares together, each mapping ordered by its key.

    Raises:
        SettingsError: two plugins offer one key; names the key, both plugins and both
            distributions. All clashes are among its problems, in order.
    """
    takers: dict[Key, list[tuple[Share, Contribution[Any]]]] = {}
    for share in shares:
        for items in share.offered.values():
            for item in items:
                entry = Contribution(share.plugin, share.origin, item.name, item.value)
                for key in item.keys:
                    takers.setdefault(key, []).append((share, entry))
    _refuse_clashes(takers)
    found: dict[str, Any] = {}
    for hook, rule in HOOK_RULES.items():
        chosen = {
            key.value: takers[key][0][1]
            for key in sorted(k for k in takers if k.label == rule.index)
        }
        found[hook.removeprefix("towpath_")] = MappingProxyType(chosen)
    return Contributions(**found)


def _refuse_clashes(takers: Mapping[Key, list[tuple[Share, Contribution[Any]]]]) -> None:
    problems = []
    for key, entries in takers.items():
        if len(entries) > 1:
            who = " and ".join(f"{s.plugin} ({s.origin})" for s, _ in entries)
            problems.append(Problem("plugin-clash", f"{key} is offered by {who}"))
    if problems:
        problems.sort(key=lambda problem: problem.message)
        raise SettingsError(
            f"Start-up stopped, because plugins clash: {problems[0].message}.",
            next="Disable or uninstall one of them.",
            problems=problems,
        )
