"""What does a segment cost of which only the first frames are wanted, as of the one in which a song ends?

    python bench/first_frames.py [--rounds 15]

Random weights of the official sizes, one stem, T = 512, one thread. Goes to `bench/results/first_frames.md`.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from breakdown import random_stem
from common import conditions, report, table

from spleeterrt import ModelConfig
from spleeterrt.network.method_plan import default_isa, make_plan
from spleeterrt.network.model import Model

WANTED = (512, 1, 24, 51, 128, 256, 384, 448)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    config = ModelConfig(instruments=("stem",))
    model = Model(config, {"stem": random_stem(config, 1)}, plan=make_plan(config, default_isa()))
    segment = np.abs(np.random.default_rng(2).normal(0, 1, (1, config.T, config.F, 2))).astype(np.float32)
    found: dict[int, list[float]] = {frames: [] for frames in WANTED}
    for counted in range(-2, options.rounds):
        for frames in WANTED:
            start = time.perf_counter()
            model.forward_rows(segment, 1, 0, frames)
            if counted >= 0:
                found[frames].append(1e3 * (time.perf_counter() - start))
    whole = statistics.median(found[config.T])
    rows = [
        [str(n), f"{min(ms):.1f}", f"{statistics.median(ms):.1f}", f"{statistics.median(ms) / whole:.2f}"]
        for n, ms in sorted(found.items())
    ]
    report(
        "first_frames",
        "The first frames of a segment",
        f"One network, one segment of {config.T} frames, one thread, {options.rounds} rounds in turn: ms "
        "where so many frames are wanted, with the bits of the whole segment.",
        table(["frames", "min", "median", "of the whole"], rows),
        conditions(("spleeterrt", "numpy"), Set=str(default_isa())),
    )


if __name__ == "__main__":
    main()
