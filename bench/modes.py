"""What does each mode cost? Files and real time, full-size networks.

    python bench/modes.py [--minutes 3] [--threads N] [--rounds 3] [AUDIO ...]

Files: `spleeterrt separate`, the whole command, the fastest of the rounds, in which the modes take turns;
peak memory as the kernel counts it. Real time: from due to ready of a run of the networks, T = 128, every 2
frames. The networks are random: values make no difference here. Results: `bench/results/modes.md`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import CACHE, ChildRun, conditions, default_music, report, run_child, spleeterrt_command, table
from memory import long_wav

from spleeterrt.models import expected_shapes
from spleeterrt.models.packed import save_packed
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.realtime.latency_plan import MachineBench
from spleeterrt.realtime.stream import StreamSettings

FRAMES, HOP, BLOCK = 128, 2, 256
RUN_SECONDS = 4.0


@dataclass(frozen=True)
class Case:
    model: str
    mode: str
    stem: str | None = None  # alone

    @property
    def title(self) -> str:
        return self.mode if self.stem is None else f"{self.mode}, {self.stem} alone"

    @property
    def settings(self) -> dict[str, Any]:
        return {"mode": self.mode, "stems": None if self.stem is None else [self.stem]}

    @property
    def options(self) -> list[str]:
        return ["--mode", self.mode, *([] if self.stem is None else ["--stems", self.stem])]


CASES = (
    Case("2stems", "ratio"),
    Case("2stems", "direct"),
    Case("2stems", "residual"),
    Case("4stems", "ratio"),
    Case("4stems", "direct"),
    Case("4stems", "direct", "drums"),
    Case("4stems", "three"),
    Case("5stems", "ratio"),
    Case("5stems", "direct"),
)


def model_file(name: str) -> Path:
    return CACHE / "modes" / f"{name}.safetensors"


def make_models() -> None:
    rng = np.random.default_rng(0)
    for name in dict.fromkeys(case.model for case in CASES):
        if model_file(name).exists():
            continue
        config = OFFICIAL_CONFIGS[name]
        weights = {}
        for stem in config.instruments:
            weights[stem] = {
                tensor: rng.uniform(0.01, 0.05, shape).astype(np.float32) * np.float32(len(shape) == 1)
                + rng.normal(0, 0.03, shape).astype(np.float32) * np.float32(len(shape) > 1)
                for tensor, shape in expected_shapes(config).items()
            }
        model_file(name).parent.mkdir(parents=True, exist_ok=True)
        save_packed(model_file(name), config, weights)


def separate(case: Case, wav: Path, threads: int) -> ChildRun:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="modes-") as folder:
        options = ["-p", model_file(case.model), "-o", folder, "--threads", threads, "-q"]
        return run_child([*spleeterrt_command(), "separate", *options, *case.options, wav])


def real_time(case: Case, threads: int) -> tuple[int, list[float]]:
    """Networks that run, and seconds of runs."""
    settings = StreamSettings(
        frames=FRAMES,
        hop_frames=HOP,
        block=BLOCK,
        threads=threads,
        **case.settings if case.mode != "ratio" else {},
    )
    model = settings.load(model_file(case.model))
    return len(model.networks), MachineBench(model).runs(settings, RUN_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--make-models", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make_models:
        make_models()
        return
    # In a process of its own: a child's peak memory is never below that of the process it came from.
    subprocess.run([sys.executable, __file__, "--make-models"], check=True)
    wav = long_wav(args.audio or default_music(), args.minutes)
    fastest: dict[Case, ChildRun] = {}
    for _ in range(args.rounds):
        for case in CASES:
            run = separate(case, wav, args.threads)
            if case not in fastest or run.seconds < fastest[case].seconds:
                fastest[case] = run
    rows = []
    for case in CASES:
        run = fastest[case]
        networks, seconds = real_time(case, args.threads)
        rows.append((
            f"{case.model}, {case.title}", networks, f"{run.seconds:.2f}", f"{run.cpu_seconds:.2f}",
            f"{60 * args.minutes / run.seconds:.0f}", f"{run.peak_rss / 1e6:.0f}",
            f"{1e3 * min(seconds):.1f}", f"{1e3 * np.median(seconds):.1f}",
        ))  # fmt: skip
    header = ("", "networks", "wall s", "CPU s", "x real time", "peak MB", "run ms, fastest", "median")
    report(
        "modes",
        "What each mode costs",
        f"Left: `spleeterrt separate --threads {args.threads}` on {args.minutes:g} minutes, 16-bit WAV to "
        f"16-bit WAV, fastest of {args.rounds}. Right: a run of the networks in real time, T = {FRAMES}, "
        f"every {HOP} frames (46 ms), {args.threads} threads.",
        table(header, rows),
        conditions(("spleeterrt", "numpy", "soundfile"), Load_average=f"{os.getloadavg()[0]:.1f}"),
    )


if __name__ == "__main__":
    main()
