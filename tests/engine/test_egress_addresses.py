"""Urls, hosts and addresses: one spelling each, and no address in disguise."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath_core.errors import Forbidden, Invalid, SettingsError, Unavailable
from towpath_engine.egress.addresses import Peer, kind_of, peer_of, rule_of
from towpath_engine.egress.guard import PeerGuard
from towpath_engine.egress.settings import EgressSettings, read_egress


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://example.com/x",
        "//example.com/x",
        "example.com/x",
        "",
        "http://",
        "http:///x",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.:0/",
        "http://example.0x1/",
        "http://user:secret@example.com/",
        "http://user@example.com/",
        "http://example.com:0/",
        "http://example.com:70000/",
        "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: x",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://-x.example/",
        "http://a..b/",
        "http://%31%32%37.0.0.1/",
        "http://①②⑦.0.0.1:x/",
        "http://" + "a" * 300 + "/",
        "http://example.com/" + "a" * 5000,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        peer_of(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address", "peer"),
    [
        ("HTTP://Example.COM", "http://example.com/", Peer("http", "example.com", 80)),
        (
            "https://example.com.:443/a?b#c",
            "https://example.com/a?b",
            ("https", "example.com", 443),
        ),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC", None),
        ("http://[::1]:8080/x", "http://[::1]:8080/x", Peer("http", "::1", 8080)),
        ("http://127.0.0.1/%2e%2e/x", "http://127.0.0.1/%2e%2e/x", None),
        ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/", Peer("http", "127.0.0.1", 80)),
    ],
)
def test_a_url_has_one_spelling(url: str, address: str, peer: object) -> None:
    found, found_peer = peer_of(url)
    assert found == address
    if peer is not None:
        assert found_peer == (peer if isinstance(peer, Peer) else Peer(*peer))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("93.184.216.34", "public"),
        ("2606:2800:220:1::1", "public"),
        ("127.0.0.1", "internal"),
        ("127.8.8.8", "internal"),
        ("10.1.2.3", "internal"),
        ("172.31.0.1", "internal"),
        ("192.168.0.1", "internal"),
        ("100.64.0.1", "internal"),
        ("::1", "internal"),
        ("fd12::1", "internal"),
        ("::ffff:127.0.0.1", "internal"),
        ("::127.0.0.1", "internal"),
        ("64:ff9b::10.0.0.1", "internal"),
        ("2002:7f00:1::", "internal"),
        ("169.254.169.254", "never"),
        ("169.254.1.1", "never"),
        ("::ffff:169.254.169.254", "never"),
        ("64:ff9b::a9fe:a9fe", "never"),
        ("fd00:ec2::254", "never"),
        ("100.100.100.200", "never"),
        ("0.0.0.0", "never"),
        ("255.255.255.255", "never"),
        ("224.0.0.1", "never"),
        ("240.0.0.1", "never"),
        ("192.0.2.1", "never"),
        ("198.18.0.1", "never"),
        ("::", "never"),
        ("fe80::1", "never"),
        ("ff02::1", "never"),
        ("2001:db8::1", "never"),
    ],
)
def test_kinds_of_addresses(text: str, kind: str) -> None:
    assert kind_of(ipaddress.ip_address(text)) == kind


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_of_one_kind_however_it_is_wrapped(address) -> None:
    wrapped = [
        ipaddress.ip_address(f"::ffff:{address}"),
        ipaddress.ip_address(int(ipaddress.ip_address("64:ff9b::")) + int(address)),
        ipaddress.ip_address((0x2002 << 112) | (int(address) << 80)),
    ]
    assert {kind_of(one) for one in wrapped} == {kind_of(address)}


@pytest.mark.parametrize(
    ("rule", "fits", "not_"),
    [
        (
            "example.com",
            ["https://example.com/", "http://example.com/"],
            ["https://a.example.com/"],
        ),
        (
            "*.example.com",
            ["https://a.b.example.com/"],
            ["https://example.com", "https://xexample.com"],
        ),
        ("example.com:8443", ["https://example.com:8443/"], ["https://example.com/"]),
        ("Example.com", ["https://example.com/"], ["https://example.com:8443/"]),
        ("[::1]:80", ["http://[::1]/"], ["https://[::1]/"]),
    ],
)
def test_rules_fit_the_hosts_they_name(rule: str, fits: list[str], not_: list[str]) -> None:
    found = rule_of(rule, "egress.allow")
    for url in fits:
        assert found.fits(peer_of(url)[1]), url
    for url in not_:
        assert not found.fits(peer_of(url)[1]), url


@pytest.mark.parametrize("text", ["", "*", "https://x.com", "x.com/path", "a b", "127.1", "x:0x"])
def test_a_rule_that_names_no_host_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"egress\.allow"):
        rule_of(text, "egress.allow")


def guard(found: list[str], **lists: list[str]) -> PeerGuard:
    return PeerGuard(read_egress(lists, {}), lambda host, port: found)


def test_every_host_is_refused_by_default_and_the_setting_named() -> None:
    closed = PeerGuard(EgressSettings(), lambda host, port: ["93.184.216.34"])
    with pytest.raises(Forbidden, match=r'"example\.com" to `allow` under \[egress\]'):
        closed.admit(peer_of("https://example.com/x")[1])


def test_one_bad_address_among_good_ones_is_enough() -> None:
    peer = peer_of("https://example.com/")[1]
    good = guard(["93.184.216.34", "2606:2800:220:1::1"], allow=["example.com"])
    assert good.addresses(peer) == ("93.184.216.34", "2606:2800:220:1::1")
    for bad in ("127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "100.64.0.1"):
        with pytest.raises(Forbidden) as caught:
            guard(["93.184.216.34", bad], allow=["example.com"]).addresses(peer)
        assert bad not in str(caught.value)


def test_internal_hosts_may_be_inside_but_never_at_the_metadata() -> None:
    peer = peer_of("https://git.corp.example/")[1]
    assert guard(["10.0.0.7"], internal=["git.corp.example"]).addresses(peer) == ("10.0.0.7",)
    with pytest.raises(Forbidden, match="nobody is sent to"):
        guard(["169.254.169.254"], internal=["git.corp.example"]).addresses(peer)
    with pytest.raises(Forbidden, match="`internal`"):
        guard(["10.0.0.7"], allow=["git.corp.example"]).addresses(peer)


def test_an_address_that_is_written_out_is_meant_but_not_that_of_the_metadata() -> None:
    closed = guard([], allow=["127.0.0.1:8080", "169.254.169.254"])
    assert closed.addresses(peer_of("http://127.0.0.1:8080/")[1]) == ("127.0.0.1",)
    with pytest.raises(Forbidden):
        closed.addresses(peer_of("http://169.254.169.254/latest/")[1])
    with pytest.raises(Forbidden):
        closed.addresses(peer_of("http://127.0.0.1:8081/")[1])


def test_only_what_is_named_so_counts_as_inside() -> None:
    lists = guard([], allow=["example.com", "127.0.0.1"], internal=["git.corp.example"])
    for url, inside in (
        ("https://example.com/", False),
        ("https://git.corp.example/", True),
        ("https://127.0.0.1/", True),
    ):
        assert lists.is_inside(peer_of(url)[1]) is inside


def test_a_name_without_addresses_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        guard([], allow=["example.com"]).addresses(peer_of("https://example.com/")[1])


@pytest.mark.parametrize(
    "table",
    [
        {"allow": "example.com"},
        {"allow": ["http://example.com"]},
        {"alow": []},
        {"seconds": 0},
        {"concurrency": "4"},
        {"credentials": {"example.com": {"token": "secret"}}},
        {"credentials": {"example.com": {"token_env": "MISSING"}}},
        {"credentials": {"example.com": {"token_env": "BROKEN"}}},
        {"credentials": {"example.com": {"token_env": "TOKEN", "scheme": "magic"}}},
        {
            "credentials": {
                "example.com": {"token_env": "TOKEN", "scheme": "header", "header": "a b"}
            }
        },
    ],
)
def test_settings_that_are_wrong_are_refused_without_a_secret(table: dict) -> None:
    env = {"TOKEN": "hunter2", "BROKEN": "hunter2\r\nx: y"}
    with pytest.raises(SettingsError, match="egress") as caught:
        read_egress(table, env)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_credentials_go_over_https_only_and_show_nothing() -> None:
    table = {
        "credentials": {
            "a.example": {"token_env": "T"},
            "b.example": {"token_env": "T", "scheme": "token", "plain": True},
            "c.example": {"token_env": "T", "scheme": "basic", "user": "bot"},
            "d.example": {"token_env": "T", "scheme": "header"},
        }
    }
    settings = read_egress(table, {"T": "hunter2"})
    assert "hunter2" not in repr(settings)

    def shown(url: str) -> tuple[str, str] | None:
        credential = settings.credential(peer_of(url)[1])
        return credential.header if credential else None

    assert shown("https://a.example/") == ("Authorization", "Bearer hunter2")
    assert shown("http://a.example/") is None
    assert shown("http://b.example/") == ("Authorization", "token hunter2")
    assert shown("https://c.example/") == ("Authorization", "Basic Ym90Omh1bnRlcjI=")
    assert shown("https://d.example/") == ("PRIVATE-TOKEN", "hunter2")
    assert shown("https://x.a.example/") is None
