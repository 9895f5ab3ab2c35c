"""The provisioner: what the platform asks, done on the folder of database files.

Holds no state: what there is, is in the folder. Knows nothing of SQL.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from towpath_core.errors import Invalid, Place, Problem, SettingsError, StepFailed
from towpath_core.provisioning import Applied, Change, Credentials, PlanRequest, ResourceHandle
from towpath_core.runs import StepTools
from towpath_sqlite import database
from towpath_sqlite.database import Stamped
from towpath_sqlite.failures import typed_failures
from towpath_sqlite.folder import DatabaseFolder
from towpath_sqlite.offering import Wish, read_wish

__all__ = ("SqliteProvisioner", "default_folder")


def default_folder() -> Path:
    """Where databases are kept when the settings do not say: `$XDG_DATA_HOME/towpath-sqlite`.

    Without that variable, or when it holds no absolute path, `~/.local/share` takes its place
    (XDG base directory specification).

    Raises:
        SettingsError: there is no home folder either.
    """
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        try:
            data = Path.home() / ".local" / "share"
        except RuntimeError as error:
            raise SettingsError(
                "The plugin sqlite does not know where to keep databases.",
                why="There is no home folder.",
                next="Set `folder` in the table [plugins.sqlite].",
            ) from error
    return data / "towpath-sqlite"


class SqliteProvisioner:
    """Makes, reads and removes SQLite database files, and says how to open them.

    Args:
        folder: where the files are kept, an absolute path; None for `default_folder()`. It is
            made with the first database.
    """

    name = "sqlite"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def plan(self, request: PlanRequest) -> Sequence[Change]:
        """Say whether the file would be made, changed or left as it is.

        Raises:
            Invalid: the parameters are wrong, or smaller than what is in the database.
            Unavailable: the database is in use by somebody who does not let go.
            StepFailed: the folder or the file cannot be read.
        """
        wish, files = read_wish(request.parameters), self._files()
        with typed_failures("read"):
            found = files.find(request.resource_id)
        if found is None:
            place = files.place(request.resource_id, request.name)
            detail = {"max_size_mib": wish.max_size_mib, "journal_mode": wish.journal_mode}
            return [Change("create", f"database {place.name}", detail)]
        file, stamped = found
        _check_fits(stamped, wish)
        if stamped.meets(wish):
            return [Change("none", f"database {file.name}")]
        return [Change("update", f"database {file.name}", _differences(stamped, wish))]

    def apply(self, request: PlanRequest, tools: StepTools) -> Applied:
        """Make the file, or bring the one that is there to the parameters.

        Raises:
            Invalid: the parameters are wrong, or smaller than what is in the database.
            Unavailable: the database is in use, or the disk is full or fails.
            StepFailed: the folder cannot be written, or a stranger's file is in the way.
            Cancelled: the run was asked to stop; the file is there or it is not.
        """
        wish, files = read_wish(request.parameters), self._files()
        tools.check()
        with typed_failures("made"), files.locked(tools):
            found = files.find(request.resource_id)
            if found is None:
                file = files.create(request.resource_id, request.name, wish, tools)
                tools.log(f"made {file.name}")
            else:
                file, stamped = found
                _check_fits(stamped, wish)
                if not stamped.meets(wish):
                    database.change(file, wish)
                    tools.log(f"changed {', '.join(_differences(stamped, wish))} of {file.name}")
        return _applied(file, wish.max_size_mib, wish.journal_mode)

    def read(self, resource: ResourceHandle) -> Applied | None:
        """What the file says of itself, or None where there is no such file.

        Raises:
            Unavailable: the database is in use by somebody who does not let go.
            StepFailed: the folder or the file cannot be read.
        """
        with typed_failures("read"):
            found = self._files().find(resource.resource_id)
        if found is None:
            return None
        file, stamped = found
        return _applied(file, stamped.max_size_mib, stamped.journal_mode)

    def delete(self, resource: ResourceHandle, tools: StepTools) -> None:
        """Remove the file and its side files; programs that hold it open keep what they have.

        Raises:
            Unavailable: the database is in use by somebody who does not let go.
            StepFailed: the folder cannot be written.
            Cancelled: the run was asked to stop; nothing was removed.
        """
        tools.check()
        files = self._files()
        with typed_failures("removed"):
            if not files.exists():
                return
            with files.locked(tools):
                files.remove(resource.resource_id)
        tools.log("removed the database file, if there was one")

    def bind(self, resource: ResourceHandle, binding_id: str, tools: StepTools) -> Credentials:
        """Say how the file is opened: the same answer for every binding.

        Raises:
            Unavailable: the database is in use by somebody who does not let go.
            StepFailed: there is no such file, or it cannot be read.
        """
        with typed_failures("opened"):
            found = self._files().find(resource.resource_id)
            if found is None:
                raise StepFailed("There is no database to bind to.", next="Apply it again.")
            file, stamped = found
            setup = database.setup_sql(file, stamped.max_size_mib)
        return Credentials({"path": str(file), "uri": database.uri_of(file), "setup": setup})

    def unbind(
        self, resource: ResourceHandle, binding_id: str, state: dict[str, Any], tools: StepTools
    ) -> None:
        """Note that a binding ended. SQLite has no users, so the file stays open to its readers."""
        tools.log("SQLite has no users: access ends with permission to read the file")

    def _files(self) -> DatabaseFolder:
        return DatabaseFolder(self._folder or default_folder())


def _applied(file: Path, max_size_mib: int, journal_mode: str) -> Applied:
    outputs = {"path": str(file), "journal_mode": journal_mode, "max_size_mib": max_size_mib}
    return Applied(outputs, {"file": file.name})


def _differences(stamped: Stamped, wish: Wish) -> dict[str, Any]:
    return {
        name: {"from": getattr(stamped, name), "to": getattr(wish, name)}
        for name in ("max_size_mib", "journal_mode")
        if getattr(stamped, name) != getattr(wish, name)
    }


def _check_fits(stamped: Stamped, wish: Wish) -> None:
    if stamped.size_bytes > wish.max_size_mib * 1024 * 1024:
        what = f"the database holds {stamped.size_bytes} bytes already"
        raise Invalid(
            f"The database does not fit into {wish.max_size_mib} MiB.",
            why=f"{what[0].upper()}{what[1:]}.",
            next="Ask for a larger size, or delete data and run VACUUM.",
            problems=[Problem("too-small", what, Place(pointer="/parameters/max_size_mib"))],
        )
