"""How a `StreamSeparator` is to work, checked, and what it has done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from .._kernels import stream
from ..errors import ArgumentError, ArgumentTypeError
from ..models import configuration
from ..models.loading import load_model
from ..network.config import ModelConfig
from ..network.method_plan import default_isa
from ..network.model import Model
from ..network.modes import ModePlan, plan_mode

WINDOWS = {"full": 1.0, "short": 0.5}
"""Synthesis windows that have names, as shares of the frame."""

OPTIONS = tuple(option for option in stream.OPTIONS if not option["native"])
"""What can be asked of a stream, as the kernels say: mappings with `name`, `kind`, `least`, `most`, `unit`
and `what` (a sentence), in the order of the C structure. `StreamSettings` has a field for each."""


class StreamStats(NamedTuple):
    """What an engine has done so far.

    Attributes:
        runs: finished runs of all stems' networks.
        underruns: runs that were not ready when their masks were due.
        dropped: runs that never began because newer ones were waiting.
        covered_frames: frames heard under an older mask than their own, or, after `hold_seconds`, without
            any: the whole mix in one stem.
        repaired: input samples that were NaN, infinite or absurdly large, and were taken as zero.
        load: time from due to ready of a run over the time between runs, smoothed: above 1 the machine cannot
            keep up.
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
        """`covered_frames` over `frames`, 0 to 1: the share of the sound that had no masks of its own."""
        return min(1.0, self.covered_frames / self.frames) if self.frames else 0.0


@dataclass(frozen=True)
class StreamSettings:
    """How an engine is to work; the arguments of `StreamSeparator` of the same names, checked."""

    frames: int = 128
    hop_frames: int | None = None
    lookahead: int = 0
    _: KW_ONLY
    bins: int | None = None
    threads: int | None = None
    budget: int | None = None
    max_block: int = 4096
    block: int | None = None
    window: int | str | None = None
    sample_rate: int = 44100
    realtime: bool | str = True
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
    shared_threads: bool = False
    pre_fader: bool = False
    residual: bool = False

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
        """The engine's options for a model: defaults worked out, limits checked (`core/stream/options`).

        Raises:
            SpleeterError: which setting makes no sense, what was expected and what came.
        """
        plan = self.plan(config)
        numbers = {option["name"]: self._asked(option, config, plan) for option in OPTIONS}
        asked = {name: value for name, value in numbers.items() if value is not None}
        problem, options = stream.resolve(asked, config, plan)
        if problem:
            raise ArgumentError(problem)
        return {**options, "isa": default_isa() or "generic"}

    def _asked(self, option: stream._Option, config: ModelConfig, plan: ModePlan) -> float | None:
        """A setting as a number; None: the default, or no number but the mode's (`plan`)."""
        name, kind = option["name"], option["kind"]
        value = getattr(self, name)
        if value is None or kind in ("text", "share"):
            return None
        if name == "window" and isinstance(value, str):
            return _window(value, config)
        if kind == "stem":
            return _stem(name, value, plan)
        if kind == "pace" and isinstance(value, str):
            if value != "auto":
                raise ArgumentError(f"{name}: expected True, False or 'auto', got {value!r}")
            return 2
        if kind in ("flag", "pace"):
            return bool(value)
        if kind == "seconds":
            if isinstance(value, bool) or not isinstance(value, Real):
                expected = f"{option['least']:g} to {option['most']:g}"
                raise ArgumentError(f"{name}: expected {expected}, got {value!r}")
            return float(value)
        return _integer(option, value)


def _window(value: str, config: ModelConfig) -> int:
    if value not in WINDOWS:
        raise ArgumentError(f"window: expected 'full', 'short' or samples, got {value!r}")
    return int(config.frame_length * WINDOWS[value])


def _stem(name: str, value: object, plan: ModePlan) -> int:
    if not isinstance(value, str) or value not in plan.stems:
        raise ArgumentError(f"{name}: expected one of {list(plan.stems)}, got {value!r}")
    return plan.stems.index(value)


def _integer(option: stream._Option, value: object) -> int:
    name, least = option["name"], int(option["least"])
    expected = f"{name}: expected an integer of at least {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(expected)
    if value < least:  # a number that stands for the default in C is none here
        raise ArgumentError(expected)
    if value >= 1 << 31:
        raise ArgumentError(f"{name}: {value} is too large")
    return int(value)
