"""What does a run of a stream's networks take? This build and another one, in turn.

    python bench/stream_runs.py [--against NAME=FOLDER ...] [--rounds 15] [--threads 2]

Random weights of the official sizes, noise: a process per build feeds its stream one hop after the other and
waits until the networks are ready; the processes take turns. First: the run after a reset. FOLDER: the `src`
of another checkout whose modules are built there, or a folder that another wheel was installed into (`pip
install --target`). Goes to `bench/results/stream_runs.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from breakdown import random_stem
from common import conditions, report, table

from spleeterrt import Model, ModelConfig, StreamSeparator

CASES = (("4 stems, T=128, hop 2", 4, 128, 2), ("4 stems, T=64, hop 2", 4, 64, 2),
         ("2 stems, T=128, hop 1", 2, 128, 1), ("4 stems, T=512, hop 4", 4, 512, 4))  # fmt: skip
WARM_UP = 40  # runs before anything counts: rows are kept for each beginning of windows in turn
RUNS = 8  # of a round


def serve(stems: int, frames: int, hop: int, threads: int) -> None:
    """A line of input, and seconds are printed: of a run (the median of some), of the first after a reset."""
    config = ModelConfig(instruments=tuple("abcd")[:stems], conv_activation="ELU", deconv_activation="ELU")
    model = Model(config, {stem: random_stem(config, i) for i, stem in enumerate(config.instruments)})
    step = hop * config.frame_step
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, (300 * step, 2)).astype(np.float32)
    hops = 0
    with StreamSeparator(
        model, frames=frames, hop_frames=hop, threads=threads, realtime=True, max_block=step
    ) as live:

        def runs(count: int) -> list[float]:
            nonlocal hops
            found = []
            while len(found) < count:
                live.reset_stats()
                start = hops % 300 * step
                live.process(noise[start : start + step], {})
                hops += 1
                while not live.idle:
                    time.sleep(2e-4)
                if live.stats.runs == 1:
                    found.append(live.stats.worst_run_seconds)
            return found

        runs(WARM_UP)
        print("ready", flush=True)
        for _ in sys.stdin:
            usual = statistics.median(runs(RUNS))
            live.reset()
            first = runs(1)[0]
            runs(WARM_UP // 2)
            print(json.dumps([usual, first]), flush=True)


def started(source: Path, case: tuple[int, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--serve", *map(str, case)]
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
    )
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{source}: its stream did not start")
    return process


def asked(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return [1e3 * seconds for seconds in json.loads(process.stdout.readline())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", nargs="+", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    import spleeterrt

    builds = {"now": Path(spleeterrt.__file__).parents[1]}
    for build in options.against:
        name, _, folder = build.partition("=")
        builds[name] = Path(folder).resolve()
    rows = []
    for name, stems, frames, hop in CASES:
        for threads in sorted({1, options.threads}):
            processes = [started(source, (stems, frames, hop, threads)) for source in builds.values()]
            rounds = [[asked(process) for process in processes] for _ in range(options.rounds + 1)][1:]
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
                process.wait()
            cells = [name, str(threads)]
            for index, (usual, first) in enumerate(
                zip(*pair, strict=True) for pair in zip(*rounds, strict=True)
            ):
                if index == 0:
                    ours = usual
                else:
                    cells += [f"{best(usual) / best(ours):.2f}" for best in (min, statistics.median)]
                cells += [f"{best(usual):.1f}" for best in (min, statistics.median)]
                cells.append(f"{statistics.median(first):.1f}")
            rows.append(cells)
            print(*cells, flush=True)
    heads = []
    for name in builds:
        if name != "now":
            heads += ["times, min", "median"]
        heads += [f"{name}, min", "median", "first"]
    report(
        "stream_runs",
        "A run of a stream's networks",
        f"From a complete window to the estimates of its newest frames, ms. Full-size random weights, noise; "
        f"{options.rounds} rounds of {RUNS} runs, in turn, one process a build.",
        table(["", "threads", *heads], rows),
        conditions(("spleeterrt", "numpy")),
    )


if __name__ == "__main__":
    main()
