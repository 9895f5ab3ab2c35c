"""Addresses of files in repositories of other machines, as text.

`git+https://host/acme/shop.git/-/blob/main/services/*/catalog-info.yaml`, or the page of a code
host with a glob in it, which only a copy of the repository can answer. Does no I/O.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import msgspec

from towpath_core.errors import Forbidden, Invalid
from towpath_core.forges import ForgeFile, forge_file, join_names
from towpath_git.targets import is_odd, join_target, split

__all__ = ("RemoteTarget", "is_remote", "join_remote", "parse_remote")

_SCHEMES = ("git+https://", "git+http://")
# What git would take for anything else than a path on a host does not fit.
_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~%+@-]+)+")


class RemoteTarget(msgspec.Struct, frozen=True):
    """An address, read.

    Attributes:
        url: where git fetches the repository from.
        rest: ref and path, name by name, still percent-encoded, so that `%2A` is no glob.
        page: the code host's page that was written, in whose form files are named.
    """

    url: str
    rest: tuple[str, ...]
    page: ForgeFile | None = None

    def target(self, ref: str, path: str) -> str:
        """The address of a file of the same repository and ref."""
        if self.page is not None:
            return self.page.at(tuple(quote(name) for name in path.split("/"))).page_url
        return f"git+{self.url}/-/blob/{quote(ref, safe='')}/{quote(path)}"

    @property
    def name(self) -> str:
        """The repository in a sentence."""
        return self.url.rpartition("/")[2]


def is_remote(target: str) -> bool:
    """Whether it is an address of another machine that needs a copy of a repository."""
    if target.startswith(_SCHEMES):
        return True
    return "*" in target.partition("?")[0] and forge_file(target) is not None


def parse_remote(target: str) -> RemoteTarget:
    """Read an address.

    Raises:
        Forbidden: there is a `..` in it.
        Invalid: it is not in the form above.
    """
    page = None
    if target.startswith(_SCHEMES):
        repository, _, rest = split(target)
        url = repository.removeprefix("git+")
        names = tuple(name for name in rest.split("/") if name)
    else:
        page = forge_file(target)
        if page is None:
            raise Invalid("This is not the page of a file on a code host.")
        url = page.clone_url
        names = (quote(page.branch, safe=""), *page.path)
    path = url.partition("://")[2].split("/")[1:]
    if any(is_odd(name) for name in (*path, *names[1:])) or unquote(names[0]) == "..":
        raise Forbidden("An address may not have '..' or an encoded '/' in it.")
    if not _URL.fullmatch(url) or "#" in target or (page is None and "?" in target):
        raise Invalid("This is not the address of a repository.")
    return RemoteTarget(url, names, page)


def join_remote(base: str, relative: str) -> str:
    """The address that a target written in the file `base` means, in the same repository.

    Raises:
        Forbidden: it would leave the repository, or is an address of its own.
        Invalid: `base` is no address.
    """
    page = None if base.startswith(_SCHEMES) else forge_file(base)
    if page is None:
        return join_target(base, relative)
    other = forge_file(relative)
    if other is not None and other.repository == page.repository:
        return relative
    if ":" in relative.partition("/")[0] or relative.startswith("//"):
        raise Forbidden(
            f"{relative[:200]!r} leads out of the repository.",
            next="Write a path relative to the file, or register the other location by itself.",
        )
    return page.at(join_names(page.path[:-1], relative)).page_url
