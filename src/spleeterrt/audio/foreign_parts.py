"""Files behind each other of which FFmpeg reads the first only, or does not know the length: MP4, ASF (WMA),
Matroska, WavPack, TTA, FLV and Ogg. Others it reads on by itself: ADTS, AC-3, DTS, MPEG-TS, AVI.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .ffmpeg import ASF_HEADER
from .parts import ogg_starts, unsearched
from .pieces import Span, find_all

_MOST_RESYNCS = 1000
_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
_FLV = re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00")


def foreign_spans(path: Path, damage: list[str]) -> list[Span]:
    """The files that a file consists of; one is the usual case. What could not be searched is added to
    `damage`."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        starts = [0, *_later_starts(file, size, damage)]
    return [Span(a, b - a) for a, b in zip(starts, [*starts[1:], size], strict=True)]


def _later_starts(file: BinaryIO, size: int, damage: list[str]) -> Iterator[int]:
    file.seek(0)
    head = file.read(16)
    if head[4:8] == b"ftyp":
        return _mp4_starts(file, size)
    if head == ASF_HEADER:
        return _asf_starts(file, size)
    if head[:4] == b"OggS":  # links with other numbers of streams stop it
        return iter(ogg_starts(file, damage)[1:])
    if head[:4] == b"wvpk":
        return _wavpack_starts(file, size, damage)
    starts = {_EBML: _matroska_starts, b"TTA1": _tta_starts, b"FLV\1": _flv_starts}.get(head[:4])
    return iter(()) if starts is None else starts(file, size)


def _mp4_starts(file: BinaryIO, size: int) -> Iterator[int]:
    """A file has a `moov` box, wherever."""
    at, begin, complete = 0, 0, False
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        count, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if count == 1:
            count = int.from_bytes(head[8:], "big")
        if kind == b"ftyp" and complete:
            begin, complete = at, False
        if kind == b"moov":
            if begin and not complete:
                yield begin
            complete = True
        if count < 8:  # 0: to the end
            return
        at += count


def _asf_starts(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 24 <= size:
        file.seek(at)
        head = file.read(24)
        if at and head[:16] == ASF_HEADER:
            yield at
        count = int.from_bytes(head[16:], "little")
        if count < 24:
            return
        at += count


def _tta_starts(file: BinaryIO, size: int) -> Iterator[int]:
    for at in find_all(file, b"TTA1", 1, size):
        file.seek(at)
        head = file.read(22)
        if len(head) == 22 and zlib.crc32(head[:18]) == int.from_bytes(head[18:], "little"):
            yield at


def _matroska_starts(file: BinaryIO, size: int) -> Iterator[int]:
    """Elements of the highest level; a segment of unknown size goes on to the end."""
    at = 0
    while at + 5 <= size:
        file.seek(at)
        head = file.read(12)
        if at and head[:4] == _EBML:
            yield at
        known = head[:4] in (_EBML, _SEGMENT)
        length = 4 if known else 1  # of what is between them: Void, CRC-32
        first = head[length]
        width = 9 - first.bit_length()
        if not first or len(head) < length + width or (not known and head[0] not in (0xEC, 0xBF)):
            return
        count = int.from_bytes(head[length : length + width], "big") & ((1 << 7 * width) - 1)
        if count == (1 << 7 * width) - 1:
            return
        at += length + width + count


def _wavpack_starts(file: BinaryIO, size: int, damage: list[str]) -> Iterator[int]:
    """A file begins with an initial block whose index is 0; between two there may be tags."""
    at = resyncs = 0
    while at + 32 <= size:
        if resyncs >= _MOST_RESYNCS:
            damage.append(unsearched(size - at))
            return
        file.seek(at)
        head = file.read(32)
        if head[:4] != b"wvpk":
            at = next(find_all(file, b"wvpk", at + 1, size), size)
            resyncs += 1
            continue
        count, index, flags = (int.from_bytes(head[i : i + 4], "little") for i in (4, 16, 24))
        if at and index == 0 and head[11] == 0 and flags & 0x800:
            yield at
        at += 8 + max(24, count)


def _flv_starts(file: BinaryIO, size: int) -> Iterator[int]:
    for at in find_all(file, b"FLV\1", 1, size):
        file.seek(at)
        if _FLV.match(file.read(13)):
            yield at
