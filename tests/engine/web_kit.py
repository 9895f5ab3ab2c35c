"""Real web servers on loopback, in a thread of the test, that record what they are asked."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Route = Callable[["Handler"], None]


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    headers: Message
    content: bytes
    client_address: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    """Answers by the routes of its server; `say` writes a whole answer."""

    protocol_version = "HTTP/1.1"
    server: WebServer

    def say(
        self,
        status: int = 200,
        body: bytes | str = b"",
        type: str | None = "text/plain",
        **more: str,
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        if type is not None:
            self.send_header("Content-Type", type)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(content)

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(Asked(self.path, self.headers, content, self.client_address))
        self.content = content
        route = self.server.routes.get(self.path, self.server.fallback)
        if route is None:
            self.say(404, "nothing here")
        else:
            route(self)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *args: object) -> None:
        pass


class WebServer(ThreadingHTTPServer):
    """A server with routes by path, and the requests it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Route] = {}
        self.asked: list[Asked] = []
        self.fallback: Route | None = None
        self.context = context

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: object, address: object) -> None:
        pass  # a client that hangs up is what many tests are about

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def serve(self, path: str, *args: object, **kwargs: object) -> None:
        """Answer a path with one whole answer."""
        self.routes[path] = lambda handler: handler.say(*args, **kwargs)


@contextmanager
def web(context: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    server = WebServer(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificates(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """An authority of the test's own, and a context that serves with a certificate of it."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    end = start + datetime.timedelta(days=10)

    def build(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )

    root = (
        build(authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    leaf = (
        build(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(found), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return ca_file, context
