"""Native Instruments' stem files: what the box in them says, and where in the file it is.

A stem file is an MP4 file with five stereo tracks, the mix and four stems, and a box `moov/udta/stem` of
JSON: names and colours of the stems, and a compressor and limiter that players may put behind them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..atomic import replace, temporary

STEM_CODECS = ("stem", "stem-alac")
STEM_ENDINGS = (".stem.mp4", ".stem.m4a")
MIX = "mix"  # the first track
STEMS = "stems"  # the one file, among files that are named after stems
STEM_COUNT = 4
_ORDER = ("drums", "bass", "other", "vocals")  # in which DJ programs show them
# A palette that is told apart with any kind of colour vision (Okabe and Ito), as other programs use it.
_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
# Both switched off: the stems sound as they are.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.0,
        "output_gain": 0.0,
        "threshold": 0.0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3.0,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "threshold": 0.0, "ceiling": -0.35, "release": 0.05},
}
_LARGEST_MANIFEST = 1 << 20  # bytes
_LARGEST_MOVIE = 1 << 28  # bytes of `moov`: of some 90 hours
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def is_stem_file(name: str | os.PathLike[str]) -> bool:
    """Whether a file's name is that of a stem file."""
    return os.fspath(name).lower().endswith(STEM_ENDINGS)


def in_order(stems: Sequence[str]) -> tuple[str, ...]:
    """Stems as a stem file has them: drums, bass, other, vocals; those of other names stay in their order."""
    return _ORDER if set(stems) == set(_ORDER) else tuple(stems)


def manifest(stems: Sequence[str]) -> bytes:
    """The content of the box, for four stems in order."""
    described = [
        {"color": colour, "name": stem.capitalize()} for stem, colour in zip(stems, _COLOURS, strict=True)
    ]
    content = {"mastering_dsp": _MASTERING, "version": 1, "stems": described}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Box:
    """One of an MP4 file.

    Attributes:
        start, body, end: positions of its first byte, of its content, and of the byte after it.
    """

    kind: bytes
    start: int
    body: int
    end: int


def read_names(path: Path) -> list[str] | None:
    """The names of the stems in a stem file, as it has them; None: it is none.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        box = _find(file, (b"moov", b"udta", b"stem"))
        if box is None or box.end - box.body > _LARGEST_MANIFEST:
            return None
        file.seek(box.body)
        text = file.read(box.end - box.body).rstrip(b"\0")  # some programs end it as C does
    try:
        stems = json.loads(text)["stems"]
        return [str(stem.get("name") or "") for stem in stems]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def add_manifest(path: Path, content: bytes) -> int:
    """Put the box into an MP4 file that has none. Returns by how many bytes the file has grown.

    The file is changed in place where `moov` comes last; else it is written anew, with all offsets moved.

    Raises:
        ValueError: the file is no MP4 file, or of a kind that this would break.
        OSError: it cannot be written, and may be damaged.
    """
    box = _box(b"stem", content)
    with open(path, "r+b") as file:
        boxes = list(_boxes(file, 0, os.fstat(file.fileno()).st_size))
        kinds = [found.kind for found in boxes]
        if kinds.count(b"moov") != 1 or b"moof" in kinds:
            raise ValueError("it is not an MP4 file with one index")
        movie = boxes[kinds.index(b"moov")]
        if movie.end - movie.start > _LARGEST_MOVIE:
            raise ValueError("its index is too large")
        file.seek(movie.start)
        data = file.read(movie.end - movie.start)
        is_last = movie is boxes[-1]
        grown = _with_box(data, box, None if is_last else movie.end)
        if is_last:
            file.seek(movie.start)
            file.write(grown)
            return len(grown) - len(data)
    _write_anew(path, movie, grown)
    return len(grown) - len(data)


def _write_anew(path: Path, movie: Box, grown: bytes) -> None:
    made = temporary(path.parent)
    try:
        with open(path, "rb") as source, open(made, "xb") as target:
            target.write(source.read(movie.start))
            target.write(grown)
            source.seek(movie.end)
            shutil.copyfileobj(source, target)
        replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def _with_box(movie: bytes, box: bytes, end: int | None) -> bytes:
    """A `moov` box with `box` in its `udta`; `end`: where samples that thereby move begin, None: none do."""
    children = list(_children(movie, 8, len(movie)))
    user = next((child for child in children if child.kind == b"udta"), None)
    if user is None:
        body = movie[8:] + _box(b"udta", box)
        delta = len(box) + 8
    else:
        if any(child.kind == b"stem" for child in _children(movie, user.body, user.end)):
            raise ValueError("it has such a box already")
        inside = list(_children(movie, user.body, user.end))
        last = inside[-1].end if inside else user.body
        grown = _box(b"udta", movie[user.body : last] + box)  # without the zeros that QuickTime puts there
        body = movie[8 : user.start] + grown + movie[user.end :]
        delta = len(grown) - (user.end - user.start)
    out = bytearray(_box(b"moov", body))
    if end is not None:
        _move_offsets(out, 8, len(out), end, delta)
    return bytes(out)


def _move_offsets(data: bytearray, start: int, stop: int, end: int, delta: int) -> None:
    """Add to all positions of samples that lie from `end` on."""
    for child in _children(data, start, stop):
        if child.kind in _PARENTS:
            _move_offsets(data, child.body, child.end, end, delta)
        elif child.kind in (b"stco", b"co64"):
            width = 4 if child.kind == b"stco" else 8
            count = int.from_bytes(data[child.body + 4 : child.body + 8], "big")
            for at in range(child.body + 8, min(child.body + 8 + width * count, child.end), width):
                offset = int.from_bytes(data[at : at + width], "big")
                if offset >= end:
                    if offset + delta >= 1 << (8 * width):
                        raise ValueError("it is too long for its 32-bit offsets")
                    data[at : at + width] = (offset + delta).to_bytes(width, "big")


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def _find(file: BinaryIO, path: Sequence[bytes]) -> Box | None:
    start, stop = 0, os.fstat(file.fileno()).st_size
    found = None
    for kind in path:
        found = next((box for box in _boxes(file, start, stop) if box.kind == kind), None)
        if found is None:
            return None
        start, stop = found.body, found.end
    return found


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    """Those that lie side by side in a part of a file; ends where something else does."""

    def read(at: int, size: int) -> bytes:
        file.seek(at)
        return file.read(size)

    return _walk(read, start, stop)


def _children(data: bytes | bytearray, start: int, stop: int) -> Iterator[Box]:
    return _walk(lambda at, size: bytes(data[at : at + size]), start, stop)


def _walk(read: Any, start: int, stop: int) -> Iterator[Box]:
    while stop - start >= 8:
        head = read(start, 16)
        size, body = int.from_bytes(head[:4], "big"), start + 8
        if size == 1 and len(head) == 16:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            size = stop - start  # to the end
        if size < body - start or start + size > stop:
            return
        yield Box(head[4:8], start, body, start + size)
        start += size
