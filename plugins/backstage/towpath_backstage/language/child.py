"""The child process: sets its limits, then renders what it is asked for until it is told to end.

Run as `python -I -m towpath_backstage.language.child`. It starts without environment, reads from
its standard input only, and from the moment that the first template arrives it can open no file,
write to none and start no process.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import sys
from dataclasses import replace
from typing import Any, BinaryIO

from towpath_backstage.language.faults import OutputTooLarge, TemplateFault
from towpath_backstage.language.lexer import COOKIECUTTER, SCAFFOLDER
from towpath_backstage.language.render import Renderer
from towpath_backstage.language.values import UNDEFINED
from towpath_backstage.language.wire import HEADER, MEMORY_EXIT, framed, largest_answer

__all__ = ("main",)

_WARM_UP = "{% for x in [1] %}${{ loop.index | string | replace(r/1/, x) }}{% endfor %}"


def main() -> None:
    """Serve one session."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    try:
        _serve(source, sink)
    except MemoryError:
        # Nothing may be allocated any more, not even an answer.
        os._exit(MEMORY_EXIT)
    except (EOFError, BrokenPipeError):
        # The parent is gone; so is the reason to be here. What is buffered has no reader.
        os._exit(0)


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    limits = json.loads(_read(source))
    _load()
    _set_limits(limits["cpu_seconds"], limits["memory_bytes"])
    renderer = Renderer(limits["output_bytes"])
    most = largest_answer(limits["output_bytes"])
    _write(sink, b'{"ready":true}')
    while True:
        request = json.loads(_read(source))
        if request["fresh"]:
            renderer.use(_read(source).decode())
        answer = json.dumps(_answer(renderer, request), separators=(",", ":")).encode()
        _write(sink, answer if len(answer) <= most else b'{"limit":"output_bytes"}')


def _load() -> None:
    """Load what Python loads on first use, while files can still be opened."""
    for codec in ("ascii", "utf-8", "utf-16-le", "utf-16-be"):
        codecs.lookup(codec)
    importlib.import_module("unicodedata")
    Renderer(1_000_000).text(_WARM_UP)


def _answer(renderer: Renderer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        value = _rendered(renderer, request)
    except TemplateFault as fault:
        return _refused(fault.message, fault.line, fault.pointer)
    except OutputTooLarge:
        return {"limit": "output_bytes"}
    except RecursionError:
        return _refused("the value is nested too deeply")
    except (MemoryError, EOFError):
        raise
    except Exception as error:
        # The message of a foreign exception may quote a value, so only its type is told.
        return _refused(f"the template language failed ({type(error).__name__})")
    return {"undefined": True} if value is UNDEFINED else {"value": value}


def _refused(message: str, line: int | None = None, pointer: str = "") -> dict[str, Any]:
    return {"fault": {"message": message, "line": line, "pointer": pointer}}


def _rendered(renderer: Renderer, request: dict[str, Any]) -> Any:
    template = request["template"]
    match request["op"]:
        case "value":
            return renderer.value(template)
        case "truthy":
            return renderer.truthy(template)
        case "text":
            dialect = replace(
                COOKIECUTTER if request["cookiecutter"] else SCAFFOLDER,
                trim_blocks=request["trim_blocks"],
                lstrip_blocks=request["lstrip_blocks"],
            )
            return renderer.text(template, dialect)
    raise EOFError


def _read(source: BinaryIO) -> bytes:
    """Read a frame.

    Raises:
        EOFError: there is none any more.
    """
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    (size,) = HEADER.unpack(header)
    payload = source.read(size)
    if len(payload) < size:
        raise EOFError
    return payload


def _write(sink: BinaryIO, payload: bytes) -> None:
    sink.write(framed(payload))
    sink.flush()


def _set_limits(cpu_seconds: int, memory_bytes: int) -> None:
    """Give up for good what a template must not use; a limit the platform lacks is left out."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_NPROC": (0, 0),
        "RLIMIT_NOFILE": (3, 3),
        "RLIMIT_AS": (memory_bytes, memory_bytes),
        "RLIMIT_CPU": (cpu_seconds, cpu_seconds + 1),
    }
    for name, limit in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        try:
            resource.setrlimit(kind, limit)
        except (ValueError, OSError):
            # macOS knows some of these limits and refuses to set them.
            continue


if __name__ == "__main__":
    main()
