"""Audio that is no path: file objects and the bytes of a file. They go through a temporary file, because
decoders seek, and some go over a file twice.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeGuard

from ..arguments import PathLike, is_uri, path
from ..errors import ArgumentError, ArgumentTypeError, AudioError, SpleeterError, reason

AudioInput: TypeAlias = PathLike | bytearray | memoryview | IO[bytes]
"""A path, a binary file object (read from where it stands, not closed), or the bytes of a file. `bytes` that
contain a zero byte are such bytes (no path can have one), others a path."""

UNNAMED = "audio"


def described_path(audio: Any) -> Path:
    """The path of the audio, or one that names it: `audio` for what has no name.

    Raises:
        ArgumentError: an empty path.
        ArgumentTypeError: neither a path nor a file object nor bytes.
    """
    if _is_path(audio):
        text = path("audio", audio)
        if not text:
            raise ArgumentError("audio: an empty path (an unset variable?)")
        return Path(text)
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return Path(UNNAMED)
    if not hasattr(audio, "read"):
        raise ArgumentTypeError(
            f"audio: expected a path, a binary file object or the bytes of a file, got {_kind(audio)}"
        )
    name = getattr(audio, "name", None)
    if not isinstance(name, (str, bytes)) or Path(os.fsdecode(name)).name in ("", ".."):
        return Path(UNNAMED)
    return Path(os.fsdecode(name))


def local_file(audio: PathLike) -> Path:
    """The path of a file of this machine.

    Raises:
        AudioError: it is the URI of another place.
    """
    text = path("audio", audio)
    if is_uri(text):
        raise AudioError(
            f"{text}: not a file on this machine; open it (`with fsspec.open(uri) as file`) and pass the "
            "file, download it, or let `spleeterrt catalogue` read it (s3:// and gs://)"
        )
    return Path(text)


@contextmanager
def input_path(audio: AudioInput, *, for_later: bool = False) -> Iterator[Path]:
    """A path of the audio's content, as long as the context lasts.

    Args:
        for_later: a file object may be closed meanwhile, and its file be gone with it.

    Raises:
        AudioError: the content cannot be read, or there is none.
        ArgumentTypeError: a file object that gives text, for example.
    """
    named = described_path(audio)
    if _is_path(audio):
        yield local_file(audio)
        return
    if not for_later and _is_whole_file(audio, named):
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="spleeterrt-") as folder:
        path = Path(folder) / named.name
        try:
            with open(path, "wb") as file:
                _copy(audio, file, named)
        except OSError as error:
            raise AudioError(f"{named}: cannot be copied to {folder}: {error.strerror or error}") from error
        try:
            yield path
        except SpleeterError as error:
            error.args = tuple(renamed(map(str, error.args), path, named))
            raise


def renamed(messages: Iterable[str], path: PathLike, named: PathLike) -> list[str]:
    """Messages about the copy at `path`, with the name that the caller knows."""
    return [message.replace(os.fsdecode(path), os.fsdecode(named)) for message in messages]


@contextmanager
def output_path(target: IO[bytes], ending: str) -> Iterator[Path]:
    """A path to write a file to, whose content goes to the file object at the end of the context."""
    named = described_path(target)
    with tempfile.TemporaryDirectory(prefix="spleeterrt-") as folder:
        path = Path(folder) / f"{UNNAMED}{ending}"
        yield path
        try:
            with open(path, "rb") as file:
                shutil.copyfileobj(file, target, _COPY_BYTES)
        except TypeError as error:
            raise ArgumentTypeError(f"{named}: expected a binary file object: {error}") from error
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise AudioError(f"{named}: cannot be written: {reason(error)}") from error


def is_file_object(target: Any) -> TypeGuard[IO[bytes]]:
    return hasattr(target, "write") and not isinstance(target, os.PathLike)


_COPY_BYTES = 1 << 20


def _is_path(audio: Any) -> TypeGuard[PathLike]:
    return isinstance(audio, (str, os.PathLike)) or (isinstance(audio, bytes) and b"\0" not in audio)


def _is_whole_file(audio: Any, named: Path) -> bool:
    """Whether a file object is the named file, at its beginning: then no copy is needed."""
    if not isinstance(getattr(audio, "raw", audio), io.FileIO):
        return False  # gzip's have the name and the number of the packed file
    try:
        return audio.tell() == 0 and os.path.samestat(os.fstat(audio.fileno()), named.stat())
    except (AttributeError, OSError, ValueError):  # no real file, none of that name, closed
        return False


def _copy(audio: Any, file: IO[bytes], named: Path) -> None:
    if isinstance(audio, (bytes, bytearray, memoryview)):
        file.write(audio)
    else:
        try:
            while data := audio.read(_COPY_BYTES):
                if not isinstance(data, (bytes, bytearray, memoryview)):
                    raise ArgumentTypeError(f"{named}: expected a binary file object, it gives {_kind(data)}")
                file.write(data)
        except ValueError as error:  # it is closed
            raise AudioError(f"{named}: cannot be read: {error}") from error
    if not file.tell():
        raise AudioError(f"{named}: nothing to read; is the file object at its end (seek(0))?")


def _kind(value: Any) -> str:
    return type(value).__name__
