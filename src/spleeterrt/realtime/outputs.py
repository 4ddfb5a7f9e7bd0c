"""Where the samples of a stream go: standard output, devices, named pipes, files.

A file has another name until it is complete: `vocals.unfinished.wav` beside `vocals.wav`. What it holds can
be played at any time, so that a recording whose program was killed, or whose disk is full, is not lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import replace, sweep
from ..audio.ffmpeg import FFMPEG_SUFFIXES
from ..audio.pcm import SampleFormat, clipped, encode, wav_header
from ..errors import AudioError, reader_gone, reason
from ..names import CODECS
from ..parallel import no_threads
from .descriptors import (
    BINARY,
    Interruption,
    appends,
    descriptor_number,
    set_binary,
    write_all,
    write_units,
)

if TYPE_CHECKING:
    Float32 = np.typing.NDArray[np.float32]

PIPE_SECONDS = 60.0  # how far the readers of several pipes may be apart
UPDATE_SECONDS = 1.0  # of sound that a killed program may cost a recording
_PIECE_FRAMES = 8192
_POLL_SECONDS = 0.02
_WAV_ENDINGS = (".wav", ".wave")
_RAW_ENDINGS = (".raw", ".pcm", ".s16", ".s24", ".s32", ".f32", ".s16le", ".s24le", ".s32le", ".f32le")
_OTHER_ENDINGS = {f".{codec}" for codec in CODECS}.union(
    FFMPEG_SUFFIXES, (".aif", ".aiff", ".aifc", ".caf", ".w64", ".rf64", ".au", ".snd", ".oga", ".mp2")
)


@dataclass(frozen=True)
class Encoding:
    """How an output holds its samples."""

    format: SampleFormat
    wav: bool
    channels: int
    rate: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.format.bytes

    def header(self, frames: int | None, large: bool = False) -> bytes:
        return wav_header(self.format, self.channels, self.rate, frames, large) if self.wav else b""


def wav_by_name(path: str | None) -> bool | None:
    """Whether the ending of a path means WAV (True) or raw samples (False); None: it says nothing.

    Raises:
        AudioError: it is that of another format; named pipes, devices and descriptors may have any name.
    """
    ending = "" if path is None else os.path.splitext(path)[1].lower()
    if ending in _WAV_ENDINGS:
        return True
    if ending in _RAW_ENDINGS:
        return False
    if path is None or ending not in _OTHER_ENDINGS or _is_special(path):
        return None
    raise AudioError(
        f"{path}: a stream is written as WAV or raw samples, not as {ending}: name it .wav or .raw, or leave "
        f"--output out and encode what comes: | ffmpeg -f wav -i - {os.path.basename(path)}"
    )


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


class Output(ABC):
    """Where samples go.

    Attributes:
        gone: nobody reads it any more.
        lasting: a file: it gets all samples, however the stream ends.
        kept: where a file that could not be completed is.
        earlier: what another run has left, or still writes, of the same file.
        frames, clipped: written; beyond full scale.
    """

    lasting = False
    kept: Path | None = None
    earlier: Path | None = None

    # `put` is what every kind does; the others have nothing to do for most.
    def __init__(self, name: str, encoding: Encoding) -> None:
        self.name, self.encoding = name, encoding
        self.gone = False
        self.frames = self.clipped = 0
        self._head = encoding.header(None)

    def write(self, block: Float32) -> None:
        for start in range(0, len(block), _PIECE_FRAMES):  # what a full disk may cost
            if self.gone:
                return
            piece = block[start : start + _PIECE_FRAMES]
            self.put(encode(piece, self.encoding.format))
            self.frames += len(piece)
            self.clipped += clipped(piece, self.encoding.format)

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Encoded samples."""

    def end(self) -> None:  # noqa: B027
        """All has been written. For every output, before the first one is finished: a reader may wait for the
        end of one before it reads another."""

    def finish(self) -> None:  # noqa: B027
        """Wait until all is where it belongs."""

    def publish(self) -> None:  # noqa: B027
        """All outputs are finished."""

    def abort(self) -> None:  # noqa: B027
        """Leave nothing half done but what nobody can make again; may be repeated."""

    def failed(self, error: BaseException) -> AudioError:
        return AudioError(f"{self.name}: cannot be written: {reason(error)}")

    def send(self, descriptor: int, data: bytes, interruption: Interruption) -> None:
        """Into a pipe or device; the header goes with the first samples."""
        head, self._head = self._head, b""
        write_units(descriptor, head + data, self.encoding.frame_bytes, interruption, head=len(head))


class DirectOutput(Output):
    """A descriptor that is open: standard output, a device."""

    def __init__(self, descriptor: int, name: str, encoding: Encoding, interruption: Interruption) -> None:
        super().__init__(name, encoding)
        self._descriptor, self._interruption = descriptor, interruption
        set_binary(descriptor)
        try:
            self.lasting = stat.S_ISREG(os.fstat(descriptor).st_mode)
            self._start = os.lseek(descriptor, 0, os.SEEK_CUR) if self.lasting else 0
            # What is written behind other data is read from where that ends: a plain header.
            self._large = self.lasting and not appends(descriptor)
            if self.lasting:
                write_all(descriptor, encoding.header(None, self._large))
        except OSError as error:
            raise self.failed(error) from error

    def put(self, data: bytes) -> None:
        try:
            if self.lasting:
                write_all(self._descriptor, data)
            else:
                self.send(self._descriptor, data, self._interruption)
        except OSError as error:
            if not reader_gone(error):
                raise self.failed(error) from error
            self.gone = True

    def finish(self) -> None:
        if not self.lasting and not self.gone:
            self.put(b"")  # a header that no sample followed
        if self.gone or not self._large or not self.encoding.wav:
            return
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if self.frames * self.encoding.frame_bytes % 2:
                end += write_all(self._descriptor, b"\0")
            os.lseek(self._descriptor, self._start, os.SEEK_SET)
            write_all(self._descriptor, self.encoding.header(self.frames, large=True))
            os.lseek(self._descriptor, end, os.SEEK_SET)
        except OSError as error:
            raise self.failed(error) from error


class PipeOutput(Output):
    """A named pipe, written by a thread of its own, so that it does not matter in which order readers
    open several of them, nor which one they read first."""

    def __init__(self, path: str, encoding: Encoding, interruption: Interruption) -> None:
        super().__init__(path, encoding)
        self._interruption = interruption
        self._room = int(PIPE_SECONDS * encoding.rate) * encoding.frame_bytes
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._error: OSError | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"spleeterrt {path}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # "can't start new thread"
            raise no_threads() from error

    def put(self, data: bytes) -> None:
        with self._change:
            while self._bytes > self._room and not self.gone and not self._interruption.is_set():
                self._change.wait(0.1)  # by the clock: signals do not notify
            if not self.gone:
                self._waiting.append(data)
                self._bytes += len(data)
                self._change.notify_all()
        self._check()

    def end(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()

    def finish(self) -> None:
        self._join()
        self._check()

    def abort(self) -> None:
        self._interruption.stop()
        self.end()
        self._join()

    def _join(self) -> None:
        while self._thread.is_alive():
            self._thread.join(0.1)

    def _check(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise self.failed(error) from error

    def _run(self) -> None:
        descriptor = -1
        try:
            descriptor = self._open()
            while descriptor >= 0:
                data = self._next()
                self.send(descriptor, data or b"", self._interruption)
                if data is None:
                    break
        except OSError as error:
            if not reader_gone(error):
                self._error = error
            self.gone = True
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            with self._change:
                self._waiting.clear()
                self._bytes = 0
                self._change.notify_all()

    def _open(self) -> int:
        """Waits for a reader; negative: it is time to stop."""
        while self._interruption.wait(seconds=0):
            try:
                return os.open(self.name, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody reads yet
                    raise
            self._interruption.wait(seconds=_POLL_SECONDS)
        return -1

    def _next(self) -> bytes | None:
        with self._change:
            while not self._waiting and not self._ended and not self._interruption.is_set():
                self._change.wait(0.1)
            if not self._waiting:
                return None
            data = self._waiting.popleft()
            self._bytes -= len(data)
            self._change.notify_all()
            return data


class FileOutput(Output):
    """A file, under another name until it is complete; its header is right up to the last second.

    Beyond 4 GiB its WAV becomes an RF64.
    """

    lasting = True

    def __init__(self, path: str, encoding: Encoding) -> None:
        super().__init__(path, encoding)
        self._target = Path(path)
        self._unfinished: Path | None = None
        self._descriptor = -1
        self._updated = 0  # frames that the header tells of
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            sweep(self._target.parent)
            self._unfinished, self._descriptor, self.earlier = _open_unfinished(self._target)
            write_all(self._descriptor, encoding.header(0, large=True))
        except (OSError, ValueError) as error:
            self.abort()
            raise self.failed(error) from error

    def write(self, block: Float32) -> None:
        super().write(block)
        if self.encoding.wav and self.frames - self._updated >= UPDATE_SECONDS * self.encoding.rate:
            try:
                self._update()
            except OSError as error:
                raise self.failed(error) from error

    def put(self, data: bytes) -> None:
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise self.failed(error) from error

    def finish(self) -> None:
        try:
            if self.encoding.wav:
                if self.frames * self.encoding.frame_bytes % 2:
                    write_all(self._descriptor, b"\0")
                self._update()
            self._close()
        except OSError as error:
            raise self.failed(error) from error

    def publish(self) -> None:
        assert self._unfinished is not None
        try:
            replace(self._unfinished, self._target)
        except OSError as error:
            raise self.failed(error) from error
        self._unfinished = None

    def abort(self) -> None:
        """What has been recorded stays under its other name, whole samples only, to be found in `kept`."""
        with contextlib.suppress(OSError):
            if self._descriptor >= 0 and self.frames:
                size = len(self.encoding.header(0, large=True)) + self.frames * self.encoding.frame_bytes
                os.ftruncate(self._descriptor, size)
                self._update()
        with contextlib.suppress(OSError):
            self._close()
        path, self._unfinished = self._unfinished, None
        if path is None:
            return
        if self.frames:
            self.kept = path
            return
        with contextlib.suppress(OSError):
            path.unlink()

    def _update(self) -> None:
        """The header tells of what has been written."""
        here = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        write_all(self._descriptor, self.encoding.header(self.frames, large=True))
        os.lseek(self._descriptor, here, os.SEEK_SET)
        self._updated = self.frames

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _open_unfinished(target: Path) -> tuple[Path, int, Path | None]:
    """A new file beside the target, and one that was there: what a killed program has left stays as it is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
    stem, earlier = target.stem, None
    for number in range(1, 1000):
        mark = ".unfinished" if number == 1 else f".unfinished-{number}"
        while True:
            path = target.with_name(f"{stem}{mark}{target.suffix}")
            try:
                return path, os.open(path, flags, 0o666), earlier
            except FileExistsError:
                earlier = path
                break
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG or len(stem) < 2:
                    raise
                stem = stem[: len(stem) // 2]
    raise FileExistsError(errno.EEXIST, f"too many files {stem}.unfinished{target.suffix}")


def open_output(path: str | None, encoding: Encoding, interruption: Interruption) -> Output:
    """The output for a path; None: standard output."""
    number = 1 if path is None else descriptor_number(path)
    if number is not None:
        return DirectOutput(number, path or "standard output", encoding, interruption)
    assert path is not None
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return FileOutput(path, encoding)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be written: {reason(error)}") from error
    if stat.S_ISFIFO(mode):
        return PipeOutput(path, encoding, interruption)
    if stat.S_ISREG(mode):
        return FileOutput(path, encoding)
    try:
        return DirectOutput(os.open(path, os.O_WRONLY), path, encoding, interruption)
    except OSError as error:
        raise AudioError(f"{path}: cannot be written: {reason(error)}") from error


__all__ = [
    "DirectOutput", "Encoding", "FileOutput", "Output", "PipeOutput", "open_output", "wav_by_name",
]  # fmt: skip
