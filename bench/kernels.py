"""Kernels and stages one by one, with pytest-benchmark: `pytest bench/kernels.py`.

Sizes are those of the default model's second layer (e2), one stem, and one segment.
"""

from __future__ import annotations

import numpy as np
import pytest
from breakdown import random_stem

from spleeterrt import ModelConfig, Separator, kernels
from spleeterrt._kernels import nn
from spleeterrt.network.method_plan import make_plan
from spleeterrt.network.model import Model

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


@pytest.mark.parametrize("isa", [*nn.FAST_ISAS, None], ids=lambda isa: isa or "reference")
def test_layers(benchmark, isa):
    """The forward pass by instruction set; milliseconds of every layer go into the extra information."""
    model = Model(CONFIG, {"stem": random_stem(CONFIG, 0)}, plan=make_plan(CONFIG, isa))
    x = np.abs(normal(1, CONFIG.T, CONFIG.F, 2))
    profiles = []
    benchmark.pedantic(lambda: profiles.append(model.profile(x)), rounds=5, warmup_rounds=1)
    for layer in profiles[0]:
        seconds = min(sum(profile[layer].values()) for profile in profiles[1:])
        if seconds > 0:  # else it is timed as part of its neighbour
            benchmark.extra_info[f"{layer} ms"] = round(1e3 * seconds, 2)


@pytest.mark.parametrize("isa", [*nn.FAST_ISAS, None], ids=lambda isa: isa or "reference")
def test_pack_weights(benchmark, isa):
    """From a checkpoint's tensors to the kernels' layout, one stem."""
    stem, plan = random_stem(CONFIG, 0), make_plan(CONFIG, isa)
    benchmark.pedantic(lambda: Model(CONFIG, {"stem": stem}, plan=plan), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_around_the_networks(benchmark, threads):
    """Minute-long separation into two stems by networks that only halve the mix."""
    config = CONFIG.replace(instruments=("vocals", "accompaniment"))
    model = Model(config, {stem: random_stem(config, 0) for stem in config.instruments})

    def forward(magnitudes, threads, outputs=None):
        if outputs is None:
            outputs = np.empty((2, *magnitudes.shape), np.float32)
        np.multiply(magnitudes, 0.5, out=outputs)
        return outputs

    model.forward = forward
    separator, waveform = Separator(model, threads=threads), normal(60 * 44100, 2) / 8
    benchmark.pedantic(separator.separate, (waveform,), rounds=5, warmup_rounds=1)
