"""Does a longer file need more memory? Peak memory of `spleeterrt separate` by length.

    python bench/memory.py [--minutes 1 10 60] [--models 2stems 4stems] [--threads 2] [AUDIO ...]

Writes the peak resident memory of the whole command, as the kernel counts it, and its time to
`bench/results/memory.md`. The input is music looped with variations to a 16-bit WAV under
`bench/.cache`, the models are random checkpoints (the values make no difference here). An hour in four
stems takes a few minutes and, while it runs, 3.2 GB on the disk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import (
    CACHE,
    SAMPLE_RATE,
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


def long_wav(paths: list[Path], minutes: float) -> Path:
    """Music looped to that many minutes, made once."""
    path = CACHE / "long" / f"{paths[0].stem}-{minutes:g}min.wav"
    if not path.exists():
        write_wav(path, looped(paths, round(minutes * 60 * SAMPLE_RATE)))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of spleeterrt separate by length of the file.")
    parser.add_argument("audio", nargs="*", type=Path, help="music to loop; default: tests/data/clip.*")
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 10, 60])
    parser.add_argument("--models", nargs="+", default=["2stems", "4stems"], metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--args", default="", help="more arguments for spleeterrt separate, in one string")
    parser.add_argument("--name", default="memory", help="of the file under bench/results")
    options = parser.parse_args()

    models = ensure_checkpoints(tuple(options.models))
    paths = options.audio or default_music()
    rows = []
    for model in options.models:
        first = None
        for minutes in sorted(options.minutes):
            wav = long_wav(paths, minutes)
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="memory-") as folder:
                arguments = ["-p", f"spleeter:{model}", "-o", folder, "--threads", options.threads]
                run = run_child(
                    [*spleeterrt_command(), "separate", *arguments, *options.args.split(), wav],
                    env={"MODEL_PATH": str(models.resolve())},
                )
                written = sorted(Path(folder).rglob("*.wav"))
                if not written or any(abs(f.stat().st_size - wav.stat().st_size) > 100 for f in written):
                    raise SystemExit(f"{wav.name}, {model}: stems and input differ in length\n{run.stdout}")
            first = first or run.peak_rss
            rows.append(
                [
                    model,
                    f"{minutes:g}",
                    f"{run.peak_rss / 1e6:.0f}",
                    f"{run.peak_rss / first - 1:+.1%}",
                    f"{run.seconds:.1f}",
                    f"{run.cpu_seconds:.1f}",
                    f"{minutes * 60 / run.seconds:.1f}",
                ]
            )
            print(*rows[-1], flush=True)
    report(
        options.name,
        "Memory by length of the file",
        f"`spleeterrt separate --threads {options.threads} {options.args}`".replace(" `", "`")
        + ", 16-bit WAV to 16-bit WAV. Memory: the command's peak resident set; 1 MB = 10^6 bytes.",
        table(
            ["model", "minutes", "peak MB", "against the shortest", "wall s", "CPU s", "x real time"],
            rows,
        ),
        conditions(("spleeterrt", "numpy", "soundfile", "soxr")),
    )


if __name__ == "__main__":
    main()
