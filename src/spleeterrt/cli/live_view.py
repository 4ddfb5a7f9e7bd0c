"""What `spleeterrt live` shows: meters, counts, and hints where something is not as it should be."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..realtime.pace import PaceWatch, covered_text, load_text, percent

if TYPE_CHECKING:
    from ..realtime.live import LiveSession

METER_DB = 60  # the meters' range
METER_WIDTH = 32
SILENCE_SECONDS = 3.0  # without any sound, after which there is a hint
_SILENCE = 1e-5  # -100 dB
_REMEDY = (
    "What helps: a larger --hop or --latency; fewer networks (--mode residual, or --mode direct "
    "--stems A,B); a smaller model; more --threads; --priority 1 where other programs are in the way"
)


@dataclass
class State:
    solo_next: bool = False  # the next digit is for solo
    quit: bool = False


class Monitor:
    """Looks for what people would otherwise have to find out: silence, and networks that do not keep up.

    Attributes:
        hint: about silence at the input, as long as it lasts; "".
        slow: why so much is covered; "" as long as it is not.
    """

    def __init__(self, session: LiveSession, clock: Callable[[], float] = time.monotonic) -> None:
        config = session.model.config
        self.hint = self.slow = ""
        self._session, self._clock = session, clock
        self._step = config.frame_step / config.sample_rate
        self._watch = PaceWatch(self._step, clock)
        self._heard = clock()  # the last sound
        self._told = False

    @property
    def reason(self) -> str:
        return self._watch.reason

    @property
    def late(self) -> bool:
        """Whether so much is covered that it is no success."""
        return self._watch.is_late(self._session.stats)

    def look(self) -> list[str]:
        """To be called often; what is new."""
        found = []
        stats = self._session.stats
        if self._watch.look(stats):
            period = self._step * self._session.separator.settings.hop
            self.slow = f"the networks do not keep up: {load_text(stats, period)}. {_REMEDY}"
            found.append(f"Warning: {self.slow}")
        if self._session.client.levels["input"] > _SILENCE:
            self._heard, self.hint = self._clock(), ""
        elif self._clock() - self._heard >= SILENCE_SECONDS and not self.hint:
            self.hint = self._silence()
            if not self._told:
                self._told = True
                found.append(f"Hint: {self.hint}")
        return found

    def conclusion(self) -> str:
        """At the end: what was covered, and what was beyond full scale; "" if nothing was."""
        return "; ".join(filter(None, (self._covered(), clipped_text(self._session))))

    def _covered(self) -> str:
        stats = self._session.stats
        if not stats.covered_frames:
            return ""
        text = f"{stats.underruns} runs of the networks were late; {covered_text(stats)}"
        return f"{text}. {_REMEDY}" if self.late and not self.slow else text

    def _silence(self) -> str:
        client = self._session.client
        if client.inputs:
            ports = " and ".join(f"{client.name}:{port}" for port in client.inputs)
            return (
                f"no sound comes in. Connect something to {ports}, in QjackCtl or by jack_connect; "
                "--connect takes the inputs of the sound card"
            )
        return f"no sound comes in from {client.name}. Is it muted, or another device meant (--device)?"


def _milliseconds(session: LiveSession) -> float:
    return 1000 * session.latency / session.client.sample_rate + 1000 * session.client.device_latency


def headline(session: LiveSession) -> str:
    client = session.client
    return (
        f"{client.kind} {client.name}: latency {_milliseconds(session):.1f} ms, {client.sample_rate} Hz, "
        f"block {client.block}"
    )


def _counts(session: LiveSession) -> str:
    stats, seen = session.stats, session.client.stats
    return (
        f"load {stats.load:4.0%}  concealed {percent(stats.covered_share)}  underruns {stats.underruns}  "
        + (f"clipped {seen.clipped}  " if seen.clipped else "")
        + f"xruns {seen.xruns}  late {seen.missed}  callback {stats.process_load:4.0%}"
    )


def clipped_text(session: LiveSession) -> str:
    """What a sound card cuts off; "" if nothing."""
    seen = session.client.stats
    if not seen.clipped:
        return ""
    share = seen.clipped / (2 * seen.callbacks * session.client.block)
    return (
        f"{seen.clipped} samples ({percent(share)}) of what is played were beyond full scale, where a sound "
        "card cuts them off; a lower --gain helps"
    )


def _decibels(level: float) -> str:
    return f"{20 * math.log10(level):6.1f}" if level > 1e-5 else "  -inf"


def line(session: LiveSession) -> str:
    levels = "  ".join(f"{name} {_decibels(level).strip()}" for name, level in session.client.levels.items())
    return f"latency {_milliseconds(session):.1f} ms  {_counts(session)}  | dB: {levels}"


def report(session: LiveSession, monitor: Monitor, seconds: float) -> dict[str, Any]:
    client = session.client
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(time.process_time(), 4),
        "backend": client.kind,
        "name": client.name,
        "sample_rate": client.sample_rate,
        "block": client.block,
        "realtime": client.realtime,
        "priority": client.priority,
        "latency": session.latency,
        "latency_ms": round(_milliseconds(session), 3),
        "stats": session.stats._asdict(),
        "covered_share": round(session.stats.covered_share, 6),
        "reason": monitor.reason or None,
        "hint": monitor.hint or None,
        "client": client.stats._asdict(),
        "gains": session.separator.gains,
        "levels": client.levels,
    }


@dataclass
class Meters:
    """The picture, drawn over the one before."""

    lines: int = 0

    def show(self, session: LiveSession, state: State, monitor: Monitor) -> None:
        columns = shutil.get_terminal_size().columns
        rows = [headline(session), _counts(session)]
        names = list(session.client.levels)
        width = max(len(name) for name in names)
        meter = max(4, min(METER_WIDTH, columns - width - 16))  # leaves room for the decibels
        for number, (name, level) in enumerate(session.client.levels.items(), 1):
            key = str(number) if name in session.separator.instruments else " "
            flag = "M" if name in session.muted else "S" if name in session.soloed else " "
            rows.append(f"{key} {flag} {name:{width}} {_bar(level, meter)} {_decibels(level)} dB")
        rows.append(
            "solo: which stem? (1 2 ...)" if state.solo_next else "1 2 ... mute  s solo  0 all  q quit"
        )
        for text in filter(None, (monitor.slow, monitor.hint)):
            rows += textwrap.wrap(text, max(20, columns - 1))
        rows += [""] * (self.lines - len(rows))  # what was there before
        up = f"\x1b[{self.lines}A" if self.lines else ""
        text = "".join(f"\x1b[2K{row[: columns - 1]}\n" for row in rows)
        sys.stdout.write(f"\r{up}{text}")
        sys.stdout.flush()
        self.lines = len(rows)


def _bar(level: float, width: int) -> str:
    if level <= 0:
        filled = 0
    else:
        part = 1 + 20 * math.log10(level) / METER_DB
        filled = round(width * min(1.0, max(0.0, part)))
    return "#" * filled + "." * (width - filled)
