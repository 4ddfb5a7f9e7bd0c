"""Where models lie on this machine, and the download of the official ones.

A model is a folder `<root>/<name>` that holds a TensorFlow checkpoint. The roots, in order: `MODEL_PATH`
(Spleeter's variable), `./pretrained_models` (Spleeter's default), the user cache. A download goes to
`MODEL_PATH` if that is set, else to the user cache; it is verified and unpacked beside its place and then
moved there in one step, so that a folder under its final name is always whole.

Behaviour to match: Spleeter 2.4.2, `model/provider/` (`GITHUB_HOST`, `GITHUB_REPOSITORY`,
`GITHUB_RELEASE`, the releases' `checksum.json`, the `.probe` file that Spleeter takes as "already here").
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..atomic import sweep, temporary
from ..errors import ModelError
from ..regular import no_follow
from .checkpoint import check_extents, find_index, has_checkpoint, read_index

if TYPE_CHECKING:
    from requests import Response

DEFAULT_HOST = "https://github.com"
DEFAULT_REPOSITORY = "deezer/spleeter"
DEFAULT_RELEASE = "v1.4.0"
SHA256 = {
    "2stems": "f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692",
    "4stems": "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
    "5stems": "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218",
}
"""The archives of the default release."""

PROBE = ".probe"
ATTEMPTS = 4  # in a row without real progress
BACKOFF_SECONDS = 0.5  # doubled after every failed attempt
PROGRESS_BYTES = 1 << 20  # what counts as real progress
TIMEOUT_SECONDS = (15.0, 60.0)  # to connect, between two reads
MAX_ARCHIVE_BYTES = 1 << 30  # the largest official archive has 0.2 GB
MAX_CHECKSUMS_BYTES = 1 << 20
MAX_REDIRECTS = 10
STALL_SECONDS, STALL_BYTES = 60.0, 1 << 16  # slower than that is no progress
_CHUNK = 1 << 18
# What an interrupted download, of Spleeter too, leaves in a model's folder.
_MODEL_FILE = re.compile(
    r"checkpoint|config\.json|.*\.(index|meta|data-\d+-of-\d+|tar\.gz|part)|\.probe|\._.*"
)


@dataclass(frozen=True)
class Release:
    """A release of a GitHub repository (or of a mirror) that holds model archives."""

    host: str = DEFAULT_HOST
    repository: str = DEFAULT_REPOSITORY
    release: str = DEFAULT_RELEASE

    @classmethod
    def from_environment(cls) -> Release:
        """The release Spleeter's variables name."""
        return cls.of(
            os.environ.get("GITHUB_HOST") or DEFAULT_HOST,
            os.environ.get("GITHUB_REPOSITORY") or DEFAULT_REPOSITORY,
            os.environ.get("GITHUB_RELEASE") or DEFAULT_RELEASE,
        )

    @classmethod
    def of(cls, host: str, repository: str, release: str) -> Release:
        """As users write them; a host without a scheme is taken as https."""
        if "://" not in host:
            host = f"https://{host}"
        return cls(host.rstrip("/"), repository.strip("/"), release)

    @property
    def is_default(self) -> bool:
        return self == Release()

    def url(self, file: str) -> str:
        return f"{self.host}/{self.repository}/releases/download/{self.release}/{file}"


def user_cache() -> Path:
    """The user's own model root."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spleeterrt", appauthor=False)) / "models"


def model_roots() -> list[Path]:
    """The folders that may hold models, in the order in which they are searched."""
    roots = [Path("pretrained_models").absolute(), user_cache()]
    if model_path := os.environ.get("MODEL_PATH"):
        roots.insert(0, Path(model_path).absolute())
    return list(dict.fromkeys(roots))


def download_root() -> Path:
    """The folder that downloads go to."""
    model_path = os.environ.get("MODEL_PATH")
    return Path(model_path).absolute() if model_path else user_cache()


def can_download(name: str) -> bool:
    """Whether a model of this name may be asked from the release: another release may hold any."""
    if name in SHA256:
        return True
    return not Release.from_environment().is_default and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name) is not None


def download(name: str, folder: Path, progress: bool = True, release: Release | None = None) -> Path:
    """Download the model `name` and put it into `folder`, unless another process just did.

    Args:
        folder: the model's own folder, for example `<root>/2stems`.
        progress: show a progress bar, if standard error is a terminal.
        release: None: the one that Spleeter's variables name.

    Returns:
        `folder`.

    Raises:
        ModelError: no connection, wrong or damaged archive, folder not writable.
    """
    release = release or Release.from_environment()
    url = release.url(f"{name}.tar.gz")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(f".{folder.name}.lock")):
            if has_checkpoint(folder):
                return folder
            archive = folder.with_name(f"{folder.name}.tar.gz.part")
            try:
                _download_verified(url, archive, _expected_sha256(release, name), progress)
            except _Failed as error:
                raise ModelError(
                    f"cannot download {error.url}: {error}\n{_instead(name)}"
                    f"To install the model by hand, fetch {url} on another machine, unpack it, and "
                    f"put model.index, model.data-00000-of-00001 and checkpoint into {folder}"
                ) from error
            except ModelError:
                archive.unlink(missing_ok=True)
                raise
            try:
                _install(archive, folder, url)
            finally:
                archive.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write the model to {folder}: {error.strerror or error}; "
            "set MODEL_PATH to a folder that can be written"
        ) from error
    return folder


def _instead(name: str) -> str:
    """A line on the model that needs no download and makes the stems of `name`, or as many as there are."""
    for official, starter in (("2stems", "2stems"), ("4stems", "4stems"), ("5stems", "4stems")):
        if name.startswith(official):
            return f"Nothing to download, but a smaller model, in the package: -p starter:{starter}\n"
    return ""


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes (and threads); it ends with the process.

    The file stays: to remove it would let two processes lock two files of one name.
    """
    with open(path, "ab", opener=no_follow) as file:
        while not _try_lock(file):
            time.sleep(0.1)
        yield


if sys.platform == "win32":
    import errno
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EDEADLK)
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: the move into place is atomic all the same
            return True
        return True


# Download


class _Failed(Exception):
    """The server cannot be reached or does not give the file."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(str(reason))
        self.url = url


class _Interrupted(_Failed):
    """As `_Failed`, but another attempt may help."""


class _Unreachable(_Interrupted):
    """As `_Interrupted`, where only a connection that has worked before is worth another attempt."""


def _get(url: str, headers: dict[str, str]) -> Response:
    """A response whose body is not read yet; statuses that may pass are `_Interrupted`.

    Redirections are followed here: requests would read their bodies, however large.
    """
    import requests
    from urllib3.exceptions import HTTPError

    # The file itself, not an encoding of it: sizes and ranges count its own bytes.
    headers = {"Accept-Encoding": "identity", **headers}
    asked = url
    for _ in range(MAX_REDIRECTS + 1):
        locations: list[str | None] = []

        def take_location(
            response: Response, *_: object, to: list[str | None] = locations, **__: object
        ) -> None:
            to.append(response.headers.pop("Location", None))  # else requests reads the body all the same

        try:
            response = requests.get(
                asked,
                headers=headers,
                stream=True,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                hooks={"response": take_location},
            )
            if response.status_code not in (301, 302, 303, 307, 308) or not locations[-1]:
                break
            response.close()
            asked = requests.compat.urljoin(asked, locations[-1])
        except (requests.RequestException, HTTPError, ValueError) as error:
            if isinstance(error, ValueError):  # not a URL at all
                raise _Failed(url, error) from error
            raise _connection_error(url, error) from error
    else:
        raise _Failed(url, f"more than {MAX_REDIRECTS} redirections")
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        response.close()
        raise _Interrupted(url, f"{response.status_code} {_shown(response.reason)}")
    return response


def _shown(text: str | None) -> str:
    """What a server said, shortly and on one line."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:100])


def _number(text: str) -> int | None:
    """A number of bytes in a header; None if it is none, or absurd."""
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _pieces(response: Response, url: str) -> Iterator[bytes]:
    """A response's body as it comes; a server that keeps sending nearly nothing is given up.

    Raises:
        _Interrupted: the connection broke, or stalls.
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
            raise _Interrupted(url, f"broken off at byte {size} of this attempt: {error}") from error
        if not piece:
            return
        yield piece
        size += len(piece)
        now = time.monotonic()
        if size >= before + STALL_BYTES:
            since, before = now, size
        elif now - since > STALL_SECONDS:
            raise _Interrupted(url, f"{size - before} bytes in {now - since:.0f} seconds")


def _checksums(response: Response, url: str) -> object:
    """The release's `checksum.json`, parsed."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _Failed(url, "the server sent it compressed, which was not asked for")
    content = b""
    for piece in _pieces(response, url):
        content += piece
        if len(content) > MAX_CHECKSUMS_BYTES:
            raise _Failed(url, f"more than {MAX_CHECKSUMS_BYTES} bytes: not a list of checksums")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _Failed(url, f"not a list of checksums: {error}") from error


def _connection_error(url: str, error: BaseException) -> _Failed:
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
        return _Unreachable(url, f"{what} cannot be resolved (no network?)")
    if isinstance(cause, ssl.SSLError):
        return _Failed(url, f"no secure connection: {getattr(cause, 'verify_message', '') or cause.reason}")
    if isinstance(cause, TimeoutError):
        return _Unreachable(url, f"{host} does not answer")
    if isinstance(cause, OSError) and cause.strerror:
        down = cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
        kind = _Unreachable if down else _Interrupted
        return kind(url, f"no connection to {host}: {cause.strerror}")
    return _Interrupted(url, cause)


def expected_sha256(release: Release, name: str) -> str:
    """The SHA-256 of a model's archive in a release.

    Raises:
        ModelError: no such model, or the release's checksums cannot be read.
    """
    try:
        return _expected_sha256(release, name)
    except _Failed as error:
        raise ModelError(f"cannot download {error.url}: {error}") from error


def _expected_sha256(release: Release, name: str) -> str:
    """The archive's SHA-256: pinned for the default release, else from the release's `checksum.json`."""
    if release.is_default:
        if name not in SHA256:
            raise ModelError(f"no official model {name!r}; there are {', '.join(SHA256)}")
        return SHA256[name]
    url = release.url("checksum.json")
    for attempt in range(ATTEMPTS):
        try:
            with _get(url, {}) as response:
                if (
                    response.status_code in (404, 410)
                    and release.release == DEFAULT_RELEASE
                    and name in SHA256
                ):
                    return SHA256[name]  # a mirror of the default release without its checksums
                if response.status_code != 200:
                    raise _Failed(url, f"{response.status_code} {_shown(response.reason)}")
                checksums = _checksums(response, url)
            break
        except _Interrupted as error:
            if attempt == ATTEMPTS - 1 or isinstance(error, _Unreachable):
                raise
            time.sleep(BACKOFF_SECONDS * 2**attempt)
    value = checksums.get(name) if isinstance(checksums, dict) else None
    if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{64}", value):
        raise ModelError(f"{url}: no SHA-256 for model {name!r}")
    return value.lower()


def _download_verified(url: str, archive: Path, sha256: str, progress: bool) -> None:
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
        except _Interrupted as error:
            size = _size(archive)
            if isinstance(error, _Unreachable) and size == begun:
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
    with _get(url, headers) as response:
        status = response.status_code
        total = _number(response.headers.get("Content-Length", ""))
        if have and status == 416:
            if response.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                return  # nothing is left
            archive.unlink()
            raise _Interrupted(url, "the server does not have the range asked for")
        if have and status == 206:
            given = response.headers.get("Content-Range", "").strip()
            match = re.fullmatch("bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|[*])", given)
            if not match or int(match[1]) != have:
                archive.unlink()
                raise _Interrupted(url, "the server sent another range than asked for")
            total = int(match[2]) if match[2] != "*" else None if total is None else have + total
        elif status == 200:
            have = 0
        else:
            raise _Failed(url, f"{status} {_shown(response.reason)}")
        if total is not None and total > MAX_ARCHIVE_BYTES:
            raise ModelError(f"{url}: {total} bytes: not a model archive")
        size = _write_body(response, url, archive, have, total, progress)
        if total is not None and size != total:
            raise _Interrupted(url, f"broken off: the server announced {total} bytes and sent {size}")


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


# Unpacking


def _install(archive: Path, folder: Path, url: str) -> None:
    """Unpack a verified archive beside `folder` and move it there once it is known to hold a checkpoint."""
    from .archive import unpack  # brings gzip and tarfile

    sweep(folder.parent)
    made = temporary(folder.parent)
    made.mkdir()
    try:
        try:
            unpack(archive, made)
            content = _top(made)
            check_extents(read_index(find_index(content)))
        except ModelError as error:
            raise ModelError(f"{url}: not a usable model archive: {error}") from error
        (content / PROBE).write_text("OK", encoding="ascii")
        _move(content, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move(content: Path, folder: Path) -> None:
    """Rename `content` to `folder`; a model there that is incomplete is kept under another name.

    Raises:
        ModelError: a folder is there that is no model: nobody's files are moved away.
    """
    if folder.is_dir() and not has_checkpoint(folder):
        others = [path.name for path in folder.iterdir() if not _MODEL_FILE.fullmatch(path.name)]
        if others:
            raise ModelError(
                f"{folder} is in the way of the model: it is no model's folder (it holds {others[0]!r}); "
                "move it away, or set MODEL_PATH to another folder"
            )
        try:
            folder.rmdir()
        except OSError:
            os.replace(folder, folder.with_name(f"{folder.name}.incomplete-{os.urandom(4).hex()}"))
    try:
        os.replace(content, folder)
    except OSError:
        if not has_checkpoint(folder):  # else another process was faster: its copy is as good
            raise


def _top(folder: Path) -> Path:
    """The unpacked archive's folder: itself, or the single folder it holds and nothing else."""
    children = list(folder.iterdir())
    return children[0] if len(children) == 1 and children[0].is_dir() else folder
