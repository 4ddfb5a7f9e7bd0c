"""What the workers share: one process per contestant, driven by lines of JSON.

The orchestrator (`contestants.py`) starts a worker with the contestant's own Python, sends one request a
line and reads one answer a line. The process stays, so that contestants can run in turn, each warm, with
the others idle. Needs only numpy and Python 3.8. Import it first: it pins the process to its cores before
a library counts them.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if os.environ.get("BENCH_CORES") and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {int(core) for core in os.environ["BENCH_CORES"].split(",")})

# Libraries print, some when they are imported: their standard output goes to ours for errors.
_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import numpy as np  # noqa: E402


class Runner(ABC):
    """A contestant, loaded: subclasses say how it runs.

    `run` is what is timed; it may return anything. `output` turns that into float32 (or float64)
    [stems, T, F, 2] outside the measurement.
    """

    @abstractmethod
    def __init__(self, request: dict) -> None:
        """Loads what the request names."""

    @abstractmethod
    def run(self):
        """What is timed."""

    @abstractmethod
    def output(self, result) -> np.ndarray:
        """The result of `run` as an array."""

    def info(self) -> dict:
        """More about the last run."""
        return {}


def load_stems(request: dict) -> dict:
    """{stem: {name: tensor}} of the request's stems, from a file of `networks.py`."""
    with np.load(request["weights"]) as file:
        return {
            stem: {key.split("|")[1]: file[key] for key in file.files if key.split("|")[0] == stem}
            for stem in request["stems"]
        }


class Parallel:
    """Runs functions at the same time, each in a thread of its own that stays."""

    def __init__(self, functions: list, threads: int, initializer=None) -> None:
        self.functions = functions
        self.pool = ThreadPoolExecutor(threads, initializer=initializer)

    def __call__(self) -> list:
        return [job.result() for job in [self.pool.submit(function) for function in self.functions]]


def peak_memory() -> int:
    """Bytes: the largest resident set of this process so far."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _time(runner: Runner, request: dict) -> dict:
    if request.get("warm", True):
        runner.run()
    seconds, information = [], {}
    for _ in range(request.get("repeats", 1)):
        start = time.perf_counter()
        runner.run()
        seconds.append(time.perf_counter() - start)
        information = runner.info()
    return {"seconds": seconds, **information}


def serve(make, versions) -> None:
    """Answer requests until the input ends.

    Args:
        make: the `Runner` for a load request.
        versions: function; {package: version}.
    """
    runner = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            action = request["do"]
            if action == "load":
                runner = None
                start = time.perf_counter()
                runner = make(request)
                answer = {"seconds": time.perf_counter() - start}
            elif action == "time":
                answer = _time(runner, request)
            elif action == "output":
                np.save(request["file"], runner.output(runner.run()))
                answer = {}
            elif action == "memory":
                answer = {"peak": peak_memory()}
            elif action == "versions":
                answer = {"versions": versions()}
            else:
                raise ValueError("unknown request " + action)
        except BaseException as error:
            traceback.print_exc()
            answer = {"error": (type(error).__name__ + ": " + str(error))[:400]}
        _answers.write(json.dumps(answer) + "\n")
