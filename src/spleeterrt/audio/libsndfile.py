"""`SoundFileSource`: the samples of a file, or of a part of it, that libsndfile reads.

What libsndfile alone does not give, and this module adds:

- MP3: seeking loses the bit reservoir (audible at low bitrates), and soundfile seeks after every
  read. So MP3 is decoded straight through, and what precedes `offset` is decoded and dropped.
  The same for Vorbis and Opus, whose seeks are not sample-accurate near the end.
- Truncated WAV, AIFF and Ogg files, which libsndfile shortens silently, give a warning.
"""

from __future__ import annotations

import os
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError, UnknownFormatError
from .blocks import cut_short
from .coded import coded_samples
from .layouts import POSITIONS, Layout, apple_layout, flac_layout, ogg_layout
from .parts import Part
from .pieces import PieceFile, Span
from .quiet import decoding
from .sequential import sequential_file

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

SUPPORTED = "wav, flac, mp3, ogg (Vorbis, Opus), aiff, au, caf and w64 files can be read"
_LOSSY = ("MP3", "VORBIS", "OPUS", "MPEG")
_CODED_FRAMES, _CODED_BLOCKS = 1 << 15, 64
_UNKNOWN = 1 << 36  # frames: no real file has so many (18 days at 44.1 kHz is 2^36)


class SoundFileSource:
    """Decodes one file, or a part of it, in order; see `AudioSource` in `source`."""

    def __init__(self, path: Path, part: Part | None = None) -> None:
        self._path = path
        self.notes: list[str] = []
        self.damage: list[str] = []
        self._part = part or Part()
        self._virtual: PieceFile | None = None
        self._damage: str | None = None
        self._integers: NDArray[np.int32] | None = None
        self._file = self._open()
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int | None = self._file.frames if self._file.frames < _UNKNOWN else None
        if self._part.apparent is not None:
            self.frames = self._part.frames
        self.likely_frames = self._part.frames if self.frames is None else self.frames
        self.layout = self._read_layout()
        self._order = self._native_order()
        self._position = 0
        self._flac = self._file.format == "FLAC"
        self._mpeg = "MPEG" in self._file.subtype
        self._lossy = any(name in self._file.format + self._file.subtype for name in _LOSSY)
        try:
            self._declared = self._declared_frames()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()
        if self._virtual is not None:
            self._virtual.close()

    def seek(self, frame: int) -> int:
        if self._lossy or not frame:
            return 0
        import soundfile

        try:
            self._position = int(self._file.seek(frame))
            return self._position
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise AudioError(f"{self._path}: cannot seek to frame {frame}: {error}") from error

    def read(self, step: NDArray[np.float32]) -> int:
        import soundfile

        if self._flac and self.frames is not None:
            # For tags behind the last frame libFLAC reports an error, and that frame is lost.
            step = step[: max(0, self.frames - self._position)]
            if not len(step):
                return 0
        try:
            if self._part.low_24_bits:
                n = self._read_low_24_bits(step)
            else:
                with decoding() if self._mpeg else nullcontext():
                    n = int(self._file.buffer_read_into(step, dtype="float32"))
        except soundfile.LibsndfileError as error:
            self._check_virtual()
            if "malloc" in error.error_string:
                raise MemoryError(f"{self._path}: {error.error_string}") from error
            # A damaged or truncated file: what came before is delivered, with a warning.
            self._damage = error.error_string.strip().rstrip(".") or "damaged data"
            n = 0
        self._check_virtual()
        self._position += n
        if self._order is not None:
            step[:n] = step[:n, self._order]
        return n

    def coded(self) -> str | None:
        """What the first samples behind silence really are ("DTS"), if they are no sound."""
        lossless = self._file.format in ("FLAC", "AIFF", "AU", "CAF", "W64")
        if not (lossless and self._file.subtype == "PCM_16" and self.channels == 2):
            return None
        with closing(SoundFileSource(self._path, self._part)) as other:
            start = np.empty((_CODED_FRAMES, 2), np.int16)
            for _ in range(_CODED_BLOCKS):
                try:
                    count = int(other._file.buffer_read_into(start, dtype="int16"))
                except RuntimeError:  # damaged: told when it is read
                    return None
                if start[:count].any():
                    return coded_samples(start[:count].astype("<i2", copy=False).tobytes())
        return None

    def end_warning(self, position: int) -> str | None:
        if self._declared is not None and position < self._declared:
            return cut_short(self._path, self._declared, position, self.rate)
        if self._damage is not None:
            cause = f"truncated or damaged ({self._damage})"
            return f"{self._path}: {cause}: only {position} frames could be decoded"
        if self._file.format == "OGG":
            end = self._end()
            whole, marked = _ogg_end(self._path, end)
            # Recordings of radio stations often lack the mark between two songs.
            if not whole or not (marked or end < os.path.getsize(self._path)):
                return f"{self._path}: the Ogg stream has no end mark: the file may be truncated"
        return None

    def _end(self) -> int:
        """Where in the file the part ends."""
        last = self._part.pieces[-1] if self._part.pieces else None
        return last.end if isinstance(last, Span) else os.path.getsize(self._path)

    def _read_low_24_bits(self, step: NDArray[np.float32]) -> int:
        if self._integers is None or len(self._integers) < len(step):
            self._integers = np.empty(step.shape, np.int32)
        integers = self._integers[: len(step)]
        n = int(self._file.buffer_read_into(integers, dtype="int32"))
        np.multiply(integers[:n] << 8, np.float32(2**-31), out=step[:n], casting="unsafe")
        return n

    def _open(self) -> soundfile.SoundFile:
        if self._part.pieces is None:
            # Bytes, because soundfile cannot encode a name that is not valid UTF-8.
            return self._decoder(str(self._path) if os.name == "nt" else os.fsencode(self._path))
        self._virtual = PieceFile(self._path, self._part.pieces, self._part.apparent)
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
            with decoding():
                return sequential_file()(source)
        # TypeError: a name ending in .raw makes soundfile ask for the parameters of raw data.
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self._check_virtual()
            detail = getattr(error, "error_string", "").strip().rstrip(".")
            # libsndfile's message for a text file named .mp3 would mislead.
            reason = f" ({detail})" if detail and "does not exist" not in detail else ""
            raise UnknownFormatError(
                f"{self._path}: not a readable audio file{reason}; {SUPPORTED}"
            ) from error

    def _check_virtual(self) -> None:
        """Raise what happened in a callback: a lost read must not look like the end of the file."""
        if self._virtual is None:
            return
        try:
            self._virtual.check()
        except OSError as error:
            raise AudioError(f"{self._path}: cannot be read: {error.strerror or error}") from error

    def _read_layout(self) -> Layout | None:
        """The speakers of more than two channels, in the order of the file."""
        if self.channels <= 2:
            return None
        format = self._file.format
        if format == "OGG":
            return ogg_layout(self._path, self.channels)
        if format == "FLAC":
            return flac_layout(self._path, self.channels)
        if format in ("AIFF", "CAF"):  # libsndfile knows few of their layouts, and for some gives anything
            return apple_layout(self._path, self.channels)
        return _channel_map(self._file, self.channels)

    def _native_order(self) -> list[int] | None:
        """Where the centre is second (Vorbis, Opus): the order in which FFmpeg and Spleeter read them."""
        if self._file.format != "OGG" or self.layout is None:
            return None
        order = sorted(range(self.channels), key=[POSITIONS.index(name) for name in self.layout].__getitem__)
        self.layout = tuple(self.layout[channel] for channel in order)
        return order

    def _declared_frames(self) -> int | None:
        """Frames that the header claims; libsndfile's own number is what the data have room for."""
        declared = self._part.declared
        if declared is not None and self.frames is not None and declared > self.frames:
            return declared
        return self.frames


_CHANNEL_MAP = 0x1100  # SFC_GET_CHANNEL_MAP_INFO
_MAPPED = {  # SF_CHANNEL_MAP_...
    **dict(zip(range(2, 5), ("FL", "FR", "FC"), strict=True)),
    **dict(zip(range(5, 9), ("FL", "FR", "FC", "BC"), strict=True)),
    **dict(zip(range(9, 16), ("BL", "BR", "LFE", "FLC", "FRC", "SL", "SR"), strict=True)),
    **dict(zip(range(16, 23), ("TC", "TFL", "TFR", "TFC", "TBL", "TBR", "TBC"), strict=True)),
}


def _channel_map(file: soundfile.SoundFile, channels: int) -> Layout | None:
    """What libsndfile says of a WAV, RF64 or W64 file; None: the file has no mask (or another soundfile)."""
    import soundfile

    library: Any = getattr(soundfile, "_snd", None)
    ffi: Any = getattr(soundfile, "_ffi", None)
    if not hasattr(library, "sf_command") or not hasattr(ffi, "new"):
        return None
    numbers = ffi.new("int[]", channels)
    found = library.sf_command(file._file, _CHANNEL_MAP, numbers, ffi.sizeof(numbers))
    layout = tuple(_MAPPED.get(number, "") for number in numbers)
    return layout if found and all(layout) and len(set(layout)) == channels else None


def _ogg_end(path: Path, end: int) -> tuple[bool, bool]:
    """Whether the last Ogg page before `end` is whole, and whether it is marked as the last one."""
    with open(path, "rb") as file:
        file.seek(max(0, end - 2 * 65536))  # a page has at most 65307 bytes
        tail = file.read(end - file.tell())
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return False, False
    segments = tail[page + 26]
    length = 27 + segments + sum(tail[page + 27 : page + 27 + segments])
    return len(tail) >= page + length, bool(tail[page + 5] & 4)
