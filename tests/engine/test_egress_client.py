"""The one egress client, against real servers on loopback."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from web_kit import Handler, WebServer, certificates, web

from towpath_core.egress import Egress, FetchBudget, NoEgress
from towpath_core.errors import Forbidden, Invalid, LimitExceeded, SettingsError, Unavailable
from towpath_engine.egress.client import EgressClient
from towpath_engine.egress.settings import read_egress

TOKEN = {"TOKEN": "hunter2"}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web() as found:
        yield found


@pytest.fixture
def other() -> Iterator[WebServer]:
    with web() as found:
        yield found


@pytest.fixture
def client_of() -> Iterator[Callable[..., EgressClient]]:
    made: list[EgressClient] = []

    def make(*allow: str, names: dict[str, list[str]] | None = None, **table: object):
        def resolve(host: str, port: int) -> list[str]:
            if host not in (names or {}):
                raise OSError("no such name")
            return names[host]

        settings = read_egress({"allow": list(allow), **table}, TOKEN)
        made.append(EgressClient(settings, resolve=resolve))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(client_of, server: WebServer, other: WebServer) -> EgressClient:
    return client_of(server.host, other.host)


def test_it_is_an_egress(client: EgressClient) -> None:
    assert isinstance(client, Egress)
    assert isinstance(NoEgress(), Egress)
    with pytest.raises(Forbidden, match=r"\[egress\]"):
        NoEgress().fetch("https://example.com/")


def test_an_answer_with_its_status_headers_and_body(client, server) -> None:
    server.serve("/a?b=c", 200, "hello", ETag='"1"')
    found = client.fetch(f"{server.url}/a?b=c", headers={"Accept": "text/plain"})
    assert (found.status, found.content, found.headers["etag"]) == (200, b"hello", '"1"')
    assert found.url == f"{server.url}/a?b=c"
    assert server.asked[0].headers["Accept"] == "text/plain"
    assert client.fetch(f"{server.url}/missing").status == 404


def test_a_body_can_be_sent(client, server) -> None:
    server.serve("/post", 201, "made")
    found = client.fetch(f"{server.url}/post", method="POST", content=b"{}")
    assert (found.status, server.asked[0].content) == (201, b"{}")
    with pytest.raises(Invalid):
        client.fetch(f"{server.url}/post", method="TRACE")


def test_headers_that_would_split_the_request_are_refused(client, server) -> None:
    for headers in ({"x": "a\r\nHost: evil"}, {"a b": "x"}):
        with pytest.raises(Invalid):
            client.fetch(server.url, headers=headers)
    client.fetch(server.url, headers={"Host": "evil", "Transfer-Encoding": "chunked"})
    assert [one.headers["Host"] for one in server.asked] == [server.host]


def test_other_hosts_are_refused_before_anything_is_asked(client_of, server) -> None:
    client = client_of("example.com")
    for url in (server.url, "http://169.254.169.254/latest/", "http://localhost/", "http://[::1]/"):
        with pytest.raises(Forbidden, match=r"\[egress\]"):
            client.fetch(url)
    for url in ("file:///etc/passwd", "http://127.1/", "http://2130706433/"):
        with pytest.raises(Invalid):
            client.fetch(url)
    assert server.asked == []


def test_a_name_that_leads_inside_is_refused(client_of, server) -> None:
    name = f"rebind.example:{server.port}"
    closed = client_of(name, names={"rebind.example": ["127.0.0.1"]})
    with pytest.raises(Forbidden, match="inside the network"):
        closed.fetch(f"http://{name}/")
    assert server.asked == []
    opened = client_of(internal=[name], names={"rebind.example": ["127.0.0.1"]})
    assert opened.fetch(f"http://{name}/").status == 404


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(server) -> None:
    looked_up = []

    def rebinding(host: str, port: int) -> list[str]:
        """Good at the first look, inside the network at every other."""
        looked_up.append(host)
        return ["203.0.113.9"] if len(looked_up) > 1 else ["127.0.0.1"]

    name = f"rebind.example:{server.port}"
    client = EgressClient(read_egress({"internal": [name]}, {}), resolve=rebinding)
    assert client.fetch(f"http://{name}/").status == 404
    assert looked_up == ["rebind.example"]
    client.close()


def test_the_next_address_is_tried_where_one_does_not_answer(client_of, server) -> None:
    name = f"two.example:{server.port}"
    client = client_of(internal=[name], names={"two.example": ["127.0.0.77", "127.0.0.1"]})
    assert client.fetch(f"http://{name}/").status == 404


def test_certificates_are_checked_by_name_though_an_address_is_connected_to(
    client_of, tmp_path: Path
) -> None:
    ca_file, context = certificates(tmp_path, "good.example")
    with web(context) as server:
        server.serve("/", 200, "secure")
        names = {"good.example": ["127.0.0.1"], "bad.example": ["127.0.0.1"]}
        good, bad = f"good.example:{server.port}", f"bad.example:{server.port}"
        client = client_of(internal=[good, bad], names=names, ca_file=str(ca_file))
        assert client.fetch(f"https://{good}/").content == b"secure"
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            client.fetch(f"https://{bad}/")
        stranger = client_of(internal=[good], names=names)
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            stranger.fetch(f"https://{good}/")
        assert server.paths == ["/"]


def test_a_ca_file_that_is_not_there_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="ca_file"):
        EgressClient(read_egress({"ca_file": "/nonexistent.pem"}, {}))


def moved(server: WebServer, path: str, to: str, status: int = 302) -> None:
    server.serve(path, status, "", Location=to)


def test_redirects_are_off_unless_asked_for(client, server) -> None:
    moved(server, "/a", "/b")
    server.serve("/b", 200, "there")
    assert client.fetch(f"{server.url}/a").status == 302
    found = client.fetch(f"{server.url}/a", budget=FetchBudget(redirects=1))
    assert (found.content, found.url) == (b"there", f"{server.url}/b")


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://127.0.0.1:1/",
        "//10.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_a_redirect_to_an_internal_address_is_refused(client, server, to: str) -> None:
    moved(server, "/a", to)
    with pytest.raises(Forbidden):
        client.fetch(f"{server.url}/a", budget=FetchBudget(redirects=3))


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "http://127.1/", "gopher://x/", "http://u:p@x/"]
)
def test_a_redirect_to_no_plain_url_is_refused(client, server, to: str) -> None:
    moved(server, "/a", to)
    with pytest.raises(Invalid):
        client.fetch(f"{server.url}/a", budget=FetchBudget(redirects=3))


def test_at_most_three_redirects_are_followed_whatever_is_asked_for(client, server) -> None:
    for number in range(9):
        moved(server, f"/{number}", f"/{number + 1}")
    with pytest.raises(Forbidden, match="more than 3"):
        client.fetch(f"{server.url}/0", budget=FetchBudget(redirects=100))
    assert server.paths == ["/0", "/1", "/2", "/3"]
    moved(server, "/loop", "/loop")
    with pytest.raises(Forbidden):
        client.fetch(f"{server.url}/loop", budget=FetchBudget(redirects=2))


def test_what_was_posted_is_not_posted_elsewhere(client, server) -> None:
    moved(server, "/a", "/b", 307)
    budget = FetchBudget(redirects=3)
    assert client.fetch(f"{server.url}/a", method="POST", content=b"x", budget=budget).status == 307
    assert server.paths == ["/a"]


def test_credentials_stay_with_their_host(client_of, server, other) -> None:
    table = {server.host: {"token_env": "TOKEN", "plain": True}}
    client = client_of(server.host, other.host, credentials=table)
    moved(server, "/away", f"{other.url}/")
    moved(server, "/here", "/")
    headers = {"Cookie": "c=1", "X-Api-Key": "k", "Accept": "text/plain"}
    for path in ("/away", "/here"):
        client.fetch(server.url + path, headers=headers, budget=FetchBudget(redirects=1))
    first, second, third = server.asked
    for one in (first, second, third):
        assert one.headers["Authorization"] == "Bearer hunter2"
        assert one.headers["X-Api-Key"] == "k"
    (away,) = other.asked
    assert away.headers["Accept"] == "text/plain"
    assert not {"authorization", "cookie", "x-api-key"} & {name.lower() for name in away.headers}


def test_a_redirect_brings_no_credential_to_a_host_that_nobody_asked_for(
    client_of, server, other
) -> None:
    table = {other.host: {"token_env": "TOKEN", "plain": True}}
    client = client_of(server.host, other.host, credentials=table)
    moved(server, "/away", f"{other.url}/private")
    client.fetch(f"{server.url}/away", budget=FetchBudget(redirects=3))
    client.fetch(f"{other.url}/private")
    assert [one.headers["Authorization"] for one in other.asked] == [None, "Bearer hunter2"]


def test_no_credential_is_in_an_error(client_of, server) -> None:
    table = {server.host: {"token_env": "TOKEN", "plain": True}}
    client = client_of(server.host, credentials=table)

    def hang_up(handler: Handler) -> None:
        handler.connection.close()

    server.routes["/gone?key=swordfish"] = hang_up
    moved(server, "/moved?key=swordfish", "http://10.0.0.1/?key=swordfish")
    for path in ("/gone", "/moved"):
        with pytest.raises((Unavailable, Forbidden)) as caught:
            client.fetch(f"{server.url}{path}?key=swordfish", budget=FetchBudget(redirects=3))
        assert "hunter2" not in str(caught.value)
        assert "swordfish" not in str(caught.value)
    assert "hunter2" not in repr(client.route(server.url))


def raw_server(talk: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server of one thread a connection that says what it likes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                talk(connection)
            except OSError:
                pass  # the client has had enough

    threading.Thread(target=serve, daemon=True).start()
    return listening, f"127.0.0.1:{listening.getsockname()[1]}"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def endless_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def dripping_head(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    while True:
        connection.sendall(b"X-A: b\r\n")
        time.sleep(0.05)


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\nx\r\n" * 1000)


def huge_head(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    while True:
        connection.sendall(b"X-A: " + b"b" * 8000 + b"\r\n")


def silence(connection: socket.socket) -> None:
    connection.recv(1)


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x00\x01SSH-2.0-OpenSSH\r\n\r\n")


def cut_off(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nxxx")


def informational(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("talk", "error", "text", "idle", "seconds"),
    [
        (endless_body, LimitExceeded, "100,000 bytes", 50, 50),
        (endless_chunks, (LimitExceeded, Unavailable), "100,000 bytes|too long|in time", 50, 0.6),
        (dripping_body, Unavailable, "too long|in time", 50, 0.6),
        (dripping_head, Unavailable, "too long|in time", 50, 0.6),
        (informational, Unavailable, "too long|in time", 50, 0.6),
        (huge_head, Unavailable, "cannot be reached", 50, 50),
        (silence, Unavailable, "cannot be reached", 0.3, 50),
        (garbage, Unavailable, "cannot be reached", 50, 50),
        (cut_off, Unavailable, "cannot be reached", 50, 50),
    ],
)
def test_a_host_that_misbehaves_costs_no_more_than_the_budget(
    client_of, talk, error, text, idle, seconds
) -> None:
    listening, host = raw_server(talk)
    with listening:
        client = client_of(host, idle_seconds=idle)
        started, used = time.monotonic(), time.process_time()
        with pytest.raises(error, match=text):
            client.fetch(f"http://{host}/", budget=FetchBudget(bytes=100_000, seconds=seconds))
        assert time.monotonic() - started < 40
        assert time.process_time() - used < 2


def packed(size: int) -> bytes:
    return gzip.compress(bytes(size), 9, mtime=0)


def test_compression_is_undone_within_the_budget(client, server) -> None:
    text = b"kind: Component\n" * 5000
    server.serve("/gzip", 200, gzip.compress(text), Content_Encoding="gzip")
    server.serve("/deflate", 200, zlib.compress(text), Content_Encoding="deflate")
    for path in ("/gzip", "/deflate"):
        assert client.fetch(server.url + path).content == text


def test_a_bomb_is_refused_before_it_has_gone_off(client, server) -> None:
    server.serve("/bomb", 200, packed(64 * 1024 * 1024), Content_Encoding="gzip")
    with pytest.raises(LimitExceeded, match="8,388,608 bytes"):
        client.fetch(f"{server.url}/bomb", budget=FetchBudget(ratio=10**9))
    with pytest.raises(LimitExceeded, match="100 times larger"):
        client.fetch(f"{server.url}/bomb")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip"), ("gzip", packed(5000)[:-9]), ("br", b"x"), ("gzip, gzip", b"x")],
    ids=["no-gzip", "cut-off", "brotli", "twice"],
)
def test_a_damaged_or_odd_encoding_is_unavailable(client, server, encoding, body) -> None:
    server.serve("/x", 200, body, Content_Encoding=encoding)
    with pytest.raises(Unavailable):
        client.fetch(f"{server.url}/x")


def test_content_types_are_held_to(client, server) -> None:
    server.serve("/page", 200, "<html>", "text/html; charset=utf-8")
    server.serve("/plain", 200, "x", "Text/Plain")
    server.serve("/none", 200, "x", None)
    server.serve("/lost", 404, "<html>", "text/html")
    budget = FetchBudget(types=("text/plain",))
    assert client.fetch(f"{server.url}/plain", budget=budget).content == b"x"
    assert client.fetch(f"{server.url}/lost", budget=budget).status == 404
    with pytest.raises(Invalid, match="login"):
        client.fetch(f"{server.url}/page", budget=budget)
    with pytest.raises(Invalid, match="octet-stream"):
        client.fetch(f"{server.url}/none", budget=budget)


def test_the_body_of_an_error_is_cut_off(client, server) -> None:
    server.serve("/x", 500, b"x" * 1_000_000)
    assert len(client.fetch(f"{server.url}/x").content) == 64 * 1024


def test_a_host_that_asks_for_a_pause_is_asked_again_after_it(client, server) -> None:
    times: list[float] = []

    def busy(handler: Handler) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            handler.say(429, "", Retry_After="1")
        else:
            handler.say(200, "now")

    server.routes["/busy"] = busy
    assert client.fetch(f"{server.url}/busy").content == b"now"
    assert times[1] - times[0] >= 0.9


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (503, {"Retry_After": "600"}),
        (429, {"Retry_After": "Fri, 31 Dec 2100 23:59:59 GMT"}),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "99999999999"}),
    ],
)
def test_nobody_asks_while_a_host_wants_to_be_left_alone(client, server, status, headers) -> None:
    server.serve("/busy", status, "", **headers)
    server.serve("/other", 200, "fine")
    for path in ("/busy", "/other", "/busy"):
        with pytest.raises(Unavailable, match="pause"):
            client.fetch(server.url + path)
    assert server.paths == ["/busy"]


def test_a_plain_403_is_an_answer(client, server) -> None:
    server.serve("/x", 403, "no")
    assert client.fetch(f"{server.url}/x").status == 403


def test_a_few_fetches_of_one_host_run_at_a_time(client_of, server) -> None:
    client = client_of(server.host, concurrency=2)
    together, most, lock = [0], [0], threading.Lock()
    meeting = threading.Barrier(2, timeout=60)

    def slow(handler: Handler) -> None:
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        meeting.wait()
        with lock:
            together[0] -= 1
        handler.say(200, "x")

    server.routes["/slow"] = slow
    threads = [
        threading.Thread(target=client.fetch, args=(f"{server.url}/slow",)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 2
    assert len(server.asked) == 6


def test_an_old_connection_that_died_does_not_matter(client, server) -> None:
    def close_after(handler: Handler) -> None:
        handler.say(200, "x")
        handler.wfile.flush()
        handler.close_connection = True

    server.routes["/x"] = close_after
    for _ in range(5):
        assert client.fetch(f"{server.url}/x").status == 200


def test_connections_are_used_again(client, server) -> None:
    for _ in range(5):
        client.fetch(f"{server.url}/x")
    assert len({one.client_address for one in server.asked}) == 1


def test_a_host_that_is_not_there_is_unavailable(client_of) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Unavailable, match="cannot be reached"):
        client_of(host).fetch(f"http://{host}/")
    with pytest.raises(Unavailable, match="no address"):
        client_of("nowhere.example").fetch("https://nowhere.example/")


def test_a_route_for_another_tool_is_checked_alike(client_of, server) -> None:
    table = {"git.example": {"token_env": "TOKEN", "scheme": "basic"}}
    names = {"git.example": ["93.184.216.34"], "bad.example": ["10.0.0.1"]}
    client = client_of("git.example", "bad.example", names=names, credentials=table)
    route = client.route("https://git.example/acme/shop.git")
    assert (route.host, route.port, route.addresses) == ("git.example", 443, ("93.184.216.34",))
    assert (route.user, route.password) == ("x-access-token", "hunter2")
    with pytest.raises(Forbidden):
        client.route("https://bad.example/x.git")
    with pytest.raises(Forbidden):
        client.route("https://other.example/x.git")
