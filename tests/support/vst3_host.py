"""The VST3 test host, tests/plugin/vst3_host.cpp, and the plugin's numbers in VST3."""

from __future__ import annotations

from pathlib import Path

from support.plugin_host import BUILD, CommandHost

HOST = BUILD / "vst3_host"
BUNDLE = BUILD / "bundles/vst3/spleeterrt.vst3"
CLASSES = {4: 0, 2: 1, 5: 2}
BYPASS, MODE, LATE = 0, 1, 2
STATUS, LATENCY, LOAD, LATE_RUNS, CONCEALED = range(0x10000, 0x10005)
READY = 2  # a status
LATENCY_CHANGED = 8  # a flag of restartComponent
RESULTS = {
    "ok": 0,
    "false": 1,
    "bad argument": 2,
    "not implemented": 3,
    "not initialised": 5,
    "no interface": -1,
}


def binary() -> Path:
    return next(BUNDLE.glob("Contents/*-linux/*.so"))


def gain(stem: int) -> int:
    """Of a stem's gain; mute and solo follow."""
    return 32 + 16 * stem


class Host(CommandHost):
    def __init__(self, model: Path | str | None = None):
        super().__init__([HOST, binary()], model)

    # --- sequences of commands, as hosts have them ---

    def ready(self, stems=4, rate=44100, block=512, mode="realtime", values=()):
        """An active plugin; its latency."""
        self("create", CLASSES[stems])
        assert self("initialise") == 0
        assert self("handler", 1) == 0
        assert self("setup", rate, block, mode) == 0
        for parameter, value in values:
            assert self("set", parameter, value) == 0
        assert self("active", 1) == 0
        latency = self("latency")
        assert self("processing", 1) == 0
        return latency

    def render(self, *arguments):
        found, report = super().render(*arguments)
        assert report["refused"] == 0
        return found, report

    def restart(self):
        assert self("processing", 0) == 0
        assert self("processing", 1) == 0

    def close(self):
        assert self("processing", 0) == 0
        assert self("active", 0) == 0
        assert self("terminate") == 0
        assert self("release") == 0
