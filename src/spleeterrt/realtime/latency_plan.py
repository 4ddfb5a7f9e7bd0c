"""`plan_stream`: which real-time settings hold on this machine, found by measuring.

A run of the networks holds if it takes less than its budget, from the moment that its last frame is complete
until its masks are ready, also on a bad day: a high percentile of what was measured, times 1 + margin.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from .._kernels import stream
from ..errors import SpleeterError
from ..network.model import Model
from ..parallel import check_threads
from .stream import StreamSeparator, StreamSettings

MARGIN = 0.3
FRAMES = (512, 384, 256, 192, 128, 64)  # T, the best first
LEAST_FRAMES = 128  # below, the networks know too little of the music to be the first choice
HIGH = 95  # the percentile that has to hold
REHEARSAL_SECONDS = 1.5
# More runs than the first ones of a stream: these take longer, and must keep up, too.
_QUICK_SECONDS, _QUICK_RUNS = 0.25, 12
_TABLE_SECONDS = 0.5
_ATTEMPTS = 3


@dataclass(frozen=True)
class StreamPlan:
    """Settings that this machine can sustain: `StreamSeparator(model, **plan.arguments())`.

    Attributes:
        latency, latency_ms: of the stream, in samples at `sample_rate` and in milliseconds.
        run_seconds, high_seconds: of a run of all networks, from due to ready, in a rehearsal in real time:
            median, 95th percentile.
        load: run_seconds over the time between two runs; at 1 the machine could just keep up.
        margin: the part of a run's time that was kept free.
    """

    frames: int
    hop_frames: int
    lookahead: int
    budget: int
    window: int | str
    block: int
    sample_rate: int
    threads: int
    latency: int
    run_seconds: float
    high_seconds: float
    load: float
    margin: float
    mode: str = "ratio"
    stems: Sequence[str] | None = None

    @property
    def latency_ms(self) -> float:
        return 1e3 * self.latency / self.sample_rate

    def arguments(self) -> dict[str, Any]:
        """The arguments of `StreamSeparator`."""
        names = ("frames", "hop_frames", "lookahead", "budget", "window", "block", "sample_rate", "threads")
        arguments = {name: getattr(self, name) for name in names}
        return arguments if self.mode == "ratio" else {**arguments, "mode": self.mode, "stems": self.stems}

    def __str__(self) -> str:
        window = self.window if isinstance(self.window, str) else f"{self.window} samples"
        times = f"{1e3 * self.run_seconds:.1f} ms (95 %: {1e3 * self.high_seconds:.1f})"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        samples = f"{self.latency} samples at {self.sample_rate} Hz, block {self.block}"
        return (
            f"{self.latency_ms:.1f} ms ({samples}): "
            f"T = {self.frames}, hop {self.hop_frames}, lookahead {self.lookahead}, "
            f"budget {self.budget}, {window} window; "
            f"a run takes {times} on {threads}, load {100 * self.load:.0f} %"
        )


class Bench(Protocol):
    """What measures: seconds of runs from due to ready, of one separator."""

    def runs(self, settings: StreamSettings, seconds: float) -> list[float]:
        """One run after the other."""

    def rehearse(self, settings: StreamSettings, seconds: float) -> list[float]:
        """By the clock, as a host would."""


class MachineBench:
    """This machine."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._noise = np.random.default_rng(5).uniform(-0.3, 0.3, (1 << 16, 2)).astype(np.float32)

    def runs(self, settings: StreamSettings, seconds: float) -> list[float]:
        settings = replace(settings, realtime=True, block=None, max_block=4096)
        hop = settings.hop_frames or settings.frames
        samples = math.ceil(
            hop * self._model.config.frame_step * settings.sample_rate / self._model.config.sample_rate
        )
        found: list[float] = []
        with self._open(settings) as live:
            self._finished(live)  # with a hop of 1 the silence before the signal has a run already
            end = time.perf_counter() + seconds
            while time.perf_counter() < end or len(found) < _QUICK_RUNS:
                live.reset_stats()
                for block in self._blocks(samples, live.largest_block):
                    live.process(block, {})
                self._finished(live)
                stats = live.stats
                if stats.runs == 1:  # at other rates now and then none or two
                    found.append(stats.worst_run_seconds)
        return found[1:]  # the first one woke everything up

    def rehearse(self, settings: StreamSettings, seconds: float) -> list[float]:
        hop = settings.hop_frames or settings.frames
        period = hop * self._model.config.frame_step / self._model.config.sample_rate
        found: list[float] = []
        with self._open(replace(settings, realtime=True)) as live:
            size = live.largest_block
            start, count = time.perf_counter(), 0
            length = max(seconds, 6 * period)
            for block in self._blocks(math.ceil(length * settings.sample_rate / size) * size, size):
                time.sleep(max(0.0, start + count / settings.sample_rate - time.perf_counter()))
                live.process(block, {})
                count += len(block)
                if live.stats.runs:
                    found.append(live.stats.worst_run_seconds)
                    live.reset_stats()
        return found[1:]

    @staticmethod
    def _finished(live: StreamSeparator) -> None:
        while not live.idle:
            time.sleep(2e-4)

    def _open(self, settings: StreamSettings) -> StreamSeparator:
        return StreamSeparator(self._model, **vars(settings))

    def _blocks(self, samples: int, size: int) -> Iterator[np.ndarray]:
        for first in range(0, samples, size):
            count = min(size, samples - first)
            at = first % (len(self._noise) - size) if size < len(self._noise) else 0
            block = self._noise[at : at + count]
            yield block if len(block) == count else np.resize(self._noise, (count, 2))


def plan_stream(
    model: Model | str | os.PathLike[str],
    latency_ms: float | None = None,
    threads: int | None = None,
    *,
    sample_rate: int = 44100,
    block: int = 256,
    window: int | str | None = None,
    margin: float = MARGIN,
    mode: str = "ratio",
    stems: Sequence[str] | None = None,
) -> StreamPlan:
    """Real-time settings for a latency, from measurements of this machine that take some seconds.

    Of the settings that it can sustain, in this order of preference: at least T = 128, the full synthesis
    window, the largest T, the most lookahead up to the middle of the window, the largest hop (the least
    load), the largest budget.

    Args:
        model: a `Model`, or what `load_model` takes.
        latency_ms: at most; None: as low as is safe with T of at least 128.
        threads: of the networks; None: as `spleeterrt info` shows (`OMP_NUM_THREADS`, cores, quotas).
        sample_rate, block: of the host.
        window: "full", "short" or samples; None: full if that holds, else short.
        margin: part of a run's time that is kept free for busier moments.
        mode, stems: of `StreamSeparator`.

    Raises:
        SpleeterError: the machine cannot sustain any; the message says which latency it could.
    """
    if latency_ms is not None and not (isinstance(latency_ms, (int, float)) and 0 < latency_ms < math.inf):
        raise SpleeterError(f"latency_ms: expected a positive number or None, got {latency_ms!r}")
    if not 0 <= margin <= 10:
        raise SpleeterError(f"margin: expected 0 to 10, got {margin!r}")
    model = StreamSettings(mode=mode, stems=stems).load(model)
    planner = _Planner(model, MachineBench(model), threads, sample_rate, block, margin, mode, stems)
    return planner.plan(latency_ms, window)


class _Planner:
    def __init__(
        self,
        model: Model,
        bench: Bench,
        threads: int | None,
        sample_rate: int,
        block: int,
        margin: float,
        mode: str = "ratio",
        stems: Sequence[str] | None = None,
    ) -> None:
        self.config = model.config
        self.mode, self.stems = mode, stems
        self.bench, self.margin, self.block = bench, margin, block
        self.threads = check_threads(threads)
        self.sample_rate = sample_rate
        self._needs: dict[tuple[int, int], float] = {}

    def plan(self, latency_ms: float | None, window: int | str | None) -> StreamPlan:
        windows = ("full", "short") if window is None else (window,)
        self.settings_of(LEAST_FRAMES, 1, 0, None, windows[0])  # what cannot be is said at once
        if latency_ms is None:
            return self._lowest(windows[-1:] if window is None else windows, (LEAST_FRAMES,))
        limit = math.floor(latency_ms / 1e3 * self.sample_rate)
        good = [frames for frames in FRAMES if frames >= LEAST_FRAMES]
        for sizes in (good, [frames for frames in FRAMES if frames < LEAST_FRAMES]):
            for kind in windows:
                for frames in sizes:
                    plan = self._within(limit, frames, kind)
                    if plan is not None:
                        return plan
        least = self._lowest(windows[-1:], FRAMES[-1:])
        raise SpleeterError(
            f"no setting sustains {latency_ms:g} ms on this machine with {self.threads} threads; "
            f"the least is {least}"
        )

    def _lowest(self, windows: Iterable[int | str], sizes: Iterable[int]) -> StreamPlan:
        """The lowest latency that holds."""
        found = []
        for kind in windows:
            for frames in sizes:
                plan = self._try(lambda need, T=frames, w=kind: self._least(T, w, need), frames)
                if plan is not None:
                    found.append(plan)
        if not found:
            raise SpleeterError(f"this machine sustains no real-time setting with {self.threads} threads")
        return min(found, key=lambda plan: plan.latency)

    def _within(self, limit: int, frames: int, window: int | str) -> StreamPlan | None:
        """The best one of T that holds within a latency in samples."""

        def choose(need: float) -> StreamSettings | None:
            least = self._least(frames, window, need)
            if least is None or self.latency_of(least) > limit:
                return None
            chosen = least
            # First lookahead: to the middle of the window, more would leave less past than future.
            while chosen.lookahead < (frames - (chosen.hop_frames or frames)) // 2:
                more = replace(chosen, lookahead=chosen.lookahead + 1)
                if self.latency_of(more) > limit:
                    break
                chosen = more
            # Then load.
            while (chosen.hop_frames or frames) + chosen.lookahead < frames:
                hop = (chosen.hop_frames or 0) + 1
                more = replace(chosen, hop_frames=hop)
                if self.latency_of(more) > limit:
                    break
                chosen = more
            while (chosen.budget or 0) + self.grain() <= (chosen.hop_frames or 0) * self.config.frame_step:
                more = replace(chosen, budget=(chosen.budget or 0) + self.grain())
                if self.latency_of(more) > limit:
                    break
                chosen = more
            return chosen

        return self._try(choose, frames)

    def _try(self, choose: Any, frames: int) -> StreamPlan | None:
        """Settings chosen for a time that a run needs, rehearsed; for more time if they fail."""
        need = self._need(frames, 1)
        for _ in range(_ATTEMPTS):
            settings = choose(need)
            if settings is None:
                return None
            # Runs of larger hops take longer.
            need = max(need, self._need(frames, settings.hop_frames))
            settings = choose(need)
            if settings is None:
                return None
            seconds = self.bench.rehearse(settings, REHEARSAL_SECONDS)
            high = _high(seconds) if seconds else math.inf
            budget = settings.budget / self.config.sample_rate
            if high * (1 + self.margin) <= budget:
                return self._plan(settings, seconds)
            need = max(1.15 * need, min(high, 2 * need) * (1 + self.margin))
        return None

    def _need(self, frames: int, hop: int) -> float:
        """Seconds that a run needs, margin included."""
        if (frames, hop) not in self._needs:
            seconds = self.bench.runs(self.settings_of(frames, hop, 0, None, "full"), _QUICK_SECONDS)
            self._needs[frames, hop] = _high(seconds) * (1 + self.margin)
        return self._needs[frames, hop]

    def _least(self, frames: int, window: int | str, need: float) -> StreamSettings | None:
        """The lowest latency of T in which a run has its time."""
        grain = self.grain()
        budget = math.ceil(need * self.config.sample_rate / grain) * grain
        hop = math.ceil(budget / self.config.frame_step)
        return None if hop > frames else self.settings_of(frames, hop, 0, budget, window)

    def grain(self) -> int:
        """Steps of the budget: where they are blocks, these lower the latency."""
        step = self.config.frame_step
        fits = self.sample_rate == self.config.sample_rate and step % self.block == 0
        return self.block if fits else min(64, step)

    def settings_of(
        self, frames: int, hop: int, lookahead: int, budget: int | None, window: int | str
    ) -> StreamSettings:
        settings = StreamSettings(
            frames=frames,
            hop_frames=hop,
            lookahead=lookahead,
            budget=budget,
            window=window,
            block=self.block,
            sample_rate=self.sample_rate,
            threads=self.threads,
            mode=self.mode,
            stems=self.stems,
        )
        settings.options(self.config)
        return settings

    def latency_of(self, settings: StreamSettings) -> int:
        return int(stream.stream_latency(settings.options(self.config)))

    def _plan(self, settings: StreamSettings, seconds: list[float]) -> StreamPlan:
        hop, run = settings.hop_frames or settings.frames, float(np.median(seconds))
        assert settings.budget is not None
        return StreamPlan(
            frames=settings.frames,
            hop_frames=hop,
            lookahead=settings.lookahead,
            budget=settings.budget,
            window=settings.window or "full",
            block=self.block,
            sample_rate=self.sample_rate,
            threads=self.threads,
            latency=self.latency_of(settings),
            run_seconds=run,
            high_seconds=_high(seconds),
            load=run * self.config.sample_rate / (hop * self.config.frame_step),
            margin=self.margin,
            mode=self.mode,
            stems=self.stems,
        )


@dataclass(frozen=True)
class PlanRow:
    """What a pair of T and hop costs here, in seconds and milliseconds, and which latency it has."""

    frames: int
    hop_frames: int
    run_seconds: float
    high_seconds: float
    load: float
    full_window_ms: float
    short_window_ms: float
    holds: bool


def plan_rows(
    model: Model,
    threads: int | None = None,
    *,
    sample_rate: int = 44100,
    block: int = 256,
    margin: float = MARGIN,
    bench: Bench | None = None,
    mode: str = "ratio",
    stems: Sequence[str] | None = None,
) -> Iterator[PlanRow]:
    """Latency against load for T and hop, measured one by one."""
    planner = _Planner(model, bench or MachineBench(model), threads, sample_rate, block, margin, mode, stems)
    for frames in reversed([size for size in FRAMES if size & (size - 1) == 0]):
        hop = 1
        while hop <= frames:
            settings = planner.settings_of(frames, hop, 0, None, "full")
            seconds = planner.bench.runs(settings, _TABLE_SECONDS)
            high = _high(seconds) * (1 + margin)
            period = hop * planner.config.frame_step
            budget = min(
                period, math.ceil(high * planner.config.sample_rate / planner.grain()) * planner.grain()
            )
            full, short = (
                1e3 * planner.latency_of(replace(settings, window=window, budget=budget)) / sample_rate
                for window in ("full", "short")
            )
            median = float(np.median(seconds))
            yield PlanRow(
                frames=frames,
                hop_frames=hop,
                run_seconds=median,
                high_seconds=_high(seconds),
                load=median * planner.config.sample_rate / period,
                full_window_ms=full,
                short_window_ms=short,
                holds=high * planner.config.sample_rate <= period,
            )
            hop *= 4 if hop < 16 else frames // hop if hop < frames else 2


def plan_table(model: Model, threads: int | None = None, *, margin: float = MARGIN, **where: Any) -> str:
    """`plan_rows`, which has the same arguments, as `spleeterrt stream --plan` prints them."""
    kind = {name: where[name] for name in ("mode", "stems") if name in where}
    networks = len(StreamSettings(**kind).plan(model.config).networks)
    rows: list[tuple[str, ...]] = [("T", "hop", "run ms", "95 %", "load", "full window", "short window", "")]
    for row in plan_rows(model, threads, margin=margin, **where):
        rows.append((
            str(row.frames), str(row.hop_frames), f"{1e3 * row.run_seconds:.1f}",
            f"{1e3 * row.high_seconds:.1f}", f"{100 * row.load:.0f} %", f"{row.full_window_ms:.0f} ms",
            f"{row.short_window_ms:.0f} ms", "sustained" if row.holds else "too slow",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines += [
        "",
        f"load: share of the time between two runs, {networks} networks on {check_threads(threads)} threads; "
        f"sustained: the 95th percentile plus {100 * margin:.0f} % fits into it.",
    ]
    return "\n".join(line.rstrip() for line in lines)


def _high(seconds: list[float]) -> float:
    return float(np.percentile(seconds, HIGH))


__all__ = ["PlanRow", "StreamPlan", "plan_rows", "plan_stream", "plan_table"]
