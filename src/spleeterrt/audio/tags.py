"""Tags and cover art: from a song to its stems.

    tags = read_tags(song)                      # of whatever file
    tag_writers.write_tags(path, "m4a", tags.titled("vocals"))

mutagen (an optional extra) reads and writes them; the texts of WAV files are read and written without it,
and where it knows nothing of a file, FFmpeg (another one) may. All are imported on first use only.

What describes the recording as a whole (track gains, fingerprints, identifiers, lyrics) stays behind:
it is not true of a stem.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from .ffmpeg import ffmpeg_installed
from .wav_chunks import Marks, read_chunks, read_info, read_marks

NEEDS_MUTAGEN = "tags need mutagen: pip install 'spleeterrt[tags]'"

# The names of Vorbis comments, and what the other formats call them.
NAMES = (
    "title", "artist", "album", "albumartist", "composer", "genre", "date", "tracknumber", "discnumber",
    "copyright", "bpm", "initialkey", "comment",
)  # fmt: skip
ID3_NAMES = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "genre": "TCON",
    "date": "TDRC",
    "tracknumber": "TRCK",
    "discnumber": "TPOS",
    "copyright": "TCOP",
    "bpm": "TBPM",
    "initialkey": "TKEY",
}
MP4_NAMES = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "albumartist": "aART",
    "composer": "\xa9wrt",
    "genre": "\xa9gen",
    "date": "\xa9day",
    "tracknumber": "trkn",
    "discnumber": "disk",
    "copyright": "cprt",
    "bpm": "tmpo",
    "initialkey": "----:com.apple.iTunes:initialkey",
    "comment": "\xa9cmt",
}
# What Vorbis comments, APEv2, ASF and FFmpeg call them, without case, spaces, `_` and ASF's `WM/`; the first
# that has a value counts.
_KEYS = {
    "title": ("title",),
    "artist": ("artist", "author"),
    "album": ("album", "albumtitle"),
    "albumartist": ("albumartist",),
    "composer": ("composer",),
    "genre": ("genre",),
    "date": ("date", "year"),
    "tracknumber": ("tracknumber", "track"),
    "discnumber": ("discnumber", "disc", "partofset"),
    "copyright": ("copyright",),
    "bpm": ("bpm", "tbpm", "tempo", "beatsperminute"),
    "initialkey": ("initialkey", "key"),
    "comment": ("comment", "description"),
}
_TOTALS = {"tracknumber": ("tracktotal", "totaltracks"), "discnumber": ("disctotal", "totaldiscs")}
FRONT_COVER = 3
_APE_COVER = "cover art (front)"
_MAX_COVER = 16 << 20  # bytes


@dataclass(frozen=True)
class Tags:
    """Texts by name, the front cover, and of WAV files the times that are marked in them."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    cover: bytes = b""
    marks: Marks = field(default_factory=Marks)

    def __bool__(self) -> bool:
        return bool(self.texts or self.cover or self.marks)

    def titled(self, stem: str) -> Tags:
        """The same with `Song (stem)` as the title, so that players tell the files apart."""
        name = stem.replace("_", " ")
        titles = [f"{title} ({name})" for title in self.texts.get("title", [])]
        return replace(self, texts={**self.texts, "title": titles}) if titles else self

    def moved(self, start: int, rate: int, new_rate: int) -> Tags:
        """The same for a part of the song from frame `start` on, at another rate."""
        return replace(self, marks=self.marks.moved(start, rate, new_rate)) if self.marks else self


@cache
def mutagen_installed() -> bool:
    return find_spec("mutagen") is not None


def read_tags(path: Path, *, texts: bool = True, marks: bool = True) -> Tags:
    """The tags of a file, or some of them; empty where there are none or none that can be read.

    Args:
        texts: texts and cover too.
        marks: time reference and cue points too.
    """
    found, cover = _read_texts(path) if texts else ({}, b"")
    return Tags(found, cover, _read_marks(path) if marks else Marks())


def _read_texts(path: Path) -> tuple[dict[str, list[str]], bytes]:
    texts, cover = _read_mutagen(path) if mutagen_installed() else ({}, b"")
    with suppress(OSError):
        texts = {**read_info(path), **texts}
    if not texts and ffmpeg_installed():
        texts, other = _read_ffmpeg(path)
        cover = cover or other
    ordered = {name: texts[name] for name in NAMES if name in texts}
    return ordered, cover if len(cover) <= _MAX_COVER else b""


def _read_marks(path: Path) -> Marks:
    try:
        return read_marks(path)
    except OSError:
        return Marks()


def mime_of(data: bytes) -> str:
    """Of the two kinds of pictures that all formats can hold; else ""."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""


# --- by mutagen ----------------------------------------------------------------------


def _read_mutagen(path: Path) -> tuple[dict[str, list[str]], bytes]:
    import mutagen
    from mutagen.id3 import ID3

    try:
        wav = read_chunks(path, [b"id3 ", b"ID3 "])
        if wav:  # of RF64 too, which mutagen does not read
            tags = ID3(fileobj=BytesIO(wav[0][1]))
            return _id3_texts(tags), _front([(frame.type, frame.data) for frame in tags.getall("APIC")])
        file = mutagen.File(path)
        if file is None or file.tags is None:
            return {}, b""
        return _texts_of(file), _front(_pictures(file))
    except Exception:  # mutagen's own, and what damaged files make of others
        return {}, b""


def _texts_of(file: Any) -> dict[str, list[str]]:
    tags: Any = file.tags
    if hasattr(tags, "getall"):  # ID3, in whatever container
        return _id3_texts(tags)
    if type(file).__name__ == "MP4":
        found = {name: tags[key] for name, key in MP4_NAMES.items() if key in tags}
        return _cleaned({name: [_mp4_text(value) for value in values] for name, values in found.items()})
    return _by_keys({key: _values(tags[key]) for key in dict.fromkeys(tags.keys())})


def _id3_texts(tags: Any) -> dict[str, list[str]]:
    texts = {
        name: [text for frame in tags.getall(key) for text in _frame_texts(frame)]
        for name, key in ID3_NAMES.items()
    }
    # Those with a description are of programs, for programs.
    comments = [frame for frame in tags.getall("COMM") if frame.desc in ("", "ID3v1 Comment")]
    texts["comment"] = [text for frame in comments[:1] for text in _frame_texts(frame)]
    others = _by_keys({frame.desc: _frame_texts(frame) for frame in tags.getall("TXXX")})  # of FFmpeg, say
    return {**others, **_cleaned(texts)}


def _frame_texts(frame: Any) -> list[str]:
    # Genres may be numbers that stand for names.
    return [str(text) for text in getattr(frame, "genres", frame.text)]


def _mp4_text(value: Any) -> str:
    """A pair of numbers is MP4's way to say "3/12"."""
    if isinstance(value, tuple):
        return f"{value[0]}/{value[1]}" if value[1] else str(value[0] or "")
    if isinstance(value, bytes):  # under a name of one's own
        return value.decode("utf-8", "replace")
    return str(value)


def _values(value: Any) -> list[str]:
    """Of Vorbis comments and ASF lists; of APEv2 texts, between zeros, or something binary."""
    if isinstance(value, list):
        return [str(item) for item in value if not isinstance(getattr(item, "value", ""), bytes)]
    return str(value).split("\0") if getattr(value, "kind", None) == 0 else []


def _pictures(file: Any) -> list[tuple[int, bytes]]:
    """(type, data); the type is ID3's."""
    tags = file.tags
    if hasattr(tags, "getall"):
        return [(frame.type, frame.data) for frame in tags.getall("APIC")]
    if getattr(file, "pictures", None):  # FLAC
        return [(picture.type, picture.data) for picture in file.pictures]
    if "covr" in tags:
        return [(FRONT_COVER, bytes(data)) for data in tags["covr"]]
    if "WM/Picture" in tags:
        return [_asf_picture(attribute.value) for attribute in tags["WM/Picture"]]
    if "metadata_block_picture" in tags:
        from mutagen.flac import Picture

        found = [Picture(base64.b64decode(text)) for text in tags["metadata_block_picture"]]
        return [(picture.type, picture.data) for picture in found]
    if _APE_COVER in tags:  # behind the name of a file
        return [(FRONT_COVER, bytes(tags[_APE_COVER].value).split(b"\0", 1)[-1])]
    return []


def _front(pictures: list[tuple[int, bytes]]) -> bytes:
    """The front cover, or the first picture."""
    known = [(kind, data) for kind, data in pictures if mime_of(data)]
    known.sort(key=lambda picture: picture[0] != FRONT_COVER)
    return known[0][1] if known else b""


def _asf_picture(value: bytes) -> tuple[int, bytes]:
    """WM/Picture: type, size, then MIME type and description in UTF-16 with zeros at their ends."""
    size = int.from_bytes(value[1:5], "little")
    return value[0], value[len(value) - size :] if size else b""


# --- by FFmpeg -----------------------------------------------------------------------


def _read_ffmpeg(path: Path) -> tuple[dict[str, list[str]], bytes]:
    """Of Matroska, QuickTime, CAF, TTA, AU, ..."""
    from .ffmpeg_source import open_input

    try:
        with open(path, "rb") as file, open_input(file) as container:
            metadata = dict(container.metadata)
            if container.format.name == "ogg":
                metadata |= container.streams.audio[0].metadata
            texts = _by_keys({key: [value] for key, value in metadata.items()})
            pictures = [
                bytes(next(container.demux(stream)))
                for stream in container.streams.video
                if stream.disposition & type(stream.disposition).attached_pic
            ]
            return texts, _front([(FRONT_COVER, data) for data in pictures])
    except Exception:  # FFmpeg's own, and what damaged files make of others
        return {}, b""


# --- names ---------------------------------------------------------------------------


def _by_keys(values: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Texts under whatever names."""
    folded: dict[str, list[str]] = {}
    for key, texts in values.items():
        name = (
            key.casefold()
            .removeprefix("wm/")
            .removeprefix("com.apple.quicktime.")
            .replace(" ", "")
            .replace("_", "")
        )
        folded.setdefault(name, []).extend(texts)
    found = _cleaned({name: _first(folded, keys) for name, keys in _KEYS.items()})
    for name, keys in _TOTALS.items():
        total = _first(folded, keys)
        if name in found and total and "/" not in found[name][0]:
            found[name] = [f"{found[name][0]}/{total[0]}"]
    return found


def _first(folded: Mapping[str, list[str]], keys: Iterable[str]) -> list[str]:
    return next((folded[key] for key in keys if any(folded.get(key, ()))), [])


def _cleaned(texts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Without empty values, and without values that some programs write twice."""
    unique = {
        name: [text for text in dict.fromkeys(values) if text.strip()] for name, values in texts.items()
    }
    return {name: values for name, values in unique.items() if values}
