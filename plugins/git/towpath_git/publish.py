"""The action `publish:git`: the workspace as a new bare repository below a configured root.

Owns what may be published where, and that one step publishes once, however often it is killed.
Must not know how a commit is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec

from towpath_core.errors import Conflict, Forbidden, Invalid, Place, Problem, StepFailed
from towpath_core.refs import parse_ref
from towpath_core.scaffolding import ActionContext, ActionExample
from towpath_git.building import building
from towpath_git.commit import Author, CommitPlan, commit_folder, make_repository
from towpath_git.git import Git
from towpath_git.names import check_branch, repository_path
from towpath_git.targets import format_target
from towpath_git.workspace import open_folder

__all__ = ("PublishGit",)

_INPUT: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["repoUrl"],
    "properties": {
        "repoUrl": {
            "type": "string",
            "minLength": 1,
            "description": "The new repository: `acme/shop`, or what a RepoUrlPicker gives, "
            "`host?owner=acme&repo=shop`. The host says nothing here.",
        },
        "description": {
            "type": "string",
            "description": "What the repository is for.",
        },
        "defaultBranch": {
            "type": "string",
            "default": "main",
            "description": "The branch that the files go to.",
        },
        "gitCommitMessage": {
            "type": "string",
            "default": "initial commit",
            "description": "Message of the commit.",
        },
        "gitAuthorName": {
            "type": "string",
            "description": "Author of the commit; by default the one who runs the template.",
        },
        "gitAuthorEmail": {
            "type": "string",
            "description": "Address of the author.",
        },
        "sourcePath": {
            "type": "string",
            "description": "Folder of the workspace to publish; all of it by default.",
        },
    },
}
_OUTPUT: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["remoteUrl", "repoContentsUrl", "commitHash"],
    "properties": {
        "remoteUrl": {"type": "string", "description": "What `git clone` takes."},
        "repoContentsUrl": {
            "type": "string",
            "description": "Where the catalog reads the files of the default branch.",
        },
        "commitHash": {"type": "string", "description": "Id of the commit."},
    },
}
_EXAMPLES = (
    ActionExample(
        "Publish the workspace.",
        "steps:\n"
        "  - action: publish:git\n"
        "    id: publish\n"
        "    input:\n"
        "      repoUrl: acme/${{ parameters.name }}\n"
        "      description: ${{ parameters.description }}\n",
    ),
    ActionExample(
        "Publish one folder of it where a RepoUrlPicker says.",
        "steps:\n"
        "  - action: publish:git\n"
        "    id: publish\n"
        "    input:\n"
        "      repoUrl: ${{ parameters.repoUrl }}\n"
        "      sourcePath: ./source\n"
        "      defaultBranch: trunk\n"
        "      gitCommitMessage: Start of ${{ parameters.name }}\n",
    ),
)
_KEY = "towpath.key"
_COMMIT = "towpath.commit"
_MAX_DESCRIPTION = 500
_NOBODY = "Towpath"
_NO_ADDRESS = "nobody@towpath.invalid"


class _Input(msgspec.Struct, frozen=True, rename="camel"):
    repo_url: str
    description: str = ""
    default_branch: str = "main"
    git_commit_message: str = "initial commit"
    git_author_name: str = ""
    git_author_email: str = ""
    source_path: str = ""


class PublishGit:
    """Makes bare repositories.

    A repository is built aside and renamed into its place, with the step's key in it: after a
    crash at any point there is all of it or nothing, and the same step finds its own again.

    Args:
        root: folder of the repositories: `<root>/<owner>/<name>.git`. Made when needed.
        git: how git is called; its errors must be `StepFailed`.
    """

    id = "publish:git"
    description = "Publishes the workspace as a new git repository."
    input_schema: dict[str, Any] = _INPUT
    output_schema: dict[str, Any] = _OUTPUT
    effect: Literal["pure", "workspace", "external"] = "external"
    examples: tuple[ActionExample, ...] = _EXAMPLES

    def __init__(self, root: Path, git: Git) -> None:
        self._root = root
        self._git = git

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Publish, or answer as before where this step has published already.

        In a dry run all is checked and nothing made; the commit's id is all zeros.

        Raises:
            Invalid: a name, branch, author or file is refused.
            NotFound: there is no such `sourcePath`.
            Conflict: another repository has that name, or one that differs in case.
            StepFailed: git or the disk fails.
        """
        given = _read(input)
        names = repository_path(given.repo_url)
        branch = check_branch(given.default_branch)
        plan = CommitPlan(branch, given.git_commit_message, _author(given, context))
        target = self._root.joinpath(*names[:-1], f"{names[-1]}.git")
        commit = self._published(target, context.key)
        if commit is None:
            self._check_free(names)
            with open_folder(context.workspace, given.source_path) as folder:
                if context.dry_run:
                    count = len(folder.files())
                    context.log(f"Would publish {count} files as {'/'.join(names)}.")
                    return _outputs(target, branch, "0" * 40)
                with building(self._root) as aside:
                    make_repository(self._git, aside, branch)
                    commit = commit_folder(self._git, aside, folder, plan, context.check)
                    self._stamp(aside, context.key, commit, given.description)
                    context.check()
                    commit = self._place(aside, target, context.key, commit)
            context.log(f"Published {'/'.join(names)}, commit {commit[:12]}.")
        return _outputs(target, branch, commit)

    def _published(self, target: Path, key: str) -> str | None:
        """The commit that this step published there; None where nothing is.

        Raises:
            Conflict: something else is.
        """
        if not os.path.lexists(target):
            return None
        options = [f"--file={target / 'config'}", "--null", "--get-regexp"]
        answer = self._git.run(
            ["config", *options, r"^towpath\."],
            also_good=frozenset({1}),  # there is none
        )
        lines = (line.partition("\n") for line in answer.output.decode().split("\0"))
        stamps = {name: value for name, _, value in lines}
        if target.is_symlink() or stamps.get(_KEY) != key or _COMMIT not in stamps:
            raise _taken(target.relative_to(self._root))
        return stamps[_COMMIT]

    def _check_free(self, names: tuple[str, ...]) -> None:
        """Refuse a name that is another's on a system where case makes no difference."""
        folder = self._root
        for name in (*names[:-1], f"{names[-1]}.git"):
            for other in folder.iterdir() if folder.is_dir() else ():
                if other.name != name and other.name.casefold() == name.casefold():
                    raise _taken(other.relative_to(self._root))
            folder = folder / name
        root = os.path.realpath(self._root)
        if Path(root) not in Path(os.path.realpath(folder)).parents:
            raise Forbidden(f"The folder of {'/'.join(names)} leads out of the configured root.")

    def _stamp(self, repository: Path, key: str, commit: str, description: str) -> None:
        for name, value in ((_KEY, key), (_COMMIT, commit)):
            self._git.run(["config", f"--file={repository / 'config'}", "--", name, value])
        line = " ".join(description.split())[:_MAX_DESCRIPTION]
        (repository / "description").write_text(f"{line}\n", encoding="utf-8", errors="replace")

    def _place(self, aside: Path, target: Path, key: str, commit: str) -> str:
        """Rename a finished repository into its place; the other's commit if that was faster."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(target)
            _to_disk(target.parent)
        except OSError as error:
            there = self._published(target, key)
            if there is None:
                why = os.strerror(error.errno or 0)
                raise StepFailed("The repository cannot be put in its place.", why=why) from None
            return there
        return commit


def _read(given: Mapping[str, Any]) -> _Input:
    present = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(present, _Input)
    except msgspec.ValidationError as error:
        problem = Problem("input", str(error))
        what = "The input of the step is wrong."
        raise Invalid(what, why=str(error), problems=[problem]) from None


def _author(given: _Input, context: ActionContext) -> Author:
    """Who is named, and else the one who runs the template, as the catalog knows them."""
    asked = Author(given.git_author_name, given.git_author_email).checked()
    if asked.name and asked.email:
        return asked
    user = _user(context).cleaned()
    return Author(asked.name or user.name or _NOBODY, asked.email or user.email or _NO_ADDRESS)


def _user(context: ActionContext) -> Author:
    try:
        name = parse_ref(context.user_ref, default_kind="user").name
    except Invalid:
        return Author(_NOBODY, _NO_ADDRESS)
    entity = context.entity(context.user_ref)
    profile = entity.spec.get("profile") if entity is not None else None
    about = profile if isinstance(profile, dict) else {}
    return Author(str(about.get("displayName") or name), str(about.get("email") or _NO_ADDRESS))


def _outputs(target: Path, branch: str, commit: str) -> dict[str, str]:
    return {
        "remoteUrl": target.as_uri(),
        "repoContentsUrl": format_target(PurePosixPath(target), branch),
        "commitHash": commit,
    }


def _taken(name: Path) -> Conflict:
    return Conflict(
        f"There is a repository {name} already, and this step did not make it.",
        next="Choose another name.",
        problems=[Problem("repo", f"{name} is taken", Place(pointer="/repoUrl"))],
    )


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
