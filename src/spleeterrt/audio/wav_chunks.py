"""Chunks of WAV files (RIFF, RF64, BW64) beside format and samples: texts, time reference, cue points.

What is written goes behind the samples: readers that skip no chunk before them find them where they
always were, and the samples stay as they are.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from .pcm import WAV_FORMS

_MOST_BYTES = 32 << 20  # of a chunk that is read
_UNKNOWN = 0xFFFFFFFF

# LIST INFO, by the names of Vorbis comments. Where two are known the first one is written.
_INFO = {
    "title": (b"INAM",),
    "artist": (b"IART",),
    "album": (b"IPRD", b"IALB"),
    "composer": (b"IMUS",),
    "genre": (b"IGNR",),
    "date": (b"ICRD", b"YEAR"),
    "tracknumber": (b"ITRK", b"IPRT", b"TRCK"),
    "copyright": (b"ICOP",),
    "comment": (b"ICMT", b"COMM"),
}


def read_chunks(path: Path, names: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """(name, body) of the chunks of these names, in order; none if it is no WAV file."""
    wanted = set(names)
    with open(path, "rb") as file:
        return [(name, _read(file, size)) for name, size in _chunks(file) if name in wanted]


def _read(file: BinaryIO, size: int) -> bytes:
    here = file.tell()
    data = file.read(size) if size <= _MOST_BYTES else b""
    file.seek(here)
    return data


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(name, size) of each chunk, the file being at its body."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in WAV_FORMS or head[8:] != b"WAVE":
        return
    end = os.fstat(file.fileno()).st_size
    long_size = None
    while len(chunk := file.read(8)) == 8:
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        start = file.tell()
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
            file.seek(start)
        if name == b"data" and size == _UNKNOWN and long_size is not None:
            size = long_size
        if start + size > end:  # cut off, or of unknown length: nothing follows
            return
        yield name, size
        file.seek(start + size + (size & 1))


# --- texts ---------------------------------------------------------------------------


def read_info(path: Path) -> dict[str, list[str]]:
    """The texts of LIST INFO."""
    found: dict[bytes, str] = {}
    for _, body in read_chunks(path, [b"LIST"]):
        if body.startswith(b"INFO"):
            for name, text in _sub_chunks(body):
                found.setdefault(name, _decoded(text))
    texts = {}
    for key, names in _INFO.items():
        values = [found[name] for name in names if found.get(name)]
        if values:
            texts[key] = values[:1]
    return texts


def info_chunk(texts: Mapping[str, list[str]]) -> list[tuple[bytes, bytes]]:
    """A LIST chunk; several values of a name are joined."""
    parts = [
        _chunk(_INFO[name][0], "; ".join(values).encode() + b"\0")
        for name, values in texts.items()
        if name in _INFO and values
    ]
    return [(b"LIST", b"INFO" + b"".join(parts))] if parts else []


def _decoded(text: bytes) -> str:
    """Most programs write UTF-8; older ones what Windows used where they ran."""
    text = text.split(b"\0", 1)[0]
    try:
        return text.decode().strip()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").strip()


def _sub_chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 4
    while at + 8 <= len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        yield body[at : at + 4], body[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


# --- times ---------------------------------------------------------------------------

_TIME_REFERENCE = slice(338, 346)
_UMID = slice(348, 412)
_LOUDNESS = slice(412, 422)
_LEAST_BEXT = 602


@dataclass(frozen=True)
class Cue:
    """A cue point: its number, its frame, and what belongs to it (`labl`, `note`, `ltxt`)."""

    number: int
    frame: int
    notes: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Marks:
    """The time reference (the `bext` chunk of Broadcast WAV) and the cue points of a file."""

    bext: bytes = b""
    cues: tuple[Cue, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.bext or self.cues)

    def moved(self, start: int, rate: int, new_rate: int) -> Marks:
        """Those of a part from frame `start` on, at another rate."""

        def scaled(frames: int) -> int:
            return (2 * frames * new_rate + rate) // (2 * rate)

        bext = bytearray(self.bext)
        if bext:
            reference = int.from_bytes(bext[_TIME_REFERENCE], "little")
            bext[_TIME_REFERENCE] = struct.pack("<Q", scaled(reference + start) & (1 << 64) - 1)
            # A stem is another material, as loud as it is.
            bext[_UMID] = bytes(64)
            if int.from_bytes(bext[346:348], "little") >= 2:
                bext[_LOUDNESS] = struct.pack("<h", 0x7FFF) * 5  # "not set"
        cues = tuple(
            replace(
                cue,
                frame=scaled(cue.frame - start),
                notes=tuple(_scaled_note(note, scaled) for note in cue.notes),
            )
            for cue in self.cues
            if cue.frame >= start
        )
        return Marks(bytes(bext), cues)

    def chunks(self, frames: int) -> list[tuple[bytes, bytes]]:
        """For a file of so many frames: cue points behind its end are left out."""
        found = [(b"bext", self.bext)] if self.bext else []
        cues = [cue for cue in self.cues if cue.frame <= frames]
        if cues:
            rows = (struct.pack("<II4sIII", cue.number, cue.frame, b"data", 0, 0, cue.frame) for cue in cues)
            found.append((b"cue ", struct.pack("<I", len(cues)) + b"".join(rows)))
        notes = [
            _chunk(kind, struct.pack("<I", cue.number) + body) for cue in cues for kind, body in cue.notes
        ]
        if notes:
            found.append((b"LIST", b"adtl" + b"".join(notes)))
        return found


def _scaled_note(note: tuple[bytes, bytes], scaled: Callable[[int], int]) -> tuple[bytes, bytes]:
    """The text of a region begins with its length."""
    kind, body = note
    if kind != b"ltxt" or len(body) < 4:
        return note
    length = min(scaled(int.from_bytes(body[:4], "little")), _UNKNOWN)
    return kind, struct.pack("<I", length) + body[4:]


def read_marks(path: Path) -> Marks:
    bext = b""
    positions: dict[int, int] = {}
    notes: dict[int, list[tuple[bytes, bytes]]] = {}
    for name, body in read_chunks(path, [b"bext", b"cue ", b"LIST"]):
        if name == b"bext" and len(body) >= _LEAST_BEXT:
            bext = body
        elif name == b"cue ":
            for at in range(4, len(body) - 23, 24):
                number, _, _, _, _, frame = struct.unpack_from("<II4sIII", body, at)
                positions[number] = frame
        elif body.startswith(b"adtl"):
            for kind, note in _sub_chunks(body):
                if kind in (b"labl", b"note", b"ltxt") and len(note) >= 4:
                    notes.setdefault(int.from_bytes(note[:4], "little"), []).append((kind, note[4:]))
    cues = [Cue(number, frame, tuple(notes.get(number, ()))) for number, frame in positions.items()]
    return Marks(bext, tuple(sorted(cues, key=lambda cue: (cue.frame, cue.number))))


# --- writing ---------------------------------------------------------------------------


@contextmanager
def appended(path: Path, chunks: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """Chunks behind those of a WAV file that is complete; taken away again if the body of the `with` fails.

    Raises:
        ValueError: the file would become larger than its header can tell.
    """
    with open(path, "r+b") as file:
        head = file.read(28)
        end = file.seek(0, os.SEEK_END)
        try:
            file.write(bytes(end & 1) + b"".join(_chunk(name, body) for name, body in chunks))
            _set_size(file, head, file.tell())
            file.flush()
            yield
        except BaseException:
            file.truncate(end)
            file.seek(0)
            file.write(head)
            raise


def _set_size(file: BinaryIO, head: bytes, end: int) -> None:
    if head[:4] == b"RIFF":
        if end - 8 >= _UNKNOWN:
            raise ValueError("the file would be larger than 4 GiB")
        file.seek(4)
        file.write(struct.pack("<I", end - 8))
    elif head[12:16] == b"ds64":
        file.seek(20)
        file.write(struct.pack("<Q", end - 8))
    else:
        raise ValueError("not a WAV file")
