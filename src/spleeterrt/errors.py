"""The exceptions of the package: every error a user can cause is a `SpleeterError`."""

from __future__ import annotations

import errno
import os


class SpleeterError(Exception):
    """Base class of all errors raised on bad input, bad models or failed I/O (Spleeter's name)."""


class ArgumentError(SpleeterError, ValueError):
    """An argument has a value that makes no sense; the message says what was expected and what came."""


class ArgumentTypeError(SpleeterError, TypeError):
    """An argument is of a kind that cannot be meant; the message says what was expected and what came."""


class BlockError(ArgumentError):
    """A block of samples, or an array for them, has another shape or length than was agreed."""


class ClosedError(SpleeterError, ValueError):
    """What is used has been closed (Python's files raise ValueError there, too)."""


class BusyError(SpleeterError, RuntimeError):
    """Another thread is inside a call that only one thread at a time may make."""


class ModelError(SpleeterError):
    """A model is missing, incomplete or corrupt; the message names the file and the tensor."""


class ConfigError(ModelError, ValueError):
    """A model's configuration cannot be read, or has a value that the network cannot take."""


class AudioError(SpleeterError):
    """An audio file cannot be read or written; the message names the file."""


class AudioOptionError(AudioError, ValueError):
    """A codec, rate or other setting that audio files cannot have."""


class UnknownFormatError(AudioError):
    """libsndfile does not know the format; FFmpeg may."""


class StorageError(SpleeterError):
    """What lies in object storage or on a shared disk cannot be read or written; it may be tried again."""


class SeparationCancelled(SpleeterError):
    """The caller's `cancel` asked a separation to stop."""


def reader_gone(error: BaseException) -> bool:
    """Whether nobody reads a pipe or a connection any more. (Windows says "invalid argument" of a pipe.)"""
    if isinstance(error, ConnectionError):  # of pipes, too
        return True
    return os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL


def reason(error: BaseException) -> str:
    """What went wrong, without the number and the file name that an OSError adds."""
    return getattr(error, "strerror", None) or str(error)


def error_code(error: BaseException) -> str:
    """What kind of error it is, for programs."""
    kinds = (
        (AudioError, "audio"),
        (ModelError, "model"),
        (StorageError, "storage"),
        (SpleeterError, "invalid"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "unexpected")


def error_message(error: BaseException) -> str:
    """With the name of the kind where it is none of ours."""
    return str(error) if isinstance(error, SpleeterError) else f"{type(error).__name__}: {error}"
