"""`SoundFileAudioAdapter`: the default adapter, on libsndfile and FFmpeg's libraries; no program is run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..arguments import floats, output_folder, told
from ..errors import ArgumentError, ArgumentTypeError, AudioError
from .adapter import AudioAdapter
from .channels import MOST_CHANNELS
from .codec import Codec
from .file_objects import AudioInput, described_path, input_path, is_file_object, output_path, renamed
from .formats import ENDINGS, codec_of
from .reader import AudioReader
from .writer import StemFileWriter

logger = logging.getLogger("spleeterrt")


class SoundFileAudioAdapter(AudioAdapter):
    """Loads and saves whole audio files."""

    def load(
        self,
        audio_descriptor: AudioInput,
        offset: float | None = None,
        duration: float | None = None,
        sample_rate: float | None = None,
        dtype: Any = np.float32,
    ) -> tuple[np.ndarray, int]:
        """Load a file, a binary file object or the bytes of a file.

        Returns:
            `(samples, channels)` in [-1, 1], and its rate in Hz.

        Raises:
            AudioError: the file cannot be read, or holds nothing after `offset`.
            ArgumentTypeError: not audio in one of these forms, or no dtype of samples.
        """
        kind = _sample_dtype(dtype)
        with (
            input_path(audio_descriptor) as path,
            AudioReader(path, offset=offset, duration=duration, sample_rate=sample_rate) as reader,
        ):
            blocks = list(reader)
            for message in renamed(reader.warnings, path, described_path(audio_descriptor)):
                logger.warning("%s", message)
            waveform = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            return waveform.astype(kind, copy=False), reader.rate

    def save(
        self,
        path: str | os.PathLike[str] | IO[bytes],
        data: np.ndarray,
        sample_rate: float,
        codec: Codec | str | None = None,
        bitrate: str | int | None = None,
    ) -> None:
        """Write `(samples, channels)` or `(samples,)`, to a path or a binary file object.

        16 bits, where the format has no codec; what is beyond full scale is cut off, with a warning.

        Raises:
            AudioError: the folder does not exist, the codec is not supported or not that of the ending, or
                the write failed.
            ArgumentError: an array of another shape or dtype.
        """
        target = described_path(path)
        wave = _waveform(data, target)
        if is_file_object(path):
            known = codec_of(target, codec)
            ending = next(key for key, codecs in ENDINGS.items() if known in codecs)
            with output_path(path, ending) as made:
                self._write(made, wave, sample_rate, known, bitrate)
        else:
            output_folder("path", path)
            if not _is_folder(target.parent):
                raise AudioError(f"output directory does not exist: {target.parent}")
            self._write(target, wave, sample_rate, codec, bitrate)
        logger.info("File %s written succesfully", target)  # Spleeter's spelling

    def _write(
        self,
        target: Path,
        wave: np.ndarray,
        sample_rate: float,
        codec: Codec | str | None,
        bitrate: str | int | None,
    ) -> None:
        with StemFileWriter(
            {"audio": target},
            sample_rate,
            channels=wave.shape[1],
            codec=codec,
            bitrate=bitrate,
            total_frames=len(wave),
        ) as writer:
            for start in range(0, len(wave), _SAVE_FRAMES):
                writer.write({"audio": wave[start : start + _SAVE_FRAMES]})


def _sample_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype.decode("ascii") if isinstance(dtype, bytes) else dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"dtype: expected one of samples, e.g. 'float32', got {told(dtype)}"
        ) from error
    if kind.kind != "f":
        raise ArgumentTypeError(f"dtype: expected one of floating-point samples, e.g. 'float32', got {kind}")
    return kind


def _waveform(data: Any, target: Path) -> np.ndarray:
    """float32 (samples, channels)."""
    wave = floats(str(target), data).astype(np.float32, copy=False)
    if wave.ndim == 1:
        wave = wave[:, np.newaxis]
    if wave.ndim != 2:
        raise ArgumentError(f"{target}: expected samples of shape (samples, channels), got {np.shape(data)}")
    if wave.shape[1] > MOST_CHANNELS and wave.shape[0] <= MOST_CHANNELS:
        raise ArgumentError(
            f"{target}: expected samples of shape (samples, channels), got {wave.shape}; did you mean .T?"
        )
    return wave


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # a name too long
        return False


_SAVE_FRAMES = 1 << 18  # bounds the temporaries of quantisation
