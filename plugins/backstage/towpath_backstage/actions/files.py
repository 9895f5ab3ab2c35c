"""The actions `fs:rename` and `fs:delete`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from towpath_backstage.actions.globs import Globs
from towpath_backstage.actions.inputs import ActionInput, object_schema, read_input
from towpath_backstage.actions.names import Parts, check_output, parse_path, show
from towpath_backstage.actions.paths import WorkTree
from towpath_core.errors import Conflict, Invalid, NotFound, Place, Problem
from towpath_core.scaffolding import ActionContext, ActionExample

__all__ = ("FsDelete", "FsRename")

_MAX_FILES = 1000

_NO_OUTPUT = object_schema({})
_RENAME_INPUT = object_schema(
    {
        "files": {
            "type": "array",
            "maxItems": _MAX_FILES,
            "description": "What to rename, in this order.",
            "items": {
                "type": "object",
                "required": ["from", "to"],
                "properties": {
                    "from": {
                        "type": "string",
                        "description": "File or folder, relative to the workspace.",
                    },
                    "to": {
                        "type": "string",
                        "description": "Its new path; folders on the way are made.",
                    },
                    "overwrite": {
                        "type": "boolean",
                        "default": False,
                        "description": "Whether what is there may be replaced.",
                    },
                },
            },
        }
    },
    ("files",),
)
_RENAME_EXAMPLES = (
    ActionExample(
        "Rename a file.",
        "steps:\n"
        "  - action: fs:rename\n"
        "    id: rename\n"
        "    input:\n"
        "      files:\n"
        "        - from: README.template.md\n"
        "          to: README.md\n",
    ),
    ActionExample(
        "Move a folder over another one.",
        "steps:\n"
        "  - action: fs:rename\n"
        "    id: rename\n"
        "    input:\n"
        "      files:\n"
        "        - from: overlays/production\n"
        "          to: deploy\n"
        "          overwrite: true\n",
    ),
)
_DELETE_INPUT = object_schema(
    {
        "files": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Files, folders or globs, relative to the workspace. `*` does not "
            "match names that begin with a dot.",
        }
    },
    ("files",),
)
_DELETE_EXAMPLES = (
    ActionExample(
        "Delete a file.",
        "steps:\n"
        "  - action: fs:delete\n"
        "    id: delete\n"
        "    input:\n"
        "      files:\n"
        "        - Jenkinsfile\n",
    ),
    ActionExample(
        "Delete by pattern.",
        "steps:\n"
        "  - action: fs:delete\n"
        "    id: delete\n"
        "    input:\n"
        "      files:\n"
        "        - '**/*.{tmp,bak}'\n",
    ),
)


class _Pair(ActionInput, frozen=True):
    source: str = msgspec.field(name="from")
    to: str
    overwrite: bool = False


class _RenameInput(ActionInput, frozen=True):
    files: tuple[_Pair, ...]


class _DeleteInput(ActionInput, frozen=True):
    files: tuple[str, ...]


class FsRename:
    """Renames files and folders, one after the other.

    A repeated call goes on where a killed one stopped: what has gone from its old name and is at
    its new one counts as renamed. So a list that gives an old name to another file again, such
    as one that swaps two, cannot be repeated.
    """

    id = "fs:rename"
    description = "Renames files and folders of the workspace."
    input_schema: dict[str, Any] = _RENAME_INPUT
    output_schema: dict[str, Any] = _NO_OUTPUT
    effect: Literal["pure", "workspace", "external"] = "workspace"
    examples: tuple[ActionExample, ...] = _RENAME_EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Check all paths, then rename in order.

        Raises:
            Invalid: a path leaves the workspace, or a folder would move into itself.
            NotFound: what is to be renamed is not there, nor is anything at its new name.
            Conflict: something has the new name already and may not be replaced.
        """
        moves = _moves(read_input(_RenameInput, input).files)
        with WorkTree(context.workspace) as tree:
            for number, move in enumerate(moves):
                context.check()
                if _is_done(tree, move, moves[number + 1 :]):
                    context.log(f"{move}: taken for done, only the new name is there.")
                else:
                    _rename(tree, move)
                    context.log(f"Renamed {move}.")
        return {}


class _Move(msgspec.Struct, frozen=True):
    source: Parts
    target: Parts
    overwrite: bool

    def __str__(self) -> str:
        return f"{show(self.source)} to {show(self.target)}"


def _moves(pairs: Sequence[_Pair]) -> list[_Move]:
    moves = []
    for index, pair in enumerate(pairs):
        source_place = Place(pointer=f"/files/{index}/from")
        target_place = Place(pointer=f"/files/{index}/to")
        source = parse_path(pair.source, source_place)
        target = parse_path(pair.to, target_place)
        check_output(target, target_place)
        move = _Move(source, target, pair.overwrite)
        if not source or not target or target[: len(source)] == source:
            what = f"{move} cannot be renamed: one holds the other."
            raise Invalid(what, problems=[Problem("path", what, target_place)])
        moves.append(move)
    return moves


def _rename(tree: WorkTree, move: _Move) -> None:
    if tree.kind(move.source) is None:
        raise NotFound(f"There is no {show(move.source)} in the workspace to rename.")
    if tree.kind(move.target) is not None:
        if not move.overwrite:
            raise Conflict(
                f"{move} cannot be renamed: that name is taken.",
                next="Set overwrite: true to replace it.",
            )
        if move.source[: len(move.target)] == move.target:
            raise Invalid(f"{move} cannot be renamed: one holds the other.")
        tree.remove(move.target)
    tree.move(move.source, move.target)


def _is_done(tree: WorkTree, move: _Move, later: Sequence[_Move]) -> bool:
    if tree.kind(move.source) is not None:
        return False
    went_on = any(other.source == move.target for other in later)
    return went_on or tree.kind(move.target) is not None


class FsDelete:
    """Deletes files and folders; what is not there is deleted already."""

    id = "fs:delete"
    description = "Deletes files and folders of the workspace."
    input_schema: dict[str, Any] = _DELETE_INPUT
    output_schema: dict[str, Any] = _NO_OUTPUT
    effect: Literal["pure", "workspace", "external"] = "workspace"
    examples: tuple[ActionExample, ...] = _DELETE_EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Find all that is meant, then delete it. A link is deleted itself, never what it names.

        Raises:
            Invalid: a pattern is absolute or has `..` in it.
        """
        patterns = [pattern.strip() for pattern in read_input(_DeleteInput, input).files]
        globs = Globs(patterns, "files", dots=False)
        with WorkTree(context.workspace) as tree:
            doomed = [entry.path for entry in tree.entries() if globs.match(entry.path)]
            for pattern in patterns:
                if not pattern.startswith("!") and not _any(pattern, doomed):
                    context.log(f"Nothing to delete matches {pattern!r}.", level="warning")
            for path in doomed:
                context.check()
                tree.remove(path)
        context.log(f"Deleted {len(doomed)} files and folders.")
        return {}


def _any(pattern: str, paths: Sequence[Parts]) -> bool:
    globs = Globs([pattern], "files", dots=False)
    return any(globs.match(path) for path in paths)
