"""Does a longer file need more memory? Peak memory of `spleeterrt separate` by length.

    python bench/memory.py [--minutes 1 10 60] [--models 2stems 4stems] [--low-memory] [AUDIO ...]

Writes the peak resident memory of the whole command, as the kernel counts it, and its time to
`bench/results/memory.md` (`memory-low.md` with `--low-memory`). The input is music looped with variations
to a 16-bit WAV under `bench/.cache`, the models are random checkpoints (the values make no difference
here). An hour in four stems takes a minute or more and, while it runs, 3.2 GB on the disk.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import (
    CACHE,
    SAMPLE_RATE,
    ChildRun,
    conditions,
    default_music,
    looped,
    report,
    run_child,
    spleeterrt_command,
    table,
    write_wav,
)
from peers import ensure_checkpoints

# Most bytes of the command: {low memory: {model: bytes}}
LIMITS = {
    False: {"2stems": 300e6, "4stems": 600e6},
    True: {"2stems": 200e6, "4stems": 300e6},
}


def long_wav(paths: Sequence[Path], minutes: float) -> Path:
    """Music looped to that many minutes, made once."""
    path = CACHE / "long" / f"{paths[0].stem}-{minutes:g}min.wav"
    if not path.exists():
        write_wav(path, looped(paths, round(minutes * 60 * SAMPLE_RATE)))
    return path


def separate(
    wav: Path, model: str, threads: int, arguments: Sequence[str] = (), env: dict[str, str] | None = None
) -> ChildRun:
    """Run the command on a WAV, check the lengths of the stems, throw them away.

    Raises:
        SystemExit: it failed, or a stem is longer or shorter than the input.
    """
    models = ensure_checkpoints((model,))
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="memory-") as folder:
        options = ["-p", f"spleeter:{model}", "-o", folder, "--threads", threads, *arguments]
        run = run_child(
            [*spleeterrt_command(), "separate", *options, wav],
            env={"MODEL_PATH": str(models.resolve()), **(env or {})},
        )
        written = sorted(Path(folder).rglob("*.wav"))
        if not written or any(abs(f.stat().st_size - wav.stat().st_size) > 100 for f in written):
            raise SystemExit(f"{wav.name}, {model}: stems and input differ in length\n{run.stdout}")
    return run


def measure(
    paths: Sequence[Path],
    models: Sequence[str],
    lengths: Sequence[float],
    threads: int,
    arguments: Sequence[str] = (),
) -> Iterator[dict]:
    """One dictionary per model and length, as they are finished."""
    for model in models:
        first = None
        for minutes in sorted(lengths):
            run = separate(long_wav(paths, minutes), model, threads, arguments)
            first = first or run.peak_rss
            yield {
                "model": model,
                "minutes": minutes,
                "peak": run.peak_rss,
                "growth": run.peak_rss / first - 1,
                "seconds": run.seconds,
                "cpu_seconds": run.cpu_seconds,
            }


def row(entry: dict, low_memory: bool) -> list[str]:
    """Of the table; `HEADER` is above it."""
    limit = LIMITS[low_memory].get(entry["model"])
    verdict = (
        "" if limit is None else f"{limit / 1e6:.0f}: {'met' if entry['peak'] <= limit else '**missed**'}"
    )
    return [
        entry["model"],
        f"{entry['minutes']:g}",
        f"{entry['peak'] / 1e6:.0f}",
        verdict,
        f"{entry['growth']:+.1%}",
        f"{entry['seconds']:.1f}",
        f"{entry['cpu_seconds']:.1f}",
        f"{entry['minutes'] * 60 / entry['seconds']:.1f}",
    ]


HEADER = (
    "model",
    "minutes",
    "peak MB",
    "target, at most",
    "against the shortest",
    "wall s",
    "CPU s",
    "x real time",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of spleeterrt separate by length of the file.")
    parser.add_argument("audio", nargs="*", type=Path, help="music to loop; default: tests/data/clip.*")
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 10, 60])
    parser.add_argument("--models", nargs="+", default=["2stems", "4stems"], metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--low-memory", action="store_true", help="the command's --low-memory")
    parser.add_argument("--args", default="", help="more arguments for spleeterrt separate, in one string")
    parser.add_argument("--name", help="of the file under bench/results; default: memory or memory-low")
    options = parser.parse_args()

    arguments = [*(["--low-memory"] if options.low_memory else []), *options.args.split()]
    rows = []
    for entry in measure(
        options.audio or default_music(), options.models, options.minutes, options.threads, arguments
    ):
        rows.append(row(entry, options.low_memory))
        print(*rows[-1], flush=True)
    command = " ".join(["spleeterrt separate --threads", str(options.threads), *arguments])
    report(
        options.name or ("memory-low" if options.low_memory else "memory"),
        "Memory by length of the file",
        f"`{command}`, 16-bit WAV to 16-bit WAV. Memory: the command's peak resident set; 1 MB = 10^6 bytes.",
        table(HEADER, rows),
        conditions(("spleeterrt", "numpy", "soundfile", "soxr")),
    )


if __name__ == "__main__":
    main()
