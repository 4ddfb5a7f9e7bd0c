"""From blocks of samples to blocks of stems, in constant memory.

    blocks -> segments of T frames -> |STFT| -> networks -> masks -> iSTFT -> overlap-add -> blocks

Segments are independent of one another up to the overlap-add, so a few of them at a time give
exactly the whole-file result, whatever the sizes of the blocks. The multichannel Wiener filter is
the exception: its covariances are sums over the whole signal, so it goes over the signal twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .errors import SpleeterError
from .layers import Float32, aligned_empty
from .network import Model
from .parallel import run_parallel
from .stft import Complex64, OverlapAdd, Spectrum

LARGEST_SAMPLE = 1e15  # the squares of louder signals' spectra leave float32

MOST_CHANNELS = 64  # more are samples along the wrong axis

# norbert's eps for complex64 input
WIENER_EPSILON = float(np.finfo(np.float32).eps)


_Synthesis = Callable[[int, Float32], None]  # of the k-th chosen stem, into chunks


@dataclass
class Segment:
    """T frames on their way through the pipeline."""

    samples: Float32  # (step, 2) of the input, as far as it reaches
    frames: int  # frames that belong to the signal; the others are padding
    spectrum: Complex64


class _Buffers:
    """The large arrays of one run, allocated once: a batch of segments and its estimates."""

    def __init__(self, pipeline: Pipeline) -> None:
        c, batch = pipeline.model.config, pipeline.batch
        self.spectra = np.empty((batch, c.T, c.bins, c.n_channels), np.complex64)
        self.magnitudes = aligned_empty((batch, c.T, c.F, c.n_channels))
        self._estimates = aligned_empty((len(c.instruments) * self.magnitudes.size,))

    def estimates(self, segments: int) -> Float32:
        """(stems, segments, T, F, 2), contiguous."""
        shape = (-1, segments, *self.magnitudes.shape[1:])
        count = self._estimates.size // len(self.magnitudes) * segments
        return self._estimates[:count].reshape(shape)


def to_stereo(block: npt.ArrayLike) -> Float32:
    """float32 (samples, 2): mono duplicated, of more than two channels the first two (as Spleeter).

    Raises:
        SpleeterError: not (samples, channels), or not numbers.
    """
    try:
        array = np.asarray(block)
    except ValueError as error:
        raise SpleeterError(f"waveform: expected (samples, channels): {error}") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not 1 <= array.shape[1] <= MOST_CHANNELS or array.dtype.kind not in "fiu":
        raise SpleeterError(
            f"waveform: expected floating-point (samples, channels), at most {MOST_CHANNELS} channels, "
            f"got {array.dtype} {array.shape}"
        )
    if array.dtype.kind in "iu":
        raise SpleeterError(
            f"waveform: expected floating-point samples with full scale 1.0, got {array.dtype}; "
            "divide integer samples by their full scale"
        )
    if array.shape[1] == 1:
        return np.repeat(array.astype(np.float32, copy=False), 2, axis=1)
    return np.ascontiguousarray(array[:, :2], np.float32)


def check_finite(block: Float32, position: int, sample_rate: int) -> None:
    """Raise `SpleeterError` at the first sample that is NaN, infinite or absurdly large.

    position: index of the block's first sample in the signal.
    """
    good = np.abs(block) < LARGEST_SAMPLE  # False for NaN
    if good.all():
        return
    first = position + int(np.flatnonzero(~good.all(axis=1))[0])
    raise SpleeterError(
        f"waveform: sample {first} ({first / sample_rate:.3f} s) is not a finite number or far beyond "
        "full scale (1.0); a separation of it would be noise. Repair the input first"
    )


class Pipeline:
    """One model's stages with fixed options; `run` may be called many times, from several threads.

    Args:
        model: the networks.
        threads: threads of the kernels.
        stems: indices of the stems to make.
        mwf: multichannel Wiener filter instead of the ratio mask.
        batch: segments at a time; None: enough to give every thread a network.
    """

    def __init__(
        self,
        model: Model,
        threads: int,
        stems: npt.NDArray[np.intp],
        mwf: bool = False,
        *,
        batch: int | None = None,
    ) -> None:
        self.model = model
        self.threads = threads
        self.stems = stems
        self.mwf = mwf
        self.spectrum = Spectrum(model.config)
        self.batch = batch or -(-threads // len(model.instruments))

    def run(
        self,
        blocks: Callable[[], Iterable[Float32]],
        on_samples: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Float32, Float32]]:
        """Yield (stems (n, samples, 2), mix (samples, 2)) for consecutive pieces of the signal.

        blocks: called once for each pass over the signal; gives its stereo float32 blocks.
        on_samples: told how many samples of the signal are done, all passes counted.
        """
        finish: Callable[[Segment, Float32], _Synthesis] = self._ratio_mask
        buffers = _Buffers(self)
        done = 0
        if self.mwf:
            covariances = _Covariances(self)
            for batch, estimates in self._estimates(blocks(), buffers):
                for index, segment in enumerate(batch):
                    covariances.add(segment, estimates[:, index])
                    done += len(segment.samples)
                if on_samples:
                    on_samples(done)
            finish = covariances.apply
        overlap = OverlapAdd(self.spectrum, len(self.stems))
        skip = self.model.config.frame_length  # the zeros that Spleeter prepends
        pending: list[Float32] = []  # mix samples whose stems are not finished
        for batch, estimates in self._estimates(blocks(), buffers):
            for index, segment in enumerate(batch):
                sound = overlap.join(finish(segment, estimates[:, index]))
                pending.append(segment.samples)
                waiting = sum(map(len, pending))
                drop = min(skip, sound.shape[1])
                skip -= drop
                sound = sound[:, drop : drop + waiting]
                mix = np.concatenate(pending)
                n = sound.shape[1]
                pending = [mix[n:]]
                done += len(segment.samples)
                if on_samples:
                    on_samples(done)
                if n:
                    yield sound, mix[:n]
                del sound  # not kept while the next one is made

    # --- stages ---------------------------------------------------------------

    def _segments(self, blocks: Iterable[Float32], buffers: _Buffers) -> Iterator[Segment]:
        """Cut blocks into segments. Segment s sees the samples [s * step, s * step + span) of the signal with
        `frame_length` zeros in front; the last ones are padded with zeros.
        """
        config, step, span = self.model.config, self.spectrum.step, self.spectrum.span
        window = np.zeros((span, config.n_channels), np.float32)
        slots = cycle(zip(buffers.spectra, buffers.magnitudes, strict=True))
        have = config.frame_length  # samples in the window, the prepended zeros first
        total = 0
        frames_done = 0
        fresh = config.frame_length  # first sample of the window that no segment has handed on
        for block in blocks:
            check_finite(block, total, config.sample_rate)
            total += len(block)
            start = 0
            while start < len(block):
                take = min(span - have, len(block) - start)
                window[have : have + take] = block[start : start + take]
                have += take
                start += take
                # A full window may be the last segment or not: wait until a sample asks for more
                # frames than this segment has. It has them all when it is full.
                if have == span:
                    yield self._segment(window, have, fresh, config.T, *next(slots))
                    frames_done += config.T
                    window[: span - step] = window[step:]
                    have = fresh = span - step
        frames = self.spectrum.frames(total) if total else 0
        while frames_done < frames:
            window[have:] = 0
            frames_left = min(config.T, frames - frames_done)
            yield self._segment(window, have, fresh, frames_left, *next(slots))
            frames_done += config.T
            have = max(0, have - step)
            fresh = have
            window[: span - step] = window[step:]

    def _segment(
        self, window: Float32, have: int, fresh: int, frames: int, spectrum: Complex64, magnitude: Float32
    ) -> Segment:
        self.spectrum.analyse(window, frames, spectrum, magnitude, self.threads)
        return Segment(window[fresh:have].copy(), frames, spectrum)

    def _estimates(
        self, blocks: Iterable[Float32], buffers: _Buffers
    ) -> Iterator[tuple[list[Segment], Float32]]:
        """Batches of segments with the networks' estimates (stems, segments, T, F, 2).

        Both live in the buffers: the next batch replaces them.
        """
        segments = self._segments(blocks, buffers)
        while batch := list(islice(segments, self.batch)):
            magnitudes = buffers.magnitudes[: len(batch)]
            yield batch, self.model.forward(magnitudes, self.threads, buffers.estimates(len(batch)))

    def _ratio_mask(self, segment: Segment, estimates: Float32) -> _Synthesis:
        config = self.model.config
        masks = np.ascontiguousarray(estimates)
        run_parallel(spectral.ratio_masks, masks, config.separation_exponent, self.threads)
        extension = np.zeros((len(masks), config.T, config.n_channels), np.float32)
        if config.mask_extension == "average":
            spectral.mean_masks(masks, extension)

        def synthesise(k: int, chunks: Float32) -> None:
            self.spectrum.synthesise(
                segment.spectrum, masks, extension, self.stems[k], segment.frames, chunks, self.threads
            )

        return synthesise


class _Covariances:
    """The multichannel Wiener filter: first pass `add`, second pass `apply`."""

    def __init__(self, pipeline: Pipeline) -> None:
        config = pipeline.model.config
        self._pipeline = pipeline
        self._peak = 0.0
        self._sums = np.zeros((len(config.instruments), config.F, spectral.covariance_terms))

    def add(self, segment: Segment, estimates: Float32) -> None:
        self._peak = max(self._peak, spectral.peak_magnitude(segment.spectrum))
        run_parallel(
            spectral.wiener_accumulate,
            segment.spectrum,
            np.ascontiguousarray(estimates),
            segment.frames,
            WIENER_EPSILON,
            self._sums,
            self._pipeline.threads,
        )

    def apply(self, segment: Segment, estimates: Float32) -> _Synthesis:
        pipeline, config = self._pipeline, self._pipeline.model.config
        filtered = np.zeros((config.T, len(config.instruments), config.F, config.n_channels), np.complex64)
        run_parallel(
            spectral.wiener_apply,
            segment.spectrum,
            np.ascontiguousarray(estimates),
            segment.frames,
            WIENER_EPSILON,
            max(1.0, self._peak / 10.0),
            self._sums,
            filtered,
            pipeline.threads,
        )
        # Spleeter sets the magnitudes above F to zero, whatever the mask extension: silence there.
        spectrum = segment.spectrum
        spectrum[:, config.F :] = 0

        def synthesise(k: int, chunks: Float32) -> None:
            spectrum[:, : config.F] = filtered[:, pipeline.stems[k]]
            pipeline.spectrum.synthesise_plain(spectrum, segment.frames, chunks, pipeline.threads)

        return synthesise
