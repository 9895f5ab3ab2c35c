"""A template in one repository makes another one, which the catalog then reads."""

from __future__ import annotations

import pytest
import yaml

from towpath_backstage.actions import all_actions
from towpath_backstage.language import Nunjucks
from towpath_core.scaffolding import Registration, RenderLimits
from towpath_core.testing import RecordingContext


class GitContext(RecordingContext):
    """Fetches and registers through the source, as the platform does."""

    def __init__(self, workspace, *, source, base_target, session):
        super().__init__(workspace, session=session)
        self.base_target = base_target
        self._source = source

    def fetch(self, url, destination):
        target = self._source.resolve(self.base_target, url)
        self._source.read_tree(target, destination, max_bytes=10**6, max_files=100)

    def register(self, target, *, optional=False):
        refs = []
        for file in self._source.read(target, max_bytes=10_000):
            entity = yaml.safe_load(file.content)
            refs.append(f"{entity['kind']}:default/{entity['metadata']['name']}".lower())
        return Registration("1", target, tuple(refs))


@pytest.fixture
def templates(raw):
    return raw(
        ("100644", "service/template.yaml", b"kind: Template\n"),
        ("100644", "skeletons/web/${{ values.name }}.py", b"print('${{ values.name }}')\n"),
        ("100755", "skeletons/web/run.sh", b"#!/bin/sh\n"),
        ("100644", "skeletons/web/.gitignore", b"*.tmp\n"),
        ("100644", "skeletons/web/x.tmp", b"left out"),
        name="acme/templates.git",
    )


def test_from_a_template_to_the_catalog(templates, source, publish, root, tmp_path, sh):
    actions = {action.id: action for action in [*all_actions(), publish]}
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    base = f"git+file://{templates}/-/blob/main/service/template.yaml"
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "shop"},
        "spec": {"type": "service", "owner": "team", "lifecycle": "production"},
    }
    with Nunjucks().open(RenderLimits()) as session:
        context = GitContext(workspace, source=source, base_target=base, session=session)

        def run(id, **given):
            return actions[id].run(given, context)

        run("fetch:template", url="../skeletons/web", values={"name": "shop"})
        run("catalog:write", entity=entity)
        run("fs:rename", files=[{"from": "shop.py", "to": "src/main.py"}])
        published = run("publish:git", repoUrl="github.com?owner=acme&repo=shop")
        registered = run("catalog:register", repoContentsUrl=published["repoContentsUrl"])
    assert registered["entityRef"] == "component:default/shop"
    sh(tmp_path, "clone", "-q", published["remoteUrl"], "clone")
    names = sh(tmp_path / "clone", "ls-files", "-s").splitlines()
    assert [(line.split()[0], line.split("\t")[1]) for line in names] == [
        ("100644", ".gitignore"),
        ("100644", "catalog-info.yaml"),
        ("100755", "run.sh"),
        ("100644", "src/main.py"),
    ]
    assert (tmp_path / "clone" / "src" / "main.py").read_text() == "print('shop')\n"
    written = yaml.safe_load((tmp_path / "clone" / "catalog-info.yaml").read_text())
    assert written["metadata"]["annotations"] == {
        "backstage.io/source-template": "template:default/kit"
    }
