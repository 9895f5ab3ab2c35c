"""Skeletons of real templates go through the actions."""

from __future__ import annotations

import collections
import tarfile

import pytest

from towpath_backstage.actions.plain import FetchPlain
from towpath_backstage.actions.template import FetchTemplate
from towpath_backstage.language import Nunjucks
from towpath_core.errors import Invalid
from towpath_core.scaffolding import RenderLimits
from towpath_core.testing import RecordingContext

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def templates(corpus, tmp_path_factory):
    archive = corpus / "templates.tar.gz"
    if not archive.is_file():
        pytest.skip(f"no {archive.name} in the corpus")
    folder = tmp_path_factory.mktemp("templates")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    found = sorted(path.parent for path in folder.rglob("template.yaml"))
    assert len(found) > 50
    return found


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def session():
    with Nunjucks().open(RenderLimits(cpu_seconds=300, wall_seconds=60.0)) as session:
        yield session


def test_real_files_are_copied_to_the_byte_and_twins_are_found(templates, tmp_path):
    copied, twins = 0, []
    for number, folder in enumerate(templates):
        workspace = tmp_path / str(number)
        workspace.mkdir()
        try:
            FetchPlain().run({"url": "."}, RecordingContext(workspace, template=folder))
        except Invalid as error:
            assert [problem.code for problem in error.problems] == ["collision"]
            twins.append(folder.name)
        else:
            assert files(workspace) == files(folder)
            copied += len(files(workspace))
    assert copied > 1000
    assert len(twins) <= 1, twins  # one has a file in Configuration/ and in configuration/


def test_real_skeletons_render_or_say_where_they_cannot(templates, tmp_path, session):
    outcomes = collections.Counter()
    values = {"name": "shop", "component_id": "shop", "owner": "team", "java_package_name": "a.b"}
    for number, folder in enumerate(templates):
        workspace = tmp_path / str(number)
        workspace.mkdir()
        context = RecordingContext(workspace, template=folder, session=session)
        given = {"url": ".", "values": values, "copyWithoutTemplating": ["**/template.yaml"]}
        try:
            FetchTemplate().run(given, context)
            outcomes["rendered"] += 1
        except Invalid as error:
            outcomes[error.problems[0].code] += 1
            assert error.problems[0].place.file
            assert files(workspace) == {}
    assert outcomes["rendered"] > len(templates) * 0.8, outcomes
    assert set(outcomes) <= {"rendered", "template", "collision"}, outcomes
