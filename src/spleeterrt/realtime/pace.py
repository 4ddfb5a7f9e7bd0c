"""Whether real time holds: sound that comes faster than it plays, and machines that are too slow.

Both leave the networks too little time. The engine then covers what it has no masks for, so that somebody
has to notice: `PaceWatch` does, within a second, and says why and what helps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .descriptors import Interruption
from .stream import StreamStats

AHEAD_SECONDS = 3.0  # by which pipes and players may buffer sound that does keep time
LATE_SHARE, LATE_SECONDS = 0.1, 0.5  # of the frames, and in sum: from here on it is no mishap
_WINDOW_SECONDS = 0.75  # of sound that is looked at together
_BEHIND_SECONDS = 0.25  # after a longer wait for a reader the clock begins anew


@dataclass
class Pace:
    """Keeps the time of a source that has no clock, as a file."""

    rate: int
    _due: float | None = None

    def wait(self, samples: int, interruption: Interruption) -> None:
        """Until so many more samples would have come from a live source."""
        now = time.monotonic()
        due = now if self._due is None else self._due
        due = (now if now - due > _BEHIND_SECONDS else due) + samples / self.rate
        self._due = due
        while (left := due - time.monotonic()) > 0 and interruption.wait(seconds=left):
            pass


class PaceWatch:
    """Looks at an engine that runs in real time.

    Args:
        frame_seconds: of sound that a frame step lasts.
        clock: seconds.

    Attributes:
        reason: why masks are missing, "unpaced" or "slow", or "" as long as they are there.
        ahead: seconds by which the sound was ahead of the clock at the last look.
    """

    def __init__(self, frame_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.reason = ""
        self.ahead = 0.0
        self._frame_seconds = frame_seconds
        self._clock = clock
        self._begun: float | None = None
        self._frames = self._covered = 0  # where the window that is looked at begins
        self._ahead = 0.0

    def look(self, stats: StreamStats, seconds: float | None = None) -> str:
        """To be called often: the reason when it first appears, else "".

        seconds: of sound that came so far; None: it cannot run ahead, as that of a sound card.
        """
        now = self._clock()
        if self._begun is None:
            self._begun = now
        if seconds is not None:
            self.ahead = seconds - (now - self._begun)
        frames, covered = stats.frames - self._frames, stats.covered_frames - self._covered
        if frames < 0 or covered < 0:  # counted anew
            self._open_window(stats)
            return ""
        sound = frames * self._frame_seconds
        if sound < _WINDOW_SECONDS:
            return ""
        if self.reason or covered < LATE_SHARE * frames:
            self._open_window(stats)
            return ""
        if self.ahead > AHEAD_SECONDS:
            self.reason = "unpaced"
        elif self.ahead - self._ahead > sound / 3:  # what was in buffers, or more to come
            return ""
        else:
            self.reason = "slow"
        return self.reason

    def is_late(self, stats: StreamStats) -> bool:
        """Whether so much is covered that it is no success."""
        covered = stats.covered_frames * self._frame_seconds
        return stats.covered_share >= LATE_SHARE and covered >= LATE_SECONDS

    def conclude(self, stats: StreamStats, seconds: float) -> str:
        """At the end: the reason of what is covered, also where the sound was too short for `look`."""
        if not self.reason and self.is_late(stats) and self._begun is not None:
            wall = self._clock() - self._begun
            self.reason = "unpaced" if seconds > 1.5 * wall + 0.5 else "slow"
        return self.reason

    def _open_window(self, stats: StreamStats) -> None:
        self._frames, self._covered, self._ahead = stats.frames, stats.covered_frames, self.ahead


def covered_text(stats: StreamStats) -> str:
    """`812 of 830 frames (98 %) are not separated by masks of their own`..."""
    return (
        f"{stats.covered_frames} of {max(stats.frames, stats.covered_frames)} frames "
        f"({percent(stats.covered_share)}) had no masks of their own in time and were concealed: with the "
        "last masks, then with the whole mix in one stem"
    )


def load_text(stats: StreamStats, period: float) -> str:
    """What the networks take, and what they have; period: seconds between two runs."""
    if not stats.runs:
        return f"no run of the networks was ready yet, and one is due every {1e3 * period:.0f} ms"
    return (
        f"a run of the networks takes {1e3 * stats.run_seconds:.0f} ms (worst: "
        f"{1e3 * stats.worst_run_seconds:.0f}), and one is due every {1e3 * period:.0f} ms"
    )


def percent(share: float) -> str:
    """As people read it; never 0 % of something."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.2g} %" if value >= 0.01 else "<0.01 %"


__all__ = ["Pace", "PaceWatch", "covered_text", "load_text", "percent"]
