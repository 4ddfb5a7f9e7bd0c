"""AIFF, AU, CAF and W64 files as they are found: unfinished, from pipes, several behind each other.

As in `wav_file`, libsndfile gets a header that says what is there, where the file's own does not.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

from .parts import MOST_PARTS, Found, Part, bytes_left_out, says_no_length
from .pcm import means_unknown
from .pieces import Span, find_all


@dataclass
class _Sized:
    """One file within a file.

    Attributes:
        samples: where they lie.
        header: for so many bytes of them; None: libsndfile must do with the file's own.
        frame_bytes, rate: of what a byte is worth; 0 frame_bytes: not the same throughout.
        declared: bytes of samples that the header claims; None: it does not say.
        end: where another file may begin.
    """

    samples: Span
    header: Callable[[int], bytes] | None
    frame_bytes: int
    rate: int
    declared: int | None
    end: int

    @property
    def byte_rate(self) -> int:
        return self.frame_bytes * self.rate


# How the formats begin, so that samples are not likely to.
_BEGINNINGS = {
    b".snd": re.compile(rb"\.snd\x00.{7}\x00\x00\x00[\x01-\x1b].{4}\x00\x00\x00[\x01-\x40]", re.DOTALL),
    b"dns.": re.compile(rb"dns\..{3}\x00.{4}[\x01-\x1b]\x00\x00\x00.{4}[\x01-\x40]\x00\x00\x00", re.DOTALL),
    b"FORM": re.compile(rb"FORM.{4}AIF[FC][ -~]{4}", re.DOTALL),
    b"caff": re.compile(rb"caff\x00[\x01\x02]..desc", re.DOTALL),
    b"riff": re.compile(rb"riff\x2e\x91\xcf\x11.{16}wave", re.DOTALL),
}

_Parser: TypeAlias = Callable[[BinaryIO, int, int], "_Sized | None"]


def sized_parts(file: BinaryIO, start: int, kind: bytes) -> Found:
    """The parts of a file that begins as one of these; `kind`: its first four bytes."""
    parse = _PARSERS[kind]
    size = file.seek(0, os.SEEK_END)
    found = Found([])
    parts: list[Part] = []
    odd = start > 0
    at, last = start, None
    while len(parts) <= MOST_PARTS and (one := parse(file, at, size)) is not None:
        begin, at, last = at, one.end, one
        if one.header is None or not one.frame_bytes:
            parts.append(Part((Span(begin, one.end - begin),)))
            continue
        declared = None if one.declared is None else one.declared // one.frame_bytes
        parts.append(Part((one.header(one.samples.size), one.samples), declared))
        odd |= kind in (b".snd", b"dns.") and one.samples.size > _LARGEST_AU
        if one.declared is None:
            found.notes.append(says_no_length(one.samples.size, one.byte_rate))
            odd = True
    if last is None or (len(parts) == 1 and not last.frame_bytes):
        return Found()
    found.notes += bytes_left_out(file, last.end, last.byte_rate)
    # Of a W64 file, libsndfile would read what follows as samples.
    if len(parts) == 1 and not odd and last.end == size:
        parts[0] = replace(parts[0], pieces=None)
    found.parts = parts
    return found


def _samples(file: BinaryIO, room: Span, count: int, unknown: bool, mark: bytes) -> tuple[Span, int | None]:
    """Where samples lie that the header says are `count` bytes, and what it declares.

    unknown: that number stands for none; then they go on to the next file, which begins with `mark`, or to
        the end.
    """
    count = max(0, count)
    if not unknown or not room.size:
        return Span(room.start, min(count, room.size)), count
    for at in find_all(file, mark[:4], room.start, room.end):
        if _BEGINNINGS[mark[:4]].match(_read(file, at, 40)):
            return Span(room.start, at - room.start), None
    return room, None


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


# --- AU -----------------------------------------------------------------------------------------

_AU_UNKNOWN = 0xFFFFFFFF
_LARGEST_AU = 0x7FFFFFFF  # bytes that libsndfile takes from a header
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by encoding


def _parse_au(file: BinaryIO, start: int, size: int) -> _Sized | None:
    head = _read(file, start, 24)
    if len(head) < 24 or head[:4] not in (b".snd", b"dns."):
        return None
    order = ">" if head[:4] == b".snd" else "<"
    offset, count, encoding, rate, channels = struct.unpack(f"{order}5I", head[4:])
    frame_bytes = _AU_BYTES.get(encoding, 0) * channels
    if not (
        24 <= offset <= 1 << 20 and start + offset <= size and 0 < channels <= 1024 and 0 < rate < 1 << 24
    ):
        return None
    room = Span(start + offset, size - start - offset)
    unknown = count == _AU_UNKNOWN or (means_unknown(count) and (count == 0 or count > room.size))
    samples, declared = _samples(file, room, count, unknown, head[:4])

    def header(bytes_: int) -> bytes:
        length = bytes_ if bytes_ <= _LARGEST_AU else _AU_UNKNOWN
        return struct.pack(f"{order}4s5I", head[:4], 24, length, encoding, rate, channels)

    return _Sized(samples, header, frame_bytes, rate, declared, samples.end)


# --- AIFF ---------------------------------------------------------------------------------------

# PCM and float of either byte order; plain AIFF does not say.
_PLAIN_AIFF = {b"", *b"NONE twos sowt in24 in32 42n1 23n1 23ni fl32 FL32 fl64 FL64".split()}


def _parse_aiff(file: BinaryIO, start: int, size: int) -> _Sized | None:
    head = _read(file, start, 12)
    if head[:4] != b"FORM" or head[8:] not in (b"AIFF", b"AIFC"):
        return None
    common = b""
    found: tuple[Span, int | None, bytes] | None = None
    at = start + 12
    while at + 8 <= size:
        name, count = struct.unpack(">4sI", _read(file, at, 8))
        if name == b"FORM" or not name.isascii() or not name.strip(b"\0"):
            break
        at += 8
        if name == b"COMM":
            common = _read(file, at, min(count, 1 << 10))
        if name == b"SSND":
            placement = _read(file, at, 8)
            skipped = int.from_bytes(placement[:4], "big")
            room = Span(min(size, at + 8 + skipped), max(0, size - at - 8 - skipped))
            unknown = count in (0, 8) or (means_unknown(count) and count - 8 > room.size)
            if count == 8 and struct.unpack(">I", common[2:6] or b"\0\0\0\0")[0] == 0:
                unknown = not _aiff_goes_on(file, at + 8, size)
            samples, declared = _samples(file, room, count - 8 - skipped, unknown, b"FORM")
            found = samples, declared, placement
            count = samples.end - at
        at += count + count % 2
    if found is None or len(common) < 18:
        return None
    samples, declared, placement = found
    channels, frames, bits = struct.unpack(">hIh", common[:8])
    rate = _extended(common[8:18])
    plain = common[18:22] in _PLAIN_AIFF
    frame_bytes = channels * ((bits + 7) // 8) if plain else 0
    if declared is not None and frame_bytes and frames:
        declared = min(declared, frames * frame_bytes)

    def header(bytes_: int) -> bytes:
        body = common[:2] + struct.pack(">I", bytes_ // frame_bytes) + common[6:]
        chunks = struct.pack(">4sI", b"COMM", len(body)) + body + b"\0" * (len(body) % 2)
        chunks += struct.pack(">4sI8x", b"SSND", bytes_ + 8)
        return struct.pack(">4sI4s", b"FORM", 4 + len(chunks) + bytes_, head[8:]) + chunks

    return _Sized(samples, header if frame_bytes > 0 else None, frame_bytes, rate, declared, min(at, size))


def _aiff_goes_on(file: BinaryIO, at: int, size: int) -> bool:
    """Whether nothing, or a chunk, or another file follows."""
    name = _read(file, at, 4)
    return at >= size or (name.isalnum() and name.isascii())


def _extended(data: bytes) -> int:
    """A number of 80 bits, as whole Hz."""
    exponent, mantissa = struct.unpack(">HQ", data)
    shift = 16383 + 63 - (exponent & 0x7FFF)
    return int(mantissa >> shift) if 0 <= shift < 64 else 0


# --- CAF ----------------------------------------------------------------------------------------


def _parse_caf(file: BinaryIO, start: int, size: int) -> _Sized | None:
    head = _read(file, start, 8)
    if head[:4] != b"caff" or len(head) < 8:
        return None
    description = b""
    found: tuple[Span, int | None] | None = None
    at = start + 8
    while at + 12 <= size:
        name, count = struct.unpack(">4sq", _read(file, at, 12))
        if name == b"caff" or not name.isascii() or not name.strip(b"\0"):
            break
        at += 12
        if name == b"desc":
            description = _read(file, at, 32)
        if name == b"data" and found is None:
            room = Span(min(size, at + 4), max(0, size - at - 4))
            unknown = count <= 4 or (count - 4 > room.size and count >= 0x7FFFFFFF)
            samples, declared = _samples(file, room, count - 4, unknown, b"caff")
            found = samples, declared
            count = samples.end - at
        if count < 0:
            break
        at += count
    if found is None or len(description) < 32:
        return None
    samples, declared = found
    rate = struct.unpack(">d", description[:8])[0]
    packet, frames, channels = struct.unpack(">III", description[16:28])
    plain = description[8:12] in (b"lpcm", b"alaw", b"ulaw") and frames == 1 and 0 < channels <= 1024
    if not (plain and 0 < packet < 1 << 16 and 0 < rate < 1 << 24):
        return None

    def header(bytes_: int) -> bytes:
        return (
            head + struct.pack(">4sq", b"desc", 32) + description + struct.pack(">4sq4x", b"data", bytes_ + 4)
        )

    return _Sized(samples, header, packet, int(rate), declared, min(at, size))


# --- W64 ----------------------------------------------------------------------------------------

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")


def _parse_w64(file: BinaryIO, start: int, size: int) -> _Sized | None:
    head = _read(file, start, 40)
    if head[:16] != _W64_RIFF or head[24:] != b"wave" + _W64_TAIL:
        return None
    format = b""
    found: tuple[Span, int | None] | None = None
    at = start + 40
    while at + 24 <= size:
        mark, count = struct.unpack("<16sQ", _read(file, at, 24))
        if mark == _W64_RIFF:
            break
        if mark[:4] == b"fmt ":
            format = _read(file, at + 24, min(1 << 12, max(0, count - 24)))
        if mark[:4] == b"data" and found is None:
            room = Span(at + 24, size - at - 24)
            unknown = count <= 24 or (count - 24 > room.size and count >= 0x7FFFFFFF)
            samples, declared = _samples(file, room, count - 24, unknown, _W64_RIFF)
            found = samples, declared
            count = 24 + samples.size
        elif not 24 <= count <= size - at:
            break
        at += (count + 7) // 8 * 8
    if found is None or len(format) < 16:
        return None
    samples, declared = found
    tag, _, rate, _, align = struct.unpack("<HHIIH", format[:14])

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + _W64_TAIL + struct.pack("<Q", 24 + len(body)) + body + bytes(-len(body) % 8)

    def header(bytes_: int) -> bytes:
        chunks = b"wave" + _W64_TAIL + chunk(b"fmt ", format)
        chunks += b"data" + _W64_TAIL + struct.pack("<Q", 24 + bytes_)
        return _W64_RIFF + struct.pack("<Q", 24 + len(chunks) + bytes_) + chunks

    plain = align if tag in (1, 3, 0xFFFE) else 0
    return _Sized(samples, header if plain else None, plain, rate, declared, min(at, size))


_PARSERS: dict[bytes, _Parser] = {
    b".snd": _parse_au, b"dns.": _parse_au, b"FORM": _parse_aiff, b"caff": _parse_caf, b"riff": _parse_w64,
}  # fmt: skip
