"""Files from a server that may break off, lie or waste: whole, resumed where they were, and within bounds."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..regular import no_follow

if TYPE_CHECKING:
    from requests import Response

ATTEMPTS = 4  # in a row without real progress
BACKOFF_SECONDS = 0.5  # doubled after every failed attempt
PROGRESS_BYTES = 1 << 20  # what counts as real progress
TIMEOUT_SECONDS = (15.0, 60.0)  # to connect, between two reads
MAX_ARCHIVE_BYTES = 1 << 30  # the largest official archive has 0.2 GB
MAX_CHECKSUMS_BYTES = 1 << 20
MAX_REDIRECTS = 10
ANSWER_SECONDS = 120.0  # for all headers
STALL_SECONDS, STALL_BYTES = 60.0, 1 << 16  # slower than that is no progress
_CHUNK = 1 << 18


class Failed(Exception):
    """The server cannot be reached or does not give the file."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(str(reason))
        self.url = url


class Interrupted(Failed):
    """As `Failed`, but another attempt may help."""


class Unreachable(Interrupted):
    """As `Interrupted`, where only a connection that has worked before is worth another attempt."""


def http_get(url: str, headers: dict[str, str]) -> Response:
    """A response whose body is not read yet; statuses that may pass are `Interrupted`.

    Redirections are followed here: requests would read their bodies, however large.
    """
    import requests
    from urllib3.exceptions import HTTPError

    # The file itself, not an encoding of it: sizes and ranges count its own bytes.
    headers = {"Accept-Encoding": "identity", **headers}
    asked = url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            response, location = _answer(asked, headers)
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                break
            response.close()
            asked = requests.compat.urljoin(asked, location)
        except (requests.RequestException, HTTPError, ValueError) as error:
            if isinstance(error, ValueError):  # not a URL at all
                raise Failed(url, error) from error
            raise _connection_error(url, error) from error
        except OSError as error:  # of a bundle of certificates that is not there
            raise Failed(url, error) from error
    else:
        raise Failed(url, f"more than {MAX_REDIRECTS} redirections")
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        response.close()
        raise Interrupted(url, f"{response.status_code} {shown(response.reason)}")
    return response


def _answer(url: str, headers: dict[str, str]) -> tuple[Response, str | None]:
    """A response, and where it redirects to, within `ANSWER_SECONDS`: timeouts between two reads do not end a
    wait for headers that come byte by byte.
    """
    import requests

    location: str | None = None
    result: list[Response | BaseException] = []

    def take_location(response: Response, *_: object, **__: object) -> None:
        nonlocal location
        location = response.headers.pop("Location", None)  # else requests reads the body all the same

    def ask() -> None:
        try:
            result.append(
                requests.get(
                    url,
                    headers=headers,
                    stream=True,
                    timeout=TIMEOUT_SECONDS,
                    allow_redirects=False,
                    hooks={"response": take_location},
                )
            )
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not result:
        raise Interrupted(url, f"no answer within {ANSWER_SECONDS:g} seconds")
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0], location


def shown(text: str | None) -> str:
    """What a server said, shortly and on one line."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:100])


def _number(text: str) -> int | None:
    """A number of bytes in a header; None if it is none, or absurd."""
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _pieces(response: Response, url: str) -> Iterator[bytes]:
    """A response's body as it comes; a server that keeps sending nearly nothing is given up.

    Raises:
        Interrupted: the connection broke, or stalls.
    """
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    raw = response.raw
    # urllib3 since 2.1: what is there. Before: full pieces, so that small ones are needed to notice a stall.
    read = getattr(raw, "read1", None)
    since, before, size = time.monotonic(), 0, 0
    while True:
        try:
            if read is not None:
                piece = read(_CHUNK, decode_content=False)
            else:
                piece = raw.read(_CHUNK >> 8, decode_content=False)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise Interrupted(url, f"broken off at byte {size} of this attempt: {error}") from error
        if not piece:
            return
        yield piece
        size += len(piece)
        now = time.monotonic()
        if size >= before + STALL_BYTES:
            since, before = now, size
        elif now - since > STALL_SECONDS:
            raise Interrupted(url, f"{size - before} bytes in {now - since:.0f} seconds")


def read_json(response: Response, url: str) -> object:
    """A release's `checksum.json`, parsed."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Failed(url, "the server sent it compressed, which was not asked for")
    content = b""
    for piece in _pieces(response, url):
        content += piece
        if len(content) > MAX_CHECKSUMS_BYTES:
            raise Failed(url, f"more than {MAX_CHECKSUMS_BYTES} bytes: not a list of checksums")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failed(url, f"not a list of checksums: {error}") from error


def _connection_error(url: str, error: BaseException) -> Failed:
    """What is wrong with the connection in plain words, out of the exceptions that wrap each other."""
    import errno
    import socket
    import ssl
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname
    cause, seen = error, [error]
    while (inner := cause.__cause__ or cause.__context__) is not None and inner not in seen:
        cause = inner
        seen.append(cause)
    if any(isinstance(e, socket.gaierror) for e in seen):
        proxies = any(type(e).__name__ == "ProxyError" for e in seen)
        what = "the name of the proxy" if proxies else f"the name {host}"
        return Unreachable(url, f"{what} cannot be resolved (no network?)")
    if isinstance(cause, ssl.SSLError):
        return Failed(url, f"no secure connection: {getattr(cause, 'verify_message', '') or cause.reason}")
    if isinstance(cause, TimeoutError):
        return Unreachable(url, f"{host} does not answer")
    if isinstance(cause, OSError) and cause.strerror:
        down = cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
        kind = Unreachable if down else Interrupted
        return kind(url, f"no connection to {host}: {cause.strerror}")
    return Interrupted(url, cause)


def download_verified(url: str, archive: Path, sha256: str, progress: bool) -> None:
    """Download to `archive`, going on from what it holds already, and verify it; deleted if wrong."""
    if os.path.lexists(archive) and not stat.S_ISREG(os.lstat(archive).st_mode):
        archive.unlink()  # a link, say, through which something else would be written
    from_before = archive.exists()
    _download_whole(url, archive, progress)
    if from_before and _sha256(archive) != sha256:
        # What was there may have been of another archive: once more, from the start.
        archive.unlink()
        _download_whole(url, archive, progress)
    got = _sha256(archive)
    if got != sha256:
        raise ModelError(
            f"{url}: wrong archive ({_size(archive)} bytes): expected SHA-256 {sha256}, got {got}; deleted"
        )


def _download_whole(url: str, archive: Path, progress: bool) -> None:
    """Download until the server says that it is all; breaks are retried from where they were."""
    failures, begun = 0, _size(archive)
    best = begun
    while True:
        try:
            return _receive(url, archive, progress)
        except Interrupted as error:
            size = _size(archive)
            if isinstance(error, Unreachable) and size == begun:
                raise
            if size >= best + PROGRESS_BYTES:
                failures, best = 0, size
            failures += 1
            if failures >= ATTEMPTS:
                raise
            time.sleep(BACKOFF_SECONDS * 2 ** (failures - 1))


def _receive(url: str, archive: Path, progress: bool) -> None:
    """One request for the rest of `archive`, appended to it.

    A server that ignores the range starts again from the first byte, and so does the file.
    """
    have = _size(archive)
    headers = {"Range": f"bytes={have}-"} if have else {}
    with http_get(url, headers) as response:
        status = response.status_code
        total = _number(response.headers.get("Content-Length", ""))
        if have and status == 416:
            if response.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                return  # nothing is left
            archive.unlink()
            raise Interrupted(url, "the server does not have the range asked for")
        if have and status == 206:
            given = response.headers.get("Content-Range", "").strip()
            match = re.fullmatch("bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|[*])", given)
            if not match or int(match[1]) != have:
                archive.unlink()
                raise Interrupted(url, "the server sent another range than asked for")
            total = int(match[2]) if match[2] != "*" else None if total is None else have + total
        elif status == 200:
            have = 0
        else:
            raise Failed(url, f"{status} {shown(response.reason)}")
        if total is not None and total > MAX_ARCHIVE_BYTES:
            raise ModelError(f"{url}: {total} bytes: not a model archive")
        size = _write_body(response, url, archive, have, total, progress)
        if total is not None and size != total:
            raise Interrupted(url, f"broken off: the server announced {total} bytes and sent {size}")


def _write_body(
    response: Response, url: str, archive: Path, have: int, total: int | None, progress: bool
) -> int:
    """Write a response's body behind the first `have` bytes. Returns the size of the file."""
    size = have
    with (
        open(archive, "ab" if have else "wb", opener=no_follow) as file,
        _bar(archive, have, total, progress) as bar,
    ):
        for piece in _pieces(response, url):
            size += len(piece)
            if size > MAX_ARCHIVE_BYTES:
                raise ModelError(f"{url}: more than {MAX_ARCHIVE_BYTES} bytes: not a model archive")
            file.write(piece)
            bar.update(len(piece))
    return size


class _NoBar:
    """Stands in for a progress bar."""

    def update(self, n: int) -> None:
        pass


@contextmanager
def _bar(archive: Path, have: int, total: int | None, progress: bool) -> Iterator[Any]:
    if not progress or sys.stderr is None or not sys.stderr.isatty():
        yield _NoBar()
        return
    from tqdm import tqdm

    name = archive.name.removesuffix(".part")
    with tqdm(
        desc=name, initial=have, total=total, unit="B", unit_scale=True, unit_divisor=1024, dynamic_ncols=True
    ) as bar:
        yield bar


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    import hashlib  # loads OpenSSL

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
