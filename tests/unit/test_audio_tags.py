"""Tags and cover art: from every format to every format, and what goes wrong with them."""

from __future__ import annotations

import base64
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from spleeterrt.audio import encoder
from spleeterrt.audio import tags as tags_module
from spleeterrt.audio.ffmpeg import ffmpeg_installed
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.stem_files import STEM_CODECS
from spleeterrt.audio.tag_writers import WRITERS, write_tags
from spleeterrt.audio.tags import Tags, read_tags
from spleeterrt.audio.writer import StemFileWriter
from support.audio_files import tones, write

pytest.importorskip("mutagen", reason="the extra spleeterrt[tags] is not installed")

CASES = Path(__file__).parents[3] / "shared" / "cases"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300 + b"\xff\xd9"  # large: more than one Ogg page
TEXTS = {
    "title": ["Sóng 音"],
    "artist": ["One", "Two"],
    "album": ["Album"],
    "albumartist": ["Various"],
    "composer": ["Somebody"],
    "genre": ["Jazz"],
    "date": ["1999"],
    "tracknumber": ["3/12"],
    "discnumber": ["1/2"],
    "initialkey": ["F#m"],
    "comment": ["Nice"],
}
if ffmpeg_installed():
    import av
# Stem files, which hold several tracks, have tests of their own.
CODECS = [c for c in WRITERS if c not in STEM_CODECS and (c not in ("m4a", "wma") or ffmpeg_installed())]


def save(path, codec, tags=None):
    wave = tones(20_000, rate=48000)
    with StemFileWriter({"a": path}, 48000, codec=codec, tags={"a": tags} if tags else None) as out:
        out.write({"a": wave})
    return path


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader))


def same(found, expected, codec):
    texts = dict(expected.texts)
    if codec in ("mp3", "aiff"):  # ID3v2.3 joins several values
        texts["artist"] = ["One/Two"]
    assert found.texts == texts
    assert found.cover == expected.cover


@pytest.mark.parametrize("cover", [PNG, JPEG, b""], ids=["png", "jpeg", "none"])
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip(tmp_path, codec, cover):
    plain = read(save(tmp_path / f"plain.{codec}", codec))
    tags = Tags(TEXTS, cover)
    path = save(tmp_path / f"a.{codec}", codec, tags)
    same(read_tags(path), tags, codec)
    np.testing.assert_array_equal(read(path), plain)  # the audio is what it was
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{codec}", f"plain.{codec}"]


@pytest.mark.parametrize("kind", ["wav", "aiff"])
def test_id3_in_other_files(tmp_path, kind):
    import mutagen
    from mutagen.id3 import APIC, TCON, TDRC, TIT2

    path = write(tmp_path / f"a.{kind}", tones(1000))
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="Song"))
    file.tags.add(TDRC(encoding=3, text="1999-02-03"))
    file.tags.add(TCON(encoding=3, text="(17)"))
    file.tags.add(APIC(encoding=3, mime="image/png", type=4, desc="back", data=b"\x89PNG\r\n\x1a\nback"))
    file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="front", data=PNG))
    file.save()
    assert read_tags(path) == Tags({"title": ["Song"], "date": ["1999-02-03"], "genre": ["Rock"]}, PNG)
    assert len(read(path)) == 1000


def test_titles_name_the_stem():
    assert Tags({"title": ["A"]}).titled("no_vocals").texts == {"title": ["A (no vocals)"]}
    assert Tags(TEXTS, PNG).titled("vocals") == Tags({**TEXTS, "title": ["Sóng 音 (vocals)"]}, PNG)
    assert Tags({"artist": ["A"]}).titled("vocals") == Tags({"artist": ["A"]})
    assert not Tags()


def test_what_has_no_tags(tmp_path):
    (tmp_path / "text.mp3").write_text("no music\n" * 100)
    (tmp_path / "empty.flac").touch()
    (tmp_path / "noise.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + np.random.default_rng(0).bytes(5000))
    write(tmp_path / "plain.flac", tones(100))
    for name in ("text.mp3", "empty.flac", "noise.m4a", "plain.flac", "missing.ogg"):
        assert read_tags(tmp_path / name) == Tags()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seed", range(6))
def test_damaged_tags_never_raise(tmp_path, codec, seed):
    path = save(tmp_path / f"a.{codec}", codec, Tags(TEXTS, JPEG))
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(seed)
    for at in generator.integers(0, min(len(data), 4000), 30):
        data[at] = generator.integers(256)
    path.write_bytes(data)
    read_tags(path)


def test_a_picture_of_another_kind_stays_behind(tmp_path):
    path = save(tmp_path / "a.flac", "flac")
    from mutagen.flac import FLAC, Picture

    file = FLAC(path)
    picture = Picture()
    picture.data, picture.mime, picture.type = b"GIF89a...", "image/gif", 3
    file.add_picture(picture)
    file["title"] = "x"
    file.save()
    assert read_tags(path) == Tags({"title": ["x"]})


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("damage", [False, True])
def test_a_failure_costs_the_tags_only(tmp_path, monkeypatch, caplog, codec, damage):
    expected = read(save(tmp_path / f"plain.{codec}", codec))

    def fail(path, codec, tags):
        if damage:
            path.write_bytes(b"lost")
            return
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoder, "write_tags", fail)
    path = save(tmp_path / f"a.{codec}", codec, Tags(TEXTS))
    np.testing.assert_array_equal(read(path), expected)
    assert "the tags could not be written" in caplog.text
    assert len(list(tmp_path.iterdir())) == 2


def test_odd_values(tmp_path):
    tags = Tags({"tracknumber": ["three"], "title": ["a\nb"], "bpm": ["fast"], "date": ["sometime"]})
    for codec in CODECS:
        path = save(tmp_path / f"a.{codec}", codec)
        write_tags(path, codec, tags)
        assert read_tags(path).texts["title"] == ["a\nb"]
        assert len(read(path))


def test_names_of_all_kinds(tmp_path):
    """Under whatever key a program writes it; values that it writes twice once."""
    from mutagen.flac import FLAC
    from mutagen.id3 import COMM, ID3, TIT2, TXXX

    path = write(tmp_path / "a.flac", tones(100))
    file = FLAC(path)
    file.update(
        {
            "ALBUM ARTIST": ["Various"], "TRACKNUMBER": ["3"], "TOTALTRACKS": ["12"], "disc": ["1"],
            "artist": ["One", "Two", "One", " "], "DESCRIPTION": ["Nice"], "YEAR": ["1999"],
            "replaygain_track_gain": ["-3 dB"],
        }
    )  # fmt: skip
    file.save()
    assert read_tags(path).texts == {
        "artist": ["One", "Two"],
        "albumartist": ["Various"],
        "date": ["1999"],
        "tracknumber": ["3/12"],
        "discnumber": ["1"],
        "comment": ["Nice"],
    }
    path = write(tmp_path / "a.mp3", tones(5000))
    file = ID3()
    file.add(TIT2(encoding=3, text="Song"))
    file.add(COMM(encoding=3, lang="eng", desc="iTunNORM", text="0000"))
    file.add(TXXX(encoding=3, desc="comment", text="Nice"))
    file.save(path)
    assert read_tags(path).texts == {"title": ["Song"], "comment": ["Nice"]}


@pytest.mark.skipif(not ffmpeg_installed(), reason="needs the extra ffmpeg")
def test_apev2(tmp_path):
    """The tags of WavPack, Monkey's Audio, Musepack."""
    from mutagen.apev2 import BINARY, APEValue
    from mutagen.wavpack import WavPack

    path = encoded(tmp_path / "a.wv", "wavpack", {})
    file = WavPack(path)
    file.update({"Title": "Song", "Artist": ["One", "Two"], "Album Artist": "Various", "Track": "3/12"})
    file.update({"Year": "1999", "album_artist": "Various"})
    file["Cover Art (Front)"] = APEValue(b"cover.png\0" + PNG, BINARY)
    file.save()
    assert read_tags(path) == Tags(
        {
            "title": ["Song"],
            "artist": ["One", "Two"],
            "albumartist": ["Various"],
            "date": ["1999"],
            "tracknumber": ["3/12"],
        },
        PNG,
    )


def encoded(path, codec, metadata):
    with av.open(str(path), "w") as out:
        out.metadata.update(metadata)
        stream = out.add_stream(codec, rate=48000, layout="stereo")
        stream.bit_rate = 128_000
        if path.suffix == ".ogg":
            stream.metadata.update(metadata)
        frame = av.AudioFrame.from_ndarray(tones(4800).reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared")
@pytest.mark.parametrize("name", ["tags.mka", "tags.wma", "tags.wv"])
def test_given_files(name):
    if not ffmpeg_installed():
        pytest.skip("needs the extra ffmpeg")
    assert read_tags(CASES / name).texts == {
        "title": ["MySong"],
        "artist": ["SomeArtist"],
        "album": ["AlbumX"],
        "albumartist": ["VA"],
        "composer": ["Comp"],
        "genre": ["Pop"],
        "date": ["2020"],
        "tracknumber": ["3/12"],
        "bpm": ["120"],
    }


@pytest.mark.skipif(not ffmpeg_installed(), reason="needs the extra ffmpeg")
@pytest.mark.parametrize("mutagen", [True, False])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mka", "flac"), ("webm", "libopus"), ("tta", "tta"), ("caf", "pcm_s16be"), ("wv", "wavpack"),
     ("wma", "wmav2"), ("flac", "flac"), ("ogg", "libopus"), ("mp4", "aac")],
)  # fmt: skip
def test_what_ffmpeg_writes(tmp_path, monkeypatch, suffix, codec, mutagen):
    """The same fields from every format, with mutagen and without it."""
    monkeypatch.setattr(tags_module, "mutagen_installed", lambda: mutagen)
    metadata = {
        "title": "Song", "artist": "One", "album": "Album", "album_artist": "Various", "track": "3/12",
        "genre": "Jazz", "date": "1999", "composer": "Somebody", "comment": "Nice",
    }  # fmt: skip
    path = encoded(tmp_path / f"a.{suffix}", codec, metadata)
    names = {"album_artist": "albumartist", "track": "tracknumber"}
    assert read_tags(path).texts == {names.get(name, name): [value] for name, value in metadata.items()}
