"""What a file system is to this package: files of this machine, or those in object storage."""

from __future__ import annotations

import glob
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Stat(NamedTuple):
    """Bytes of a file, and what changes with its content."""

    size: int | None
    etag: str


class Found(NamedTuple):
    """A file: its folder relative to where it was looked for, with `/` between the parts."""

    uri: str
    folder: str
    stat: Stat


class Files(ABC):
    """A file system. Every method raises `StorageError` for what cannot be read or written, and `AudioError`
    where it is a song that is not there."""

    @abstractmethod
    def join(self, place: str, *parts: str) -> str: ...

    @abstractmethod
    def stat(self, uri: str) -> Stat: ...

    @abstractmethod
    def is_folder(self, uri: str) -> bool: ...

    @abstractmethod
    def exists(self, uri: str) -> bool: ...

    @abstractmethod
    def walk(self, folder: str) -> Iterator[Found]:
        """All files below a folder, in a fixed order; hidden folders and those of systems are left out."""

    @abstractmethod
    def glob(self, pattern: str) -> Iterator[Found]: ...

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Of the files in a folder, sorted; none where there is no such folder. What killed writers left
        there is removed."""

    @abstractmethod
    def read(self, uris: Sequence[str]) -> list[bytes | None]:
        """The content of files; None for what cannot be read."""

    @abstractmethod
    def write(self, uri: str, data: bytes) -> None:
        """A whole file in one step."""

    @abstractmethod
    def remove(self, uri: str) -> None: ...

    def open_uploads(self, folder: str) -> bool:
        """Whether there are uploads in parts below a folder that nobody has completed."""
        return False


class StoredFiles(Files):
    """Those of object storage, which are copied to this machine and back."""

    @abstractmethod
    def fetch(self, uri: str, path: Path, stat: Stat) -> None:
        """Copy a file to this machine, in constant memory."""

    @abstractmethod
    def put(self, path: Path, uri: str) -> None:
        """Copy a file of this machine, which appears whole."""

    @abstractmethod
    def abort_uploads(self, uri: str) -> None:
        """End unfinished uploads of this very file, of workers that are gone."""


def before_magic(pattern: str) -> str:
    """The folder below which a pattern looks."""
    parts = pattern.replace(os.sep, "/").split("/")
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else ".")
