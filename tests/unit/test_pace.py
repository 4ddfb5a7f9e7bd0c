"""Real time that does not hold: told from a clock and the engine's counts."""

from __future__ import annotations

from typing import Any

import pytest

from spleeterrt.realtime import pace as pace_module
from spleeterrt.realtime.pace import Pace, PaceWatch, covered_text, load_text, percent
from spleeterrt.realtime.stream import StreamStats

STEP = 1024 / 44100


def stats(frames: int = 0, covered: int = 0, **more: Any) -> StreamStats:
    values: dict[str, Any] = dict.fromkeys(StreamStats._fields, 0)
    return StreamStats(**{**values, "frames": frames, "covered_frames": covered, **more})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watched(
    speed: float, covered: float, seconds: float = 30.0, burst: float = 0.0
) -> tuple[list[tuple[float, str]], PaceWatch]:
    """What is told, and when, of sound at `speed` times the clock after a burst, with a share covered."""
    clock = Clock()
    watch = PaceWatch(STEP, clock)
    told = []
    for block in range(int(seconds / 0.01)):
        sound = 0.01 * block
        clock.now = 100.0 + max(0.0, sound - burst) / speed
        frames = int(sound / STEP)
        reason = watch.look(stats(frames, int(covered * frames)), sound)
        if reason:
            told.append((clock.now - 100.0, reason))
    return told, watch


def test_what_keeps_up_is_not_remarked_on() -> None:
    assert watched(1.0, 0.0)[0] == []
    assert watched(1.0, 0.05)[0] == []
    assert watched(1000.0, 0.0)[0] == []  # a network that is fast enough may be fed so


@pytest.mark.parametrize("speed", [2.5, 5, 100, 1e4])
def test_sound_without_a_clock(speed: float) -> None:
    told, watch = watched(speed, 0.99)
    assert [reason for _, reason in told] == ["unpaced"]
    assert told[0][0] <= 3.1 / (speed - 1)  # three seconds ahead
    assert watch.reason == "unpaced"


@pytest.mark.parametrize("burst", [0.0, 0.4, 1.5])
def test_a_slow_machine_is_told_within_a_second(burst: float) -> None:
    """Also where pipes and players were filled first."""
    told, _ = watched(1.0, 0.5, burst=burst)
    assert [reason for _, reason in told] == ["slow"]
    assert told[0][0] <= max(1.0, 2.1 * burst)


def test_a_sound_card_cannot_run_ahead() -> None:
    clock = Clock()
    watch = PaceWatch(STEP, clock)
    assert watch.look(stats()) == ""
    clock.now += 0.8
    assert watch.look(stats(34, 34)) == "slow"
    assert watch.look(stats(70, 70)) == ""  # once


def test_late_ones_are_forgotten_when_they_are_few() -> None:
    watch = PaceWatch(STEP, Clock())
    assert watch.look(stats(0, 0)) == ""
    assert watch.look(stats(100, 3)) == ""
    assert watch.look(stats(140, 4)) == ""
    assert watch.look(stats(10, 0)) == ""  # counted anew
    assert watch.look(stats(50, 4), 1.0) == ""  # ahead by a second: not yet known
    assert watch.reason == ""


@pytest.mark.parametrize(("wall", "reason"), [(0.1, "unpaced"), (2.0, "slow")])
def test_short_sound_is_judged_at_its_end(wall: float, reason: str) -> None:
    clock = Clock()
    watch = PaceWatch(STEP, clock)
    watch.look(stats(), 0.0)
    clock.now += wall
    assert watch.conclude(stats(200, 19), 2.0) == ""
    assert not watch.is_late(stats(21, 21))  # less than half a second in all
    assert watch.conclude(stats(200, 22), 2.0) == reason


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    waits = []

    class Waiting:
        def wait(self, *, seconds: float) -> bool:
            waits.append(round(seconds, 9))
            clock.now += seconds
            return True

    monkeypatch.setattr(pace_module.time, "monotonic", clock)
    pace = Pace(1000)
    pace.wait(100, Waiting())
    pace.wait(100, Waiting())
    clock.now += 0.04
    pace.wait(100, Waiting())
    assert waits == [0.1, 0.1, 0.06]
    clock.now += 5.0  # a reader that stood still: what was missed is not hurried through
    pace.wait(100, Waiting())
    assert waits[3:] == [0.1]

    class Stopped:
        def wait(self, *, seconds: float) -> bool:
            return False

    pace.wait(100_000, Stopped())


def test_texts() -> None:
    assert percent(0.0) == "0 %"
    assert percent(0.5) == "50 %"
    assert percent(0.0123) == "1.2 %"
    assert percent(1e-6) == "<0.01 %"
    assert covered_text(stats(200, 50)).startswith("50 of 200 frames (25 %)")
    assert "no run" in load_text(stats(), 0.046)
    assert "takes 90 ms (worst: 120), and one is due every 46 ms" in load_text(
        stats(runs=3, run_seconds=0.09, worst_run_seconds=0.12), 0.046
    )
