"""The exceptions of the package: every error a user can cause is a `SpleeterError`."""

from __future__ import annotations


class SpleeterError(Exception):
    """Base class of all errors raised on bad input, bad models or failed I/O (Spleeter's name)."""


class ModelError(SpleeterError):
    """A model is missing, incomplete or corrupt; the message names the file and the tensor."""


class AudioError(SpleeterError):
    """An audio file cannot be read or written; the message names the file."""


class UnknownFormatError(AudioError):
    """libsndfile does not know the format; FFmpeg may."""


class SeparationCancelled(SpleeterError):
    """The caller's `cancel` asked a separation to stop."""
