"""What the action `fetch:template` is told: its schema, examples, and rules for single entries.

Rules of the fields are those of Backstage's action of the same name. Does no I/O and no rendering.
"""

from __future__ import annotations

from typing import Any

import msgspec

from towpath_backstage.actions.globs import Globs
from towpath_backstage.actions.inputs import ActionInput, object_schema
from towpath_backstage.actions.names import Parts, check_output, parse_path
from towpath_backstage.actions.plain import TARGET_PATH, TARGET_PLACE, TOKEN, URL
from towpath_core.errors import Invalid, Place, Problem
from towpath_core.scaffolding import ActionExample, FileOptions

__all__ = ("EXAMPLES", "INPUT", "OUTPUT", "TemplateInput", "TemplateRules")

_DEFAULT_EXTENSION = ".njk"

_GLOBS = {"type": "array", "items": {"type": "string"}}
_FLAG = {"type": "boolean", "default": False}
INPUT = object_schema(
    {
        "url": URL,
        "targetPath": TARGET_PATH,
        "values": {
            "type": "object",
            "description": "What the skeleton sees as `values`.",
        },
        "copyWithoutTemplating": {
            **_GLOBS,
            "description": "Globs of files whose contents stay as they are; names are rendered.",
        },
        "copyWithoutRender": {
            **_GLOBS,
            "description": "Globs of files whose contents and names stay as they are.",
        },
        "cookiecutterCompat": {
            **_FLAG,
            "description": "Take `{{ }}` for expressions and show the values as `cookiecutter`.",
        },
        "templateFileExtension": {
            "type": ["string", "boolean"],
            "description": "Render only the contents of files with this ending, which is then "
            "dropped; true stands for `.njk`. Names are always rendered.",
        },
        "replace": {
            **_FLAG,
            "description": "Replace files that are there; they are kept by default.",
        },
        "trimBlocks": {**_FLAG, "description": "Drop the first newline after a block tag."},
        "lstripBlocks": {**_FLAG, "description": "Drop blanks before a block tag."},
        "token": TOKEN,
    },
    ("url",),
)
OUTPUT = object_schema({})
EXAMPLES = (
    ActionExample(
        "Render the skeleton that lies beside the template.",
        "steps:\n"
        "  - action: fetch:template\n"
        "    id: fetch\n"
        "    input:\n"
        "      url: ./skeleton\n"
        "      values:\n"
        "        name: ${{ parameters.name }}\n",
    ),
    ActionExample(
        "Leave the expressions of GitHub's workflows alone.",
        "steps:\n"
        "  - action: fetch:template\n"
        "    id: fetch\n"
        "    input:\n"
        "      url: ./skeleton\n"
        "      targetPath: service\n"
        "      copyWithoutTemplating:\n"
        "        - .github/workflows/*\n"
        "      values:\n"
        "        name: ${{ parameters.name }}\n",
    ),
)


class TemplateInput(ActionInput, frozen=True):
    """The input; the schema says what its fields mean."""

    url: str
    target_path: str = ""
    values: dict[str, Any] = msgspec.field(default_factory=dict)
    copy_without_templating: tuple[str, ...] = ()
    copy_without_render: tuple[str, ...] = ()
    cookiecutter_compat: bool = False
    template_file_extension: str | bool = False
    replace: bool = False
    trim_blocks: bool = False
    lstrip_blocks: bool = False


class TemplateRules:
    """The input, made ready to be asked about single entries.

    Attributes:
        target: folder of the workspace that all goes into.
        replace: whether files that are there are replaced.
        context: what templates see.
        options: how they are rendered.

    Raises:
        Invalid: the target or a glob is refused, or two fields do not go together.
    """

    def __init__(self, given: TemplateInput) -> None:
        self.target = parse_path(given.target_path, TARGET_PLACE)
        check_output(self.target, TARGET_PLACE)
        self.replace = given.replace
        root = "cookiecutter" if given.cookiecutter_compat else "values"
        self.context: dict[str, Any] = {root: given.values}
        self.options = FileOptions(
            trim_blocks=given.trim_blocks,
            lstrip_blocks=given.lstrip_blocks,
            cookiecutter=given.cookiecutter_compat,
        )
        self._raw = Globs(given.copy_without_templating, "copyWithoutTemplating", dots=True)
        self._untouched = Globs(given.copy_without_render, "copyWithoutRender", dots=True)
        self._extension = _extension(given)

    def renders_name(self, path: Parts) -> bool:
        """Whether an entry's path is a template."""
        return not self._untouched.match(path)

    def renders_content(self, path: Parts) -> bool:
        """Whether a file's content is a template, if it is text at all."""
        if self._extension:
            return self.stripped(path) != path
        return not self._raw.match(path) and not self._untouched.match(path)

    def stripped(self, path: Parts) -> Parts:
        """The path without the ending that marks templates."""
        name = path[-1].removesuffix(self._extension) if self._extension else path[-1]
        return (*path[:-1], name or path[-1])


def _extension(given: TemplateInput) -> str:
    if not given.template_file_extension:
        return ""
    if given.copy_without_render or given.copy_without_templating:
        message = "templateFileExtension cannot be used with copyWithoutRender/-Templating."
        place = Place(pointer="/templateFileExtension")
        raise Invalid(message, problems=[Problem("input", message, place)])
    if given.template_file_extension is True:
        return _DEFAULT_EXTENSION
    return f".{given.template_file_extension.removeprefix('.')}"
