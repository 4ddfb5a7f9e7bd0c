"""Stems while the music plays: the face of the real-time engine (`_kernels/core/stream`).

    live = StreamSeparator("spleeter:4stems", frames=128, hop_frames=2, block=256)
    stems = live.process(block)  # the same number of samples, `live.latency` samples late

The engine's threads run the networks; `process` itself only transforms, masks and adds. In real time it never
waits for a network: one that is late is an underrun, which is counted and covered.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from .._kernels import stream
from ..arrays import Float32
from ..audio.channels import to_stereo
from ..errors import ArgumentError, ArgumentTypeError, BlockError, BusyError, ClosedError, SpleeterError
from ..network.model import Model
from .settings import StreamSettings, StreamStats

P = ParamSpec("P")

logger = logging.getLogger("spleeterrt")

_SURELY_SAMPLES = 8  # more "channels" than this in a first block of two "samples": it is (channels, samples)


Settings = ParamSpec("Settings")
_Init: TypeAlias = Callable[
    Concatenate["StreamSeparator", Union[Model, str, "os.PathLike[str]"], Settings], None
]


def _with_settings(
    settings: Callable[Settings, StreamSettings],
) -> Callable[[Callable[..., None]], _Init[Settings]]:
    """A constructor whose arguments are a model and those of the settings, for readers and types too."""

    def decorate(function: Callable[..., None]) -> _Init[Settings]:
        own = inspect.signature(function)
        first = list(own.parameters.values())[:2]
        rest = inspect.signature(settings).parameters.values()
        function.__signature__ = own.replace(parameters=[*first, *rest])  # type: ignore[attr-defined]
        return function

    return decorate


class StreamSeparator:
    """Separates a stream block by block; for one thread at a time (gains and `stats`: any).

    Args:
        model: a `Model`, or what `load_model` takes.
        frames: T, the frames that the networks see at a time: 64, 128, ..., 512. Longer ones give the
            networks more context, and take longer.
        hop_frames: new frames per run. None: as many as `frames` (double-buffered: the segments of a file).
            Fewer: a sliding window, whose newest frame is at its right edge.
        lookahead: future frames that the networks see beyond the ones they make masks for.
        bins: F, the lowest bins that the networks see; None: the model's.
        threads: of the networks; None: as many as `spleeterrt info` shows, at most two per network that
            runs at the same time.
        budget: samples at the model's rate that a run may take from the moment that its last frame is
            complete; None: the time between two runs.
        max_block: the largest block that `process` will get.
        block: the host's block size, if it is always the same. One that divides the frame step (1024) and
            the budget lowers the latency.
        window: samples of a frame that are synthesised, at least 5/4 of the frame step: None or "full": all
            4096, as offline; "short": half of them. Fewer lower the latency; the masks stay the same.
        sample_rate: of the stream, Hz; other rates than the model's are resampled both ways, with the delay
            counted in `latency`.
        realtime: False: `process` waits for the networks it needs, so that the result is the same every time.
            "auto": it waits while the caller is ahead of the clock, as one that renders is.
        hold: the newest mask goes to the newest frame: latency is the window alone, masks lag by the
            networks' time.
        crossfade: frames at the beginning of every run whose masks fade over from those of the run before.
        cover: the concealment stem, which gets the whole mix when masks are older than `hold_seconds`; None:
            the last one.
        hold_seconds: how long the last mask is held when the networks are late, before concealment.
        full_band: masks also above F (Spleeter's mask extension "average").
        niceness: added to that of the networks' threads (Linux, Windows).
        priority: real-time priority of these threads (1 to 99), where the system allows it: below that of the
            thread that calls `process`. 0: they run like any other.
        mode: which networks run, and what becomes of what they find, as of `Separator` (docs/modes.md):
            `"ratio"`, `"direct"`, `"residual"`, `"three"` (whose two networks run one after the other: a run
            takes the time of both).
        stems: those that come out; only the networks that they need run (`ratio`: all; `residual`: that of
            the first one). None: all.
        above_band: weight of the bins from F on in the modes other than `ratio`; None: one over the number
            of stems.
        shared_threads: the networks run in threads that all streams of the process share which ask for it.
        pre_fader: stems come out before their gains; the mix is under them.
        residual: the last stem is the input minus the others, so that their sum is the mix, also above the
            model's band.

    Real time is for sound that arrives in step with the clock. Blocks that arrive faster than they play, as
    those of a file in a loop do, leave the networks no time: most of what comes out is then the mix, as on a
    machine that is too slow. Use `realtime=False` for them, and watch `stats.covered_share` otherwise.

    Attributes:
        latency: samples at `sample_rate` by which the stems come later than the mix; constant.
        instruments: the stems that come out, in order.
        model, settings.

    Latency in samples at the model's rate (N: `window`, 4096; h: frame step, 1024), without resampling:
    N - 1 + (hop_frames + lookahead - 1) h + budget + max_block - 1; with a fixed `block` that divides h and
    the budget, - (block - 1) instead of + max_block - 1. `hold`: N - 1, or N - block.

    Raises:
        SpleeterError: a setting (`ArgumentError`, also a ValueError; of a wrong type `ArgumentTypeError`,
            also a TypeError) or the model makes no sense.
    """

    @_with_settings(StreamSettings)
    def __init__(self, model: Model | str | os.PathLike[str], *arguments: Any, **settings: Any) -> None:
        self._engine: stream.Engine | None = None
        self.settings = StreamSettings(*arguments, **settings)
        self.model = model = self.settings.load(model)
        options = self.settings.options(model.config)
        self._mode = self.settings.plan(model.config)
        self._gains = dict.fromkeys(self.instruments, 1.0)
        self._muted: set[str] = set()
        self._soloed: set[str] = set()
        self._engine = model.stream_engine(options, self._mode)
        self.latency: int = self._engine.latency
        self._warned = False  # of channels that are left out
        self._taken = 0  # samples since the stream began
        self._frames_before = 0  # of `stats`, before that

    @property
    def instruments(self) -> tuple[str, ...]:
        return self._mode.stems

    @property
    def largest_block(self) -> int:
        """Samples that `process` takes at most, or, if `block_is_fixed`, exactly."""
        return self._open().largest_block

    @property
    def block_is_fixed(self) -> bool:
        return self._open().block_is_fixed

    @property
    def idle(self) -> bool:
        """Whether no run of the networks is under way or waits."""
        return self._open().idle()

    @property
    def native(self) -> stream.Engine:
        """The compiled engine, for audio clients whose callback is not Python.

        Raises:
            ClosedError: the stream is closed.
            SpleeterError: this process is a fork of the one that made it.
        """
        return self._open()

    @property
    def underruns(self) -> int:
        """Runs of the networks that were not ready when their masks were due."""
        return self.stats.underruns

    @property
    def stats(self) -> StreamStats:
        return StreamStats(
            **self._open().stats(), frames=self._frames_before + self.frames_after(self._taken)
        )

    def reset_stats(self) -> None:
        """Start counts and worst times again from zero."""
        self._open().reset_stats()
        self._frames_before = -self.frames_after(self._taken)

    def frames_after(self, samples: int) -> int:
        """Frames that have been heard, at least in part, once so many samples have gone into a new stream."""
        config = self.model.config
        first = samples - self.latency  # of those that are not out yet, in the signal
        seen = first * config.sample_rate / self.settings.sample_rate + config.frame_length
        return max(0, int(seen // config.frame_step))

    def process(
        self,
        block: npt.ArrayLike,
        out: Mapping[str, Float32] | None = None,
        *,
        mix_out: Float32 | None = None,
    ) -> Mapping[str, Float32]:
        """The next samples of the mix in, the same number of samples of every stem out.

        Args:
            block: float32 (n, 2), n up to `max_block` (with a `block` that lowers the latency: exactly that).
                Mono is duplicated; of more channels the first two are taken, with a warning to the logger at
                the first block (`spleeterrt.audio.downmix` mixes all of them).
            out: float32 (n, 2) arrays to write the stems into; stems without one are not written. With
                it, and a contiguous float32 (n, 2) block, nothing is allocated.
            mix_out: float32 (n, 2), gets the sum of all stems under their gains.

        Returns:
            `out`, or new arrays {stem: float32 (n, 2)}.

        Raises:
            BlockError: (a SpleeterError and a ValueError) not (n, channels), larger than promised, or an
                output of another shape.
            ArgumentTypeError: (also a TypeError) not floating-point samples; `out` is no mapping.
            ClosedError: (also a ValueError) the stream is closed.
            BusyError: (also a RuntimeError) another thread is inside `process`, `flush` or `reset`.
        """
        engine = self._open()
        if not (
            isinstance(block, np.ndarray)
            and block.dtype == np.float32
            and block.ndim == 2
            and block.shape[1] == 2
            and block.flags.c_contiguous
            and block.flags.aligned
        ):
            block = self._stereo(block)
        count = len(block)
        if count > engine.largest_block:
            raise BlockError(
                f"block: at most {engine.largest_block} samples were promised (max_block, block), got {count}"
            )
        if engine.block_is_fixed and count not in (0, engine.largest_block):
            raise BlockError(
                f"block: {engine.largest_block} samples were promised every time (block=), got {count}"
            )
        if out is None:
            out = {stem: np.empty((count, 2), np.float32) for stem in self.instruments}
        outputs, mix = self._outputs(out, count), self._output("mix_out", mix_out, count)
        _alone(engine.process, block, outputs, mix)
        self._taken += count
        return out

    def flush(self, *, mix_out: Float32 | None = None) -> dict[str, Float32]:
        """The end of the stream: the last `latency` samples of every stem. Waits for the networks.

        Then a new stream begins, as after `reset`. mix_out: float32 (latency, 2), as of `process`.
        """
        engine = self._open()
        out = {stem: np.empty((self.latency, 2), np.float32) for stem in self.instruments}
        _alone(engine.flush, list(out.values()), self._output("mix_out", mix_out, self.latency))
        self._begin_anew(self._taken + self.latency)
        return out

    def reset(self, position: int = 0) -> None:
        """Forget the stream; the next block is the beginning of another.

        Networks that run are not waited for (except with `realtime=False`); what they find is not used.

        Args:
            position: number of the next sample on the host's timeline, at `sample_rate`; may be negative.
                Frames and runs begin where they would if the stream had been there from sample 0 on, so that
                streams which hear the same samples give the same stems whenever they were created,
                `settling` samples later. With a fixed block that lowers the latency: a multiple of it.

        Raises:
            ArgumentError: (also a ValueError) the position is not a multiple of the fixed block.
            BusyError: (also a RuntimeError) another thread is inside `process`, `flush` or `reset`.
        """
        engine = self._open()
        if isinstance(position, bool) or not isinstance(position, (int, np.integer)):
            raise ArgumentTypeError(f"position: expected an integer, got {position!r}")
        if not -(1 << 62) <= position < 1 << 62:
            raise ArgumentError(f"position: {position} is too large")
        if engine.block_is_fixed and position % engine.largest_block:
            raise ArgumentError(
                f"position: expected a multiple of the fixed block of {engine.largest_block} samples, "
                f"got {position}"
            )
        _alone(engine.reset, int(position))
        self._begin_anew(self._taken)

    @property
    def settling(self) -> int:
        """Samples after `reset(position)` from which on the stems do not depend on what was before it."""
        return self._open().settling()

    def set_realtime(self, realtime: bool | str) -> None:
        """From the next block on, and from any thread: as the argument `realtime` (True, False or "auto")."""
        engine = self._open()
        if isinstance(realtime, str) and realtime == "auto":
            engine.set_realtime(2)
        elif isinstance(realtime, (bool, np.bool_)):
            engine.set_realtime(int(realtime))
        else:
            raise ArgumentError(f"realtime: expected True, False or 'auto', got {realtime!r}")

    def close(self) -> None:
        """End the threads and free the memory; may be called twice."""
        self._engine = None

    def __enter__(self) -> StreamSeparator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self._engine is not None else ", closed"
        return f"<StreamSeparator {', '.join(self.instruments)}; latency {self.latency} samples{state}>"

    # --- gains ------------------------------------------------------------------

    def set_gains(self, /, **gains: float) -> None:
        """Linear gains of stems, from the next block on, without clicks: `set_gains(vocals=0)` is karaoke."""
        for stem, gain in gains.items():
            self._check_stem(stem)
            expected = f"gain of {stem}: expected a number between -1000 and 1000, got {gain!r}"
            if not isinstance(gain, (int, float, np.number)) or np.iscomplexobj(gain):
                raise ArgumentTypeError(expected)
            if not (np.isfinite(gain) and abs(gain) <= 1e3):
                raise ArgumentError(expected)
        self._gains.update({stem: float(gain) for stem, gain in gains.items()})
        self._apply_gains()

    def mute(self, *stems: str, on: bool = True) -> None:
        """Silence stems, or with `on=False` unmute them."""
        self._choose(self._muted, stems, on)

    def solo(self, *stems: str, on: bool = True) -> None:
        """Play only the stems that are soloed, if any are; without names, end all solos."""
        if not stems:
            self._soloed.clear()
        self._choose(self._soloed, stems, on)

    @property
    def gains(self) -> dict[str, float]:
        """What each stem is multiplied by: its gain, or 0 where it is muted or others are soloed."""
        return {
            stem: 0.0 if stem in self._muted or (self._soloed and stem not in self._soloed) else gain
            for stem, gain in self._gains.items()
        }

    def _choose(self, chosen: set[str], stems: tuple[str, ...], on: bool) -> None:
        for stem in stems:
            self._check_stem(stem)
        if on:
            chosen.update(stems)
        else:
            chosen.difference_update(stems)
        self._apply_gains()

    def _apply_gains(self) -> None:
        engine = self._open()
        for index, gain in enumerate(self.gains.values()):
            engine.set_gain(index, gain)

    def _check_stem(self, stem: str) -> None:
        if stem not in self.instruments:
            raise ArgumentError(f"no stem {stem!r}; there are {', '.join(self.instruments)}")

    # --- arguments ----------------------------------------------------------------

    def _open(self) -> stream.Engine:
        if self._engine is None:
            raise ClosedError("the stream is closed")
        if self._engine.forked:
            raise SpleeterError("a stream does not survive a fork: create it in the child process")
        return self._engine

    def _stereo(self, block: npt.ArrayLike) -> Float32:
        shape = np.shape(block) if isinstance(block, np.ndarray) else ()
        if self._taken == 0 and len(shape) == 2 and shape[0] <= 2 and shape[1] > _SURELY_SAMPLES:
            raise BlockError(f"block: expected (samples, 2), got {shape}; did you mean its transpose, .T?")
        if self._taken == 0 and len(shape) == 2 and shape[1] > 2 and not self._warned:
            self._warned = True
            logger.warning(
                "block: of %d channels the first two are used; spleeterrt.audio.downmix mixes all of them",
                shape[1],
            )
        return to_stereo(block)

    def _begin_anew(self, samples: int) -> None:
        """A new stream after one of so many samples."""
        self._frames_before += self.frames_after(samples)
        self._taken = 0

    def _outputs(self, out: Mapping[str, Float32], count: int) -> list[Float32 | None]:
        if not isinstance(out, Mapping):
            raise ArgumentTypeError(f"out: expected {{stem: array}}, got {type(out).__name__}")
        if len(out.keys() - set(self.instruments)):
            raise ArgumentError(f"out: expected stems {', '.join(self.instruments)}, got {', '.join(out)}")
        return [self._output(stem, out.get(stem), count) for stem in self.instruments]

    @staticmethod
    def _output(name: str, array: Float32 | None, count: int) -> Float32 | None:
        if array is None:
            return None
        if (
            not isinstance(array, np.ndarray)
            or array.dtype != np.float32
            or array.shape != (count, 2)
            or not array.flags.c_contiguous
            or not array.flags.writeable
            or not array.flags.aligned
        ):
            got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            turned = isinstance(array, np.ndarray) and array.shape == (2, count) != (2, 2)
            raise BlockError(
                f"{name}: expected a contiguous, writeable float32 ({count}, 2) array, got {got}"
                + ("; did you mean its transpose? Outputs are (samples, 2)" if turned else "")
            )
        return array


def _alone(function: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> None:
    """Call the engine, which only one thread at a time may do."""
    try:
        function(*arguments, **options)
    except RuntimeError as error:
        raise BusyError(str(error)) from None


__all__ = ["StreamSeparator", "StreamSettings", "StreamStats"]
