"""Names that git and a repository's address are made of, by grammar. Knows text only."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from towpath_core.errors import Invalid, Place, Problem

__all__ = ("check_branch", "is_git_folder", "is_ref_name", "repository_path")

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{")
# HFS+ looks past these when it compares names, so ".g\u200cit" is ".git" on a Mac.
_INVISIBLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_MAX_REF = 255
_MAX_FOLDERS = 8


def repository_path(repo_url: str) -> tuple[str, ...]:
    """Read `publish:git`'s `repoUrl`: the folders of the owner, and the repository's name.

    Takes what Backstage's RepoUrlPicker gives (`host?owner=acme&repo=shop`; the host says
    nothing here, a `workspace`, `project` or `organization` stands in for the owner), and plain
    `acme/shop` or `shop`.

    Raises:
        Invalid: it is no such text, or a name in it is not letters, digits and `._-`. Code `repo`.
    """
    if "?" in repo_url:
        fields = dict(parse_qsl(repo_url.partition("?")[2], keep_blank_values=True))
        owners = (fields.get(key) for key in ("owner", "workspace", "project", "organization"))
        owner = next((found for found in owners if found), "")
        path = f"{owner}/{fields.get('repo', '')}" if owner else fields.get("repo", "")
    else:
        path = repo_url.strip("/")
    names = path.removesuffix(".git").split("/")
    for name in names:
        if fault := _name_fault(name):
            raise _invalid("repo", f"{name[:100]!r} cannot name a repository: {fault}.", "/repoUrl")
    if len(names) > _MAX_FOLDERS:
        raise _invalid("repo", f"The owner has more than {_MAX_FOLDERS} parts.", "/repoUrl")
    return tuple(names)


def _name_fault(name: str) -> str | None:
    if not name:
        return "a name is empty"
    if not _SEGMENT.fullmatch(name):
        return "use letters, digits and ._-, a letter or digit first, at most 100"
    if ".." in name or name.endswith("."):
        return "dots may not follow each other or end it"
    if name.lower().endswith((".git", ".lock")):
        return "it ends like a file of git's own"
    return None


def check_branch(name: str) -> str:
    """Refuse a name for a new branch that some system could take for something else.

    Stricter than git: ASCII letters, digits and `._/-`.

    Raises:
        Invalid: code `branch`.
    """
    if not _BRANCH.fullmatch(name) or not is_ref_name(name) or name == "HEAD":
        message = f"{name[:100]!r} cannot name a branch; use letters, digits and ._/-."
        raise _invalid("branch", message, "/defaultBranch")
    return name


def is_ref_name(name: str) -> bool:
    """Whether git takes that name for a branch or tag (git-check-ref-format, rules 1 to 10)."""
    parts = name.split("/")
    return (
        0 < len(name.encode(errors="replace")) <= _MAX_REF
        and not _NOT_IN_REF.search(name)
        and name.isprintable()
        and not name.startswith(("-", "/"))
        and not name.endswith(("/", "."))
        and name != "@"
        and not any(part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def is_git_folder(name: str) -> bool:
    """Whether some file system takes that name for `.git`."""
    bare = _INVISIBLE.sub("", name).partition(":")[0].rstrip(" .").casefold()
    return bare in (".git", "git~1")


def _invalid(code: str, message: str, pointer: str) -> Invalid:
    return Invalid(message, problems=[Problem(code, message, Place(pointer=pointer))])
