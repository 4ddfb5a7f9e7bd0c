"""What WAV files hold beside their samples: texts, time reference, cue points; read, moved and written."""

from __future__ import annotations

import shutil
import struct
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import Separator
from spleeterrt.audio import encoder
from spleeterrt.audio import tags as tags_module
from spleeterrt.audio.ffmpeg import ffmpeg_installed
from spleeterrt.audio.tags import Tags, mutagen_installed, read_tags
from spleeterrt.audio.wav_chunks import Cue, Marks, appended, read_chunks, read_info, read_marks
from spleeterrt.audio.writer import StemFileWriter
from support.audio_files import tones, write

TEXTS = {
    "title": ["Sóng 音"],
    "artist": ["One", "Two"],
    "album": ["Album"],
    "genre": ["Jazz"],
    "date": ["1999"],
    "tracknumber": ["3/12"],
    "comment": ["Nice"],
}
JPEG = b"\xff\xd8\xff\xe0" + bytes(1001)
REFERENCE = 44100 * 3600 + 7  # an hour


def bext(reference: int, version: int = 2) -> bytes:
    head = b"Description".ljust(256, b"\0") + b"Recorder".ljust(32, b"\0") + b"REF".ljust(32, b"\0")
    head += b"2020-01-02" + b"03:04:05" + struct.pack("<QH", reference, version)
    return head + b"U" * 64 + struct.pack("<5h", -2300, 100, -100, -2000, -1900) + bytes(180) + b"A=PCM\r\n"


def reference_of(chunk: bytes) -> int:
    return int.from_bytes(chunk[338:346], "little")


CUES = (
    Cue(1, 100, ((b"labl", b"Start\0"),)),
    Cue(2, 10_000, ((b"labl", b"Verse\0"), (b"ltxt", struct.pack("<I", 4000) + b"rgn \0\0\0\0\0\0\0\0"))),
    Cue(3, 40_000),
)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = write(tmp_path / "song.wav", tones(44100), subtype="PCM_16")
    marks = Marks(bext(REFERENCE), CUES)
    with appended(path, marks.chunks(44100)):
        pass
    assert read_marks(path) == marks
    return path


def read(path: Path) -> np.ndarray:
    found: np.ndarray = soundfile.read(path, dtype="int32", always_2d=True)[0]
    return found


# --- texts ------------------------------------------------------------------------------


def save(path: Path, tags: Tags | None, frames: int = 2001, **options: object) -> Path:
    with StemFileWriter({"a": path}, 44100, tags={"a": tags} if tags else None, **options) as out:
        out.write({"a": tones(frames, options.get("channels", 2))})
    return path


@pytest.mark.parametrize("mutagen", [True, False])
def test_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutagen: bool) -> None:
    if not mutagen:
        for module in ("spleeterrt.audio.tags", "spleeterrt.audio.tag_writers"):
            monkeypatch.setattr(f"{module}.mutagen_installed", lambda: False)
    elif not mutagen_installed():
        pytest.skip("the extra spleeterrt[tags] is not installed")
    tags = Tags({**TEXTS, "albumartist": ["Various"], "discnumber": ["1/2"]}, JPEG)
    path = save(tmp_path / "a.wav", tags)
    assert read_info(path) == {**TEXTS, "artist": ["One; Two"]}
    if mutagen:  # the id3 chunk has the rest
        assert read_tags(path).texts == {**tags.texts, "artist": ["One/Two"]}
        assert read_tags(path).cover == JPEG
    else:
        assert read_tags(path).texts == {**TEXTS, "artist": ["One; Two"]}


@pytest.mark.parametrize(
    ("options", "data_bytes"),
    [({}, 2001 * 4), ({"bit_depth": "int24", "channels": 1}, 2001 * 3), ({"bit_depth": "float32"}, 2001 * 8)],
)
def test_every_reader_finds_the_samples(tmp_path: Path, options: dict, data_bytes: int) -> None:
    plain, path = save(tmp_path / "plain.wav", None, **options), tmp_path / "a.wav"
    save(path, Tags(TEXTS, JPEG, Marks(bext(5), CUES)), **options)
    data, before = path.read_bytes(), plain.read_bytes()
    # What was there stays, but for the size of the whole: chunks come behind the samples, and a pad byte.
    assert data[:4] + data[8 : len(before)] == before[:4] + before[8:]
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert len(data) % 2 == 0
    chunks = dict(read_chunks(path, [b"data", b"bext", b"cue ", b"LIST"]))
    assert len(chunks[b"data"]) == data_bytes
    np.testing.assert_array_equal(read(path), read(plain))
    if options.get("bit_depth") != "float32":
        with wave.open(str(path)) as file, wave.open(str(plain)) as expected:
            assert file.readframes(9999) == expected.readframes(9999)
    if ffmpeg_installed():
        from spleeterrt.audio.ffmpeg_source import FFmpegSource

        source = FFmpegSource(path)
        step = np.empty((5000, source.channels), np.float32)
        assert source.read(step) == 2001
        source.close()
        np.testing.assert_array_equal(step[:2001], soundfile.read(plain, dtype="float32", always_2d=True)[0])
    if shutil.which("sox"):
        for source in (plain, path):
            target = tmp_path / f"sox-{source.name}"
            done = subprocess.run(["sox", source, target], capture_output=True, text=True, check=True)
            assert "WARN wav: wave header missing extended part" in done.stderr or not done.stderr
            np.testing.assert_array_equal(read(target), read(plain))


def test_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "WAV_LIMIT", 5000)
    path = save(tmp_path / "a.wav", Tags(TEXTS, marks=Marks(bext(5))))
    data = path.read_bytes()
    assert data[:4] == b"RF64"
    assert struct.unpack("<Q", data[20:28])[0] == len(data) - 8
    assert read_tags(path).texts["title"] == TEXTS["title"]
    assert reference_of(read_marks(path).bext) == 5
    assert len(read(path)) == 2001


def test_what_other_programs_write(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tones(100), subtype="PCM_16")
    info = (
        b"INFOINAM" + struct.pack("<I", 5) + "Sóng".encode("cp1252") + b"\0\0" + b"IPRT\3\0\0\0" + b"3\0\0\0"
    )
    with appended(path, [(b"LIST", b"adtl"), (b"LIST", info), (b"LIST", b"INFO"), (b"odd ", b"x")]):
        pass
    assert read_tags(path).texts == {"title": ["Sóng"], "tracknumber": ["3"]}


def test_no_wav_and_damaged_ones(tmp_path: Path, song: Path) -> None:
    assert read_info(write(tmp_path / "a.flac", tones(100))) == {}
    data = bytearray(song.read_bytes())
    rng = np.random.default_rng(0)
    for cut in (0, 4, 12, 20, 40, 200, len(data) - 100):
        song.write_bytes(data[:cut])
        read_tags(song)
    for _ in range(200):
        damaged = bytearray(data)
        for at in [*rng.integers(0, 60, 3), *rng.integers(len(data) - 1100, len(data), 5)]:
            damaged[at] = rng.integers(256)
        song.write_bytes(damaged)
        read_tags(song).moved(7, 44100, 48000).marks.chunks(1000)


@pytest.mark.parametrize("when", ["writing", "verifying"])
def test_a_failure_costs_the_tags_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    plain = save(tmp_path / "plain.wav", None).read_bytes()
    calls = []

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        if when == "writing" or len(calls) == 2:  # the first one is that of the finished file
            raise OSError(28, "No space left on device")

    if when == "writing":
        monkeypatch.setattr("spleeterrt.audio.wav_chunks._set_size", fail)
    else:
        monkeypatch.setattr(encoder.Encoder, "_verify", fail)
    path = save(tmp_path / "a.wav", Tags(TEXTS))
    assert calls
    assert path.read_bytes() == plain
    assert "the tags could not be written: " in caplog.text
    assert len(list(tmp_path.iterdir())) == 2


# --- times -------------------------------------------------------------------------------


def test_moved() -> None:
    marks = Marks(bext(REFERENCE), CUES).moved(5000, 44100, 48000)
    assert reference_of(marks.bext) == round((REFERENCE + 5000) * 48000 / 44100)
    assert [(cue.number, cue.frame) for cue in marks.cues] == [
        (2, round(5000 * 48000 / 44100)),
        (3, round(35_000 * 48000 / 44100)),
    ]
    assert struct.unpack("<I", marks.cues[0].notes[1][1][:4])[0] == round(4000 * 48000 / 44100)
    assert marks.cues[0].notes[0] == (b"labl", b"Verse\0")
    # Texts stay; what is true of the whole recording alone does not.
    assert marks.bext[:338] == bext(0)[:338]
    assert marks.bext[602:] == b"A=PCM\r\n"
    assert marks.bext[348:412] == bytes(64)
    assert struct.unpack("<5h", marks.bext[412:422]) == (0x7FFF,) * 5


def test_cues_behind_the_end_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tones(20_000), subtype="PCM_16")
    with appended(path, Marks(cues=CUES).chunks(20_000)):
        pass
    assert read_marks(path).cues == CUES[:2]


@pytest.mark.parametrize(
    ("options", "rate", "start"),
    [({}, 44100, 0), ({"offset": 0.1}, 44100, 4410), ({"offset": 0.1, "sample_rate": 48000}, 48000, 4410)],
)
def test_stems_keep_their_place(
    song: Path, tmp_path: Path, two_stems, options: dict, rate: int, start: int
) -> None:
    """By default, because programs put recordings where these say."""
    paths = Separator(two_stems).separate_to_file(song, tmp_path / "out", **options)
    for path in paths.values():
        marks = read_marks(path)
        assert reference_of(marks.bext) == round((REFERENCE + start) * rate / 44100)
        expected = [(c.number, round((c.frame - start) * rate / 44100)) for c in CUES if c.frame >= start]
        assert [(cue.number, cue.frame) for cue in marks.cues] == expected
    plain = Separator(two_stems).separate_to_file(song, tmp_path / "plain", tags=False, **options)
    for stem, path in paths.items():
        assert not read_marks(plain[stem])
        np.testing.assert_array_equal(read(path), read(plain[stem]))


def test_duration_and_texts(song: Path, tmp_path: Path, two_stems) -> None:
    with appended(song, [(b"LIST", b"INFOINAM\5\0\0\0Song\0\0")]):
        pass
    separator = Separator(two_stems)
    path = separator.separate_to_file(song, tmp_path / "a", duration=0.5)["vocals"]
    assert [cue.number for cue in read_marks(path).cues] == [1, 2]
    assert read_info(path) == {}  # texts on request
    path = separator.separate_to_file(song, tmp_path / "b", tags=True)["vocals"]
    assert read_info(path) == {"title": ["Song (vocals)"]}
    assert read_marks(path).cues == CUES


def test_texts_of_another_format(tmp_path: Path, two_stems, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mutagen", reason="the extra spleeterrt[tags] is not installed")
    from mutagen.flac import FLAC

    song = write(tmp_path / "song.flac", tones(5000))
    file = FLAC(song)
    file.update({"title": "Song", "albumartist": "Various"})
    file.save()
    paths = Separator(two_stems).separate_to_file(song, tmp_path / "a", tags=True)
    assert read_tags(paths["vocals"]).texts == {"title": ["Song (vocals)"], "albumartist": ["Various"]}
    paths = Separator(two_stems).separate_to_file(song, tmp_path / "b")
    assert read_tags(paths["vocals"]) == Tags()
    if ffmpeg_installed():  # `tags=True` needs no mutagen where FFmpeg reads and the files are WAV
        monkeypatch.setattr(tags_module, "mutagen_installed", lambda: False)
        monkeypatch.setattr("spleeterrt.audio.tag_writers.mutagen_installed", lambda: False)
        paths = Separator(two_stems).separate_to_file(song, tmp_path / "c", tags=True)
        assert read_tags(paths["vocals"]).texts == {"title": ["Song (vocals)"]}
