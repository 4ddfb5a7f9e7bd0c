"""How a `StreamSeparator` is to work, checked, and what it has done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._kernels import stream
from ..errors import ArgumentError, ArgumentTypeError
from ..models import configuration
from ..models.loading import load_model
from ..network.config import SIZE_MULTIPLE, ModelConfig
from ..network.method_plan import default_isa
from ..network.model import Model
from ..network.modes import ModePlan, plan_mode
from ..parallel import check_threads

SHORT_WINDOW = 0.5  # of the frame: `window="short"`


class StreamStats(NamedTuple):
    """What an engine has done so far.

    Attributes:
        runs: finished runs of all stems' networks.
        underruns: runs that were not ready when their masks were due.
        dropped: runs that never began because newer ones were waiting.
        covered_frames: frames heard under an older mask than their own, or, after `hold_seconds`, without
            any: the whole mix in one stem.
        repaired: input samples that were NaN, infinite or absurdly large, and were taken as zero.
        load: time from due to ready of a run over the time between runs, smoothed: above 1 it cannot hold.
        run_seconds, worst_run_seconds: that time.
        process_seconds, worst_process_seconds: time of a call of `process`.
        process_load: that over the duration of the block, smoothed.
        priority_refused: the system does not let the networks' threads have the `priority` asked for.
        frames: frames heard so far, of `frame_step` samples (1024) at the model's rate each.
    """

    runs: int
    underruns: int
    dropped: int
    covered_frames: int
    repaired: int
    load: float
    run_seconds: float
    worst_run_seconds: float
    process_seconds: float
    worst_process_seconds: float
    process_load: float
    priority_refused: bool
    frames: int

    @property
    def covered_share(self) -> float:
        """`covered_frames` over `frames`, 0 to 1: how much is not separated as it should be."""
        return min(1.0, self.covered_frames / self.frames) if self.frames else 0.0


@dataclass(frozen=True)
class StreamSettings:
    """How an engine is to work; the arguments of `StreamSeparator` of the same names, checked."""

    frames: int = 128
    hop_frames: int | None = None
    lookahead: int = 0
    bins: int | None = None
    threads: int | None = None
    budget: int | None = None
    max_block: int = 4096
    block: int | None = None
    window: int | str | None = None
    sample_rate: int = 44100
    realtime: bool = True
    hold: bool = False
    crossfade: int = 0
    cover: str | None = None
    hold_seconds: float = 1.0
    full_band: bool = False
    niceness: int = 0
    priority: int = 0
    mode: str = "ratio"
    stems: Sequence[str] | None = None
    above_band: float | None = None

    @property
    def hop(self) -> int:
        """Frames from one run to the next: `hop_frames`, or what it stands for where it is None."""
        if self.hop_frames is not None:
            return self.hop_frames
        return 1 if self.hold else self.frames

    def plan(self, config: ModelConfig) -> ModePlan:
        """Which networks run and which stems come out.

        Raises:
            SpleeterError: the model or other settings do not go with the mode.
        """
        return plan_mode(
            self.mode,
            config,
            stems=self.stems,
            above_band=self.above_band,
            full_band=self.full_band,
            live=True,
        )

    def load(self, model: Model | str | os.PathLike[str]) -> Model:
        """A model with the networks that these settings need; complains before a large file is read."""
        if isinstance(model, Model):
            return model
        config = configuration(model)
        self.options(config)
        return load_model(model, networks=self.plan(config).networks)

    def options(self, config: ModelConfig) -> dict[str, Any]:
        """The engine's options for a model.

        Raises:
            SpleeterError: which setting makes no sense, what was expected and what came.
        """
        plan = self.plan(config)
        for name in ("frames", "lookahead", "max_block", "sample_rate", "crossfade"):
            _check_integer(name, getattr(self, name), least=0)
        for name in ("hop_frames", "bins", "budget", "block"):
            if getattr(self, name) is not None:
                _check_integer(name, getattr(self, name), least=1)
        _check_integer("niceness", self.niceness, least=0)
        _check_integer("priority", self.priority, least=0)
        if not (isinstance(self.hold_seconds, (int, float)) and 0 <= self.hold_seconds <= 3600):
            raise ArgumentError(f"hold_seconds: expected 0 to 3600, got {self.hold_seconds!r}")
        bins = config.F if self.bins is None else self.bins
        if self.frames % SIZE_MULTIPLE or bins % SIZE_MULTIPLE:
            raise ArgumentError(
                f"frames and bins are multiples of {SIZE_MULTIPLE}, got {self.frames} and {bins}"
            )
        options = {
            "frame_length": config.frame_length,
            "frame_step": config.frame_step,
            "fft_length": config.fft_length,
            "model_rate": config.sample_rate,
            "exponent": config.separation_exponent,
            "average": self.full_band or (plan.ratio and config.mask_extension == "average"),
            "frames": self.frames,
            "bins": bins,
            "hop_frames": self.hop,
            "lookahead": self.lookahead,
            "hold": self.hold,
            "crossfade": self.crossfade,
            "synthesis": self._synthesis(config),
            "budget": self.budget or 0,
            "max_block": self.max_block,
            "block": self.block or 0,
            "sample_rate": self.sample_rate,
            "threads": self._threads(plan),
            "realtime": bool(self.realtime),
            "niceness": self.niceness,
            "priority": self.priority,
            "cover": self._cover(plan),
            "hold_seconds": self.hold_seconds,
            "isa": default_isa() or "generic",
        }
        problem = stream.check_stream(options, len(plan.stems))
        if problem:
            raise ArgumentError(problem)
        return options

    def _synthesis(self, config: ModelConfig) -> int:
        if self.window is None or self.window == "full":
            return config.frame_length
        if self.window == "short":
            return int(config.frame_length * SHORT_WINDOW)
        if isinstance(self.window, str):
            raise ArgumentError(f"window: expected 'full', 'short' or samples, got {self.window!r}")
        _check_integer("window", self.window, least=1)
        return self.window

    def _threads(self, plan: ModePlan) -> int:
        threads = check_threads(self.threads)
        if (
            self.threads is None
        ):  # more than two runs at a time are of no use, and each thread has a workspace
            threads = min(threads, 2 * (1 if plan.cascade else len(plan.networks)))
        return threads

    def _cover(self, plan: ModePlan) -> int:
        if self.cover is None:
            return len(plan.stems) - 1
        if not isinstance(self.cover, str) or self.cover not in plan.stems:
            raise ArgumentError(f"cover: expected one of {list(plan.stems)}, got {self.cover!r}")
        return plan.stems.index(self.cover)


def _check_integer(name: str, value: object, least: int) -> None:
    expected = f"{name}: expected an integer of at least {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(expected)
    if value < least:
        raise ArgumentError(expected)
    if value >= 1 << 31:
        raise ArgumentError(f"{name}: {value} is too large")
