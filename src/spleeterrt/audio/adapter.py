"""`AudioAdapter`: the interface by which a separator loads and saves audio (Spleeter's names)."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from ..arguments import told
from ..errors import ArgumentTypeError, SpleeterError
from .codec import Codec

if TYPE_CHECKING:
    import numpy as np

# Spleeter's adapter names that old scripts pass: they mean the default adapter here.
_DEFAULT_NAMES = ("spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter",)


class AudioAdapter(ABC):
    """Loads and saves audio; subclass it to take audio from elsewhere than files."""

    _DEFAULT: ClassVar[AudioAdapter | None] = None

    @abstractmethod
    def load(
        self,
        audio_descriptor: Any,
        offset: float | None = None,
        duration: float | None = None,
        sample_rate: float | None = None,
        dtype: Any = "float32",
    ) -> tuple[np.ndarray, float]:
        """Load audio.

        Args:
            audio_descriptor: what to load; a path for the default adapter.
            offset, duration: seconds; None for the start and for everything.
            sample_rate: Hz to resample to; None keeps the file's.
            dtype: of the waveform, e.g. `np.float32`, `"float32"` or `b"float32"`.

        Returns:
            (waveform, rate): `(samples, channels)` and Hz.
        """

    @abstractmethod
    def save(
        self,
        path: str | os.PathLike[str],
        data: np.ndarray,
        sample_rate: float,
        codec: Codec | str | None = None,
        bitrate: str | int | None = None,
    ) -> None:
        """Save a waveform `(samples, channels)` to a file.

        Args:
            path: of the file to write; its folder must exist.
            data: samples in [-1, 1].
            sample_rate: Hz.
            codec: None takes it from the file name.
            bitrate: e.g. `"128k"`, of a lossy codec.
        """

    @classmethod
    def default(cls) -> AudioAdapter:
        """The default adapter, one instance per process."""
        # On the base class, so that a subclass's `default()` gives the same instance.
        if AudioAdapter._DEFAULT is None:
            from .soundfile_adapter import SoundFileAudioAdapter

            AudioAdapter._DEFAULT = SoundFileAudioAdapter()
        return AudioAdapter._DEFAULT

    @classmethod
    def get(cls, descriptor: str | None) -> AudioAdapter:
        """A new adapter of the class named `"module.Class"`; the default one for None or "".

        Raises:
            SpleeterError: the class cannot be imported, or is not an `AudioAdapter`.
        """
        if descriptor is not None and not isinstance(descriptor, str):
            raise ArgumentTypeError(f"audio adapter: expected the name of a class, got {told(descriptor)}")
        if not descriptor or descriptor in _DEFAULT_NAMES:
            return cls.default()
        module_name, _, class_name = descriptor.rpartition(".")
        if not module_name or not class_name:
            raise SpleeterError(f"audio adapter {descriptor!r}: expected module.Class")
        try:
            adapter_class = getattr(import_module(module_name), class_name)
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise SpleeterError(f"audio adapter {descriptor!r} cannot be imported: {error}") from error
        if not (isinstance(adapter_class, type) and issubclass(adapter_class, AudioAdapter)):
            raise SpleeterError(f"{class_name} is not a valid AudioAdapter class")
        try:
            adapter: AudioAdapter = adapter_class()
        except TypeError as error:  # abstract methods missing, or arguments needed
            raise SpleeterError(f"audio adapter {descriptor!r} cannot be created: {error}") from error
        return adapter


def __getattr__(name: str) -> Any:
    if name in ("get_audio_adapter", "get_default_audio_adapter"):  # of Spleeter 1.4 to 2.0
        return getattr(import_module("spleeterrt.spleeter_names"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
