"""Files with several audio tracks."""

from __future__ import annotations

import json
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from spleeterrt import AudioError, Separator, SpleeterError
from spleeterrt.audio import opening
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.reader import AudioReader
from spleeterrt.cli import cli
from support.audio_files import tones, write
from support.golden import case

av = pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")

LEVELS = (0.1, 0.2, 0.4)  # by which the tracks are told apart
LIST = "1 (eng, pcm_s16le, stereo), 2 (fra, Commentaire, pcm_s16le, mono), 3 (pcm_s16le, stereo)"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        streams = [
            out.add_stream("pcm_s16le", rate=44100, layout=name) for name in ("stereo", "mono", "stereo")
        ]
        streams[0].metadata["language"] = "eng"
        streams[1].metadata.update(language="fra", title="Commentaire")
        for stream, level in zip(streams, LEVELS, strict=True):
            layout = stream.codec_context.layout.name
            values = np.full((1, 5000 * (1 if layout == "mono" else 2)), round(level * 32768), np.int16)
            frame = av.AudioFrame.from_ndarray(values, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
            out.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.parametrize("track", [1, 2, 3])
def test_chosen_track(song: Path, track: int) -> None:
    with AudioReader(song, track=track) as reader:
        sound = np.concatenate(list(reader))
        assert reader.warnings == []
    assert sound.shape == (5000, 1 if track == 2 else 2)
    np.testing.assert_allclose(sound, LEVELS[track - 1], atol=1e-4)


def test_default_track_is_said(song: Path) -> None:
    with AudioReader(song) as reader:
        assert next(iter(reader))[0, 0] == pytest.approx(LEVELS[0], abs=1e-4)
        assert reader.warnings == [
            f"{song}: of 3 audio tracks number 1 is used; --track N (track=N) takes another one: {LIST}"
        ]


@pytest.mark.parametrize(
    ("layouts", "default", "used"),
    [
        (("stereo", "stereo"), (1, 2), 1),  # both marked, and the second has the higher bitrate
        (("stereo", "stereo"), (2,), 2),
        (("mono", "stereo", "5.1", "5.1"), (), 3),
        (("mono", "stereo"), (1,), 1),
    ],
)
def test_default_track_is_that_of_the_program_ffmpeg(tmp_path: Path, layouts, default, used) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        codecs = ["pcm_s16le" if number == 1 else "pcm_f32le" for number in range(1, len(layouts) + 1)]
        streams = [
            out.add_stream(codec, rate=44100, layout=layout)
            for codec, layout in zip(codecs, layouts, strict=True)
        ]
        for number, stream in enumerate(streams, 1):
            stream.disposition = av.stream.Disposition(int(number in default))
        for number, stream in enumerate(streams, 1):
            kind, channels = stream.codec_context.format.name, stream.codec_context.layout.nb_channels
            values = np.full((1, 3000 * channels), number * (1000 if kind == "s16" else 1000 / 32768))
            values = values.astype(np.int16 if kind == "s16" else np.float32)
            frame = av.AudioFrame.from_ndarray(values, format=kind, layout=stream.codec_context.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
            out.mux([*stream.encode(frame), *stream.encode(None)])
    with AudioReader(path) as reader:
        assert next(iter(reader))[0, 0] == pytest.approx(used * 1000 / 32768)
        assert f"number {used} is used" in reader.warnings[0]


def test_several_streams_in_an_ogg_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ogg"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libopus", rate=48000, layout="stereo") for _ in LEVELS[:2]]
        for stream, level in zip(streams, LEVELS, strict=False):
            frame = av.AudioFrame.from_ndarray(np.full((1, 9600), level, np.float32), "flt", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
            out.mux([*stream.encode(frame), *stream.encode(None)])

    def level(**options: object) -> tuple[float, list[str]]:
        with AudioReader(path, **options) as reader:
            return float(np.median(np.abs(np.concatenate(list(reader))))), reader.warnings

    first, warnings = level()
    assert first == pytest.approx(level(track=1)[0], abs=1e-3)
    assert warnings[0].startswith(f"{path}: of 2 audio tracks number 1 is used; --track N (track=N) takes")
    assert level(track=2) == (pytest.approx(2 * first, rel=0.2), [])
    monkeypatch.setattr(opening, "ffmpeg_installed", lambda: False)
    assert level()[1] == warnings[:1] or level()[1][0].endswith("--track N (track=N) takes another one")
    with pytest.raises(AudioError, match="another track than the first needs FFmpeg"):
        AudioReader(path, track=2)


def test_missing_track(song: Path) -> None:
    with pytest.raises(AudioError) as caught:
        AudioReader(song, track=4)
    assert str(caught.value) == f"{song}: no audio track 4; it has {LIST}"


def test_file_with_one_track(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tones(100))
    with AudioReader(path, track=1) as reader:
        assert reader.frames == 100
    with pytest.raises(AudioError, match="no audio track 2; it has one"):
        AudioReader(path, track=2)


@pytest.mark.parametrize("track", [0, -1, 1.5, "1"])
def test_no_number(song: Path, track: object) -> None:
    with pytest.raises(AudioError, match="track: expected a number from 1 on"):
        AudioReader(song, track=track)  # type: ignore[arg-type]


def test_separate_to_file(song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, two_stems) -> None:
    separator = Separator(two_stems)

    def level(**options: object) -> float:
        paths = separator.separate_to_file(song, tmp_path / "out", bit_depth="float32", **options)
        with AudioReader(song, track=options.get("track") or 1) as reader:
            expected = separator.separate(np.concatenate(list(reader)))
        for stem, path in paths.items():
            with AudioReader(path) as reader:
                np.testing.assert_array_equal(np.concatenate(list(reader)), expected[stem])

    level(track=2)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    level()
    assert [record.getMessage() for record in caplog.records].count(
        f"{song}: of 3 audio tracks number 1 is used; --track N (track=N) takes another one: {LIST}"
    ) == 1

    class Other(AudioAdapter):
        def load(self, *arguments: object, **options: object) -> tuple:
            raise AssertionError("work began")

        save = load

    with pytest.raises(SpleeterError, match="track are the built-in adapter's"):
        separator.separate_to_file(song, tmp_path, Other(), track=1)


def test_command_line(song: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> dict:
        model = case("tiny-2stems") / "config.json"
        options = ["separate", "-p", model, "-o", tmp_path / "out", "--json", "--sample-rate", "source", song]
        result = CliRunner().invoke(cli, [*map(str, options), *map(str, arguments)])
        report: dict = json.loads(result.stdout)
        return report

    assert run("--track", 3)["warnings"] == []
    assert "of 3 audio tracks" in run()["warnings"][0]
    assert f"no audio track 4; it has {LIST}" in run("--track", 4)["error"]["message"]
