"""Object storage by fsspec: listed without a cache, read by ranges, written by one put of a whole file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..audio.song_names import CLUTTER_FOLDERS
from ..errors import AudioError, SpleeterError, StorageError
from .files import Found, Stat, StoredFiles, before_magic

BLOCK_BYTES = 8 << 20  # of a range request
_PART_BYTES = 16 << 20  # of an upload in parts, and how many of them are in memory at a time
_PARTS = 2
LARGE_BYTES = _PART_BYTES  # what is smaller is never uploaded in parts
_READ_AT_ONCE = 64  # fragments

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


def remote_files(uri: str) -> RemoteFiles:
    scheme = uri.partition("://")[0]
    try:
        import fsspec
    except ImportError as error:
        raise SpleeterError(f"{uri}: needs fsspec: {_install(scheme)}") from error
    try:
        # What other clients write must be seen.
        filesystem, _ = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise SpleeterError(f"{uri}: {error}; {_install(scheme)}") from error
    except Exception as error:  # of the store's own client
        raise StorageError(f"{uri}: {type(error).__name__}: {error}") from error
    return RemoteFiles(filesystem, scheme)


def _install(scheme: str) -> str:
    extra = _EXTRAS.get(scheme.lower())
    return f"pip install 'spleeterrt[{extra}]'" if extra else f"install what fsspec needs for {scheme}://"


class RemoteFiles(StoredFiles):
    """What an fsspec file system holds.

    Args:
        filesystem: fsspec's.
        scheme: of the URIs.
    """

    def __init__(self, filesystem: Any, scheme: str) -> None:
        self._fs, self._scheme = filesystem, scheme

    def join(self, place: str, *parts: str) -> str:
        return "/".join([place.rstrip("/"), *(part.strip("/") for part in parts if part)])

    def stat(self, uri: str) -> Stat:
        try:
            with _as_storage_error(uri):
                return _stat(self._fs.info(uri))
        except FileNotFoundError as error:
            raise AudioError(f"{uri}: cannot be read: there is no such object") from error

    def is_folder(self, uri: str) -> bool:
        with _as_storage_error(uri):
            return bool(self._fs.isdir(uri))

    def exists(self, uri: str) -> bool:
        with _as_storage_error(uri):
            return bool(self._fs.exists(uri))

    def walk(self, folder: str) -> Iterator[Found]:
        root = self._fs._strip_protocol(folder)
        try:
            with _as_storage_error(folder):
                for path, folders, files in self._fs.walk(root, detail=True):
                    folders_kept = sorted(n for n in folders if n not in CLUTTER_FOLDERS and n[0:1] != ".")
                    for name in set(folders) - set(folders_kept):
                        del folders[name]
                    for name in sorted(files):
                        if name:  # an object that stands for its folder
                            yield self._found(files[name], root, path)
        except FileNotFoundError as error:
            raise StorageError(f"{folder}: there is nothing below it") from error

    def glob(self, pattern: str) -> Iterator[Found]:
        root = self._fs._strip_protocol(before_magic(pattern))
        with _as_storage_error(pattern):
            found = self._fs.glob(pattern, detail=True)
        for path in sorted(found):
            if found[path]["type"] == "file":
                yield self._found(found[path], root, path.rpartition("/")[0])

    def _found(self, info: Mapping[str, Any], root: str, folder: str) -> Found:
        below = folder[len(root) :].strip("/")
        return Found(self._fs.unstrip_protocol(info["name"]), below, _stat(info))

    def names(self, folder: str) -> list[str]:
        try:
            with _as_storage_error(folder):
                found = self._fs.ls(folder, detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rpartition("/")[2] for entry in found if entry["type"] == "file")

    def read(self, uris: Sequence[str]) -> list[bytes | None]:
        contents: list[bytes | None] = []
        for start in range(0, len(uris), _READ_AT_ONCE):
            some = list(uris[start : start + _READ_AT_ONCE])
            with _as_storage_error(some[0]):
                got = self._fs.cat(some, on_error="return")
            by_path = got if isinstance(got, dict) else {self._fs._strip_protocol(some[0]): got}
            for uri in some:
                data = by_path.get(self._fs._strip_protocol(uri))
                contents.append(data if isinstance(data, bytes) else None)
        return contents

    def write(self, uri: str, data: bytes) -> None:
        with _as_storage_error(uri):
            self._fs.pipe_file(uri, data)

    def remove(self, uri: str) -> None:
        with contextlib.suppress(FileNotFoundError), _as_storage_error(uri):
            self._fs.rm_file(uri)

    def fetch(self, uri: str, path: Path, stat: Stat) -> None:
        try:
            with _as_storage_error(uri), open(path, "wb") as file:
                start = 0
                while stat.size is None or start < stat.size:
                    end = start + BLOCK_BYTES if stat.size is None else min(start + BLOCK_BYTES, stat.size)
                    data = self._fs.cat_file(uri, start=start, end=end)
                    file.write(data)
                    start += len(data)
                    if len(data) < end - (start - len(data)):
                        break
        except FileNotFoundError as error:
            raise AudioError(f"{uri}: cannot be read: there is no such object") from error
        several = start > BLOCK_BYTES
        if (stat.size is not None and start != stat.size) or (several and self.stat(uri) != stat):
            raise StorageError(f"{uri}: it was changed while it was read")

    def put(self, path: Path, uri: str) -> None:
        parts = {"chunksize": _PART_BYTES, "max_concurrency": _PARTS} if self._is_s3() else {}
        if self._is_s3() and path.stat().st_size > LARGE_BYTES:
            self.abort_uploads(uri)  # of a worker that died
        try:
            with _as_storage_error(uri):
                self._fs.put_file(os.fspath(path), uri, **parts)
        except BaseException:
            with contextlib.suppress(StorageError):
                self.abort_uploads(uri)
            raise

    def open_uploads(self, folder: str) -> bool:
        return any(True for _ in self._uploads(f"{folder.rstrip('/')}/"))

    def abort_uploads(self, uri: str) -> None:
        for key, identifier in list(self._uploads(uri)):
            bucket, own, _ = self._fs.split_path(uri)
            if key == own:
                with _as_storage_error(uri):
                    self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=identifier)

    def _uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(key, identifier) of unfinished uploads; other stores than S3 remove them by themselves."""
        if not self._is_s3():
            return
        bucket, key, _ = self._fs.split_path(prefix)
        if prefix.endswith("/") and key:
            key = f"{key.rstrip('/')}/"
        where = {"Bucket": bucket, "Prefix": key}
        more: dict[str, Any] = {}
        while True:
            with _as_storage_error(prefix):
                page = self._fs.call_s3("list_multipart_uploads", **where, **more)
            for upload in page.get("Uploads", ()):
                yield upload["Key"], upload["UploadId"]
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def _is_s3(self) -> bool:
        return self._scheme.lower() in ("s3", "s3a") and hasattr(self._fs, "call_s3")


def _stat(info: Mapping[str, Any]) -> Stat:
    names = ("ETag", "etag", "md5Hash", "crc32c", "LastModified", "mtime", "updated", "created")
    etag = next((info[name] for name in names if info.get(name)), "")
    return Stat(info.get("size"), str(etag).strip('"'))


@contextlib.contextmanager
def _as_storage_error(uri: str) -> Iterator[None]:
    """Errors of the store's client, whatever they are; what is not there stays a FileNotFoundError."""
    try:
        yield
    except (FileNotFoundError, SpleeterError):
        raise
    except Exception as error:
        raise StorageError(f"{uri}: {type(error).__name__}: {error}") from error
