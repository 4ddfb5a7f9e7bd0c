"""From blocks of samples to blocks of stems, in constant memory: the face of `_kernels/core/offline`.

    blocks -> a window of some segments of T frames -> |STFT| -> networks -> masks, iSTFT, overlap-add

The mode (`network/modes.py`) says which networks run and what becomes of their estimates. The engine says
what it wants next: samples, threads for its tasks, or memory for the sound of the stems, and gets it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._kernels import offline
from .arrays import Float32, aligned_empty, check_finite
from .network.method_plan import default_isa
from .network.model import Model
from .network.modes import ModePlan, plan_mode
from .parallel import available_threads, run_parallel

# Frames whose sound is handed out together: large enough for all threads, small enough that the sound of all
# stems takes little memory beside the networks.
PIECE_FRAMES = 128
SMALL_PIECE_FRAMES = 64


class _Piece(NamedTuple):
    """The sound of consecutive samples, of each stem (n, 2); the mix only where it is wanted."""

    stems: Sequence[Float32]
    mix: Float32 | None


class Pipeline:
    """One model's stages with fixed options; `run` may be called many times, from several threads.

    Args:
        model: the networks.
        threads: threads of the kernels.
        mode: None: `ratio`. (A configuration that extends the masks goes before its weight above F.)
        mwf: multichannel Wiener filter instead of the ratio mask.
        rest: whether the stem that is the mix minus the others comes out, where the mode has one.
        low_memory: one segment at a time, and its sound in smaller pieces.

    Attributes:
        stems: names of those that come out, in order.
    """

    def __init__(
        self,
        model: Model,
        threads: int,
        mode: ModePlan | None = None,
        mwf: bool = False,
        *,
        rest: bool = True,
        low_memory: bool = False,
    ) -> None:
        self.model = model
        self.mode = plan_mode("ratio", model.config) if mode is None else mode
        self.threads = threads
        self.mwf = mwf
        self.stems = tuple(stem for stem in self.mode.stems if rest or stem != self.mode.rest)
        at_a_time = 1 if self.mode.cascade else len(self.mode.networks)
        self.batch: int = 1 if low_memory else offline.segments_at_a_time(at_a_time, threads)
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
            assert piece.mix is not None
            yield np.asarray(piece.stems), piece.mix
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

        for _ in self._pieces(lambda: [mix], on_samples, parts, 0):
            pass

    def _pieces(
        self,
        blocks: Callable[[], Iterable[Float32]],
        on_samples: Callable[[int], None] | None,
        outputs: Callable[[int, int], Sequence[Float32]],
        piece_frames: int,
    ) -> Iterator[_Piece]:
        """The sound of the whole signal in order, in what `outputs` gives for samples [first, last).

        piece_frames: 0: of all segments at a time, without the mix.
        """
        run = _Run(self, on_samples, outputs, piece_frames)
        engine = run.engine
        while engine.wants != "nothing":
            position = 0
            for block in blocks():
                check_finite(block, position, self.model.config.sample_rate)
                start = 0
                while start < len(block):
                    start += engine.push(block, start)
                    yield from run.work()
                position += len(block)
            engine.finish()
            yield from run.work()
            if engine.wants == "again":
                engine.again()
                run.samples_before += position

    def engine(self, piece_frames: int) -> offline.Separation:
        c = self.model.config
        options = {
            "frame_length": c.frame_length,
            "frame_step": c.frame_step,
            "fft_length": c.fft_length,
            "frames": c.T,
            "bins": c.F,
            "exponent": c.separation_exponent,
            "average": c.mask_extension == "average",
            "segments": self.batch,
            "piece_frames": piece_frames,
            "wiener": self.mwf,
            "isa": default_isa() or "generic",
        }
        return self.model.separation_engine(options, self.mode)


class _Run:
    """One signal on its way through an engine."""

    def __init__(
        self,
        pipeline: Pipeline,
        on_samples: Callable[[int], None] | None,
        outputs: Callable[[int, int], Sequence[Float32]],
        piece_frames: int,
    ) -> None:
        self.engine = pipeline.engine(piece_frames)
        self.samples_before = 0  # of passes before this one
        self._pipeline = pipeline
        self._on_samples = on_samples
        self._outputs = outputs
        self._with_mix = piece_frames > 0
        # Of all tasks but the networks', whose workspaces the model keeps.
        self._work = aligned_empty((pipeline.threads, self.engine.workspace_floats))
        self._windows = 0

    def work(self) -> Iterator[_Piece]:
        """Until the engine wants samples, or has no more to do."""
        while (wants := self.engine.wants) in ("tasks", "outputs"):
            if wants == "tasks":
                self._run_tasks()
                continue
            piece = self._place()
            self._run_tasks()
            yield piece
            del piece

    def _run_tasks(self) -> None:
        engine, pipeline = self.engine, self._pipeline
        if engine.networks_run:
            pipeline.model.run_networks(engine, pipeline.threads)
        else:
            run_parallel(engine.run, self._work[: available_threads(len(self._work))])
        if engine.windows_heard > self._windows:
            self._windows = engine.windows_heard
            if self._on_samples:
                self._on_samples(self.samples_before + engine.samples_heard)

    def _place(self) -> _Piece:
        engine, pipeline = self.engine, self._pipeline
        first, count = engine.position, engine.samples
        mix = None
        if self._with_mix:
            mix = np.empty((count, pipeline.model.config.n_channels), np.float32)
            engine.mix(mix)
        stems = self._outputs(first, first + count)
        named = dict(zip(pipeline.stems, stems, strict=True))
        engine.place([named.get(stem) for stem in pipeline.mode.stems])
        return _Piece(stems, mix)
