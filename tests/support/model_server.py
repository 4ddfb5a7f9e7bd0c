"""A release server on the loopback interface that can misbehave, and archives to serve."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = "/deezer/spleeter/releases/download/v1.4.0"


@dataclass
class Request:
    path: str
    range: str | None
    status: int = 0
    body: int = 0  # bytes of the body that were sent


@dataclass
class Server:
    """What is served and what was asked.

    Attributes:
        files: contents by path.
        script: misbehaviours for the next requests of archives, used up one by one.
        scripts: the same for other files, by path.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    script: list[Callable[[Handler, bytes, int], None]] = field(default_factory=list)
    scripts: dict[str, list[Callable[[Handler, bytes, int], None]]] = field(default_factory=dict)

    def publish(self, name: str, archive: bytes, checksum: str | None = None, base: str = BASE) -> None:
        self.files[f"{base}/{name}.tar.gz"] = archive
        known = json.loads(self.files.get(f"{base}/checksum.json", b"{}"))
        known[name] = checksum or hashlib.sha256(archive).hexdigest()
        self.files[f"{base}/checksum.json"] = json.dumps(known).encode()

    @property
    def archive_requests(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith(".tar.gz")]


class Handler(BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = re.sub(r"^http://[^/]+", "", self.path)  # a proxy is asked for the whole URL
        self.request_log = Request(self.path, self.headers.get("Range"))
        self.state.requests.append(self.request_log)
        content = self.state.files.get(path)
        if content is None:
            self.head(404, 0)
            return
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        script = self.state.script if path.endswith(".tar.gz") else self.state.scripts.get(path)
        if script:
            script.pop(0)(self, content, start)
        else:
            self.serve(content, start)

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.request_log.status = status
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        self.wfile.write(data)
        self.request_log.body += len(data)

    def serve(self, content: bytes, start: int, stop: int | None = None) -> None:
        """Serve properly from `start`, but break off at byte `stop`."""
        total = len(content)
        if start >= total and start:
            self.head(416, 0, Content_Range=f"bytes */{total}")
            return
        if start:
            self.head(206, total - start, Content_Range=f"bytes {start}-{total - 1}/{total}")
        else:
            self.head(200, total)
        self.body(content[start:stop])


def break_at(stop: int) -> Callable[[Handler, bytes, int], None]:
    return lambda handler, content, start: handler.serve(content, start, stop)


def ignore_range(handler: Handler, content: bytes, start: int) -> None:
    handler.serve(content, 0)


def announce(extra: int) -> Callable[[Handler, bytes, int], None]:
    """Serve all of it under a wrong Content-Length."""

    def respond(handler: Handler, content: bytes, start: int) -> None:
        handler.head(200, len(content) + extra)
        handler.body(content)

    return respond


def wrong_range(handler: Handler, content: bytes, start: int) -> None:
    """Answer a range with the bytes of another."""
    total = len(content)
    handler.head(206, total, Content_Range=f"bytes 0-{total - 1}/{total}")
    handler.body(content)


def short_range(handler: Handler, content: bytes, start: int) -> None:
    """Answer a range with its first 500 bytes only, as a server may."""
    headers = {"Content_Range": f"bytes {start}-{start + 499}/{len(content)}"}
    handler.head(206, 500, **headers)
    handler.body(content[start : start + 500])


def without_length(handler: Handler, content: bytes, start: int) -> None:
    handler.head(200, None)
    handler.body(content)


def fail_with(status: int) -> Callable[[Handler, bytes, int], None]:
    return lambda handler, content, start: handler.head(status, 0)


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    handler = type("BoundHandler", (Handler,), {})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    handler.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_gz(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def archive_of(folder: Path, top: str = "", extra: Mapping[str, bytes] | None = None) -> bytes:
    """The files of a folder as an archive, flat or below one folder `top`."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())} | dict(extra or {})
    members = [member(top.rstrip("/"), type=tarfile.DIRTYPE)] if top else []
    return tar_gz(*members, *(member(top + name, content) for name, content in files.items()))
