"""An action that keeps to all rules, and one for each way to break one of them.

Run by `test_kit_bites.py` in a pytest of its own: not collected with the other tests.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

import pytest

from towpath_core.errors import Invalid
from towpath_core.scaffolding import ActionExample
from towpath_core.testing import ActionContract


class WriteNote:
    """The reference: writes a note into the workspace, and copies one that is there."""

    id = "note:write"
    description = "Write a note."
    input_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["path", "text"],
        "properties": {
            "path": {"type": "string"},
            "text": {"type": "string"},
            "quote": {"type": "string"},
        },
    }
    output_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {"bytes": {"type": "integer"}},
    }
    effect = "workspace"
    examples = (ActionExample("Write a note", "action: note:write"),)

    def place(self, context, path):
        if "\0" in path or len(path) > 200:
            raise Invalid("That is no path.")
        found = (context.workspace / path).resolve()
        if not found.is_relative_to(context.workspace.resolve()):
            raise Invalid("The note would lie outside of the workspace.")
        return found

    def content(self, input, context):
        quoted = self.place(context, input["quote"])
        return f"{input['text']}\n{quoted.read_text() if quoted.is_file() else ''}".encode()

    def run(self, input, context):
        content = self.content(input, context)
        place = self.place(context, input["path"])
        if place.is_dir():
            raise Invalid("There is a folder in the note's place.")
        place.parent.mkdir(parents=True, exist_ok=True)
        context.undo("unwrite", {"place": str(place)})
        place.write_bytes(content)
        return self.outputs(content)

    def undo(self, name, data, tools):
        Path(data["place"]).unlink(missing_ok=True)

    def outputs(self, content):
        return {"bytes": len(content)}


class NoSchema(WriteNote):
    breaks = "action.is-typed"
    input_schema: ClassVar[dict[str, Any]] = {"properties": {}}


class StampsTheFile(WriteNote):
    breaks = "action.same-input-same-bytes"

    def content(self, input, context):
        stamp = context.workspace / ".stamp"
        if not stamp.exists():
            stamp.write_text(uuid.uuid4().hex)
        return super().content(input, context)


class RepeatRaises(WriteNote):
    breaks = "action.repeat-is-harmless"

    def run(self, input, context):
        if (context.workspace / "note.txt").exists():
            raise Invalid("The note is there already.")
        return super().run(input, context)


class RepeatAppends(WriteNote):
    breaks = "action.repeat-is-harmless"

    def run(self, input, context):
        outputs = super().run(input, context)
        with (context.workspace / "log").open("a") as log:
            log.write("again\n")
        return outputs


class Escapes(WriteNote):
    breaks = "action.no-path-escape"

    def place(self, context, path):
        if "\0" in path or len(path) > 200:
            raise Invalid("That is no path.")
        return context.workspace / path


class FollowsLinks(WriteNote):
    breaks = "action.no-path-escape"

    def place(self, context, path):
        found = context.workspace / path
        if "\0" in path or len(path) > 200 or ".." in path or path.startswith("/"):
            raise Invalid("The note would lie outside of the workspace.")
        return found


class QuotesFromOutside(WriteNote):
    breaks = "action.no-path-escape"

    def content(self, input, context):
        if "\0" in input["quote"] or len(input["quote"]) > 200:
            raise Invalid("That is no path.")
        quoted = context.workspace / input["quote"]
        return quoted.read_bytes() if quoted.is_file() else input["text"].encode()


class OutputsAreMore(WriteNote):
    breaks = "action.outputs-are-declared"

    def outputs(self, content):
        return {**super().outputs(content), "path": "note.txt"}


class Stumbles(WriteNote):
    breaks = "action.errors-are-typed"

    def place(self, context, path):
        found = (context.workspace / path).resolve()
        if not found.is_relative_to(context.workspace.resolve()):
            raise Invalid("The note would lie outside of the workspace.")
        return found


class UndoesOnce(WriteNote):
    breaks = "action.undo-is-idempotent"

    def undo(self, name, data, tools):
        Path(data["place"]).unlink()


class CannotUndo(WriteNote):
    breaks = "action.undo-is-idempotent"
    undo = None  # no method: an object that does not take back


class NoExample(WriteNote):
    breaks = "action.has-examples"
    examples = ()


class _Fixtures(ActionContract):
    kind: type

    @pytest.fixture
    def action(self):
        return type(self).kind()

    @pytest.fixture
    def good_input(self):
        return {"path": "note.txt", "text": "hello", "quote": "none"}


KINDS = [
    one for one in list(globals().values()) if isinstance(one, type) and hasattr(one, "breaks")
]
BREAKS = {f"Test{one.__name__}": one.breaks for one in KINDS}
for _kind in (WriteNote, *KINDS):
    _name = f"Test{_kind.__name__}"
    globals()[_name] = type(_name, (_Fixtures,), {"kind": _kind, "__module__": __name__})
