"""Workers that are killed in the middle: what they began is finished, and made once."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable

import psycopg
import pytest

from towpath_core.provisioning import PlanRequest, ResourceHandle
from towpath_core.testing import RecordingTools
from towpath_postgres.provisioner import PostgresProvisioner

Ask = Callable[..., PlanRequest]
Work = Callable[[RecordingTools], object]


class KillingTools(RecordingTools):
    """Kills its own process at the nth statement."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def check(self) -> None:
        super().check()
        if self.checks == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Work, tools: RecordingTools, *, kill_after: float | None = None) -> bool:
    """Do work in a child process; whether it came to its end alive and well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: we know
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work(tools)
            status = 0
        finally:
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def handle(request: PlanRequest) -> ResourceHandle:
    return ResourceHandle(request.resource_id, request.name, request.offering, {}, "")


def census(root: psycopg.Connection, request: PlanRequest) -> tuple[int, int, int]:
    """How many databases, owner roles and login roles there are of a request."""
    mark = f"resource={request.resource_id}"
    row = root.execute(
        "SELECT (SELECT count(*) FROM pg_database WHERE datname ~ %(name)s),"
        " (SELECT count(*) FROM pg_roles WHERE rolname ~ %(name)s AND NOT rolcanlogin),"
        " (SELECT count(*) FROM pg_shdescription WHERE description LIKE %(login)s)",
        {"name": f"^{request.name.lower()}_", "login": f"towpath:binding=%;{mark}"},
    ).fetchone()
    assert row
    return row[0], row[1], row[2]


@pytest.fixture
def request_(ask: Ask) -> PlanRequest:
    return ask(f"Crash{os.urandom(4).hex()}")


def survive_kills(work: Work) -> int:
    """Repeat work that is killed at its first statement, its second, ... until it ends."""
    for at in range(1, 100):
        if in_child(work, KillingTools(at)):
            return at - 1
    raise AssertionError("it never ends")


def test_killed_at_every_statement_the_database_is_made_once_and_removed_whole(
    provisioner: PostgresProvisioner, root: psycopg.Connection, request_: PlanRequest
) -> None:
    kills = survive_kills(lambda tools: provisioner.apply(request_, tools))
    assert kills >= 10
    assert census(root, request_) == (1, 1, 0)
    assert [change.action for change in provisioner.plan(request_)] == ["none"]

    survive_kills(lambda tools: provisioner.bind(handle(request_), "b", tools))
    assert census(root, request_) == (1, 1, 1)
    values = provisioner.bind(handle(request_), "b", RecordingTools()).values
    psycopg.connect(values["uri"]).close()

    survive_kills(lambda tools: provisioner.unbind(handle(request_), "b", {}, tools))
    assert census(root, request_) == (1, 1, 0)
    provisioner.bind(handle(request_), "b", RecordingTools())

    assert survive_kills(lambda tools: provisioner.delete(handle(request_), tools)) >= 5
    assert census(root, request_) == (0, 0, 0)


def test_killed_in_the_middle_of_statements_the_next_worker_finishes(
    provisioner: PostgresProvisioner, root: psycopg.Connection, ask: Ask
) -> None:
    began = time.monotonic()
    provisioner.apply(ask(f"Crash{os.urandom(4).hex()}"), RecordingTools())
    whole = time.monotonic() - began
    for part in range(10):
        request = ask(f"Crash{os.urandom(4).hex()}")

        def work(tools: RecordingTools, request: PlanRequest = request) -> object:
            return provisioner.apply(request, tools)

        in_child(work, RecordingTools(), kill_after=whole * part / 10)
        applied = provisioner.apply(request, RecordingTools())
        assert census(root, request) == (1, 1, 0)
        assert provisioner.read(handle(request)) == applied
        assert [change.action for change in provisioner.plan(request)] == ["none"]
