"""What goes wrong for real: killed processes, disks that refuse, files that are in the way."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from towpath_core.errors import LimitExceeded, StepFailed, Unavailable
from towpath_core.testing import RecordingTools
from towpath_sqlite import database
from towpath_sqlite.folder import DatabaseFolder, file_name
from towpath_sqlite.provisioner import SqliteProvisioner

ID = "0198c0de-0000-7000-8000-00000000000{}"
CHILD = """
import os, sys
from pathlib import Path
from towpath_core.errors import TowpathError
from towpath_core.provisioning import PlanRequest, ResourceHandle
from towpath_core.testing.tools import RecordingTools
from towpath_sqlite.provisioner import SqliteProvisioner

def ask(number):
    wish = {"max_size_mib": 64, "journal_mode": "wal"}
    return PlanRequest(ID.format(number), "shop", "sqlite-database", wish, "group:default/shop")

def handle(request):
    return ResourceHandle(*(getattr(request, one) for one in
        ("resource_id", "name", "offering", "parameters", "owner_ref")))

backend = SqliteProvisioner(Path(sys.argv[1]))
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"ID = {ID!r}\n{CHILD}\n{code}", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def files(folder):
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_killed_at_a_step_apply_is_finished_by_the_next(folder, backend, ask, stop):
    child = start(
        f"""
class Stopping(RecordingTools):
    def check(self):
        super().check()
        if self.checks == {stop}:
            print("here", flush=True)
            sys.stdin.read()

backend.apply(ask(1), Stopping())
""",
        folder,
    )
    assert child.stdout.readline() == "here\n"
    kill(child)
    left = [] if not folder.exists() else files(folder)
    assert not any(name.endswith(".db") for name in left)
    assert stop < 3 or left, "the third stop is meant to be after the draft was written"

    backend.apply(ask(resource_id=ID.format(1), name="shop"), RecordingTools())

    assert files(folder) == [file_name(ID.format(1), "shop")]


def test_killed_at_any_moment_it_leaves_whole_files_or_none(folder, backend, ask, handle):
    for milliseconds in (0, 1, 2, 3, 5, 8, 13, 21):
        child = start(
            """
print("here", flush=True)
while True:
    for number in range(4):
        backend.apply(ask(number), RecordingTools())
    for number in range(4):
        backend.delete(handle(ask(number)), RecordingTools())
""",
            folder,
        )
        assert child.stdout.readline() == "here\n"
        time.sleep(milliseconds / 1000)  # the moment is the point, any will do
        kill(child)

        for name in files(folder) if folder.exists() else []:
            if name.endswith(".db"):
                with closing(sqlite3.connect(folder / name)) as found:
                    assert found.execute("SELECT count(*) FROM _towpath").fetchone() == (1,)
                    assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    requests = [ask(resource_id=ID.format(number), name="shop") for number in range(4)]
    for request in requests:
        backend.apply(request, RecordingTools())
    assert files(folder) == sorted(file_name(one.resource_id, "shop") for one in requests)
    for request in requests:
        backend.delete(handle(request), RecordingTools())
    assert files(folder) == []


def test_a_journal_that_was_left_behind_is_not_replayed_into_the_next_file(folder, backend, ask):
    folder.mkdir()
    request = ask()
    name = file_name(request.resource_id, request.name)
    for suffix in ("-journal", "-wal", "-shm"):
        (folder / f"{name}{suffix}").write_bytes(b"left by a delete that was killed")

    backend.apply(request, RecordingTools())

    assert files(folder) == [name]


def test_processes_that_apply_together_make_one_file(folder, ask):
    code = """
print("here", flush=True)
sys.stdin.read()
print(backend.apply(ask(1), RecordingTools()).outputs["path"])
"""
    children = [start(code, folder) for _ in range(3)]
    for child in children:
        assert child.stdout.readline() == "here\n"
    for child in children:
        child.stdin.close()
    answers = [child.stdout.read() for child in children]
    for child in children:
        child.stdout.close()
        assert child.wait() == 0

    assert len(set(answers)) == 1
    assert files(folder) == [file_name(ID.format(1), "shop")]


def test_a_folder_that_may_not_be_written_is_a_typed_error():
    # Below /tmp, as the user that the child becomes may not enter this test's own folder.
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made) / "databases"
        folder.mkdir()
        Path(made).chmod(0o755)
        folder.chmod(0o555)
        child = start(
            """
if os.geteuid() == 0:  # root may write everywhere
    os.setuid(65534)
for call in (lambda: backend.apply(ask(1), RecordingTools()),
             lambda: backend.delete(handle(ask(1)), RecordingTools())):
    try:
        call()
    except TowpathError as error:
        print(type(error).__name__, error)
""",
            folder,
        )
        said, _ = child.communicate()
        folder.chmod(stat.S_IRWXU)

        assert [line.split()[0] for line in said.splitlines()] == ["StepFailed", "StepFailed"]
        assert "Permission denied" in said and "[plugins.sqlite]" in said
        assert made not in said
        assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_read_is_not_taken_for_empty():
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made) / "databases"
        folder.mkdir(mode=0o700)
        Path(made).chmod(0o755)
        folder.chmod(0o000)
        child = start(
            """
if os.geteuid() == 0:
    os.setuid(65534)
try:
    print(backend.read(handle(ask(1))))
except TowpathError as error:
    print(type(error).__name__, error)
""",
            folder,
        )
        said, _ = child.communicate()
        folder.chmod(stat.S_IRWXU)

        assert said.startswith("StepFailed ")


def test_a_full_disk_is_unavailable_and_leaves_nothing(folder, backend, ask):
    child = start(
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    backend.apply(ask(1), RecordingTools())
except TowpathError as error:
    print(type(error).__name__)
""",
        folder,
    )
    said, _ = child.communicate()

    assert said == "Unavailable\n"
    assert files(folder) == []
    backend.apply(ask(), RecordingTools())


def test_a_database_that_is_in_use_is_unavailable(backend, ask, handle, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    request = ask(journal_mode="delete")
    path = backend.apply(request, RecordingTools()).outputs["path"]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for call in (
            lambda: backend.plan(request),
            lambda: backend.read(handle(request)),
            lambda: backend.apply(request, RecordingTools()),
            lambda: backend.bind(handle(request), "one", RecordingTools()),
        ):
            with pytest.raises(Unavailable, match="locked"):
                call()
        other.execute("ROLLBACK")
    assert backend.read(handle(request)) is not None


def test_a_strangers_file_is_left_alone(folder, backend, ask, handle):
    request = ask()
    folder.mkdir()
    place = folder / file_name(request.resource_id, request.name)
    with closing(sqlite3.connect(place)) as stranger, stranger:
        stranger.execute("CREATE TABLE payroll (id INTEGER)")
    before = place.read_bytes()

    assert backend.read(handle(request)) is None
    with pytest.raises(StepFailed, match="Another file"):
        backend.apply(request, RecordingTools())
    backend.delete(handle(request), RecordingTools())

    assert place.read_bytes() == before
    assert files(folder) == [place.name]


def test_a_database_of_another_resource_is_left_alone(folder, backend, ask, handle):
    mine, other = ask(), ask()
    path = Path(backend.apply(other, RecordingTools()).outputs["path"])
    twin = path.with_name(file_name(mine.resource_id, mine.name))
    path.rename(twin)

    assert backend.read(handle(mine)) is None
    backend.delete(handle(mine), RecordingTools())

    assert files(folder) == [twin.name]


def test_a_link_is_not_followed(folder, backend, ask, handle, tmp_path):
    request = ask()
    elsewhere = SqliteProvisioner(tmp_path / "elsewhere")
    path = Path(elsewhere.apply(request, RecordingTools()).outputs["path"])
    folder.mkdir()
    (folder / path.name).symlink_to(path)

    assert backend.read(handle(request)) is None
    with pytest.raises(StepFailed, match="Another file"):
        backend.apply(request, RecordingTools())
    backend.delete(handle(request), RecordingTools())

    assert path.exists() and (folder / path.name).is_symlink()


def test_a_damaged_file_is_told_and_kept(folder, backend, ask, handle):
    request = ask(journal_mode="delete")
    path = Path(backend.apply(request, RecordingTools()).outputs["path"])
    path.write_bytes(b"this was a database once" * 400)

    for call in (
        lambda: backend.plan(request),
        lambda: backend.read(handle(request)),
        lambda: backend.apply(request, RecordingTools()),
        lambda: backend.delete(handle(request), RecordingTools()),
    ):
        with pytest.raises(StepFailed, match="damaged"):
            call()
    assert path.exists()


def test_waiting_for_the_lock_ends_with_the_deadline(folder, backend, ask):
    with DatabaseFolder(folder).locked(RecordingTools()):
        started = time.monotonic()
        with pytest.raises(LimitExceeded, match="deadline"):
            backend.apply(ask(), RecordingTools(seconds=0.1))

        assert time.monotonic() - started < 60


def test_bind_without_a_database_fails(backend, ask, handle):
    with pytest.raises(StepFailed, match="no database"):
        backend.bind(handle(ask()), "one", RecordingTools())


def test_a_file_in_place_of_the_folder_is_a_typed_error(folder, backend, ask):
    folder.write_text("not a folder")

    with pytest.raises(StepFailed):
        backend.apply(ask(), RecordingTools())
    assert folder.read_text() == "not a folder"


def test_reading_while_others_make_and_delete_never_fails(
    folder, backend, ask, handle, monkeypatch
):
    # Who holds the lock may stand still for as long as a disk is busy.
    monkeypatch.setattr(database, "BUSY_SECONDS", 60.0)
    request = ask()
    child = start(
        """
print("here", flush=True)
for _ in range(60):
    backend.apply(ask(1), RecordingTools())
    backend.delete(handle(ask(1)), RecordingTools())
print("done", flush=True)
""",
        folder,
    )
    request = ask(resource_id=ID.format(1), name="shop")
    answers = set()
    while child.poll() is None:
        found = backend.read(handle(request))
        answers.add(None if found is None else found.outputs["journal_mode"])
    said, _ = child.communicate()

    assert said.endswith("done\n")
    assert answers <= {None, "wal"}
