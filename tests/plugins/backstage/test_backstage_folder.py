"""The folder source: what it reads, and that nothing leads it out of its roots."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from towpath_backstage.folder import FolderSource
from towpath_core.catalog import CatalogSource
from towpath_core.errors import Forbidden, LimitExceeded, NotFound, SettingsError, TowpathError

BIG = 1_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name, content in {
        "all.yaml": "all",
        "services/pay/catalog-info.yaml": "pay",
        "services/shop/catalog-info.yml": "shop",
        "services/shop/other.yaml": "no",
        "services/plain/b.yaml": "b",
        "services/plain/a.yml": "a",
        "services/plain/readme.md": "no",
        "services/deep/er/catalog-info.yaml": "deeper",
        "services/.hidden/catalog-info.yaml": "hidden",
        "services/empty/readme.md": "no",
        "odd/[x] *.yaml": "odd",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "secret.yaml").write_text("SECRET")
    (tmp_path / "root-twin").mkdir()
    (tmp_path / "root-twin" / "x.yaml").write_text("SECRET")
    return folder


def texts(source: FolderSource, target: str) -> dict[str, str]:
    found = list(source.read(target, max_bytes=BIG))
    assert [file.target for file in found] == sorted(file.target for file in found)
    return {file.target: file.content.decode() for file in found}


def refused(source: FolderSource, target: str, max_bytes: int = BIG) -> TowpathError:
    with pytest.raises(TowpathError) as caught:
        list(source.read(target, max_bytes=max_bytes))
    assert "SECRET" not in str(caught.value)
    return caught.value


def test_it_is_a_catalog_source(root: Path) -> None:
    source = FolderSource([root])
    assert isinstance(source, CatalogSource)
    assert (source.name, source.types) == ("folder", {"file"})
    assert source.claims("file", "anything")
    assert not source.claims("url", str(root))


def test_a_file_is_read_with_its_hash(root: Path) -> None:
    (file,) = FolderSource([root]).read(f"{root}/all.yaml", max_bytes=3)
    assert (file.target, file.content) == (f"{root}/all.yaml", b"all")
    assert file.etag == hashlib.sha256(b"all").hexdigest()


@pytest.mark.parametrize(
    "form",
    [
        "{0}",
        "file://{0}",
        "file:{0}",
        "file://localhost{0}",
        "{0}/../root",
        "//{0}",
        "file:////{0}",
    ],
)
def test_targets_may_be_paths_or_file_urls(root: Path, form: str) -> None:
    assert texts(FolderSource([root]), f"{form.format(root)}/all.yaml") == {
        f"{root}/all.yaml": "all"
    }


def test_file_urls_are_percent_decoded_and_paths_are_not(root: Path) -> None:
    (root / "a b.yaml").write_text("x")
    (root / "a%20b.yaml").write_text("y")
    source = FolderSource([root])
    assert texts(source, f"file://{root}/a%20b.yaml") == {f"{root}/a b.yaml": "x"}
    assert texts(source, f"{root}/a%20b.yaml") == {f"{root}/a%20b.yaml": "y"}


def test_a_target_can_be_read_again(root: Path) -> None:
    source = FolderSource([root])
    for target in texts(source, f"{root}/**"):
        assert list(texts(source, target)) == [target]


FOLDERS = [
    ("services/pay", {"services/pay/catalog-info.yaml": "pay"}),
    ("services/pay/", {"services/pay/catalog-info.yaml": "pay"}),
    ("services/shop", {"services/shop/catalog-info.yml": "shop"}),
    ("services/plain", {"services/plain/a.yml": "a", "services/plain/b.yaml": "b"}),
    ("", {"all.yaml": "all"}),
]


@pytest.mark.parametrize(("target", "expected"), FOLDERS)
def test_folders_mean_their_descriptor(root: Path, target: str, expected: dict[str, str]) -> None:
    found = texts(FolderSource([root]), f"{root}/{target}")
    assert found == {f"{root}/{name}": text for name, text in expected.items()}


GLOBS = [
    ("*.yaml", ["all.yaml"]),
    (
        "services/*/catalog-info.yaml",
        ["services/pay/catalog-info.yaml", "services/shop/catalog-info.yml"],
    ),
    (
        "services/*/catalog-info.yml",
        ["services/pay/catalog-info.yaml", "services/shop/catalog-info.yml"],
    ),
    ("services/*/*.yml", ["services/plain/a.yml", "services/shop/catalog-info.yml"]),
    (
        "services/*/catalog-info.y*ml",
        ["services/pay/catalog-info.yaml", "services/shop/catalog-info.yml"],
    ),
    (
        "services/**/catalog-info.yaml",
        [
            "services/deep/er/catalog-info.yaml",
            "services/pay/catalog-info.yaml",
            "services/shop/catalog-info.yml",
        ],
    ),
    ("**/er/*", ["services/deep/er/catalog-info.yaml"]),
    ("**/deep/**/catalog-info.yaml", ["services/deep/er/catalog-info.yaml"]),
    ("services/.*/catalog-info.yaml", ["services/.hidden/catalog-info.yaml"]),
    ("services/p?y/catalog-info.yaml", ["services/pay/catalog-info.yaml"]),
    ("services/plain/?.y*ml", ["services/plain/a.yml", "services/plain/b.yaml"]),
    (
        "services/plain/**",
        ["services/plain/a.yml", "services/plain/b.yaml", "services/plain/readme.md"],
    ),
    ("odd/[x] ?.yaml", ["odd/[x] *.yaml"]),
    ("odd/[x] *.yaml", ["odd/[x] *.yaml"]),
    ("services/*/er/*.yaml", ["services/deep/er/catalog-info.yaml"]),
    ("**/**/all.yaml", ["all.yaml"]),
]


@pytest.mark.parametrize(("pattern", "expected"), GLOBS, ids=[pattern for pattern, _ in GLOBS])
def test_globs(root: Path, pattern: str, expected: list[str]) -> None:
    assert list(texts(FolderSource([root]), f"{root}/{pattern}")) == [
        f"{root}/{n}" for n in expected
    ]


def test_the_name_that_is_written_goes_before_its_other_spelling(root: Path) -> None:
    (root / "services" / "pay" / "catalog-info.yml").write_text("stale")
    for suffix, text in (("yaml", "pay"), ("yml", "stale")):
        found = texts(FolderSource([root]), f"{root}/services/*/catalog-info.{suffix}")
        assert sorted(found.values()) == sorted(["shop", text])


MISSING = [
    "gone.yaml",
    "gone/x.yaml",
    "all.yaml/x",
    "services/empty",
    "x*.yaml",
    "gone/*.yaml",
    "all.yaml/*",
]


@pytest.mark.parametrize("target", [*MISSING, "x" * 300])
def test_what_is_not_there(root: Path, target: str) -> None:
    assert isinstance(refused(FolderSource([root]), f"{root}/{target}"), NotFound)


OUTSIDE = [
    "/etc/passwd",
    "file:///etc/passwd",
    "/",
    "/*",
    "{root}/../secret.yaml",
    "{root}/services/../../secret.yaml",
    "file://{root}/%2e%2e/secret.yaml",
    "{root}/*/../../secret.yaml",
    "{root}-twin/x.yaml",
    "{root}-twin",
    "all.yaml",
    "./all.yaml",
    "../secret.yaml",
    "",
    "file:all.yaml",
    "file://other.example.com{root}/all.yaml",
    "https://example.com/all.yaml",
    "{root}/all.yaml\0",
    "file://{root}/all.yaml%00",
    "{root}/\ud800.yaml",
    "{root}/" + "x/" * 5_000,
    "//{root}/../secret.yaml",
]


@pytest.mark.parametrize("target", OUTSIDE, ids=[repr(target[:40]) for target in OUTSIDE])
def test_what_lies_outside_is_forbidden(root: Path, target: str) -> None:
    error = refused(FolderSource([root]), target.replace("{root}", str(root)))
    assert isinstance(error, Forbidden)
    assert len(str(error)) < 500


def test_whether_something_outside_exists_is_not_told(root: Path) -> None:
    # Names of one letter: a long path is cut in messages, and must not be cut within a name.
    (root.parent / "Q").write_text("")
    source = FolderSource([root])
    there = refused(source, f"{root}/../Q")
    gone = refused(source, f"{root}/../Z")
    assert str(there).replace("Q", "x") == str(gone).replace("Z", "x")


def test_without_roots_nothing_is_read_and_the_setting_is_named(root: Path) -> None:
    error = refused(FolderSource(), f"{root}/all.yaml")
    assert isinstance(error, Forbidden)
    assert "`roots`" in str(error)
    assert "[catalog]" in str(error) and "--root" in str(error)
    with pytest.raises(Forbidden):
        FolderSource().resolve(f"{root}/all.yaml", "./x.yaml")


def test_a_root_that_is_gone(tmp_path: Path) -> None:
    assert isinstance(refused(FolderSource([tmp_path / "x"]), f"{tmp_path}/x/a.yaml"), NotFound)


@pytest.mark.parametrize("bad", ["catalog", "./catalog", "", "~/catalog", "/a\0b"])
def test_roots_are_absolute(bad: str) -> None:
    with pytest.raises(SettingsError, match="absolute"):
        FolderSource([bad])


def test_links_below_a_root_are_followed_where_they_are_written_out(root: Path) -> None:
    (root / "link.yaml").symlink_to(root / "all.yaml")
    (root / "folder").symlink_to(root / "services")
    source = FolderSource([root])
    assert texts(source, f"{root}/link.yaml") == {f"{root}/link.yaml": "all"}
    assert texts(source, f"{root}/folder/pay") == {f"{root}/folder/pay/catalog-info.yaml": "pay"}
    assert list(texts(source, f"{root}/*.yaml")) == [f"{root}/all.yaml"]
    assert all("/folder/" not in name for name in texts(source, f"{root}/**"))


def test_links_between_two_roots_are_followed(root: Path, tmp_path: Path) -> None:
    (root / "link.yaml").symlink_to(tmp_path / "root-twin" / "x.yaml")
    assert isinstance(refused(FolderSource([root]), f"{root}/link.yaml"), Forbidden)
    source = FolderSource([root, tmp_path / "root-twin"])
    assert texts(source, f"{root}/link.yaml") == {f"{root}/link.yaml": "SECRET"}


def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(root)
    source = FolderSource([tmp_path / "way"])
    assert texts(source, f"{tmp_path}/way/all.yaml") == {f"{tmp_path}/way/all.yaml": "all"}


LINKS = [
    "../secret.yaml",
    "/etc/passwd",
    "/etc",
    "..",
    "../root-twin",
    "services/../../secret.yaml",
]


@pytest.mark.parametrize("goal", LINKS)
def test_links_out_of_a_root_are_refused(root: Path, goal: str) -> None:
    (root / "link.yaml").symlink_to(goal)
    (root / "chain.yaml").symlink_to("link.yaml")
    (root / "services" / "pay" / "catalog-info.yaml").unlink()
    (root / "services" / "pay" / "catalog-info.yaml").symlink_to(root / "link.yaml")
    source = FolderSource([root])
    for target in ("link.yaml", "chain.yaml", "link.yaml/x.yaml", "link.yaml/*", "services/pay"):
        assert isinstance(refused(source, f"{root}/{target}"), Forbidden), target
    assert "SECRET" not in texts(source, f"{root}/**").values()


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a.yaml").symlink_to("b.yaml")
    (root / "b.yaml").symlink_to("a.yaml")
    (root / "self").symlink_to(".")
    source = FolderSource([root])
    assert isinstance(refused(source, f"{root}/a.yaml"), Forbidden | NotFound)
    assert texts(source, f"{root}/self/self/all.yaml") == {f"{root}/self/self/all.yaml": "all"}
    assert len(texts(source, f"{root}/**/all.yaml")) == 1


def test_a_link_that_is_swapped_in_while_reading_is_never_followed(
    root: Path, tmp_path: Path
) -> None:
    """The check and the opening are apart in time; what stands there between must not matter."""
    inner, outer = root / "swap", tmp_path / "outer"
    inner.mkdir()
    outer.mkdir()
    (inner / "x.yaml").write_text("good")
    (outer / "x.yaml").write_text("SECRET")
    done = threading.Event()

    def swap() -> None:
        aside = root / "aside"
        while not done.is_set():
            inner.rename(aside)
            inner.symlink_to(outer)
            inner.unlink()
            aside.rename(inner)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(500):
            try:
                seen |= set(texts(FolderSource([root]), f"{root}/swap/x.yaml").values())
            except (Forbidden, NotFound):
                seen.add("refused")
    finally:
        done.set()
        thread.join()
    assert "SECRET" not in seen
    assert seen


def test_what_is_no_regular_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe.yaml")
    (root / "dev.yaml").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    try:
        os.chdir(root)
        server.bind("socket.yaml")
    finally:
        os.chdir(here)
    with server:
        begin = time.monotonic()
        for name in ("pipe.yaml", "socket.yaml", "dev.yaml"):
            assert isinstance(refused(FolderSource([root]), f"{root}/{name}"), Forbidden)
        assert time.monotonic() - begin < 60
        assert list(texts(FolderSource([root]), f"{root}/*.yaml")) == [f"{root}/all.yaml"]


def test_a_device_below_a_root_is_refused() -> None:
    assert isinstance(refused(FolderSource(["/dev"]), "/dev/zero"), Forbidden)


def test_size_limit(root: Path) -> None:
    (root / "big.yaml").write_bytes(b"x" * 3_000_000)
    source = FolderSource([root])
    error = refused(source, f"{root}/big.yaml", 2_999_999)
    assert isinstance(error, LimitExceeded)
    assert "2,999,999" in str(error)
    (file,) = source.read(f"{root}/big.yaml", max_bytes=3_000_000)
    assert len(file.content) == 3_000_000


def test_files_of_a_target_are_limited(root: Path) -> None:
    many = root / "many"
    many.mkdir()
    for number in range(6):
        (many / f"{number}.yaml").write_text("x")
    few = FolderSource([root], max_files=5)
    assert isinstance(refused(few, f"{root}/many/*.yaml"), LimitExceeded)
    assert isinstance(refused(few, f"{root}/many"), LimitExceeded)
    assert len(texts(FolderSource([root], max_files=6), f"{root}/many")) == 6


def test_names_that_are_not_utf8_are_left_out(root: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root / "services" / "plain") + b"/\xff.yaml")).write_text("x")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert len(texts(FolderSource([root]), f"{root}/services/plain/*")) == 3
    assert len(texts(FolderSource([root]), f"{root}/services/plain")) == 2


def test_globs_do_not_backtrack(root: Path) -> None:
    (root / ("a" * 200)).write_text("x")
    begin = time.process_time()
    assert isinstance(refused(FolderSource([root]), f"{root}/{'a*' * 60}b"), NotFound)
    assert isinstance(refused(FolderSource([root]), f"{root}/{'**/' * 500}b"), NotFound)
    assert isinstance(refused(FolderSource([root]), f"{root}/{'**/a*/' * 8}b"), NotFound)
    assert isinstance(refused(FolderSource([root]), f"{root}/{'**/a*/' * 9}b"), LimitExceeded)
    assert time.process_time() - begin < 1


def test_files_are_read_one_by_one(root: Path) -> None:
    (root / "services" / "plain" / "b.yaml").write_text("x" * 100)
    files = FolderSource([root]).read(f"{root}/services/plain", max_bytes=10)
    assert next(files).content == b"a"
    with pytest.raises(LimitExceeded):
        next(files)


RESOLVED = [
    ("./x.yaml", "services/x.yaml"),
    ("x.yaml", "services/x.yaml"),
    ("../x.yaml", "x.yaml"),
    ("./*/catalog-info.yaml", "services/*/catalog-info.yaml"),
    ("a:b.yaml", "services/a:b.yaml"),
    (".", "services"),
    ("./a/../b//c", "services/b/c"),
    ("{root}/y.yaml", "y.yaml"),
    ("file://{root}/y%20z.yaml", "y z.yaml"),
]


@pytest.mark.parametrize(("relative", "expected"), RESOLVED)
def test_resolve(root: Path, relative: str, expected: str) -> None:
    source = FolderSource([root])
    for base in (f"{root}/services/all.yaml", f"file://{root}/services/all.yaml"):
        assert source.resolve(base, relative.replace("{root}", str(root))) == f"{root}/{expected}"


LEAVING = [
    "../../x.yaml",
    "/etc/passwd",
    "file:///etc/passwd",
    "https://e.com/x",
    "../../root-twin/x.yaml",
]


@pytest.mark.parametrize("relative", [*LEAVING, "x\0", "../" * 50 + "etc/passwd", "file:x.yaml"])
def test_resolve_stays_below_a_root(root: Path, relative: str) -> None:
    with pytest.raises(Forbidden):
        FolderSource([root]).resolve(f"{root}/services/all.yaml", relative)


def test_resolve_does_no_io() -> None:
    source = FolderSource(["/nowhere/at/all"])
    assert source.resolve("/nowhere/at/all/a.yaml", "b.yaml") == "/nowhere/at/all/b.yaml"
