"""A server of the page for this machine: loopback only, nothing but the site's own files."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..errors import SpleeterError, reason
from .site import SETTINGS, Site, content_type

HOST = "127.0.0.1"
PORT = 8377  # always the same, so that what a browser keeps of the page is found again

# Under other names a page of somebody else's could reach this server (DNS rebinding).
_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Server:
    """Answers until it is closed.

    Raises:
        SpleeterError: the port is in use (with port None: no port is left).
    """

    def __init__(self, site: Site, port: int | None = None) -> None:
        self._server = _bind(partial(_Handler, site, content_policy(site)), port)
        self.port: int = self._server.server_address[1]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def serve(self) -> None:
        """Answer until another thread calls `stop`, or a signal's handler raises."""
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """Let `serve` return, from another thread."""
        self._server.shutdown()


def _bind(handler: Callable[..., _Handler], port: int | None) -> _Http:
    for number in (PORT, 0) if port is None else (port,):
        try:
            return _Http((HOST, number), handler)
        except OSError as error:
            problem = error
    raise SpleeterError(
        f"cannot listen on {HOST}:{number}: {reason(problem)}; choose another --port (0: any that is free)"
    ) from problem


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # on Windows two programs would share a port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing for browsers that hang up; the rest as it is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def content_policy(site: Site) -> str:
    """The page's own rule, and what only a header can say: no other page may show it in a frame."""
    page = site.files["index.html"].read_text(encoding="utf-8")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    if found is None:
        raise SpleeterError(f"{site.files['index.html']}: expected a Content-Security-Policy")
    return f"{found[1]}; frame-ancestors 'none'"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "spleeterrt"
    sys_version = ""
    timeout = 60

    def __init__(self, site: Site, policy: str, *request: Any) -> None:
        self._site = site
        self._policy = policy
        super().__init__(*request)  # which answers

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: every answer of a page would be a line."""

    def _answer(self, *, body: bool) -> None:
        host = self.headers.get("Host", "").rpartition(":")
        name = host[0] if host[1] and host[2].isdigit() else "".join(host)
        if name not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN, "This server answers this machine alone")
            return
        address = unquote(self.path.partition("?")[0]).removeprefix("/") or "index.html"
        try:
            if address == SETTINGS:
                self._send(address, self._site.settings, None, body)
            elif address in self._site.files:
                self._send(address, None, self._site.files[address], body)
            else:
                self.send_error(HTTPStatus.NOT_FOUND)
        except ConnectionError:
            self.close_connection = True  # the page was closed

    def _send(self, address: str, content: bytes | None, path: Path | None, body: bool) -> None:
        if path is None:
            assert content is not None
            self._head(address, len(content), None)
            if body:
                self.wfile.write(content)
            return
        try:
            file = path.open("rb")
        except OSError as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"Cannot read {address}: {reason(error)}")
            return
        with file:
            facts = path.stat()
            tag = f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"'
            if self.headers.get("If-None-Match") == tag:
                self.send_response(HTTPStatus.NOT_MODIFIED)
                self.send_header("ETag", tag)
                self.end_headers()
                return
            self._head(address, facts.st_size, tag)
            if body:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _head(self, address: str, size: int, tag: str | None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type(address))
        self.send_header("Content-Length", str(size))
        if tag is not None:
            self.send_header("ETag", tag)
        self.end_headers()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", self._policy)
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(self), display-capture=(self)"
        )
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()
