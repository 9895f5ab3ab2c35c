"""Walks over JSON data that do not recurse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from towpath_backstage.yaml.lines import escaped

__all__ = ("Path", "collections", "pointer_of", "rebuilt")

Path: TypeAlias = "tuple[Path, str | int] | None"
"""Where a node is: its parent's path and its key or index; None for the root.

Paths share their beginnings. As text, those of a wide list below a long key would fill memory.
"""


def pointer_of(path: Path) -> str:
    """A path as a JSON pointer."""
    tokens: list[str] = []
    while path is not None:
        path, token = path
        tokens.append(f"/{escaped(token)}")
    return "".join(reversed(tokens))


def collections(
    root: Any, skip: Callable[[dict[str, Any] | list[Any]], bool] | None = None
) -> Iterator[tuple[Path, dict[str, Any] | list[Any]]]:
    """Every mapping and list of JSON data with its path, in order, parents first.

    Args:
        root: the data.
        skip: called with each; true leaves out what is below it.
    """
    todo: list[tuple[Path, Any]] = [(None, root)] if isinstance(root, dict | list) else []
    while todo:
        path, node = todo.pop()
        yield path, node
        if skip and skip(node):
            continue
        members = node.items() if isinstance(node, dict) else enumerate(node)
        inner = [((path, key), value) for key, value in members if isinstance(value, dict | list)]
        todo += reversed(inner)


def rebuilt(
    root: Any,
    text: Callable[[str], str],
    enter: Callable[[dict[str, Any] | list[Any], int], tuple[Any] | None] | None = None,
) -> Any:
    """A deep copy of JSON data, which shares nothing with it.

    Args:
        root: the data.
        text: gives what stands in the place of each string and each key.
        enter: called with each collection and its depth (the root's is 0) before it is copied;
            raise in it to stop. A tuple of one value puts that, as it is, in the place of the
            collection.
    """
    top: list[Any] = [None]
    todo: list[tuple[Any, Any, Any, int]] = [(top, 0, root, 0)]
    while todo:
        into, at, old, depth = todo.pop()
        if isinstance(old, str):
            into[at] = text(old)
            continue
        if not isinstance(old, dict | list):
            into[at] = old
            continue
        instead = enter(old, depth) if enter else None
        if instead is not None:
            into[at] = instead[0]
        elif isinstance(old, dict):
            # Every key is set at once: the order of a mapping is its author's.
            keys = [text(key) for key in old]
            new: Any = dict.fromkeys(keys)
            into[at] = new
            todo += [
                (new, key, value, depth + 1) for key, value in zip(keys, old.values(), strict=True)
            ]
        else:
            new = [None] * len(old)
            into[at] = new
            todo += [(new, index, value, depth + 1) for index, value in enumerate(old)]
    return top[0]
