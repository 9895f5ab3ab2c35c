"""Addresses and names, as text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Forbidden, Invalid, TowpathError
from towpath_git.globs import match_names
from towpath_git.names import check_branch, is_git_folder, is_ref_name, repository_path
from towpath_git.targets import format_target, join_target, parse_target

BASE = "git+file:///srv/git/acme/shop.git/-/blob/main/docs/catalog-info.yaml"


@pytest.mark.parametrize(
    ("target", "repository", "rest"),
    [
        (BASE, "/srv/git/acme/shop.git", ("main", "docs", "catalog-info.yaml")),
        ("git+file:///a.git/-/tree/main", "/a.git", ("main",)),
        ("git+file:///a.git/-/blob/main/", "/a.git", ("main",)),
        ("git+file://localhost/a.git/-/blob/main/x", "/a.git", ("main", "x")),
        ("git+file:///a%20b.git/-/blob/f%2Fx/y", "/a b.git", ("f%2Fx", "y")),
        ("git+file:///a.git/-/blob/main/x/-/tree/y", "/a.git", ("main", "x", "-", "tree", "y")),
        ("git+file:///a.git/-/blob/main/**/*.yaml", "/a.git", ("main", "**", "*.yaml")),
    ],
)
def test_addresses_are_read(target, repository, rest):
    parsed = parse_target(target)
    assert parsed.repository == PurePosixPath(repository)
    assert parsed.rest == rest


@pytest.mark.parametrize(
    "target",
    [
        "git+https://github.com/a/b.git/-/blob/main/x",
        "git+ssh://git@github.com/a/b.git/-/blob/main/x",
        "git+http://127.0.0.1/b.git/-/blob/main/x",
        "git+file:///a/../b.git/-/blob/main/x",
        "git+file:///a/%2e%2e/b.git/-/blob/main/x",
        "git+file:///a%2Fb.git/-/blob/main/x",
        "git+file:///a.git/-/blob/main/../x",
        "git+file:///a.git/-/blob/main/%2E%2e/x",
        "git+file:///a.git/-/blob/main/a%2Fb",
        "git+file:///a.git/-/blob/main/a%00b",
        "git+file:///a.git/-/blob/../main/x",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch x",
        "",
    ],
)
def test_what_leads_elsewhere_is_forbidden(target):
    with pytest.raises(Forbidden):
        parse_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "git+file:///a.git",
        "git+file:///a.git/-/blob/",
        "git+file:///a/-/blob/main/x",
        "git+file://host/a.git/-/blob/main/x",
        "git+file:///a.git/-/blob/main/x?y",
        "git+file:///a.git/-/blob/main/x#y",
        "git+file:///a.git/-/blob/" + "x" * 5000,
    ],
)
def test_what_is_no_address_is_invalid(target):
    with pytest.raises(Invalid):
        parse_target(target)


@pytest.mark.parametrize(
    ("relative", "path"),
    [
        ("./x.yaml", "docs/x.yaml"),
        ("x.yaml", "docs/x.yaml"),
        ("../x.yaml", "x.yaml"),
        ("a/../b/x.yaml", "docs/b/x.yaml"),
        ("./", "docs"),
        ("../*/**/x.yaml", "*/**/x.yaml"),
        ("my file.yaml", "docs/my%20file.yaml"),
        ("my%20file.yaml", "docs/my%20file.yaml"),
        ("a?b#c", "docs/a%3Fb%23c"),
        ("./a:b", "docs/a:b"),
        ("grüße", "docs/gr%C3%BC%C3%9Fe"),
    ],
)
def test_paths_are_joined_in_the_repository(relative, path):
    assert join_target(BASE, relative) == f"git+file:///srv/git/acme/shop.git/-/blob/main/{path}"


@pytest.mark.parametrize(
    "relative",
    [
        "../../x",
        "../" * 60 + "etc/passwd",
        "%2e%2e/%2e%2e/x",
        "..%2F..%2Fx",
        "a%00b",
        "/etc/passwd",
        "//evil.example/x",
        "https://evil.example/x",
        "file:///etc/passwd",
        "git+file:///other.git/-/blob/main/x",
        BASE,
    ],
)
def test_no_path_leads_out_of_the_repository(relative):
    with pytest.raises(Forbidden):
        join_target(BASE, relative)


def test_a_branch_with_a_slash_is_kept_whole():
    base = format_target(PurePosixPath("/a.git"), "feature/x", "d/file.yaml")
    assert base == "git+file:///a.git/-/blob/feature%2Fx/d/file.yaml"
    assert join_target(base, "../other.yaml") == "git+file:///a.git/-/blob/feature%2Fx/other.yaml"
    with pytest.raises(Forbidden):
        join_target(base, "../../other.yaml")


segments = st.lists(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8
    ),
    min_size=1,
    max_size=4,
).filter(lambda names: not {".", ".."} & set(names))


@settings(deadline=None, max_examples=200)
@given(segments, segments, segments)
def test_every_address_can_be_read_again(folders, ref, path):
    repository = PurePosixPath("/", *folders).with_suffix(".x.git")
    parsed = parse_target(format_target(repository, "/".join(ref), "/".join(path)))
    assert parsed.repository == repository
    assert (
        parsed.rest[1:]
        == parse_target(f"git+file:///a.git/-/blob/r/{'/'.join(parsed.rest[1:])}").rest[1:]
    )
    assert len(parsed.rest) == 1 + len(path)
    assert not any("*" in name for name in parsed.rest)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="./%2eEfF*a:", max_size=20))
def test_joining_never_leaves_the_repository(relative):
    try:
        joined = join_target(BASE, relative)
    except TowpathError:
        return
    assert joined.startswith("git+file:///srv/git/acme/shop.git/-/blob/main")
    assert parse_target(joined).rest[0] == "main"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shop", ("shop",)),
        ("acme/shop", ("acme", "shop")),
        ("acme/shop.git", ("acme", "shop")),
        ("acme/team/shop", ("acme", "team", "shop")),
        ("github.com?owner=acme&repo=shop", ("acme", "shop")),
        ("gitlab.com?owner=acme%2Fteam&repo=shop", ("acme", "team", "shop")),
        ("bitbucket.org?workspace=w&project=p&repo=shop", ("w", "shop")),
        ("dev.azure.com?organization=o&project=p&repo=shop", ("p", "shop")),
        ("h?repo=shop", ("shop",)),
        ("a/b-1._c", ("a", "b-1._c")),
    ],
)
def test_repositories_are_named(text, names):
    assert repository_path(text) == names


HOSTILE_NAMES = [
    "",
    "/",
    ".",
    "..",
    "../x",
    "a/../b",
    "acme//shop",
    "a/.git",
    ".git",
    ".tmp/x",
    "acme/shop.git/hooks",
    "acme/shop.GIT",
    "acme/shop.git.git",
    "acme/x.lock",
    "-rf",
    "--upload-pack=x",
    "acme/-x",
    "a b",
    "a\nb",
    "a\0b",
    "a;id",
    "$(id)",
    "a\\b",
    "C:\\x",
    "x.",
    "a..b",
    "ünï",
    "x" * 101,
    "/".join("abcdefghi"),
    "host?owner=..&repo=x",
    "host?owner=a&repo=",
    "host?owner=a&repo=../x",
    "host?owner=a&repo=x%00",
    "host?owner=a&repo=%2E%2E",
    "https://github.com/acme/shop",
]


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_hostile_names_of_repositories(text):
    with pytest.raises(Invalid) as caught:
        repository_path(text)
    assert caught.value.problems[0].place.pointer == "/repoUrl"


HOSTILE_REFS = [
    "",
    "-x",
    "--output=x",
    "a..b",
    "@{u}",
    "a@{1}",
    "a b",
    "a\nb",
    "a\0b",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "/a",
    "a/",
    "a//b",
    "a.",
    "a.lock",
    "a.lock/b",
    ".a",
    "a/.b",
    "@",
    "x" * 300,
]


@pytest.mark.parametrize("name", HOSTILE_REFS)
def test_hostile_names_of_branches(name):
    assert not is_ref_name(name)
    with pytest.raises(Invalid):
        check_branch(name)


@pytest.mark.parametrize("name", [";id", "$(id)", "HEAD", "ünï", "a&b"])
def test_a_new_branch_has_a_plain_name(name):
    with pytest.raises(Invalid):
        check_branch(name)


@pytest.mark.parametrize("name", ["main", "feature/x", "v1.2", "a_b-c"])
def test_good_branches(name):
    assert is_ref_name(name)
    assert check_branch(name) == name


def test_what_git_refuses_is_never_taken_for_a_ref(sh, tmp_path):
    for name in ["main", "a/b", "a.b", "x.lock.y", *HOSTILE_REFS]:
        if is_ref_name(name):
            sh(tmp_path, "check-ref-format", f"refs/heads/{name}")


@pytest.mark.parametrize(
    "name", [".git", ".GIT", ".git.", ".git ", "git~1", ".g\u200cit", ".git:x"]
)
def test_git_folders_by_any_name(name):
    assert is_git_folder(name)
    assert not is_git_folder("x" + name)


@pytest.mark.parametrize(
    ("pattern", "path", "answer"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("*", "abc", True),
        ("a*c", "abbc", True),
        ("a*b*c", "a-b-b-c", True),
        ("*.yaml", "x.yml", False),
        ("*", "a/b", False),
        ("**", "a/b/c", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("a/**/x", "a/x", True),
        ("a/**/b/**/x", "a/1/b/2/3/x", True),
        ("a/**/b/**/x", "a/1/2/3/x", False),
        ("**/a/b", "a/a/b", True),
        ("**/*.yaml", ".hidden/x.yaml", False),
        ("**/.hidden/*", "a/.hidden/x", True),
        ("*", ".x", False),
        (".*", ".x", True),
        ("a%2Ab", "a*b", True),
        ("a%2Ab", "axb", False),
        ("a%20*", "a b", True),
        ("a[b]*", "a[b]c", True),
    ],
)
def test_globs(pattern, path, answer):
    assert match_names(pattern.split("/"), path.split("/")) is answer


def naive(pattern, names):
    if not pattern or not names:
        return not names and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        hidden = names[0].startswith(".")
        return naive(pattern[1:], names) or (not hidden and naive(pattern, names[1:]))
    return _naive_name(pattern[0], names[0]) and naive(pattern[1:], names[1:])


def _naive_name(part, name):
    hidden = name.startswith(".") and not part.startswith(".")
    return not hidden and bool(re.fullmatch(re.escape(part).replace(r"\*", ".*"), name))


@settings(deadline=None, max_examples=500)
@given(
    st.lists(
        st.sampled_from(["a", "*", "a*", "*b", "**", ".a", ".*", "*a*"]), min_size=1, max_size=6
    ),
    st.lists(st.sampled_from(["a", "b", "ab", ".a", ".b", "ba"]), min_size=1, max_size=6),
)
def test_globs_mean_what_they_say(pattern, names):
    assert match_names(pattern, names) is naive(pattern, names)
