"""Descriptor files over HTTP and HTTPS: one request a file, and none of a body that is known.

Owns what an answer means. Whom it may ask, and as whom, is for the egress to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from towpath_core.catalog import SourceFile
from towpath_core.egress import Egress, FetchBudget, Fetched, NoEgress
from towpath_core.errors import (
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    TowpathError,
    Unavailable,
)
from towpath_core.forges import forge_file
from towpath_http.cache import FileCache, Kept
from towpath_http.targets import has_glob, join_target, tree_candidates

__all__ = ("HttpSource",)

_SECONDS = 30.0
_REDIRECTS = 3
# What descriptors, and the files that placeholders name, are sent as; not web pages.
_TYPES = (
    "text/plain",
    "text/yaml",
    "text/x-*",
    "text/vnd.*",
    "text/markdown",
    "text/xml",
    "application/json",
    "application/yaml",
    "application/x-yaml",
    "application/xml",
    "application/graphql",
    "application/octet-stream",
    "application/vnd.*",
    "application/*+json",
    "application/*+yaml",
    "application/*+xml",
)


class HttpSource:
    """Reads `url` locations with http and https addresses.

    A page of a file on GitHub, GitLab, Gitea or Bitbucket is read through its raw form; that of
    a folder means its `catalog-info.yaml` or `.yml`. There are no globs: nobody can list a host.

    Args:
        cache_bytes: most bytes of files that are kept, to be recognised when they did not change.
    """

    name = "http"
    types = frozenset({"url"})

    def __init__(self, *, cache_bytes: int = 64 * 1024 * 1024) -> None:
        self._egress: Egress = NoEgress()
        self._cache = FileCache(cache_bytes)

    def use_egress(self, egress: Egress) -> None:
        """Take the way out."""
        self._egress = egress

    def claims(self, type: str, target: str) -> bool:
        """Whether it is an http or https address; whether it may be read is told by `read`."""
        return type in self.types and target[:8].lower().startswith(("http://", "https://"))

    def read(self, target: str, *, max_bytes: int) -> Iterator[SourceFile]:
        """Read the one file of an address; the etag is the SHA-256 of its content.

        Raises:
            NotFound: there is none (404, 410).
            Forbidden: the host is not allowed, or wants credentials, or sends on elsewhere.
            Invalid: it is no such address, has a glob, or a web page is there.
            Unavailable: the host does not answer, or not well.
            LimitExceeded: the file has more than `max_bytes`.
        """
        if has_glob(target):
            raise Invalid(
                "An address over HTTP can have no '*': a host does not list its files.",
                next="Register the repository with git+https://<host>/<repository>.git/-/blob/"
                "<branch>/<path>, which may have.",
            )
        page = forge_file(target)
        if page is None:
            yield self._file(target, target, max_bytes)
            return
        missing: TowpathError | None = None
        for file in tree_candidates(page) if page.folder else [page]:
            shown = file.page_url if page.folder else target
            try:
                yield self._file(shown, file.raw_url, max_bytes)
            except NotFound as error:
                missing = missing or error
            else:
                return
        raise missing or NotFound(f"There is nothing at {_shown(target)}.")

    def resolve(self, base: str, relative: str) -> str:
        """The address that a target in the file `base` means; of the same repository or host.

        Raises:
            Forbidden: it would leave these, or begins at the root.
        """
        return join_target(base, relative)

    def _file(self, target: str, address: str, max_bytes: int) -> SourceFile:
        kept = self._cache.get(address)
        headers = {"Accept": "*/*"}
        if kept is not None and kept.etag:
            headers["If-None-Match"] = kept.etag
        if kept is not None and kept.modified:
            headers["If-Modified-Since"] = kept.modified
        if "/api/v3/repos/" in address:
            headers["Accept"] = "application/vnd.github.raw"
        budget = FetchBudget(bytes=max_bytes, seconds=_SECONDS, redirects=_REDIRECTS, types=_TYPES)
        answer = self._egress.fetch(address, headers=headers, budget=budget)
        if answer.status == 304 and kept is not None:
            if len(kept.file.content) > max_bytes:
                raise LimitExceeded(f"{_shown(target)} is larger than {max_bytes:,} bytes.")
            return SourceFile(target, kept.file.content, kept.file.etag)
        if answer.status != 200:
            raise _refused(target, answer)
        digest = hashlib.sha256(answer.content).hexdigest()
        file = SourceFile(target, answer.content, digest)
        etag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        self._cache.put(address, Kept(file, etag, modified))
        return file


def _refused(target: str, answer: Fetched) -> TowpathError:
    where, status = _shown(target), answer.status
    if status in (404, 410):
        return NotFound(
            f"There is nothing at {where}.",
            next="Hosts say so, too, of what only a token may see; give one in "
            "[egress.credentials].",
        )
    if status in (401, 403, 407):
        return Forbidden(
            f"{where} may not be read: the host answers {status}.",
            next="Give a token of the host in [egress.credentials].",
        )
    if 300 <= status < 400:
        return Forbidden(f"{where} sends on to somewhere else: the host answers {status}.")
    return Unavailable(f"{where} cannot be read: the host answers {status}.")


def _shown(target: str) -> str:
    """An address as an error may show it: without its query, which may hold a token."""
    return target.partition("?")[0][:300]
