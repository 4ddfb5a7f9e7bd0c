"""The short-time Fourier transform of Spleeter, over a running window of one segment at a time.

Spleeter prepends `frame_length` zeros, takes periodic-Hann frames with TensorFlow's `pad_end`
(frames = ceil((samples + frame_length) / frame_step)), and inverts by Hann-windowed overlap-add
times 2/3 (`spleeter/model/__init__.py`). Segments of T frames need T * frame_step new samples each, so a
signal of any length is processed in constant memory with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .config import ModelConfig
from .layers import Float32
from .parallel import run_parallel
from .planner import default_isa

Complex64 = npt.NDArray[np.complex64]

WINDOW_COMPENSATION = 2.0 / 3.0  # Spleeter's WINDOW_COMPENSATION_FACTOR


def hann_window(length: int) -> Float32:
    """Periodic Hann window, float32 (`tf.signal.hann_window`)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


class Spectrum:
    """The STFT of one model's configuration: plan and the sizes that follow from it."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.plan = spectral.Stft(
            config.frame_length,
            config.frame_step,
            config.fft_length,
            hann_window(config.frame_length),
            WINDOW_COMPENSATION,
            default_isa() or "generic",
        )
        self.step = config.T * config.frame_step  # new samples per segment
        self.span = self.step - config.frame_step + config.frame_length  # samples that a segment sees
        self.chunks = config.T // spectral.CHUNK_FRAMES

    def frames(self, samples: int) -> int:
        """Number of frames of a signal (the prepended zeros counted)."""
        return -(-(samples + self.config.frame_length) // self.config.frame_step)

    def analyse(
        self, samples: Float32, frames: int, spectrum: Complex64, magnitude: Float32, threads: int
    ) -> None:
        """One segment: samples (span, 2) -> spectrum complex64 (T, bins, 2), magnitude float32 (T, F, 2).

        Frames from `frames` on become zero (Spleeter pads the segment after the STFT).
        """
        run_parallel(self.plan.analyse, samples, frames, spectrum, magnitude, threads)

    def synthesise(
        self,
        spectrum: Complex64,
        masks: Float32,
        extension: Float32,
        stem: int,
        frames: int,
        chunks: Float32,
        threads: int,
    ) -> None:
        """One masked stem of a segment -> windowed frames, overlap-added per chunk, for `OverlapAdd`.

        masks float32 (model stems, T, F, 2); extension (model stems, T, 2) for the bins above F;
        `stem`: which of them; chunks (1, chunks, length, 2) is overwritten.
        """
        stems = np.array([stem], np.intp)
        run_parallel(self.plan.synthesise, spectrum, masks, extension, stems, frames, chunks, threads)

    def synthesise_plain(self, spectrum: Complex64, frames: int, chunks: Float32, threads: int) -> None:
        """The same of a finished spectrum: complex64 (T, bins, 2)."""
        run_parallel(self.plan.synthesise_plain, spectrum[None], frames, chunks, threads)


class OverlapAdd:
    """Joins the chunks of consecutive segments into a waveform."""

    def __init__(self, spectrum: Spectrum, stems: int) -> None:
        c = spectrum.config
        self._step = spectral.CHUNK_FRAMES * c.frame_step
        length = self._step - c.frame_step + c.frame_length
        self._tail = np.zeros((stems, c.frame_length - c.frame_step, c.n_channels), np.float32)
        self._chunks = np.empty((1, spectrum.chunks, length, c.n_channels), np.float32)

    def join(self, synthesise: Callable[[int, Float32], None]) -> Float32:
        """The finished samples of one segment: (stems, T * frame_step, 2).

        synthesise(k, chunks): writes the chunks of the k-th stem. One stem at a time, to save memory.
        """
        stems = len(self._tail)
        _, n_chunks, _, channels = self._chunks.shape
        out = np.empty((stems, n_chunks * self._step, channels), np.float32)
        for k in range(stems):
            synthesise(k, self._chunks)
            spectral.overlap_add(self._chunks, self._step, self._tail[k : k + 1], out[k : k + 1])
        return out
