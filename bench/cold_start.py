"""How long until a short file is separated, from the shell? `spleeterrt separate` and `spleeter separate`.

    python bench/cold_start.py [--seconds 10] [--rounds 5] [--model 2stems] [AUDIO ...]

Both commands run from a fresh process on the same WAV, in turn (A B A B), after one uncounted round
that fills the disk cache. Minimum and median go to `bench/results/cold_start.md`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from common import (
    CACHE,
    SAMPLE_RATE,
    Timing,
    conditions,
    default_music,
    looped,
    report,
    run_child,
    spleeterrt_command,
    table,
    time_rounds,
    write_wav,
)
from peers import ensure_checkpoints, spleeter_python

COMMANDS = ("spleeterrt separate", "spleeter separate")


def measure(
    audio: Path, model: str, rounds: int, threads: int | None = None
) -> tuple[dict[str, Timing], dict[str, int]]:
    """Time both commands on a file, in turn; seconds and peak memory in bytes, by command.

    Raises:
        SystemExit: a command failed or wrote nothing.
    """
    env = {"MODEL_PATH": str(ensure_checkpoints((model,)).resolve())}
    options = ["--threads", threads] if threads else []
    words = [
        [*spleeterrt_command(), "separate", *options],
        [spleeter_python(), "-m", "spleeter", "separate"],
    ]
    commands = dict(zip(COMMANDS, words, strict=True))
    peaks: dict[str, int] = {}

    def runner(name: str) -> Callable[[], None]:
        def run() -> None:
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="cold-") as folder:
                arguments = ["-p", f"spleeter:{model}", "-o", folder, audio]
                peaks[name] = run_child([*commands[name], *arguments], env=env).peak_rss
                if not list(Path(folder).rglob("*.wav")):
                    raise SystemExit(f"{name} wrote nothing")

        return run

    return time_rounds({name: runner(name) for name in commands}, rounds), peaks


def main() -> None:
    parser = argparse.ArgumentParser(description="Wall time of both commands on a short file.")
    parser.add_argument("audio", nargs="*", type=Path, help="music; default: tests/data/clip.*")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="2stems")
    parser.add_argument("--threads", type=int, help="for spleeterrt; default: its own choice")
    options = parser.parse_args()

    wav = CACHE / "cold_start.wav"
    write_wav(wav, looped(options.audio or default_music(), round(options.seconds * SAMPLE_RATE)))
    timings, peaks = measure(wav, options.model, options.rounds, options.threads)
    ours, theirs = timings.values()
    rows = [
        [f"`{name}`", f"{timing.min:.2f}", f"{timing.median:.2f}", f"{peaks[name] / 1e6:.0f}"]
        for name, timing in timings.items()
    ]
    report(
        "cold_start",
        "From the shell to the stems of a short file",
        f"{options.model}, {options.seconds:g} s of music, WAV to WAV, random checkpoint on the disk; "
        f"{options.rounds} rounds of each, in turn.",
        table(["command", "min s", "median s", "peak MB"], rows),
        f"Median ratio: {theirs.median / ours.median:.1f}.",
        conditions(("spleeterrt",), Peer="Spleeter 2.4.2, TensorFlow 2.12.1"),
    )


if __name__ == "__main__":
    main()
