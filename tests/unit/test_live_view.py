"""`spleeterrt live` in a terminal: keys after Ctrl-Z and fg, hints, what is said of late networks."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spleeterrt.cli import live_view
from spleeterrt.cli.live_view import Meters, Monitor, State
from spleeterrt.realtime.stream import StreamSettings, StreamStats

PROGRAM = """
from spleeterrt.cli.keys import terminal_keys
print("READY", flush=True)
with terminal_keys() as keys:
    ended = False
    while not ended:
        if keys.wait(0.05):
            pressed, resumed, keys.resumed = keys.read(), keys.resumed, False
            for key in pressed:
                print("KEY", key, "resumed" if resumed else "", flush=True)
                ended |= key == "q"
"""


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs a shell with jobs")
def test_keys_live_on_after_ctrl_z(tmp_path: Path) -> None:
    import pty
    import termios

    (tmp_path / "keys.py").write_text(PROGRAM)
    ours, theirs = pty.openpty()
    start = (
        "import fcntl, os, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execvp('bash', ['bash', '--norc', '--noprofile', '--noediting', '-i'])"
    )
    shell = subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PS1": "@ ", "TERM": "dumb", "HISTFILE": ""},
        start_new_session=True,
    )
    shown = ""

    def until(pattern: str) -> str:
        nonlocal shown
        while not (match := re.search(pattern, shown)):
            assert select.select([ours], [], [], 60)[0], f"waited for {pattern!r} after {shown!r}"
            shown += os.read(ours, 4096).decode(errors="replace")
        shown = shown[match.end() :]
        return match[0]

    def canonical() -> bool:
        return bool(termios.tcgetattr(theirs)[3] & termios.ICANON)

    try:
        until("@ ")
        os.write(ours, f"'{sys.executable}' '{tmp_path / 'keys.py'}'\n".encode())
        until("\nREADY")
        os.write(ours, b"a")
        until("KEY a")
        assert not canonical()
        for key in "bc":
            os.write(ours, b"\x1a")
            until("Stopped")
            until("@ ")
            assert canonical()  # the shell's line can be typed as before
            os.write(ours, b"fg\n")
            until(r"keys\.py")
            os.write(ours, key.encode())
            until(f"KEY {key} resumed")
        for (
            key
        ) in "dddddddddddddddddddq":  # often: `fg` may come while it still waits, and is no key of its own
            os.write(ours, b"\x1a")
            until("@ ")
            os.write(ours, b"bg\n")  # it may run there, and leaves the terminal alone
            until("@ ")
            assert canonical()
            os.write(ours, b"fg\n")
            until(r"keys\.py")
            os.write(ours, key.encode())
            until(f"KEY {key}")
        until("@ ")
        assert canonical()
        os.write(ours, b"exit\n")
        assert shell.wait(20) == 0
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
        os.close(theirs)


class Session:
    """What `LiveSession` shows of itself."""

    def __init__(self, kind: str = "JACK") -> None:
        self.model = SimpleNamespace(config=SimpleNamespace(frame_step=1024, sample_rate=44100))
        self.separator = SimpleNamespace(
            settings=StreamSettings(hop_frames=2), instruments=("vocals", "other")
        )
        self.client = SimpleNamespace(
            kind=kind,
            inputs=["in_left", "in_right"] if kind == "JACK" else [],
            name="stems",
            sample_rate=44100,
            block=256,
            device_latency=0.0,
            levels={"vocals": 0.0, "other": 0.0, "input": 0.0, "mix": 0.0},
            stats=SimpleNamespace(xruns=0, missed=0, clipped=0, callbacks=1000),
        )
        self.latency = 441
        self.muted: set[str] = set()
        self.soloed: set[str] = set()
        self.stats = self.counted(0, 0)

    @staticmethod
    def counted(frames: int, covered: int, **more: Any) -> StreamStats:
        values = dict.fromkeys(StreamStats._fields, 0)
        return StreamStats(**{**values, "frames": frames, "covered_frames": covered, **more})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("kind", "word"), [("JACK", "stems:in_left"), ("PortAudio", "--device")])
def test_silence_is_pointed_out_once(kind: str, word: str) -> None:
    session, clock = Session(kind), Clock()
    monitor = Monitor(session, clock)  # type: ignore[arg-type]
    clock.now = 2.9
    assert monitor.look() == []
    clock.now = 3.1
    (text,) = monitor.look()
    assert text == f"Hint: {monitor.hint}"
    assert word in text
    session.client.levels["input"] = 0.1
    assert monitor.look() == []
    assert monitor.hint == ""
    session.client.levels["input"] = 0.0
    clock.now = 10.0
    assert monitor.look() == []  # said once; the picture shows it as long as it lasts
    assert word in monitor.hint


def test_networks_that_do_not_keep_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session, clock = Session(), Clock()
    session.client.levels["input"] = 0.1
    monitor = Monitor(session, clock)  # type: ignore[arg-type]
    assert monitor.look() == []
    assert monitor.conclusion() == ""
    assert not monitor.late
    clock.now = 0.9
    session.stats = session.counted(38, 30, runs=4, underruns=15, run_seconds=0.2, worst_run_seconds=0.3)
    (text,) = monitor.look()
    assert (
        "do not keep up: a run of the networks takes 200 ms (worst: 300), and one is due every 46 ms" in text
    )
    assert "larger --hop" in text
    assert monitor.look() == []
    assert monitor.reason == "slow"
    assert monitor.late
    assert "30 of 38 frames (79 %)" in monitor.conclusion()
    monkeypatch.setattr(live_view.shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    meters = Meters()
    meters.show(session, State(), monitor)  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "concealed 79 %" in shown
    assert "do not keep up" in shown
    assert all(len(re.sub(r"\x1b\[\d*[A-Z]", "", row)) < 60 for row in shown.split("\n"))
    monkeypatch.setattr(live_view.shutil, "get_terminal_size", lambda: os.terminal_size((40, 24)))
    meters.show(session, State(), monitor)  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert re.search(r"latency [\d.]+ ms", shown)  # what matters comes first
    assert shown.count(" dB\n") == len(session.client.levels)
    assert "concealed 79 %" in shown


def test_what_a_sound_card_cuts_off_is_told() -> None:
    session = Session()
    monitor = Monitor(session, Clock())  # type: ignore[arg-type]
    session.client.stats.clipped = 5120  # of two sides of 256000
    assert monitor.conclusion().startswith("5120 samples (1 %) of what is played were beyond full scale")
    assert "clipped 5120" in live_view.line(session)  # type: ignore[arg-type]


def test_a_few_late_frames_are_counted_and_no_failure() -> None:
    session = Session()
    monitor = Monitor(session, Clock())  # type: ignore[arg-type]
    session.stats = session.counted(10_000, 30, underruns=15)
    assert monitor.look() == []
    assert not monitor.late
    assert "30 of 10000 frames (0.3 %)" in monitor.conclusion()
    assert "What helps" not in monitor.conclusion()
