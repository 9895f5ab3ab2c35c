"""The action `fetch:template`: a skeleton whose names and contents are rendered.

Owns what is rendered and where it goes. Must not know the language: it is reached through the
run's session only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from towpath_backstage.actions.fetching import MAX_FILE_BYTES, Budget, Layout, Skeleton, fetched
from towpath_backstage.actions.inputs import read_input
from towpath_backstage.actions.names import Parts, check_output, parse_path, show
from towpath_backstage.actions.paths import Entry, WorkTree
from towpath_backstage.actions.template_input import (
    EXAMPLES,
    INPUT,
    OUTPUT,
    TemplateInput,
    TemplateRules,
)
from towpath_core.errors import Invalid, LimitExceeded, Place, Problem
from towpath_core.scaffolding import (
    ActionContext,
    ActionExample,
    FileOptions,
    RenderSession,
)

__all__ = ("FetchTemplate",)

_BINARY_LOOK = 8192


class FetchTemplate:
    """Renders a folder into the workspace.

    Nothing is put in place before all of it is rendered; the same values give the same files,
    so repeating it is harmless.
    """

    id = "fetch:template"
    description = "Renders the files of a folder, and their names, into the workspace."
    input_schema: dict[str, Any] = INPUT
    output_schema: dict[str, Any] = OUTPUT
    effect: Literal["pure", "workspace", "external"] = "workspace"
    examples: tuple[ActionExample, ...] = EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Fetch, render and check all names, render all contents, then move them into place.

        Raises:
            Invalid: a link, a name that is refused, two names that are one on some systems, or a
                file that cannot be rendered; places name the skeleton's file.
            LimitExceeded: too many files or bytes, or rendering used up its limits.
        """
        given = read_input(TemplateInput, input)
        rules = TemplateRules(given)
        if given.copy_without_render:
            context.log(
                "copyWithoutRender is an old option that Backstage ignores by now. It is honoured "
                "here: names and contents stay as they are. Consider copyWithoutTemplating.",
                level="warning",
            )
        with WorkTree(context.workspace) as tree, fetched(tree, context, given.url) as skeleton:
            rendering = _Rendering(rules, skeleton, context)
            outputs = rendering.plan(tree)
            rendering.stage(tree, outputs)
            tree.make_folder(rules.target)
            for output in outputs:
                context.check()
                if output.staged:
                    tree.move(output.staged, output.path)
                else:
                    tree.make_folder(output.path)
        context.log(rendering.summary(outputs))
        return {}


class _Output(msgspec.Struct, frozen=True):
    """Where an entry goes; `staged` is where its content waits, empty for a folder."""

    entry: Entry
    path: Parts
    staged: Parts = ()


class _Rendering:
    """One run over one skeleton."""

    def __init__(self, rules: TemplateRules, skeleton: Skeleton, context: ActionContext) -> None:
        self._rules = rules
        self._skeleton = skeleton
        self._context = context
        self._session: RenderSession = context.render()
        self._left_out = 0
        self._kept = 0
        self._rendered = 0

    def plan(self, tree: WorkTree) -> list[_Output]:
        """Render all names; leaves out what has none and what is there already."""
        layout = Layout(tree.entries())
        planned = []
        for number, entry in enumerate(self._skeleton.entries):
            self._context.check()
            path = self._output_path(entry)
            if path is None:
                self._left_out += 1
                continue
            there = layout.add(path, entry.kind, self._skeleton.place(entry.path))
            if there and entry.kind == "file" and not self._rules.replace:
                self._kept += 1
                continue
            staged = (*self._skeleton.scratch, str(number)) if entry.kind == "file" else ()
            planned.append(_Output(entry, path, staged))
        return planned

    def _output_path(self, entry: Entry) -> Parts | None:
        is_file = entry.kind == "file"
        path = entry.path
        if self._rules.renders_name(path):
            text = "/".join(self._rules.stripped(path) if is_file else path)
            # With its slash, as Backstage renders it: a folder without a name gives a `//`.
            text = self._render(text if is_file else f"{text}/", path, self._rules.options)
            if not text or text.startswith("/") or "//" in text or (is_file and text[-1] == "/"):
                self._context.log(f"Left out {show(path)}: its name is empty.", level="debug")
                return None
            # Read by itself: it may not leave the target, even where it stays in the workspace.
            path = parse_path(text, Place(file=self._skeleton.place(path)))
            if is_file and not path:
                raise self._names_a_folder(entry, text)
        output = (*self._rules.target, *path)
        check_output(output, Place(file=self._skeleton.place(entry.path)))
        return output

    def _names_a_folder(self, entry: Entry, text: str) -> Invalid:
        what = f"The file {show(entry.path)} gets the name {text!r}, which is a folder's."
        place = Place(file=self._skeleton.place(entry.path))
        return Invalid(what, problems=[Problem("path", what, place)])

    def stage(self, tree: WorkTree, outputs: list[_Output]) -> None:
        """Render all contents into scratch; nothing is put in place yet."""
        budget = Budget("The rendered files")
        for number, output in enumerate(outputs, 1):
            self._context.check()
            if output.staged:
                content = self._content(tree, output.entry)
                budget.spend(len(content))
                tree.write_new(output.staged, content, executable=output.entry.executable)
            self._context.progress(number, len(outputs), "files")

    def _content(self, tree: WorkTree, entry: Entry) -> bytes:
        content = tree.read((*self._skeleton.base, *entry.path), limit=MAX_FILE_BYTES)
        text = _text(content) if self._rules.renders_content(entry.path) else None
        if text is None:
            return content
        self._rendered += 1
        rendered = self._render(text, entry.path, self._rules.options)
        try:
            return rendered.encode()
        except UnicodeEncodeError as error:
            what = f"half a surrogate pair comes out, at character {error.start}"
            problem = Problem("template", what)
            raise _in_file(
                Invalid(what, problems=[problem]), self._skeleton.place(entry.path)
            ) from None

    def _render(self, text: str, path: Parts, options: FileOptions) -> str:
        try:
            return self._session.text(text, self._rules.context, options)
        except Invalid as error:
            raise _in_file(error, self._skeleton.place(path)) from error
        except LimitExceeded as error:
            place = self._skeleton.place(path)
            raise LimitExceeded(
                f"Rendering {place} used up a limit: {error.what}",
                why=error.why,
                next=error.next or "Make the template do less.",
                problems=[Problem("limit", error.what, Place(file=place))],
            ) from error

    def summary(self, outputs: list[_Output]) -> str:
        files = sum(1 for output in outputs if output.staged)
        return (
            f"Wrote {files} files from {self._skeleton.url}: {self._rendered} rendered, "
            f"{files - self._rendered} as they are; kept {self._kept} that were there, "
            f"left out {self._left_out} without a name."
        )


def _text(content: bytes) -> str | None:
    """The text of a file, None for a binary one."""
    if b"\0" in content[:_BINARY_LOOK]:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _in_file(error: Invalid, file: str) -> Invalid:
    """The same error with its places in a file of the skeleton."""
    problems = [
        Problem(p.code, p.message, Place(file, p.place.line, p.place.column, p.place.pointer))
        for p in error.problems
    ] or [Problem("template", error.what, Place(file=file))]
    return Invalid(
        f"{problems[0].place}: {error.what}", why=error.why, next=error.next, problems=problems
    )
