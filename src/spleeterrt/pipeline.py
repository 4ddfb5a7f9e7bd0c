"""From blocks of samples to blocks of stems, in constant memory.

    blocks -> a window of some segments of T frames -> |STFT| -> networks -> masks, iSTFT, overlap-add

The mode (`network/modes.py`) says which networks run and what becomes of their estimates. Segments are
independent of one another up to the overlap-add, so a few of them at a time give
exactly the whole-file result, whatever the sizes of the blocks. The multichannel Wiener filter is
the exception: its covariances are sums over the whole signal, so it goes over the signal twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .arrays import Complex64, Float32, aligned_empty, check_finite
from .network.model import Model
from .network.modes import ModePlan, plan_mode
from .parallel import available_threads, run_parallel
from .stft import Spectrum, Synthesis

# norbert's eps for complex64 input
WIENER_EPSILON = float(np.finfo(np.float32).eps)

# Frames whose sound is handed out together: large enough for all threads, small enough that the sound of all
# stems takes little memory beside the networks.
PIECE_FRAMES = 128
SMALL_PIECE_FRAMES = 64

# Networks of a batch over what its rounds of threads could run: below, threads wait for one another.
BALANCE = 0.9


class _Piece(NamedTuple):
    """The sound of consecutive samples: `first` is the first one's index in the signal."""

    first: int
    stems: Sequence[Float32]  # (n, 2) each
    mix: Float32  # (n, 2), of the window: the next batch replaces it


class _Batch(NamedTuple):
    """A window of segments, analysed and estimated; the next batch replaces it.

    Attributes:
        start: its first sample, counted from the prepended zeros.
        samples: (n, 2).
        frames: those that belong to the signal.
        magnitudes: (frames and padding, F, 2), the mix's.
        estimates: (networks, frames and padding, F, 2).
        seen: samples of the signal that have been read so far; all where the batch is the last one.
    """

    start: int
    samples: Float32
    frames: int
    magnitudes: Float32
    estimates: Float32
    seen: int


class _Buffers:
    """The large arrays of one run, allocated once."""

    def __init__(self, pipeline: Pipeline, piece: int) -> None:
        c, batch, spectrum = pipeline.model.config, pipeline.batch, pipeline.spectrum
        self.window = np.zeros((spectrum.samples(batch * c.T), c.n_channels), np.float32)
        self.magnitudes = aligned_empty((batch, c.T, c.F, c.n_channels))
        networks = len(pipeline.mode.networks)
        self._estimates = aligned_empty((networks * self.magnitudes.size,))
        # What the networks so far leave.
        self.left = aligned_empty(self.magnitudes.shape) if pipeline.mode.cascade else self.magnitudes
        self.work = spectrum.workspace(pipeline.threads, len(pipeline.stems), networks)
        self.synthesis = Synthesis(spectrum, pipeline.stems, piece, self.work)

    def estimates(self, segments: int) -> Float32:
        """(networks, segments, T, F, 2), contiguous."""
        shape = (-1, segments, *self.magnitudes.shape[1:])
        count = self._estimates.size // len(self.magnitudes) * segments
        return self._estimates[:count].reshape(shape)


def batch_size(stems: int, threads: int) -> int:
    """Segments at a time: the fewest whose networks (segments x stems) keep all threads busy to the end."""

    def balance(batch: int) -> float:
        tasks = batch * stems
        return tasks / (-(-tasks // threads) * threads)

    fewest = -(-threads // stems)
    choices = range(fewest, 2 * fewest + 1)
    return next((batch for batch in choices if balance(batch) >= BALANCE), max(choices, key=balance))


class Pipeline:
    """One model's stages with fixed options; `run` may be called many times, from several threads.

    Args:
        model: the networks.
        threads: threads of the kernels.
        stems: indices of the networks whose stems are made, into those of the mode.
        mwf: multichannel Wiener filter instead of the ratio mask.
        mode: None: `ratio`. (The rest that a mode may have is the caller's to make.)
        low_memory: one segment at a time, and its sound in smaller pieces.
    """

    def __init__(
        self,
        model: Model,
        threads: int,
        stems: npt.NDArray[np.intp],
        mwf: bool = False,
        *,
        mode: ModePlan | None = None,
        low_memory: bool = False,
    ) -> None:
        self.model = model
        self.mode = plan_mode("ratio", model.config) if mode is None else mode
        self._rows = model.rows(self.mode.networks)
        self.threads = threads
        self.stems = stems
        self.mwf = mwf
        self.spectrum = Spectrum(model.config)
        at_a_time = 1 if self.mode.cascade else len(self._rows)
        self.batch = 1 if low_memory else batch_size(at_a_time, threads)
        self._piece = SMALL_PIECE_FRAMES if low_memory else PIECE_FRAMES

    def run(
        self,
        blocks: Callable[[], Iterable[Float32]],
        on_samples: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Float32, Float32]]:
        """Yield (stems (n, samples, 2), mix (samples, 2)) for consecutive pieces of the signal.

        blocks: called once for each pass over the signal; gives its stereo float32 blocks.
        on_samples: told how many samples of the signal are done, all passes counted.
        """
        shape = (len(self.stems), self.model.config.n_channels)

        def fresh(first: int, last: int) -> Any:
            return np.empty((shape[0], last - first, shape[1]), np.float32)

        for piece in self._pieces(blocks, on_samples, fresh, self._piece):
            if len(piece.mix):
                yield np.asarray(piece.stems), piece.mix.copy()
            del piece  # not kept while the next one is made

    def run_into(
        self,
        mix: Float32,
        outs: Sequence[Float32],
        on_samples: Callable[[int], None] | None = None,
    ) -> None:
        """The stems of a whole signal (samples, 2), written into `outs`, arrays of its shape."""

        def parts(first: int, last: int) -> list[Float32]:
            return [out[first:last] for out in outs]

        for _ in self._pieces(lambda: [mix], on_samples, parts, self.batch * self.model.config.T):
            pass

    # --- stages ---------------------------------------------------------------

    def _pieces(
        self,
        blocks: Callable[[], Iterable[Float32]],
        on_samples: Callable[[int], None] | None,
        outputs: Callable[[int, int], Sequence[Float32]],
        most_frames: int,
    ) -> Iterator[_Piece]:
        """The sound of the whole signal in order, in what `outputs` gives for samples [first, last)."""
        config = self.model.config
        hop, prepended = config.frame_step, config.frame_length  # zeros that Spleeter prepends
        most_frames = min(most_frames, self.batch * config.T)
        buffers = _Buffers(self, max(most_frames, config.T))
        filter = _WienerFilter(self, buffers) if self.mwf else None
        done = 0
        if filter:
            for batch in self._batches(blocks(), buffers):
                filter.add(batch)
                done = batch.seen
                if on_samples:
                    on_samples(done)
            most_frames = config.T  # filtered a segment at a time
        for batch in self._batches(blocks(), buffers):
            if on_samples:
                on_samples(done + batch.seen)
            for frame in range(0, batch.frames, most_frames):
                frames = min(most_frames, batch.frames - frame)
                samples = batch.samples[frame * hop :]
                start = batch.start + frame * hop
                first = max(start, prepended)
                last = max(first, min(start + frames * hop, prepended + batch.seen))
                outs = outputs(first - prepended, last - prepended)
                if filter:
                    spectra = filter.apply(batch, frame // config.T)
                    buffers.synthesis.separate_spectra(spectra, frames, outs, first - start)
                else:
                    estimates = batch.estimates[:, frame:]
                    buffers.synthesis.separate(
                        samples,
                        estimates,
                        frames,
                        outs,
                        first - start,
                        magnitudes=None if self.mode.ratio else batch.magnitudes[frame:],
                        silent=self.mode.share,
                        above=self.mode.above,
                    )
                yield _Piece(first - prepended, outs, samples[first - start : last - start])
                del outs

    def _windows(self, blocks: Iterable[Float32], window: Float32) -> Iterator[tuple[int, int]]:
        """Fill the window again and again; yields (frames in it, samples of the signal read).

        The n-th window begins n * batch * step samples into the signal with `frame_length` zeros in front;
        the last one is padded with zeros.
        """
        config = self.model.config
        most, advance = self.batch * config.T, self.batch * self.spectrum.step
        keep = len(window) - advance
        window[: config.frame_length] = 0
        have = config.frame_length  # samples in the window
        total = frames_done = 0
        for block in blocks:
            check_finite(block, total, config.sample_rate)
            start = 0
            while start < len(block):
                take = min(len(window) - have, len(block) - start)
                window[have : have + take] = block[start : start + take]
                have += take
                start += take
                if have == len(window):
                    yield most, total + start
                    frames_done += most
                    window[:keep] = window[advance:]
                    have = keep
            total += len(block)
        frames = self.spectrum.frames(total) if total else 0
        while frames_done < frames:
            window[have:] = 0
            yield min(most, frames - frames_done), total
            frames_done += most
            window[:keep] = window[advance:]
            have = max(0, have - advance)

    def _batches(self, blocks: Iterable[Float32], buffers: _Buffers) -> Iterator[_Batch]:
        config = self.model.config
        start = 0
        for frames, seen in self._windows(blocks, buffers.window):
            segments = -(-frames // config.T)
            magnitudes = buffers.magnitudes[:segments]
            flat = magnitudes.reshape(segments * config.T, config.F, config.n_channels)
            self.spectrum.analyse(buffers.window, frames, None, flat, buffers.work)
            estimates = self._estimate(magnitudes, buffers.left[:segments], buffers.estimates(segments))
            estimates = estimates.reshape(len(estimates), *flat.shape)
            yield _Batch(start, buffers.window, frames, flat, estimates, seen)
            start += self.batch * self.spectrum.step

    def _estimate(self, magnitudes: Float32, left: Float32, estimates: Float32) -> Float32:
        """What the networks find; in a cascade each one in what is left by those before."""
        if not self.mode.cascade:
            return self.model.forward(magnitudes, self.threads, estimates, self._rows)
        heard = magnitudes
        for index, row in enumerate(self._rows):
            self.model.forward(heard, self.threads, estimates[index : index + 1], [row])
            if index + 1 < len(self._rows):
                np.subtract(heard, estimates[index], out=left)
                heard = left
        return estimates


class _WienerFilter:
    """The multichannel Wiener filter: first pass `add`, second pass `apply`."""

    def __init__(self, pipeline: Pipeline, buffers: _Buffers) -> None:
        config = pipeline.model.config
        self._pipeline = pipeline
        self._work = buffers.work
        self._peak = 0.0
        self._sums = np.zeros((len(config.instruments), config.F, spectral.covariance_terms))
        self._spectrum = np.empty((config.T, config.bins, config.n_channels), np.complex64)
        self._filtered = np.zeros(
            (config.T, len(config.instruments), config.F, config.n_channels), np.complex64
        )

    def _segment(self, batch: _Batch, index: int) -> tuple[Complex64, Float32, int]:
        """Spectrum, estimates and number of frames of a batch's segment."""
        pipeline, config = self._pipeline, self._pipeline.model.config
        frames = min(config.T, batch.frames - index * config.T)
        samples = batch.samples[index * pipeline.spectrum.step :]
        pipeline.spectrum.analyse(samples, frames, self._spectrum, None, self._work)
        estimates = batch.estimates[:, index * config.T : (index + 1) * config.T]
        return self._spectrum, np.ascontiguousarray(estimates), frames

    def add(self, batch: _Batch) -> None:
        for index in range(-(-batch.frames // self._pipeline.model.config.T)):
            spectrum, estimates, frames = self._segment(batch, index)
            self._peak = max(self._peak, spectral.peak_magnitude(spectrum))
            run_parallel(
                spectral.wiener_accumulate,
                spectrum,
                estimates,
                frames,
                WIENER_EPSILON,
                self._sums,
                available_threads(self._pipeline.threads),
            )

    def apply(self, batch: _Batch, index: int) -> Complex64:
        """The filtered spectra of a segment: (T, model stems, F, 2).

        Spleeter sets the magnitudes above F to zero, whatever the mask extension: silence there.
        """
        spectrum, estimates, frames = self._segment(batch, index)
        run_parallel(
            spectral.wiener_apply,
            spectrum,
            estimates,
            frames,
            WIENER_EPSILON,
            max(1.0, self._peak / 10.0),
            self._sums,
            self._filtered,
            available_threads(self._pipeline.threads),
        )
        return self._filtered
