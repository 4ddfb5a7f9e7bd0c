"""`AudioReader`: an audio file as a stream of float32 blocks, in constant memory.

What libsndfile alone does not give, and this module adds:

- MP3: seeking loses the bit reservoir (audible at low bitrates), and soundfile seeks after every
  read. So MP3 is decoded straight through, and what precedes `offset` is decoded and dropped.
  The same for Vorbis and Opus, whose seeks are not sample-accurate near the end.
- MP3 without an Info/Xing header: libsndfile estimates the length from the size of the first
  frame and stops there, even if more follows. Such a file is opened through a virtual file of
  huge apparent size, so that the true end of the data ends the stream.
- Truncated WAV, AIFF and Ogg files, which libsndfile shortens silently, give a warning.
- A part that is resampled equals the same part of the whole file resampled: what surrounds it is
  read too, as far as the filter reaches.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .resample import StreamResampler, checked_number, checked_rate, resampled_frames
from .sequential import VirtualFile, sequential_file

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

_SUPPORTED = "wav, flac, mp3, ogg (Vorbis, Opus), aiff, au, caf and w64 files can be read"
_LOSSY = ("MP3", "VORBIS", "OPUS", "MPEG")
# libsndfile drops what one failed call had decoded, so a damaged file is read in small steps;
# a fixed step also makes what can be recovered independent of `block_frames`.
_STEP = 1152
_APPARENT_SIZE = 1 << 40  # of a virtual MP3 file; its "length" is then far beyond any real one
_MARGIN = 512  # frames of the lower rate: more than the filter of the resampler reaches
_UNKNOWN = 1 << 36  # frames: no real file has so many (18 days at 44.1 kHz is 2^36)


class AudioReader:
    """Iterates over the samples of one audio file.

    Args:
        path: of the file (str, bytes or path object); a regular file.
        offset: seconds to skip, None for 0: `round(offset * rate)` frames of what the whole file
            would give, exactly.
        duration: seconds to deliver, at most; None or infinity for all.
        sample_rate: Hz to resample to, 1000 to 768000; None keeps the file's.
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
        offset: float | None = 0.0,
        duration: float | None = None,
        sample_rate: float | None = None,
        block_frames: int = 65536,
    ) -> None:
        self.path = Path(os.fsdecode(path))
        self.warnings: list[str] = []
        offset = 0.0 if offset is None else checked_number(offset, f"{self.path}: offset")
        if not (math.isfinite(offset) and offset >= 0):
            raise AudioError(f"{self.path}: offset must be >= 0 seconds, got {offset!r}")
        if duration is not None:
            duration = checked_number(duration, f"{self.path}: duration")
            if not duration > 0:
                raise AudioError(f"{self.path}: duration must be > 0 seconds, got {duration!r}")
        rate = None if sample_rate is None else checked_rate(sample_rate, f"{self.path}: sample rate")
        if not 1 <= checked_number(block_frames, f"{self.path}: block_frames") < math.inf:
            raise AudioError(f"{self.path}: block_frames must be >= 1, got {block_frames!r}")
        self._block_frames = int(block_frames)
        self._virtual: _EndlessFile | None = None
        self._damage: str | None = None
        self._file = self._open()
        self.source_rate: int = self._file.samplerate
        self.rate = self.source_rate if rate is None else rate
        self.channels: int = self._file.channels
        self._lossy = any(name in self._file.format + self._file.subtype for name in _LOSSY)
        self._length: int | None = self._file.frames if self._file.frames < _UNKNOWN else None
        self._declared = self._length
        self._offset = offset
        self._start = round(offset * self.source_rate)
        self._position = 0  # source frames decoded or skipped
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
        return self._frames_of(count)

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
            yield from self._blocks(self._start, self._limit)
        else:
            yield from self._resampled_blocks()

    def _resampled_blocks(self) -> Iterator[NDArray[np.float32]]:
        """The part of the whole file, resampled, from frame `round(offset * rate)`."""
        margin = _MARGIN * math.ceil(max(1.0, self.source_rate / self.rate))
        # From a frame whose time is a whole number of frames in both rates.
        period = self.source_rate // math.gcd(self.source_rate, self.rate)
        first = max(0, self._start - margin) // period * period
        drop = round(self._offset * self.rate) - first // period * (self.rate * period // self.source_rate)
        limit = math.inf if self._limit is None else self._frames_of(self._limit)
        end = None if self._limit is None else self._start + self._limit + margin - first
        resampler = StreamResampler(self.source_rate, self.rate, self.channels)
        done = fed = 0

        def part(out: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal drop, done
            kept = out[drop:]
            drop = max(0, drop - len(out))
            if done + len(kept) > limit:
                kept = kept[: int(limit) - done]
            done += len(kept)
            return np.ascontiguousarray(kept)

        wanted = drop
        for block in self._blocks(first, end):
            fed += len(block)
            out = part(resampler.process(block))
            if len(out):
                yield out
            if done == limit:
                return
        count = self._position - self._start
        limit = self._frames_of(count if self._limit is None else min(count, self._limit))
        # Rounding may ask for a little more than there is: what the filter gives after the end.
        missing = wanted + int(limit) - resampled_frames(fed, self.source_rate, self.rate)
        if missing > 0:
            silence = np.zeros((missing * self.source_rate // self.rate + 2, self.channels), np.float32)
            out = part(resampler.process(silence))
            if len(out):
                yield out
        out = part(resampler.flush())
        if len(out):
            yield out

    def _frames_of(self, count: int) -> int:
        return resampled_frames(count, self.source_rate, self.rate)

    def _open(self) -> soundfile.SoundFile:
        try:
            kind = os.stat(self.path).st_mode  # first: opening a named pipe would wait for a writer
            if stat.S_ISDIR(kind):
                raise AudioError(f"{self.path}: cannot be read: it is a folder")
            if not stat.S_ISREG(kind):
                raise AudioError(f"{self.path}: cannot be read: it is not a regular file")
            with open(self.path, "rb") as file:  # for the operating system's own error message
                if not file.read(1):
                    raise AudioError(f"{self.path}: the file is empty")
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:  # a NUL character
            raise AudioError(f"{str(self.path)!r}: cannot be read: not a file name ({error})") from error
        # Bytes, because soundfile cannot encode a name that is not valid UTF-8.
        file = self._decoder(str(self.path) if os.name == "nt" else os.fsencode(self.path))
        if file.format == "MP3" and not _mp3_tells_length(self.path):
            file.close()
            self._virtual = _EndlessFile(self.path)
            try:
                file = self._decoder(self._virtual)
                self._check_virtual()
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
            self._check_virtual()
            detail = getattr(error, "error_string", "").strip().rstrip(".")
            # libsndfile's message for a text file named .mp3 would mislead.
            reason = f" ({detail})" if detail and "does not exist" not in detail else ""
            raise AudioError(f"{self.path}: not a readable audio file{reason}; {_SUPPORTED}") from error

    def _check_length(self, offset: float) -> None:
        declared = None
        if self._file.format in ("WAV", "WAVEX", "RF64"):
            declared = _riff_frames(self.path)
        elif self._file.format == "AIFF":
            declared = _aiff_frames(self.path)
        if declared is not None and self._length is not None and declared > self._length:
            self._declared = declared
        if self._length == 0:
            raise AudioError(f"{self.path}: the file holds no audio (0 frames)")
        if self._length is not None and self._start >= self._length:
            raise AudioError(self._beyond(offset, self._length))

    def _beyond(self, offset: float, length: int) -> str:
        return f"{self.path}: offset {offset:g} s is beyond the end ({length / self.source_rate:.3f} s)"

    def _blocks(self, start: int, wanted: int | None) -> Iterator[NDArray[np.float32]]:
        """`wanted` source frames from `start`, whatever the file really holds."""
        position = 0
        if not self._lossy and start:
            position = self._seek(start)
        skip = start - position
        block: NDArray[np.float32] = np.empty((self._block_frames, self.channels), dtype=np.float32)
        filled = delivered = 0
        step = np.empty((_STEP, self.channels), dtype=np.float32)
        while wanted is None or delivered + filled < wanted:
            n = self._read(step)
            if n == 0:
                break
            position += n
            self._position = position
            data = step[:n]
            if skip:
                data, skip = data[skip:], max(0, skip - n)
            if wanted is not None:
                data = data[: wanted - delivered - filled]
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
        if position <= self._start:
            raise AudioError(self._beyond(self._start / self.source_rate, position))
        if self._limit is None or position < self._start + self._limit:
            self._report_end(position)

    def _seek(self, frame: int) -> int:
        import soundfile

        try:
            return int(self._file.seek(frame))
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise AudioError(f"{self.path}: cannot seek to frame {frame}: {error}") from error

    def _read(self, step: NDArray[np.float32]) -> int:
        """Fill `step`; the number of frames read, 0 at the end of what can be decoded."""
        import soundfile

        try:
            n = int(self._file.buffer_read_into(step, dtype="float32"))
        except soundfile.LibsndfileError as error:
            self._check_virtual()
            if "malloc" in error.error_string:
                raise MemoryError(f"{self.path}: {error.error_string}") from error
            # A damaged or truncated file: what came before is delivered, with a warning.
            self._damage = error.error_string.strip().rstrip(".") or "damaged data"
            n = 0
        self._check_virtual()
        return n

    def _check_virtual(self) -> None:
        """Raise what happened in a callback: a lost read must not look like the end of the file."""
        if self._virtual is None:
            return
        try:
            self._virtual.check()
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}") from error

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


class _EndlessFile(VirtualFile):
    """A file that claims to be huge: libsndfile then reads an MP3 to its true end.

    An ID3v1 tag (the last 128 bytes) is left out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(open(path, "rb"))  # noqa: SIM115 (closed by close)
        self._size = self._file.seek(0, os.SEEK_END)
        if self._size > 128:
            self._file.seek(-128, os.SEEK_END)
            if self._file.read(3) == b"TAG":
                self._size -= 128
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, _APPARENT_SIZE)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        try:
            if self.first_error() is not None:
                return 0
            if self._position >= _APPARENT_SIZE - 128:  # the decoder looks for an ID3v1 tag there
                data = bytes(min(len(buffer), _APPARENT_SIZE - self._position))
            elif self._position >= self._size:
                data = b""
            else:
                self._file.seek(self._position)
                wanted = min(len(buffer), self._size - self._position)
                data = self._file.read(wanted)
                if len(data) != wanted:
                    raise OSError("it became shorter meanwhile")
            buffer[: len(data)] = data
            self._position += len(data)
            return len(data)
        except BaseException as error:
            self.fail(error)
            return 0


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


def _aiff_frames(path: Path) -> int | None:
    """Frames that the header of an AIFF file claims; None if it does not say (a stream)."""
    frames: int = 0
    align: int = 0
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"FORM" or head[8:] not in (b"AIFF", b"AIFC"):
            return None
        while len(chunk := file.read(8)) == 8:
            name, size = chunk[:4], int.from_bytes(chunk[4:], "big")
            body = file.read(min(size, 22)) if name in (b"COMM", b"SSND") else b""
            if name == b"COMM" and len(body) >= 18:
                channels, frames, bits = struct.unpack_from(">HIH", body)
                # A format with compression has other frames than blocks.
                align = channels * ((bits + 7) // 8) if body[18:] in _PLAIN_AIFF else 0
            if name == b"SSND" and len(body) >= 4:
                if not align or not 8 < size < 0x7F000000:
                    return None  # the placeholders of programs that write to a pipe
                offset: int = struct.unpack_from(">I", body)[0]
                return min(frames, (size - 8 - min(offset, size - 8)) // align)
            file.seek(size + (size & 1) - len(body), os.SEEK_CUR)
    return None


# PCM and float of either byte order; plain AIFF does not say.
_PLAIN_AIFF = {b"", *b"NONE twos sowt in24 in32 42n1 23n1 23ni fl32 FL32 fl64 FL64".split()}


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
