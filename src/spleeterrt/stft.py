"""The short-time Fourier transform of Spleeter, over a running window of one segment at a time.

Spleeter prepends `frame_length` zeros, takes periodic-Hann frames with TensorFlow's `pad_end`
(frames = ceil((samples + frame_length) / frame_step)), and inverts by Hann-windowed overlap-add
times 2/3 (`spleeter/model/__init__.py`). Segments of T frames need T * frame_step new samples each, so a
signal of any length is processed in constant memory with the same bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .config import ModelConfig
from .layers import Float32
from .parallel import run_parallel

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
        )
        self.step = config.T * config.frame_step  # new samples per segment
        self.span = self.step - config.frame_step + config.frame_length  # samples that a segment sees
        self.chunks = config.T // spectral.CHUNK_FRAMES

    def frames(self, samples: int) -> int:
        """Number of frames of a signal (the prepended zeros counted)."""
        return -(-(samples + self.config.frame_length) // self.config.frame_step)

    def analyse(self, samples: Float32, frames: int, threads: int) -> tuple[Complex64, Float32]:
        """One segment: samples (span, 2) -> spectrum complex64 (T, bins, 2), magnitude float32 (T, F, 2).

        Frames from `frames` on are zero (Spleeter pads the segment after the STFT).
        """
        c = self.config
        spectrum = np.empty((c.T, c.bins, c.n_channels), np.complex64)
        magnitude = np.empty((c.T, c.F, c.n_channels), np.float32)
        run_parallel(self.plan.analyse, samples, frames, spectrum, magnitude, threads)
        return spectrum, magnitude

    def empty_chunks(self, stems: int) -> Float32:
        length = (spectral.CHUNK_FRAMES - 1) * self.config.frame_step + self.config.frame_length
        return np.empty((stems, self.chunks, length, self.config.n_channels), np.float32)

    def synthesise(
        self,
        spectrum: Complex64,
        masks: Float32,
        extension: Float32,
        stems: npt.NDArray[np.intp],
        frames: int,
        threads: int,
    ) -> Float32:
        """Masked segment -> windowed frames, overlap-added per chunk, for `OverlapAdd`.

        masks float32 (model stems, T, F, 2); extension (model stems, T, 2) for the bins above F;
        `stems`: which of them to make.
        """
        chunks = self.empty_chunks(len(stems))
        run_parallel(self.plan.synthesise, spectrum, masks, extension, stems, frames, chunks, threads)
        return chunks

    def synthesise_plain(self, spectra: Complex64, frames: int, threads: int) -> Float32:
        """The same of one finished spectrum per stem: complex64 (stems, T, bins, 2)."""
        chunks = self.empty_chunks(len(spectra))
        run_parallel(self.plan.synthesise_plain, spectra, frames, chunks, threads)
        return chunks


class OverlapAdd:
    """Joins the chunks of consecutive segments into a waveform."""

    def __init__(self, spectrum: Spectrum, stems: int) -> None:
        c = spectrum.config
        self._step = spectral.CHUNK_FRAMES * c.frame_step
        self._tail = np.zeros((stems, c.frame_length - c.frame_step, c.n_channels), np.float32)

    def push(self, chunks: Float32) -> Float32:
        """(stems, chunks, length, 2) -> the finished samples (stems, T * frame_step, 2)."""
        stems, n_chunks, _, channels = chunks.shape
        out = np.empty((stems, n_chunks * self._step, channels), np.float32)
        spectral.overlap_add(chunks, self._step, self._tail, out)
        return out
