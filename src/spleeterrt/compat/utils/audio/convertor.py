"""Spleeter 1.4.0's `utils.audio.convertor`."""

from __future__ import annotations

from ...audio.convertor import (
    db_to_gain,
    db_uint_spectrogram_to_gain,
    gain_to_db,
    spectrogram_to_db_uint,
    to_n_channels,
    to_stereo,
)

__all__ = [
    "db_to_gain",
    "db_uint_spectrogram_to_gain",
    "gain_to_db",
    "spectrogram_to_db_uint",
    "to_n_channels",
    "to_stereo",
]
