"""Addresses that are read over HTTP, as text: what they join to, and what they may not leave."""

from __future__ import annotations

from urllib.parse import urlsplit

from towpath_core.errors import Forbidden, Invalid
from towpath_core.forges import ForgeFile, forge_file, is_hidden_step, join_names

__all__ = ("has_glob", "join_target", "same_site", "tree_candidates")

_MAX_LENGTH = 4096


def has_glob(target: str) -> bool:
    """Whether the path of an address is a pattern; `%2A` is an ordinary star."""
    return "*" in target.partition("?")[0]


def same_site(first: str, second: str) -> bool:
    """Whether two addresses are of one repository, or where none is known of one host."""
    ours, theirs = forge_file(first), forge_file(second)
    if ours is not None or theirs is not None:
        return (
            ours is not None
            and theirs is not None
            and ours.repository.lower() == theirs.repository.lower()
        )
    here, there = urlsplit(first), urlsplit(second)
    hosts = [(one.scheme.lower(), one.netloc.lower()) for one in (here, there)]
    return hosts[0] == hosts[1] and "@" not in there.netloc


def join_target(base: str, relative: str) -> str:
    """The address that a target written in the file `base` means. Globs stay globs.

    Raises:
        Forbidden: it leads to another host or repository, or begins at the root.
        Invalid: one of the two is no address.
    """
    if len(base) > _MAX_LENGTH or len(relative) > _MAX_LENGTH:
        raise Invalid(f"An address may have {_MAX_LENGTH} characters.")
    try:
        there, here = urlsplit(relative), urlsplit(base)
        if there.scheme and there.netloc:
            names = there.path.split("/")
            if same_site(base, relative) and not any(is_hidden_step(name) for name in names):
                return relative
            raise _leads_out(relative)
    except ValueError:
        raise Invalid(f"{relative[:200]!r} is no address.") from None
    if there.scheme or there.netloc or relative.startswith(("/", "\\")):
        raise _leads_out(relative)
    page = forge_file(base)
    if page is not None:
        return page.at(join_names(page.path[:-1], there.path)).page_url
    folder = tuple(here.path.split("/")[1:-1])
    path = "/".join(join_names(folder, there.path))
    query = f"?{there.query}" if there.query else ""
    return f"{here.scheme}://{here.netloc}/{path}{query}"


def tree_candidates(page: ForgeFile) -> list[ForgeFile]:
    """The files that the page of a folder may mean, in the order in which they are looked for."""
    return [page.at((*page.path, name)) for name in ("catalog-info.yaml", "catalog-info.yml")]


def _leads_out(relative: str) -> Forbidden:
    return Forbidden(
        f"{relative[:200]!r} leads out of the repository or host.",
        next="Write a path relative to the file, or register the other location by itself.",
    )
