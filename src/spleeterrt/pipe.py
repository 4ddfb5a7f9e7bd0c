"""A `StreamSeparator` between file descriptors: bytes in, bytes out, for `spleeterrt stream`.

    Source (pipe, file) -> samples -> StreamSeparator -> one Output for each stem, or one for all

Every read takes what is there, every write is given to the system at once, and each of them can be stopped
by a signal between two samples. A named pipe has a thread: its reader may come late, and may read
another one first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import signal
import stat
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

from .atomic import sweep, temporary
from .audio.pcm import SampleFormat, SampleTail, clipped, decode, encode, read_wav_header, wav_header
from .errors import AudioError
from .signals import SignalHandler

if TYPE_CHECKING:
    from .stream import StreamSeparator

    Float32 = np.typing.NDArray[np.float32]

PIPE_SECONDS = 60.0  # how far the readers of several pipes may be apart
_ATOMIC = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe takes whole or not at all
_READ_BYTES = 1 << 16
_POLL_SECONDS = 0.02


class Interruption(SignalHandler):
    """The first Ctrl-C or SIGTERM ends the stream between two samples and wakes whoever waits; the
    second one raises KeyboardInterrupt wherever the program is."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = self._signalled = self._raises = False
        self._wakeup: int | None = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._waits = os.name == "posix"  # elsewhere `select` knows sockets only

    def is_set(self) -> bool:
        return self._asked

    def stop(self) -> None:
        """As a signal does."""
        self._asked = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"x")

    def wait(
        self, *, read: int | None = None, write: int | None = None, seconds: float | None = None
    ) -> bool:
        """Wait until a descriptor is ready, or the time is over; False: it is time to stop."""
        if self._asked:
            return False
        if self._waits:
            reads = [self._read] if read is None else [self._read, read]
            ready, _, _ = select.select(reads, [] if write is None else [write], [], seconds)
            if self._read in ready:
                self._asked = True
        elif seconds is not None:
            threading.Event().wait(seconds)
        return not self._asked

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """For calls that wait and cannot be woken."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self._signalled or self._raises or not self._waits:
            raise KeyboardInterrupt
        self._signalled = self._asked = True

    def __enter__(self) -> Interruption:
        if self._waits and threading.current_thread() is threading.main_thread():
            # The C part of the handler writes to the pipe, so that no signal falls between a look and a wait.
            self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        # Threads that wait may still look at the pipe: it stays open, and readable.


# --- in ----------------------------------------------------------------------------


class Source:
    """Samples from a descriptor.

    Attributes:
        name: for messages.
        rate, channels, format: known after `open`.
        warnings: what was not as it should be, complete at the end.
    """

    rate: int
    channels: int
    format: SampleFormat

    def __init__(self, path: str | None, interruption: Interruption) -> None:
        """path: of a file or a named pipe; None: standard input."""
        self.name = "standard input" if path is None else path
        self.is_wav = False
        self.frames = 0
        self.warnings: list[str] = []
        self._interruption = interruption
        self._left: int | None = None  # bytes of samples
        self._pending = b""
        self._tail: SampleTail | None = None  # where it is not known how many bytes there are
        number = 0 if path is None else descriptor_number(path)
        try:
            if number is not None:
                self.descriptor, self._ours = number, False
                os.fstat(number)
            else:
                assert path is not None
                with interruption.raising():  # a named pipe waits for its writer
                    self.descriptor, self._ours = os.open(path, os.O_RDONLY | _BINARY), True
            if stat.S_ISDIR(os.fstat(self.descriptor).st_mode):
                raise AudioError(f"{self.name}: cannot be read: it is a folder")
        except (OSError, ValueError) as error:
            raise AudioError(f"{self.name}: cannot be read: {_reason(error)}") from error
        _binary(self.descriptor)

    def open(self, format: SampleFormat | None, rate: int | None, channels: int | None) -> bool:
        """Raw samples, or with format None: what the WAV header says. False: it is time to stop."""
        if format is not None:
            assert rate is not None
            assert channels is not None
            self.format, self.rate, self.channels = format, rate, channels
            return True
        try:
            header = read_wav_header(self._exactly, self.name)
        except AudioError:
            if self._interruption.is_set():
                return False
            raise
        self.is_wav = True
        self.format, self.rate, self.channels = header.format, header.rate, header.channels
        self._left = header.data_bytes
        self._tail = SampleTail() if header.data_bytes is None else None
        return True

    def read(self, most: int) -> Float32 | None:
        """At least one and at most so many samples (n, channels): those that are there. None: the end."""
        size = self.format.bytes * self.channels
        while len(self._pending) < size:
            wanted = most * size - len(self._pending)
            if self._left is not None:
                wanted = min(wanted, self._left)
            data = self._some(wanted) if wanted else b""
            if self._left is not None:
                self._left -= len(data)
            ended = not data
            if self._tail is not None:
                data = self._tail.end() if ended else self._tail.feed(data)
            if ended and not data:
                self._end(size)
                return None
            self._pending += data
        count = min(most, len(self._pending) // size)
        data, self._pending = self._pending[: count * size], self._pending[count * size :]
        self.frames += count
        return decode(data, self.format, self.channels)

    def drain(self) -> None:
        """Read what follows the samples, so that its writer does not fail."""
        if self._left == 0 and not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            while self._some(_READ_BYTES):
                pass

    def close(self) -> None:
        if self._ours:
            self._ours = False
            os.close(self.descriptor)

    def _end(self, size: int) -> None:
        if self._interruption.is_set():
            return
        if self._left:
            missing = self._left // size / self.rate
            self.warnings.append(f"{self.name}: ends {missing:.3f} s before the length in its header")
        padding = self._pending == b"\0" and self._tail is not None and self._tail.dropped
        if self._pending and not padding:
            self.warnings.append(
                f"{self.name}: the last {len(self._pending)} bytes are no whole sample and are left out"
            )
            self._pending = b""

    def _some(self, most: int) -> bytes:
        """What is there; empty at the end, or if it is time to stop."""
        try:
            while self._interruption.wait(read=self.descriptor):
                with contextlib.suppress(BlockingIOError):
                    return os.read(self.descriptor, most)
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read: {_reason(error)}") from error
        return b""

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count and (data := self._some(count)):
            parts.append(data)
            count -= len(data)
        return b"".join(parts)


# --- out ---------------------------------------------------------------------------


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


class Output(ABC):
    """Where samples go.

    Attributes:
        gone: nobody reads it any more.
        lasting: a file: it gets all samples, however the stream ends.
        frames, clipped: written; beyond full scale.
    """

    lasting = False

    # `put` is what every kind does; the others have nothing to do for most.
    def __init__(self, name: str, encoding: Encoding) -> None:
        self.name, self.encoding = name, encoding
        self.gone = False
        self.frames = self.clipped = 0

    def write(self, block: Float32) -> None:
        if self.gone or not len(block):
            return
        self.frames += len(block)
        self.clipped += clipped(block, self.encoding.format)
        self.put(encode(block, self.encoding.format))

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
        """Leave nothing half done; may be repeated."""

    def failed(self, error: BaseException) -> AudioError:
        return AudioError(f"{self.name}: cannot be written: {_reason(error)}")


class DirectOutput(Output):
    """A descriptor that is open: standard output, a device."""

    def __init__(self, descriptor: int, name: str, encoding: Encoding, interruption: Interruption) -> None:
        super().__init__(name, encoding)
        self._descriptor, self._interruption = descriptor, interruption
        _binary(descriptor)
        try:
            self.lasting = stat.S_ISREG(os.fstat(descriptor).st_mode)
            self._start = os.lseek(descriptor, 0, os.SEEK_CUR) if self.lasting else 0
        except OSError as error:
            raise self.failed(error) from error
        self._send(encoding.header(None), max(1, len(encoding.header(None))))

    def put(self, data: bytes) -> None:
        self._send(data, self.encoding.frame_bytes)

    def finish(self) -> None:
        if self.gone or not self.lasting or not self.encoding.wav or _appends(self._descriptor):
            return
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if self.frames * self.encoding.frame_bytes % 2:
                end += _write_all(self._descriptor, b"\0")
            os.lseek(self._descriptor, self._start, os.SEEK_SET)
            _write_all(self._descriptor, self.encoding.header(self.frames))
            os.lseek(self._descriptor, end, os.SEEK_SET)
        except OSError as error:
            raise self.failed(error) from error

    def _send(self, data: bytes, unit: int) -> None:
        try:
            if self.lasting:
                _write_all(self._descriptor, data)
            else:
                write_units(self._descriptor, data, unit, self._interruption)
        except OSError as error:
            if not _reader_gone(error):
                raise self.failed(error) from error
            self.gone = True


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
        self._thread.start()

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
            header = self.encoding.header(None)
            if descriptor >= 0 and header:
                write_units(descriptor, header, len(header), self._interruption)
            while descriptor >= 0 and (data := self._next()) is not None:
                write_units(descriptor, data, self.encoding.frame_bytes, self._interruption)
        except OSError as error:
            if not _reader_gone(error):
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
    """A file, under another name until it is complete."""

    lasting = True

    def __init__(self, path: str, encoding: Encoding) -> None:
        super().__init__(path, encoding)
        self._target = Path(path)
        self._temporary: Path | None = None
        self._descriptor = -1
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            sweep(self._target.parent)
            self._temporary = temporary(self._target.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
            self._descriptor = os.open(self._temporary, flags, 0o666)
            _write_all(self._descriptor, encoding.header(0, large=True))
        except (OSError, ValueError) as error:
            self.abort()
            raise self.failed(error) from error

    def put(self, data: bytes) -> None:
        try:
            _write_all(self._descriptor, data)
        except OSError as error:
            raise self.failed(error) from error

    def finish(self) -> None:
        try:
            if self.encoding.wav:
                if self.frames * self.encoding.frame_bytes % 2:
                    _write_all(self._descriptor, b"\0")
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                _write_all(self._descriptor, self.encoding.header(self.frames, large=True))
            self._close()
        except OSError as error:
            raise self.failed(error) from error

    def publish(self) -> None:
        assert self._temporary is not None
        try:
            os.replace(self._temporary, self._target)
        except OSError as error:
            raise self.failed(error) from error
        self._temporary = None

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


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
        raise AudioError(f"{path}: cannot be written: {_reason(error)}") from error
    if stat.S_ISFIFO(mode):
        return PipeOutput(path, encoding, interruption)
    if stat.S_ISREG(mode):
        return FileOutput(path, encoding)
    try:
        return DirectOutput(os.open(path, os.O_WRONLY), path, encoding, interruption)
    except OSError as error:
        raise AudioError(f"{path}: cannot be written: {_reason(error)}") from error


# --- between -----------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """An output and the stems whose channels it gets, side by side; none: the mix."""

    output: Output
    stems: tuple[str, ...]


def run_stream(
    source: Source,
    separator: StreamSeparator,
    routes: Sequence[Route],
    interruption: Interruption,
    *,
    keep_latency: bool,
) -> None:
    """All samples of the source through the separator, to the outputs; ends with the source, at a signal, or
    when nobody reads any more.

    keep_latency: the output is as late as the separator, and so much longer; else it begins with the first
    sample and is as long as the input.
    """
    fixed, most = separator.block_is_fixed, separator.largest_block
    skip = 0 if keep_latency else separator.latency
    wanted = {stem for route in routes for stem in route.stems}
    mixes = any(not route.stems for route in routes)
    written = 0

    def send(stems: dict[str, Float32], mix: Float32 | None, last: int | None = None) -> None:
        nonlocal skip, written
        count = len(next(iter(stems.values())) if mix is None else mix)
        first = min(skip, count)
        skip -= first
        end = count if last is None else min(count, first + last - written)
        written += end - first
        for route in routes:
            blocks = [stems[stem][first:end] for stem in route.stems]
            if not blocks:
                assert mix is not None
                blocks = [mix[first:end]]
            route.output.write(blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1))

    def process(block: Float32, last: int | None = None) -> None:
        stems = {stem: np.empty((len(block), 2), np.float32) for stem in wanted}
        mix = np.empty((len(block), 2), np.float32) if mixes else None
        separator.process(block, stems, mix_out=mix)
        send(stems, mix, last)

    collected = np.empty((most, 2), np.float32)
    have = 0
    while not all(route.output.gone for route in routes):
        block = source.read(most - have)
        if block is None:
            break
        collected[have : have + len(block)] = block[:, : min(2, source.channels)]  # mono goes to both
        have += len(block)
        if have == most or not fixed:
            process(collected[:have])
            have = 0
    if all(route.output.gone for route in routes):
        return
    if interruption.is_set() and not any(route.output.lasting for route in routes):
        return
    total = source.frames + (separator.latency if keep_latency else 0)
    if have:
        collected[have:] = 0.0
        process(collected, total)
    mix = np.empty((separator.latency, 2), np.float32) if mixes else None
    send(separator.flush(mix_out=mix), mix, total)


def write_units(descriptor: int, data: bytes, unit: int, interruption: Interruption) -> None:
    """Write all, or, if it is time to stop, whole units of so many bytes."""
    view, done = memoryview(data), 0
    most = max(1, _ATOMIC // unit) * unit
    while done < len(view):
        part = done % unit
        if part == 0 and not interruption.wait(write=descriptor):
            return
        try:
            done += os.write(descriptor, view[done : done + most - part])
        except BlockingIOError:
            if part:
                select.select([], [descriptor], [])


def descriptor_number(path: str) -> int | None:
    """The number of the open descriptor that a path names, as the shell's `<(...)` and `>(...)` do.

    Opening such a path again would wait for a pipe's other end, which may have gone already.
    """
    if path in ("/dev/stdin", "/dev/stdout"):
        return int(path == "/dev/stdout")
    match = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,6})", path)
    return int(match[1]) if match else None


def _write_all(descriptor: int, data: bytes) -> int:
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.write(descriptor, view[done:])
    return done


def _appends(descriptor: int) -> bool:
    """Whether writing goes to the end wherever one seeks (`>>`)."""
    if os.name != "posix":
        return False
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _reader_gone(error: OSError) -> bool:
    return isinstance(error, (BrokenPipeError, ConnectionResetError))


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


_BINARY = getattr(os, "O_BINARY", 0)


def _binary(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)


__all__ = [
    "DirectOutput", "Encoding", "FileOutput", "Interruption", "Output", "PipeOutput", "Route", "Source",
    "open_output", "run_stream",
]  # fmt: skip
