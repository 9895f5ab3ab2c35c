"""Copies of other machines' repositories: shallow, bare, one a repository, fetched when it moved.

A copy holds the tips that were asked for and nothing is ever checked out of it. It may be removed
at any time; the next reading makes it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from towpath_core.catalog import reading_memo
from towpath_core.egress import Egress
from towpath_core.errors import Unavailable
from towpath_git.git import Access, Git
from towpath_git.remote import TOO_LARGE, FoundRef, Refs, access_of, explain, list_refs

__all__ = ("Mirrors",)

_PACKS = 16
_BLOCK = 4096
_KEEP = "1.hour.ago"


class Mirrors:
    """The copies in one folder, which other processes may use at the same time.

    Args:
        folder: where they are kept; made when it is first needed.
        git: how git is called; its errors must be `Unavailable`.
        most_bytes: most bytes of one fetch.
    """

    def __init__(self, folder: Path, git: Git, *, most_bytes: int) -> None:
        self._folder = folder
        self._git = git
        self._most = most_bytes

    def refs(self, egress: Egress, url: str) -> Refs:
        """The refs of a repository, as it has them now; asked once within one reading.

        Raises:
            NotFound: there is no such repository.
            Forbidden: the host is not allowed, or wants a token.
            Unavailable: it does not answer.
        """
        memo = reading_memo()
        known = memo.get((Mirrors, url)) if memo is not None else None
        if isinstance(known, Refs):
            return known
        refs = list_refs(self._git, url, self._access(egress, url))
        if memo is not None:
            memo[Mirrors, url] = refs
        return refs

    def hold(self, egress: Egress, url: str, ref: FoundRef) -> Path:
        """The folder of a copy that holds the commit a ref leads to; fetched if it does not.

        Raises:
            NotFound: the repository does not have it any more.
            Forbidden: the host is not allowed, or wants a token.
            LimitExceeded: it is larger than allowed.
            Unavailable: the host does not answer, or the disk is full.
        """
        bare = self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:40]}.git"
        with self._locked(bare):
            if not self._has(bare, ref.commit):
                self._fetch(bare, url, ref, self._access(egress, url))
        return bare

    def _access(self, egress: Egress, url: str) -> Access:
        self._make_folder()
        return access_of(egress, url, file_bytes=self._most, folder=self._folder)

    def _has(self, bare: Path, commit: str) -> bool:
        if not (bare / "HEAD").is_file():
            return False
        asked = f"{commit}^{{tree}}\n".encode()
        arguments = ["cat-file", "--batch-check=%(objecttype)"]
        return self._git.run(arguments, repository=bare, given=asked).output.strip() == b"tree"

    def _fetch(self, bare: Path, url: str, ref: FoundRef, access: Access) -> None:
        fresh = not (bare / "HEAD").is_file()
        if fresh:
            shutil.rmtree(bare, ignore_errors=True)
            arguments = ["init", "--quiet", "--bare", "--template=", "--", str(bare)]
            self._git.run(arguments)
        _tidy(bare)
        # By its id, so that the copy has what the refs said, though a push came meanwhile.
        wanted = ref.full if ref.full.startswith("refs/tags/") else ref.commit
        # Under names of our own: of two branches one's name may begin the other's, one after
        # the other.
        kept = f"refs/towpath/{hashlib.sha256(ref.full.encode()).hexdigest()[:40]}"
        try:
            try:
                self._fetch_one(bare, url, f"+{wanted}:{kept}", access)
            except Unavailable as error:
                if ref.full in (ref.commit, wanted) or not _is_by_id(error):
                    raise
                # A host that gives no commit by its id gives a branch by its name.
                self._fetch_one(bare, url, f"+{ref.full}:{kept}", access)
        except Unavailable as error:
            if _largest(bare) >= self._most - _BLOCK:
                error.why = TOO_LARGE
            _tidy(bare)
            explain(error, url, access)
        if not self._has(bare, ref.commit):
            raise Unavailable("The repository changed while it was fetched.", next="Try again.")
        if len(list((bare / "objects" / "pack").glob("*.pack"))) > _PACKS:
            self._pack(bare)

    def _pack(self, bare: Path) -> None:
        """Make one pack of many. What another reading may still be at stays for a while."""
        for arguments in (
            ["repack", "-A", "-d", "-q", f"--unpack-unreachable={_KEEP}"],
            ["prune", f"--expire={_KEEP}"],
        ):
            self._git.run(arguments, repository=bare)

    def _fetch_one(self, bare: Path, url: str, refspec: str, access: Access) -> None:
        options = ["--quiet", "--depth=1", "--no-tags", "--force", "--no-write-fetch-head"]
        arguments = ["fetch", *options, "--no-recurse-submodules", "--", url, refspec]
        self._git.run(arguments, repository=bare, access=access)

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"There is no place for copies: {error.strerror}.") from None

    @contextmanager
    def _locked(self, bare: Path) -> Iterator[None]:
        """Keep others, also of other processes, from changing a copy."""
        self._make_folder()
        handle = os.open(bare.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _is_by_id(error: Unavailable) -> bool:
    """Whether a host refused because it was asked for a commit by its id."""
    return "not our ref" in (error.why or "") or "unadvertised" in (error.why or "")


def _largest(bare: Path) -> int:
    """The size of the largest pack that was not finished."""
    sizes = [left.stat().st_size for left in bare.glob("objects/pack/tmp_*")]
    return max(sizes, default=0)


def _tidy(bare: Path) -> None:
    """Remove what a fetch that was ended half-way left behind; nobody else is at it."""
    for pattern in ("objects/pack/tmp_*", "*.lock", "refs/**/*.lock"):
        for left in bare.glob(pattern):
            with contextlib.suppress(OSError):
                left.unlink()
