"""What another machine's repository says of itself: its refs, and how git may ask it.

Owns the way there: the egress checks the host and gives the addresses, git connects to these and
to nothing else, and the token is in the environment of the one process that needs it.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from towpath_core.egress import Egress, Route
from towpath_core.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from towpath_git.git import Access, Git
from towpath_git.names import is_ref_name

__all__ = ("TOO_LARGE", "FoundRef", "Refs", "access_of", "explain", "list_refs")

TOO_LARGE = "File too large"
"""Why a fetch failed that was ended because of the size of its pack."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_REF_PARTS = 8
_PINNING = (2, 37)
_IDLE = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": "20"}
_SECRET = re.compile(r"(?i)(authorization|basic|bearer)[: ]+\S+")


class FoundRef(msgspec.Struct, frozen=True):
    """A ref that a path begins with.

    Attributes:
        full: its whole name, or a commit's id.
        shown: as it was written.
        commit: the commit it leads to.
        names: how many names of the path it took.
    """

    full: str
    shown: str
    commit: str
    names: int


class Refs(msgspec.Struct, frozen=True):
    """The refs of a repository at one moment: commits by whole name."""

    commits: Mapping[str, str]

    def find(self, names: Sequence[str]) -> FoundRef | None:
        """The ref that a path begins with: a branch before a tag, a tag before a commit's id."""
        for count in range(1, min(len(names), _MAX_REF_PARTS) + 1):
            shown = "/".join(names[:count])
            if not is_ref_name(shown):
                continue
            for full in (f"refs/heads/{shown}", f"refs/tags/{shown}"):
                if full in self.commits:
                    return FoundRef(full, shown, self.commits[full], count)
            if shown == "HEAD" and "HEAD" in self.commits:
                return FoundRef("HEAD", shown, self.commits["HEAD"], count)
        if names and _HASH.fullmatch(names[0]):
            return FoundRef(names[0], names[0], names[0], 1)
        return None


def access_of(egress: Egress, url: str, *, file_bytes: int, folder: Path) -> Access:
    """How git may ask for a url.

    Args:
        egress: checks the host and knows its token.
        url: of the repository.
        file_bytes: most bytes of a pack.
        folder: where a bundle of certificates may be kept.

    Raises:
        Forbidden: the host is not allowed.
        Unavailable: its name leads nowhere.
    """
    route = egress.route(url)
    parts = urlsplit(url)
    config = {
        "http.followRedirects": "false",
        "http.proxy": "",
        "http.sslVerify": "true",
        "credential.helper": "",
        "core.askPass": "",
        "protocol.version": "2",
        "transfer.bundleURI": "false",
        "fetch.unpackLimit": "1",
        **_IDLE,
    }
    if route.host not in route.addresses:
        addresses = ",".join(f"[{one}]" if ":" in one else one for one in route.addresses)
        config["http.curloptResolve"] = f"{route.host}:{route.port}:{addresses}"
    if route.ca_file is not None:
        config["http.sslCAInfo"] = str(_bundle(route.ca_file, folder))
    return Access(parts.scheme, config, _secrets(route, parts.scheme, parts.netloc), file_bytes)


def list_refs(git: Git, url: str, access: Access) -> Refs:
    """Ask a repository for its branches and tags.

    Raises:
        NotFound: there is no such repository.
        Forbidden: it wants a token, or sends on to somewhere else.
        Unavailable: the host does not answer.
    """
    _check_version(git)
    try:
        output = git.run(["ls-remote", "--quiet", "--", url], access=access).output
    except Unavailable as error:
        explain(error, url, access)
    commits: dict[str, str] = {}
    for line in output.decode(errors="replace").splitlines():
        oid, _, name = line.partition("\t")
        if not _HASH.fullmatch(oid):
            continue
        # What a tag with a message leads to comes after the tag itself.
        bare = name.removesuffix("^{}")
        if bare == "HEAD" or is_ref_name(bare.removeprefix("refs/")):
            commits[bare] = oid
    return Refs(commits)


def explain(error: Unavailable, url: str, access: Access) -> NoReturn:
    """Raise what git's failure means.

    Raises:
        NotFound, Forbidden, LimitExceeded, Unavailable: as in `list_refs`.
    """
    why = _SECRET.sub("...", error.why or "")
    name = url.rpartition("/")[2]
    if re.search(r"not found|error: 404|HTTP 404", why, re.IGNORECASE):
        raise NotFound(f"There is no repository {name} there, or a token is needed.") from None
    refused = r"could not read Username|Authentication failed|error: 40[13]|terminal prompts"
    if re.search(refused, why):
        raise Forbidden(
            f"The repository {name} may not be read.",
            next="Give a token of the host in [egress.credentials].",
        ) from None
    if re.search(r"error: 30\d|redirect", why, re.IGNORECASE):
        raise Forbidden(f"The host of {name} sends on to somewhere else.") from None
    if why == TOO_LARGE:
        raise LimitExceeded(
            f"The repository {name} has more than {access.file_bytes:,} bytes.",
            next="Raise `repository_bytes` of the plugin git if it may.",
        ) from None
    raise Unavailable(f"The repository {name} cannot be fetched.", why=why or error.what) from None


def _secrets(route: Route, scheme: str, netloc: str) -> dict[str, str]:
    if route.password is None:
        return {}
    pair = base64.b64encode(f"{route.user}:{route.password}".encode()).decode()
    # For this host alone, whatever it may send on to.
    return {f"http.{scheme}://{netloc}/.extraHeader": f"Authorization: Basic {pair}"}


def _bundle(ca_file: str, folder: Path) -> Path:
    """A file of the system's authorities and those of the settings, which git wants as one."""
    system = ssl.get_default_verify_paths().cafile
    parts = [Path(one) for one in (system, ca_file) if one is not None]
    text = b"\n".join(part.read_bytes() for part in parts if part.is_file())
    path = folder / "authorities.pem"
    if not path.is_file() or path.read_bytes() != text:
        path.write_bytes(text)
    return path


def _check_version(git: Git) -> None:
    words = git.run(["version"]).output.decode(errors="replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    found = tuple(int(number) for number in numbers[:2] if number.isdigit())
    if found < _PINNING:
        raise Unavailable(
            "This git is too old to fetch from other machines.",
            why="It cannot be told which address to connect to.",
            next="Install git 2.37 or later where the platform runs.",
        )
