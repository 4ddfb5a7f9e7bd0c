"""`short_segments`: clips of up to 256 frames run with T = 256, everything else as without it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import Model, Separator
from spleeterrt.separator import SHORT_FRAMES
from support.command import cli
from support.examples import some
from support.golden import case


@pytest.fixture(scope="module")
def long_model(two_stems: Model) -> Model:
    return two_stems.with_config(two_stems.config.replace(T=512))


def most(model: Model) -> int:
    """Samples of the longest signal that has 256 frames, the one in front counted."""
    return SHORT_FRAMES * model.config.frame_step - model.config.frame_length


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, 2)).astype(np.float32)


def equal(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[stem], two[stem]) for stem in one)


@pytest.mark.parametrize("mwf", some([False, True]))
@pytest.mark.parametrize("beyond", [0, 1])
def test_the_segment_follows_from_the_length(long_model: Model, mwf: bool, beyond: int):
    waveform = noise(most(long_model) + beyond)
    short = long_model.with_config(long_model.config.replace(T=SHORT_FRAMES))
    expected = Separator(long_model if beyond else short, mwf, threads=1).separate(waveform)
    separator = Separator(long_model, mwf, threads=1, short_segments=True)
    assert equal(separator.separate(waveform), expected)
    blocks = list(separator.separate_blocks(np.array_split(waveform, 7)))
    joined = {stem: np.concatenate([block[stem] for block in blocks]) for stem in expected}
    assert equal(joined, expected)
    other = Separator(short if beyond else long_model, mwf, threads=1).separate(waveform)
    assert not equal(expected, other)


def test_files_and_pickles(long_model: Model, tmp_path: Path):
    soundfile.write(tmp_path / "clip.wav", noise(30000), 44100, "FLOAT")
    separator = Separator(long_model, threads=1, short_segments=True)
    options: dict[str, Any] = {"bit_depth": "float32", "clip": "none"}
    made = separator.separate_to_file(tmp_path / "clip.wav", tmp_path, **options)
    expected = separator.separate(noise(30000))
    for stem, path in made.items():
        assert np.array_equal(soundfile.read(path, dtype="float32")[0], expected[stem])
    copy = pickle.loads(pickle.dumps(separator))
    assert "short_segments" in repr(copy)


def test_a_model_with_short_segments_stays_as_it_is(two_stems: Model):
    assert two_stems.config.T <= SHORT_FRAMES
    waveform = noise(20000)
    one, two = (Separator(two_stems, threads=1, short_segments=flag) for flag in (False, True))
    assert equal(one.separate(waveform), two.separate(waveform))


def test_the_command_has_it(tmp_path: Path):
    soundfile.write(tmp_path / "clip.wav", noise(20000), 44100)
    config = case("tiny-2stems") / "config.json"
    done = cli(
        "separate", "-q", "--short-segments", "-p", config, "-o", tmp_path / "out", tmp_path / "clip.wav"
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "clip").iterdir())) == 2
