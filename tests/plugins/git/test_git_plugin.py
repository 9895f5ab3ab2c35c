"""What the plugin offers, and the platform's contracts for it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar

import jsonschema_rs
import pytest
import yaml

from towpath_core.catalog import CatalogSource
from towpath_core.errors import SettingsError, Unavailable
from towpath_core.scaffolding import Action
from towpath_core.testing import (
    ActionContract,
    CatalogSourceContract,
    PluginContract,
    RecordingContext,
    forbid_io,
)
from towpath_core.testing.catalog import Target
from towpath_git import plugin
from towpath_git.git import Git
from towpath_git.source import GitSource


class TestPlugin(PluginContract):
    entry_point = "git"
    settings: ClassVar[dict[str, Any]] = {"root": "/srv/git", "roots": ["/srv/mirrors"]}


class TestGitSource(CatalogSourceContract):
    @pytest.fixture
    def source(self, root):
        return GitSource([root], Git(Unavailable))

    @pytest.fixture
    def target(self, seed):
        bare = seed({"catalog-info.yaml": "one\n", "docs/a.yaml": "a\n", "docs/b.yaml": "bb\n"})
        return Target("url", f"git+file://{bare}/-/blob/main/**/*.yaml")

    @pytest.fixture
    def missing(self, seed):
        return f"git+file://{seed({'x': '1'})}/-/blob/main/nothing.yaml"

    @pytest.fixture
    def outside(self, tmp_path, seed):
        bare = seed({"x": "1"})
        (tmp_path / "outside.git").symlink_to(bare)
        bare.rename(tmp_path / "moved.git")
        return f"git+file://{tmp_path}/moved.git/-/blob/main/x"

    @pytest.fixture
    def change(self, target, seed):
        return lambda: seed({"docs/a.yaml": "changed\n"})


class TestPublishGit(ActionContract):
    @pytest.fixture
    def action(self, publish):
        return publish

    @pytest.fixture
    def good_input(self):
        return {
            "repoUrl": "acme/shop",
            "description": "A shop",
            "defaultBranch": "main",
            "gitCommitMessage": "start",
            "gitAuthorName": "Ada",
            "gitAuthorEmail": "ada@example.com",
            "sourcePath": "source",
        }

    @pytest.fixture
    def prepare(self):
        def lay(workspace: Path) -> None:
            (workspace / "source").mkdir()
            (workspace / "source" / "a").write_text("1")

        return lay

    @pytest.fixture
    def context(self):
        return lambda workspace: RecordingContext(workspace, key=f"{workspace}:1")


def test_nothing_is_touched_when_asked_what_there_is():
    with forbid_io() as tried:
        (source,) = plugin.towpath_catalog_sources(settings={"root": "/no/such", "roots": ["/m"]})
        (action,) = plugin.towpath_actions(settings={"root": "/no/such"})
    assert tried == []
    assert isinstance(source, CatalogSource)
    assert isinstance(action, Action)
    assert hasattr(source, "read_tree")
    assert (source.name, action.id) == ("git", "publish:git")
    assert importlib.import_module("towpath_git.plugin").TOWPATH_SPEC == 1


def test_without_a_root_there_is_a_source_and_no_action():
    assert plugin.towpath_actions(settings={}) == []
    (source,) = plugin.towpath_catalog_sources(settings={"roots": ["/m"]})
    assert source.claims("url", "git+file:///m/x.git/-/blob/main/x")


@pytest.mark.parametrize(
    "settings",
    [
        {"root": "relative"},
        {"root": 5},
        {"root": "/a/../b"},
        {"root": "/a\0b"},
        {"roots": "/a"},
        {"roots": ["b"]},
        {"timeout_seconds": 0},
        {"timeout_seconds": "1"},
        {"timeout_seconds": float("nan")},
        {"rot": "/a"},
    ],
)
def test_wrong_settings_are_named(settings):
    with pytest.raises(SettingsError):
        plugin.towpath_catalog_sources(settings=settings)
        plugin.towpath_actions(settings=settings)


def test_examples_are_good_input(publish):
    jsonschema_rs.meta.validate(publish.input_schema)
    jsonschema_rs.meta.validate(publish.output_schema)
    assert len(publish.examples) >= 2
    for example in publish.examples:
        (step,) = yaml.safe_load(example.example)["steps"]
        assert step["action"] == publish.id
        jsonschema_rs.validate(publish.input_schema, step["input"])
        assert set(step["input"]) <= set(publish.input_schema["properties"])
