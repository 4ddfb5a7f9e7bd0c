"""`plan_stream`, with a machine of known speed and once with this one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import spleeterrt
from spleeterrt import Model, SpleeterError, StreamSeparator
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.realtime.latency_plan import StreamPlan, _Planner, plan_rows, plan_stream, plan_table
from spleeterrt.realtime.stream import StreamSettings
from support.emulation import keeps_up


class Machine:
    """A run of T frames takes `per_frame` T seconds; `rehearsed`: and that many times it in a rehearsal."""

    def __init__(self, per_frame: float, rehearsed: Callable[[int], float] = lambda _frames: 1.0) -> None:
        self._per_frame, self._rehearsed = per_frame, rehearsed
        self.rehearsals: list[StreamSettings] = []

    def runs(self, settings: StreamSettings, seconds: float) -> list[float]:
        return [self._per_frame * settings.frames] * 10

    def rehearse(self, settings: StreamSettings, seconds: float) -> list[float]:
        self.rehearsals.append(settings)
        return [self._per_frame * settings.frames * self._rehearsed(settings.frames)] * 10


class FullSize:
    config = OFFICIAL_CONFIGS["4stems"]
    instruments = config.instruments


def planned(
    machine: Machine, latency_ms: float | None = None, window: int | str | None = None, rate: int = 44100,
    block: int = 256, margin: float = 0.3,
) -> StreamPlan:  # fmt: skip
    return _Planner(FullSize(), machine, 2, rate, block, margin).plan(latency_ms, window)  # type: ignore[arg-type]


MODERATE = 20e-3 / 128  # T = 128 in 20 ms, 26 ms with the margin: 1280 samples in blocks of 256, hop 2


def test_lowest_latency() -> None:
    plan = planned(Machine(MODERATE))
    assert (plan.frames, plan.hop_frames, plan.lookahead, plan.window) == (128, 2, 0, "short")
    assert plan.budget == 1280
    assert plan.latency == 2048 - 1 + 1024 + 1280 - 255
    assert plan.latency_ms == pytest.approx(1e3 * plan.latency / 44100)
    assert plan.load == pytest.approx(20e-3 / (2048 / 44100))
    assert (plan.run_seconds, plan.high_seconds) == (pytest.approx(20e-3), pytest.approx(20e-3))
    assert planned(Machine(MODERATE), window="full").latency == plan.latency + 2048


def test_what_holds_is_the_latency_asked_for() -> None:
    for latency in (100, 120, 150, 200, 300, 500, 1000, 3000, 10_000):
        plan = planned(Machine(MODERATE), latency)
        assert plan.latency_ms <= latency
        assert plan.run_seconds * 1.3 <= plan.budget / 44100


@pytest.mark.parametrize(
    ("latency", "frames", "window"),
    [
        (70, 64, "short"),  # no T >= 128 holds
        (100, 128, "short"),
        (115, 192, "short"),
        (140, 128, "full"),  # the full window before a larger T
        (200, 256, "full"),
        (400, 512, "full"),
    ],
)
def test_preferences(latency: float, frames: int, window: str) -> None:
    plan = planned(Machine(MODERATE), latency)
    assert (plan.frames, plan.window) == (frames, window)


def test_the_rest_of_a_latency_goes_to_lookahead_then_to_load() -> None:
    plan = planned(Machine(MODERATE), 5000)
    assert plan.frames == 512
    assert 512 - plan.hop_frames >= 2 * plan.lookahead > 512 - plan.hop_frames - 300
    assert plan.hop_frames > 4
    assert plan.latency_ms > 4900
    plan = planned(Machine(MODERATE), 600)
    assert plan.lookahead > 5
    assert plan.latency_ms > 600 - 2 * 1024 / 44.1


def test_impossible_latency_says_what_is_possible() -> None:
    with pytest.raises(
        SpleeterError, match=r"no setting sustains 20 ms .* 2 threads; the least is \d+\.\d ms .*T = 64"
    ):
        planned(Machine(MODERATE), 20)
    with pytest.raises(SpleeterError, match=r"no setting sustains 90 ms .*full window"):
        planned(Machine(MODERATE), 90, "full")


def test_a_machine_that_is_too_slow() -> None:
    with pytest.raises(SpleeterError, match="this machine sustains no real-time setting"):
        planned(Machine(1.0))
    with pytest.raises(SpleeterError, match="no real-time setting"):
        planned(Machine(1.0), 1000)


def test_a_rehearsal_that_fails_asks_for_more() -> None:
    machine = Machine(MODERATE, lambda _frames: 1.2)
    plan = planned(machine)
    assert len(machine.rehearsals) == 2
    assert plan.budget / 44100 >= 1.3 * 1.2 * 20e-3
    assert plan.run_seconds == pytest.approx(1.2 * 20e-3)
    # One T never does: the next one is taken.
    assert planned(Machine(MODERATE, lambda frames: 100.0 if frames == 512 else 1.0), 1000).frames == 384


def test_margin_block_and_rate() -> None:
    assert planned(Machine(MODERATE), margin=0).budget == 1024
    assert planned(Machine(MODERATE), margin=1).budget == 1792
    assert planned(Machine(MODERATE), block=1024).budget == 2048
    assert planned(Machine(MODERATE), block=64).budget == 1152
    other = planned(Machine(MODERATE), rate=48000)
    assert other.sample_rate == 48000
    assert other.budget == 1152
    assert other.arguments()["sample_rate"] == 48000
    assert planned(Machine(MODERATE), window=1536).window == 1536


def test_text() -> None:
    text = str(planned(Machine(MODERATE)))
    assert "92.9 ms (4096 samples at 44100 Hz, block 256)" in text
    assert "T = 128, hop 2, lookahead 0, budget 1280, short window" in text
    assert "20.0 ms" in text
    assert "load 43 %" in text


def test_table() -> None:
    text = plan_table(FullSize(), 2, bench=Machine(MODERATE))  # type: ignore[arg-type]
    rows = [line.split() for line in text.splitlines()]
    assert rows[0][:2] == ["T", "hop"]
    found = {(row[0], row[1]): row for row in rows[1:] if row and row[0].isdecimal()}
    assert {key[0] for key in found} == {"64", "128", "256", "512"}
    assert ("512", "512") in found
    assert found["128", "1"][-2:] == ["too", "slow"]
    assert found["128", "4"][-1] == "sustained"
    assert "4 networks on 2 threads" in text
    measured = list(plan_rows(FullSize(), 2, bench=Machine(MODERATE)))  # type: ignore[arg-type]
    assert len(measured) == len(found)
    assert {(row.frames, row.hop_frames): row.holds for row in measured}[128, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latency_ms": 0}, "latency_ms"),
        ({"latency_ms": float("nan")}, "latency_ms"),
        ({"latency_ms": "100"}, "latency_ms"),
        ({"threads": 0}, "threads"),
        ({"margin": -1}, "margin"),
        ({"sample_rate": 44099}, "sample_rate"),
        ({"block": 0}, "block"),
        ({"window": "tall"}, "window"),
    ],
)
def test_bad_arguments(two_stems: Model, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SpleeterError, match=message):
        plan_stream(two_stems, **arguments)  # type: ignore[arg-type]


@keeps_up
def test_this_machine(two_stems: Model) -> None:
    """Its frames are 2.9 ms, so the latency that a busy machine holds is left open."""
    plan = spleeterrt.plan_stream(two_stems, 3000, 1, margin=0.1)
    assert isinstance(plan, StreamPlan)
    assert plan.latency_ms <= 3000
    assert plan.frames >= 64
    assert 0 < plan.load < 1
    with StreamSeparator(two_stems, **plan.arguments()) as live:
        assert live.latency == plan.latency
        live.process(np.zeros((256, 2), np.float32))
