"""How far models are from one another: against plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, Separator, SpleeterError
from spleeterrt.fidelity import QUIET, compare, probe_signal
from support import reference
from support.tolerances import NETWORK

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(
    instruments=("a", "b"),
    conv_n_filters=FILTERS,
    T=64,
    F=64,
    frame_length=256,
    frame_step=64,
    sample_rate=8000,
)


def model_of(config: ModelConfig, seed: int) -> Model:
    return Model(config, reference.random_weights(config.instruments, FILTERS, seed))


def test_errors_are_those_of_the_definition() -> None:
    """Two segments; masks of the networks in float64, waveforms of the separator."""
    weights = [reference.random_weights(CONFIG.instruments, FILTERS, seed) for seed in (1, 2)]
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2)).astype(np.float32)
    models = [Model(CONFIG, w) for w in weights]
    got = compare(*models, signal, threads=1)

    magnitude = np.abs(reference.stft(signal, CONFIG.frame_length, CONFIG.frame_step))[:, : CONFIG.F]
    frames = len(magnitude)
    assert CONFIG.T < frames < 2 * CONFIG.T
    magnitude = np.pad(magnitude, ((0, 2 * CONFIG.T - frames), (0, 0), (0, 0)))
    segments = magnitude.reshape(2, CONFIG.T, CONFIG.F, 2).astype(np.float32)
    heard = segments > QUIET
    first, second = (reference.estimates(CONFIG, w, segments) for w in weights)
    stems = [Separator(model).separate(signal) for model in models]
    for k, stem in enumerate(CONFIG.instruments):
        error = np.abs(first[k] - second[k])[heard] / segments[heard]
        # Masks to the networks' float32 rounding: quiet bins have as good ones as loud bins.
        assert got[stem].mask_max == pytest.approx(error.max(), abs=2 * NETWORK)
        assert got[stem].mask_mean == pytest.approx(error.mean(), abs=2 * NETWORK)
        expected, other = (s[stem].astype(np.float64) for s in stems)
        snr = 10 * np.log10((expected**2).sum() / ((expected - other) ** 2).sum())
        assert got[stem].snr_db == pytest.approx(snr, abs=1e-4)


def test_a_model_is_itself() -> None:
    model = model_of(CONFIG, 1)
    for errors in compare(model, model, probe_signal(8000, 1)).values():
        assert (errors.mask_max, errors.mask_mean, errors.snr_db) == (0, 0, math.inf)


def test_what_cannot_be_compared(two_stems: Model, four_stems: Model) -> None:
    signal = probe_signal(8000, 1)
    with pytest.raises(SpleeterError, match="differ in instruments"):
        compare(two_stems, four_stems, signal)
    with pytest.raises(SpleeterError, match="differ in T cannot be compared: 64 and 128"):
        compare(model_of(CONFIG, 1), model_of(CONFIG.replace(T=128), 1), signal)
    with pytest.raises(SpleeterError, match="silent"):
        compare(two_stems, two_stems, np.zeros((1000, 2), np.float32))


@pytest.mark.parametrize("rate", [8000, 44100])
def test_the_signal_is_loud_everywhere_and_stereo(rate: int) -> None:
    signal = probe_signal(rate)
    assert (signal.dtype, signal.shape) == (np.float32, (12 * rate, 2))
    assert np.abs(signal).max() == np.float32(0.8)
    power = np.square(signal[: 12 * rate].reshape(12, rate, 2)).mean(axis=1)
    assert (power > 1e-3).all()
    assert np.abs(signal[:, 0] - signal[:, 1]).max() > 0.1
    np.testing.assert_array_equal(probe_signal(rate), signal)
