"""The contract of an action: typed, repeatable, and at home in its workspace.

Knows the protocol only; what the action does is told by its good input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from towpath_core.errors import TowpathError
from towpath_core.scaffolding import Action
from towpath_core.testing.conformance import BACKEND
from towpath_core.testing.contexts import RecordingContext
from towpath_core.testing.inputs import with_texts
from towpath_core.testing.offers import ACTION_ID, schema_faults
from towpath_core.testing.rules import Contract, broken, exempt, require, rule, shown
from towpath_core.testing.undoing import check_taking_back, undoable_with

__all__ = ("ActionContract", "MakeContext")

RunAction = Callable[..., tuple[Mapping[str, Any], Path]]
_CANARY = b"towpath-kit-outside-canary"


class MakeContext(Protocol):
    """Make the context of one run in a workspace."""

    def __call__(self, workspace: Path) -> RecordingContext:
        """Give a context; the workspace exists."""
        ...


class ActionContract(Contract):
    """What every action keeps to. Give the fixtures `action` and `good_input`."""

    @pytest.fixture
    def action(self) -> Action:
        """The action. Give this one."""
        broken("the contract needs a fixture `action` that returns the action")

    @pytest.fixture
    def good_input(self) -> dict[str, Any]:
        """Input that the action accepts. Give this one."""
        broken("the contract needs a fixture `good_input` that returns what the action accepts")

    @pytest.fixture
    def prepare(self) -> Callable[[Path], None]:
        """Lay out in an empty workspace what the action needs there; by default nothing."""
        return lambda workspace: None

    @pytest.fixture
    def context(self) -> MakeContext:
        """How a run's context is made; override it to pass a template folder or a session."""
        return RecordingContext

    @pytest.fixture
    def run(
        self,
        action: Action,
        prepare: Callable[[Path], None],
        context: MakeContext,
        _contexts: list[RecordingContext],
        tmp_path: Path,
    ) -> RunAction:
        """Run the action in a named workspace; a name that was used before is used again."""

        def run(
            name: str, input: dict[str, Any], furnish: Callable[[Path], None] | None = None
        ) -> tuple[Mapping[str, Any], Path]:
            workspace = tmp_path / name / "workspace"
            if not workspace.exists():
                workspace.mkdir(parents=True)
                prepare(workspace)
                if furnish is not None:
                    furnish(workspace)
            given = context(workspace)
            given.patient = True
            _contexts.append(given)
            return action.run(deepcopy(input), given), workspace

        return run

    @pytest.fixture
    def _contexts(self) -> list[RecordingContext]:
        """The contexts of the calls so far."""
        return []

    @pytest.fixture(autouse=True)
    def _noted(self, action: Action, request: pytest.FixtureRequest) -> None:
        name = getattr(action, "id", type(action).__qualname__)
        request.node.user_properties.append((BACKEND, f"Action {name}"))

    @rule("action.is-typed", level="bronze")
    def test_is_typed(self, action: Action) -> None:
        """The id is `group:verb`, and the schemas of input and output are objects."""
        require(isinstance(action, Action), f"{type(action).__name__} is no Action")
        require(ACTION_ID.fullmatch(action.id), f"{action.id!r} is not group:verb")
        known = ("pure", "workspace", "external")
        require(action.effect in known, f"effect {action.effect!r} is none of {', '.join(known)}")
        faults = [
            *schema_faults(action.input_schema, "input_schema"),
            *schema_faults(action.output_schema, "output_schema"),
        ]
        require(not faults, "; ".join(faults))

    @rule("action.same-input-same-bytes", level="bronze")
    def test_same_input_same_bytes(
        self,
        action: Action,
        good_input: dict[str, Any],
        run: RunAction,
    ) -> None:
        """Two runs in two workspaces give the same files, to the byte, and the same outputs."""
        if action.effect == "external":
            exempt("its effect is external")
        first, one = run("one", good_input)
        second, other = run("other", good_input)
        here, there = _tree(one), _tree(other)
        differs = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
        require(not differs, f"two runs differ in {', '.join(differs)}")
        same = _written(first, one) == _written(second, other)
        require(same, f"two runs gave outputs {dict(first)!r} and {dict(second)!r}")

    @rule("action.repeat-is-harmless", level="bronze")
    def test_repeat_is_harmless(self, good_input: dict[str, Any], run: RunAction) -> None:
        """Run again with the same key in the same workspace, it leaves all as it was."""
        first, workspace = run("one", good_input)
        before = _tree(workspace)
        try:
            second, _ = run("one", good_input)
        except Exception as error:
            broken(f"the repeated run raised {shown(error)}")
        require(_tree(workspace) == before, "the repeated run changed files")
        require(dict(first) == dict(second), f"outputs went from {shown(first)} to {shown(second)}")

    @rule("action.no-path-escape", level="bronze")
    def test_no_path_escape(
        self,
        good_input: dict[str, Any],
        run: RunAction,
        tmp_path: Path,
    ) -> None:
        """No text in the input leads out of the workspace: `../`, absolute, or through a link."""
        outside = tmp_path / "outside"
        for number, hostile in enumerate(_hostile_inputs(good_input, outside)):
            outside.mkdir(exist_ok=True)
            (outside / "canary").write_bytes(_CANARY)
            around = tmp_path / f"run-{number}"
            outputs: object = None
            try:
                outputs, _ = run(around.name, hostile, lambda w: (w / "link").symlink_to(outside))
            except Exception as error:
                outputs = str(error)
            untouched = {"outside/canary": hashlib.sha256(_CANARY).hexdigest()}
            found = {f"outside/{name}": digest for name, digest in _tree(outside).items()}
            require(found == untouched, f"{shown(hostile)} changed files outside: {sorted(found)}")
            beside = sorted(path.name for path in around.iterdir() if path.name != "workspace")
            require(not beside, f"{shown(hostile)} wrote beside the workspace: {beside}")
            copied = _CANARY.decode() in repr(outputs) or _holds_canary(around / "workspace")
            require(not copied, f"{shown(hostile)} read a file from outside")

    @rule("action.outputs-are-declared", level="silver")
    def test_outputs_are_declared(
        self,
        action: Action,
        good_input: dict[str, Any],
        run: RunAction,
    ) -> None:
        """Outputs are JSON, with names that the output schema has."""
        outputs, _ = run("one", good_input)
        unknown = sorted(set(outputs) - set(action.output_schema.get("properties", {})))
        require(not unknown, f"the output schema does not have {', '.join(unknown)}")
        missing = sorted(set(action.output_schema.get("required", ())) - set(outputs))
        require(not missing, f"the output schema requires {', '.join(missing)}")
        try:
            msgspec.json.encode(dict(outputs))
        except (TypeError, ValueError) as error:
            broken(f"the outputs are not JSON: {error}")

    @rule("action.errors-are-typed", level="silver")
    def test_errors_are_typed(
        self,
        good_input: dict[str, Any],
        run: RunAction,
        tmp_path: Path,
    ) -> None:
        """Whatever a text of the input says, the run works or raises a `TowpathError`."""
        for number, hostile in enumerate(_hostile_inputs(good_input, tmp_path / "outside")):
            try:
                run(f"run-{number}", hostile)
            except TowpathError:
                continue
            except Exception as error:
                broken(f"{shown(hostile)} raised {shown(error)}")

    @rule("action.undo-is-idempotent", level="silver")
    def test_undo_is_idempotent(
        self,
        action: Action,
        good_input: dict[str, Any],
        run: RunAction,
        _contexts: list[RecordingContext],
    ) -> None:
        """What it registered can be taken back, and again where it is gone already."""
        run("one", good_input)
        owner = undoable_with(action, _contexts[0])
        for when in ("the first time", "the second time"):
            check_taking_back(owner, _contexts[0], when)

    @rule("action.has-examples", level="gold")
    def test_has_examples(self, action: Action) -> None:
        """The action is described, and shows at least one example."""
        require(action.description.strip(), "it has no description")
        require(action.examples, "it has no example")


def _hostile_inputs(good: dict[str, Any], outside: Path) -> Iterator[dict[str, Any]]:
    """The good input with one text at a time replaced by a way out."""
    ways = (
        "../escaped",
        "../../outside/canary",
        str(outside / "canary"),
        "link/canary",
        "link",
        "a\0b",
        "." * 300,
    )
    return with_texts(good, ways)


def _tree(folder: Path) -> dict[str, str]:
    """Every path below a folder with what it is: a digest, a link's target, or `folder`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _written(outputs: Mapping[str, Any], workspace: Path) -> bytes:
    """Outputs as JSON, with the workspace's own path taken out."""
    written = msgspec.json.encode(dict(outputs), order="sorted")
    return written.replace(str(workspace).encode(), b"<workspace>")


def _holds_canary(workspace: Path) -> bool:
    files = (path for path in workspace.rglob("*") if path.is_file() and not path.is_symlink())
    return any(_CANARY in path.read_bytes() for path in files)
