"""`SoundFileAudioAdapter`: the default adapter, on libsndfile and FFmpeg's libraries; no program is run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AudioError
from . import Codec
from .adapter import AudioAdapter
from .reader import AudioReader
from .writer import StemFileWriter

logger = logging.getLogger("spleeterrt")


class SoundFileAudioAdapter(AudioAdapter):
    """Loads and saves whole audio files."""

    def load(
        self,
        audio_descriptor: str | bytes | os.PathLike[str],
        offset: float | None = None,
        duration: float | None = None,
        sample_rate: float | None = None,
        dtype: Any = np.float32,
    ) -> tuple[np.ndarray, int]:
        """Load a file: `(samples, channels)` in [-1, 1], and its rate in Hz.

        Raises:
            AudioError: the file cannot be read, or holds nothing after `offset`.
        """
        kind = np.dtype(dtype.decode("ascii") if isinstance(dtype, bytes) else dtype)
        with AudioReader(
            audio_descriptor, offset=offset, duration=duration, sample_rate=sample_rate
        ) as reader:
            blocks = list(reader)
            for message in reader.warnings:
                logger.warning("%s", message)
            waveform = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            return waveform.astype(kind, copy=False), reader.rate

    def save(
        self,
        path: str | os.PathLike[str],
        data: np.ndarray,
        sample_rate: float,
        codec: Codec | str | None = None,
        bitrate: str | int | None = None,
    ) -> None:
        """Write `(samples, channels)` or `(samples,)`; WAV and FLAC are 16-bit, clamped.

        Raises:
            AudioError: the folder does not exist, the codec is not supported, or the write failed.
        """
        target = Path(os.fsdecode(path))
        if not target.parent.is_dir():
            raise AudioError(f"output directory does not exist: {target.parent}")
        wave = np.asarray(data, dtype=np.float32)
        if wave.ndim == 1:
            wave = wave[:, np.newaxis]
        if wave.ndim != 2:
            raise AudioError(f"{target}: expected samples of shape (samples, channels), got {np.shape(data)}")
        if codec is None:
            suffix = target.suffix[1:].lower()
            codec = suffix if suffix in {member.value for member in Codec} else Codec.WAV
        with StemFileWriter(
            {"audio": target},
            sample_rate,
            channels=wave.shape[1],
            codec=codec,
            bitrate="128k" if bitrate is None else bitrate,
            total_frames=len(wave),
        ) as writer:
            for start in range(0, len(wave), _SAVE_FRAMES):
                writer.write({"audio": wave[start : start + _SAVE_FRAMES]})
        logger.info("File %s written successfully", target)


_SAVE_FRAMES = 1 << 18  # bounds the temporaries of quantisation
