"""What a file becomes: endings and codecs, bitrates, limits of containers, and what is told of the sound."""

from __future__ import annotations

import logging
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, names
from spleeterrt.audio import Codec, encoder, formats
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.ffmpeg import ffmpeg_installed
from spleeterrt.audio.formats import ENDINGS, codec_of, parse_bitrate
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.writer import StemFileWriter
from support.audio_files import mp3_bitrates, noise

CONTAINERS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "opus": "OGG", "mp3": "MP3", "aiff": "AIFF"}


class Foreign(str, Enum):
    """As Spleeter's own, which prints otherwise."""

    MP3 = "mp3"


def by_libsndfile(ending: str) -> bool:
    return ENDINGS[ending][0] not in formats.FFMPEG_CODECS


def samples(path: Path) -> np.ndarray:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# --- endings ------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if by_libsndfile(ending)])
@pytest.mark.parametrize("name", ["song{}", "Mr. Smith{}", "a.b{}"])
def test_an_ending_makes_the_format(tmp_path: Path, ending: str, name: str) -> None:
    codec = ENDINGS[ending][0]
    path = tmp_path / name.format(ending.upper() if name == "a.b{}" else ending)
    sound = noise(5000)
    AudioAdapter.default().save(path, sound, 48000 if codec == "opus" else 44100)
    info = soundfile.info(path)
    assert info.format == CONTAINERS.get(codec, codec.upper())
    assert info.subtype == {"ogg": "VORBIS", "opus": "OPUS", "mp3": "MPEG_LAYER_III"}.get(codec, "PCM_16")
    if codec in formats.PCM_CODECS or codec == "flac":
        np.testing.assert_array_equal(samples(path), np.rint(sound * 32768).astype(np.float32) / 32768)
    if ending == ".aifc":
        assert path.read_bytes()[8:12] == b"AIFC"
    elif codec == "aiff":
        assert path.read_bytes()[8:12] == b"AIFF"


@pytest.mark.skipif(not ffmpeg_installed(), reason="needs PyAV")
@pytest.mark.parametrize(("ending", "brand"), [(".m4a", b"M4A "), (".m4b", b"M4A "), (".mp4", b"isom")])
def test_endings_of_mp4(tmp_path: Path, ending: str, brand: bytes) -> None:
    path = tmp_path / f"song{ending}"
    AudioAdapter.default().save(path, noise(5000), 44100)
    assert path.read_bytes()[4:12] == b"ftyp" + brand
    assert len(samples(path)) == 5000


@pytest.mark.parametrize("depth", names.BIT_DEPTHS)
@pytest.mark.parametrize("codec", formats.PCM_CODECS)
def test_depths_of_plain_samples(tmp_path: Path, codec: str, depth: str) -> None:
    path = tmp_path / f"a.{codec}"
    sound = noise(3000, amplitude=1.2 if depth == "float32" else 0.9)
    clip = "none" if depth == "float32" else "clamp"
    with StemFileWriter({"a": path}, 44100, bit_depth=depth, clip=clip) as out:
        out.write({"a": sound})
    assert soundfile.info(path).subtype == {"int16": "PCM_16", "int24": "PCM_24", "float32": "FLOAT"}[depth]
    full = formats.FULL_SCALE.get(depth)
    expected = sound if full is None else np.rint(sound * full).astype(np.float32) / full
    np.testing.assert_array_equal(samples(path), expected)


@pytest.mark.parametrize(
    ("path", "codec", "expected"),
    [
        ("x.wav", None, "wav"),
        ("x.WAV", None, "wav"),
        ("x", None, "wav"),
        ("Vol. 2", None, "wav"),
        ("take 1.5", None, "wav"),
        ("x.flac", None, "flac"),
        ("x.oga", None, "ogg"),
        ("x.oga", "opus", "opus"),
        ("x.ogg", Codec.OPUS, "opus"),
        ("x.mp3", "MP3", "mp3"),
        ("x.mp3", Codec.MP3, "mp3"),
        ("x.mp3", Foreign.MP3, "mp3"),
        ("x.part", "flac", "flac"),
        ("x", "mp3", "mp3"),
        ("dir.mp3/x", None, "wav"),
    ],
)
def test_codec_of(path: str, codec: object, expected: str) -> None:
    assert codec_of(path, codec) == codec_of(Path(path), codec) == expected


@pytest.mark.parametrize(
    ("path", "codec", "message"),
    [
        ("x.wav", "mp3", r"x\.wav: a file named \.wav cannot hold mp3 \(\.mp3\)"),
        ("x.mp3", "wav", r"named \.mp3 cannot hold wav \(\.wav, \.wave\)"),
        ("x.aac", "wav", r"named \.aac cannot hold wav"),
        ("x.opus", "ogg", r"named \.opus cannot hold ogg"),
        ("x.aac", None, r"no format that can be written has the ending \.aac; use \.wav, \.wave"),
        ("x.mka", None, r"the ending \.mka"),
        ("x.xyz", None, r"the ending \.xyz"),
        ("x.raw", None, r"the ending \.raw"),
        ("x.raw", "wav", r"named \.raw cannot hold wav"),
        ("x.wav", "aac", r"codec 'aac' cannot be written; use wav, flac"),
    ],
)
def test_endings_that_cannot_be(path: str, codec: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=message):
        codec_of(path, codec)
    with pytest.raises(AudioError, match=message):
        AudioAdapter.default().save(tmp_path / path, noise(100), 44100, codec)
    assert list(tmp_path.iterdir()) == []


def test_stems_of_several_formats(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="all stems have one format"):
        StemFileWriter({"a": tmp_path / "a.wav", "b": tmp_path / "b.flac"}, 44100)
    assert list(tmp_path.iterdir()) == []


def test_names_for_type_checkers() -> None:
    """The Literal types of the public methods name what there is."""
    assert sorted(names.CODECS) == sorted(codec.value for codec in Codec)
    assert set(names.CODECS) == {codec for codecs in ENDINGS.values() for codec in codecs}


# --- bitrates -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bitrate", "expected"),
    [
        (None, 128_000), ("512k", 512_000), ("1M", 1_000_000), ("0.128M", 128_000), ("1m", 1_000_000),
        (np.int64(192_000), 192_000), (np.int32(96), 96_000), (np.float64(64.0), 64_000), ("96K", 96_000),
        (192, 192_000), ("320kbps", 320_000), (" 128 k ", 128_000),
    ],
)  # fmt: skip
def test_bitrates_as_callers_write_them(bitrate: object, expected: int) -> None:
    assert parse_bitrate(bitrate) == expected


@pytest.mark.parametrize(
    "bitrate", ["", "k", "-128k", "0", 0, -1, "1G", True, "nan", float("inf"), [128], b"x"]
)
def test_bitrates_that_are_none(bitrate: object) -> None:
    with pytest.raises(AudioError, match=r"bitrate: expected e\.g\. '128k'") as caught:
        parse_bitrate(bitrate)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("codec", "wanted", "rate", "got"),
    [
        ("mp3", "512k", 44100, 320), ("mp3", "1M", 44100, 320), ("mp3", "127k", 44100, 128),
        ("mp3", "8k", 44100, 32), ("mp3", "320k", 22050, 160), ("mp3", "144k", 44100, 160),
        ("ogg", "1M", 44100, 500), ("ogg", "16k", 44100, 64), ("opus", "600k", 48000, 512),
        ("opus", "1k", 48000, 12),
    ],
)  # fmt: skip
def test_the_nearest_bitrate_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str, wanted: str, rate: int, got: int
) -> None:
    path = tmp_path / f"a.{codec}"
    AudioAdapter.default().save(path, noise(30_000), rate, codec, wanted)
    (message,) = warnings_of(caplog)
    kbits = parse_bitrate(wanted) / 1000
    assert message == (
        f"{path}: {codec} files with 2 channels at {rate} Hz cannot have a bitrate of {kbits:g}k; "
        f"it is {got}k"
    )
    if codec == "mp3" and rate >= 32000:
        assert mp3_bitrates(path) == {got}


@pytest.mark.parametrize(("codec", "wanted", "got"), [("m4a", "900k", 529.2), ("wma", "8k", 24)])
def test_bitrates_of_ffmpegs_codecs(codec: str, wanted: str, got: float) -> None:
    if not ffmpeg_installed():
        pytest.skip("needs PyAV")
    format = formats.Format(codec, "int16", "clamp", wanted, 44100, 2)
    assert format.bits_per_second == round(got * 1000)
    assert f"it is {got:g}k" in format.warnings[0]


@pytest.mark.parametrize("codec", ["mp3", "ogg", "opus"])
def test_bitrates_that_exist_make_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    AudioAdapter.default().save(tmp_path / "a", noise(10_000), 48000, codec.upper(), None)
    AudioAdapter.default().save(tmp_path / "b", noise(10_000), 48000, codec, np.int64(96_000))
    assert warnings_of(caplog) == []


# --- length -------------------------------------------------------------------------


@pytest.mark.parametrize("depth", names.BIT_DEPTHS)
@pytest.mark.parametrize("codec", ["wav", "caf", "w64", "au"])
def test_formats_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, depth: str
) -> None:
    """A length that is known only at the end: WAV becomes RF64, the others have 64-bit sizes or none."""
    monkeypatch.setattr(encoder, "WAV_LIMIT", 30_000)
    path, sound = tmp_path / f"a.{codec}", noise(20_000)
    with StemFileWriter({"a": path}, 44100, bit_depth=depth) as out:
        for start in range(0, len(sound), 999):
            out.write({"a": sound[start : start + 999]})
    assert soundfile.info(path).format == ("RF64" if codec == "wav" else codec.upper())
    full = formats.FULL_SCALE.get(depth)
    expected = sound if full is None else np.rint(sound * full).astype(np.float32) / full
    np.testing.assert_array_equal(samples(path), expected)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_wav_of_many_hours_of_float_is_rf64() -> None:
    six_hours = 6 * 3600 * 48000
    for depth, rf64 in (("int16", False), ("int24", True), ("float32", True)):
        format = formats.Format("wav", depth, "clamp", None, 48000, 2)
        assert (six_hours * format.frame_bytes >= encoder.WAV_LIMIT) == rf64


def test_aiff_ends_at_4_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match="holds at most 4 GiB, 24347 s of such samples; use wav, flac, caf"):
        StemFileWriter({"a": tmp_path / "a.aiff"}, 44100, total_frames=1 << 30)  # before any work
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(encoder, "WAV_LIMIT", 30_000)
    out = StemFileWriter({"a": tmp_path / "a.aiff"}, 44100)
    for _ in range(7):
        out.write({"a": noise(1000)})
    with pytest.raises(AudioError, match="at most 4 GiB"):
        out.write({"a": noise(1000)})
    assert list(tmp_path.iterdir()) == []


# --- what is told of the sound ------------------------------------------------------


def loud(frames: int = 1000) -> np.ndarray:
    """7 samples beyond full scale, 3 at it."""
    sound = noise(frames, amplitude=0.5)
    sound[10:13, 0], sound[20:24, 1] = 1.25, -1.5
    sound[30, 0], sound[31, 0], sound[32, 1] = 1.0, -1.0, 1.0
    return sound


@pytest.mark.parametrize(
    ("codec", "depth"),
    [("wav", "int16"), ("wav", "int24"), ("wav", "float32"), ("flac", "int16"), ("mp3", "int16"),
     ("ogg", "int16"), ("caf", "int24")],
)  # fmt: skip
def test_what_is_cut_off_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str, depth: str
) -> None:
    paths = {name: tmp_path / f"{name}.{codec}" for name in ("vocals", "drums", "bass")}
    with StemFileWriter(paths, 44100, codec=codec, bit_depth=depth, name="song.mp3") as out:
        for _ in range(2):
            drums = noise(1000, amplitude=0.9)
            drums[5, 0] = 1.5
            out.write({"vocals": loud(), "drums": drums, "bass": noise(1000)})
    assert out.clipped == {"vocals": 14, "drums": 2, "bass": 0}
    assert out.gain == 1
    (message,) = warnings_of(caplog)
    assert message.startswith(
        "song.mp3: samples beyond full scale were cut off: vocals 14 (0.35 %), drums 2 (0.05 %); clip"
    )


def test_a_cut_residual_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = {name: tmp_path / f"{name}.wav" for name in ("vocals", "rest")}
    vocals, mix = np.full((100, 2), -0.5, np.float32), np.zeros((100, 2), np.float32)
    mix[:3] = 0.75
    with StemFileWriter(paths, 44100, residual="rest") as out:
        out.write({"vocals": vocals}, mix)
    assert out.clipped == {"vocals": 0, "rest": 6}
    assert "rest 6 (3 %)" in warnings_of(caplog)[0]


def test_the_gain_of_rescale_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = {name: tmp_path / f"{name}.wav" for name in ("a", "b")}
    with StemFileWriter(paths, 44100, clip="rescale", name="song") as out:
        out.write({"a": loud(), "b": noise(1000)})
    assert out.gain == pytest.approx(32767 / 32768 / 1.5)
    assert out.clipped == {"a": 0, "b": 0}
    assert warnings_of(caplog) == [
        "song: all stems are turned down by 3.52 dB (gain 0.6666), because a peak was beyond full scale"
    ]


@pytest.mark.parametrize("options", [{}, {"bit_depth": "float32", "clip": "none"}, {"clip": "rescale"}])
def test_nothing_is_told_of_what_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, str]
) -> None:
    sound = loud() if options.get("clip") == "none" else noise(1000, amplitude=0.9)
    with StemFileWriter({"a": tmp_path / "a.wav"}, 44100, **options) as out:
        out.write({"a": sound})
    assert (out.clipped, out.gain) == ({"a": 0}, 1)
    assert warnings_of(caplog) == []


def test_the_adapter_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    AudioAdapter.default().save(tmp_path / "a.flac", loud(), 44100)
    assert warnings_of(caplog)[0].startswith(f"{tmp_path / 'a.flac'}: samples beyond full scale were cut off")
