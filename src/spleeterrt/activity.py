"""When there is singing: times from the vocals stem against the mix, in constant memory.

    meter = ActivityMeter(44100)
    for vocals, mix in blocks:
        meter.process(vocals, mix)
    meter.finish()                            -> [Activity(start, end, level), ...]

Levels are those of `HOP` seconds, averaged over `SPAN` of them around each: a beat that drowns the voice
does not end it, and a beat that is left in the stem is none. Singing begins where the voice's share of the
mix passes a threshold and ends below a lower one (hysteresis), so that it does not flicker in between.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from .arguments import choice, floats, told
from .errors import ArgumentError, BlockError
from .names import ACTIVITY_FORMATS

HOP = 0.02
"""Seconds between levels: what times are multiples of."""
SPAN = 5
"""Levels that are averaged; odd. So times are at most (SPAN + 1) / 2 hops early or late where a voice begins
or ends at once."""
VOCALS = "vocals"
_TINY = 1e-20


@dataclass(frozen=True)
class Activity:
    """A stretch of singing.

    Attributes:
        start, end: seconds.
        level: of the vocals there, root mean square in dBFS.
    """

    start: float
    end: float
    level: float

    def later(self, seconds: float) -> Activity:
        """The same in a longer signal, of which this one was a part."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True)
class ActivitySettings:
    """What counts as singing.

    Attributes:
        on: level of the vocals relative to the mix, in dB, above which singing begins.
        off: relative level below which it ends, at most `on`.
        floor: dBFS below which vocals never count.
        gap: seconds of a pause that is none: shorter ones are sung through.
        shortest: seconds of the shortest stretch that counts.

    Raises:
        ArgumentError: a value that makes no sense.
    """

    on: float = -12.0
    off: float = -18.0
    floor: float = -50.0
    gap: float = 0.3
    shortest: float = 0.2

    def __post_init__(self) -> None:
        for name in ("on", "off", "floor", "gap", "shortest"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise ArgumentError(f"{name}: expected a number, got {told(value)}")
        if self.off > self.on:
            raise ArgumentError(f"off: expected at most on ({self.on:g} dB), got {self.off:g} dB")
        for name in ("gap", "shortest"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"{name}: expected 0 or more seconds, got {getattr(self, name):g}")


class ActivityMeter:
    """Takes vocals and mix in blocks of any size; the times do not depend on these.

    Args:
        rate: Hz.
        settings: None: the usual ones.
    """

    def __init__(self, rate: int, settings: ActivitySettings | None = None) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < 1 / HOP:
            raise ArgumentError(f"rate: expected Hz, got {told(rate)}")
        self._rate = rate
        self._settings = settings or ActivitySettings()
        self._hop = round(rate * HOP)
        self._frames = 0
        self._rest = np.empty((2, 0))  # powers of frames that do not make a hop yet
        self._levels = np.zeros((2, SPAN // 2))  # mean powers of hops that neighbours still need
        self._next = 0  # of the hop that is judged next
        self._begun: int | None = None  # hop
        self._power = 0.0
        self._found: list[tuple[int, int, float]] = []  # hops from, to; power of the vocals in all of them

    def process(self, vocals: Any, mix: Any) -> None:
        """The next block: floats (n,) or (n, channels), full scale 1.

        Raises:
            BlockError: the two differ in length.
        """
        powers = [_power(name, block) for name, block in (("vocals", vocals), ("mix", mix))]
        if len(powers[0]) != len(powers[1]):
            raise BlockError(
                f"expected as many samples of the mix as of vocals, {len(powers[0])}, got {len(powers[1])}"
            )
        self._frames += len(powers[0])
        joined = np.concatenate([self._rest, powers], axis=1)
        whole = joined.shape[1] // self._hop
        cut = whole * self._hop
        self._rest = joined[:, cut:].copy()
        self._judge(joined[:, :cut].reshape(2, whole, self._hop).mean(axis=2))

    def finish(self) -> list[Activity]:
        """The stretches of singing, in order; to be called once, at the end."""
        if self._rest.shape[1]:
            self._judge(self._rest.mean(axis=1, keepdims=True))
            self._rest = np.empty((2, 0))
        hops = -(-self._frames // self._hop)
        self._judge(np.zeros((2, SPAN // 2)))
        if self._begun is not None:
            self._end(hops)
        made = []
        for start, end, power in self._joined():
            seconds = (min(end, hops) - start) * self._hop / self._rate
            if seconds < self._settings.shortest:
                continue
            level = 10 * math.log10(max(power / (end - start), _TINY))
            made.append(
                Activity(
                    start * self._hop / self._rate,
                    min(end * self._hop, self._frames) / self._rate,
                    round(level, 1),
                )
            )
        return made

    def _judge(self, levels: np.ndarray) -> None:
        """Go on by as many hops as have come: each is judged when those after it are there."""
        known = np.concatenate([self._levels, levels], axis=1)
        count = known.shape[1] - (SPAN - 1)
        if count > 0:
            sums = np.cumsum(np.pad(known, ((0, 0), (1, 0))), axis=1)
            means = np.maximum(sums[:, SPAN:] - sums[:, :-SPAN], 0) / SPAN
            vocals, mix = 10 * np.log10(means + _TINY)
            own = known[0, SPAN // 2 : SPAN // 2 + count]
            settings = self._settings
            loud = vocals > settings.floor
            begins, goes_on = loud & (vocals - mix > settings.on), loud & (vocals - mix > settings.off)
            for begin, on, power in zip(begins.tolist(), goes_on.tolist(), own.tolist(), strict=True):
                if self._begun is None and begin:
                    self._begun, self._power = self._next, 0.0
                elif self._begun is not None and not on:
                    self._end(self._next)
                if self._begun is not None:
                    self._power += power
                self._next += 1
            known = known[:, count:]
        self._levels = known

    def _end(self, hop: int) -> None:
        assert self._begun is not None
        self._found.append((self._begun, hop, self._power))
        self._begun = None

    def _joined(self) -> list[tuple[int, int, float]]:
        """With short pauses sung through."""
        made: list[tuple[int, int, float]] = []
        for start, end, power in self._found:
            if made and (start - made[-1][1]) * self._hop < self._settings.gap * self._rate:
                first, _, before = made.pop()
                start, power = first, before + power
            made.append((start, end, power))
        return made


def vocals_of(sources: Mapping[str, np.ndarray], mix: np.ndarray, rest: str | None) -> np.ndarray:
    """The vocals among stems that networks make, or what these leave of the mix where that is the vocals.

    Raises:
        ArgumentError: neither.
    """
    if VOCALS in sources:
        return sources[VOCALS]
    check_vocals((*sources, *([rest] if rest else ())))
    left = mix.astype(np.float64)
    for block in sources.values():
        left -= block
    return left


def check_vocals(stems: Sequence[str]) -> None:
    """Raise `ArgumentError` if there are no vocals among the stems that a separator makes."""
    if VOCALS not in stems:
        raise ArgumentError(f"vocals activity: needs a stem called vocals, these are {', '.join(stems)}")


def written(activities: Sequence[Activity], kind: str) -> str:
    """As text.

    Args:
        kind: `"csv"`, with a header; `"json"`, a list of objects; `"audacity"`, for File > Import > Labels.

    Raises:
        ArgumentError: another kind.
    """
    choice("format", kind, ACTIVITY_FORMATS)
    if kind == "json":
        return (
            json.dumps([{"start": a.start, "end": a.end, "level": a.level} for a in _rounded(activities)])
            + "\n"
        )
    if kind == "audacity":
        return "".join(f"{a.start:.3f}\t{a.end:.3f}\t{VOCALS}\n" for a in activities)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("start", "end", "level"))
    table.writerows((f"{a.start:.3f}", f"{a.end:.3f}", f"{a.level:.1f}") for a in activities)
    return text.getvalue()


def _rounded(activities: Sequence[Activity]) -> list[Activity]:
    return [replace(found, start=round(found.start, 3), end=round(found.end, 3)) for found in activities]


def _power(name: str, block: Any) -> np.ndarray:
    """Of each frame, the mean over channels."""
    wave = floats(name, block)
    if wave.ndim not in (1, 2):
        raise BlockError(f"{name}: expected samples (n,) or (n, channels), got {wave.shape}")
    squares: np.ndarray = np.square(wave, dtype=np.float64)
    mean: np.ndarray = squares if wave.ndim == 1 else squares.mean(axis=1)
    return mean
