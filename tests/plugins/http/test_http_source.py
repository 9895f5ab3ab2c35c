"""The source `http`, against a real server."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import pytest
from web_kit import Handler

from towpath_core.egress import UsesEgress
from towpath_core.errors import (
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    SettingsError,
    TowpathError,
    Unavailable,
)
from towpath_core.forges import forge_file
from towpath_core.testing import CatalogSourceContract, PluginContract
from towpath_core.testing.catalog import Target
from towpath_http import plugin
from towpath_http.source import HttpSource

BODY = "kind: Component\n"


class TestPlugin(PluginContract):
    entry_point = "http"
    settings: ClassVar[dict[str, Any]] = {"cache_bytes": 1000}


class TestHttpSource(CatalogSourceContract):
    @pytest.fixture
    def source(self, source_of, server):
        return source_of(server.host)

    @pytest.fixture
    def target(self, server):
        server.serve("/org/catalog-info.yaml", 200, BODY)
        return Target("url", f"{server.url}/org/catalog-info.yaml")

    @pytest.fixture
    def missing(self, server):
        return f"{server.url}/org/nothing.yaml"

    @pytest.fixture
    def outside(self):
        return "http://localhost/catalog-info.yaml"

    @pytest.fixture
    def change(self, server):
        return lambda: server.serve("/org/catalog-info.yaml", 200, "changed\n")


def read(source: HttpSource, target: str, limit: int = 10_000) -> list[tuple[str, bytes]]:
    return [(one.target, one.content) for one in source.read(target, max_bytes=limit)]


def test_it_takes_the_way_out_and_has_none_without(server) -> None:
    source = HttpSource()
    assert isinstance(source, UsesEgress)
    with pytest.raises(Forbidden, match=r"\[egress\]"):
        read(source, f"{server.url}/x")


def test_settings_that_are_wrong_are_refused() -> None:
    with pytest.raises(SettingsError, match="cache_bytes"):
        plugin.towpath_catalog_sources({"cache_byte": 1})


def test_claims_are_by_scheme(source) -> None:
    assert source.claims("url", "https://example.com/x")
    assert source.claims("url", "HTTP://example.com/x")
    assert not source.claims("file", "https://example.com/x")
    assert not source.claims("url", "git+https://example.com/x.git/-/blob/main/x")
    assert not source.claims("url", "/x")


def test_a_file_that_did_not_change_costs_no_body(source, server) -> None:
    bodies = []

    def serve(handler: Handler) -> None:
        if handler.headers["If-None-Match"] == '"1"':
            handler.say(304, ETag='"1"')
        else:
            bodies.append(handler.path)
            handler.say(200, BODY, ETag='"1"')

    server.routes["/x.yaml"] = serve
    first, second, third = (
        list(source.read(f"{server.url}/x.yaml", max_bytes=1000)) for _ in range(3)
    )
    assert first == second == third
    assert bodies == ["/x.yaml"]
    assert len(server.asked) == 3
    with pytest.raises(LimitExceeded):
        read(source, f"{server.url}/x.yaml", 3)


def test_the_time_of_the_last_change_does_as_well(source, server) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"

    def serve(handler: Handler) -> None:
        if handler.headers["If-Modified-Since"] == when:
            handler.say(304)
        else:
            handler.say(200, BODY, Last_Modified=when)

    server.routes["/x.yaml"] = serve
    assert read(source, f"{server.url}/x.yaml") == read(source, f"{server.url}/x.yaml")


def test_a_changed_file_is_read_anew_and_without_a_mark_every_time(source, server) -> None:
    versions = itertools.count()
    server.routes["/x.yaml"] = lambda handler: handler.say(200, str(next(versions)), ETag='"same?"')
    assert [read(source, f"{server.url}/x.yaml")[0][1] for _ in range(3)] == [b"0", b"1", b"2"]
    server.serve("/y.yaml", 200, BODY)
    read(source, f"{server.url}/y.yaml")
    read(source, f"{server.url}/y.yaml")
    assert "If-None-Match" not in server.asked[-1].headers


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(source_of, server) -> None:
    source = source_of(server.host, cache_bytes=5 * 2048)
    for number in range(10):
        server.serve(f"/{number}", 200, b"x" * 1000, ETag='"1"')
        read(source, f"{server.url}/{number}")
    server.asked.clear()
    for number in (9, 0):
        read(source, f"{server.url}/{number}")
    assert [one.headers["If-None-Match"] for one in server.asked] == ['"1"', None]


def test_a_304_that_nobody_asked_for_is_no_file(source, server) -> None:
    server.serve("/x", 304)
    with pytest.raises(Forbidden):
        read(source, f"{server.url}/x")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, NotFound),
        (410, NotFound),
        (401, Forbidden),
        (403, Forbidden),
        (302, Forbidden),
        (400, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (204, Unavailable),
    ],
)
def test_statuses_become_errors_that_show_no_query(source, server, status, error) -> None:
    server.serve("/x?token=swordfish", status, "")
    with pytest.raises(error) as caught:
        read(source, f"{server.url}/x?token=swordfish")
    assert "swordfish" not in str(caught.value)


def test_a_login_page_is_no_descriptor(source, server) -> None:
    server.serve("/x.yaml", 302, "", Location="/login")
    server.serve("/login", 200, "<html>", "text/html")
    with pytest.raises(Invalid, match="login"):
        read(source, f"{server.url}/x.yaml")


def test_globs_are_refused_with_the_way_to_have_them(source, server) -> None:
    with pytest.raises(Invalid, match=r"git\+https"):
        read(source, f"{server.url}/services/*/catalog-info.yaml")
    assert server.asked == []
    server.serve("/star%2A.yaml", 200, BODY)
    assert read(source, f"{server.url}/star%2A.yaml")


@pytest.mark.parametrize(
    ("page", "raw"),
    [
        (
            "/g/sub/p/-/blob/main/a/b.yaml",
            "/api/v4/projects/g%2Fsub%2Fp/repository/files/a%2Fb.yaml/raw?ref=main",
        ),
        ("/o/r/src/branch/main/a/b.yaml", "/o/r/raw/branch/main/a/b.yaml"),
        ("/o/r/src/tag/v1/b.yaml", "/o/r/raw/tag/v1/b.yaml"),
        ("/o/r/blob/main/a/b.yaml", "/api/v3/repos/o/r/contents/a/b.yaml?ref=main"),
        ("/o/r/blob/feature%2Fone/b.yaml", "/api/v3/repos/o/r/contents/b.yaml?ref=feature%2Fone"),
        (
            "/projects/P/repos/r/browse/a/b.yaml?at=refs/heads/x",
            "/rest/api/1.0/projects/P/repos/r/raw/a/b.yaml?at=refs%2Fheads%2Fx",
        ),
        ("/projects/P/repos/r/browse/b.yaml", "/rest/api/1.0/projects/P/repos/r/raw/b.yaml"),
    ],
)
def test_pages_of_code_hosts_are_read_through_their_raw_form(source, server, page, raw) -> None:
    server.serve(raw, 200, BODY)
    assert read(source, server.url + page) == [(server.url + page, BODY.encode())]
    assert server.paths == [raw]


def test_a_token_goes_to_its_host_with_every_request(source_of, server) -> None:
    table = {server.host: {"token_env": "TOKEN", "scheme": "token", "plain": True}}
    source = source_of(server.host, credentials=table)
    server.serve("/o/r/raw/branch/main/x.yaml", 200, BODY)
    read(source, f"{server.url}/o/r/src/branch/main/x.yaml")
    assert server.asked[0].headers["Authorization"] == "token hunter2"


def test_a_folder_means_its_descriptor_of_either_name(source, server) -> None:
    with pytest.raises(NotFound):
        read(source, f"{server.url}/g/p/-/tree/main/a")
    for page in ("/g/p/-/tree/main/a", "/g/p/-/tree/main/a/"):
        server.serve(
            "/api/v4/projects/g%2Fp/repository/files/a%2Fcatalog-info.yml/raw?ref=main", 200, BODY
        )
        ((target, _),) = read(source, server.url + page)
        assert target == f"{server.url}/g/p/-/blob/main/a/catalog-info.yml"
        assert read(source, target)


@pytest.mark.parametrize(
    ("base", "relative", "expected"),
    [
        ("http://h/a/b.yaml", "./c.yaml", "http://h/a/c.yaml"),
        ("http://h/a/b.yaml?x=1", "c/d.yaml", "http://h/a/c/d.yaml"),
        ("http://h/a/b.yaml", "../c.yaml?v=2", "http://h/c.yaml?v=2"),
        ("http://h/a/b.yaml", "http://h/other/c.yaml", "http://h/other/c.yaml"),
        ("http://h/a/b.yaml", "./s/*/c.yaml", "http://h/a/s/*/c.yaml"),
        (
            "https://github.com/o/r/blob/main/a/b.yaml",
            "../c d.yaml",
            "https://github.com/o/r/blob/main/c%20d.yaml",
        ),
        (
            "https://github.com/o/r/blob/main/b.yaml",
            "https://github.com/o/r/blob/dev/x.yaml",
            "https://github.com/o/r/blob/dev/x.yaml",
        ),
        ("https://h/g/p/-/blob/main/b.yaml", "api/x.yaml", "https://h/g/p/-/blob/main/api/x.yaml"),
        (
            "https://h/projects/P/repos/r/browse/a/b.yaml?at=v1",
            "x.yaml",
            "https://h/projects/P/repos/r/browse/a/x.yaml?at=v1",
        ),
        (
            "https://raw.githubusercontent.com/o/r/main/a/b.yaml",
            "../x.yaml",
            "https://raw.githubusercontent.com/o/r/main/x.yaml",
        ),
        (
            "https://bitbucket.org/w/r/src/main/b.yaml",
            "x.yaml",
            "https://bitbucket.org/w/r/src/main/x.yaml",
        ),
    ],
)
def test_targets_join_to_the_file_that_holds_them(source, base, relative, expected) -> None:
    assert source.resolve(base, relative) == expected


@pytest.mark.parametrize(
    ("base", "relative"),
    [
        ("http://h/a/b.yaml", "https://h/c.yaml"),
        ("http://h/a/b.yaml", "http://other/c.yaml"),
        ("http://h/a/b.yaml", "http://h:8080/c.yaml"),
        ("http://h/a/b.yaml", "http://u:p@h/c.yaml"),
        ("http://h/a/b.yaml", "//other/c.yaml"),
        ("http://h/a/b.yaml", "\\\\other\\c.yaml"),
        ("http://h/a/b.yaml", "/c.yaml"),
        ("http://h/a/b.yaml", "../../c.yaml"),
        ("http://h/a/b.yaml", "%2e%2e/%2e%2e/c.yaml"),
        ("http://h/a/b.yaml", "..%2fc.yaml"),
        ("http://h/a/b.yaml", "file:///etc/passwd"),
        ("http://h/a/b.yaml", "javascript:alert(1)"),
        ("https://github.com/o/r/blob/main/b.yaml", "../x.yaml"),
        ("https://github.com/o/r/blob/main/b.yaml", "https://github.com/o/other/blob/main/x.yaml"),
        ("https://github.com/o/r/blob/main/b.yaml", "https://github.com/o/r/settings"),
        ("https://raw.githubusercontent.com/o/r/main/b.yaml", "../../other/main/x.yaml"),
        ("https://h/g/p/-/blob/main/b.yaml", "https://h/g/p2/-/blob/main/b.yaml"),
        ("https://h/g/p/-/blob/main/b.yaml", "https://h/api/v4/projects/1/variables"),
        ("http://h/a/b.yaml", "http://h/x/../../c.yaml"),
        ("http://h/a/b.yaml", "x" * 5000),
    ],
)
def test_targets_do_not_lead_out(source, base, relative) -> None:
    with pytest.raises((Forbidden, Invalid)):
        source.resolve(base, relative)


@pytest.mark.parametrize(
    ("page", "raw", "clone"),
    [
        (
            "https://github.com/o/r/blob/main/x.yaml",
            "https://raw.githubusercontent.com/o/r/main/x.yaml",
            "https://github.com/o/r.git",
        ),
        (
            "https://raw.githubusercontent.com/o/r/main/x.yaml",
            "https://raw.githubusercontent.com/o/r/main/x.yaml",
            "https://github.com/o/r.git",
        ),
        (
            "https://bitbucket.org/w/r/src/main/x.yaml",
            "https://api.bitbucket.org/2.0/repositories/w/r/src/main/x.yaml",
            "https://bitbucket.org/w/r.git",
        ),
        (
            "https://h/projects/P/repos/r/browse/x.yaml",
            "https://h/rest/api/1.0/projects/P/repos/r/raw/x.yaml",
            "https://h/scm/p/r.git",
        ),
        (
            "https://h/g/s/p/-/blob/v1/x.yaml",
            "https://h/api/v4/projects/g%2Fs%2Fp/repository/files/x.yaml/raw?ref=v1",
            "https://h/g/s/p.git",
        ),
    ],
)
def test_addresses_of_known_hosts(page, raw, clone) -> None:
    found = forge_file(page)
    assert found is not None
    assert (found.raw_url, found.clone_url, found.page_url) == (raw, clone, page)


def test_hostile_addresses_raise_typed_errors_only(source) -> None:
    for target in (
        "http://",
        "http://[",
        "https://github.com/o/r/blob/main/../../../etc/passwd",
        "http://127.1/x",
        "http://2130706433/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://user:secret@127.0.0.1/x",
        "http://127.0.0.1:1\r\nX: y/",
    ):
        with pytest.raises(TowpathError) as caught:
            read(source, target)
        assert "secret" not in str(caught.value)
