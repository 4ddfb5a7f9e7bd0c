"""What `separate_to_file` makes: exact sums at any rate, the format that a name says, counts, methods of the
user's own, file objects.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, Model, Separator, SpleeterError
from spleeterrt.audio import Codec
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.writer import quantize
from support.command import cli
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
CONFIG_4 = str(case("tiny-4stems") / "config.json")
FULL = {"int16": 1 << 15, "int24": 1 << 23}


def broad(frames: int, rate: int, amplitude: float = 0.2, seed: int = 3) -> np.ndarray:
    """Noise over the whole band of its rate, and a tone."""
    noise = np.random.default_rng(seed).uniform(-amplitude, amplitude, (frames, 2))
    tone = 0.2 * np.sin(np.arange(frames) * 2 * np.pi * 440 / rate)[:, None]
    return (noise + tone).astype(np.float32)


def read_integers(path: Path, depth: str) -> np.ndarray:
    data, _ = soundfile.read(path, dtype="int32", always_2d=True)
    return data.astype(np.int64) >> (16 if depth == "int16" else 8)


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "in" / "song.wav"
    path.parent.mkdir()
    soundfile.write(path, music[:30000] * 0.8, 44100)
    return path


# --- stems that sum to the mix ------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "depth", "part"),
    [
        (96000, "int24", {}),
        (88200, "int16", {"offset": 0.1, "duration": 0.3}),
        (48000, "int16", {}),
        (48000, "int24", {"offset": 0.123456}),
        (32000, "int24", {"duration": 0.25}),
        (22050, "int16", {}),
        (44100, "int16", {"offset": 0.2}),
    ],
)
@pytest.mark.parametrize("mode", [{"residual": True}, {"two_stems": "drums"}])
def test_stems_sum_to_the_mix_at_the_rate_of_the_source(
    tmp_path: Path, rate: int, depth: str, part: dict[str, float], mode: dict[str, Any]
) -> None:
    song = tmp_path / "song.wav"
    whole = quantize(broad(rate // 2, rate), depth).astype(np.int64)
    soundfile.write(
        song, (whole << (16 if depth == "int16" else 8)).astype(np.int32), rate,
        subtype="PCM_16" if depth == "int16" else "PCM_24",
    )  # fmt: skip
    paths = Separator(CONFIG_4, **mode).separate_to_file(
        song, tmp_path / "out", sample_rate="source", bit_depth=depth, **part
    )
    assert paths is not None
    assert paths.sample_rate == rate
    start = round(part.get("offset", 0) * rate)
    mix = whole[start : start + round(part["duration"] * rate) if "duration" in part else None]
    np.testing.assert_array_equal(sum(read_integers(path, depth) for path in paths.values()), mix)
    assert set(paths.clipped.values()) == {0}


def test_what_is_above_the_models_band_is_in_the_last_stem(tmp_path: Path) -> None:
    song, rate = tmp_path / "song.wav", 96000
    tone = 0.5 * np.sin(np.arange(rate // 2) * 2 * np.pi * 30000 / rate)
    soundfile.write(song, np.stack([tone, tone], 1), rate, subtype="FLOAT")
    options = {"sample_rate": "source", "bit_depth": "float32", "clip": "none"}
    paths = Separator(CONFIG, residual=True).separate_to_file(song, tmp_path / "out", **options)
    assert paths is not None
    vocals, rest = (soundfile.read(path, dtype="float32")[0] for path in paths.values())
    assert np.abs(vocals[4000:-4000]).max() < 1e-3  # the tone begins and ends with a click
    np.testing.assert_allclose(vocals + rest, soundfile.read(song, dtype="float32")[0], atol=1e-7)


@pytest.mark.parametrize("rate", [48000, 22050])
def test_a_rate_of_its_own_has_the_input_at_that_rate(tmp_path: Path, rate: int) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, broad(40000, 96000), 96000, subtype="FLOAT")
    paths = Separator(CONFIG, residual=True).separate_to_file(song, tmp_path / "out", sample_rate=rate)
    assert paths is not None
    with AudioReader(song, sample_rate=rate) as reader:
        mix = np.rint(np.concatenate(list(reader)).astype(np.float64) * 32768)
    np.testing.assert_array_equal(sum(read_integers(path, "int16") for path in paths.values()), mix)


@pytest.mark.parametrize("options", [{"clip": "rescale"}, {"MWF": True}, {"channels": "source"}])
def test_sums_with_other_options(tmp_path: Path, options: dict[str, Any]) -> None:
    song, rate = tmp_path / "song.wav", 48000
    whole = quantize(broad(20000, rate)[:, : 1 if "channels" in options else 2], "int16")
    soundfile.write(song, whole, rate)
    separator = Separator(CONFIG, residual=True, MWF=options.pop("MWF", False))
    paths = separator.separate_to_file(song, tmp_path / "out", sample_rate="source", **options)
    assert paths is not None
    np.testing.assert_array_equal(sum(read_integers(path, "int16") for path in paths.values()), whole)


# --- names and formats --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "format"),
    [
        ("{filename}_{instrument}.mp3", None, "MP3"),
        ("{instrument}.FLAC", None, "FLAC"),
        ("{codec}/{instrument}.aiff", None, "AIFF"),
        ("{instrument}.{codec}", "CAF", "CAF"),
        ("{instrument}.{codec}", Codec.W64, "W64"),
        ("{filename}.{instrument}", None, "WAV"),
        ("{filename}.{instrument}", "FLAC", "FLAC"),
    ],
)
def test_the_ending_of_the_names_decides(
    two_stems: Model, song: Path, tmp_path: Path, name: str, codec: Any, format: str
) -> None:
    separator = Separator(two_stems)
    paths = separator.separate_to_file(song, tmp_path / "a", codec=codec, filename_format=name)
    waves = {stem: np.zeros((3000, 2), np.float32) for stem in separator.stems}
    saved = separator.save_to_file(waves, song, tmp_path / "b", codec=codec, filename_format=name)
    for made in (paths, saved):
        assert made is not None
        assert {soundfile.info(path).format for path in made.values()} == {format}
    if "{codec}/" in name:
        assert paths["vocals"] == tmp_path / "a" / "aiff" / "vocals.aiff"


@pytest.mark.parametrize(
    ("name", "codec"), [("{instrument}.wav", "mp3"), ("{instrument}.aac", None), ("{instrument}.mp3", "wav")]
)
def test_endings_that_contradict(two_stems: Model, song: Path, tmp_path: Path, name: str, codec: Any) -> None:
    separator = Separator(two_stems)
    with pytest.raises(AudioError, match=r"cannot hold|no format"):
        separator.separate_to_file(song, tmp_path / "out", codec=codec, filename_format=name)
    with pytest.raises(AudioError, match=r"cannot hold|no format"):
        separator.save_to_file({"a": np.zeros((9, 2))}, song, tmp_path / "out", name, codec)
    assert not (tmp_path / "out").exists()


def test_a_song_that_ends_otherwise(two_stems: Model, song: Path, tmp_path: Path) -> None:
    double = song.with_name("song.mp3.wav")
    double.write_bytes(song.read_bytes())
    with pytest.raises(AudioError, match=r"song\.mp3: a file named \.mp3 cannot hold wav"):
        Separator(two_stems).separate_to_file(double, tmp_path, filename_format="{instrument}/{filename}")


def test_cli_endings(song: Path, tmp_path: Path) -> None:
    done = cli("separate", "--json", "-p", CONFIG, "-o", "out", "-f", "{instrument}.flac", song, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert soundfile.info(result["stems"]["vocals"]).format == "FLAC"
    assert (result["clipped"], result["gain"]) == ({"vocals": 0, "accompaniment": 0}, 1)
    wrong = cli(
        "separate", "-p", CONFIG, "-o", "no", "-c", "mp3", "-f", "{instrument}.wav", song, cwd=tmp_path
    )
    assert wrong.returncode != 0
    assert "cannot hold mp3" in wrong.stderr
    assert not (tmp_path / "no").exists()


# --- what is told -------------------------------------------------------------------


def test_clipped_samples_and_gain(
    tmp_path: Path, music: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    song, separator = tmp_path / "loud.wav", Separator(CONFIG)
    loud = (music[:30000] * (1.7 / np.abs(music[:30000]).max())).astype(np.float32)
    soundfile.write(song, loud, 44100, subtype="FLOAT")
    stems = separator.separate(loud)
    beyond = {stem: int((np.abs(wave) > 1).sum()) for stem, wave in stems.items()}
    assert sum(beyond.values()) > 0
    clamped = separator.separate_to_file(song, tmp_path / "a")
    saved = separator.save_to_file(stems, song, tmp_path / "b")
    scaled = separator.separate_to_file(song, tmp_path / "c", clip="rescale")
    assert clamped is not None
    assert saved is not None
    assert scaled is not None
    assert clamped.clipped == saved.clipped == beyond
    assert clamped.gain == 1
    assert scaled.clipped == dict.fromkeys(stems, 0)
    assert scaled.gain == pytest.approx(32767 / 32768 / max(np.abs(wave).max() for wave in stems.values()))
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.split(": ")[1][:12] for message in told] == [
        "samples beyo",
        "samples beyo",
        "all stems ar",
    ]
    assert all(message.startswith(str(song)) for message in told[::2])


# --- methods of the user's own ------------------------------------------------------


class Calls(Separator):
    """Counts, and does what Spleeter's users do."""

    def separate(self, waveform: Any, audio_descriptor: Any = "") -> Any:
        self.calls = [*getattr(self, "calls", []), ("separate", waveform.shape, audio_descriptor)]
        stems = super().separate(waveform, audio_descriptor)
        return {**stems, "half": stems["vocals"] / 2}

    def save_to_file(self, sources: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls = [*getattr(self, "calls", []), ("save_to_file", tuple(sources), *args)]
        return super().save_to_file(sources, *args, **kwargs)


def test_overridden_methods_are_called_as_spleeter_calls_them(song: Path, tmp_path: Path) -> None:
    separator = Calls(CONFIG)
    paths = separator.separate_to_file(str(song), str(tmp_path / "out"), bitrate="192k")
    assert list(paths) == ["vocals", "accompaniment", "half"]
    vocals, half = (soundfile.read(paths[stem])[0] for stem in ("vocals", "half"))
    np.testing.assert_allclose(half, vocals / 2, atol=1 / 32768)
    separate, save = separator.calls
    assert separate == ("separate", (30000, 2), str(song))
    assert save[:2] == ("save_to_file", ("vocals", "accompaniment", "half"))
    assert save[2:6] == (str(song), str(tmp_path / "out"), "{filename}/{instrument}.{codec}", Codec.WAV)
    assert save[7:] == ("192k", True)
    with pytest.raises(SpleeterError, match="your save_to_file decides for itself"):
        separator.separate_to_file(song, tmp_path / "out", bit_depth="int24")


def test_an_overridden_separate_has_all_options(song: Path, tmp_path: Path) -> None:
    class Quiet(Separator):
        def separate(self, waveform: Any, audio_descriptor: Any = "") -> Any:
            return {stem: wave * 0 for stem, wave in super().separate(waveform).items()}

    paths = Quiet(CONFIG).separate_to_file(
        song, tmp_path, bit_depth="int24", sample_rate=48000, filename_format="{instrument}.flac"
    )
    assert paths is not None
    info = soundfile.info(paths["vocals"])
    assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_24", 48000)
    assert not soundfile.read(paths["vocals"])[0].any()
    with pytest.raises(SpleeterError, match="remux"):
        Quiet(CONFIG).separate_to_file(song, tmp_path, remux=True)
    rate = Quiet(CONFIG).separate_to_file(song, tmp_path, sample_rate="source")
    assert rate is not None
    assert rate.sample_rate == 44100


def test_methods_put_in_from_outside(
    song: Path, tmp_path: Path, two_stems: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = {"only": np.zeros((100, 2), np.float32)}
    separator = Separator(two_stems)
    monkeypatch.setattr(separator, "separate", lambda waveform, descriptor: silence)
    assert list(separator.separate_to_file(song, tmp_path) or ()) == ["only"]
    monkeypatch.setattr(Separator, "save_to_file", lambda self, sources, *rest: list(sources))
    other = Separator(two_stems)
    assert other.separate_to_file(song, tmp_path, synchronous=True) == ["vocals", "accompaniment"]
    assert other.separate_to_file(song, tmp_path, synchronous=False) is None
    other.join()


def test_a_default_adapter_of_the_users_own(
    song: Path, tmp_path: Path, two_stems: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory(AudioAdapter):
        def load(self, audio_descriptor: Any, *args: Any, **kwargs: Any) -> Any:
            return np.zeros((1000, 2), np.float32), 44100

        def save(self, path: Any, data: Any, rate: Any, codec: Any = None, bitrate: Any = None) -> None:
            saved.append((Path(path).name, codec, bitrate))

    saved: list[Any] = []
    monkeypatch.setattr(AudioAdapter, "_DEFAULT", Memory())
    made = Separator(two_stems).separate_to_file("anything", tmp_path, codec="MP3", bitrate=None)
    # The usual bitrate by its name, as Spleeter gives it to adapters.
    assert saved == [("vocals.mp3", Codec.MP3, "128k"), ("accompaniment.mp3", Codec.MP3, "128k")]
    assert made is not None
    assert (made.clipped, made.gain, made.sample_rate) == (None, None, 44100)


# --- file objects and bytes ---------------------------------------------------------


@pytest.fixture
def sources(song: Path) -> Iterator[dict[str, Any]]:
    """The same song in all forms, and the name that its results get."""
    named = io.BytesIO(song.read_bytes())
    named.name = "folder/demo.take.wav"  # type: ignore[misc]
    late = io.BytesIO(b"junk" + song.read_bytes())
    late.seek(4)
    packed = song.with_name("pack.gz")
    packed.write_bytes(gzip.compress(song.read_bytes()))
    with open(song, "rb") as file, open(song, "rb", buffering=0) as raw, gzip.open(packed) as unpacked:
        yield {
            "audio": io.BytesIO(song.read_bytes()), "demo.take": named, "audio late": late,
            "audio bytes": song.read_bytes(), "audio bytearray": bytearray(song.read_bytes()),
            "audio view": memoryview(song.read_bytes()), "song file": file, "song path": str(song).encode(),
            "song unbuffered": raw, "pack gzip": unpacked,
        }  # fmt: skip


def test_file_objects_and_bytes(
    two_stems: Model, song: Path, tmp_path: Path, sources: dict[str, Any]
) -> None:
    separator = Separator(two_stems)
    expected = {stem: path.read_bytes() for stem, path in separator.separate_to_file(song, tmp_path).items()}
    for number, (name, source) in enumerate(sources.items()):
        made = separator.separate_to_file(source, tmp_path / str(number))
        assert made == {stem: tmp_path / str(number) / name.split()[0] / f"{stem}.wav" for stem in expected}
        assert {stem: path.read_bytes() for stem, path in made.items()} == expected


def test_a_file_object_may_be_closed_at_once(two_stems: Model, song: Path, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    passing = tempfile.NamedTemporaryFile(suffix=".wav")  # noqa: SIM115
    passing.write(song.read_bytes())
    passing.seek(0)
    for source in (io.BytesIO(song.read_bytes()), open(song, "rb"), passing):  # noqa: SIM115
        separator.separate_to_file(source, tmp_path, filename_format="{instrument}.wav", synchronous=False)
        source.close()
        separator.join()
        assert soundfile.info(tmp_path / "vocals.wav").frames == 30000


def test_the_adapter_loads_and_saves_file_objects(tmp_path: Path, song: Path) -> None:
    adapter = AudioAdapter.default()
    expected, rate = adapter.load(song)
    for ending, codec in (("wav", None), ("flac", None), ("flac", "flac"), ("caf", Codec.CAF)):
        target = io.BytesIO()
        if codec is None:
            target.name = f"x.{ending}"  # type: ignore[misc]
        adapter.save(target, expected, rate, codec)
        assert soundfile.info(io.BytesIO(target.getvalue())).format == ending.upper()
        target.seek(0)
        got, got_rate = adapter.load(target, duration=0.1, sample_rate="44100")
        assert got_rate == rate == 44100
        np.testing.assert_array_equal(got, expected[:4410])
    with open(tmp_path / "y.flac", "wb") as file:
        adapter.save(file, expected, rate)
    assert soundfile.info(tmp_path / "y.flac").format == "FLAC"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (io.StringIO("text"), "expected a binary file object, it gives str"),
        (io.BytesIO(), r"nothing to read.*seek\(0\)"),
        (b"", "an empty path"),
        ("", "an empty path"),
        (b"\0\1\2", "not a readable audio file"),
        (17, "expected a path, a binary file object or the bytes of a file, got int"),
        (None, "got NoneType"),
        ([1, 2], "got list"),
        (np.zeros((5, 2)), "got ndarray"),
        (threading.Event(), "got Event"),
    ],
)
def test_what_is_no_audio(two_stems: Model, tmp_path: Path, source: Any, message: str) -> None:
    for call in (
        lambda: Separator(two_stems).separate_to_file(source, tmp_path),
        lambda: AudioAdapter.default().load(source),
    ):
        if hasattr(source, "seek"):
            source.seek(0)
        with pytest.raises(SpleeterError, match=message):
            call()
    assert list(tmp_path.iterdir()) == []


def test_messages_name_the_file_object_not_its_copy(
    two_stems: Model, song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = song.read_bytes()[:-1000]
    Separator(two_stems).separate_to_file(cut, tmp_path / "out")
    AudioAdapter.default().load(cut)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["audio", "audio"]
    with pytest.raises(AudioError, match=r"^audio: not a readable"):
        Separator(two_stems).separate_to_file(b"no\0sound", tmp_path / "out")
    with pytest.raises(AudioError, match=r"^audio: not a readable"):
        AudioAdapter.default().load(io.BytesIO(b"no sound"))


def test_what_is_no_target(tmp_path: Path) -> None:
    closed = io.BytesIO()
    closed.close()
    for target, message in (
        (io.StringIO(), "expected a binary file object"),
        (closed, "closed file"),
        (5, "expected a path"),
        (open(os.devnull, "rb"), "cannot be written"),  # noqa: SIM115
    ):
        with pytest.raises(SpleeterError, match=message):
            AudioAdapter.default().save(target, np.zeros((10, 2)), 44100)
