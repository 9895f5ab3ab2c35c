"""The action `fetch:plain`: files as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from towpath_backstage.actions.fetching import Layout, fetched
from towpath_backstage.actions.inputs import ActionInput, object_schema, read_input
from towpath_backstage.actions.names import check_output, parse_path
from towpath_backstage.actions.paths import WorkTree
from towpath_core.errors import Place
from towpath_core.scaffolding import ActionContext, ActionExample

__all__ = ("TARGET_PATH", "TARGET_PLACE", "TOKEN", "URL", "FetchPlain")

URL = {
    "type": "string",
    "minLength": 1,
    "description": "Folder or file to fetch, relative to the template's file or absolute.",
}
TARGET_PATH = {
    "type": "string",
    "description": "Folder of the workspace to put the files in; the workspace itself by default.",
}
TARGET_PLACE = Place(pointer="/targetPath")
TOKEN = {
    "type": "string",
    "description": "Ignored: the platform's own sources hold the credentials.",
}

_INPUT = object_schema({"url": URL, "targetPath": TARGET_PATH, "token": TOKEN}, ("url",))
_OUTPUT = object_schema({})
_EXAMPLES = (
    ActionExample(
        "Copy a folder that lies beside the template.",
        "steps:\n  - action: fetch:plain\n    id: fetch\n    input:\n      url: ./skeleton\n",
    ),
    ActionExample(
        "Copy shared files into a folder of the workspace.",
        "steps:\n"
        "  - action: fetch:plain\n"
        "    id: fetch-docs\n"
        "    input:\n"
        "      url: ../shared/docs\n"
        "      targetPath: docs\n",
    ),
)


class _Input(ActionInput, frozen=True):
    url: str
    target_path: str = ""


class FetchPlain:
    """Copies a folder into the workspace, over files that are there. Repeating it is harmless."""

    id = "fetch:plain"
    description = "Copies a folder into the workspace as it is, in place of files of the same name."
    input_schema: dict[str, Any] = _INPUT
    output_schema: dict[str, Any] = _OUTPUT
    effect: Literal["pure", "workspace", "external"] = "workspace"
    examples: tuple[ActionExample, ...] = _EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Fetch, check all names, then move the files into place.

        Raises:
            Invalid: a link, a name that is refused, or two names that are one on some systems.
            LimitExceeded: too many files or bytes.
        """
        given = read_input(_Input, input)
        target = parse_path(given.target_path, TARGET_PLACE)
        check_output(target, TARGET_PLACE)
        with WorkTree(context.workspace) as tree, fetched(tree, context, given.url) as skeleton:
            layout = Layout(tree.entries())
            for entry in skeleton.entries:
                file = skeleton.place(entry.path)
                check_output((*target, *entry.path), Place(file=file))
                layout.add((*target, *entry.path), entry.kind, file)
            tree.make_folder(target)
            for number, entry in enumerate(skeleton.entries, 1):
                context.check()
                if entry.kind == "folder":
                    tree.make_folder((*target, *entry.path))
                else:
                    source = (*skeleton.base, *entry.path)
                    tree.set_executable(source, entry.executable)
                    tree.move(source, (*target, *entry.path))
                context.progress(number, len(skeleton.entries), "files")
        context.log(f"Copied {len(skeleton.entries)} files and folders from {skeleton.url}.")
        return {}
