"""A platform of a few hundred lines that answers as the published API says, over real HTTP.

It exists to do what a good platform never does: fail after the work was done, close connections,
break streams in the middle. It records every request. Runs end at once unless a test holds them.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import contract_runs  # noqa: F401  (its routes)
import contract_schedules  # noqa: F401  (its routes)
import contract_writes
from contract_routes import allowed, once
from contract_state import (
    OFFERING,
    TOKEN,
    Answer,
    Fault,
    HeldRun,
    Json,
    Platform,
    Request,
    entity,
    problem,
    ref_of,
)

__all__ = (
    "OFFERING",
    "TOKEN",
    "Answer",
    "Platform",
    "Server",
    "entity",
    "listening",
    "problem",
    "ref_of",
)


class Dropped(Exception):
    """The connection ends here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Json) -> None:
        pass

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qsl(parts.query, keep_blank_values=True)
        request = Request(self.command, parts.path, query, headers, raw)
        platform = self.server.platform
        with platform.lock:
            platform.requests.append(request)
        try:
            if request.path == contract_writes.WATCH:
                self.watch(platform, request)
            elif request.path.endswith("/stream"):
                self.stream(platform, request)
            else:
                self.answer(self.decide(platform, request))
        except (Dropped, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def decide(self, platform: Platform, request: Request) -> Answer:
        with platform.lock:
            fault = self.fault(platform, request)
            if fault and not fault.done:
                return self.broken(fault)
            answer = once(platform, request)
        return self.broken(fault) if fault else answer

    def fault(self, platform: Platform, request: Request) -> Fault | None:
        for fault in platform.faults:
            if fault.method == request.method and re.fullmatch(fault.path, request.path):
                fault.times -= 1
                if fault.times <= 0:
                    platform.faults.remove(fault)
                return fault
        return None

    def broken(self, fault: Fault) -> Answer:
        if fault.answer is None:
            raise Dropped
        return fault.answer

    def answer(self, answer: Answer) -> None:
        empty = answer.body is None
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        body = b"" if empty else body
        self.send_response(answer.status)
        if not empty:
            self.send_header("content-type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def watch(self, platform: Platform, request: Request) -> None:
        with platform.lock:
            fault = self.fault(platform, request)
            refused = allowed(request) or contract_writes.too_old(platform, request)
        if refused or (fault and fault.answer):
            return self.answer(refused or fault.answer)  # type: ignore[union-attr]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for count, text in enumerate(contract_writes.frames(platform, request)):
            if fault and count >= fault.events:
                raise Dropped
            self.wfile.write(text.encode())

    def stream(self, platform: Platform, request: Request) -> None:
        with platform.lock:
            fault = self.fault(platform, request)
            refused = allowed(request)
        run = platform.runs.get(request.path.split("/")[4])
        if fault and fault.answer:
            return self.answer(fault.answer)
        if refused or run is None:
            return self.answer(refused or problem(404, "not-found", "There is no such run."))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self.tell(platform, run, int(request.headers.get("last-event-id", "0")), fault)

    def tell(self, platform: Platform, run: HeldRun, sent: int, fault: Fault | None) -> None:
        count = 0
        if fault and fault.mute:
            with run.changed:
                run.changed.wait_for(lambda: platform.closing)
        if fault and not fault.events:
            raise Dropped
        while not platform.closing:
            with run.changed:
                if not run.news(sent, platform):
                    self.wfile.write(b": alive\n\n")
                    continue
                events, ended = run.events[sent:], run.ended
            for event in events:
                if fault and count >= fault.events:
                    raise Dropped
                text = json.dumps(event, ensure_ascii=False)
                frame = f"id: {event['seq']}\nevent: {event['type']}\ndata: {text}\n\n"
                self.wfile.write(frame.encode())
                sent, count = event["seq"], count + 1
            if fault and count >= fault.events:
                raise Dropped
            if ended and sent == len(run.events):
                state = json.dumps({"state": run.shape["state"]})
                self.wfile.write(f"event: done\ndata: {state}\n\n".encode())
                return


class Server(ThreadingHTTPServer):
    """Serves one platform after the other on the same port."""

    daemon_threads = True
    platform: Platform

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self, platform: Platform) -> Iterator[str]:
        """Serve a platform; gives its address. Streams that are open at the end are closed."""
        self.platform = platform
        try:
            yield self.url
        finally:
            platform.closing = True
            for run in list(platform.runs.values()):
                with run.changed:
                    run.changed.notify_all()


@contextmanager
def listening() -> Iterator[Server]:
    """A server on a free port."""
    server = Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
