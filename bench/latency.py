"""Latency against CPU load in real time: T, hop, window, 2 and 4 stems, measured on this machine.

    python bench/latency.py [--models 2stems,4stems] [--seconds 10] [--patience 600] [--redraw]

For each T and hop: the time of a run of the networks from due to ready, the least budget that it holds with
a margin, the latency that follows, and the CPU time of the whole engine. The settings of lowest latency are
then played by the clock. Writes `results/latency.{png,md,json}`; needs matplotlib for the picture, and
full-size models (`peers.py --checkpoints` makes random ones). On a shared machine it waits for quiet moments,
and tells what share of the machine others had meanwhile.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import common
import numpy as np

from spleeterrt import Model, StreamSeparator, load_model
from spleeterrt._kernels import stream
from spleeterrt.realtime.latency_plan import HIGH, LEAST_FRAMES, MARGIN, MachineBench, plan_stream
from spleeterrt.realtime.stream import StreamSettings

FRAMES = (64, 128, 256, 512)
HOPS = (1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512)
WINDOWS = ("full", "short")
BLOCK = 256
RUN_SECONDS = 1.0  # of measurement per point
CPU_RUNS = 6


@dataclass
class Point:
    stems: int
    frames: int
    hop: int
    run_ms: float  # median
    high_ms: float  # 95th percentile
    cpu: float  # of the whole machine, 0 to 1
    load: float  # of the time between two runs
    holds: bool
    budget: int
    latency_ms: dict[str, float]  # by window
    others: float = 0.0  # share of the machine that other programs had meanwhile


@dataclass
class Played:
    title: str
    settings: str
    latency_ms: float
    cpu: float
    run_ms: float
    worst_ms: float
    runs: int
    underruns: int
    late_blocks: int
    others: float = 0.0


class Quiet:
    """Measures when nobody else computes, as far as the patience lasts; else keeps the quietest attempt."""

    LIMIT = 0.04

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience

    def __call__(self, function, *arguments, **keywords):  # type: ignore[no-untyped-def]
        best = None
        while True:
            while self._left() and self._watch(lambda: time.sleep(0.5))[1] > self.LIMIT:
                pass
            result, others = self._watch(lambda: function(*arguments, **keywords))
            result.others = others
            if best is None or others < best.others:
                best = result
            if best.others <= self.LIMIT or not self._left():
                return best

    def _left(self) -> bool:
        return time.monotonic() < self._end

    @staticmethod
    def _watch(function):  # type: ignore[no-untyped-def]
        busy, own, start = _busy_seconds(), time.process_time(), time.perf_counter()
        result = function()
        took = time.perf_counter() - start
        others = _busy_seconds() - busy - (time.process_time() - own)
        return result, max(0.0, others / took / (os.cpu_count() or 1))


def _busy_seconds() -> float:
    """CPU seconds of all programs, where Linux tells them."""
    try:
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except OSError:
        return time.process_time()
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def measure(model: Model, bench: MachineBench, frames: int, hop: int, threads: int) -> Point:
    settings = StreamSettings(frames=frames, hop_frames=hop, block=BLOCK, threads=threads)
    config = model.config
    period = hop * config.frame_step
    seconds = bench.runs(settings, RUN_SECONDS)
    high = float(np.percentile(seconds, HIGH))
    needed = math.ceil(high * (1 + MARGIN) * config.sample_rate / BLOCK) * BLOCK
    budget = min(needed, period)
    latency = {}
    for window in WINDOWS:
        options = StreamSettings(
            frames=frames, hop_frames=hop, budget=budget, window=window, block=BLOCK, threads=threads
        ).options(config)
        latency[window] = 1e3 * stream.stream_latency(options) / config.sample_rate
    median = float(np.median(seconds))
    return Point(
        stems=len(model.instruments),
        frames=frames,
        hop=hop,
        run_ms=1e3 * median,
        high_ms=1e3 * high,
        cpu=cpu_share(model, frames, hop, threads),
        load=median * config.sample_rate / period,
        holds=needed <= period,
        budget=budget,
        latency_ms=latency,
    )


def cpu_share(model: Model, frames: int, hop: int, threads: int) -> float:
    """CPU seconds of the engine, signal and networks, per second of audio and core."""
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, (BLOCK, 2)).astype(np.float32)
    blocks = CPU_RUNS * hop * model.config.frame_step // BLOCK
    with StreamSeparator(model, frames, hop, block=BLOCK, threads=threads, realtime=False) as live:
        for _ in range(max(hop * model.config.frame_step // BLOCK, 200 if hop < 8 else 0)):
            live.process(noise, {})
        while not live.idle:
            time.sleep(1e-3)
        start = time.process_time()
        for _ in range(blocks):
            live.process(noise, {})
        while not live.idle:
            time.sleep(1e-3)
        cpu = time.process_time() - start
    return cpu / (blocks * BLOCK / model.config.sample_rate) / common.usable_cores()


def play(title: str, model: Model, seconds: float, **arguments: object) -> Played:
    """By the clock, block by block, as a host would."""
    rng = np.random.default_rng(4)
    noise = rng.uniform(-0.3, 0.3, (BLOCK, 2)).astype(np.float32)
    rate = model.config.sample_rate
    with StreamSeparator(model, **{"block": BLOCK, **arguments}) as live:  # type: ignore[arg-type]
        outs = {stem: np.empty((BLOCK, 2), np.float32) for stem in live.instruments}
        for _ in range(2 * live.latency // BLOCK):  # warm: not counted
            live.process(noise, outs)
            time.sleep(BLOCK / rate / 2)
        live.flush()
        live.reset_stats()
        start, cpu, late = time.perf_counter(), time.process_time(), 0
        for number in range(round(seconds * rate / BLOCK)):
            time.sleep(max(0.0, start + number * BLOCK / rate - time.perf_counter()))
            live.process(noise, outs)
            late += time.perf_counter() > start + (number + 1) * BLOCK / rate
        cpu = (time.process_time() - cpu) / (time.perf_counter() - start) / common.usable_cores()
        stats = live.stats
        s = live.settings
        hop = s.hop_frames or s.frames
        return Played(
            title=title,
            settings=f"T {s.frames}, hop {hop}, lookahead {s.lookahead}, budget "
            f"{s.budget or hop * model.config.frame_step}, {s.window or 'full'} window",
            latency_ms=1e3 * live.latency / rate,
            cpu=cpu,
            run_ms=1e3 * stats.run_seconds,
            worst_ms=1e3 * stats.worst_run_seconds,
            runs=stats.runs,
            underruns=stats.underruns,
            late_blocks=late,
        )


def play_lowest(title: str, model: Model, seconds: float, window: str, threads: int) -> Played:
    plan = plan_stream(model, window=window, threads=threads, block=BLOCK)
    return play(title, model, seconds, **plan.arguments())


def run(names: list[str], seconds: float, patience: float) -> dict:
    quiet = Quiet(patience)
    threads = common.usable_cores()
    points: list[Point] = []
    played: list[Played] = []
    for name in names:
        model = load_model(f"spleeter:{name}")
        bench = MachineBench(model)
        for frames in FRAMES:
            for hop in (hop for hop in HOPS if hop <= frames):
                points.append(quiet(measure, model, bench, frames, hop, threads))
                p = points[-1]
                print(f"{name} T={frames} hop={hop}: run {p.run_ms:.1f} ms (95 %: {p.high_ms:.1f}), "
                      f"CPU {100 * p.cpu:.1f} %, {p.latency_ms['full']:.0f} ms, "
                      f"others {100 * p.others:.0f} %",
                      flush=True)  # fmt: skip
        for window in WINDOWS:
            title = f"{name}, lowest latency, {window} window"
            played.append(quiet(play_lowest, title, model, seconds, window, threads))
        title = f"{name}, double-buffered, T = 128"
        played.append(quiet(play, title, model, max(seconds, 9.0), frames=128, threads=threads))
    return {
        "cpu": common.cpu_name(),
        "cores": common.usable_cores(),
        "date": time.strftime("%Y-%m-%d"),
        "margin": MARGIN,
        "points": [asdict(point) for point in points],
        "played": [asdict(item) for item in played],
    }


def draw(results: dict, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from pictures import STYLE

    colours = dict(zip(FRAMES, ("#8fb8de", "#4d7ea8", "#e9a23b", "#d1495b"), strict=True))
    stems = sorted({point["stems"] for point in results["points"]})
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(stems), 2, figsize=(11, 4.2 * len(stems) + 1.0), sharex=True, sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        figure.suptitle(
            "Real time: what a lower latency costs. Each line: every new frame (hop 1, left) to every T "
            "frames (hop T, right: double-buffered)\n"
            f"{results['cpu']}, {results['cores']} cores, {results['date']}",
            fontsize=11,
        )
        for row, count in enumerate(stems):
            for column, window in enumerate(WINDOWS):
                axis = axes[row][column]
                _panel(axis, [p for p in results["points"] if p["stems"] == count], window, colours)
                axis.set_title(f"{count} stems, {window} synthesis window", loc="left")
                if row == len(stems) - 1:
                    axis.set_xlabel("latency, ms")
                if column == 0:
                    axis.set_ylabel("CPU, % of the machine")
        handles = [
            Line2D(
                [],
                [],
                color=colours[frames],
                marker="o",
                label=f"T = {frames} frames ({frames * 1024 / 44100:.1f} s)",
            )
            for frames in FRAMES
        ]
        handles += [
            Line2D([], [], color="0.4", marker="o", linestyle="", label="holds in real time"),
            Line2D([], [], color="0.4", marker="o", markerfacecolor="white", linestyle="",
                   label="too slow here"),
            Line2D([], [], color="black", marker="*", markersize=12, linestyle="",
                   label="lowest latency that holds, T ≥ 128"),
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path)
        plt.close(figure)


def _panel(axis, points: list, window: str, colours: dict) -> None:  # type: ignore[no-untyped-def]
    axis.axhspan(100, 1000, color="0.93", zorder=0)
    axis.text(14_000, 112, "more than the machine has", fontsize=8, color="0.4", ha="right", va="bottom")
    for frames, colour in colours.items():
        line = [p for p in points if p["frames"] == frames]
        if not line:
            continue
        x = [p["latency_ms"][window] for p in line]
        y = [100 * p["cpu"] for p in line]
        axis.plot(x, y, color=colour, linewidth=1.2, zorder=2)
        for a, b, p in zip(x, y, line, strict=True):
            axis.plot(a, b, "o", color=colour, markersize=5, zorder=3,
                      markerfacecolor=colour if p["holds"] else "white")  # fmt: skip
        # The first and last hops of each line, so that a reader sees which way they go.
        last = line[-1]
        axis.annotate(f"hop {last['hop']}", (x[-1], y[-1]), textcoords="offset points", xytext=(0, -11),
                      ha="center", fontsize=7, color=colour)  # fmt: skip
        if frames == max(colours):
            axis.annotate(
                "hop 1", (x[0], y[0]), textcoords="offset points", xytext=(7, 2), fontsize=7, color=colour
            )
    best = [p for p in points if p["holds"] and p["frames"] >= LEAST_FRAMES]
    if best:
        p = min(best, key=lambda p: p["latency_ms"][window])
        at = (p["latency_ms"][window], 100 * p["cpu"])
        axis.plot(*at, "*", color="black", markersize=13, zorder=5)
        text = f"{at[0]:.0f} ms for {at[1]:.0f} % CPU\n(T = {p['frames']}, hop {p['hop']})"
        axis.annotate(text, at, xytext=(0.5, 0.62), textcoords="axes fraction", zorder=6,
                      fontsize=10, fontweight="bold",
                      arrowprops={"arrowstyle": "-", "color": "0.3", "shrinkB": 8})  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(30, 16_000)
    axis.set_ylim(0.5, 500)
    axis.set_xticks([30, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
                    ["30", "50", "100", "200", "500", "1 s", "2 s", "5 s", "10 s"])  # fmt: skip
    axis.set_yticks([1, 2, 5, 10, 20, 50, 100, 300], ["1", "2", "5", "10", "20", "50", "100", "300"])
    axis.minorticks_off()
    axis.grid(color="0.9", linewidth=0.6)


def write(results: dict) -> None:
    rows = [
        (
            p["stems"], p["frames"], p["hop"], f"{p['run_ms']:.1f}", f"{p['high_ms']:.1f}",
            f"{100 * p['load']:.0f}",
            f"{100 * p['cpu']:.1f}", f"{p['latency_ms']['full']:.0f}", f"{p['latency_ms']['short']:.0f}",
            "yes" if p["holds"] else "no", f"{100 * p['others']:.0f}",
        )
        for p in results["points"]
    ]  # fmt: skip
    header = ("stems", "T", "hop", "run ms", "95 %", "load %", "CPU %", "full ms", "short ms", "holds",
              "others %")  # fmt: skip
    played = [
        (
            p["title"], p["settings"], f"{p['latency_ms']:.1f}", f"{100 * p['cpu']:.1f}",
            f"{p['run_ms']:.1f}", f"{p['worst_ms']:.1f}", p["runs"], p["underruns"], p["late_blocks"],
            f"{100 * p['others']:.0f}",
        )
        for p in results["played"]
    ]  # fmt: skip
    played_header = ("by the clock", "settings", "latency ms", "CPU %", "run ms", "worst ms", "runs",
                     "underruns", "late blocks", "others %")  # fmt: skip
    common.report(
        "latency",
        "Latency against CPU load",
        f"- CPU: {results['cpu']}, {results['cores']} cores usable, threads: as many\n"
        "- Models: random full-size weights\n"
        f"- Date: {results['date']}\n- Command: `python bench/latency.py`",
        "run: all networks, from due to ready, median and 95th percentile; load: the median over the time "
        "between two runs; CPU: signal and networks, of all cores; latency: at "
        f"{common.SAMPLE_RATE} Hz with blocks of {BLOCK}, a budget of the 95th percentile and "
        f"{100 * results['margin']:.0f} % more (holds), or else the time between two runs; "
        "others: what other programs had of the machine meanwhile.",
        "![Latency against CPU load](latency.png)",
        "The lowest latencies that `plan_stream` gives, and the original's mode, played by the clock:",
        common.table(played_header, played),
        common.table(header, rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="2stems,4stems")
    parser.add_argument("--seconds", type=float, default=10.0, help="played by the clock, each")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to wait for a quiet machine")
    parser.add_argument("--redraw", action="store_true", help="from the results that are there")
    options = parser.parse_args()
    os.environ.setdefault("MODEL_PATH", str(common.MODELS))
    path = common.RESULTS / "latency.json"
    if not options.redraw:
        path.write_text(
            json.dumps(run(options.models.split(","), options.seconds, options.patience), indent=1) + "\n"
        )
    results = json.loads(path.read_text())
    write(results)
    draw(results, common.RESULTS / "latency.png")


if __name__ == "__main__":
    main()
