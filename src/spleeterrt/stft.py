"""The short-time Fourier transform of Spleeter, for those who want spectra, or sound of their own estimates.

Spleeter prepends `frame_length` zeros, takes periodic-Hann frames with TensorFlow's `pad_end`
(frames = ceil((samples + frame_length) / frame_step)), and inverts by Hann-windowed overlap-add
times 2/3 (`spleeter/model/__init__.py`). No complex spectrum is kept for the way back: a frame's transform is
repeated there, which costs less than moving it through memory. (The pipeline has the same kernels inside its
engine, `_kernels/core/offline`.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .arrays import Complex64, Float32, aligned_empty
from .network.config import ModelConfig
from .network.method_plan import default_isa
from .parallel import available_threads, run_parallel

WINDOW_COMPENSATION: float = spectral.WINDOW_COMPENSATION  # Spleeter's WINDOW_COMPENSATION_FACTOR


def hann_window(length: int) -> Float32:
    """Periodic Hann window, float32 (`tf.signal.hann_window`)."""
    return np.array(spectral.hann_window(length), np.float32)


def available(work: Float32) -> Float32:
    """The rows of working memory, one per thread, of as many threads as can be had."""
    return work[: available_threads(len(work))]


class Spectrum:
    """The STFT of one model's configuration: plan and the sizes that follow from it."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.plan = spectral.Stft(
            config.frame_length,
            config.frame_step,
            config.fft_length,
            hann_window(config.frame_length),
            hann_window(config.frame_length) * np.float32(WINDOW_COMPENSATION),
            default_isa() or "generic",
        )
        self.step = config.T * config.frame_step  # new samples per segment
        self.span = self.samples(config.T)  # samples that a segment sees

    def frames(self, samples: int) -> int:
        """Number of frames of a signal (the prepended zeros counted)."""
        return -(-(samples + self.config.frame_length) // self.config.frame_step)

    def samples(self, frames: int) -> int:
        """Samples that so many frames see."""
        return (frames - 1) * self.config.frame_step + self.config.frame_length

    def workspace(self, threads: int, stems: int | None = None, estimates: int | None = None) -> Float32:
        """Working memory, one row per thread, to analyse and to make so many stems (None: all) of so many
        estimates (None: the model's stems)."""
        every = len(self.config.instruments) if estimates is None else estimates
        floats = self.plan.work_floats(self.config.F, every, every if stems is None else stems)
        return aligned_empty((threads, -(-floats // 16) * 16))

    def analyse(
        self,
        samples: Float32,
        frames: int,
        spectrum: Complex64 | None,
        magnitude: Float32 | None,
        work: Float32,
    ) -> None:
        """The first `frames` frames of samples (n, 2) -> spectrum complex64 (.., bins, 2) and magnitude
        float32 (.., F, 2), where they are wanted.

        Frames from `frames` on become zero (Spleeter pads the segment after the STFT).
        """
        run_parallel(self.plan.analyse, samples, frames, spectrum, magnitude, available(work))


class Synthesis:
    """From estimates to the sound of some stems, over consecutive ranges of frames.

    Ranges are whole multiples of `spectral.CHUNK_FRAMES`, except a signal's last one; how they are cut makes
    no difference to the samples.

    Args:
        stems: indices of the stems to make.
        frames: the most that a range has.
        work: of `Spectrum.workspace`, for as many stems.
    """

    def __init__(self, spectrum: Spectrum, stems: npt.NDArray[np.intp], frames: int, work: Float32) -> None:
        c = spectrum.config
        self._spectrum = spectrum
        self._stems = stems.astype(np.uintp)
        self._work = work
        overlap = c.frame_length - c.frame_step
        chunks = -(-frames // spectral.CHUNK_FRAMES)
        self._tails = np.empty((len(stems), chunks, overlap, c.n_channels), np.float32)
        self._carry = np.zeros((len(stems), 1, overlap, c.n_channels), np.float32)

    def separate(
        self,
        samples: Float32,
        estimates: Float32,
        frames: int,
        outs: Sequence[Float32],
        skip: int = 0,
        *,
        magnitudes: Float32 | None = None,
        silent: float = 0.0,
        above: float = 0.0,
    ) -> None:
        """Masks on the mix.

        samples: the mix from the range's first frame on; estimates float32 (networks, >= frames, F, 2),
        the last three axes contiguous; outs[k] (n, 2) gets samples [skip, skip + n) of the range, of the
        k-th stem. magnitudes: None: ratio masks; the mix's, (>= frames, F, 2): each network's own mask,
        `silent` where they are zero. Above F the weight `above`, unless the configuration extends the masks.
        """
        c = self._spectrum.config
        run_parallel(
            self._spectrum.plan.separate,
            samples,
            estimates,
            c.separation_exponent,
            magnitudes,
            silent,
            c.mask_extension == "average",
            above,
            self._stems,
            frames,
            list(outs),
            skip,
            self._tails,
            self._carry,
            available(self._work),
        )

    def separate_spectra(
        self, spectra: Complex64, frames: int, outs: Sequence[Float32], skip: int = 0
    ) -> None:
        """The same of finished spectra: complex64 (>= frames, model stems, F, 2), silent above F."""
        run_parallel(
            self._spectrum.plan.separate_spectra,
            spectra,
            self._stems,
            frames,
            list(outs),
            skip,
            self._tails,
            self._carry,
            available(self._work),
        )
