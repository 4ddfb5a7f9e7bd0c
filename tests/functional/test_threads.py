"""Kernels, separators and streams in several threads of Python at once, each with its own: the same bits.

They share what the modules keep (threads, working memory, plans), with a global interpreter lock and without.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import Separator, StreamSeparator, kernels, load_model
from spleeterrt._kernels import machine
from spleeterrt.models.checksum import crc32c
from spleeterrt.stft import hann_window
from support.golden import case

CONFIG = case("tiny-2stems") / "config.json"
Result = dict[str, np.ndarray]


def noise(seed: int, *shape: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * 0.1).astype(np.float32)


def separate() -> Callable[[], Result]:
    separator, wave = Separator(CONFIG, threads=3), noise(1, 70_000, 2)
    return lambda: separator.separate(wave)


def separate_with_a_filter() -> Callable[[], Result]:
    separator, wave = Separator(CONFIG, threads=2, MWF=True), noise(2, 50_000, 2)
    return lambda: separator.separate(wave)


def stream() -> Callable[[], Result]:
    model, wave = load_model(CONFIG), noise(3, 40_000, 2)

    def run() -> Result:
        options = {"frames": 64, "bins": 64, "realtime": False, "max_block": len(wave), "threads": 2}
        with StreamSeparator(model, **options) as engine:
            return {stem: out.copy() for stem, out in engine.process(wave).items()}

    return run


def compute() -> Callable[[], Result]:
    a, b, image = noise(4, 90, 300), noise(5, 300, 70), noise(6, 33, 40, 16)
    weights = noise(7, 5, 5, 16, 24)

    def run() -> Result:
        return {
            "gemm": kernels.gemm(a, b),
            "conv2d": kernels.conv2d(image, weights, stride=2),
            "sigmoid": kernels.activate(a, "sigmoid"),
            "window": hann_window(4096),
            "checksum": np.array(crc32c(image)),
        }

    return run


@pytest.mark.parametrize("turns", [4])
def test_everything_at_once(turns: int) -> None:
    jobs = [make() for make in (separate, separate, separate_with_a_filter, stream, stream, compute, compute)]
    expected = [job() for job in jobs]
    start, wrong = threading.Barrier(len(jobs)), []

    def work(index: int) -> None:
        try:
            start.wait()
            for _ in range(turns):
                found = jobs[index]()
                for name, value in expected[index].items():
                    np.testing.assert_array_equal(found[name], value)
        except BaseException as error:
            wrong.append((index, error))

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(machine.OPENMP, reason="OpenMP keeps threads for every thread that calls")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux shows a process's threads")
def test_threads_are_kept_and_used_again() -> None:
    job = separate()

    def call() -> None:
        caller = threading.Thread(target=job)  # another one each time
        caller.start()
        caller.join()

    def alive() -> int:
        return len([*Path("/proc/self/task").iterdir()])

    call()
    before = alive()
    for _ in range(5):
        call()
    deadline = time.monotonic() + 10
    while alive() > before and time.monotonic() < deadline:  # joined threads take a moment to leave
        time.sleep(0.01)
    assert alive() <= before
