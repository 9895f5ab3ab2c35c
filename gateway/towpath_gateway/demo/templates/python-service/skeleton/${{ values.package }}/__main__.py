"""Serve greetings over HTTP."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = ${{ values.port }}


def answer(path: str) -> tuple[int, dict[str, str]]:
    """The status and body for a path."""
    if path == "/healthz":
        return 200, {"status": "ok"}
    if path == "/":
        return 200, {"service": "${{ values.name }}"}
    return 404, {"error": "not found"}


class Handler(BaseHTTPRequestHandler):
    """Answers GET requests with JSON."""

    def do_GET(self) -> None:
        status, body = answer(self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    HTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
