"""The parent's half: opens child processes and tells what happens to them as platform errors.

A session holds one child for one run, because Jinja2's sandbox stops escapes and not bombs: only a
process can be limited and killed. Nothing that comes from the child is trusted to be well-formed.
"""

from __future__ import annotations

import json
import signal
import threading
import time
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn

from towpath_backstage.language.lexer import COOKIECUTTER, SCAFFOLDER, has_tags
from towpath_backstage.language.payloads import encoded
from towpath_backstage.language.transport import Child, ChildGarbled, ChildLate, ChildLost
from towpath_backstage.language.wire import MEMORY_EXIT, largest_answer
from towpath_core.errors import Invalid, LimitExceeded, Place, Problem, TowpathError, Unavailable
from towpath_core.scaffolding import UNDEFINED, FileOptions, RenderLimits

__all__ = ("Nunjucks", "Session")

_MODULE = "towpath_backstage.language.child"
_START_SECONDS = 30.0
_ANSWERS: dict[str, type] = {"value": object, "truthy": bool, "text": str}
"""What the child may answer to each operation."""


class Nunjucks:
    """The template language of Backstage's scaffolder."""

    name = "nunjucks"
    api_versions = frozenset({"scaffolder.backstage.io/v1beta3"})

    def open(self, limits: RenderLimits) -> Session:
        """Start a session in a child process that holds no secret and no environment.

        Returns at once; the first render waits for the child.

        Raises:
            Unavailable: no process can be started.
        """
        return Session(limits)


class Session:
    """An open child process that renders for one run. Close it after use, or use it in a `with`.

    One call runs at a time; others wait. The functions `always()` and `failure()` are there in
    every template; `failure()` answers what the context has under the key `$failed`, which no
    template sees. A method such as `push` changes a value for the one template that calls it.

    Besides the errors of the contract, every method raises Unavailable when the child process could
    not be started or the session is closed.
    """

    def __init__(self, limits: RenderLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._ready = False
        self._sent: bytes | None = None
        self._lost: TowpathError | None = None
        try:
            self._child = Child(_MODULE)
        except OSError as error:
            raise Unavailable(
                "The process that renders templates cannot be started.", why=error.strerror
            ) from error
        self._end = weakref.finalize(self, self._child.end)

    def __enter__(self) -> Session:
        """Give the session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the session."""
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    def value(self, template: Any, context: Mapping[str, Any]) -> Any:
        """Render all strings inside a JSON value.

        A string that is exactly one `${{ expression }}` gives the expression's own type, any other
        string a text. A key whose value is undefined disappears, an undefined item of a list
        becomes None, and the top may be `UNDEFINED`. NaN and infinite numbers come out as floats,
        although JSON has none. Keys are not rendered. Tuples come out as lists and keys as strings.

        Raises:
            Invalid: a template is wrong; its problem (code `template`) has the line in the string
                and the string's JSON pointer.
            LimitExceeded: a limit was used up; the session is lost.
        """
        payload = encoded(template, "template")
        if not has_tags(payload.decode()):
            self._check_size(len(payload))
            return json.loads(payload)
        return self._ask("value", payload, context)

    def truthy(self, template: str | bool | None, context: Mapping[str, Any]) -> bool:
        """Evaluate a step's `if`: JavaScript's truth, where an empty list is false too.

        A step without `if` runs, so None is true. The text `false` is true, as in Backstage.

        Raises:
            Invalid: the template is wrong, with line.
            LimitExceeded: a limit was used up; the session is lost.
        """
        if not isinstance(template, str):
            return template is not False
        if not has_tags(template):
            return template != ""
        return bool(self._ask("truthy", encoded(template, "template"), context))

    def text(
        self, template: str, context: Mapping[str, Any], options: FileOptions | None = None
    ) -> str:
        """Render a file's content or its name; without tags it comes out byte for byte.

        With `options.cookiecutter` expressions stand in `{{ }}`, and the context's `values` are
        there as `cookiecutter` too.

        Raises:
            Invalid: the template is wrong, with line.
            LimitExceeded: a limit was used up; the session is lost.
        """
        chosen = options or FileOptions()
        if not has_tags(template, COOKIECUTTER if chosen.cookiecutter else SCAFFOLDER):
            self._check_size(len(template.encode("utf-8", "surrogatepass")))
            return template
        return str(self._ask("text", encoded(template, "template"), context, chosen))

    def close(self) -> None:
        """End the child process; harmless when it is gone. A call that is running fails."""
        self._child.kill()
        with self._lock:
            self._end()
            self._lost = self._lost or Unavailable(
                "The render session is closed.", next="Open a new one."
            )

    def _ask(
        self,
        operation: str,
        template: bytes,
        context: Mapping[str, Any],
        options: FileOptions | None = None,
    ) -> Any:
        variables = encoded(context, "context")
        chosen = options or FileOptions()
        with self._lock:
            if self._lost is not None:
                raise self._lost
            fresh = variables != self._sent
            head = {
                "op": operation,
                "fresh": fresh,
                "cookiecutter": chosen.cookiecutter,
                "lstrip_blocks": chosen.lstrip_blocks,
                "trim_blocks": chosen.trim_blocks,
            }
            request = json.dumps(head).encode()[:-1] + b',"template":' + template + b"}"
            answer = self._answer([request, variables] if fresh else [request])
            self._sent = variables
            value = self._understood(answer)
            if not isinstance(value, _ANSWERS[operation]):
                self._garbled()
            return value

    def _answer(self, payloads: list[bytes]) -> bytes:
        """Send a request and wait for its answer; any failure loses the session."""
        try:
            if not self._ready:
                self._start()
            deadline = time.monotonic() + self._limits.wall_seconds
            self._child.send(payloads, deadline)
            return self._child.receive(largest_answer(self._limits.output_bytes), deadline)
        except ChildLate:
            self._lose(_exceeded("wall_seconds", f"{self._limits.wall_seconds:g} seconds"))
        except ChildGarbled:
            self._garbled()
        except ChildLost as lost:
            self._lose(_death(lost.status, self._limits))

    def _start(self) -> None:
        """Give the child its limits and wait until they hold; no template is sent before."""
        limits = {
            "cpu_seconds": self._limits.cpu_seconds,
            "memory_bytes": self._limits.memory_bytes,
            "output_bytes": self._limits.output_bytes,
        }
        deadline = time.monotonic() + _START_SECONDS
        try:
            self._child.send([json.dumps(limits).encode()], deadline)
            self._ready = self._child.receive(1024, deadline) == b'{"ready":true}'
        except ChildLate:
            self._lose(_not_started(f"it is not ready after {_START_SECONDS:g} seconds"))
        except ChildLost as lost:
            self._lose(_not_started(f"it ended with status {lost.status}"))
        if not self._ready:
            self._garbled()

    def _understood(self, answer: bytes) -> Any:
        try:
            told = json.loads(answer)
        except (ValueError, RecursionError):
            self._garbled()
        if not isinstance(told, dict) or len(told) != 1:
            self._garbled()
        if "value" in told:
            return told["value"]
        if "undefined" in told:
            return UNDEFINED
        if "limit" in told:
            self._lose(_exceeded("output_bytes", f"{self._limits.output_bytes} bytes"))
        fault = told.get("fault")
        if not isinstance(fault, dict):
            self._garbled()
        raise _invalid(fault)

    def _check_size(self, size: int) -> None:
        if size > self._limits.output_bytes:
            raise _exceeded("output_bytes", f"{self._limits.output_bytes} bytes")

    def _garbled(self) -> NoReturn:
        self._lose(
            LimitExceeded(
                "The process that renders templates gave an answer that cannot be read.",
                next="Open a new session.",
            )
        )

    def _lose(self, error: TowpathError) -> NoReturn:
        """Give the child up; every later call tells the same."""
        self._end()
        self._lost = error
        raise error from None


def _invalid(fault: Mapping[str, Any]) -> Invalid:
    message, line, pointer = (fault.get(key) for key in ("message", "line", "pointer"))
    said = str(message)[:1000]
    place = Place(
        line=line if isinstance(line, int) else None,
        pointer=pointer if isinstance(pointer, str) and pointer else None,
    )
    parts = [f"line {place.line}"] if place.line else []
    parts += [f"at {place.pointer}"] if place.pointer else []
    where = f" ({' '.join(parts)})" if parts else ""
    return Invalid(
        f"The template cannot be rendered: {said}{where}.",
        problems=[Problem("template", said, place)],
    )


def _exceeded(limit: str, value: str) -> LimitExceeded:
    return LimitExceeded(
        f"Rendering the template used up its limit {limit} of {value}.",
        next="Make the template do less, or raise the limit; then open a new session.",
    )


def _not_started(why: str) -> Unavailable:
    return Unavailable("The process that renders templates did not start.", why=why)


def _death(status: int, limits: RenderLimits) -> LimitExceeded:
    """Tell why a child died while it rendered."""
    names = {-signal_number: signal_number.name for signal_number in signal.Signals}
    name = names.get(status, f"exit status {status}")
    if name == "SIGXCPU":
        return _exceeded("cpu_seconds", f"{limits.cpu_seconds} seconds of processor time")
    if status == MEMORY_EXIT or name in ("SIGSEGV", "SIGABRT", "SIGBUS"):
        return _exceeded("memory_bytes", f"{limits.memory_bytes} bytes")
    return LimitExceeded(
        f"The process that rendered the template was ended from outside ({name}).",
        next="Open a new session.",
    )
