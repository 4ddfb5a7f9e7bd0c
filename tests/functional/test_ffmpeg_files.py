"""The separation of files that FFmpeg reads and writes, and the tags of the stems."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, Model, SeparationCancelled, Separator, SpleeterError
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.reader import AudioReader
from support.audio_files import tones
from support.command import cli
from support.golden import case

pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")

from support.ffmpeg_files import make

CONFIG = str(case("tiny-2stems") / "config.json")


def read(path: Path, rate: int | None = None) -> np.ndarray:
    with AudioReader(path, sample_rate=rate) as reader:
        return np.concatenate(list(reader))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    (tmp_path / "in").mkdir()
    return make(tmp_path / "in" / "song.m4a", music, container="ipod")


def test_the_samples_are_those_of_the_decoded_file(two_stems: Model, song: Path, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    wave = read(song)
    expected = separator.separate(wave)
    paths = separator.separate_to_file(song, tmp_path / "out", bit_depth="float32", clip="none")
    assert paths
    for stem, path in paths.items():
        np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], expected[stem])
    loaded, rate = AudioAdapter.default().load(song, sample_rate=44100)
    np.testing.assert_array_equal(loaded, wave)
    assert rate == 44100


@pytest.mark.parametrize("codec", ["m4a", "opus", "wma"])
def test_codecs(two_stems: Model, song: Path, tmp_path: Path, codec: str) -> None:
    separator = Separator(two_stems)
    expected = separator.separate(read(song))
    paths = separator.separate_to_file(song, tmp_path / "out", codec=codec, bitrate="256k")
    assert paths
    for stem, path in paths.items():
        assert path.suffix == f".{codec}"
        wave = read(path, 44100)
        assert len(wave) == len(expected[stem]) or (codec == "wma" and len(wave) > len(expected[stem]))
        error = wave[: len(expected[stem])] - expected[stem]
        assert np.sqrt(np.mean(error**2)) < 0.1 * np.sqrt(np.mean(expected[stem] ** 2))
    assert names(tmp_path / "out") == [f"song/accompaniment.{codec}", f"song/vocals.{codec}"]


@pytest.mark.parametrize(("rate", "codec"), [(48000, "m4a"), (96000, "m4a"), (96000, "flac"), (48000, "opus"),
                                             (22050, "m4a"), (48000, "wma")])  # fmt: skip
def test_source_rate_and_length_come_back(
    two_stems: Model, tmp_path: Path, music: np.ndarray, rate: int, codec: str
) -> None:
    song = make(tmp_path / "song.m4a", music[:20001], rate, bitrate=96_000)
    paths = Separator(two_stems).separate_to_file(
        song, tmp_path / "out", sample_rate="source", codec=codec, bitrate="96k"
    )
    assert paths
    with AudioReader(paths["vocals"]) as reader:
        length = sum(map(len, reader))
        assert reader.rate == rate
        assert length == 20001 or (codec == "wma" and length > 20001)


def test_source_rate_of_a_length_that_only_the_end_tells(
    two_stems: Model, tmp_path: Path, music: np.ndarray
) -> None:
    for frames in range(20_000, 20_008):  # rounded twice, some would come back one frame longer or shorter
        song = make(tmp_path / "song.mka", music[:frames], 48000, codec="pcm_s16le", format="s16")
        paths = Separator(two_stems).separate_to_file(song, tmp_path / "out", sample_rate="source")
        assert paths
        assert soundfile.info(paths["vocals"]).frames == frames


def test_rates_that_a_codec_does_not_know(two_stems: Model, tmp_path: Path, music: np.ndarray) -> None:
    song = make(tmp_path / "song.m4a", music, 96000, bitrate=96_000)
    with pytest.raises(AudioError, match="opus files cannot have 96000 Hz"):
        Separator(two_stems).separate_to_file(song, tmp_path / "out", sample_rate="source", codec="opus")
    assert not (tmp_path / "out").exists()


def test_video_damage_and_cancellation(
    two_stems: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    separator = Separator(two_stems)
    video = make(tmp_path / "film.mp4", tones(60_000), video=True)
    paths = separator.separate_to_file(video, tmp_path / "a")
    assert paths
    assert soundfile.info(paths["vocals"]).frames == 60_000
    calls = iter([False, True])
    with pytest.raises(SeparationCancelled):
        separator.separate_to_file(video, tmp_path / "b", codec="m4a", cancel=lambda: next(calls))
    assert not (tmp_path / "b").exists()
    data = bytearray(video.read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + len(data) // 4] = b"\xff" * (len(data) // 4)
    video.write_bytes(data)
    separator.separate_to_file(video, tmp_path / "c")
    assert "damaged packet" in caplog.text


def test_tags_are_carried_over(two_stems: Model, song: Path, tmp_path: Path) -> None:
    pytest.importorskip("mutagen")
    from spleeterrt.audio.tag_writers import write_tags
    from spleeterrt.audio.tags import Tags, read_tags

    write_tags(song, "m4a", Tags({"title": ["Song"], "artist": ["A"]}, b"\xff\xd8\xff" + bytes(1000)))
    separator = Separator(two_stems)
    for codec in ("mp3", "m4a", "flac", "ogg", "opus", "wma"):
        paths = separator.separate_to_file(song, tmp_path / codec, codec=codec)
        assert paths
        for stem, path in paths.items():
            found = read_tags(path)
            assert found.texts["title"] == [f"Song ({stem})"]
            assert found.texts["artist"] == ["A"]
            assert len(found.cover) == 1003
    plain = separator.separate_to_file(song, tmp_path / "plain", codec="flac", tags=False)
    assert plain
    assert not read_tags(plain["vocals"])
    wav = separator.separate_to_file(song, tmp_path / "wav", tags=True)
    assert wav
    assert read_tags(wav["vocals"]).texts["title"] == ["Song (vocals)"]


def test_tags_without_mutagen(
    two_stems: Model, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spleeterrt.audio.tags.mutagen_installed", lambda: False)
    separator = Separator(two_stems)
    separator.separate_to_file(song, tmp_path / "a", codec="flac")
    with pytest.raises(SpleeterError, match=r"pip install 'spleeterrt\[tags\]'"):
        separator.separate_to_file(song, tmp_path / "b", codec="flac", tags=True)
    assert not (tmp_path / "b").exists()


def test_cli(song: Path, tmp_path: Path, music: np.ndarray) -> None:
    make(song.parent / "two.wma", music, codec="wmav2")
    make(song.parent / "film.mp4", music, video=True)
    (song.parent / "bad.m4a").write_bytes(b"no music" * 1000)
    done = cli("separate", "-p", CONFIG, "-c", "m4a", "-b", "192k", "-o", tmp_path / "out", song.parent)
    assert done.returncode == 1
    # A folder stands for its audio files; a video must be named.
    assert names(tmp_path / "out") == [
        "song/accompaniment.m4a", "song/vocals.m4a", "two/accompaniment.m4a", "two/vocals.m4a",
    ]  # fmt: skip
    assert done.stderr.count("bad.m4a") == 2
    assert done.stderr.count("\n") == 4  # what is left out, the error, the count and its list
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "film", song.parent / "film.mp4")
    assert (done.returncode, done.stderr) == (0, "")


def test_cli_without_the_extra(song: Path, tmp_path: Path, music: np.ndarray) -> None:
    hide = (
        "import importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'av' else find(name, *rest)"
    )
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(hide)
    paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    out = tmp_path / "out"
    done = cli("separate", "-p", CONFIG, "-o", out, song, env=env)
    assert done.returncode == 1
    assert f"{song}: needs FFmpeg: pip install 'spleeterrt[ffmpeg]'" in done.stderr
    done = cli("separate", "-p", CONFIG, "-o", out, "-c", "m4a", song, env=env)
    assert done.returncode == 2  # found before any work
    assert "codec m4a: needs FFmpeg" in done.stderr
    soundfile.write(song.parent / "plain.wav", music, 44100)
    done = cli("separate", "-p", CONFIG, "-o", out, song.parent, env=env)
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stderr
    assert names(out) == ["plain/accompaniment.wav", "plain/vocals.wav"]
