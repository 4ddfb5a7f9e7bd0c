"""MPEG audio (MP3) frame by frame, without decoding: where files within a file begin, and how long they are.

libmpg123 gets clean frames only, behind a header that tells their number. So it decodes all of them, knows
the length exactly, and has nothing to complain about on standard error.

A part begins with a Xing, Info or VBRI header, where rate, channels or version change, and where the frames
that the last header counted are over, unless the next one leans on them: then that header is out of date.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

from .parts import Found, Part
from .pieces import Piece, Span, skip_id3

_BUFFER = 1 << 20
_APPARENT_SIZE = 1 << 40  # of a virtual file whose length libmpg123 cannot know: its guess is then too high
_KBITS = {  # by version 1 or not, and layer
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_CANDIDATE = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]|ID3[\x02-\x04]|TAG|APETAGEX", re.DOTALL)
_OVERLAP = 8  # bytes of the longest of them
_LARGEST_FRAME = 1 << 12
_MOST_TRIES = 1 << 20  # places after damage that are tried
_LARGE_REST = 1 << 16
_HEADER_BYTES = 160  # more than a Xing header has
_DECODER_DELAY = 529  # samples
_MOST_LEAN = 511  # bytes
_STEADY = 3  # frames in a row that make a new kind of frame, or one after damage, credible


@cache
def _lengths() -> dict[int, int]:
    """Bytes of a frame by the second and third byte of its header; those that are no header are absent,
    frames of free format have -1."""
    lengths = {}
    for code in range(0xE000, 0x10000):
        version, layer = code >> 11 & 3, 4 - (code >> 9 & 3)
        kbits, rate, padding = code >> 4 & 15, code >> 2 & 3, code >> 1 & 1
        if version == 1 or layer == 4 or kbits == 15 or rate == 3:
            continue
        bits = 1000 * _KBITS[version == 3, layer][kbits]
        if layer == 1:
            size = (12 * bits // _RATES[version][rate] + padding) * 4
        else:
            size = (144 if version == 3 or layer == 2 else 72) * bits // _RATES[version][rate] + padding
        lengths[code] = size if kbits else -1
    return lengths


def _kind(header: bytes) -> int:
    """What must be the same for all frames that one decoder gets: version, layer, rate, mono or stereo."""
    return (header[1] & 0x1E) << 8 | (header[2] & 0x0C) << 1 | (header[3] >= 0xC0)


@dataclass
class _Stretch:
    """Frames for one decoder.

    Attributes:
        header: the first frame, if it is a Xing, Info or VBRI header.
        counted: frames that it tells of.
        stale: there are more that belong to it.
        first: the head of the first frame.
        frames: without the header.
        available: bytes of earlier frames that the next one may lean on.
        pieces: of the file, and what stands for parts of it.
    """

    kind: int
    header: bytes = b""
    counted: int | None = None
    stale: bool = False
    first: bytes = b""
    frames: int = 0
    available: int = 0
    pieces: list[Piece] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.side = _side_information(self.kind) if self.layer == 3 else None

    @property
    def layer(self) -> int:
        return 4 - (self.kind >> 9 & 3)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    def add(self, at: int, size: int) -> None:
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, Span) and last.end == at:
            self.pieces[-1] = Span(last.start, last.size + size)
        else:
            self.pieces.append(Span(at, size))
        self.frames += 1

    def add_silent(self, at: int, frame: bytes) -> None:
        """Without its side information; what is behind it may belong to the frames that follow."""
        assert self.side is not None
        end = self.side.start(frame) + self.side.size
        self.pieces += [frame[:4] + bytes(end - 4), Span(at + end, len(frame) - end)]
        self.frames += 1


@dataclass(frozen=True)
class _Side:
    """How the side information of a layer III frame is laid out, and which values no encoder writes."""

    size: int
    begin_bits: int
    skipped: int  # bits before the first granule
    granules: int  # of all channels
    granule_bits: int
    switching: int  # where the bit of window switching is, counted from the end of a granule

    def start(self, frame: bytes) -> int:
        return 4 if frame[1] & 1 else 6  # behind the checksum

    def begin(self, frame: bytes) -> int:
        """Bytes before the frame with which its sound begins."""
        start = self.start(frame)
        if self.begin_bits == 8:
            return frame[start]
        return frame[start] << 1 | frame[start + 1] >> 7

    def is_sensible(self, frame: bytes) -> bool:
        start = self.start(frame)
        bits = 8 * self.size
        values = int.from_bytes(frame[start : start + self.size], "big")
        used = 0
        shift = bits - self.skipped
        for _ in range(self.granules):
            shift -= self.granule_bits
            granule = values >> shift
            used += granule >> (self.granule_bits - 12) & 0xFFF
            if granule >> (self.granule_bits - 21) & 0x1FF > 288:  # pairs of values
                return False
            if granule >> (self.switching - 2) & 7 == 4:  # another window, but none of the four
                return False
        room = len(frame) - start - self.size + (values >> (bits - self.begin_bits))
        return used <= 8 * room


@cache
def _side_information(kind: int) -> _Side:
    mpeg1, channels = bool(kind & 0x800), 1 if kind & 1 else 2
    if mpeg1:
        skipped = 9 + (5 if channels == 1 else 3) + 4 * channels
        return _Side(17 if channels == 1 else 32, 9, skipped, 2 * channels, 59, 59 - 34)
    return _Side(9 if channels == 1 else 17, 8, 8 + channels, channels, 63, 63 - 39)


def mpeg_parts(file: BinaryIO, start: int, end: int | None = None) -> Found:
    """The parts of the MPEG audio in `[start, end)` of a file; none if it is something else."""
    size = file.seek(0, os.SEEK_END)
    scan = _Scan(file, start, size if end is None else end)
    if scan.free_format:
        file.seek(start)
        header = _header_of(file.read(64))
        counted = header is not None and header[1] is not None
        return Found([Part((Span(start, scan.end - start),), apparent=None if counted else _APPARENT_SIZE)])
    found = Found([_part(stretch) for stretch in scan.stretches if stretch.frames])
    if not found.parts:
        return found
    if scan.junk:
        found.damage.append(f"{scan.junk} bytes between its frames are damaged and were left out")
    if scan.silenced:
        count = "a damaged frame was" if scan.silenced == 1 else f"{scan.silenced} damaged frames were"
        found.damage.append(f"{count} replaced by silence")
    if scan.rest >= _LARGE_REST:
        found.notes.append(f"the last {scan.rest} bytes are no MPEG audio and left out")
    if scan.cut and not scan.stretches[-1].counted:
        found.notes.append("the last frame is cut off: the file may be truncated")
    return found


class _Scan:
    """One walk through the frames of a file.

    Attributes:
        stretches: what it found.
        junk, rest: bytes between frames, and behind them, that are neither tags nor padding.
        silenced: frames that are damaged, or lean on what is.
        cut: the last frame is not whole.
        free_format: frames whose length only a decoder knows.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.stretches: list[_Stretch] = []
        self.junk = self.rest = self.silenced = 0
        self.cut = self.free_format = False
        self.end = end
        self._file = file
        self._base, self._data = start, b""
        self._tries = _MOST_TRIES
        self._broken, self._zeros = False, 0  # whether frames lean on lost ones; zeros since the last frame
        self._walk(start)

    def _walk(self, at: int) -> None:
        lengths = _lengths()
        kind = -1
        while at + 4 <= self.end:
            i = at - self._base
            near_end = i + _LARGEST_FRAME > len(self._data) and self._base + len(self._data) < self.end
            if i < 0 or near_end:
                self._load(at)
                i = 0
            data = self._data
            if i + 4 > len(data):  # the file became shorter
                return
            length = lengths.get(data[i + 1] << 8 | data[i + 2], 0) if data[i] == 0xFF else 0
            new = (data[i + 1] & 0x1E) << 8 | (data[i + 2] & 0x0C) << 1 | (data[i + 3] >= 0xC0)
            if length <= 0 or (new != kind and not self._steady(at)):
                if length < 0 and not self.stretches:
                    self.free_format = True
                    return
                at = self._resume(at)
                continue
            if at + length > self.end:
                self.cut = True
                return
            if new != kind:
                kind = new
                self.stretches.append(_Stretch(kind))
            self._take(at, data[i : i + length])
            at += length

    def _take(self, at: int, frame: bytes) -> None:
        stretch = self.stretches[-1]
        start = frame[:44]
        if b"Xing" in start or b"Info" in start or b"VBRI" in start:
            header = _header_of(frame)
            if header is not None:
                if stretch.frames or stretch.header:
                    stretch = _Stretch(stretch.kind)
                    self.stretches.append(stretch)
                stretch.header, stretch.counted = header
                return
        if stretch.frames == stretch.counted and not stretch.stale:
            if stretch.side is not None and stretch.side.begin(frame):
                stretch.stale = True
            else:
                stretch = _Stretch(stretch.kind)
                self.stretches.append(stretch)
        if not stretch.frames:
            stretch.first = start[:4]
        self._add(stretch, at, frame)

    def _add(self, stretch: _Stretch, at: int, frame: bytes) -> None:
        """A frame with sound, or without: if it makes no sense, or leans on what is not there."""
        side = stretch.side
        if side is None:
            stretch.add(at, len(frame))
            return
        leans = side.begin(frame) > stretch.available
        if not leans:
            self._broken, self._zeros = False, 0
        elif self._broken:  # else the recording began in the middle
            self.silenced += 1
            self.junk += self._zeros
            self._zeros = 0
        if leans or not side.is_sensible(frame):
            self.silenced += not leans
            stretch.add_silent(at, frame)
        else:
            stretch.add(at, len(frame))
        stretch.available = min(_MOST_LEAN, stretch.available + len(frame) - side.start(frame) - side.size)

    def _resume(self, at: int) -> int:
        """Where frames, or a tag, go on after something else."""
        after = self._skip_tag(at)
        if after > at:
            return after
        begin, silent = at, True
        while True:
            found = self._next(at + 1)
            silent = silent and not self._bytes(at, min(found - at, _BUFFER)).strip(b"\0")
            at = found
            if at >= self.end or self._steady(at, 2) or self._skip_tag(at) > at:
                break
        if not self.stretches:
            return at
        if at >= self.end:
            self.rest = 0 if silent else at - begin
            return at
        self.stretches[-1].available = 0
        self._broken = True
        if silent:  # padding, or a hole
            self._zeros += at - begin
        else:
            self.junk += at - begin
        return at

    def _next(self, at: int) -> int:
        """Where a frame or a tag may begin; the end if nowhere."""
        while at + 4 <= self.end and self._tries > 0:
            if not self._base <= at <= self._base + len(self._data) - _OVERLAP:
                self._load(at)
            match = _CANDIDATE.search(self._data, at - self._base)
            if match is not None:
                self._tries -= 1
                return self._base + match.start()
            at = max(at + 1, self._base + len(self._data) - _OVERLAP + 1)
        return self.end

    def _skip_tag(self, at: int) -> int:
        """Behind a tag that begins there."""
        head = self._bytes(at, 32)
        if head[:3] == b"ID3":
            return min(self.end, skip_id3(self._file, at))
        if head[:3] == b"TAG":
            return min(self.end, at + 128)
        if head[:8] == b"APETAGEX" and len(head) == 32:
            # A header says how long the rest is; at the end there may be a footer alone.
            rest = int.from_bytes(head[12:16], "little") if head[23] & 0x20 else 0
            return min(self.end, at + 32 + rest)
        return at

    def _steady(self, at: int, least: int = 1) -> bool:
        """Whether some frames of one kind follow each other, or at least so many go on to the end."""
        kind = -1
        for number in range(_STEADY):
            header = self._bytes(at, 4)
            if number >= least and (at >= self.end - 4 or header[:3] in (b"TAG", b"ID3", b"APE")):
                return True
            length = _lengths().get(header[1] << 8 | header[2], 0) if header[:1] == b"\xff" else 0
            if length <= 0 or (number and kind != _kind(header)):
                return False
            kind = _kind(header)
            at += length
        return True

    def _bytes(self, at: int, count: int) -> bytes:
        if not self._base <= at <= self._base + len(self._data) - count:
            self._load(at)
        return self._data[at - self._base : at - self._base + count]

    def _load(self, at: int) -> None:
        self._file.seek(at)
        self._base, self._data = at, self._file.read(min(_BUFFER, max(0, self.end - at)))


# --- headers that count frames ----------------------------------------------------------------


def _tag_offset(frame: bytes | bytearray) -> int:
    """Where a Xing or Info header lies: behind the side information."""
    mpeg1, mono = frame[1] & 0x08, frame[3] >= 0xC0
    side_information = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    return 4 + side_information


def _header_of(frame: bytes) -> tuple[bytes, int | None] | None:
    """A frame that holds no sound but a header, and the number of frames that it tells; None: sound.

    The frame is empty if libmpg123 does not know such a header.
    """
    if frame[1] >> 1 & 3 != 1:  # layer III
        return None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return b"", int.from_bytes(frame[50:54], "big") or None
    tag = _tag_offset(frame)
    for at in (tag, tag + 2):
        known = len(frame) >= at + 16 and frame[at : at + 4] in (b"Xing", b"Info")
        if known and frame[at + 4 : at + 7] == b"\0\0\0":
            counts = frame[at + 7] & 1
            counted = int.from_bytes(frame[at + 8 : at + 12], "big") if counts else None
            return (frame if at == tag else b""), counted or None
    return None


def _part(stretch: _Stretch) -> Part:
    if stretch.layer != 3:
        frames = stretch.frames * (384 if stretch.layer == 1 else 1152)
        return Part(tuple(stretch.pieces), frames=frames, apparent=_APPARENT_SIZE)
    if stretch.header and stretch.counted:
        return Part((_corrected(stretch), *stretch.pieces))
    return Part((_counting_frames(stretch, 1152 if stretch.kind & 0x800 else 576), *stretch.pieces))


def _corrected(stretch: _Stretch) -> bytes:
    """The header with the number of bytes that there are, and where it was out of date, of frames."""
    header = bytearray(stretch.header)
    tag = _tag_offset(header)
    flags = header[tag + 7]
    at = tag + 12
    if flags & 2:
        header[at : at + 4] = (len(header) + stretch.size).to_bytes(4, "big")
    if stretch.stale:
        header[tag + 8 : tag + 12] = stretch.frames.to_bytes(4, "big")
        lame = at + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        if len(header) >= lame + 24:
            header[lame + 22] &= 0xF0  # what the padding at the end was
            header[lame + 23] = 0
    return bytes(header)


def _counting_frames(stretch: _Stretch, samples: int) -> bytes:
    """A header that tells the number of frames, and a frame without sound.

    libmpg123 leaves its own delay out at the beginning where it knows the number of frames. FFmpeg does not,
    if the file itself does not tell: so the delay is made up to a whole frame, and that frame put in.
    """
    first = stretch.first
    code = first[2] & 0x0C
    kbits, size = next(
        (index, size)
        for index in range(1, 15)
        if (size := _lengths()[(first[1] | 1) << 8 | index << 4 | code]) >= _HEADER_BYTES
    )
    silent = bytearray(size)
    silent[:4] = bytes((0xFF, first[1] | 1, kbits << 4 | code, first[3]))
    frame = silent.copy()
    tag = _tag_offset(frame)
    total = 2 * size + stretch.size
    frame[tag : tag + 16] = struct.pack(">4sIII", b"Xing", 3, stretch.frames + 1, total)
    delay = samples - _DECODER_DELAY
    frame[tag + 16 : tag + 20] = b"LAME"
    frame[tag + 37 : tag + 40] = (delay << 12).to_bytes(3, "big")
    return bytes(frame + silent)
