"""Tags and cover art into finished files, by mutagen; into WAV files without it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from .tags import FRONT_COVER, ID3_NAMES, MP4_NAMES, Tags, mime_of, mutagen_installed
from .wav_chunks import appended, info_chunk

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
    "initialkey": "WM/InitialKey",
    "comment": "Description",
}


def write_tags(path: Path, codec: str, tags: Tags) -> None:
    """Add tags to a finished file, not of WAV.

    Raises:
        Exception: anything; the file may be damaged then.
    """
    WRITERS[codec](path, tags)


@contextmanager
def wav_tags(path: Path, tags: Tags, frames: int) -> Iterator[None]:
    """Add tags to a finished WAV file of so many frames, and take them away again if the `with` fails."""
    chunks = tags.marks.chunks(frames) + info_chunk(tags.texts)
    if (tags.texts or tags.cover) and mutagen_installed():
        chunks.append((b"id3 ", _id3_bytes(tags)))
    with appended(path, chunks):
        yield


def _write_mp3(path: Path, tags: Tags) -> None:
    _id3(tags).save(path, v2_version=3)


_UNKNOWN_LANGUAGE = "XXX"  # the code that ID3 prescribes


def _id3(tags: Tags) -> Any:
    """Of version 2.3, which all players read; it goes to UTF-16 there."""
    from mutagen import id3

    file = id3.ID3()
    for name, values in tags.texts.items():
        if name == "comment":
            file.add(id3.COMM(encoding=id3.Encoding.UTF8, lang=_UNKNOWN_LANGUAGE, desc="", text=values))
        else:
            file.add(getattr(id3, ID3_NAMES[name])(encoding=id3.Encoding.UTF8, text=values))
    if tags.cover:
        file.add(
            id3.APIC(
                encoding=id3.Encoding.LATIN1,
                mime=mime_of(tags.cover),
                type=FRONT_COVER,
                desc="",
                data=tags.cover,
            )
        )
    file.update_to_v23()
    return file


def _id3_bytes(tags: Tags) -> bytes:
    data = BytesIO()
    _id3(tags).save(data, v2_version=3, padding=lambda info: 0)
    return data.getvalue()


def _write_aiff(path: Path, tags: Tags) -> None:
    from mutagen.aiff import AIFF

    file = AIFF(path)
    file.add_tags()
    for frame in _id3(tags).values():
        file.tags.add(frame)
    file.save(v2_version=3)


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
                file[MP4_NAMES[name]] = [first if name == "bpm" else (first, second)]
        elif MP4_NAMES[name].startswith("----:"):
            file[MP4_NAMES[name]] = [value.encode() for value in values]
        else:
            file[MP4_NAMES[name]] = values
    if tags.cover:
        kind = MP4Cover.FORMAT_PNG if mime_of(tags.cover) == "image/png" else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(tags.cover, imageformat=kind)]
    file.save()


def _write_wma(path: Path, tags: Tags) -> None:
    from mutagen.asf import ASF, ASFByteArrayAttribute

    file = ASF(path)
    for name, values in tags.texts.items():
        file[_ASF_NAMES[name]] = values
    if tags.cover:
        text = mime_of(tags.cover).encode("utf-16-le") + bytes(2) + bytes(2)
        head = bytes([FRONT_COVER]) + len(tags.cover).to_bytes(4, "little")
        file["WM/Picture"] = [ASFByteArrayAttribute(head + text + tags.cover)]
    file.save()


def _flac_picture(data: bytes) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.data, picture.mime, picture.type = data, mime_of(data), FRONT_COVER
    return picture


WRITERS: dict[str, Callable[[Path, Tags], None]] = {
    "mp3": _write_mp3,
    "aiff": _write_aiff,
    "flac": _write_flac,
    "ogg": _write_ogg,
    "opus": _write_opus,
    "m4a": _write_m4a,
    "wma": _write_wma,
    "stem": _write_m4a,
    "stem-alac": _write_m4a,
}
TAGGED_CODECS = (*WRITERS, "wav")
