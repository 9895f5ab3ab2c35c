"""The life of a session: start, death, parallel use, and what the child is given."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from towpath_backstage.language import Nunjucks
from towpath_backstage.language import session as session_module
from towpath_backstage.language.session import Session
from towpath_core.errors import Invalid, LimitExceeded, Unavailable
from towpath_core.scaffolding import FileOptions, RenderLimits, TemplateLanguage

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
LIMITS = RenderLimits(cpu_seconds=30, wall_seconds=100.0)


@pytest.fixture
def fresh() -> Iterator[Session]:
    with Nunjucks().open(LIMITS) as session:
        yield session


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_a_template_language() -> None:
    language = Nunjucks()
    assert isinstance(language, TemplateLanguage)
    assert language.name == "nunjucks"
    assert language.api_versions == {"scaffolder.backstage.io/v1beta3"}


def test_a_killed_child_is_told_and_a_new_session_works(fresh: Session) -> None:
    assert fresh.text("${{ 1 }}", {}) == "1"
    os.kill(fresh.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(LimitExceeded, match=r"ended from outside \(SIGKILL\)"):
            fresh.text("${{ 1 }}", {})
    assert gone(fresh.pid)
    with Nunjucks().open(LIMITS) as another:
        assert another.text("${{ 1 }}", {}) == "1"


def test_a_child_that_is_killed_in_the_middle_is_told(fresh: Session) -> None:
    fresh.text("${{ 1 }}", {})
    timer = threading.Timer(0.2, os.kill, (fresh.pid, signal.SIGKILL))
    timer.start()
    source = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"
    with pytest.raises(LimitExceeded, match="SIGKILL"):
        fresh.text(source, {})
    timer.join()


def test_a_request_larger_than_a_pipe_meets_a_dead_child(fresh: Session) -> None:
    fresh.text("${{ 1 }}", {})
    os.kill(fresh.pid, signal.SIGKILL)
    with pytest.raises(LimitExceeded):
        fresh.text("${{ x | length }}", {"x": "y" * 5_000_000})


def test_large_requests_and_answers_pass(fresh: Session) -> None:
    large = "é\n" * 1_000_000
    assert fresh.text("${{ x }}!", {"x": large}) == large + "!"


def test_a_fault_leaves_the_session_alive(fresh: Session) -> None:
    for _ in range(3):
        with pytest.raises(Invalid):
            fresh.text("${{ nope() }}", {})
    assert fresh.text("${{ x }}", {"x": 1}) == "1"


def test_the_context_of_each_call_counts(fresh: Session) -> None:
    contexts: list[dict[str, Any]] = [{"x": 1}, {"x": 1}, {"x": 2}, {}, {"x": 2}]
    assert [fresh.text("${{ x }}", context) for context in contexts] == ["1", "1", "2", "", "2"]


def test_close_is_idempotent_and_ends_the_process() -> None:
    session = Nunjucks().open(LIMITS)
    assert session.text("${{ 1 }}", {}) == "1"
    session.close()
    session.close()
    assert gone(session.pid)
    with pytest.raises(Unavailable, match="closed"):
        session.text("${{ 1 }}", {})


def test_close_before_any_use() -> None:
    session = Nunjucks().open(LIMITS)
    session.close()
    assert gone(session.pid)


def test_close_ends_a_call_that_is_running() -> None:
    session = Nunjucks().open(RenderLimits(cpu_seconds=100, wall_seconds=100.0))
    session.text("${{ 1 }}", {})
    timer = threading.Timer(0.2, session.close)
    timer.start()
    begun = time.monotonic()
    with pytest.raises((LimitExceeded, Unavailable)):
        session.text(
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", {}
        )
    timer.join()
    assert time.monotonic() - begun < 60
    assert gone(session.pid)


def test_a_forgotten_session_takes_its_process_along() -> None:
    session = Nunjucks().open(LIMITS)
    session.text("${{ 1 }}", {})
    pid = session.pid
    del session
    gc.collect()
    assert gone(pid)


def test_two_sessions_work_in_parallel(fresh: Session) -> None:
    with Nunjucks().open(LIMITS) as other, ThreadPoolExecutor(8) as threads:
        sessions = [fresh, other] * 40
        rendered = threads.map(
            lambda pair: pair[1].text("${{ n * 2 }}", {"n": pair[0]}), enumerate(sessions)
        )
        assert list(rendered) == [str(2 * n) for n in range(80)]
        assert other.pid != fresh.pid


@linux
def test_the_child_has_no_environment(fresh: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET", "hunter2")
    with Nunjucks().open(LIMITS) as session:
        session.text("${{ 1 }}", {})
        environment = Path(f"/proc/{session.pid}/environ").read_bytes()
        assert environment == b"LANG=C.UTF-8\0"
        assert b"hunter2" not in Path(f"/proc/{session.pid}/cmdline").read_bytes()


@linux
def test_the_child_is_alone(fresh: Session) -> None:
    with Path(__file__).open("rb") as ours:
        os.set_inheritable(ours.fileno(), True)
        with Nunjucks().open(LIMITS) as session:
            session.text("${{ 1 }}", {})
            process = Path(f"/proc/{session.pid}")
            descriptors = {link.name: str(link.readlink()) for link in (process / "fd").iterdir()}
            assert descriptors.keys() == {"0", "1", "2"}
            assert descriptors["2"] == "/dev/null"
            assert (process / "cwd").readlink() == Path("/")
            assert os.getsid(session.pid) == session.pid


@linux
def test_the_limits_hold_in_the_child() -> None:
    limits = RenderLimits(cpu_seconds=3, memory_bytes=300 * 1024 * 1024)
    with Nunjucks().open(limits) as session:
        session.text("${{ 1 }}", {})
        lines = Path(f"/proc/{session.pid}/limits").read_text().splitlines()
        found = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert found["Max cpu time"] == ["3", "4"]
    assert found["Max address space"] == [str(300 * 1024 * 1024)] * 2
    assert found["Max open files"] == ["3", "3"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max processes"] == ["0", "0"]
    assert found["Max core file size"] == ["0", "0"]


@linux
def test_the_child_ends_with_its_parent() -> None:
    program = (
        "import os, signal, sys; from towpath_backstage.language import Nunjucks;"
        "from towpath_core.scaffolding import RenderLimits;"
        "s = Nunjucks().open(RenderLimits()); s.text('${{ 1 }}', {});"
        "print(s.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    child = Path(f"/proc/{int(parent.stdout)}/stat")
    deadline = time.monotonic() + 60
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while child.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_parents_half_is_light() -> None:
    program = (
        "import sys; import towpath_backstage.language.session;"
        "print(sorted({'jinja2', 'markupsafe', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_the_childs_half_is_light() -> None:
    program = (
        "import sys; import towpath_backstage.language.child;"
        "print(sorted({'towpath_core', 'msgspec', 'pluggy', 'asyncio', 'socket'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


FALSE_CHILDREN = {
    "too large a frame": "w(struct.pack('>I', 2**32 - 1) + b'x' * 100)",
    "no JSON": "w(frame(b'{'))",
    "not an object": "w(frame(b'[]'))",
    "two answers": 'w(frame(b\'{"value":1,"limit":2}\'))',
    "unknown answer": "w(frame(b'{\"x\":1}'))",
    "not a text": "w(frame(b'{\"value\":1}'))",
    "too deep": "w(frame(b'[' * 200000))",
    "half a frame": "w(struct.pack('>I', 100) + b'x'); sys.exit(3)",
    "nothing": "sys.exit(3)",
}


@pytest.mark.parametrize("behaviour", FALSE_CHILDREN)
def test_a_child_that_lies_is_given_up(
    behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "false_child"
    child.write_text(
        f"#!{sys.executable}\n"
        "import os, struct, sys, time\n"
        "w = lambda data: os.write(1, data)\n"
        "frame = lambda data: struct.pack('>I', len(data)) + data\n"
        "w(frame(b'{\"ready\":true}'))\n"
        "os.read(0, 100000)\n"
        f"{FALSE_CHILDREN[behaviour]}\n"
        "time.sleep(60)\n"
    )
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    with Nunjucks().open(LIMITS) as session:
        with pytest.raises(LimitExceeded, match=r"cannot be read|exit status 3"):
            session.text("${{ 1 }}", {})
        assert gone(session.pid)


def test_a_child_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_MODULE", "towpath_backstage.nowhere")
    with (
        Nunjucks().open(LIMITS) as session,
        pytest.raises(Unavailable, match="did not start"),
    ):
        session.text("${{ 1 }}", {})
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="cannot be started"):
        Nunjucks().open(LIMITS)


def test_file_options(fresh: Session) -> None:
    source = "  {% if true %}\nx ${{ y }} {{ y }}\n  {% endif %}\n"
    assert fresh.text(source, {"y": 1}) == "  \nx 1 {{ y }}\n  \n"
    trimmed = FileOptions(trim_blocks=True, lstrip_blocks=True)
    assert fresh.text(source, {"y": 1}, trimmed) == "x 1 {{ y }}\n"
    cookie = FileOptions(cookiecutter=True)
    assert fresh.text("{{ cookiecutter.y }} ${{ y }}", {"values": {"y": 1}}, cookie) == "1 $"
