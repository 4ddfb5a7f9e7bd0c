"""Spleeter's `audio.spectrogram`."""

from __future__ import annotations

from .._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(
    __name__,
    "compute_spectrogram_tf",
    "pitch_shift",
    "random_pitch_shift",
    "random_time_stretch",
    "time_stretch",
)
