"""Tags and cover art: from a song to its stems. On mutagen (an optional extra), imported on first use only.

    tags = read_tags(song)                      # of mp3, flac, ogg, opus, m4a, wma, aiff, wav
    write_tags(path, "m4a", tags.titled("vocals"))

What describes the recording as a whole (track gains, fingerprints, identifiers, lyrics) stays behind:
it is not true of a stem.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDS_MUTAGEN = "tags need mutagen: pip install 'spleeterrt[tags]'"
TAGGED_CODECS = ("mp3", "flac", "ogg", "opus", "m4a", "wma")

# The names of Vorbis comments, and what the other formats call them.
_NAMES = (
    "title", "artist", "album", "albumartist", "composer", "genre", "date", "tracknumber", "discnumber",
    "copyright", "bpm",
)  # fmt: skip
_ID3_NAMES = {
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
}
_MP4_NAMES = {
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
}
_ASF_NAMES = {
    "title": "Title",
    "artist": "Author",
    "album": "WM/AlbumTitle",
    "albumartist": "WM/AlbumArtist",
    "composer": "WM/Composer",
    "genre": "WM/Genre",
    "date": "WM/Year",
    "tracknumber": "WM/TrackNumber",
    "discnumber": "WM/PartOfSet",
    "copyright": "Copyright",
    "bpm": "WM/BeatsPerMinute",
}
_FRONT_COVER = 3
_MAX_COVER = 16 << 20  # bytes


@dataclass(frozen=True)
class Tags:
    """Texts by name, and the front cover."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    cover: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.texts or self.cover)

    def titled(self, stem: str) -> Tags:
        """The same with `Song (stem)` as the title, so that players tell the files apart."""
        titles = [f"{title} ({stem})" for title in self.texts.get("title", [])]
        return replace(self, texts={**self.texts, "title": titles}) if titles else self


@cache
def mutagen_installed() -> bool:
    return find_spec("mutagen") is not None


def read_tags(path: Path) -> Tags:
    """The tags of a file; empty where there are none or none that can be read."""
    import mutagen

    try:
        file = mutagen.File(path)
        if file is None or file.tags is None:
            return Tags()
        cover = _read_cover(file)
        return Tags(_read_texts(path, file), cover if len(cover) <= _MAX_COVER else b"")
    except Exception:  # mutagen's own, and what damaged files make of others
        return Tags()


def write_tags(path: Path, codec: str, tags: Tags) -> None:
    """Add tags to a finished file.

    Raises:
        Exception: anything; the file may be damaged then.
    """
    _WRITERS[codec](path, tags)


def _read_texts(path: Path, file: Any) -> dict[str, list[str]]:
    kind = type(file).__name__
    tags: Any = file.tags
    texts: dict[str, list[str]] = {}
    if hasattr(tags, "getall"):  # ID3, in whatever container
        for name, frame in _ID3_NAMES.items():
            found = [text for item in tags.getall(frame) for text in _id3_texts(item) if text]
            if found:
                texts[name] = found
        return texts
    names = {"MP4": _MP4_NAMES, "ASF": _ASF_NAMES}.get(kind, {})
    for name in _NAMES:
        key = names.get(name, name)
        found = [_text(value) for value in tags[key]] if key in tags else []
        found = [value for value in found if value]
        if found:
            texts[name] = found
    return texts


def _text(value: Any) -> str:
    """A pair of numbers is MP4's way to say "3/12"."""
    if isinstance(value, tuple):
        return f"{value[0]}/{value[1]}" if value[1] else str(value[0] or "")
    return str(value)


def _id3_texts(frame: Any) -> list[str]:
    # Genres may be numbers that stand for names.
    return [str(text) for text in getattr(frame, "genres", frame.text)]


def _read_cover(file: Any) -> bytes:
    """The front cover, or the first picture."""
    pictures: list[tuple[int, bytes]] = []
    tags = file.tags
    if hasattr(tags, "getall"):  # ID3
        pictures = [(frame.type, frame.data) for frame in tags.getall("APIC")]
    elif getattr(file, "pictures", None):  # FLAC
        pictures = [(picture.type, picture.data) for picture in file.pictures]
    elif "covr" in tags:
        pictures = [(_FRONT_COVER, bytes(data)) for data in tags["covr"]]
    elif "WM/Picture" in tags:
        pictures = [_asf_picture(attribute.value) for attribute in tags["WM/Picture"]]
    elif "metadata_block_picture" in tags:
        from mutagen.flac import Picture

        found = [Picture(base64.b64decode(text)) for text in tags["metadata_block_picture"]]
        pictures = [(picture.type, picture.data) for picture in found]
    pictures = [(kind, data) for kind, data in pictures if _mime(data)]
    pictures.sort(key=lambda picture: picture[0] != _FRONT_COVER)
    return pictures[0][1] if pictures else b""


def _mime(data: bytes) -> str:
    """Of the two kinds of pictures that all formats can hold; else ""."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""


def _asf_picture(value: bytes) -> tuple[int, bytes]:
    """WM/Picture: type, size, then MIME type and description in UTF-16 with zeros at their ends."""
    size = int.from_bytes(value[1:5], "little")
    return value[0], value[len(value) - size :] if size else b""


# --- writing ------------------------------------------------------------------------


def _write_mp3(path: Path, tags: Tags) -> None:
    from mutagen import id3

    file = id3.ID3()
    for name, values in tags.texts.items():
        file.add(getattr(id3, _ID3_NAMES[name])(encoding=id3.Encoding.UTF8, text=values))
    if tags.cover:
        file.add(
            id3.APIC(
                encoding=id3.Encoding.LATIN1,
                mime=_mime(tags.cover),
                type=_FRONT_COVER,
                desc="",
                data=tags.cover,
            )
        )
    file.update_to_v23()  # what all players read; it goes to UTF-16 there
    file.save(path, v2_version=3)


def _write_flac(path: Path, tags: Tags) -> None:
    from mutagen.flac import FLAC

    file = FLAC(path)
    file.update(tags.texts)
    if tags.cover:
        file.add_picture(_flac_picture(tags.cover))
    file.save()


def _write_ogg(path: Path, tags: Tags) -> None:
    from mutagen.oggvorbis import OggVorbis

    _save_ogg(OggVorbis(path), tags)


def _write_opus(path: Path, tags: Tags) -> None:
    from mutagen.oggopus import OggOpus

    _save_ogg(OggOpus(path), tags)


def _save_ogg(file: Any, tags: Tags) -> None:
    file.update(tags.texts)
    if tags.cover:
        picture = base64.b64encode(_flac_picture(tags.cover).write())
        file["metadata_block_picture"] = [picture.decode("ascii")]
    file.save()


def _write_m4a(path: Path, tags: Tags) -> None:
    from mutagen.mp4 import MP4, MP4Cover

    file = MP4(path)
    for name, values in tags.texts.items():
        if name in ("tracknumber", "discnumber", "bpm"):
            numbers = re.fullmatch(r"\s*(\d{1,4})(?:\s*/\s*(\d{1,4}))?(?:\.\d*)?\s*", values[0])
            if numbers is not None:
                first, second = int(numbers[1]), int(numbers[2] or 0)
                file[_MP4_NAMES[name]] = [first if name == "bpm" else (first, second)]
        else:
            file[_MP4_NAMES[name]] = values
    if tags.cover:
        kind = MP4Cover.FORMAT_PNG if _mime(tags.cover) == "image/png" else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(tags.cover, imageformat=kind)]
    file.save()


def _write_wma(path: Path, tags: Tags) -> None:
    from mutagen.asf import ASF, ASFByteArrayAttribute

    file = ASF(path)
    for name, values in tags.texts.items():
        file[_ASF_NAMES[name]] = values
    if tags.cover:
        text = _mime(tags.cover).encode("utf-16-le") + bytes(2) + bytes(2)
        head = bytes([_FRONT_COVER]) + len(tags.cover).to_bytes(4, "little")
        file["WM/Picture"] = [ASFByteArrayAttribute(head + text + tags.cover)]
    file.save()


def _flac_picture(data: bytes) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.data, picture.mime, picture.type = data, _mime(data), _FRONT_COVER
    return picture


_WRITERS: dict[str, Callable[[Path, Tags], None]] = {
    "mp3": _write_mp3,
    "flac": _write_flac,
    "ogg": _write_ogg,
    "opus": _write_opus,
    "m4a": _write_m4a,
    "wma": _write_wma,
}
