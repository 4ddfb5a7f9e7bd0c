"""How fast is our own matrix product beside the BLAS that is linked and beside OpenBLAS, one thread?

    python bench/gemm.py [--rounds 7] [--isa avx2]

The products of the reference path (im2col and sgemm) at T=512 and T=128, in its chunks, each by the
linked BLAS (`nn.gemm`), by ours (`nn.builtin_gemm`) and by numpy's OpenBLAS, in turn, in CPU seconds.
Goes to `bench/results/gemm.md`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy

import numpy as np
from common import conditions, report, table

from spleeterrt import ModelConfig
from spleeterrt._kernels import nn
from spleeterrt.network.layers import LAYER_NAMES, lower
from spleeterrt.network.method_plan import Plan


class Shape(NamedTuple):
    name: str
    m: int
    n: int
    k: int
    trans_b: bool
    times: int  # products of this shape in a forward pass


def shapes(frames: int) -> list[Shape]:
    """Of the reference path's layers, as the table of layers says."""
    config = ModelConfig(("vocals", "accompaniment"), T=frames)
    rows, _ = lower(config, Plan(("reference",) * len(LAYER_NAMES), None), frames, config.F)
    found = []
    for name, row in zip(LAYER_NAMES, rows, strict=True):
        taps = int(row["kernel"]) ** 2
        if row["op"] == nn.OP_TRANSPCONV:  # x @ weights.T, rows of the grid at a time
            m, total = int(row["chunk"] * row["out_w"]), int(row["out_h"] * row["out_w"])
            found.append(Shape(name, m, taps * int(row["c"]), int(row["in_c"]), True, -(-total // m)))
        else:
            total = int(row["out_h"] * row["out_w"])
            m = min(int(row["chunk"]), total)
            found.append(Shape(name, m, int(row["out_c"]), taps * int(row["c"]), False, -(-total // m)))
    return found


def measure(shape: Shape, isa: str | None, rounds: int) -> dict[str, float]:
    """CPU seconds of one product, the least of the rounds, by contestant."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((shape.m, shape.k)).astype(np.float32)
    b = rng.standard_normal((shape.n, shape.k) if shape.trans_b else (shape.k, shape.n)).astype(np.float32)
    c = np.empty((shape.m, shape.n), np.float32)
    plain = b.T if shape.trans_b else b
    contestants: dict[str, Callable[[], object]] = {
        nn.BLAS: lambda: nn.gemm(a, False, b, shape.trans_b, c),
        "ours": lambda: nn.builtin_gemm(a, False, b, shape.trans_b, c, isa),
        "OpenBLAS": lambda: np.matmul(a, plain, out=c),
    }
    if nn.BLAS == "builtin":
        del contestants["builtin"]
    repeats = max(1, round(1e8 / (shape.m * shape.n * shape.k)))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            start = time.process_time()
            for _ in range(repeats):
                run()
            if turn:
                seconds[name].append((time.process_time() - start) / repeats)
    return {name: min(values) for name, values in seconds.items()} | {
        "median " + name: statistics.median(values) for name, values in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--isa", help="instruction set of our product (default: the best)")
    options = parser.parse_args()
    parts = [
        "GFLOP/s of the fastest round, one thread, CPU time, contestants in turn; ratio: OpenBLAS's time by "
        "ours. `times`: products of that shape in a forward pass of one stem."
    ]
    for frames in (512, 128):
        names: list[str] = []
        rows, sums = [], {}
        for shape in shapes(frames):
            seconds = measure(shape, options.isa, options.rounds)
            names = [name for name in seconds if not name.startswith("median ")]
            for name, value in seconds.items():
                sums[name] = sums.get(name, 0.0) + value * shape.times
            flops = 2e-9 * shape.m * shape.n * shape.k
            rows.append(
                [shape.name, f"{shape.m} x {shape.n} x {shape.k}", shape.times]
                + [f"{flops / seconds[name]:.1f}" for name in names]
                + [f"{seconds['OpenBLAS'] / seconds['ours']:.2f}"]
            )
        for kind in ("", "median "):
            rows.append(
                [f"all, ms, {kind or 'min '}".rstrip(), "", ""]
                + [f"{1e3 * sums[kind + name]:.1f}" for name in names]
                + [f"{sums[kind + 'OpenBLAS'] / sums[kind + 'ours']:.2f}"]
            )
        heads = ["layer", "m x n x k", "times", *names, "ratio"]
        parts += [f"T={frames}:", table(heads, rows)]
    parts.append(conditions(("spleeterrt", "numpy"), instruction_set=options.isa or nn.FAST_ISAS[0]))
    report("gemm", "Our matrix product beside others", *parts)


if __name__ == "__main__":
    main()
