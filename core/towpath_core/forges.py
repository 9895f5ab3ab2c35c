"""Addresses of files on code hosts, as text: which repository, which branch, which path.

People register what their browser shows: `https://github.com/acme/shop/blob/main/all.yaml`. Here
such a page is told apart from a plain file, for GitHub, GitLab, Gitea and Bitbucket, of any host.
Does no I/O. A branch with a slash in its name is to be written with `%2F`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import msgspec

from towpath_core.errors import Forbidden

__all__ = ("ForgeFile", "forge_file", "is_hidden_step", "join_names")

ForgeKind = Literal["github", "github-raw", "gitlab", "gitea", "bitbucket", "bitbucket-server"]

_RAW_GITHUB = "raw.githubusercontent.com"
_BITBUCKET = "bitbucket.org"
_SAFE = "!$&'()*+,;=:@~%"


class ForgeFile(msgspec.Struct, frozen=True):
    """A file or folder of a repository on a code host.

    Attributes:
        kind: whose pages it looks like.
        site: scheme and host with port, such as `https://github.com`.
        project: path of the repository below the site, name by name, percent-encoded.
        ref: branch, tag or commit, percent-encoded; with Gitea behind `branch/`, `tag/` or
            `commit/`; empty for the default branch, where a kind has that.
        path: path in the repository, name by name, percent-encoded.
        folder: whether the page is one of a folder.
    """

    kind: ForgeKind
    site: str
    project: tuple[str, ...]
    ref: str
    path: tuple[str, ...]
    folder: bool = False

    @property
    def repository(self) -> str:
        """What no path may lead out of: the repository, whatever the branch."""
        return f"{self.site}/{'/'.join(self.project)}"

    @property
    def clone_url(self) -> str:
        """Where git fetches the repository from."""
        if self.kind == "github-raw":
            return f"https://github.com/{'/'.join(self.project)}.git"
        if self.kind == "bitbucket-server":
            return f"{self.site}/scm/{self.project[1].lower()}/{self.project[3]}.git"
        return f"{self.repository}.git"

    @property
    def branch(self) -> str:
        """The branch, tag or commit as git knows it."""
        name = self.ref.partition("/")[2] if self.kind == "gitea" else self.ref
        return unquote(name).removeprefix("refs/heads/").removeprefix("refs/tags/") or "HEAD"

    @property
    def page_url(self) -> str:
        """The address in a browser, which `forge_file` reads again."""
        path = "/".join(self.path)
        if self.kind == "bitbucket-server":
            at = f"?at={quote(unquote(self.ref), safe='')}" if self.ref else ""
            return f"{self.repository}/browse/{path}{at}"
        mark = {
            "github": f"{'tree' if self.folder else 'blob'}/",
            "gitlab": f"-/{'tree' if self.folder else 'blob'}/",
            "github-raw": "",
        }.get(self.kind, "src/")
        return f"{self.repository}/{mark}{self.ref}/{path}"

    @property
    def raw_url(self) -> str:
        """Where the bytes are."""
        path = "/".join(self.path)
        project = "/".join(self.project)
        if self.kind == "github-raw":
            return self.page_url
        if self.kind == "github" and self.site == "https://github.com":
            return f"https://{_RAW_GITHUB}/{project}/{self.ref}/{path}"
        if self.kind == "github":
            ref = quote(unquote(self.ref), safe="")
            return f"{self.site}/api/v3/repos/{project}/contents/{path}?ref={ref}"
        if self.kind == "gitlab":
            inside = quote(unquote(path), safe="")
            ref = quote(unquote(self.ref), safe="")
            name = quote(unquote(project), safe="")
            return f"{self.site}/api/v4/projects/{name}/repository/files/{inside}/raw?ref={ref}"
        if self.kind == "gitea":
            return f"{self.repository}/raw/{self.ref}/{path}"
        if self.kind == "bitbucket":
            return f"https://api.bitbucket.org/2.0/repositories/{project}/src/{self.ref}/{path}"
        at = f"?at={quote(unquote(self.ref), safe='')}" if self.ref else ""
        return f"{self.site}/rest/api/1.0/{project}/raw/{path}{at}"

    def at(self, path: tuple[str, ...]) -> ForgeFile:
        """Another file of the same repository and branch."""
        return msgspec.structs.replace(self, path=path, folder=False)


def forge_file(url: str) -> ForgeFile | None:
    """Read the address of a page on a code host; None for any other address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    site = f"{parts.scheme}://{parts.netloc.lower()}"
    names = tuple(name for name in parts.path.split("/") if name)
    if any(is_hidden_step(name) for name in names):
        return None
    host = parts.hostname or ""
    found = None
    if "-" in names[2:]:
        found = _gitlab(site, names)
    elif host == _BITBUCKET:
        found = _marked("bitbucket", site, names, ("src",))
    elif names[:1] == ("projects",) and names[2:3] == ("repos",) and names[4:5] == ("browse",):
        ref = _at(parts.query)
        found = ForgeFile("bitbucket-server", site, names[:4], ref, names[5:], len(names) == 5)
    elif host == _RAW_GITHUB and len(names) > 3:
        found = ForgeFile("github-raw", site, names[:2], names[2], names[3:])
    elif names[2:3] == ("src",) and names[3:4] in (("branch",), ("tag",), ("commit",)):
        if len(names) > 4:
            ref = f"{names[3]}/{names[4]}"
            found = ForgeFile("gitea", site, names[:2], ref, names[5:], len(names) == 5)
    else:
        found = _marked("github", site, names, ("blob", "tree"))
    return found


def is_hidden_step(name: str) -> bool:
    """Whether a name of a percent-encoded path is or hides `.` or `..`, a backslash or a NUL."""
    decoded = unquote(name)
    steps = decoded.split("/")
    return "." in steps or ".." in steps or "\0" in decoded or "\\" in decoded


def join_names(folder: tuple[str, ...], relative: str) -> tuple[str, ...]:
    """The path that a relative one means in a folder, both percent-encoded; globs stay globs.

    Raises:
        Forbidden: it leads above the first folder, begins at the root, or hides where it leads.
    """
    names = list(folder)
    if relative.startswith("/"):
        raise _leads_out(relative)
    for name in relative.split("/"):
        if name == "..":
            if not names:
                raise _leads_out(relative)
            names.pop()
        elif name not in ("", "."):
            if is_hidden_step(name) or "%2f" in name.lower():
                raise Forbidden(f"{relative[:200]!r} hides where it leads to.")
            names.append(quote(name, safe=_SAFE))
    return tuple(names)


def _leads_out(relative: str) -> Forbidden:
    return Forbidden(
        f"{relative[:200]!r} leads out of the repository or host.",
        next="Write a path relative to the file, or register the other location by itself.",
    )


def _gitlab(site: str, names: tuple[str, ...]) -> ForgeFile | None:
    at = names.index("-", 2)
    if len(names) < at + 3 or names[at + 1] not in ("blob", "tree", "raw"):
        return None
    folder = names[at + 1] == "tree" or len(names) == at + 3
    return ForgeFile("gitlab", site, names[:at], names[at + 2], names[at + 3 :], folder)


def _marked(
    kind: ForgeKind, site: str, names: tuple[str, ...], marks: tuple[str, ...]
) -> ForgeFile | None:
    if len(names) < 4 or names[2] not in marks:
        return None
    folder = names[2] == "tree" or len(names) == 4
    return ForgeFile(kind, site, names[:2], names[3], names[4:], folder)


def _at(query: str) -> str:
    for field in query.split("&"):
        name, _, value = field.partition("=")
        if name == "at":
            return value
    return ""
