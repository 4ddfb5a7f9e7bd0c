"""What libsndfile is given of a file: its parts, each as a file of its own where it has to be.

A file may consist of several, one behind the other (`cat a.mp3 b.mp3`, a radio station's Ogg), and headers
may be unfinished or unusual. `find_parts` looks at that; what it does not know is left to libsndfile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from .pcm import WAV_FORMS
from .pieces import Piece, Span, find_all, skip_id3

MOST_PARTS = 10_000
_OTHERS = (b"RIFX", b"OggS")  # libsndfile knows them
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")  # of other formats, behind the last chunk
_MOST_MESSAGES = 5
_RECENT = 2_000_000_000  # ns
_MOST_RESYNCS = 1000  # places in a damaged file where it goes on
_OGG_FLAC, _OGG_FLAC_HEAD = b"\x7fFLAC", 9  # how its first packet begins, and bytes before "fLaC"
_OGG_SOUND = (b"\x01vorbis", b"OpusHead", _OGG_FLAC, b"Speex")
_OGG_FIRST_BYTES = 8
_MPEG_SUFFIXES = (".mp3", ".mp2", ".mpa", ".mpga")


@dataclass(frozen=True)
class Part:
    """One file within a file.

    Attributes:
        pieces: of which it consists; None: the whole file.
        declared: frames that its header claims, which may be more than there are.
        frames: that it probably has, where libsndfile does not know.
        apparent: the size that it must seem to have, so that libsndfile reads it to its end; then it has
            just these frames.
        low_24_bits: 32-bit samples of which the lower 24 bits count.
    """

    pieces: tuple[Piece, ...] | None = None
    declared: int | None = None
    apparent: int | None = None
    frames: int | None = None
    low_24_bits: bool = False


@dataclass
class Found:
    """What a file consists of.

    Attributes:
        parts: one behind the other; one that is the whole file if nothing is known of it; none if it is
            nothing for libsndfile, which would look for MPEG frames in it.
        notes, damage: what is worth telling, and what is missing.
        foreign: what the samples really are, if that is not sound ("DTS").
        streams: of sound, side by side, of which libsndfile reads the first.
    """

    parts: Sequence[Part] = (Part(),)
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    foreign: str | None = None
    streams: int = 1


def find_parts(path: Path) -> Found:
    """The parts of a file. Errors of the operating system pass."""
    # A file is opened twice in a row: to see what it is, and to read it. One that was just written might be
    # another one by now.
    state = os.stat(path)
    if abs(time.time_ns() - state.st_mtime_ns) < _RECENT:
        return _look(path)
    found = _remembered(path, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return replace(found, notes=[*found.notes], damage=[*found.damage])


@lru_cache(maxsize=4)
def _remembered(path: Path, *state: int) -> Found:
    return _look(path)


def _look(path: Path) -> Found:
    with open(path, "rb") as file:
        start = skip_id3(file, 0)
        file.seek(start)
        kind = file.read(4)
        if kind in WAV_FORMS:
            from .wav_file import wav_parts

            return wav_parts(file, start)
        if kind == b"OggS" and not start:
            return ogg_parts(file)
        if kind == b"fLaC":
            return flac_parts(file, start)
        if kind in (b"FORM", b"caff", b".snd", b"dns.", b"riff"):
            from .sized_files import sized_parts

            return sized_parts(file, start, kind)
        if kind in _OTHERS or not (start or kind[:1] == b"\xff" or path.suffix.lower() in _MPEG_SUFFIXES):
            return Found()
        from .mpeg_parts import mpeg_parts

        return mpeg_parts(file, start)


def flac_parts(file: BinaryIO, start: int) -> Found:
    """The FLAC files that a file consists of."""
    end = file.seek(0, 2)
    starts = [start]
    for at in find_all(file, b"fLaC\0\0\0\x22", start + 4, end):
        file.seek(at + 8)
        about = file.read(13)
        blocks, rate = int.from_bytes(about[:2], "big"), int.from_bytes(about[10:13], "big") >> 4
        if blocks >= 16 and rate:
            starts.append(at)
    if len(starts) == 1:
        return Found()
    return Found([Part((Span(a, b - a),)) for a, b in zip(starts, [*starts[1:], end], strict=True)])


def ogg_parts(file: BinaryIO) -> Found:
    """The links of a chained Ogg file; a link begins with the first pages of its streams.

    FLAC in Ogg, which libsndfile as soundfile brings it does not read, is taken out of its pages.
    """
    damage: list[str] = []
    links, size = _ogg_links(file, damage)
    if not links:  # not one page
        return Found(damage=damage)
    if len(links) == 1 and not links[0].flac:
        return Found(damage=damage, streams=links[0].streams)
    ends = [*(link.start for link in links[1:]), size]
    parts = [link.part(end) for link, end in zip(links, ends, strict=True)]
    found = Found(parts, damage=damage, streams=links[0].streams)
    if links[-1].flac and not links[-1].ended:
        found.damage.append("the Ogg stream has no end mark: the file may be truncated")
    return found


def unsearched(count: int) -> str:
    """Of a file so damaged that the search for further ones in it was given up."""
    return f"too many places are damaged: a further file in the last {count} bytes would not be found"


def ogg_starts(file: BinaryIO, damage: list[str]) -> list[int]:
    """Where the links of a chained Ogg file begin; what could not be searched is added to `damage`."""
    return [link.start for link in _ogg_links(file, damage)[0]]


def _ogg_links(file: BinaryIO, damage: list[str]) -> tuple[list[_OggLink], int]:
    """The links, and the size of the file; what could not be searched is added to `damage`."""
    size = file.seek(0, 2)
    links: list[_OggLink] = []
    beginning = False
    for at, head, payload in _ogg_pages(file, size, damage):
        first = bool(head[5] & 2)
        if (first and not beginning) or not links:
            links.append(_OggLink(at))
        beginning = first
        links[-1].add(head, payload)
    return links, size


def _ogg_pages(file: BinaryIO, size: int, damage: list[str]) -> Iterator[tuple[int, bytes, Span]]:
    """Where each page begins, its head with the first bytes after that, and what it holds."""
    at = resyncs = 0
    while resyncs < _MOST_RESYNCS:
        file.seek(at)
        head = file.read(27 + 255 + _OGG_FIRST_BYTES)
        if len(head) < 27:
            return
        begin = at + 27 + head[26]
        end = begin + sum(head[27 : 27 + head[26]])
        file.seek(end)
        if end != size and file.read(4) != b"OggS":
            # The page may be cut short, and the next one lie in what it claims to hold.
            resyncs += 1
            following = next(find_all(file, b"OggS", at + 1, size), size)
        else:
            following = end
        yield at, head, Span(begin, max(0, min(end, following) - begin))
        if following == size:
            return
        at = following
    damage.append(unsearched(size - at))


@dataclass
class _OggLink:
    """One link: where it starts, how many streams of sound it has, and if it is FLAC, of which stream, what
    its pages hold, the number of frames that the last one tells, and whether it says that it is the last."""

    start: int
    streams: int = 0
    flac: bytes = b""
    payload: list[Piece] = field(default_factory=list)
    frames: int | None = None
    ended: bool = False

    def add(self, head: bytes, payload: Span) -> None:
        serial = head[14:18]
        if head[5] & 2 and head[27 + head[26] :].startswith(_OGG_SOUND):
            self.streams += 1
        if head[27 + head[26] :].startswith(_OGG_FLAC) and not self.flac and payload.size > _OGG_FLAC_HEAD:
            self.flac = serial
            # Behind the head of the first packet the file begins as one without Ogg.
            payload = Span(payload.start + _OGG_FLAC_HEAD, payload.size - _OGG_FLAC_HEAD)
        if self.flac == serial and payload.size > 0:
            self.payload.append(payload)
            position = int.from_bytes(head[6:14], "little", signed=True)
            self.frames = position if position > 0 else self.frames
            self.ended = bool(head[5] & 4)

    def part(self, end: int) -> Part:
        if self.flac:
            return Part(tuple(self.payload), frames=self.frames)
        return Part((Span(self.start, end - self.start),))


def few(messages: Sequence[str]) -> list[str]:
    """Each once, and of many parts' the first ones."""
    unlike = list(dict.fromkeys(messages))
    more = len(unlike) - _MOST_MESSAGES
    return unlike if more <= 0 else [*unlike[:_MOST_MESSAGES], f"and {more} more messages like these"]


def says_no_length(size: int, byte_rate: int) -> str:
    """A note of an unfinished header."""
    return f"its header does not say how long it is: read to the end, {seconds(size, byte_rate)}"


def seconds(size: int, byte_rate: int) -> str:
    return f"{size / byte_rate:.3f} s" if byte_rate else f"{size} bytes"


def bytes_left_out(file: BinaryIO, end: int, byte_rate: int) -> list[str]:
    """What to say of bytes from `end` on, behind the last part, that are neither tags nor zeros."""
    rest = file.seek(0, 2) - end
    if not byte_rate or rest < byte_rate // 100:
        return []
    file.seek(end)
    start = file.read(1 << 16)
    if start.lstrip(b"\0").startswith(_TAGS) or not start.strip(b"\0"):
        return []
    return [
        f"after the samples that its header tells of, {rest} bytes are left out "
        f"({seconds(rest, byte_rate)} if they are samples too)"
    ]
