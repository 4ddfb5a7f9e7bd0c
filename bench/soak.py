"""Does the real-time engine keep anything? Memory over many engines, and over hours of streaming.

    python bench/soak.py [--cycles 10000] [--hours 1] [--models 4stems]

1. Creates and closes `--cycles` engines on a small network, each fed a few blocks.
2. Streams `--hours` of noise as fast as it goes through full-size networks (double-buffered) and through a
   small network (a sliding window).

Writes resident memory, threads and file descriptors along the way to `bench/results/soak.md`.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import MODELS, ROOT, SAMPLE_RATE, conditions, report, table
from peers import ensure_checkpoints

SMALL = ROOT / "tests" / "data" / "golden" / "tiny-4stems" / "config.json"
BLOCK = 1024


def footprint() -> tuple[float, int, int]:
    """(MB resident, threads, file descriptors)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
    )


def create_and_close(cycles: int) -> Iterator[int]:
    from spleeterrt import StreamSeparator, load_model

    model = load_model(SMALL)
    block = np.random.default_rng(0).uniform(-0.5, 0.5, (BLOCK, 2)).astype(np.float32)
    for cycle in range(cycles):
        with StreamSeparator(model, 64, hop_frames=1 + cycle % 4, threads=2) as live:
            for _ in range(3):
                live.process(block)
        if (cycle + 1) % (cycles // 10) == 0:
            yield cycle + 1


def stream(source: str | Path, hours: float, **settings: object) -> Iterator[float]:
    """Minutes of sound so far."""
    from spleeterrt import StreamSeparator

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (60 * BLOCK, 2)).astype(np.float32)
    with StreamSeparator(source, realtime=False, **settings) as live:  # type: ignore[arg-type]
        out = {stem: np.empty((BLOCK, 2), np.float32) for stem in live.instruments}
        blocks = round(hours * 3600 * SAMPLE_RATE / BLOCK)
        for index in range(blocks):
            at = index % 60 * BLOCK
            live.process(noise[at : at + BLOCK], out)
            if (index + 1) % (blocks // 10) == 0:
                yield (index + 1) * BLOCK / SAMPLE_RATE / 60


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=10000)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--models", nargs="*", default=["4stems"])
    args = parser.parse_args()
    os.environ["MODEL_PATH"] = str(MODELS)
    ensure_checkpoints(tuple(args.models))

    parts = [
        ("engines created and closed", "engines", create_and_close(args.cycles)),
        *(
            (f"{model}, T=128, double-buffered", "minutes", stream(f"spleeter:{model}", args.hours))
            for model in args.models
        ),
        (
            "a small network, T=64, 4 frames at a time",
            "minutes",
            stream(SMALL, args.hours, frames=64, hop_frames=4),
        ),
    ]
    text = []
    for title, unit, steps in parts:
        rows = []
        begun = time.perf_counter()
        for done in steps:
            memory, threads, files = footprint()
            rows.append((f"{done:g}", f"{memory:.1f}", threads, files))
            print(title, *rows[-1], flush=True)
        took = time.perf_counter() - begun
        text.append(
            f"## {title}\n\n{took:.0f} s.\n\n{table((unit, 'MB resident', 'threads', 'files'), rows)}"
        )
    report("soak", "Does the real-time engine keep anything?", conditions(("numpy",)), *text)


if __name__ == "__main__":
    main()
