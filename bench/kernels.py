"""Kernels and stages one by one, with pytest-benchmark: `pytest bench/kernels.py`.

Sizes are those of the default model's second layer (e2), one stem, and one segment.
"""

from __future__ import annotations

import numpy as np
import pytest
from breakdown import random_stem

from spleeterrt import ModelConfig, kernels
from spleeterrt.network import Model
from spleeterrt.stft import OverlapAdd, Spectrum

CONFIG = ModelConfig(instruments=("stem",))
H, W, C, OUT = 256, 512, 16, 32  # e2


def normal(*shape):
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def test_im2col(benchmark):
    x = normal(H, W, C)
    cols = benchmark(kernels.im2col, x, 5, 2)
    benchmark.extra_info["GB/s written"] = cols.nbytes / 1e9 / benchmark.stats["min"]


def test_col2im(benchmark):
    cols = normal(H // 2 * W // 2, 25 * C)
    benchmark(kernels.col2im, cols, (H, W, C), 5, 2)
    benchmark.extra_info["GB/s read"] = cols.nbytes / 1e9 / benchmark.stats["min"]


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1024, 1024, 1024), (8192, OUT, 25 * C), (128, 512, 25 * 256), (512, 25 * 256, 512)],
    ids=["1024^3", "e2 chunk", "e6", "d1"],
)
def test_gemm(benchmark, m, n, k):
    benchmark(kernels.gemm, normal(m, k), normal(k, n))
    benchmark.extra_info["GFLOP/s"] = 2 * m * n * k / 1e9 / benchmark.stats["min"]


@pytest.mark.parametrize("activation", ["LeakyReLU", "ReLU", "ELU", "sigmoid"])
def test_activate(benchmark, activation):
    benchmark(kernels.activate, normal(H * W * C), activation)


@pytest.mark.parametrize(("frames", "bins"), [(128, 1024), (512, 1024), (512, 1536)])
def test_forward(benchmark, frames, bins):
    model = Model(CONFIG, {"stem": random_stem(CONFIG, 0)})
    x = np.abs(normal(1, frames, bins, 2))
    benchmark.pedantic(model.predict, (x, 1), rounds=5, warmup_rounds=1)


def test_stft(benchmark):
    spectrum = Spectrum(CONFIG)
    benchmark(spectrum.analyse, normal(spectrum.span, 2), CONFIG.T, 1)


def test_istft(benchmark):
    spectrum = Spectrum(CONFIG)
    x, magnitude = spectrum.analyse(normal(spectrum.span, 2), CONFIG.T, 1)
    masks = np.ones((1, *magnitude.shape), np.float32)
    extension = np.zeros((1, CONFIG.T, 2), np.float32)
    overlap = OverlapAdd(spectrum, 1)

    def istft():
        return overlap.push(spectrum.synthesise(x, masks, extension, np.zeros(1, np.intp), CONFIG.T, 1))

    benchmark(istft)
