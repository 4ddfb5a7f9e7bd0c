"""What do two threads cost where another program keeps one of the cores busy?

    python bench/busy_core.py [--seconds 24] [--rounds 5] [--other NAME=PATH ...]

A signal is separated with one thread and with two, on two cores, once while they are free and once while
a program runs on the second one, in turn; CPU seconds and wall time, as ratios to one thread.
`--other`: a further build by the folder that has its package, for instance one with OpenMP.
Goes to `bench/results/busy_core.md`. Linux.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from common import conditions, report, table

import spleeterrt

WORKER = """
import os, sys, time
import numpy as np
from spleeterrt import Separator
threads, seconds = int(sys.argv[1]), float(sys.argv[2])
separator = Separator("starter:2stems", threads=threads)
wave = (np.random.default_rng(0).standard_normal((int(44100 * seconds), 2)) * 0.1).astype(np.float32)
separator.separate(wave[:44100])
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    separator.separate(wave)
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
"""
BUSY = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


class Worker:
    """A build with so many threads, in a process of its own that waits between the rounds."""

    def __init__(self, folder: str, threads: int, seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(threads), str(seconds)],
            env={**os.environ, "PYTHONPATH": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> tuple[float, float]:
        """(wall, CPU) seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, cpu = map(float, self.process.stdout.readline().split())
        return wall, cpu

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("this needs two cores")
    os.sched_setaffinity(0, cores)
    builds = {"this build": str(Path(spleeterrt.__file__).parents[1])}
    builds.update(other.split("=", 1) for other in options.other)
    workers = {
        (name, threads): Worker(folder, threads, options.seconds)
        for name, folder in builds.items()
        for threads in (1, 2)
    }
    found: dict[tuple[str, int, bool], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", BUSY, str(cores[1])]) if busy else None
            try:
                for (name, threads), worker in workers.items():
                    found.setdefault((name, threads, busy), []).append(worker.run())
            finally:
                if other:
                    other.kill()
                    other.wait()
    for worker in workers.values():
        worker.close()
    rows = []
    for name in builds:
        for busy in (False, True):
            one, two = found[name, 1, busy], found[name, 2, busy]
            cells: list[str] = []
            for k in (0, 1):  # wall, CPU
                for best in (min, statistics.median):
                    first, second = best(pair[k] for pair in one), best(pair[k] for pair in two)
                    cells += [f"{first:.2f}", f"{second:.2f}", f"{second / first:.2f}"]
            rows.append([name, "busy" if busy else "free", *cells])
    heads = [
        f"{kind} {what}"
        for kind in ("wall", "CPU")
        for what in ("min 1", "2", "ratio", "median 1", "2", "ratio")
    ]
    report(
        "busy_core",
        "Two threads where another program runs",
        f"{options.seconds:g} s of noise, starter:2stems, {options.rounds} rounds in turn; seconds of one "
        "thread and of two, and their ratio.",
        table(["build", "second core", *heads], rows),
        conditions(("spleeterrt", "numpy"), load_average=" ".join(f"{x:.1f}" for x in os.getloadavg())),
    )


if __name__ == "__main__":
    main()
