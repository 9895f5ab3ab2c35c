"""The action `debug:log`: a message, and what the workspace holds, in the run's log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from towpath_backstage.actions.inputs import ActionInput, object_schema, read_input
from towpath_backstage.actions.names import show
from towpath_backstage.actions.paths import Entry, WorkTree
from towpath_core.errors import LimitExceeded
from towpath_core.scaffolding import ActionContext, ActionExample

__all__ = ("DebugLog",)

_MAX_LISTED = 1000
_MAX_SHOWN_BYTES = 64 * 1024
_MAX_SHOWN_TOTAL = 1024 * 1024

_INPUT = object_schema(
    {
        "message": {"description": "What to write. What is no text is written as JSON."},
        "listWorkspace": {
            "enum": [True, False, "with-filenames", "with-contents"],
            "description": "Also list the files of the workspace, with their contents if asked.",
        },
    }
)
_OUTPUT = object_schema({})
_EXAMPLES = (
    ActionExample(
        "Write a message.",
        "steps:\n"
        "  - action: debug:log\n"
        "    id: note\n"
        "    input:\n"
        "      message: Creating ${{ parameters.name }}\n",
    ),
    ActionExample(
        "List the files that were made, with their contents.",
        "steps:\n"
        "  - action: debug:log\n"
        "    id: show\n"
        "    input:\n"
        "      listWorkspace: with-contents\n",
    ),
)


class _Input(ActionInput, frozen=True):
    message: Any = None
    list_workspace: bool | Literal["with-filenames", "with-contents"] = False


class DebugLog:
    """Writes into the log and changes nothing."""

    id = "debug:log"
    description = "Writes a message into the run's log, and lists the workspace if asked."
    input_schema: dict[str, Any] = _INPUT
    output_schema: dict[str, Any] = _OUTPUT
    effect: Literal["pure", "workspace", "external"] = "pure"
    examples: tuple[ActionExample, ...] = _EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Log the message and the listing. A link is listed as one, and not looked behind."""
        given = read_input(_Input, input)
        if given.message is not None:
            text = given.message
            context.log(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))
        if given.list_workspace:
            with_contents = given.list_workspace == "with-contents"
            with WorkTree(context.workspace) as tree:
                lines = "\n".join(_lines(tree, with_contents))
            context.log(f"Workspace:\n{lines}" if lines else "Workspace: (empty)")
        return {}


def _lines(tree: WorkTree, with_contents: bool) -> Iterator[str]:
    room = _MAX_SHOWN_TOTAL
    listed = 0
    for entry in tree.entries():
        if entry.kind == "folder":
            continue
        listed += 1
        if listed > _MAX_LISTED:
            yield f"  (and more than {_MAX_LISTED})"
            return
        name = show(entry.path)
        if entry.kind != "file":
            yield f"  - {name} ({entry.kind}, not followed)"
        elif with_contents:
            content = _content(tree, entry, min(room, _MAX_SHOWN_BYTES))
            room -= len(content)
            yield f"  - {name}:\n\n{content}"
        else:
            yield f"  - {name}"


def _content(tree: WorkTree, entry: Entry, room: int) -> str:
    """The text of a file where there is room for it in the log, else its size."""
    try:
        return tree.read(entry.path, limit=room).decode()
    except LimitExceeded:
        return f"({entry.size} bytes, too long to show)"
    except UnicodeDecodeError:
        return f"({entry.size} bytes, not text)"
