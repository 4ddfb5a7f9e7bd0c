"""What do images of few rows gain by rows? One network with `rows4` and with tiles in its place, in turn.

    python bench/few_rows.py [--rounds 15]

Random weights of the official sizes, one stem, one segment, one thread, every instruction set of this
machine. Goes to `bench/results/few_rows.md`.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from breakdown import random_stem
from common import conditions, report, table

from spleeterrt import ModelConfig
from spleeterrt._kernels import nn
from spleeterrt.network.layers import LAYER_NAMES
from spleeterrt.network.method_plan import ROWS, make_plan, methods_at
from spleeterrt.network.model import Model

FRAMES = (64, 128, 192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    config = ModelConfig(instruments=("stem",))
    stem = random_stem(config, 1)
    rng = np.random.default_rng(2)
    rows = []
    for isa in nn.FAST_ISAS:
        plan = make_plan(config, isa)
        for frames in FRAMES:
            methods = methods_at(config, plan, frames, config.F)
            by_rows = [name for name, method in zip(LAYER_NAMES, methods, strict=True) if method == ROWS]
            models = {"rows": Model(config, {"stem": stem}, plan=plan._replace(methods=methods))}
            for tiles in ("lazy2", "lazy4"):
                other = tuple(tiles if method == ROWS else method for method in methods)
                models[tiles] = Model(config, {"stem": stem}, plan=plan._replace(methods=other))
            segment = np.abs(rng.normal(0, 1, (1, frames, config.F, 2))).astype(np.float32)
            found: dict[str, list[float]] = {name: [] for name in models}
            for counted in range(-2, options.rounds):
                for name, model in models.items():
                    start = time.perf_counter()
                    model.forward(segment, 1)
                    if counted >= 0:
                        found[name].append(1e3 * (time.perf_counter() - start))
            cells = [isa, str(frames), ", ".join(by_rows)]
            for best in (min, statistics.median):
                ours, two, four = (best(found[name]) for name in models)
                cells += [f"{ours:.2f}", f"{two:.2f}", f"{four:.2f}", f"{min(two, four) / ours:.2f}"]
            rows.append(cells)
    heads = ["rows", "2 x 2", "4 x 4", "times"]
    report(
        "few_rows",
        "Images of few rows",
        f"One network, one segment, one thread, {options.rounds} rounds in turn: ms with the named layers by "
        "rows and by tiles, and how many times as fast as by the better tiles.",
        table(["set", "T", "by rows", *(f"min, {h}" for h in heads), *(f"median, {h}" for h in heads)], rows),
        conditions(("spleeterrt", "numpy")),
    )


if __name__ == "__main__":
    main()
