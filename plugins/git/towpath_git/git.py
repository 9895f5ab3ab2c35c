"""The one place where the git binary is called.

Owns how: nothing of the machine's or of a repository's making may change what a command does.

Commands are argument lists; operands that others chose come in through standard input, or where
no option can stand. Hooks, filters, submodules, prompts and the configuration of system and user
are off, and so are transports where no `Access` opens one. Knows nothing of what the commands are
for.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from towpath_core.errors import LimitExceeded, TowpathError, Unavailable

__all__ = ("Access", "Git", "GitOutput", "masked")

_MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_MAX_STDERR_BYTES = 16 * 1024
_SHOWN_CHARACTERS = 500
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.quotePath=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
# What git is told besides PATH. No transport at all is allowed, where no `Access` says otherwise.
_ENVIRONMENT: Mapping[str, str] = {
    "HOME": os.devnull,
    "XDG_CONFIG_HOME": os.devnull,
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}


class GitOutput(msgspec.Struct, frozen=True):
    """What a command answered: its exit status and its standard output."""

    status: int
    output: bytes


class Access(msgspec.Struct, frozen=True):
    """One transport that a command may use, and how. Shows nothing in its repr.

    Attributes:
        protocol: `https` or `http`.
        config: settings that everybody may see.
        secrets: settings that only the environment of the process holds.
        file_bytes: most bytes of one file that the command may write.
    """

    protocol: str
    config: Mapping[str, str]
    secrets: Mapping[str, str]
    file_bytes: int

    def __repr__(self) -> str:
        """Name the protocol alone."""
        return f"Access({self.protocol})"

    @property
    def environment(self) -> dict[str, str]:
        """What git is told about it."""
        found = {"GIT_ALLOW_PROTOCOL": self.protocol, "GIT_CONFIG_COUNT": str(len(self.secrets))}
        for number, (name, value) in enumerate(self.secrets.items()):
            found[f"GIT_CONFIG_KEY_{number}"] = name
            found[f"GIT_CONFIG_VALUE_{number}"] = value
        return found


# The kernel holds a command to the size of its files; git itself has no such limit for a fetch.
_LIMITED = ("/bin/sh", "-c", 'ulimit -f "$1" && shift && exec "$@"', "sh")
_BLOCK_BYTES = 512


class Git:
    """Calls git. Safe to share between threads.

    Args:
        failure: class of the error for a command that fails.
        timeout_seconds: time that one command may take.

    Every method raises:
        Unavailable: git is not installed, or did not come to an end in time.
        LimitExceeded: it answered with more than is taken.
        the class given as `failure`: it failed; the end of what it said is the reason.
    """

    def __init__(self, failure: type[TowpathError], *, timeout_seconds: float = 60.0) -> None:
        self._failure = failure
        self._timeout = timeout_seconds

    def run(
        self,
        arguments: Sequence[str],
        *,
        repository: Path | None = None,
        work_tree: Path | None = None,
        given: bytes = b"",
        also_good: frozenset[int] = frozenset(),
        access: Access | None = None,
    ) -> GitOutput:
        """Run a command to its end.

        Args:
            arguments: the command and its arguments.
            repository: its git directory.
            work_tree: its work tree, which is then the working directory too.
            given: what it reads from standard input.
            also_good: exit statuses besides 0 that mean no failure.
            access: the transport that it may use; without, none.
        """
        call = _Call(arguments, repository, work_tree, also_good, access)
        with _stored(given) as stdin, self._running(call, stdin) as process:
            output = _bounded(_pipe(process.stdout))
        return GitOutput(process.returncode, output)

    @contextmanager
    def answers(
        self, arguments: Sequence[str], *, repository: Path, given: bytes
    ) -> Iterator[IO[bytes]]:
        """Read what a command answers, as it comes. Leaving the block early ends the command."""
        call = _Call(arguments, repository)
        with _stored(given) as stdin, self._running(call, stdin) as process:
            yield _pipe(process.stdout)

    @contextmanager
    def feed(self, arguments: Sequence[str], *, repository: Path) -> Iterator[IO[bytes]]:
        """Write what a command reads. It has ended, and well, when the block is left."""
        call = _Call(arguments, repository)
        with self._running(call, subprocess.PIPE, subprocess.DEVNULL) as process:
            yield _pipe(process.stdin)

    @contextmanager
    def _running(
        self, call: _Call, stdin: IO[bytes] | int, stdout: int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[bytes]]:
        with tempfile.TemporaryFile() as stderr:
            process = _start(call, stdin, stdout, stderr)
            expired = threading.Event()
            timer = threading.Timer(self._timeout, _expire, (process, expired))
            timer.start()
            try:
                # A broken pipe means that git gave up: it says why itself.
                with contextlib.suppress(BrokenPipeError):
                    yield process
                _close(process)
                process.wait()
            finally:
                timer.cancel()
                _kill(process)
                _close(process)
                process.wait()
            if expired.is_set():
                raise Unavailable(f"git {call.name} did not end within {self._timeout:g} seconds.")
            if process.returncode != 0 and process.returncode not in call.also_good:
                raise self._failure(f"git {call.name} failed.", why=_reason(call, stderr))


class _Call(msgspec.Struct, frozen=True):
    arguments: Sequence[str]
    repository: Path | None = None
    work_tree: Path | None = None
    also_good: frozenset[int] = frozenset()
    access: Access | None = None

    @property
    def name(self) -> str:
        return self.arguments[0]

    @property
    def command(self) -> list[str]:
        command = ["git", "--no-pager"]
        if self.access is not None:
            blocks = max(1, self.access.file_bytes // _BLOCK_BYTES)
            command = [*_LIMITED, str(blocks), *command]
        more = self.access.config.items() if self.access is not None else ()
        for setting in (*_CONFIG, *(f"{name}={value}" for name, value in more)):
            command += ["-c", setting]
        if self.repository is not None:
            # The platform's own account may not be the one that made the repository.
            command += ["-c", f"safe.directory={self.repository}", f"--git-dir={self.repository}"]
        if self.work_tree is not None:
            command.append(f"--work-tree={self.work_tree}")
        return [*command, *self.arguments]


def _start(
    call: _Call, stdin: IO[bytes] | int, stdout: int, stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
    if call.access is not None:
        environment |= call.access.environment
    try:
        return subprocess.Popen(
            call.command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=call.work_tree or "/",
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(
            "git cannot be started.",
            why=os.strerror(error.errno or 0),
            next="Install git 2.32 or later where the platform runs.",
        ) from None


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command with all that it started; harmless when it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the command was started without this pipe")
    return pipe


@contextmanager
def _stored(given: bytes) -> Iterator[IO[bytes]]:
    """A file to read from: with a pipe, both sides could wait for each other."""
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        yield file


def _bounded(pipe: IO[bytes]) -> bytes:
    output = pipe.read(_MAX_OUTPUT_BYTES + 1)
    if len(output) > _MAX_OUTPUT_BYTES:
        raise LimitExceeded(f"git answered with more than {_MAX_OUTPUT_BYTES} bytes.")
    return output


def _reason(call: _Call, stderr: IO[bytes]) -> str:
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _MAX_STDERR_BYTES))
    said = masked(stderr.read().decode(errors="replace")).strip()
    for path in (call.repository, call.work_tree):
        if path is not None:
            said = said.replace(str(path), path.name)
    return said[-_SHOWN_CHARACTERS:] or "It did not say why."


def masked(text: str) -> str:
    """Text without the users and passwords of the urls in it."""
    return _USERINFO.sub("", text)
