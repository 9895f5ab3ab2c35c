"""The actions fetch:plain and fetch:template, with the real language behind them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from towpath_backstage.actions import fetching
from towpath_backstage.actions.names import SCRATCH
from towpath_backstage.actions.plain import FetchPlain
from towpath_backstage.actions.template import FetchTemplate
from towpath_backstage.language import Nunjucks
from towpath_core.errors import Cancelled, Forbidden, Invalid, LimitExceeded, NotFound, PluginError
from towpath_core.scaffolding import RenderLimits
from towpath_core.testing import RecordingContext

ACTIONS = [FetchPlain(), FetchTemplate()]


@pytest.fixture(scope="module")
def session():
    with Nunjucks().open(RenderLimits()) as session:
        yield session


@pytest.fixture
def skeleton(tmp_path):
    folder = tmp_path / "template" / "skeleton"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    return root


@pytest.fixture
def context(root, skeleton, session):
    return RecordingContext(root, template=skeleton.parent, session=session)


class Copying(RecordingContext):
    """Fetches whatever is there, links and all: the action must look for itself."""

    def fetch(self, url, destination):
        shutil.copytree(self._template / url, destination, symlinks=True)


def lay(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def render(context, values=None, **more):
    given = {"url": "./skeleton", "values": values or {}, **more}
    assert FetchTemplate().run(given, context) == {}


@pytest.mark.parametrize("action", ACTIONS)
def test_copies_what_has_no_tags_to_the_byte(context, root, skeleton, action):
    content = {
        "README.md": "# no newline at the end",
        "crlf.txt": "a\r\nb\r\n",
        "bom.txt": b"\xef\xbb\xbfx\n",
        "latin1.txt": b"caf\xe9 ${{ values.x }}\n",
        "image.png": b"\x89PNG\x00${{ values.x }}",
        "deep/er/empty": "",
        ".dot/file": "x",
        "grüße.md": "ü",
    }
    lay(skeleton, content)
    (skeleton / "hollow").mkdir()
    (skeleton / "README.md").chmod(0o4755)
    action.run({"url": "./skeleton"}, context)
    for name, text in content.items():
        assert (root / name).read_bytes() == (text if isinstance(text, bytes) else text.encode())
    assert (root / "README.md").stat().st_mode & 0o7777 == 0o755
    assert (root / "hollow").is_dir()
    assert not (root / SCRATCH).exists()


def test_renders_contents_and_names(context, root, skeleton):
    lay(
        skeleton,
        {
            "${{ values.name }}.md": "# ${{ values.title }}\n{% if values.ci %}ci{% endif %}\n",
            "src/${{ values.package | replace('.', '-') }}/A.java": "package ${{ values.package }}",
            "run.sh": "echo ${{ values.name }}",
        },
    )
    (skeleton / "run.sh").chmod(0o755)
    render(context, {"name": "shop", "title": "The shop", "package": "com.acme", "ci": True})
    assert files(root) == {
        "shop.md": "# The shop\nci\n",
        "src/com-acme/A.java": "package com.acme",
        "run.sh": "echo shop",
    }
    assert os.access(root / "run.sh", os.X_OK)


def test_a_name_may_become_folders(context, root, skeleton):
    lay(skeleton, {"src/${{ values.dir }}/x": "1"})
    render(context, {"dir": "com/acme/shop"})
    assert files(root) == {"src/com/acme/shop/x": "1"}


def test_what_has_no_name_is_left_out(context, root, skeleton):
    lay(
        skeleton,
        {
            "${{ 'Dockerfile' if values.docker }}": "FROM x",
            "${{ 'k8s' if values.k8s }}/deploy.yaml": "a",
            "ops/${{ 'helm' if values.helm }}/chart.yaml": "b",
            "ops/${{ 'x' if values.x }}": "c",
            "${{ values.absolute }}": "d",
            "kept": "e",
        },
    )
    render(context, {"absolute": "/etc/passwd"})
    assert files(root) == {"kept": "e"}
    assert "left out 7 without a name" in context.text()


def test_target_path_is_below_the_workspace(context, root, skeleton):
    lay(skeleton, {"a": "${{ values.x }}"})
    render(context, {"x": 1}, targetPath="./one/../two")
    FetchPlain().run({"url": "skeleton", "targetPath": "raw"}, context)
    assert files(root) == {"two/a": "1", "raw/a": "${{ values.x }}"}


def test_files_that_are_there_are_kept_unless_replaced(context, root, skeleton):
    lay(skeleton, {"a": "new", "b": "${{ values.undefined.bad }}"})
    lay(root, {"a": "old"})
    render(context)
    assert files(root)["a"] == "old"
    assert "kept 1 that were there" in context.text()
    render(context, replace=True)
    assert files(root)["a"] == "new"
    lay(root, {"a": "old"})
    FetchPlain().run({"url": "skeleton"}, context)
    assert files(root)["a"] == "new"


def test_a_file_that_is_kept_is_not_rendered(context, root, skeleton):
    lay(skeleton, {"a": "{% endfor %}"})
    lay(root, {"a": "old"})
    render(context)
    assert files(root) == {"a": "old"}


def test_copy_without_templating_renders_names_only(context, root, skeleton):
    lay(skeleton, {"raw/${{ values.x }}.yaml": "${{ github.ref }}", "b": "${{ values.x }}"})
    render(context, {"x": "n"}, copyWithoutTemplating=["raw/*"])
    assert files(root) == {"raw/n.yaml": "${{ github.ref }}", "b": "n"}


def test_copy_without_render_renders_nothing_and_warns(context, root, skeleton):
    lay(
        skeleton,
        {
            ".github/workflows/${{ x }}.yaml": "${{ github.ref }}",
            ".github/other.yaml": "${{ values.x }}",
            "whole/a/b": "${{ values.x }}",
        },
    )
    render(context, {"x": "n"}, copyWithoutRender=[".github/workflows/*", "whole"])
    assert files(root) == {
        ".github/workflows/${{ x }}.yaml": "${{ github.ref }}",
        ".github/other.yaml": "n",
        "whole/a/b": "${{ values.x }}",
    }
    assert any(level == "warning" and "copyWithoutRender" in text for level, text in context.lines)


@pytest.mark.parametrize("extension", [True, ".njk", "njk"])
def test_only_marked_files_are_rendered(context, root, skeleton, extension):
    lay(
        skeleton,
        {"a.md.njk": "${{ values.x }}", "${{ values.x }}.md": "${{ values.x }}", ".njk": "y"},
    )
    render(context, {"x": "n"}, templateFileExtension=extension)
    assert files(root) == {"a.md": "n", "n.md": "${{ values.x }}", ".njk": "y"}


def test_marking_files_and_listing_them_is_too_much(context, skeleton):
    with pytest.raises(Invalid):
        render(context, templateFileExtension=True, copyWithoutTemplating=["x"])


def test_cookiecutter_compatibility(context, root, skeleton):
    lay(skeleton, {"{{ cookiecutter.name }}/x": "{{ cookiecutter.name }} ${{ x }}"})
    render(context, {"name": "shop"}, cookiecutterCompat=True)
    assert files(root) == {"shop/x": "shop $"}


def test_blank_control(context, root, skeleton):
    lay(skeleton, {"a": "  {% if true %}\nx\n  {% endif %}\n"})
    render(context)
    assert files(root) == {"a": "  \nx\n  \n"}
    render(context, replace=True, trimBlocks=True, lstripBlocks=True)
    assert files(root) == {"a": "x\n"}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_single_file_goes_by_its_name(context, root, skeleton, action):
    lay(skeleton, {"one file.txt": "plain"})
    action.run({"url": "skeleton/one file.txt", "targetPath": "docs"}, context)
    assert files(root) == {"docs/one file.txt": "plain"}


@pytest.mark.parametrize("action", ACTIONS)
def test_doing_it_again_changes_nothing(context, root, skeleton, action):
    lay(skeleton, {"a": "${{ values.x }}", "d/b": "2"})
    for _ in range(3):
        action.run({"url": "skeleton", "values": {"x": 1}}, context)
    assert set(files(root)) == {"a", "d/b"}


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "../../escaped",
        "a/../../escaped",
        "a\\..\\..\\escaped",
        "C:\\x",
        "c:/x",
        "x\0y",
        "x\ny",
        "x\x1b[31my",
        "a\u202eb",
        ".git/hooks/post-checkout",
        "sub/.git/config",
        ".GIT/config",
        ".git./config",
        "git~1/config",
        ".g\u200cit/config",
        ".git",
        "nul",
        "COM1.txt",
        "trailing.",
        "trailing ",
        f"{SCRATCH}/x",
        ".",
        "a/..",
        "x" * 256,
        "/".join(["d"] * 65),
        "/".join(["y" * 200] * 6),
    ],
)
def test_hostile_names_are_refused_and_nothing_is_written(context, root, skeleton, name):
    lay(skeleton, {"aaa": "fine", "zzz-${{ values.n }}": "x", "${{ values.n }}": "x"})
    with pytest.raises(Invalid) as caught:
        render(context, {"n": name})
    problem = caught.value.problems[0]
    assert problem.code == "path"
    assert problem.place.file.startswith("./skeleton/")
    assert list(root.iterdir()) == []
    assert sorted(path.name for path in root.parent.iterdir()) == ["template", "workspace"]


def test_a_name_may_not_leave_the_target_even_into_the_workspace(context, root, skeleton):
    lay(skeleton, {"${{ values.n }}": "x"})
    with pytest.raises(Invalid):
        render(context, {"n": "../beside"}, targetPath="target")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "target", ["../x", "/tmp/x", "a/../../x", ".git", "sub/.git/hooks", "link/x"]
)
@pytest.mark.parametrize("action", ACTIONS)
def test_hostile_targets(context, root, skeleton, tmp_path, action, target):
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    lay(skeleton, {"a": "1"})
    with pytest.raises(Invalid):
        action.run({"url": "skeleton", "targetPath": target}, context)
    assert [path.name for path in root.iterdir()] == ["link"]
    assert list((tmp_path / "outside").iterdir()) == []


NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README.md", "readme.md"),
        ("Docs/a", "docs/A"),
        ("docs", "Docs/a"),
        (NFC, NFD),
        ("straße", "STRASSE"),
        ("a", "a/b"),
        ("same", "same"),
        ("dir/same", "dir/../dir/same"),
    ],
)
def test_two_files_that_are_one_somewhere_are_refused(context, root, skeleton, one, other):
    lay(skeleton, {"${{ values.one }}": "x", "${{ values.other }}": "y"})
    with pytest.raises(Invalid) as caught:
        render(context, {"one": one, "other": other})
    assert caught.value.problems[0].code == "collision"
    assert files(root) == {}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_file_that_is_one_with_an_earlier_step_s_is_refused(context, root, skeleton, action):
    lay(root, {"README.md": "old"})
    lay(skeleton, {"readme.MD": "new"})
    with pytest.raises(Invalid, match=r"README\.md"):
        action.run({"url": "skeleton"}, context)
    assert files(root) == {"README.md": "old"}


def test_folders_may_differ_in_case_where_no_file_does(context, root, skeleton):
    lay(skeleton, {"Docs/a": "1", "docs/b": "2"})
    render(context)
    assert set(files(root)) == {"Docs/a", "docs/b"}


def test_folders_may_come_together(context, root, skeleton):
    lay(skeleton, {"${{ values.a }}/x": "1", "b/y": "2", "${{ values.a }}/${{ values.c }}/z": "3"})
    lay(root, {"b/old": "0"})
    render(context, {"a": "b", "c": "d"})
    assert files(root) == {"b/x": "1", "b/y": "2", "b/d/z": "3", "b/old": "0"}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_bookkeeping_of_a_checkout_is_left_behind(root, skeleton, session, action):
    lay(skeleton, {"a": "1", ".git/config": "x", "sub/.git": "gitdir: x", "sub/.gitignore": "y"})
    (skeleton / ".git" / "link").symlink_to("/etc/passwd")
    action.run({"url": "skeleton"}, Copying(root, template=skeleton.parent, session=session))
    assert files(root) == {"a": "1", "sub/.gitignore": "y"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "nowhere", "link2"])
@pytest.mark.parametrize("action", ACTIONS)
def test_links_in_a_skeleton_are_refused(root, skeleton, session, tmp_path, action, target):
    lay(skeleton, {"a": "1", "d/b": "2"})
    (tmp_path / "secret").write_text("secret")
    (skeleton / "d" / "link").symlink_to(target)
    (skeleton / "d" / "link2").symlink_to("link")
    context = Copying(root, template=skeleton.parent, session=session)
    with pytest.raises(Invalid, match="skeleton/d/link is a link") as caught:
        action.run({"url": "./skeleton"}, context)
    assert caught.value.problems[0].place.file == "./skeleton/d/link"
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_link_in_the_workspace_is_not_written_through(context, root, skeleton, tmp_path, action):
    (tmp_path / "outside").mkdir()
    (root / "d").symlink_to(tmp_path / "outside")
    (root / "f").symlink_to(tmp_path / "outside" / "new")
    for name in ("d/x", "f"):
        shutil.rmtree(skeleton)
        lay(skeleton, {name: "1"})
        with pytest.raises(Invalid):
            action.run({"url": "skeleton", "replace": True}, context)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_pipes_in_a_skeleton_are_refused(root, skeleton, session, action):
    class Piping(RecordingContext):
        def fetch(self, url, destination):
            destination.mkdir(parents=True)
            os.mkfifo(destination / "pipe")

    with pytest.raises(Invalid, match="not a file"):
        action.run({"url": "x"}, Piping(root, template=skeleton.parent, session=session))


@pytest.mark.parametrize("action", ACTIONS)
def test_quotas_hold_before_anything_is_placed(context, root, skeleton, action, monkeypatch):
    lay(skeleton, {f"f{number}": "x" * 50 for number in range(6)})
    for limit, value in (("MAX_FILES", 5), ("MAX_FILE_BYTES", 49), ("MAX_TOTAL_BYTES", 299)):
        with monkeypatch.context() as patch:
            patch.setattr(fetching, limit, value)
            with pytest.raises(LimitExceeded, match=str(value)):
                action.run({"url": "skeleton"}, context)
        assert list(root.iterdir()) == []


def test_what_rendering_makes_counts_too(context, root, skeleton, monkeypatch):
    lay(skeleton, {f"f{number}": "${{ values.x }}" for number in range(6)})
    monkeypatch.setattr(fetching, "MAX_TOTAL_BYTES", 299)
    with pytest.raises(LimitExceeded):
        render(context, {"x": "y" * 50})
    assert list(root.iterdir()) == []


def test_a_mistake_is_found_in_its_file_and_line(context, root, skeleton):
    lay(skeleton, {"a": "fine", "b/c.txt": "one\ntwo ${{ values. }}\n"})
    with pytest.raises(Invalid) as caught:
        render(context)
    assert caught.value.problems[0].place.file == "./skeleton/b/c.txt"
    assert caught.value.problems[0].place.line == 2
    assert "./skeleton/b/c.txt:2" in str(caught.value)
    assert list(root.iterdir()) == []


def test_a_mistake_in_a_name_is_found_too(context, skeleton):
    lay(skeleton, {"${{ values. }}": "x"})
    with pytest.raises(Invalid) as caught:
        render(context)
    assert "values" in caught.value.problems[0].place.file


def test_a_bomb_names_its_file(root, skeleton):
    loop = "{% for a in range(9999) %}{% for b in range(9999) %}{{ '' }}{% endfor %}{% endfor %}"
    lay(skeleton, {"ok": "fine", "bomb": loop.replace("{{", "${{") * 3})
    limits = RenderLimits(cpu_seconds=1, wall_seconds=60.0)
    with Nunjucks().open(limits) as session:
        context = RecordingContext(root, template=skeleton.parent, session=session)
        with pytest.raises(LimitExceeded) as caught:
            render(context)
    assert caught.value.problems[0].place.file == "./skeleton/bomb"
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_cancelling_leaves_nothing_half_written(root, skeleton, session, action):
    lay(skeleton, {f"f{number}": "x" for number in range(5)})

    class Cancelling(RecordingContext):
        def check(self):
            if self.reports:
                self.cancel()
            super().check()

    context = Cancelling(root, template=skeleton.parent, session=session)
    with pytest.raises(Cancelled):
        action.run({"url": "skeleton"}, context)
    assert not (root / SCRATCH).exists()
    assert all(text == "x" for text in files(root).values())


@pytest.mark.parametrize("action", ACTIONS)
def test_what_cannot_be_fetched(context, root, skeleton, action):
    for url, error in (("no-such", NotFound), ("../../etc", Forbidden)):
        with pytest.raises(error):
            action.run({"url": url}, context)
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_platform_that_fetches_nothing_is_told_so(root, session, action):
    class Nothing(RecordingContext):
        def fetch(self, url, destination):
            return

    with pytest.raises(PluginError):
        action.run({"url": "https://me:hunter2@x/y?t=1"}, Nothing(root, session=session))


def test_passwords_in_urls_are_in_no_message(root, skeleton, session):
    class Remote(RecordingContext):
        def fetch(self, url, destination):
            super().fetch("skeleton", destination)

    context = Remote(root, template=skeleton.parent, session=session)
    lay(skeleton, {"a": "1"})
    url = "https://me:hunter2@example.com/acme/x?token=abc"
    FetchTemplate().run({"url": url, "token": "also-secret"}, context)
    FetchPlain().run({"url": url, "token": "also-secret"}, context)
    for secret in ("hunter2", "abc", "also-secret"):
        assert secret not in context.text()
    lay(skeleton, {"b": "${{ values. }}"})
    with pytest.raises(Invalid) as caught:
        FetchTemplate().run({"url": url}, context)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"url": 1},
        {"url": "skeleton", "values": []},
        {"url": "skeleton", "copyWithoutTemplating": "x"},
        {"url": "skeleton", "copyWithoutRender": ["../x"]},
        {"url": "skeleton", "replace": "yes"},
    ],
)
def test_wrong_input_is_invalid(context, skeleton, given):
    with pytest.raises(Invalid):
        FetchTemplate().run(given, context)


def test_half_a_surrogate_pair_is_an_error_of_the_template(context, root, skeleton):
    lay(skeleton, {"a": '${{ "\\ud800" }}', "b": "x"})
    try:
        render(context)
    except Invalid as error:
        assert error.problems[0].place.file == "./skeleton/a"
        assert files(root) == {}
    else:
        assert set(files(root)) == {"a", "b"}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_url_with_control_characters_is_not_even_asked_for(context, action):
    for url in ("a\0b", "a\nb", "\x1b[31m"):
        with pytest.raises(Invalid):
            action.run({"url": url}, context)


def test_killed_anywhere_and_run_again_the_files_are_the_same(root, skeleton, tmp_path):
    lay(
        skeleton,
        {f"d{number % 3}/f{number}": f"${{{{ values.x }}}} {number}" for number in range(9)},
    )
    child = Path(__file__).with_name("fetch_child.py")

    def run(workspace, last):
        workspace.mkdir(exist_ok=True)
        command = [sys.executable, str(child), str(workspace), str(skeleton.parent), str(last)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = run(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    words = int(whole.stdout)
    expected = files(tmp_path / "whole")
    assert len(expected) == 9
    for number, last in enumerate(random.Random(4).sample(range(1, words + 1), 5)):
        workspace = tmp_path / f"killed{number}"
        assert run(workspace, last).returncode == -signal.SIGKILL
        left = {name: text for name, text in files(workspace).items() if SCRATCH not in name}
        assert left.items() <= expected.items()
        assert run(workspace, 0).returncode == 0
        assert files(workspace) == expected
        assert not (workspace / SCRATCH).exists()
