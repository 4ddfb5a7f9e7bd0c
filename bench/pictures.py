"""The pictures of `compare.py`, from its results file. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path

import common
import matplotlib as mpl
import numpy as np
from contestants import CONTESTANTS
from sections.scaling import fit

mpl.use("Agg")
import matplotlib.pyplot as plt

OURS, OURS_FORCED, PEER, PEER_BF16 = "#d1495b", "#e9a6ae", "#4d7ea8", "#a9c3d9"
MODEL_COLOURS = {"2stems": "#4d7ea8", "4stems": "#d1495b"}
CASES = ("one-512", "two-512", "one-128", "whole-2stems", "one-64", "whole-4stems")
STYLE = {
    **common.STYLE,
    "figure.dpi": 110,
    "savefig.dpi": 150,
}


def draw(results: dict, folder: Path, stem: str) -> dict[str, list[str]]:
    """Draw what there are results for; {section: file names}."""
    painters = {
        "network": (speed,),
        "accuracy": (accuracy,),
        "endtoend": (endtoend,),
        "scaling": (length,),
        "roofline": (roofline,),
    }
    files: dict[str, list[str]] = {}
    with plt.rc_context(STYLE):
        for section, functions in painters.items():
            if section in results:
                for function in functions:
                    figure = function(results[section]["data"], results[section]["conditions"])
                    name = f"{stem}-{function.__name__}.png"
                    figure.savefig(folder / name)
                    plt.close(figure)
                    files.setdefault(section, []).append(name)
    return files


def colour(key: str) -> str:
    if key == "ours":
        return OURS
    if key.startswith("ours"):
        return OURS_FORCED
    return PEER_BF16 if "bf16" in key else PEER


def subtitle(conditions: dict) -> str:
    return f"{conditions['cpu']} ({conditions['flags']}), {conditions['date']}"


def speed(data: dict, conditions: dict) -> plt.Figure:
    """Bars of milliseconds by contestant, the mask error beside them; a panel for each case."""
    names = [name for name in CASES if name in data["cases"]]
    rows, columns = -(-len(names) // 2), min(2, len(names))
    figure = plt.figure(figsize=(6.6 * columns, 3.1 * rows + 0.8), layout="constrained")
    figure.suptitle(
        "Spleeter's networks: milliseconds per segment and largest mask error, same weights and music\n"
        + subtitle(conditions),
        fontsize=10,
    )
    grid = figure.add_gridspec(rows, 2 * columns, width_ratios=[3.2, 1] * columns)
    for index, name in enumerate(names):
        row, column = divmod(index, 2)
        bars = figure.add_subplot(grid[row, 2 * column])
        errors = figure.add_subplot(grid[row, 2 * column + 1], sharey=bars)
        _speed_panel(bars, errors, data["cases"][name])
    return figure


def _speed_panel(bars: plt.Axes, errors: plt.Axes, case: dict) -> None:
    results = case["results"]
    keys = sorted(results, key=lambda key: results[key]["median"])
    y = np.arange(len(keys))
    medians = np.array([1e3 * results[key]["median"] for key in keys])
    colours = [colour(key) for key in keys]
    bars.barh(y, medians, color=colours, height=0.72)
    bars.plot([1e3 * results[key]["min"] for key in keys], y, "|", color="black", markersize=7)
    ours = results.get("ours")
    for position, key in enumerate(keys):
        label = f"{medians[position]:.1f}"
        if ours and not key.startswith("ours"):
            pairs = zip(results[key]["rounds"], ours["rounds"], strict=False)
            label += f"  ({np.median([a / b for a, b in pairs]):.2f} x ours)"
        bars.text(medians[position] + medians.max() * 0.015, position, label, va="center", fontsize=8)
    bars.set_yticks(y, [results[key]["title"] for key in keys])
    bars.invert_yaxis()
    bars.set_xlim(0, medians.max() * 1.42)
    bars.set_title(case["title"], loc="left")
    bars.set_xlabel("ms, median (mark: fastest)")
    error = np.array([max(results[key]["error"], 1e-9) for key in keys])
    errors.hlines(y, 1e-7, error, color="0.85", linewidth=1)
    errors.scatter(error, y, c=colours, s=28, zorder=3)
    errors.set_xscale("log")
    errors.set_xlim(1e-7, 1e-1)
    errors.set_xticks([1e-6, 1e-4, 1e-2])
    errors.axvline(1e-4, color="0.5", linewidth=0.8, linestyle=":")
    errors.tick_params(labelleft=False)
    errors.set_xlabel("mask error")
    errors.spines["left"].set_visible(False)
    errors.tick_params(axis="y", length=0)


def accuracy(data: dict, conditions: dict) -> plt.Figure:
    """Mask errors of all contestants, case by case."""
    cases = list(data["errors"])
    keys = [key for key in CONTESTANTS if any(key in errors for errors in data["errors"].values())]
    markers = dict(zip(keys, "oDvs^XP*<>", strict=False))
    palette = dict(zip(keys, plt.get_cmap("tab10").colors, strict=False))
    figure, axis = plt.subplots(figsize=(10, 0.42 * len(cases) + 1.9), layout="constrained")
    spread = np.linspace(-0.26, 0.26, len(keys))
    for offset, key in zip(spread, keys, strict=True):
        points = [(errors[key], y) for y, errors in enumerate(data["errors"].values()) if key in errors]
        axis.scatter([max(e, 1e-9) for e, _ in points], [y + offset for _, y in points],
                     marker=markers[key], s=26, color=palette[key], label=CONTESTANTS[key].title)  # fmt: skip
    limit = [
        (3 * errors["torch"], y) for y, errors in enumerate(data["errors"].values()) if "torch" in errors
    ]
    for value, y in limit:
        axis.plot([value, value], [y - 0.4, y + 0.4], color="black", linewidth=1.2,
                  label="3 x PyTorch's error" if y == limit[0][1] else None)  # fmt: skip
    axis.axvline(1e-4, color="black", linestyle=":", linewidth=1, label="1e-4")
    for y in range(len(cases) - 1):
        axis.axhline(y + 0.5, color="0.9", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yticks(range(len(cases)), cases)
    axis.invert_yaxis()
    axis.set_xlabel("largest mask error against float64")
    figure.suptitle(
        "Mask error, one stem, by activations, weights and input\n" + subtitle(conditions), fontsize=10
    )
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    return figure


def endtoend(data: dict, conditions: dict) -> plt.Figure:
    """Times real time, by model."""
    models = data["models"]
    size = (max(8.0, 5.6 * len(models)), 2.5)
    figure, axes = plt.subplots(1, len(models), figsize=size, layout="constrained", squeeze=False)
    for axis, (model, entry) in zip(axes[0], models.items(), strict=True):
        results = entry["results"]
        keys = list(results)
        speeds = [data["seconds"] / results[key]["median"] for key in keys]
        axis.barh(range(len(keys)), speeds, color=[colour(key) for key in keys], height=0.65)
        for y, value in enumerate(speeds):
            axis.text(value + max(speeds) * 0.015, y, f"{value:.1f} x", va="center", fontsize=8)
        axis.set_yticks(range(len(keys)), [results[key]["title"].replace("`", "") for key in keys])
        axis.invert_yaxis()
        axis.set_xlim(0, max(speeds) * 1.15)
        axis.set_title(model, loc="left")
        axis.set_xlabel("times real time, median")
    figure.suptitle(
        f"{data['seconds']} s of music to stems in one warm process, {data['threads']} threads\n"
        + subtitle(conditions),
        fontsize=10,
    )
    return figure


def length(data: dict, conditions: dict) -> plt.Figure:
    """Time by length of the music, and per minute of it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for model, rows in data["lengths"].items():
        minutes = np.array([row["minutes"] for row in rows])
        seconds = np.array([row["seconds"] for row in rows])
        a, b, worst = fit(rows)
        line = np.array([0, minutes.max()])
        left.plot(line, a + b * line, color=MODEL_COLOURS[model], linewidth=1)
        left.plot(minutes, seconds, "o", color=MODEL_COLOURS[model],
                  label=f"{model}: {a:.2f} s + {b:.3f} s per minute, within {worst:.1%}")  # fmt: skip
        right.plot(minutes, seconds / minutes, "o-", color=MODEL_COLOURS[model], label=model)
    left.set_xlabel("minutes of music")
    left.set_ylabel("seconds")
    left.set_xlim(0)
    left.set_ylim(0)
    left.legend(frameon=False)
    left.set_title("time", loc="left")
    right.set_xscale("log")
    ticks = [row["minutes"] for row in next(iter(data["lengths"].values()))]
    right.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    right.minorticks_off()
    right.set_ylim(0, 1.25 * max(line.get_ydata().max() for line in right.lines))
    right.set_xlabel("minutes of music")
    right.set_ylabel("seconds per minute")
    right.legend(frameon=False)
    right.set_title("time per minute of music", loc="left")
    figure.suptitle(
        f"Separator.separate_blocks, {data['threads']} threads, constant memory\n" + subtitle(conditions),
        fontsize=10,
    )
    return figure


def roofline(data: dict, conditions: dict) -> plt.Figure:
    """Every layer under the roof of one core; a panel for each T."""
    limits = data["machine"]
    figure, axes = plt.subplots(
        1, len(data["frames"]), figsize=(6.4 * len(data["frames"]), 5), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for axis, (frames, entry) in zip(axes[0], data["frames"].items(), strict=True):
        _roofline_panel(axis, entry["layers"], limits)
        axis.set_title(f"T={frames}: {1e3 * entry['forward']:.1f} ms", loc="left")
    axes[0][0].set_ylabel("GFLOP/s")
    axes[0][0].legend(frameon=False, loc="lower right")
    figure.suptitle(
        f"Layers of one stem on one core, {data['isa']}: peak {limits['peak']:.0f} GFLOP/s, "
        f"{limits['bandwidth']:.1f} GB/s (measured)\n" + subtitle(conditions),
        fontsize=10,
    )
    return figure


def _roofline_panel(axis: plt.Axes, layers: list[dict], limits: dict) -> None:
    peak, bandwidth = limits["peak"], limits["bandwidth"]
    intensity = np.array([layer["done"] / layer["bytes"] for layer in layers])
    done = np.array([layer["done"] / layer["seconds"] / 1e9 for layer in layers])
    plain = np.array([layer["plain"] / layer["seconds"] / 1e9 for layer in layers])
    x = np.geomspace(min(1, intensity.min() / 2), intensity.max() * 3, 200)
    axis.plot(x, np.minimum(peak, bandwidth * x), color="black", linewidth=1.5, label="one core at its best")
    axis.axhline(limits["sgemm"], color="0.5", linewidth=0.8, linestyle="--", label="the BLAS's sgemm")
    for i in range(len(layers)):
        axis.plot([intensity[i]] * 2, [done[i], plain[i]], color="0.8", linewidth=1, zorder=1)
    area = 20 + 900 * np.array([layer["seconds"] for layer in layers]) / sum(
        layer["seconds"] for layer in layers
    )
    axis.scatter(intensity, done, s=area, color=OURS, alpha=0.75, edgecolor="white", zorder=3,
                 label="products done (area: share of the time)")  # fmt: skip
    axis.scatter(intensity, plain, s=26, facecolor="white", edgecolor=PEER, zorder=3,
                 label="the plain convolution's operations")  # fmt: skip
    for i, y in enumerate(_apart(intensity, plain)):
        axis.text(intensity[i] * 1.07, y, layers[i]["name"], fontsize=8, va="center")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(min(8, done.min() / 1.5), 500)
    axis.set_yticks([10, 20, 50, 100, 200, 500], ["10", "20", "50", "100", "200", "500"])
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if x[0] <= tick <= x[-1]]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.grid(color="0.93")
    axis.set_xlabel("operations done per byte of input, output and weights")


def _apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Label heights: those near each other are pushed apart (logarithmic axes)."""
    height = np.log(y)
    for _ in range(60):
        for i in range(len(y)):
            for k in range(len(y)):
                near = abs(np.log(x[i] / x[k])) < 0.35
                gap = height[i] - height[k]
                if i != k and near and abs(gap) < 0.11 and (gap > 0 or (gap == 0 and i > k)):
                    height[i] += 0.01
                    height[k] -= 0.01
    return np.exp(height)
