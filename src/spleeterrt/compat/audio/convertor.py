"""Spleeter's `audio.convertor`, on numpy arrays instead of TensorFlow's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = np.ndarray[Any, Any]

_LEVELS = 255.9999  # of a byte: a maximum of 256 would wrap around


def to_n_channels(waveform: npt.ArrayLike, n_channels: int) -> Array:
    """(samples, channels) with n channels: the first ones, or those there are over and over."""
    wave = np.asarray(waveform)
    if wave.shape[1] >= n_channels:
        return wave[:, :n_channels]
    return np.tile(wave, (1, n_channels))[:, :n_channels]


def to_stereo(waveform: npt.ArrayLike) -> Array:
    """(samples, 2): mono is duplicated; of more than two channels the first two."""
    wave = np.asarray(waveform)
    return wave if wave.shape[1] == 2 else to_n_channels(wave, 2)


def gain_to_db(tensor: npt.ArrayLike, espilon: float = 10e-10) -> Array:
    """Decibels of amplitudes, of at least `espilon` (Spleeter's spelling)."""
    return np.asarray(20.0 * np.log10(np.maximum(tensor, espilon)))


def db_to_gain(tensor: npt.ArrayLike) -> Array:
    """Amplitudes of decibels."""
    return np.asarray(10.0 ** (np.asarray(tensor) / 20.0))


def spectrogram_to_db_uint(
    spectrogram: npt.ArrayLike,
    db_range: float = 100.0,
    *,
    tensor_key: str = "tensor",
    min_key: str = "min",
    max_key: str = "max",
) -> dict[str, Any]:
    """A spectrogram's decibels as bytes, with the decibels of 0 and of 255."""
    decibels = gain_to_db(spectrogram)
    decibels = np.maximum(decibels, decibels.max() - db_range)
    low, high = decibels.min(), decibels.max()
    scaled = (decibels - low) / (high - low + 1e-16) * _LEVELS
    return {tensor_key: scaled.astype(np.uint8), min_key: low, max_key: high}


def db_uint_spectrogram_to_gain(db_uint_spectrogram: npt.ArrayLike, min_db: float, max_db: float) -> Array:
    """The amplitudes of what `spectrogram_to_db_uint` gives."""
    scaled = np.asarray(db_uint_spectrogram, np.float32)
    return db_to_gain(scaled * (max_db - min_db) / _LEVELS + min_db)
