"""Where the forward pass spends its time, layer by layer: the reference path and the default plan.

One stem with random weights, one thread. The reference path (im2col and GEMM) shows its stages: the GEMMs
alone are what the method needs at least; the target is a forward pass of at most 1.5 times their time.
The default plan runs beside it, layer by layer in the same rounds.
"""

from __future__ import annotations

import argparse

import common
import numpy as np
from operations import joined, layer_works

from spleeterrt import ModelConfig
from spleeterrt._kernels import nn
from spleeterrt.kernels import gemm
from spleeterrt.network.config import DEPTH
from spleeterrt.network.layers import LAYER_NAMES, channels, weight_layout
from spleeterrt.network.method_plan import default_isa, make_plan, methods_at
from spleeterrt.network.model import Model

STAGES = ("columns", "gemm", "rest")
TARGET = 1.5


def random_stem(config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
    """Tensors with a checkpoint's names; activations keep their size, so that no denormals slow it down."""
    rng = np.random.default_rng(seed)
    stem: dict[str, np.ndarray] = {}
    for index, (into, out) in enumerate(channels(config)):
        transposed = DEPTH <= index < 2 * DEPTH
        number = index - DEPTH if transposed else min(index, DEPTH)
        name = ("conv2d_transpose" if transposed else "conv2d") + (f"_{number}" if number else "")
        taps = 4 if index == 2 * DEPTH else 5
        shape = (taps, taps, out, into) if transposed else (taps, taps, into, out)
        stem[f"{name}/kernel"] = rng.normal(0, (taps * taps * into / 8) ** -0.5, shape).astype(np.float32)
        stem[f"{name}/bias"] = rng.normal(0, 0.1, out).astype(np.float32)
        if index < 2 * DEPTH:
            norm = "batch_normalization" + (f"_{index}" if index else "")
            for part, low, high in (
                ("gamma", 0.5, 1.5),
                ("beta", -0.5, 0.5),
                ("moving_mean", -0.5, 0.5),
                ("moving_variance", 0.5, 1.5),
            ):
                stem[f"{norm}/{part}"] = rng.uniform(low, high, out).astype(np.float32)
    return stem


def fast_seconds(model: Model, magnitudes: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Seconds of each layer, all its stages together, in each round; two more rounds to warm up."""
    profiles = [model.profile(magnitudes) for _ in range(rounds + 2)][2:]
    return {layer: [sum(profile[layer].values()) for profile in profiles] for layer in LAYER_NAMES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=512, help="T")
    parser.add_argument("--bins", type=int, default=1024, help="F")
    parser.add_argument("--activation", choices=("default", "ELU"), default="default",
                        help="default: LeakyReLU / ReLU, as 2stems; ELU: as 4stems and 5stems")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    options = {} if args.activation == "default" else {"conv_activation": "ELU", "deconv_activation": "ELU"}
    config = ModelConfig(instruments=("stem",), **options)
    reference_plan, fast_plan = make_plan(config, None), make_plan(config, default_isa())
    model = Model(config, {"stem": random_stem(config, 1)}, plan=reference_plan)
    fast_model = Model(config, {"stem": random_stem(config, 1)}, plan=fast_plan)
    rng = np.random.default_rng(2)
    magnitudes = np.abs(rng.normal(0, 1, (1, args.frames, args.bins, 2))).astype(np.float32)

    # The peak and the forward pass in turn, so that a slow spell of the machine hits both.
    n = 1024
    a, b = (rng.normal(0, 1, (n, n)).astype(np.float32) for _ in range(2))
    rounds, fast_rounds, peak, whole, fast_whole = [], [], [], [], []
    methods = methods_at(config, fast_plan, args.frames, args.bins)
    works = layer_works(config, methods, args.frames, args.bins)
    for counted in range(-2, args.rounds):
        timing = common.time_rounds(
            {
                "gemm": lambda: gemm(a, b),
                "forward": lambda: model.forward(magnitudes, 1),
                "fast": lambda: fast_model.forward(magnitudes, 1),
            },
            1,
            0,
        )
        profile, fast_profile = model.profile(magnitudes), fast_model.profile(magnitudes)
        if counted >= 0:
            peak.append(2 * n**3 / timing["gemm"].min / 1e9)
            whole.append(timing["forward"].min)
            fast_whole.append(timing["fast"].min)
            fast_rounds.append([sum(fast_profile[layer].values()) for layer in LAYER_NAMES])
            rounds.append([[profile[layer][stage] for stage in STAGES] for layer in LAYER_NAMES])
    seconds = np.array(rounds)  # [rounds, layers, stages]
    flops = np.array([work.plain for work in works])

    ms = 1e3 * seconds
    gemm_ms = ms[:, :, STAGES.index("gemm")]

    def cells(values: np.ndarray) -> list[str]:
        return [f"{np.min(values):.2f}", f"{np.median(values):.2f}"]

    fast_ms, layer_ms = 1e3 * np.array(fast_rounds), ms.sum(axis=2)
    medians = dict(zip(LAYER_NAMES, np.median(fast_ms, axis=0), strict=True))
    groups, _ = joined(works, medians, config, args.frames, args.bins)
    fast_rows = []
    for group in groups:
        members = [LAYER_NAMES.index(name) for name in group.names]
        own, reference = fast_ms[:, members].sum(axis=1), np.median(layer_ms[:, members].sum(axis=1))
        speed = group.plain / np.median(own) / 1e6
        ratio = reference / np.median(own)
        fast_rows.append(
            [group.name, group.method, *cells(own), f"{speed:.0f}", f"{reference:.2f}", f"{ratio:.2f}"]
        )
    rows = []
    for i, layer in enumerate(LAYER_NAMES):
        row = [layer]
        for stage in range(len(STAGES)):
            row += cells(ms[:, i, stage])
        rows.append([*row, *cells(ms[:, i].sum(axis=1)), f"{flops[i] / np.median(gemm_ms[:, i]) / 1e6:.0f}"])
    total = ["**all**"]
    for stage in range(len(STAGES)):
        total += cells(ms[:, :, stage].sum(axis=1))
    all_ms, all_gemm = ms.sum(axis=(1, 2)), gemm_ms.sum(axis=1)
    rows.append([*total, *cells(all_ms), f"{flops.sum() / np.median(all_gemm) / 1e6:.0f}"])
    header = ["layer"]
    for name in (*STAGES, "total"):
        header += [f"{name} min", "median"]

    ratio = np.median(all_ms / all_gemm)
    verdict = "met" if ratio <= TARGET else "missed"
    report = [
        common.conditions(
            ("spleeterrt", "numpy"),
            BLAS=nn.BLAS,
            Input=f"one stem, one segment, T={args.frames}, F={args.bins}, {config.conv_activation} and "
            f"{config.deconv_activation}, one thread",
            Rounds=f"{args.rounds}, 2 more to warm up; minimum and median of each cell on its own",
            Weights=f"{weight_layout(config, reference_plan).size * 4 / 1e6:.1f} MB on the reference path, "
            f"{weight_layout(config, fast_plan).size * 4 / 1e6:.1f} MB in the default plan",
        ),
        "## The default plan",
        "Milliseconds; GFLOP/s: operations of the plain convolution in that time (median).",
        common.table(
            ["layer", "method", "min", "median", "GFLOP/s", "reference median", "ratio of medians"], fast_rows
        ),
        f"- whole forward pass: min {1e3 * min(fast_whole):.1f} ms, "
        f"median {1e3 * np.median(fast_whole):.1f} ms; "
        f"the reference path's in the same rounds: min {1e3 * min(whole):.1f} ms, "
        f"median {1e3 * np.median(whole):.1f} ms; "
        f"median of the ratios {np.median(np.array(whole) / np.array(fast_whole)):.2f}",
        "## The reference path",
        "Milliseconds; GFLOP/s of the GEMM (median):",
        common.table([*header, "GFLOP/s"], rows),
        "\n".join(
            [
                f"- total / gemm = {ratio:.2f} (target <= {TARGET}: {verdict}); median of the rounds",
                f"- forward pass without the stopwatch: min {1e3 * min(whole):.1f} ms, "
                f"median {1e3 * np.median(whole):.1f} ms",
                f"- {flops.sum() / 1e9:.2f} GFLOP of GEMM; sgemm of {n} x {n} x {n} on this machine: "
                f"max {max(peak):.0f} GFLOP/s, median {np.median(peak):.0f}",
            ]
        ),
    ]
    name = "breakdown" if args.activation == "default" else f"breakdown-{args.activation.lower()}"
    common.report(name, "The forward pass by stage", *report)


if __name__ == "__main__":
    main()
