"""Who takes part in `compare.py`, and the processes they run in (`workers/`)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from common import BENCH, cpu_flags
from networks import FOLDER, Network, mask_error, reference_file
from peers import runtimes_python, small_python, spleeter_python

_number = itertools.count()  # of the workers' logs


@dataclass(frozen=True)
class Contestant:
    """Attributes:
    key: for options and the results file.
    title: for tables.
    script: under `workers/`.
    python: the Python of its environment.
    options: of its load request.
    env: variables for its process.
    modes: how it may run several stems; the best one counts.
    """

    key: str
    title: str
    script: str
    python: Callable[[], Path]
    options: dict = field(default_factory=dict)
    env: dict = field(default_factory=dict)
    modes: tuple[str, ...] = ("graph",)


def _ours() -> Path:
    return Path(sys.executable)


def _own(key: str, title: str, isa: str) -> Contestant:
    env = {"SPLEETERRT_ISA": isa} if isa else {"SPLEETERRT_ISA": ""}
    return Contestant(key, title, "run_spleeterrt.py", _ours, {"kind": "network"}, env)


_MODES = ("graph", "turn", "parallel")


def _small(key: str, title: str) -> Contestant:
    return Contestant(key, title, f"run_{key}.py", partial(small_python, key), modes=_MODES)


CONTESTANTS = {
    c.key: c
    for c in (
        _own("ours", "spleeterrt", ""),
        _own("ours-avx2", "spleeterrt, AVX2 forced", "avx2"),
        _own("ours-generic", "spleeterrt, generic forced", "generic"),
        _own("ours-reference", "spleeterrt, im2col + GEMM", "reference"),
        Contestant(
            "openvino-bf16",
            "OpenVINO bf16",
            "run_openvino.py",
            runtimes_python,
            {"precision": "bf16"},
            modes=_MODES,
        ),
        Contestant(
            "openvino-f32",
            "OpenVINO f32",
            "run_openvino.py",
            runtimes_python,
            {"precision": "f32"},
            modes=_MODES,
        ),
        Contestant("onnxruntime", "ONNX Runtime", "run_onnxruntime.py", runtimes_python, modes=_MODES),
        _small("ncnn", "ncnn"),
        _small("mnn", "MNN"),
        _small("litert", "LiteRT (XNNPACK)"),
        Contestant(
            "torch",
            "PyTorch eager",
            "run_torch.py",
            runtimes_python,
            {"kind": "network"},
            modes=("graph", "parallel"),
        ),
        Contestant(
            "torch-compile",
            "PyTorch compiled",
            "run_torch.py",
            runtimes_python,
            {"kind": "network", "compile": True},
        ),
        Contestant(
            "tensorflow",
            "TensorFlow (Spleeter)",
            "run_tensorflow.py",
            spleeter_python,
            {"kind": "network"},
        ),
    )
}
REFERENCE = Contestant("mask64", "float64", "run_torch.py", runtimes_python, {"kind": "mask64"})


def unavailable(contestant: Contestant) -> str:
    """Why this CPU cannot run it; empty where it can."""
    if contestant.key == "openvino-bf16" and not {"avx512_bf16", "amx_bf16"} & cpu_flags():
        return "this CPU has no bfloat16 instructions"
    if contestant.key == "ours-avx2" and "avx2" not in cpu_flags():
        return "this CPU has no AVX2"
    return ""


class WorkerError(Exception):
    """A worker could not do what it was asked."""


class Worker:
    """A contestant's process: one request, one answer."""

    def __init__(self, contestant: Contestant, threads: int, timeout: float = 400) -> None:
        self.contestant, self.timeout = contestant, timeout
        cores = sorted(os.sched_getaffinity(0))[-threads:] if hasattr(os, "sched_getaffinity") else []
        log = FOLDER / "logs" / f"{contestant.key}-{next(_number)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("w")
        self._process = subprocess.Popen(
            [str(contestant.python()), str(BENCH / "workers" / contestant.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "BENCH_CORES": ",".join(map(str, cores)), **contestant.env},
        )

    def ask(self, do: str, **request: object) -> dict:
        """Send a request and wait for its answer.

        Raises:
            WorkerError: it failed, died or took longer than the timeout.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(self.timeout, process.kill)
        watchdog.start()
        try:
            process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            raise WorkerError(f"ended or hung at `{do}`; see {Path(self._log.name).name} in the cache")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def end(self) -> None:
        """Tell it that there is nothing more to do; `close` waits for its end."""
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def close(self) -> None:
        self.end()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def start(contestants: Sequence[tuple[Contestant, dict]], threads: int) -> tuple[dict, dict]:
    """Start workers, all at once, and load them, one after the other.

    Args:
        contestants: each with its load request.

    Returns:
        ({name: Worker}, {name: why it is not there}); name is the key, with `/mode` where there are several.
    """
    workers: dict[str, Worker] = {}
    missing: dict[str, str] = {}
    requests: dict[str, dict] = {}
    for contestant, request in contestants:
        name = contestant.key + (f"/{request['mode']}" if "mode" in request else "")
        if reason := unavailable(contestant):
            missing[name] = reason
            continue
        try:
            workers[name], requests[name] = Worker(contestant, threads), request
        except (SystemExit, OSError) as error:  # no environment
            missing[name] = str(error)
    for name, worker in list(workers.items()):
        contestant, request = worker.contestant, requests[name]
        try:
            seconds = worker.ask("load", threads=threads, **{**contestant.options, **request})["seconds"]
            say(f"  {name}: ready in {seconds:.1f} s")
        except WorkerError as error:
            say(f"  {name}: {error}")
            missing[name] = str(error)
            workers.pop(name).close()
    return workers, missing


def close(workers: Iterable[Worker]) -> None:
    """End all of them."""
    every = list(workers)
    for worker in every:
        worker.end()
    for worker in every:
        worker.close()


def reference_masks(network: Network, input_file: Path):
    """The float64 masks [stems, T, F, 2]; kept, because they take seconds."""
    import numpy as np

    path = reference_file(network, input_file)
    if not path.exists():
        with Worker(REFERENCE, 2) as worker:
            worker.ask("load", threads=2, input=str(input_file), **REFERENCE.options, **network.request)
            partial = path.with_suffix(".part.npy")
            worker.ask("output", file=str(partial))
            partial.replace(path)
    return np.load(path)


def error_of(worker: Worker, network: Network, input_file: Path) -> float:
    """A worker's largest mask error on what it has loaded."""
    import numpy as np

    file = FOLDER / "output.npy"
    worker.ask("output", file=str(file))
    error = mask_error(np.load(file), reference_masks(network, input_file), np.load(input_file))
    file.unlink()
    return error
