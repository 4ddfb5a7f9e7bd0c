"""What do more threads bring to a single network? Segments of one stem, one at a time.

    python bench/one_network.py [--threads 2] [--rounds 15]

Random weights of the official sizes, one segment, with one thread and with more in turn in one process; the
results are compared bit by bit. Goes to `bench/results/one_network.md`.
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

CASES = (("T=512", 512, 512), ("T=128", 128, 128), ("T=128, its last 2 frames", 128, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    config = ModelConfig(instruments=("stem",))
    plan = make_plan(config, default_isa())
    model = Model(config, {"stem": random_stem(config, 1)}, plan=plan)
    rng = np.random.default_rng(2)
    rows = []
    for name, frames, wanted in CASES:
        segment = np.abs(rng.normal(0, 1, (1, frames, config.F, 2))).astype(np.float32)
        found: dict[int, list[tuple[float, float]]] = {1: [], options.threads: []}
        expected = model.forward_rows(segment, 1, frames - wanted, frames)
        for counted in range(-2, options.rounds):
            for threads, taken in found.items():
                wall, cpu = time.perf_counter(), time.process_time()
                output = model.forward_rows(segment, threads, frames - wanted, frames)
                pair = time.perf_counter() - wall, time.process_time() - cpu
                if not np.array_equal(output, expected):
                    raise SystemExit(f"{name}: other bits with {threads} threads")
                if counted >= 0:
                    taken.append(pair)
        cells = [name]
        one, more = found.values()
        for best in (min, statistics.median):
            first, second = (1e3 * best(pair[0] for pair in pairs) for pairs in (one, more))
            cells += [f"{first:.1f}", f"{second:.1f}", f"{first / second:.2f}"]
        cells.append(f"{statistics.median(p[1] for p in more) / statistics.median(p[1] for p in one):.2f}")
        rows.append(cells)
    more_threads = f"{options.threads} threads"
    heads = ["min, 1 thread", more_threads, "ratio", "median, 1 thread", more_threads, "ratio", "CPU time"]
    report(
        "one_network",
        "One network in several threads",
        f"One stem of the official size, one segment, random weights, {options.rounds} rounds in turn: ms, "
        "how many times as fast, and CPU time in proportion (medians). The same bits.",
        table(["", *heads], rows),
        conditions(("spleeterrt", "numpy")),
    )


if __name__ == "__main__":
    main()
