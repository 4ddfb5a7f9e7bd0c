"""Files of this machine, and those in object storage by fsspec, under one face."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..atomic import sweep, write_whole
from ..audio.song_names import CLUTTER_FOLDERS
from ..errors import AudioError, SpleeterError, StorageError, reason
from .files import Files, Found, Stat, StoredFiles, before_magic

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def is_remote(uri: str) -> bool:
    """Whether it is a URI of something else than this machine's files."""
    match = _SCHEME.match(uri)
    return match is not None and match[1].lower() not in ("file", "local")


def local_path(uri: str) -> str:
    """The absolute path that a path or a file: URI means."""
    if _SCHEME.match(uri):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        uri = url2pathname(urlsplit(uri).path)
    return os.path.abspath(uri)


def normal(uri: str) -> str:
    """How a place is called in rows: an absolute path, or a URI without a slash at its end."""
    if not uri:
        raise SpleeterError("an empty name of a place (an unset variable?)")
    return uri.rstrip("/") if is_remote(uri) else local_path(uri)


def as_prefix(place: str) -> str:
    """What the names of all below a folder begin with."""
    return place.rstrip("/\\") + ("/" if is_remote(place) else os.sep)


def files_of(uri: str) -> Files:
    """The file system of a path or URI.

    Raises:
        SpleeterError: nothing that is installed knows it.
    """
    if not is_remote(uri):
        return LOCAL
    from .remote import remote_files

    return remote_files(uri)


def store_of(uri: str) -> StoredFiles | None:
    """The file system of a URI; None for files of this machine, which need no copies."""
    files = files_of(uri)
    return files if isinstance(files, StoredFiles) else None


class LocalFiles(Files):
    def join(self, place: str, *parts: str) -> str:
        return os.path.join(place, *(part.replace("/", os.sep) for part in parts))

    def stat(self, uri: str) -> Stat:
        try:
            found = os.stat(uri)
        except (OSError, ValueError) as error:
            raise AudioError(f"{uri}: cannot be read: {reason(error)}") from error
        return _stat(found)

    def is_folder(self, uri: str) -> bool:
        return os.path.isdir(uri)

    def exists(self, uri: str) -> bool:
        return os.path.lexists(uri)

    def walk(self, folder: str) -> Iterator[Found]:
        with _storage(folder):
            yield from self._walk(folder, "", {os.path.realpath(folder)})

    def _walk(self, folder: str, below: str, seen: set[str]) -> Iterator[Found]:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir():
                hidden = entry.name.startswith(".") and not entry.name.startswith("..")
                place = os.path.realpath(entry.path)
                if not (hidden or entry.name in CLUTTER_FOLDERS or place in seen):
                    inside = f"{below}/{entry.name}" if below else entry.name
                    yield from self._walk(entry.path, inside, seen | {place})
            elif entry.is_file():
                yield Found(entry.path, below, _stat(entry.stat()))

    def glob(self, pattern: str) -> Iterator[Found]:
        root = local_path(before_magic(pattern))
        for path in sorted(glob.iglob(pattern, recursive=True)):
            if os.path.isfile(path):
                path = os.path.abspath(path)
                folder = os.path.relpath(os.path.dirname(path), root).replace(os.sep, "/")
                yield Found(path, "" if folder == "." else folder, self.stat(path))

    def names(self, folder: str) -> list[str]:
        sweep(Path(folder))
        with _storage(folder), contextlib.suppress(FileNotFoundError), os.scandir(folder) as listing:
            return sorted(entry.name for entry in listing if entry.is_file())
        return []

    def read(self, uris: Sequence[str]) -> list[bytes | None]:
        contents: list[bytes | None] = []
        for uri in uris:
            try:
                contents.append(Path(uri).read_bytes())
            except OSError:
                contents.append(None)
        return contents

    def write(self, uri: str, data: bytes) -> None:
        with _storage(uri):
            write_whole(Path(uri), data, clear=False)

    def remove(self, uri: str) -> None:
        with _storage(uri), contextlib.suppress(FileNotFoundError):
            os.unlink(uri)


LOCAL = LocalFiles()


def has_magic(pattern: str) -> bool:
    """Whether it is a pattern of names, and none that is there itself."""
    return glob.has_magic(pattern) and (is_remote(pattern) or not os.path.lexists(pattern))


def _stat(found: os.stat_result) -> Stat:
    return Stat(found.st_size, f"mtime-{found.st_mtime_ns}")


@contextlib.contextmanager
def _storage(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{getattr(error, 'filename', None) or uri}: {reason(error)}") from error
