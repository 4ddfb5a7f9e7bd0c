"""What makes the starter model: songs, effects, and the trained network against the exported one.

No model is trained and no sound package is needed; each part is skipped where its libraries are missing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spleeterrt import load_model
from spleeterrt.models.packed import save_packed

STARTER = Path(__file__).parents[2] / "models" / "starter"
RATE = 44100


def starter_module(name: str, *needs: str) -> ModuleType:
    """A module of `models/starter`, which is no package: its folder is on the path while it is imported."""
    for library in needs:
        try:
            __import__(library)
        except ImportError as error:  # also of a Python package whose C library is missing
            pytest.skip(f"{library}: {error}")
    sys.path.insert(0, str(STARTER))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(STARTER))


@pytest.fixture(scope="module", name="compose")
def _compose() -> ModuleType:
    return starter_module("compose")


@pytest.fixture(scope="module", name="effects")
def _effects() -> ModuleType:
    return starter_module("effects", "scipy")


# --- songs ------------------------------------------------------------------------------


def test_tables(compose: ModuleType) -> None:
    """A bar is sixteen steps, a progression four bars; every style finds what it names."""
    for patterns in compose.DRUMS.values():
        for lines in patterns:
            for _, pattern in lines:
                assert len(pattern) == 16
                assert set(pattern) <= set("xo.")
    for table, marks in ((compose.BASS_STEPS, "RFOTA."), (compose.STRUM_STEPS, "xo.")):
        for pattern in (pattern for patterns in table.values() for pattern in patterns):
            assert len(pattern) == 16
            assert set(pattern) <= set(marks)
            assert set(pattern) != {"."}
    assert compose.PROGRESSIONS.keys() == compose.SCALES.keys()
    assert all(len(row) == 4 for rows in compose.PROGRESSIONS.values() for row in rows)
    for style in compose.STYLES:
        assert style.drums in compose.DRUMS
        assert set(style.bass) <= compose.BASS_STEPS.keys()
        assert set(style.bass_sounds) <= compose.BASS_SOUNDS.keys()
        assert set(style.backing) <= compose.BACKING.keys()


def test_a_seed_is_a_song(compose: ModuleType) -> None:
    one, again, other = (compose.compose(np.random.default_rng([1, n]), 20.0) for n in (4, 4, 5))
    assert one == again
    assert one != other


@pytest.mark.parametrize("seed", range(20))
def test_songs_can_be_played(compose: ModuleType, seed: int) -> None:
    song = compose.compose(np.random.default_rng(seed), 30.0)
    bar = 240 / song.tempo
    assert song.seconds / bar == pytest.approx(round(song.seconds / bar))
    assert round(song.seconds / bar) % 4 == 0
    assert abs(song.seconds - 30) <= 2 * bar + 1e-9
    assert {part.stem for part in song.parts} <= {"vocals", "drums", "bass", "other"}
    assert {"vocals", "drums", "bass"} <= {part.stem for part in song.parts}
    for part in song.parts:
        assert part.notes
        for note in part.notes:
            assert 0 <= note.start < song.seconds + bar / 8  # a late last one
            assert note.length > 0
            assert 0 <= note.pitch <= 127
            assert note.velocity <= 127


@pytest.mark.parametrize("low", [24, 31, 60])
def test_degrees_are_the_lowest_above(compose: ModuleType, low: int) -> None:
    composer = compose.Composer(np.random.default_rng(0), 10.0)
    for number in range(14):
        key = composer.degree(number, low)
        assert low <= key < low + 12
        assert (key - composer.key - composer.scale[number % 7]) % 12 == 0


# --- effects ----------------------------------------------------------------------------


def tone(frequency: float, seconds: float = 0.5, amplitude: float = 0.5) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], 1)


def level(wave: np.ndarray) -> float:
    """dB of the second half, where filters have settled."""
    return 10 * np.log10((wave[len(wave) // 2 :] ** 2).mean() + 1e-20)


@pytest.mark.parametrize("gain", [-6.0, 4.0])
def test_a_band_has_its_gain_at_its_frequency(effects: ModuleType, gain: float) -> None:
    for frequency, expected in ((1000, gain), (30, 0.0)):
        wave = tone(frequency)
        change = level(effects.peaking(wave, 1000, gain, 1.0)) - level(wave)
        assert change == pytest.approx(expected, abs=0.05)


def test_passes_halve_the_power_at_their_frequency(effects: ModuleType) -> None:
    for filtered in (effects.lowpass, effects.highpass):
        change = level(filtered(tone(1000), 1000)) - level(tone(1000))
        assert change == pytest.approx(-3.01, abs=0.05)
    assert level(effects.lowpass(tone(8000), 1000)) < level(tone(8000)) - 30
    assert level(effects.highpass(tone(100), 1000)) < level(tone(100)) - 30


def test_a_compressor_takes_its_ratio(effects: ModuleType) -> None:
    """A square wave of -6 dB, threshold -18, 4:1: 9 dB less; below the threshold nothing happens."""
    loud = np.full((RATE, 2), 10 ** (-6 / 20))
    gain = effects.gain_curve(loud, -18.0, 4.0, 0.005, 0.1)
    assert gain.shape == (RATE, 1)
    assert 20 * np.log10(gain[-1, 0]) == pytest.approx(-9, abs=0.01)
    assert gain[0, 0] > gain[-1, 0]  # the attack
    np.testing.assert_array_equal(effects.gain_curve(0.01 * loud, -18.0, 4.0, 0.005, 0.1), 1)


def test_effects_keep_length_and_repeat(effects: ModuleType) -> None:
    wave = tone(440)
    for effect in (
        effects.equalise,
        effects.compress,
        effects.saturate,
        effects.double,
        lambda rng, x: effects.reverb(rng, x, 0.3),
        lambda rng, x: effects.delay(rng, x, 0.1),
        lambda rng, x: effects.place(rng, x, 0.7),
    ):
        one, again = (effect(np.random.default_rng(3), wave) for _ in range(2))
        assert one.shape == wave.shape
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, again)


def test_saturation_keeps_the_peak(effects: ModuleType) -> None:
    wave = tone(441)
    assert np.abs(effects.saturate(np.random.default_rng(0), wave)).max() == pytest.approx(0.5)


# --- songs as sound ---------------------------------------------------------------------


def test_stems_are_levelled_and_mastered_as_one() -> None:
    songs = starter_module("songs", "scipy", "fluidsynth", "pyworld")
    wave = tone(440, 2.0, 0.01)
    assert 10 * np.log10((songs.loudness(wave, -17.0) ** 2).mean()) == pytest.approx(-17, abs=0.01)
    np.testing.assert_array_equal(songs.loudness(0 * wave, -17.0), 0 * wave)
    stems = {name: tone(f, 1.0) for name, f in zip(songs.STEMS, (440, 2000, 60, 900), strict=True)}
    seeds = (seed for seed in range(20) if not mp3(seed))
    made = songs.Studio.master(np.random.default_rng(next(seeds)), stems)
    assert made.shape == (4, RATE, 2)
    assert made.dtype == np.float32
    assert 0.5 <= np.abs(made.sum(0)).max() <= 0.98 + 1e-6
    # One gain for all: the stems' proportions stay.
    mix = sum(stems.values())
    np.testing.assert_allclose(made.sum(0) * stems["bass"], made[2] * mix, atol=1e-6)


def mp3(seed: int) -> bool:
    """Whether `Studio.master` would call FFmpeg, by what it draws before."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.7:
        rng.uniform(size=3)
    rng.uniform()
    return bool(rng.random() < 0.2)


def test_splits_share_no_sound_with_the_held_out_one() -> None:
    sources = starter_module("sources")
    heldout = sources.SPLITS["heldout"]
    for name in ("train", "valid"):
        split = sources.SPLITS[name]
        assert split.number != heldout.number
        assert not set(split.voices) & set(heldout.voices)
        fonts = {*split.soundfonts, *split.drum_soundfonts}
        assert not fonts & {*heldout.soundfonts, *heldout.drum_soundfonts}
    assert not heldout.samples


# --- training and export ----------------------------------------------------------------


def test_training_sees_the_magnitudes_of_the_stft() -> None:
    train = starter_module("train", "scipy", "torch")
    wave = np.random.default_rng(0).uniform(-1, 1, (train.FRAME + 2 * train.STEP, 2)).astype(np.float32)
    got = train.magnitudes(wave)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(train.FRAME) / train.FRAME)
    for frame in range(3):
        cut = wave[frame * train.STEP :][: train.FRAME] * window[:, None]
        expected = np.abs(np.fft.rfft(cut, axis=0)[: train.BINS]).T
        assert np.abs(got[:, frame] - expected).max() < 1e-3  # of float32, values up to some hundreds


def test_the_exported_network_is_the_trained_one(tmp_path: Path) -> None:
    """PyTorch's network and this package's on the same magnitudes, with batch norms that do something."""
    torch = pytest.importorskip("torch")
    export, unet = starter_module("export", "torch"), starter_module("unet", "torch")
    filters = (3, 4, 5, 6, 7, 8)
    torch.manual_seed(0)
    net = unet.UNet(filters)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            scales, shifts = (module.weight, module.running_var), (module.bias, module.running_mean)
            for values in scales:
                torch.nn.init.uniform_(values, 0.5, 1.5)
            for values in shifts:
                torch.nn.init.uniform_(values, -0.5, 0.5)
    net.eval()
    config = export.configuration(filters).replace(instruments=("vocals",), T=64, F=128)
    path = tmp_path / "one.safetensors"
    save_packed(path, config, {"vocals": export.tensors(net.state_dict())}, "float32")
    magnitude = np.random.default_rng(1).uniform(0, 100, (2, 64, 128, 2)).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy(magnitude.transpose(0, 3, 1, 2).copy())
        expected = (net(x) * x).numpy().transpose(0, 2, 3, 1)
    got = load_model(path).predict(magnitude)["vocals"]
    assert 0.05 < np.abs(got / magnitude).mean() < 0.95
    assert np.abs(got - expected).max() < 1e-5 * magnitude.max()
