"""Locations that lead to locations: over folders, web servers and git, and what must not follow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from engine_kit import ADA, SEALER, Plugin, load_host

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "git"))

from git_web import backend
from web_kit import Handler, WebServer, web

from towpath_core.errors import Invalid
from towpath_engine.catalog.sources import tree_source
from towpath_engine.egress.settings import read_egress
from towpath_engine.platform import assemble
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database

pytestmark = pytest.mark.anyio


def component(name: str, text: str | None = None) -> str:
    more = f"  text:\n    $text: {text}\n" if text else ""
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
        f"metadata:\n  name: {name}\n"
        f"spec:\n  type: service\n  lifecycle: production\n  owner: team-a\n{more}"
    )


def location(*targets: str, name: str = "all", more: str = "") -> str:
    lines = "".join(f"    - '{target}'\n" for target in targets)
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Location\n"
        f"metadata:\n  name: {name}\nspec:\n{more}  targets:\n{lines}"
    )


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "catalog"
    root.mkdir()
    return root


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web() as found:
        yield found


@pytest.fixture
def other() -> Iterator[WebServer]:
    with web() as found:
        yield found


@pytest.fixture
async def platform(engine_url, tmp_path, root, server, other):
    """A platform with all sources, which may ask the two servers and nobody else."""
    settings = {
        "backstage": {"roots": [str(root)]},
        "git": {"root": str(tmp_path / "git"), "mirrors": str(tmp_path / "mirrors")},
    }
    host = load_host(Plugin(), installed=["backstage", "git", "http"], settings=settings)
    egress = read_egress({"allow": [server.host, other.host]}, {})
    async with AsyncExitStack() as stack:
        stack.callback(host.close)
        database = await stack.enter_async_context(Database(engine_url, pool_size=5))
        given = EngineSettings(home=tmp_path, database_url=engine_url, egress=egress)
        yield await stack.enter_async_context(assemble(given, database, host, SEALER))


def names(report) -> list[str]:
    refs = [ref for ref in report.entity_refs if ref.startswith("component:")]
    return sorted(ref.rpartition("/")[2] for ref in refs)


def problems(report) -> list[tuple[str, str | None, int | None]]:
    found = [one.problem for one in report.problems]
    return [
        (one.code, Path(one.place.file).name if one.place.file else None, one.place.line)
        for one in found
    ]


async def test_one_bad_target_never_poisons_the_others(platform, root):
    write(
        root,
        {
            "all.yaml": location(
                "./a.yaml",
                "./gone.yaml",
                "../../etc/passwd",
                "./bad.yaml",
                "./none/*.yaml",
                "https://127.0.0.1:1/x.yaml",
                "http://[",
                "./services/*/catalog-info.yaml",
                "./deep/**/catalog-info.yaml",
            ),
            "a.yaml": component("a"),
            "bad.yaml": "a: [",
            "services/b/catalog-info.yaml": component("b"),
            "services/c/catalog-info.yml": component("c"),
            "deep/x/y/catalog-info.yaml": component("d"),
            "deep/x/.git/catalog-info.yaml": component("hidden"),
        },
    )
    report = await platform.catalog.register(ADA, "file", str(root / "all.yaml"))
    assert names(report) == ["a", "b", "c", "d"]
    found = problems(report)
    assert {line for _, file, line in found if file == "all.yaml"} >= {8, 9, 11, 12, 13}
    assert any(file == "bad.yaml" for _, file, _ in found)


async def test_a_tree_over_two_hosts(platform, server, other):
    server.serve(
        "/org/all.yaml",
        200,
        location("./a.yaml", f"{other.url}/b.yaml", "http://localhost/x.yaml", "./gone.yaml"),
    )
    server.serve("/org/a.yaml", 200, component("a"))
    other.serve("/b.yaml", 200, component("b"))
    report = await platform.catalog.register(ADA, "url", f"{server.url}/org/all.yaml")
    assert names(report) == ["a", "b"]
    assert problems(report) == [("forbidden", "all.yaml", 9), ("not-found", "all.yaml", 10)]


async def test_what_is_optional_may_be_missing(platform, server):
    more = "  presence: optional\n"
    server.serve("/all.yaml", 200, location("./gone.yaml", "./a.yaml", more=more))
    server.serve("/a.yaml", 200, component("a"))
    report = await platform.catalog.register(ADA, "url", f"{server.url}/all.yaml")
    assert (names(report), problems(report)) == (["a"], [])


async def test_no_location_from_elsewhere_names_files_of_this_host(
    platform, server, root, tmp_path
):
    write(root, {"secret.yaml": component("secret")})
    bare = tmp_path / "git" / "acme" / "secret.git"
    bare.mkdir(parents=True)
    server.serve(
        "/all.yaml",
        200,
        location(
            f"file://{root}/secret.yaml",
            f"{root}/secret.yaml",
            f"git+file://{bare}/-/blob/main/x.yaml",
            "file:///etc/passwd",
        )
        + "---\n"
        + location(str(root / "secret.yaml"), name="typed", more="  type: file\n")
        + "---\n"
        + component("a"),
    )
    report = await platform.catalog.register(ADA, "url", f"{server.url}/all.yaml")
    assert names(report) == ["a"]
    assert [code for code, _, _ in problems(report)] == ["forbidden"] * 5


async def test_placeholders_stay_in_their_host(platform, server, other):
    texts = {
        "near": "./api.txt",
        "far": f"{other.url}/api.txt",
        "root": "/api.txt",
        "file": "file:///etc/passwd",
        "up": "../../api.txt",
    }
    documents = [component(name, text) for name, text in texts.items()]
    server.serve("/a.yaml", 200, "---\n".join(documents))
    server.serve("/api.txt", 200, "the text")
    report = await platform.catalog.register(ADA, "url", f"{server.url}/a.yaml")
    near = await platform.catalog.stored(ADA, "component:default/near")
    assert near.spec["text"] == "the text"
    assert other.asked == []
    assert [code for code, _, _ in problems(report)] == ["placeholder"] * 4


async def test_a_placeholder_is_not_led_to_another_host_with_its_token(
    engine_url, tmp_path, server, other
):
    host = load_host(Plugin(), installed=["backstage", "http"], settings={})
    table = {other.host: {"token_env": "TOKEN", "plain": True}}
    lists = {"allow": [server.host, other.host], "credentials": table}
    egress = read_egress(lists, {"TOKEN": "hunter2"})
    server.serve("/a.yaml", 200, component("a", "./api.txt"))
    server.serve("/api.txt", 302, "", Location=f"{other.url}/private.txt")
    other.serve("/private.txt", 200, "public part")
    async with AsyncExitStack() as stack:
        stack.callback(host.close)
        database = await stack.enter_async_context(Database(engine_url, pool_size=5))
        given = EngineSettings(home=tmp_path, database_url=engine_url, egress=egress)
        platform = await stack.enter_async_context(assemble(given, database, host, SEALER))
        await platform.catalog.register(ADA, "url", f"{server.url}/a.yaml")
    assert [one.headers["Authorization"] for one in other.asked] == [None]


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.1/x.yaml",
        "http://2130706433/x.yaml",
        "http://0x7f000001/x.yaml",
        "http://[::ffff:169.254.169.254]/x.yaml",
        "http://localhost/x.yaml",
        "https://user:swordfish@example.com/x.yaml",
        "git+http://127.1/a.git/-/blob/main/x.yaml",
        "git+https://169.254.169.254/a.git/-/blob/main/x.yaml",
        "git+ssh://git@example.com/a.git/-/blob/main/x.yaml",
        "https://github.com/a/b/blob/main/*/catalog-info.yaml",
    ],
)
async def test_hosts_that_are_not_allowed_are_a_problem_of_the_location(platform, target):
    report = await platform.catalog.register(ADA, "url", target)
    assert names(report) == []
    (found,) = report.problems
    assert found.problem.code in ("forbidden", "invalid")
    assert "swordfish" not in found.problem.message


@pytest.mark.parametrize(
    ("type", "target"),
    [
        ("url", "file:///etc/passwd"),
        ("url", "ext::sh -c touch% /tmp/sprung"),
        ("url", "--upload-pack=touch /tmp/sprung"),
        ("url", "ftp://example.com/x.yaml"),
        ("url", "gopher://example.com/x.yaml"),
    ],
)
async def test_what_no_source_reads_is_refused(platform, type, target):
    with pytest.raises(Invalid):
        await platform.catalog.register(ADA, type, target)


async def test_a_location_with_too_many_targets_ends_soon(platform, root):
    lines = "".join(f"    - ./{number}\n" for number in range(12_000))
    text = location("./a.yaml") + lines
    write(root, {"all.yaml": text, "a.yaml": component("a")})
    used, begun = time.process_time(), time.monotonic()
    report = await platform.catalog.register(ADA, "file", str(root / "all.yaml"))
    assert names(report) == ["a"]
    assert "limit" in {code for code, _, _ in problems(report)}
    assert time.process_time() - used < 60
    assert time.monotonic() - begun < 110


async def test_the_same_target_a_thousand_times_is_read_once(platform, server):
    server.serve("/all.yaml", 200, location(*["./a.yaml"] * 1000, f"{server.url}/a.yaml"))
    server.serve("/a.yaml", 200, component("a"))
    report = await platform.catalog.register(ADA, "url", f"{server.url}/all.yaml")
    assert (names(report), problems(report)) == (["a"], [])
    assert server.paths == ["/all.yaml", "/a.yaml"]


async def test_a_circle_over_hosts_ends(platform, server, other):
    server.serve(
        "/a.yaml", 200, location(f"{other.url}/b.yaml", name="a") + "---\n" + component("a")
    )
    other.serve(
        "/b.yaml", 200, location(f"{server.url}/a.yaml", name="b") + "---\n" + component("b")
    )
    report = await platform.catalog.register(ADA, "url", f"{server.url}/a.yaml")
    assert (names(report), problems(report)) == (["a", "b"], [])
    assert (len(server.asked), len(other.asked)) == (1, 1)


async def test_a_chain_that_makes_itself_longer_is_cut_off(platform, server):
    def longer(handler: Handler) -> None:
        number = int(handler.path.strip("/").partition(".")[0])
        handler.say(200, location(f"./{number + 1}.yaml", name=f"l{number}"))

    server.fallback = longer
    report = await platform.catalog.register(ADA, "url", f"{server.url}/0.yaml")
    assert [code for code, _, _ in problems(report)] == ["limit"]
    assert len(server.asked) == 11


async def test_files_that_name_each_other_are_read_once(platform, server):
    files = [f"/{number}.yaml" for number in range(40)]
    for number, name in enumerate(files):
        targets = [f".{other}" for other in files]
        server.serve(
            name, 200, location(*targets, name=f"l{number}") + "---\n" + component(f"c{number}")
        )
    report = await platform.catalog.register(ADA, "url", f"{server.url}/0.yaml")
    assert (len(names(report)), problems(report)) == (40, [])
    assert len(server.asked) == 40


async def test_a_repository_elsewhere_with_globs(platform, server, tmp_path):
    work, served = tmp_path / "work", tmp_path / "served"
    write(
        work,
        {
            "all.yaml": location("./services/*/catalog-info.yaml"),
            "services/a/catalog-info.yaml": component("a", "./x.txt"),
            "services/a/x.txt": "the text",
            "services/b/catalog-info.yml": component("b"),
        },
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    name = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for arguments in (
        ["init", "-q", "-b", "main", str(work)],
        ["-C", str(work), "add", "."],
        ["-C", str(work), *name, "commit", "-q", "-m", "start"],
        ["clone", "-q", "--bare", str(work), str(served / "acme" / "shop.git")],
    ):
        subprocess.run(["git", *arguments], env=env, check=True)
    server.fallback = backend(served)
    looks = []
    for target in (
        f"git+{server.url}/acme/shop.git/-/blob/main/all.yaml",
        f"{server.url}/acme/shop/-/blob/main/*/*/catalog-info.yaml",
    ):
        report = await platform.catalog.register(ADA, "url", target)
        assert (names(report), problems(report)) == (["a", "b"], [])
        entity = await platform.catalog.stored(ADA, "component:default/a")
        assert entity.spec["text"] == "the text"
        looks.append(sum("info/refs" in path for path in server.paths))
        server.asked.clear()
        await platform.catalog.unregister(ADA, report.location.id)
    # One look at the refs and one fetch in the whole reading; then nothing is left to fetch.
    assert looks == [2, 1]


async def test_a_folder_of_a_code_host_is_handed_over_by_git(platform, server):
    sources = [one.value for one in platform.host.contributions.catalog_sources.values()]
    for target, reads, hands_over in (
        (f"{server.url}/acme/shop/blob/main/skeleton", "http", "git"),
        (f"{server.url}/acme/shop/-/tree/main/skeleton", "http", "git"),
        ("git+https://example.com/a.git/-/blob/main/x", "git", "git"),
        (f"{server.url}/plain/skeleton", "http", None),
    ):
        found = platform.reader.source_for("url", target)
        assert found.name == reads
        source = tree_source(found, sources, "url", target)
        assert (source and source.name) == hands_over
    assert tree_source(None, sources, "nope", "x") is None
