"""Modes through files and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import Separator
from spleeterrt.audio.writer import quantize
from support.command import cli
from support.golden import case

TWO = str(case("tiny-2stems") / "config.json")
FOUR = str(case("tiny-4stems") / "config.json")
FIVE = str(case("tiny-5stems") / "config.json")


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, quantize(music * 0.9, "int16"), 44100, subtype="PCM_16")
    return path


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (FOUR, {"mode": "direct", "stems": ["bass", "drums"]}),
        (FIVE, {"mode": "direct"}),
        (TWO, {"mode": "residual"}),
        (TWO, {"mode": "residual", "stems": ["accompaniment", "vocals"]}),
        (FOUR, {"mode": "three"}),
        (FOUR, {"mode": "three", "stems": ["accompaniment"]}),
    ],
)
def test_files_hold_the_samples(song: Path, tmp_path: Path, model: str, options: dict) -> None:
    separator = Separator(model, **options)
    expected = separator.separate(soundfile.read(song, dtype="float32")[0])
    paths = separator.separate_to_file(song, tmp_path / "out", bit_depth="float32", clip="none")
    assert paths
    assert list(paths) == list(expected)
    for stem, path in paths.items():
        np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], expected[stem])


@pytest.mark.parametrize(("model", "mode"), [(TWO, "residual"), (FOUR, "three")])
def test_integer_files_sum_to_the_input_exactly(song: Path, tmp_path: Path, model: str, mode: str) -> None:
    paths = Separator(model, mode=mode).separate_to_file(song, tmp_path / "out")
    assert paths
    total = sum(soundfile.read(path, dtype="int16")[0].astype(np.int64) for path in paths.values())
    np.testing.assert_array_equal(total, soundfile.read(song, dtype="int16")[0])


@pytest.mark.parametrize(
    ("model", "mode", "more", "stems"),
    [
        (TWO, "ratio", (), ["accompaniment", "vocals"]),
        (TWO, "residual", (), ["accompaniment", "vocals"]),
        (FOUR, "direct", ("--stems", "bass", "--above-band", "0.2"), ["bass"]),
        (FOUR, "three", ("--full-band",), ["accompaniment", "drums", "vocals"]),
    ],
)
def test_command_line(
    song: Path, tmp_path: Path, model: str, mode: str, more: tuple[str, ...], stems: list[str]
) -> None:
    done = cli("separate", "-p", model, "--mode", mode, *more, "-o", tmp_path, "--json", song)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["mode"] == mode
    assert sorted(result["stems"]) == stems
    options = {
        "above_band": 0.2 if "--above-band" in more else None,
        "full_band": "--full-band" in more,
        "stems": stems,
    }
    if mode == "residual":
        options["stems"] = None
    expected = Separator(model, mode=mode, **options).separate(soundfile.read(song, dtype="float32")[0])
    for stem, path in result["stems"].items():
        # Of the rest the others as they are written are taken away.
        most = len(stems) - 1 if stem == "accompaniment" and mode != "ratio" else 0
        found = soundfile.read(path, dtype="int16")[0].astype(int)
        assert np.abs(found - quantize(expected[stem], "int16")).max() <= most


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (FOUR, ("--mode", "residual"), "two stems"),
        (TWO, ("--mode", "three"), "drums and vocals"),
        (FIVE, ("--mode", "three"), "softmax"),
        (TWO, ("--mode", "direct", "--mwf"), "--mwf"),
        (TWO, ("--above-band", "0.1"), "--above-band"),
        (FOUR, ("--mode", "three", "--above-band", "0.7"), "--above-band"),
        (FOUR, ("--mode", "three", "--stems", "bass"), "bass"),
    ],
)
def test_what_does_not_go_together(
    song: Path, tmp_path: Path, model: str, options: tuple[str, ...], message: str
) -> None:
    done = cli("separate", "-p", model, *options, "-o", tmp_path / "out", "--json", song)
    assert done.returncode == 2
    assert message in done.stderr
    failure = json.loads(done.stdout)
    assert (failure["status"], failure["error"]["code"]) == ("failed", "invalid")
    assert not (tmp_path / "out").exists()


def test_unknown_mode(song: Path) -> None:
    done = cli("separate", "-p", TWO, "--mode", "magic", song)
    assert done.returncode == 2
    assert "magic" in done.stderr
