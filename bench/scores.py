"""Scores of separated stems and the oracle beside them: what `quality.py` and `real_music.py` compute.

SI-SDR after Le Roux, Wisdom, Erdogan and Hershey, "SDR: half-baked or well done?" (ICASSP 2019):

    a = <e, s> / <s, s>        SI-SDR = 10 lg( |a s|^2 / |e - a s|^2 )

of an estimate e and a reference s. Both channels count as one long signal with one gain a: a stem at the
wrong place in the stereo image is an error. No mean is taken off. Own code, apart from `spleeterrt evaluate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spleeterrt._kernels import spectral
from spleeterrt.network.config import ModelConfig
from spleeterrt.stft import Spectrum, Synthesis

LIMIT_DB = 100.0  # scores stay within it, perfect and empty estimates too
SILENCE_DB = -60.0  # a reference this far below the mixture is not there: nobody hears it

_ORACLE_FRAMES = 16 * spectral.CHUNK_FRAMES


def energy(wave: np.ndarray) -> float:
    flat = wave.astype(np.float64).ravel()
    return float(flat @ flat)


def decibels(signal: float, error: float) -> float:
    """10 lg(signal / error), within `LIMIT_DB`; nothing over nothing is the worst."""
    floor = 10 ** (-LIMIT_DB / 10)
    if signal <= floor * error or signal == 0:
        return -LIMIT_DB
    return 10 * math.log10(signal / max(error, floor * signal))


def is_silent(reference: np.ndarray, mixture: np.ndarray) -> bool:
    """Whether a reference is `SILENCE_DB` below the mixture, or more."""
    return energy(reference) <= 10 ** (SILENCE_DB / 10) * energy(mixture)


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """In dB, of (samples, channels); -LIMIT_DB where the estimate is silent or has nothing of the reference.

    Raises:
        ValueError: different shapes, or a silent reference, of which there is no such score.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"reference {reference.shape} and estimate {estimate.shape} differ in shape")
    s, e = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    power = float(s @ s)
    if power == 0:
        raise ValueError("the reference is silent")
    target = float(e @ s) / power * s
    return decibels(energy(target), energy(e - target))


def oracle(
    config: ModelConfig, references: Mapping[str, np.ndarray], mixture: np.ndarray
) -> dict[str, np.ndarray]:
    """What the ratio mask of the references' own spectra, |S|^2 / sum |S|^2, makes of the mixture.

    It is what a model of this kind makes that knows every magnitude: same STFT, F bins and mask extension as
    `config` says, so above F it has no more than the model has; masks and inverse are the package's own. The
    exponent is Spleeter's, whatever the model's is: a smaller one suits what is uncertain, and nothing is
    here. A mark, no strict bound: a mask that knew the phases too could score higher.

    references: {name: float32 (samples, 2)}, mixture: float32 (samples, 2).
    """
    config = config.replace(instruments=tuple(references), separation_exponent=2.0)
    spectrum = Spectrum(config)
    samples, front = len(mixture), config.frame_length
    frames = spectrum.frames(samples)

    def padded(wave: np.ndarray) -> np.ndarray:
        out = np.zeros((spectrum.samples(frames), 2), np.float32)
        out[front : front + samples] = wave
        return out

    mix = padded(mixture)
    sources = [padded(wave) for wave in references.values()]
    outs = [np.empty((samples, 2), np.float32) for _ in sources]
    work = spectrum.workspace(1)
    synthesis = Synthesis(spectrum, np.arange(len(sources)), _ORACLE_FRAMES, work)
    magnitudes = np.zeros((len(sources), _ORACLE_FRAMES, config.F, 2), np.float32)
    for frame in range(0, frames, _ORACLE_FRAMES):
        count, start = min(_ORACLE_FRAMES, frames - frame), frame * config.frame_step
        for source, magnitude in zip(sources, magnitudes, strict=True):
            spectrum.analyse(source[start:], count, None, magnitude, work)
        first = max(start, front)
        last = max(first, min(start + count * config.frame_step, front + samples))
        parts = [out[first - front : last - front] for out in outs]
        synthesis.separate(mix[start:], magnitudes, count, parts, first - start)
    return dict(zip(references, outs, strict=True))


def museval_sdr(references: Sequence[np.ndarray], estimates: Sequence[np.ndarray], rate: int) -> list[float]:
    """SDR of BSSEval v4 by museval: medians over frames of one second in which no reference is silent.

    NaN where there is no such frame.
    """
    import museval

    sdr = museval.evaluate(np.stack(references), np.stack(estimates), win=rate, hop=rate, mode="v4")[0]
    finite = [row[np.isfinite(row)] for row in sdr]
    return [float(np.median(row)) if len(row) else math.nan for row in finite]
