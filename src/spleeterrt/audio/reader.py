"""`AudioReader`: an audio file as a stream of float32 blocks, in constant memory.

What libsndfile alone does not give, and this module adds:

- MP3: seeking loses the bit reservoir (audible at low bitrates), and soundfile seeks after every
  read. So MP3 is decoded straight through, and what precedes `offset` is decoded and dropped.
  The same for Vorbis and Opus, whose seeks are not sample-accurate near the end.
- MP3 without an Info/Xing header: libsndfile estimates the length from the size of the first
  frame and stops there, even if more follows. Such a file is opened through a virtual file of
  huge apparent size, so that the true end of the data ends the stream.
- Truncated WAV and Ogg files, which libsndfile shortens silently, give a warning.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .resample import StreamResampler, resampled_frames
from .sequential import sequential_file

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

_SUPPORTED = "wav, flac, mp3, ogg (Vorbis, Opus), aiff, au, caf and w64 files can be read"
_LOSSY = ("MP3", "VORBIS", "OPUS", "MPEG")
# libsndfile drops what one failed call had decoded, so a damaged file is read in small steps;
# a fixed step also makes what can be recovered independent of `block_frames`.
_STEP = 1152
_APPARENT_SIZE = 1 << 40  # of a virtual MP3 file; its "length" is then far beyond any real one
_UNKNOWN = 1 << 36  # frames: no real file has so many (18 days at 44.1 kHz is 2^36)


class AudioReader:
    """Iterates over the samples of one audio file.

    Args:
        path: of the file (str, bytes or path object).
        offset: seconds to skip; `round(offset * source_rate)` frames, exactly.
        duration: seconds to deliver, at most; None for all.
        sample_rate: Hz to resample to; None keeps the file's.
        block_frames: frames per block, of the file's rate; the samples do not depend on it.

    Attributes:
        source_rate, rate: Hz of the file and of the blocks.
        channels: of the file and of the blocks.
        frames: frames that the iteration will give: n source frames make
            `round(n * rate / source_rate)`, halves up, at least 1. None if the file does not say
            how long it is. A damaged file gives fewer.
        warnings: messages about the file; complete after the iteration.

    The blocks are float32, C-contiguous, `(n, channels)`, n >= 1; integer files in [-1, 1), float
    files as they are. One pass only.

    Raises:
        AudioError: not a readable audio file, nothing at `offset`, or (while iterating) nothing
            could be decoded.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        *,
        offset: float = 0.0,
        duration: float | None = None,
        sample_rate: float | None = None,
        block_frames: int = 65536,
    ) -> None:
        self.path = Path(os.fsdecode(path))
        self.warnings: list[str] = []
        if not (math.isfinite(offset) and offset >= 0):
            raise AudioError(f"{self.path}: offset must be >= 0 seconds, got {offset!r}")
        if duration is not None and not duration > 0:
            raise AudioError(f"{self.path}: duration must be > 0 seconds, got {duration!r}")
        if sample_rate is not None and not (math.isfinite(sample_rate) and round(sample_rate) > 0):
            raise AudioError(f"{self.path}: sample rate must be > 0 Hz, got {sample_rate!r}")
        if block_frames < 1:
            raise AudioError(f"{self.path}: block_frames must be >= 1, got {block_frames!r}")
        self._block_frames = int(block_frames)
        self._virtual: _EndlessFile | None = None
        self._damage: str | None = None
        self._file = self._open()
        self.source_rate: int = self._file.samplerate
        self.rate = self.source_rate if sample_rate is None else round(sample_rate)
        self.channels: int = self._file.channels
        self._lossy = any(name in self._file.format + self._file.subtype for name in _LOSSY)
        self._length: int | None = self._file.frames if self._file.frames < _UNKNOWN else None
        self._declared = self._length
        self._start = round(offset * self.source_rate)
        self._limit: int | None = None
        if duration is not None and math.isfinite(duration):
            self._limit = max(1, round(duration * self.source_rate))
        try:
            self._check_length(offset)
        except BaseException:
            self.close()
            raise
        self._iterated = False

    @property
    def frames(self) -> int | None:
        """Frames that the iteration will give; None if unknown."""
        if self._length is None:
            return None
        count = self._length - self._start
        if self._limit is not None:
            count = min(count, self._limit)
        return resampled_frames(count, self.source_rate, self.rate)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()
        if self._virtual is not None:
            self._virtual.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        if self._iterated:
            raise AudioError(f"{self.path}: an AudioReader gives its blocks once; open another one")
        self._iterated = True
        if self.rate == self.source_rate:
            yield from self._blocks()
            return
        resampler = StreamResampler(self.source_rate, self.rate, self.channels)
        for block in self._blocks():
            out = resampler.process(block)
            if len(out):
                yield np.ascontiguousarray(out)
        out = resampler.flush()
        if len(out):
            yield np.ascontiguousarray(out)

    def _open(self) -> soundfile.SoundFile:
        try:
            with open(self.path, "rb") as file:  # for the operating system's own error message
                if not file.read(1):
                    raise AudioError(f"{self.path}: the file is empty")
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        # Bytes, because soundfile cannot encode a name that is not valid UTF-8.
        file = self._decoder(str(self.path) if os.name == "nt" else os.fsencode(self.path))
        if file.format == "MP3" and not _mp3_tells_length(self.path):
            file.close()
            self._virtual = _EndlessFile(self.path)
            try:
                file = self._decoder(self._virtual)
            except BaseException:
                self._virtual.close()
                raise
        return file

    def _decoder(self, source: Any) -> soundfile.SoundFile:
        import soundfile

        try:
            return sequential_file()(source)
        # TypeError: a name ending in .raw makes soundfile ask for the parameters of raw data.
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            detail = getattr(error, "error_string", "").strip().rstrip(".")
            # libsndfile's message for a text file named .mp3 would mislead.
            reason = f" ({detail})" if detail and "does not exist" not in detail else ""
            raise AudioError(f"{self.path}: not a readable audio file{reason}; {_SUPPORTED}") from error

    def _check_length(self, offset: float) -> None:
        declared = _riff_frames(self.path) if self._file.format in ("WAV", "WAVEX", "RF64") else None
        if declared is not None and self._length is not None and declared > self._length:
            self._declared = declared
        if self._length == 0:
            raise AudioError(f"{self.path}: the file holds no audio (0 frames)")
        if self._length is not None and self._start >= self._length:
            raise AudioError(self._beyond(offset, self._length))

    def _beyond(self, offset: float, length: int) -> str:
        return f"{self.path}: offset {offset:g} s is beyond the end ({length / self.source_rate:.3f} s)"

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """Source frames [start, start + limit), whatever the file really holds."""
        todo, position = self._limit, 0
        if not self._lossy and self._start:
            position = self._seek()
        skip = self._start - position
        block: NDArray[np.float32] = np.empty((self._block_frames, self.channels), dtype=np.float32)
        filled = delivered = 0
        step = np.empty((_STEP, self.channels), dtype=np.float32)
        while todo is None or delivered + filled < todo:
            n = self._read(step)
            if n == 0:
                break
            position += n
            data = step[:n]
            if skip:
                data, skip = data[skip:], max(0, skip - n)
            if todo is not None:
                data = data[: todo - delivered - filled]
            while len(data):
                part = min(len(data), len(block) - filled)
                block[filled : filled + part] = data[:part]
                filled, data = filled + part, data[part:]
                if filled == len(block):
                    yield block
                    delivered += filled
                    # A new array: the consumer may keep the one it has.
                    block, filled = np.empty_like(block), 0
        if filled:
            yield block[:filled]
            delivered += filled
        if position == 0:
            raise AudioError(f"{self.path}: no audio could be decoded")
        if not delivered:
            raise AudioError(self._beyond(self._start / self.source_rate, position))
        if todo is None or delivered < todo:
            self._report_end(position)

    def _seek(self) -> int:
        import soundfile

        try:
            return int(self._file.seek(self._start))
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise AudioError(f"{self.path}: cannot seek to frame {self._start}: {error}") from error

    def _read(self, step: NDArray[np.float32]) -> int:
        """Fill `step`; the number of frames read, 0 at the end of what can be decoded."""
        import soundfile

        try:
            n = int(self._file.buffer_read_into(step, dtype="float32"))
        except soundfile.LibsndfileError as error:
            # A damaged or truncated file: what came before is delivered, with a warning.
            self._damage = error.error_string.strip().rstrip(".") or "damaged data"
            n = 0
        if self._virtual is not None:
            self._virtual.check()
        return n

    def _report_end(self, position: int) -> None:
        if self._declared is not None and position < self._declared:
            self.warnings.append(
                f"{self.path}: the file says {self._declared} frames, only {position} could be decoded"
            )
        elif self._damage is not None:
            self.warnings.append(
                f"{self.path}: truncated or damaged ({self._damage}): only {position} frames could be decoded"
            )
        elif self._file.format == "OGG" and not _ogg_ends(self.path):
            self.warnings.append(f"{self.path}: the Ogg stream has no end mark: the file may be truncated")


class _EndlessFile:
    """A file that claims to be huge: libsndfile then reads an MP3 to its true end.

    An ID3v1 tag (the last 128 bytes) is left out.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 (closed by close)
        self._size = self._file.seek(0, os.SEEK_END)
        if self._size > 128:
            self._file.seek(-128, os.SEEK_END)
            if self._file.read(3) == b"TAG":
                self._size -= 128
        self._position = 0
        self._error: BaseException | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, _APPARENT_SIZE)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        # Called from C, which cannot pass an exception on (Ctrl-C included): `check` raises it.
        try:
            if self._position >= _APPARENT_SIZE - 128:  # the decoder looks for an ID3v1 tag there
                data = bytes(min(len(buffer), _APPARENT_SIZE - self._position))
            elif self._position >= self._size:
                data = b""
            else:
                self._file.seek(self._position)
                data = self._file.read(min(len(buffer), self._size - self._position))
            buffer[: len(data)] = data
            self._position += len(data)
            return len(data)
        except BaseException as error:
            self._error = error
            return 0

    def check(self) -> None:
        """Raise what happened inside a callback."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def close(self) -> None:
        self._file.close()


def _mp3_tells_length(path: Path) -> bool:
    """Whether the first MPEG frame is a Xing/Info header that has the number of frames."""
    with open(path, "rb") as file:
        start = 0
        while len(head := file.read(10)) == 10 and head[:3] == b"ID3":
            size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
            start += 10 + size + (10 if head[5] & 0x10 else 0)
            file.seek(start)
        file.seek(start)
        data = file.read(4096)
    frame = _first_mpeg_frame(data)
    if frame is None:
        return False
    mpeg1 = (data[frame + 1] >> 3) & 3 == 3
    mono = data[frame + 3] >> 6 == 3
    side_info = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    for tag in (frame + 4 + side_info, frame + 6 + side_info):  # 2 bytes later with a checksum
        if data[tag : tag + 4] in (b"Xing", b"Info") and len(data) >= tag + 8:
            return bool(data[tag + 7] & 1)  # flag 1: the number of frames is there
    return False


def _first_mpeg_frame(data: bytes) -> int | None:
    """Position of the first plausible MPEG audio frame header."""
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 3:
        sync = data[at + 1] & 0xE0 == 0xE0
        version, layer = (data[at + 1] >> 3) & 3, (data[at + 1] >> 1) & 3
        bitrate, rate = data[at + 2] >> 4, (data[at + 2] >> 2) & 3
        if sync and version != 1 and layer != 0 and bitrate != 15 and rate != 3:
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _riff_frames(path: Path) -> int | None:
    """Frames that the header of a WAV file claims; None if it does not say (a stream)."""
    with open(path, "rb") as file:
        head = file.read(12)
        align, long_size = 0, None
        if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64"):
            return None
        while len(chunk := file.read(8)) == 8:
            name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"data":
                if size == 0xFFFFFFFF and long_size is not None:
                    size = long_size
                elif size == 0 or size >= 0x7FFFF000:
                    return None  # the placeholders of programs that write to a pipe
                return size // align if align else None
            body = file.read(28) if name in (b"fmt ", b"ds64") else b""
            if name == b"fmt " and len(body) >= 14:
                # A format with compression has other frames than blocks.
                align = struct.unpack_from("<H", body, 12)[0] if body[:2] in _PLAIN_WAV else 0
            if name == b"ds64" and len(body) >= 16:
                long_size = struct.unpack_from("<Q", body, 8)[0]
            file.seek(size + (size & 1) - len(body), os.SEEK_CUR)
    return None


_PLAIN_WAV = (b"\x01\x00", b"\x03\x00", b"\xfe\xff")  # PCM, float, extensible


def _ogg_ends(path: Path) -> bool:
    """Whether the last Ogg page is whole and marked as the last one."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * 65536))  # a page has at most 65307 bytes
        tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return False
    segments = tail[page + 26]
    length = 27 + segments + sum(tail[page + 27 : page + 27 + segments])
    return bool(tail[page + 5] & 4) and len(tail) >= page + length
