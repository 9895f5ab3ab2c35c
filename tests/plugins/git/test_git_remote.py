"""Repositories of other machines: copied over real HTTP, pinned, limited, and fetched once."""

from __future__ import annotations

import base64
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from git_web import backend
from web_kit import Handler, WebServer, certificates, web

from towpath_core.catalog import TreeClaims, one_reading
from towpath_core.egress import UsesEgress
from towpath_core.errors import Forbidden, Invalid, LimitExceeded, NotFound, Unavailable
from towpath_core.testing import CatalogSourceContract
from towpath_core.testing.catalog import Target
from towpath_engine.egress.client import EgressClient
from towpath_engine.egress.settings import read_egress
from towpath_git.git import Git
from towpath_git.mirrors import Mirrors
from towpath_git.source import GitSource

FILES = {
    "catalog-info.yaml": "kind: Location\n",
    "services/a/catalog-info.yaml": "a\n",
    "services/b/catalog-info.yml": "b\n",
    "services/c/catalog-info.yaml": "c\n",
    "services/c/catalog-info.yml": "not this\n",
    "docs/x.yaml": "x\n",
}


@pytest.fixture
def server(root: Path) -> Iterator[WebServer]:
    with web() as found:
        found.fallback = backend(root)
        yield found


@pytest.fixture
def remote_of(tmp_path: Path) -> Iterator[Callable[..., GitSource]]:
    made: list[EgressClient] = []

    def make(
        *allow: str, names: Any = None, most_bytes: int = 1 << 26, seconds: float = 60, **table
    ):
        settings = read_egress({"allow": list(allow), **table}, {"TOKEN": "hunter2"})
        made.append(EgressClient(settings, resolve=lambda host, port: (names or {})[host]))
        git = Git(Unavailable, timeout_seconds=seconds)
        source = GitSource([], git, Mirrors(tmp_path / "mirrors", git, most_bytes=most_bytes))
        source.use_egress(made[-1])
        return source

    yield make
    for client in made:
        client.close()


@pytest.fixture
def remote(remote_of, server: WebServer) -> GitSource:
    return remote_of(server.host)


def at(server: WebServer, path: str, ref: str = "main", name: str = "acme/shop.git") -> str:
    return f"git+{server.url}/{name}/-/blob/{ref}/{path}"


def read(source: GitSource, target: str, limit: int = 100_000) -> list[tuple[str, bytes]]:
    return [(one.target, one.content) for one in source.read(target, max_bytes=limit)]


def asked(server: WebServer) -> list[str]:
    """Which of git's two services were asked for."""
    return [one.path.rpartition("/")[2] for one in server.asked]


class TestRemote(CatalogSourceContract):
    @pytest.fixture
    def source(self, remote_of, server):
        return remote_of(server.host)

    @pytest.fixture
    def target(self, seed, server):
        seed(FILES)
        return Target("url", at(server, "**/*.yaml"))

    @pytest.fixture
    def missing(self, seed, server):
        seed(FILES)
        return at(server, "nothing.yaml")

    @pytest.fixture
    def outside(self, server):
        return "git+http://localhost/acme/shop.git/-/blob/main/catalog-info.yaml"

    @pytest.fixture
    def change(self, seed):
        return lambda: seed({"docs/x.yaml": "changed\n"})


def test_globs_and_folders_in_a_repository_elsewhere(remote, server, seed) -> None:
    seed(FILES)
    assert isinstance(remote, UsesEgress)
    found = read(remote, at(server, "services/*/catalog-info.yaml"))
    assert [(target.partition("/-/blob/main/")[2], content) for target, content in found] == [
        ("services/a/catalog-info.yaml", b"a\n"),
        ("services/b/catalog-info.yml", b"b\n"),
        ("services/c/catalog-info.yaml", b"c\n"),
    ]
    for target, content in found:
        assert read(remote, target) == [(target, content)]
    assert read(remote, at(server, ""))[0][1] == b"kind: Location\n"
    assert read(remote, remote.resolve(found[0][0], "../../docs/x.yaml"))[0][1] == b"x\n"


def test_a_refresh_fetches_only_where_something_moved(remote, server, seed) -> None:
    seed(FILES)
    read(remote, at(server, "docs/x.yaml"))
    server.asked.clear()
    read(remote, at(server, "docs/x.yaml"))
    look = asked(server)
    assert look == ["refs?service=git-upload-pack", "git-upload-pack"]
    seed({"docs/x.yaml": "moved\n"})
    server.asked.clear()
    assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"moved\n"
    assert len(asked(server)) > len(look)
    server.asked.clear()
    assert read(remote, at(server, "services/a"))[0][1] == b"a\n"
    assert asked(server) == look


def test_one_reading_asks_once_and_sees_one_state(remote, server, seed) -> None:
    seed(FILES)
    with one_reading():
        assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"x\n"
        seed({"docs/x.yaml": "pushed meanwhile\n"})
        server.asked.clear()
        for path in ("docs/x.yaml", "services/a", "services/*/catalog-info.yaml"):
            read(remote, at(server, path))
        with one_reading():
            assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"x\n"
        assert server.asked == []
    assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"pushed meanwhile\n"
    with one_reading():
        assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"pushed meanwhile\n"


def test_refs_of_all_kinds(remote, server, seed, sh) -> None:
    bare = seed({"x": "1"})
    old = sh(bare, "rev-parse", "main")
    sh(bare, "tag", "v1", "main")
    sh(bare, "tag", "-a", "-m", "annotated", "rel/2", "main")
    seed({"x": "2"})
    seed({"x": "3"}, branch="feature/one")
    for ref, content in [
        ("main", b"2"),
        ("v1", b"1"),
        ("rel/2", b"1"),
        ("rel%2F2", b"1"),
        ("feature/one", b"3"),
        ("HEAD", b"2"),
        (old, b"1"),
    ]:
        ((target, found),) = read(remote, at(server, "x", ref))
        assert found == content, ref
        assert read(remote, target) == [(target, content)]
    for ref in ("none", "main~1", "--upload-pack=x", "@{u}", "main%0Ax", "..", "f" * 40):
        with pytest.raises((NotFound, Forbidden, Unavailable)):
            read(remote, at(server, "x", ref))


def test_a_branch_that_becomes_a_folder_of_branches(remote, server, seed, sh) -> None:
    bare = seed({"x": "1"})
    seed({"x": "one"}, branch="feature")
    assert read(remote, at(server, "x", "feature"))[0][1] == b"one"
    sh(bare, "branch", "-D", "feature")
    seed({"x": "two"}, branch="feature/two")
    assert read(remote, at(server, "x", "feature/two"))[0][1] == b"two"
    with pytest.raises(NotFound):
        read(remote, at(server, "x", "feature"))


def test_hosts_are_held_to_the_lists_of_the_egress(remote_of, server, seed) -> None:
    seed(FILES)
    closed = remote_of("example.com")
    for url in (
        at(server, "x"),
        "git+https://169.254.169.254/a.git/-/blob/main/x",
        "git+https://localhost/a.git/-/blob/main/x",
    ):
        with pytest.raises(Forbidden, match=r"\[egress\]"):
            read(closed, url)
    for url in ("git+ssh://git@example.com/a.git/-/blob/main/x",):
        with pytest.raises(Forbidden):
            read(closed, url)
    for url in (
        "git+http://127.1/a.git/-/blob/main/x",
        "git+http://2130706433/a.git/-/blob/main/x",
        "git+https://u:secret@example.com/a.git/-/blob/main/x",
        "git+https://example.com/a b.git/-/blob/main/x",
        "git+https://example.com/a.git?x/-/blob/main/x",
        "git+https://--upload-pack=x/-/blob/main/x",
    ):
        with pytest.raises((Invalid, Forbidden)) as caught:
            read(closed, url)
        assert "secret" not in str(caught.value)
    assert server.asked == []
    with pytest.raises(Forbidden, match=r"\[egress\]"):
        read(
            GitSource(
                [], Git(Unavailable), Mirrors(Path("/nonexistent"), Git(Unavailable), most_bytes=1)
            ),
            at(server, "x"),
        )


def test_git_connects_to_the_address_that_was_checked(remote_of, server, seed) -> None:
    seed(FILES)
    # The name is not known to any resolver: git gets there only by the address it is given.
    host = f"git.nowhere.invalid:{server.port}"
    source = remote_of(internal=[host], names={"git.nowhere.invalid": ["127.0.0.1"]})
    target = f"git+http://{host}/acme/shop.git/-/blob/main/docs/x.yaml"
    assert read(source, target) == [(target, b"x\n")]
    assert {one.headers["Host"] for one in server.asked} == {host}
    closed = remote_of(host, names={"git.nowhere.invalid": ["127.0.0.1"]})
    with pytest.raises(Forbidden, match="inside the network"):
        read(closed, target)


def test_certificates_are_checked_by_name(remote_of, root, seed, tmp_path) -> None:
    seed(FILES)
    ca_file, context = certificates(tmp_path, "git.good.invalid")
    with web(context) as server:
        server.fallback = backend(root)
        good, bad = f"git.good.invalid:{server.port}", f"git.bad.invalid:{server.port}"
        names = {"git.good.invalid": ["127.0.0.1"], "git.bad.invalid": ["127.0.0.1"]}
        source = remote_of(internal=[good, bad], names=names, ca_file=str(ca_file))
        target = "git+https://{}/acme/shop.git/-/blob/main/docs/x.yaml"
        assert read(source, target.format(good))[0][1] == b"x\n"
        with pytest.raises(Unavailable):
            read(source, target.format(bad))


def test_a_redirect_is_not_followed(remote, server, seed) -> None:
    seed(FILES)
    with web() as other:
        server.fallback = lambda handler: handler.say(302, "", Location=other.url + handler.path)
        with pytest.raises((Forbidden, Unavailable)):
            read(remote, at(server, "docs/x.yaml"))
        assert other.asked == []


def test_a_token_goes_to_its_host_and_is_seen_nowhere_else(
    remote_of, server, root, seed, tmp_path, monkeypatch
) -> None:
    seed(FILES)
    pair = base64.b64encode(b"bot:hunter2").decode()
    server.fallback = backend(root, password=pair)
    with pytest.raises(Forbidden, match="may not be read"):
        read(remote_of(server.host), at(server, "docs/x.yaml"))
    git, log = shutil.which("git"), tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {git} "$@"\n')
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    table = {server.host: {"token_env": "TOKEN", "user": "bot", "plain": True}}
    source = remote_of(server.host, credentials=table)
    assert read(source, at(server, "docs/x.yaml"))[0][1] == b"x\n"
    assert "ls-remote" in log.read_text()
    assert "fetch" in log.read_text()
    everything = log.read_bytes() + b"".join(
        path.read_bytes() for path in (tmp_path / "mirrors").rglob("*") if path.is_file()
    )
    assert b"hunter2" not in everything
    assert pair.encode() not in everything


def test_a_wrong_token_is_not_shown(remote_of, server, root, seed) -> None:
    seed(FILES)
    server.fallback = backend(root, password="other")
    table = {server.host: {"token_env": "TOKEN", "plain": True}}
    with pytest.raises(Forbidden) as caught:
        read(remote_of(server.host, credentials=table), at(server, "docs/x.yaml"))
    assert "hunter2" not in str(caught.value)


def test_what_is_not_there_is_not_found(remote, server, seed) -> None:
    seed(FILES)
    for target in (
        at(server, "nope.yaml"),
        at(server, "no/*/such.yaml"),
        at(server, "x", name="acme/other.git"),
        at(server, "x", ref="none"),
    ):
        with pytest.raises(NotFound):
            read(remote, target)


def test_a_large_repository_is_refused_and_leaves_nothing(
    remote_of, server, seed, tmp_path
) -> None:
    seed({"big": os.urandom(3_000_000), "x": "small"})
    source = remote_of(server.host, most_bytes=1_000_000)
    with pytest.raises(LimitExceeded, match="1,000,000 bytes"):
        read(source, at(server, "x"))
    left = sum(path.stat().st_size for path in (tmp_path / "mirrors").rglob("*") if path.is_file())
    assert left < 100_000
    assert read(remote_of(server.host), at(server, "x"))[0][1] == b"small"


def test_a_host_that_drips_or_hangs_is_given_up(remote_of, server, seed) -> None:
    seed(FILES)
    gone = threading.Event()

    def hang(handler: Handler) -> None:
        gone.wait(100)

    server.fallback = hang
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not end within"):
        read(remote_of(server.host, seconds=0.5), at(server, "x"))
    gone.set()
    assert time.monotonic() - started < 60


def test_a_host_that_answers_nonsense_is_unavailable(remote, server) -> None:
    server.fallback = lambda handler: handler.say(200, b"\x00\xff" * 100, "text/html")
    with pytest.raises((Unavailable, NotFound)):
        read(remote, at(server, "x"))


def test_a_copy_that_is_damaged_or_removed_is_made_anew(remote, server, seed, tmp_path) -> None:
    seed(FILES)
    read(remote, at(server, "docs/x.yaml"))
    (bare,) = (tmp_path / "mirrors").glob("*.git")
    (bare / "HEAD.lock").touch()
    (bare / "shallow.lock").touch()
    (bare / "objects" / "pack" / "tmp_pack_x").write_bytes(b"x" * 1000)
    seed({"docs/x.yaml": "2\n"})
    assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"2\n"
    assert not (bare / "objects" / "pack" / "tmp_pack_x").exists()
    shutil.rmtree(bare)
    assert read(remote, at(server, "docs/x.yaml"))[0][1] == b"2\n"


def test_many_fetches_do_not_pile_up(remote, server, seed, tmp_path) -> None:
    for number in range(20):
        seed({"docs/x.yaml": f"{number}\n"})
        assert read(remote, at(server, "docs/x.yaml"))[0][1] == f"{number}\n".encode()
    (bare,) = (tmp_path / "mirrors").glob("*.git")
    assert len(list((bare / "objects" / "pack").glob("*.pack"))) <= 17


def test_many_threads_read_at_once(remote, server, seed) -> None:
    seed(FILES)
    answers: list[int] = []

    def work() -> None:
        answers.append(len(read(remote, at(server, "**/*.yaml"))))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [4] * 6


def test_nothing_of_a_repository_runs_and_no_submodule_is_fetched(
    remote, server, raw, tmp_path
) -> None:
    modules = b'[submodule "m"]\n\tpath = m\n\turl = ext::sh -c touch% /tmp/sprung\n'
    raw(
        ("100644", ".gitmodules", modules),
        ("160000", "m", b""),
        ("100644", ".gitattributes", b"* filter=x\n"),
        ("120000", "link.yaml", b"/etc/passwd"),
        ("100644", "x.yaml", b"x"),
        name="acme/shop.git",
    )
    assert [content for _, content in read(remote, at(server, "*.yaml"))] == [b"x"]
    with pytest.raises(Forbidden):
        read(remote, at(server, "link.yaml"))
    assert all("/acme/shop.git/" in path for path in server.paths)


@pytest.mark.parametrize(
    "page",
    [
        "{url}/acme/shop/-/blob/main/services/*/catalog-info.yaml",
        "{url}/acme/shop/blob/main/services/*/catalog-info.yaml",
        "{url}/acme/shop/tree/main/services/*/catalog-info.yaml",
        "{url}/acme/shop/src/branch/main/services/*/catalog-info.yaml",
    ],
)
def test_the_page_of_a_code_host_may_have_a_glob(remote, server, seed, page) -> None:
    seed(FILES)
    target = page.format(url=server.url)
    assert remote.claims("url", target)
    found = read(remote, target)
    assert [content for _, content in found] == [b"a\n", b"b\n", b"c\n"]
    for one, content in found:
        assert read(remote, one) == [(one, content)]
    first = found[0][0]
    mark = "/blob/" if "/tree/" in target else target[len(server.url) :].split("main")[0]
    assert mark in first
    assert first.endswith("/main/services/a/catalog-info.yaml")
    assert remote.resolve(first, "./x.yaml") == first.replace("catalog-info", "x")
    with pytest.raises(Forbidden):
        remote.resolve(first, "../../../x.yaml")


def test_only_pages_with_a_glob_are_ours(remote) -> None:
    assert not remote.claims("url", "https://github.com/a/b/blob/main/catalog-info.yaml")
    assert not remote.claims("url", "https://example.com/*/catalog-info.yaml")
    assert not remote.claims("url", "http://[*")


def test_a_folder_can_be_copied_out(remote, server, seed, tmp_path) -> None:
    seed(FILES)
    remote.read_tree(at(server, "services"), tmp_path / "out", max_bytes=1000, max_files=10)
    assert (tmp_path / "out" / "a" / "catalog-info.yaml").read_text() == "a\n"


def test_a_folder_of_a_page_can_be_copied_out_too(remote, server, seed, tmp_path) -> None:
    seed(FILES)
    assert isinstance(remote, TreeClaims)
    for number, mark in enumerate(("-/tree", "-/blob", "tree", "blob", "src/branch")):
        page = f"{server.url}/acme/shop/{mark}/main/services"
        assert remote.claims_tree("url", page)
        out = tmp_path / f"out{number}"
        remote.read_tree(page, out, max_bytes=1000, max_files=10)
        assert (out / "a" / "catalog-info.yaml").read_text() == "a\n"
    assert not remote.claims_tree("file", f"{server.url}/acme/shop/tree/main/services")
    assert not remote.claims_tree("url", f"{server.url}/plain/services")
