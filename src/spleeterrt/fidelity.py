"""How far a model is from another one of the same stems: what small weights cost."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import Float32, aligned_empty
from .audio.channels import stereo_blocks
from .errors import SpleeterError
from .network.config import ModelConfig
from .network.model import Model
from .parallel import check_threads
from .separator import Separator
from .stft import Spectrum

# Quieter bins (full scale is 1, in one sample) say nothing of a mask: their estimates lose digits.
QUIET = 1e-6

TEST_SECONDS = 12  # one segment of the official models


@dataclass(frozen=True)
class StemErrors:
    """Of one stem.

    Attributes:
        mask_max, mask_mean: absolute difference of the networks' masks (before the ratio mask; from 0 to 1),
            over all bins that are not silent.
        snr_db: power of the reference's stem over that of the difference, in dB; infinite if they are equal.
    """

    mask_max: float
    mask_mean: float
    snr_db: float


def compare(
    reference: Model, other: Model, waveform: npt.ArrayLike, threads: int | None = None
) -> dict[str, StemErrors]:
    """Run both models on a signal.

    Args:
        waveform: floating-point (samples, channels) at the models' rate.

    Raises:
        SpleeterError: the models differ in stems or in the STFT; the waveform is not one, or silent.
    """
    for name in ("instruments", "sample_rate", "frame_length", "frame_step", "T", "F"):
        mine, theirs = getattr(reference.config, name), getattr(other.config, name)
        if mine != theirs:
            raise SpleeterError(f"models that differ in {name} cannot be compared: {mine} and {theirs}")
    (signal,) = stereo_blocks([waveform])
    expected, got = (Separator(model, threads=threads).separate(signal) for model in (reference, other))
    largest = np.zeros(len(reference.instruments))
    total = np.zeros(len(reference.instruments))
    bins = 0
    threads = check_threads(threads)
    for magnitude in _segments(reference.config, signal):
        heard = magnitude[0] > QUIET
        bins += np.count_nonzero(heard)
        first, second = (model.forward(magnitude, threads) for model in (reference, other))
        for k in range(len(largest)):
            error = np.abs(first[k, 0][heard] - second[k, 0][heard]) / magnitude[0][heard]
            largest[k] = max(largest[k], error.max(initial=0.0))
            total[k] += error.sum(dtype=np.float64)
    if not bins:
        raise SpleeterError("cannot compare models on a silent signal")
    return {
        stem: StemErrors(float(largest[k]), float(total[k] / bins), _snr_db(expected[stem], got[stem]))
        for k, stem in enumerate(reference.instruments)
    }


def _segments(config: ModelConfig, signal: Float32) -> Iterator[Float32]:
    """|STFT| of a stereo signal by segments, (1, T, F, 2) each; the next replaces it."""
    spectrum = Spectrum(config)
    frames = spectrum.frames(len(signal))
    segments = -(-frames // config.T)
    padded = np.zeros((spectrum.samples(segments * config.T), config.n_channels), np.float32)
    padded[config.frame_length : config.frame_length + len(signal)] = signal
    magnitude = aligned_empty((1, config.T, config.F, config.n_channels))
    work = spectrum.workspace(1)
    for start in range(0, frames, config.T):
        first = start * config.frame_step
        seen = padded[first : first + spectrum.span]
        spectrum.analyse(seen, min(config.T, frames - start), None, magnitude[0], work)
        yield magnitude


def _snr_db(expected: Float32, got: Float32) -> float:
    power = float(np.square(expected, dtype=np.float64).sum())
    error = float(np.square(expected - got, dtype=np.float64).sum())
    return 10 * math.log10(max(power, sys.float_info.min) / error) if error else math.inf


def probe_signal(sample_rate: int, seconds: float = TEST_SECONDS) -> Float32:
    """Some music-like sound, float32 (samples, 2), the same on every machine up to rounding.

    A gliding voice with vibrato, chords, a bass, and bursts of noise on the beat, unequal left and right.
    """
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    rng = np.random.RandomState(0)  # whose numbers stay the same over numpy's versions

    def harmonics(frequency: npt.NDArray[np.float64], count: int, slope: float) -> npt.NDArray[np.float64]:
        phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
        audible = (k for k in range(1, count + 1) if k * frequency.max() < sample_rate / 2)
        return np.asarray(sum(np.sin(k * phase) / k**slope for k in audible))

    melody = 220 * 2 ** (np.sin(2 * np.pi * 0.11 * t) + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    voice = harmonics(melody, 30, 1.0) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * t))
    step = (t // 2).astype(int) % 4
    root = np.array([110.0, 87.31, 130.81, 98.0])[step]
    chord = sum(harmonics(root * ratio, 8, 1.5) for ratio in (2, 2.5, 3))
    bass = harmonics(root / 2, 6, 1.2)
    beat = rng.standard_normal(len(t)) * np.exp(-(t % 0.5) * 25)
    left = 0.5 * voice + 0.4 * chord + 0.6 * bass + 0.5 * beat
    right = 0.5 * voice + 0.2 * chord + 0.6 * bass + 0.3 * beat
    stereo = np.stack([left, right], axis=1)
    stereo *= 0.8 / np.abs(stereo).max()
    return stereo.astype(np.float32)
