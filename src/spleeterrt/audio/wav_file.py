"""WAV files as they are found: unfinished, from pipes, several behind each other, with chunks in odd places.

libsndfile gets a proper header where its own reading of a file's would lose something.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from .coded import coded_samples
from .parts import MOST_PARTS, Found, Part, bytes_left_out, says_no_length, seconds
from .pcm import LARGEST_TAIL, WAV_FORMS, is_low_24_bit, lacks_padding, means_unknown, tail_start
from .pieces import Piece, Span, find_all, skip_id3

_PLAIN = (1, 3, 0xFFFE)  # PCM, float, extensible: a block is a frame
_MPEG = (0x50, 0x55)
_LONG = 0xFFFFFFFF
_CODED_BYTES, _CODED_BLOCKS = 1 << 17, 128


@dataclass
class _Wav:
    """One WAV file within a file.

    Attributes:
        format: what is in the `fmt ` chunk.
        data: where samples lie.
        declared: bytes of them that the header claims.
        end: where something else may begin.
        odd: libsndfile needs another header.
        notes: what is worth telling.
    """

    format: bytes = b""
    data: list[Span] = field(default_factory=list)
    declared: int = 0
    end: int = 0
    odd: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def tag(self) -> int:
        return int.from_bytes(self.format[:2], "little")

    @property
    def align(self) -> int:
        return int.from_bytes(self.format[12:14], "little")

    @property
    def frame_bytes(self) -> int:
        """Of plain samples, where the header's own number may be too small."""
        channels, bits = (int.from_bytes(self.format[at : at + 2], "little") for at in (2, 14))
        return max(self.align, channels * ((bits + 7) // 8))

    @property
    def byte_rate(self) -> int:
        """Bytes a second."""
        rate, mean = struct.unpack_from("<II", self.format, 4)
        return self.align * rate if self.tag in _PLAIN else int(mean)

    @property
    def complete(self) -> bool:
        return len(self.format) >= 16 and self.align > 0 and bool(self.data)


def wav_parts(file: BinaryIO, start: int) -> Found:
    """The parts of a file that begins as a WAV file, at `start` behind its tags."""
    size = file.seek(0, 2)
    found = Found([])
    parts: list[Part] = []
    at, last = start, None
    while len(parts) <= MOST_PARTS and (wav := _parse(file, at, size)) is not None and wav.complete:
        if wav.tag in _PLAIN and wav.format[14:16] == b"\x10\0" and not parts:
            found.foreign = _coded(file, wav.data[0])
            if found.foreign is not None:
                return found
        if wav.tag in _MPEG:
            from .mpeg_parts import mpeg_parts

            inner = mpeg_parts(file, wav.data[0].start, wav.data[0].end)
            parts += inner.parts
            found.notes += inner.notes
            found.damage += inner.damage
        else:
            declared = wav.declared // wav.frame_bytes if wav.tag in _PLAIN else None
            pieces: tuple[Piece, ...] = (_header(wav), *wav.data)
            padded = is_low_24_bit(wav.format)
            wav.odd |= padded
            low = padded and not _at_the_top(file, wav.data[0])
            parts.append(Part(pieces, declared, low_24_bits=low))
        found.notes += wav.notes
        at, last = skip_id3(file, wav.end), wav
    if last is None:
        return Found()
    found.notes += bytes_left_out(file, last.end, last.byte_rate)
    if len(parts) == 1 and not last.odd and last.tag not in _MPEG:
        parts[0] = replace(parts[0], pieces=None)
    found.parts = parts
    return found


def _at_the_top(file: BinaryIO, samples: Span) -> bool:
    """Whether 24 bits in four bytes are the upper three, as the WAV format says, and not the lower ones."""
    file.seek(samples.start)
    for _ in range(_CODED_BLOCKS):
        content = file.read(min(_CODED_BYTES, max(0, samples.end - file.tell())))
        words = np.frombuffer(content, "<i4", len(content) // 4)
        if words.any():
            # Of those at the top the lowest byte is empty, and the highest one more than a sign.
            return not (words & 0xFF).any() and bool((words >> 23 != words >> 31).any())
        if not len(words):
            break
    return False


def _coded(file: BinaryIO, samples: Span) -> str | None:
    """What the first samples behind silence really are."""
    file.seek(samples.start)
    for _ in range(_CODED_BLOCKS):
        data = file.read(min(_CODED_BYTES, samples.end - file.tell()))
        if not data or data.strip(b"\0"):
            return coded_samples(data)
    return None


def _parse(file: BinaryIO, start: int, size: int) -> _Wav | None:
    """The WAV file that begins at `start`, if one does."""
    file.seek(start)
    head = file.read(12)
    if not _begins(head):
        return None
    wav = _Wav(odd=head[:4] == b"BW64")
    long_size: int | None = None
    at = start + 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(12)
        name, count = head[:4], int.from_bytes(head[4:8], "little")
        if _begins(head) or not _is_name(name):
            break
        at += 8
        if name == b"data":
            count = _take_data(file, wav, Span(at, size - at), count, long_size)
        elif name == b"fmt " and not wav.format:
            file.seek(at)
            wav.format = file.read(min(count, 1 << 12))
            wav.odd |= bool(wav.data)
        elif name == b"ds64" and count >= 16:
            file.seek(at)
            long_size = int.from_bytes(file.read(16)[8:], "little")
        at += count
        if count % 2:
            file.seek(at)
            after = file.read(5)
            if lacks_padding(after):
                wav.odd = True
            else:
                at += 1
    wav.end = min(at, size)
    if len(wav.data) > 1:
        wav.odd = True
        wav.notes.append(f"it has {len(wav.data)} data chunks: all of them are read")
    return wav


def _take_data(file: BinaryIO, wav: _Wav, room: Span, count: int, long_size: int | None) -> int:
    """Note where the samples of a `data` chunk lie; the bytes that it really has."""
    is_long = count == _LONG and long_size is not None
    if is_long:
        assert long_size is not None
        count = long_size
    unknown = count in (0, (1 << 64) - 1) if is_long else means_unknown(count)
    if count == 0 and (not room.size or _chunks_to_the_end(file, room)):
        wav.odd |= room.size > 0  # libsndfile stops at an empty one
        return 0
    if unknown and (count == 0 or count > room.size or not _chunks_to_the_end(file, _behind(room, count))):
        taken = _until_other(file, room)
        wav.odd = True
        if wav.format:
            wav.notes.append(says_no_length(taken, wav.byte_rate))
        wav.data.append(Span(room.start, taken))
        wav.declared += taken
        return taken
    wav.declared += count
    taken = min(count, room.size)
    # Sizes of 32 bits that ran over: what is there is a multiple of 4 GiB more.
    more = (room.size - taken) >> 32 << 32
    if more and not is_long and not _chunks_to_the_end(file, _behind(room, taken)):
        taken += more
        wav.declared += more
        wav.odd = True
        told = seconds(count, wav.byte_rate) if wav.format else f"{count} bytes"
        wav.notes.append(f"its header says {told}, too little by {more >> 30} GiB: all is read")
    wav.data.append(Span(room.start, taken))
    return taken


def _behind(room: Span, count: int) -> Span:
    return Span(room.start + count, room.size - count)


def _chunks_to_the_end(file: BinaryIO, room: Span) -> bool:
    """Whether chunks fill the rest of a file."""
    at = room.start + room.start % 2
    while at + 8 <= room.end:
        file.seek(at)
        head = file.read(12)
        if _begins(head):
            return True
        if not _is_name(head[:4]):
            return False
        count = int.from_bytes(head[4:8], "little")
        at += 8 + count + count % 2
    return at <= room.end + 1


def _until_other(file: BinaryIO, room: Span) -> int:
    """Bytes of samples: up to the next WAV file, and to the chunks behind them."""
    end = room.end
    for at in find_all(file, b"WAVE", room.start + 8, room.end):
        file.seek(at - 8)
        if _begins(file.read(12)) and _is_name(file.read(4)):
            end = at - 8
            break
    first = max(room.start, end - LARGEST_TAIL)
    file.seek(first)
    return first - room.start + tail_start(file.read(end - first), complete=True)


def _begins(head: bytes) -> bool:
    return head[:4] in WAV_FORMS and head[8:12] == b"WAVE"


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= letter < 0x7F for letter in name)


def _header(wav: _Wav) -> bytes:
    """A header for the samples as they lie."""
    size = sum(map(len, wav.data))
    format = wav.format
    if is_low_24_bit(format):
        format = format[:14] + b"\x20" + format[15:]  # 32: libsndfile makes this and that of the others
    chunk = struct.pack("<4sI", b"fmt ", len(format)) + format + b"\0" * (len(format) % 2)
    whole = 4 + len(chunk) + 8 + size
    if whole < 0xFFFFF000:
        return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + chunk + struct.pack("<4sI", b"data", size)
    long = struct.pack("<4sIQQQI", b"ds64", 28, whole + 36, size, size // wav.align, 0)
    form = struct.pack("<4sI4s", b"RF64", _LONG, b"WAVE")
    return form + long + chunk + struct.pack("<4sI", b"data", _LONG)
