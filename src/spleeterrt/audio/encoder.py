"""One stem's file: samples in, a verified file under a temporary name out; and the spool for a second pass.

libsndfile writes through a Python file object, because it ignores failed writes of some formats (a full
disk), and never sees the name of the target.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..atomic import replace, temporary
from ..errors import AudioError
from .formats import Format
from .sequential import VirtualFile, leave_out_peaks, sequential_file
from .tag_writers import wav_tags, write_tags
from .tags import Tags

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger("spleeterrt")

# Bytes of samples from which a WAV file is written as RF64, and an AIFF file cannot be written: their 32-bit
# sizes end at 4 GiB. Those of CAF, W64 and AU do not.
WAV_LIMIT = (1 << 32) - (1 << 16)

# Encoders of compressed formats get blocks of this size: Vorbis packs differently, and libsndfile
# overflows its stack on very long ones, if fed with arbitrary sizes.
_ENCODER_FRAMES = 4096
_CONTAINERS = {"opus": "OGG"}
COPY_FRAMES = 1 << 16


class Sink(VirtualFile):
    """The file that an encoder writes; `size`: its bytes, as far as the writes succeeded."""

    def __init__(self, path: Path) -> None:
        super().__init__(open(path, "xb", buffering=0))  # noqa: SIM115 (closed by close)
        self.size = 0

    def write(self, data: bytes) -> int:
        view, done = memoryview(data), 0
        try:
            if self.first_error() is not None:
                return 0
            while done < len(view):
                done += self._file.write(view[done:])
            self.size = max(self.size, self._file.tell())
        except BaseException as error:
            self.fail(error)
        return done


class Encoder:
    """One stem's file: samples in, a verified file out. `abort` removes what `open` has made.

    Attributes:
        warnings: complete after `finish`; those of one song's stems may be the same.
    """

    def __init__(self, target: Path, format: Format, total_frames: int | None) -> None:
        self._target, self._format = target, format
        self.warnings: list[str] = []
        self._frames = 0
        self._pending: NDArray[Any] = np.empty((0, format.channels), dtype=np.float32)
        self._temporary = temporary(target.parent)
        self.temporaries = [self._temporary]
        self._rf64 = format.codec == "wav" and (total_frames or 0) * format.frame_bytes >= WAV_LIMIT
        self._check_room(total_frames or 0)
        self._sink: Sink | None = None
        self._file: Any = None  # the library's
        self._size = 0

    def write(self, block: NDArray[Any]) -> None:
        """Append `(n, channels)`: int16, int32 holding 24 bits, or float32."""
        if self._format.pcm:
            frames = self._frames + len(block)
            self._check_room(frames)
            too_long = frames * self._format.frame_bytes >= WAV_LIMIT
            if self._format.codec == "wav" and not self._rf64 and too_long:
                self._convert_to_rf64()
            self._write(block)
            return
        if len(self._pending):
            block = np.concatenate([self._pending, block])
        whole = len(block) - len(block) % _ENCODER_FRAMES
        for start in range(0, whole, _ENCODER_FRAMES):
            self._write(block[start : start + _ENCODER_FRAMES])
        self._pending = block[whole:].copy()

    def _check_room(self, frames: int) -> None:
        """An AIFF file's sizes have 32 bits: libsndfile would let them wrap."""
        if self._format.codec == "aiff" and frames * self._format.frame_bytes >= WAV_LIMIT:
            seconds = WAV_LIMIT // self._format.frame_bytes // self._format.rate
            raise self._failed(
                f"an aiff file holds at most 4 GiB, {seconds} s of such samples; use wav, flac, caf or w64"
            )

    def finish(self) -> None:
        """Write what is pending, close, and check that the file is complete."""
        if len(self._pending):
            self._write(self._pending)
            self._pending = self._pending[:0]
        self._drain()
        self._close()
        self._verify(self._temporary)

    def add_tags(self, tags: Tags) -> None:
        """Add tags to the finished file, to a copy or behind the WAV: a failure costs the tags only."""
        if self._format.codec == "wav":
            self._add_wav_tags(tags)
            return
        tagged = temporary(self._target.parent)
        self.temporaries.append(tagged)
        try:
            shutil.copyfile(self._temporary, tagged)
            write_tags(tagged, self._format.codec, tags)
            self._verify(tagged, tagged.stat().st_size)
            replace(tagged, self._temporary)
        except Exception as error:
            logger.warning("%s: the tags could not be written: %s", self._target, error)
            with contextlib.suppress(OSError):
                tagged.unlink()

    def _add_wav_tags(self, tags: Tags) -> None:
        try:
            with wav_tags(self._temporary, tags, self._frames):
                self._verify(self._temporary, self._temporary.stat().st_size)
        except Exception as error:
            logger.warning("%s: the tags could not be written: %s", self._target, error)

    def publish(self) -> None:
        """Put the file in the place of its target."""
        try:
            replace(self._temporary, self._target)
        except OSError as error:
            raise self._failed(error) from error

    def abort(self) -> None:
        """Close and remove the temporary file; may be repeated."""
        try:
            with contextlib.suppress(Exception):  # the first error counts
                self._close()
        finally:
            for path in self.temporaries:
                with contextlib.suppress(OSError):
                    path.unlink()

    def open(self) -> None:
        try:
            self._sink = Sink(self._temporary)
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._file = self._open_file(self._sink)
            self._sink.check()
        except self._errors() as error:
            raise self._failed(self._sink.first_error() or error) from error

    def _errors(self) -> tuple[type[Exception], ...]:
        """What the library and the files raise; AssertionError: soundfile's word for a short write."""
        import soundfile

        return (soundfile.SoundFileError, OSError, ValueError, TypeError, AssertionError)

    def _open_file(self, sink: Sink) -> Any:
        format = self._format
        file = sequential_file()(
            sink,
            "w",
            samplerate=format.rate,
            channels=format.channels,
            format="RF64" if self._rf64 else _CONTAINERS.get(format.codec, format.codec.upper()),
            subtype=format.subtype,
            # Plain AIFF has no such ending; with little-endian samples it is AIFF-C.
            endian="LITTLE" if format.codec == "aiff" and self._target.suffix.lower() == ".aifc" else None,
            compression_level=format.level,
            bitrate_mode="CONSTANT" if format.codec == "mp3" else None,
        )
        if format.codec in ("wav", "aiff") and format.bit_depth == "float32" and not self._rf64:
            leave_out_peaks(file)
        return file

    def _put(self, block: NDArray[Any]) -> None:
        """Give the library a block."""
        if self._format.bit_depth == "int24" and block.dtype == np.int32:
            block = block << 8  # libsndfile takes the upper 24 bits
        self._file.write(block)

    def _drain(self) -> None:
        """Have the encoder give what it holds; libsndfile's do when they are closed."""

    def _write(self, block: NDArray[Any]) -> None:
        self._call(self._put, block)
        self._frames += len(block)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call what makes the library write, and raise what goes wrong."""
        assert self._sink is not None
        try:
            function(*arguments)
            self._sink.check()
        except self._errors() as error:
            raise self._failed(self._sink.first_error() or error) from error

    def _close(self) -> None:
        """Close the encoder and the file, which writes the rest and the header."""
        file, self._file = self._file, None
        sink, self._sink = self._sink, None
        if sink is None:
            return
        self._size = -1
        try:
            if file is not None:
                file.close()
            sink.check()
            sink.close()
            self._size = sink.size
        except self._errors() as error:
            raise self._failed(sink.first_error() or error) from error
        finally:
            sink.close()

    def _verify(self, path: Path, size: int | None = None) -> None:
        """Check a finished file against what was written; `size`: its bytes, None: those of the encoder."""
        format = self._format
        size = self._size if size is None else size
        try:
            found = path.stat().st_size
            rate, channels, frames = self._properties(path)
        except self._errors() as error:
            raise self._failed(error) from error
        if found != size:
            raise self._failed(f"it has {found} bytes, {size} were written")
        if (rate, channels) != (format.rate, format.channels):
            raise self._failed(f"it came out with {rate} Hz and {channels} channels")
        if format.codec == "mp3":
            # The length in its header is written last whatever happened; the bitrate is constant,
            # and the encoder's delay always makes at least one more frame.
            if found * 8 < format.bits_per_second * self._frames / format.rate:
                raise self._failed(f"it has only {found} bytes")
        elif frames is not None and frames != self._frames:
            raise self._failed(f"it has {frames} frames, {self._frames} were written")

    def _properties(self, path: Path) -> tuple[int, int, int | None]:
        """Rate, channels and, where they are exact, frames of a finished file."""
        with _opened(path) as info:
            return info.samplerate, info.channels, info.frames

    def _convert_to_rf64(self) -> None:
        """Copy what is written so far into an RF64 file, and go on with that one."""
        import soundfile

        self._close()
        old, frames = self._temporary, self._frames
        kind = {"int16": "int16", "int24": "int32", "float32": "float32"}[self._format.bit_depth]
        try:
            self._temporary, self._rf64, self._frames = temporary(self._target.parent), True, 0
            self.temporaries.append(self._temporary)
            self.open()
            with _opened(old) as file:
                while len(block := file.read(COPY_FRAMES, dtype=kind, always_2d=True)):
                    self._write(block >> 8 if kind == "int32" else block)
            if self._frames != frames:
                raise self._failed(f"only {self._frames} of {frames} frames could be read again")
        except (soundfile.SoundFileError, OSError) as error:
            raise self._failed(error) from error
        finally:
            with contextlib.suppress(OSError):
                old.unlink()

    def _failed(self, reason: BaseException | str) -> AudioError:
        if isinstance(reason, MemoryError) or (
            isinstance(reason, BaseException) and not isinstance(reason, Exception)
        ):
            raise reason  # Ctrl-C inside a callback
        if isinstance(reason, OSError):
            reason = reason.strerror or str(reason)
        elif isinstance(reason, AssertionError):
            reason = "incomplete write"
        return AudioError(f"{self._target}: cannot be written: {str(reason).strip() or 'unknown error'}")


class Spool:
    """Float32 blocks in a temporary file."""

    def __init__(self, folder: Path, channels: int) -> None:
        self._channels = channels
        self.path = temporary(folder)
        self._file: BinaryIO | None = None

    def open(self) -> None:
        try:
            self._file = open(self.path, "x+b")  # noqa: SIM115 (closed by remove)
        except OSError as error:
            raise AudioError(f"{self.path.parent}: cannot be written: {error.strerror or error}") from error

    def append(self, block: NDArray[np.float32]) -> None:
        assert self._file is not None
        try:
            self._file.write(np.ascontiguousarray(block).data)
        except OSError as error:
            raise AudioError(f"{self.path.parent}: cannot be written: {error.strerror or error}") from error

    def read(self, start: int, frames: int) -> NDArray[np.float32]:
        assert self._file is not None
        frame_bytes = 4 * self._channels
        try:
            self._file.seek(start * frame_bytes)
            data = self._file.read(frames * frame_bytes)
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if len(data) != frames * frame_bytes:
            raise AudioError(f"{self.path.parent}: a temporary file is incomplete")
        return np.frombuffer(data, dtype=np.float32).reshape(frames, self._channels)

    def remove(self) -> None:
        try:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
        finally:
            with contextlib.suppress(OSError):
                self.path.unlink()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A sound file opened for reading; raises what happened in its callbacks.

    By a file object, because the name may be one that soundfile cannot encode.
    """
    with open(path, "rb") as opened:
        source = VirtualFile(opened)
        try:
            with sequential_file()(source, "r") as file:
                yield file
        finally:
            source.check()
