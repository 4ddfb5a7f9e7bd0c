"""What `spleeterrt stream` tells on standard error: what is not as it should be, at once and at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..audio.channels import left_out
from ..audio.layouts import layout_name, usual_layout
from ..realtime.pace import PaceWatch, covered_text, load_text, percent
from .terminal import say

if TYPE_CHECKING:
    from ..realtime.pipe import DescriptorSource, Output
    from ..realtime.stream import StreamSeparator

_REMEDIES = {
    "unpaced": "--realtime and --latency are for sources that keep time: without them every sample is "
    "separated; or let the source keep time, for example `ffmpeg -re -i FILE`",
    "slow": "What helps: a larger --hop or --latency; fewer networks (--mode residual, or --mode direct "
    "--stem STEM); a smaller model; more --threads; `spleeterrt stream --plan` lists what this machine can "
    "sustain",
}


class StreamReport:
    """Collects warnings, tells each of them once, and sums up at the end.

    Args:
        quiet: nothing is told but in JSON.
        as_json: one object for each warning, and one at the end.

    Attributes:
        warnings: all of them.
        late: whether the networks were late for so much of the sound that it is no success.
    """

    def __init__(self, realtime: bool, quiet: bool, as_json: bool) -> None:
        self.warnings: list[str] = []
        self.late = False
        self._realtime, self._quiet, self._as_json = realtime, quiet, as_json

    def note(self, text: str) -> None:
        if not (self._quiet or self._as_json):
            say(text, err=True)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        if self._as_json:
            say(json.dumps({"warning": text}), err=True)
        else:
            self.note(f"Warning: {text}")

    def begin(self, source: DescriptorSource, separator: StreamSeparator, mixes: bool) -> None:
        """Before the first sample. mixes: all channels are mixed to stereo."""
        self._source, self._separator = source, separator
        config = separator.model.config
        step = config.frame_step / config.sample_rate
        self._period = step * separator.settings.hop
        self._watch = PaceWatch(step)
        if self._realtime:
            milliseconds = 1e3 * separator.latency / source.rate
            self.note(f"latency: {separator.latency} samples, {milliseconds:.1f} ms")
            if source.is_file:
                self.note(
                    f"{source.name} is played by the clock, as live sound comes; without --realtime and "
                    "--latency it is separated as fast as possible, and every sample of it"
                )
        left = left_out(source.channels, source.layout)
        if left is not None and not mixes:
            self.warn(f"{source.name}: {left}")
        elif left is not None and source.layout is None:
            usual = usual_layout(source.channels)
            assert usual is not None
            self.note(
                f"{source.name}: its {source.channels} channels are taken for {layout_name(usual)}, "
                f"{'+'.join(usual)}; --layout tells another order"
            )

    def look(self) -> None:
        """After every block."""
        stats = self._separator.stats
        reason = self._watch.look(stats, self._source.frames / self._source.rate)
        if reason:
            self.warn(self._late_text(reason))

    def end(self, outputs: Sequence[Output], *, interrupted: bool) -> None:
        for warning in self._source.warnings:
            self.warn(warning)
        stats = self._separator.stats
        if stats.repaired:
            self.warn(f"{stats.repaired} samples were no numbers and taken as zero")
        told = self._watch.reason
        reason = (
            self._watch.conclude(stats, self._source.frames / self._source.rate) if self._realtime else ""
        )
        if self._realtime and stats.covered_frames:
            self.late = self._watch.is_late(stats)
            text = (
                f"{stats.underruns} of {stats.runs + stats.dropped} runs of the networks were late (worst: "
                f"{1e3 * stats.worst_run_seconds:.0f} ms); {covered_text(stats)}"
            )
            self.warn(f"{text}. {_REMEDIES[reason]}" if reason and not told else text)
        for item in outputs:
            if item.gone:
                self.warn(f"{item.name}: its reader has gone")
            if item.clipped:
                share = item.clipped / (item.frames * item.encoding.channels)
                self.warn(
                    f"{item.name}: {item.clipped} samples ({percent(share)}) were beyond full scale and were "
                    "clipped; --bit-depth float32 (raw: --output-format f32le) keeps them, or a lower --gain"
                )
        kept = [item for item in outputs if item.lasting] if interrupted else []
        if kept:
            seconds = kept[0].frames / self._source.rate
            self.note(f"{seconds:.1f} s are in {', '.join(item.name for item in kept)}")
        if self._as_json:
            say(json.dumps(self._summary(outputs, interrupted, reason)), err=True)

    def _summary(self, outputs: Sequence[Output], interrupted: bool, reason: str) -> dict[str, Any]:
        source, stats = self._source, self._separator.stats
        return {
            "final": True,
            "input": source.name,
            "seconds": round(source.frames / source.rate, 6),
            "sample_rate": source.rate,
            "channels": source.channels,
            "latency": self._separator.latency,
            "interrupted": interrupted,
            "covered_share": round(stats.covered_share, 6),
            "reason": reason or None,
            "stats": stats._asdict(),
            "outputs": [
                {"name": item.name, "frames": item.frames, "clipped": item.clipped, "reader_gone": item.gone}
                for item in outputs
            ],
            "warnings": self.warnings,
        }

    def _late_text(self, reason: str) -> str:
        stats = self._separator.stats
        if reason == "unpaced":
            seconds = self._source.frames / self._source.rate
            cause = (
                f"the sound comes faster than it plays ({seconds:.1f} s of it, {self._watch.ahead:.1f} s "
                "ahead of the clock): the networks have no time for it"
            )
        else:
            cause = f"the networks do not keep up: {load_text(stats, self._period)}"
        return f"{cause}. {covered_text(stats)}. {_REMEDIES[reason]}"
