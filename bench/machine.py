"""What one core of this machine can do at best: multiply-adds and bytes per second, measured."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

# Independent multiply-adds on registers, by the compiler's own vector type.
SOURCE = """
typedef float vec __attribute__((vector_size(WIDTH * 4)));
float spin(long rounds)
{
    vec a[ACCUMULATORS], x, y;
    for (int k = 0; k < WIDTH; k++) x[k] = 0.999f, y[k] = 1e-3f;
    for (int i = 0; i < ACCUMULATORS; i++) a[i] = y;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 32
        for (int i = 0; i < ACCUMULATORS; i++) a[i] = a[i] * x + y;
    }
    float sum = 0;
    for (int i = 0; i < ACCUMULATORS; i++)
        for (int k = 0; k < WIDTH; k++) sum += a[i][k];
    return sum;
}
"""
ACCUMULATORS = 12
ROUNDS = 4_000_000


def fma_peak(width: int) -> float | None:
    """GFLOP/s of multiply-adds on registers, vectors of `width` floats; None without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "spin.c", Path(folder) / "spin.so"
        source.write_text(SOURCE)
        command = [compiler, "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC",
                   f"-DWIDTH={width}", f"-DACCUMULATORS={ACCUMULATORS}", source, "-o", library]  # fmt: skip
        if subprocess.run([str(word) for word in command], capture_output=True).returncode != 0:
            return None
        spin = ctypes.CDLL(str(library)).spin
        spin.argtypes, spin.restype = [ctypes.c_long], ctypes.c_float
        best = min(_seconds(lambda: spin(ROUNDS)) for _ in range(5))
    return 2.0 * width * ACCUMULATORS * ROUNDS / best / 1e9


def sgemm_peak() -> float:
    """GFLOP/s of the best of several matrix products of the BLAS that spleeterrt is built with."""
    from spleeterrt.kernels import gemm

    rng = np.random.default_rng(0)
    best = 0.0
    for n in (384, 768, 1024):
        a, b = (rng.normal(0, 1, (n, n)).astype(np.float32) for _ in range(2))
        gemm(a, b)
        best = max(best, 2 * n**3 / min(_seconds(lambda: gemm(a, b)) for _ in range(8)) / 1e9)  # noqa: B023
    return best


def copy_bandwidth() -> float:
    """GB/s, read and written, of copying 256 MB with numpy."""
    source = np.ones(1 << 26, np.float32)
    target = np.empty_like(source)
    np.copyto(target, source)
    return 2 * source.nbytes / min(_seconds(lambda: np.copyto(target, source)) for _ in range(6)) / 1e9


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure() -> dict:
    """All of it; `peak` is the best of the multiply-adds, `bandwidth` in GB/s."""
    fma = {f"{32 * width} bits": fma_peak(width) for width in (4, 8, 16)}
    known = {name: value for name, value in fma.items() if value}
    sgemm = sgemm_peak()
    return {
        "fma": known,
        "sgemm": sgemm,
        "peak": max([sgemm, *known.values()]),
        "bandwidth": copy_bandwidth(),
    }
