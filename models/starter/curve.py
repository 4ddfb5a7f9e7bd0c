"""Draws the training's curves: the validation error of every network against the steps."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's state")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for path in sorted(options.state.glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                curves[row["stem"]].append((int(row["step"]), float(row["valid"])))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for stem, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=stem)
    axes.set(
        xlabel="steps",
        ylabel="L1 error of the magnitudes, of silence's",
        title="Validation: new songs, some of their instruments unheard in training",
    )
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(ncols=3)
    figure.savefig(options.out, dpi=120)


if __name__ == "__main__":
    main()
