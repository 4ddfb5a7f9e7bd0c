"""Layer by layer: how near is each to what one core can do?"""

from __future__ import annotations

import os

import common
import machine
import numpy as np
from breakdown import fast_seconds
from common import table
from contestants import say
from networks import checkpoint_network, music_magnitudes
from operations import joined, layer_works

from . import Options

TITLE = "Roofline"


def measure(options: Options) -> dict:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    from spleeterrt import ModelConfig
    from spleeterrt.network.method_plan import default_isa, make_plan, methods_at
    from spleeterrt.network.model import Model

    network = checkpoint_network("4stems").first(1)
    config = ModelConfig(
        instruments=network.stems, conv_activation=network.conv, deconv_activation=network.deconv
    )
    plan = make_plan(config, default_isa())
    with np.load(network.weights) as file:
        stem = network.stems[0]
        weights = {key.split("|")[1]: file[key] for key in file.files if key.startswith(f"{stem}|")}
    model = Model(config, {stem: weights}, plan=plan)
    say("peak and bandwidth of one core")
    data: dict = {"isa": plan.isa, "frames": {}}
    limits = [machine.measure()]
    for frames in (64,) if options.quick else (512, 128):
        x = np.load(music_magnitudes(options.audio, frames))
        works = layer_works(config, methods_at(config, plan, frames, x.shape[2]), frames, x.shape[2])
        rounds = fast_seconds(model, x, 3 * options.rounds)
        forward = common.time_rounds({"forward": lambda: model.forward(x, 1)}, options.rounds)["forward"]  # noqa: B023
        medians = {name: float(np.median(values)) for name, values in rounds.items()}
        groups, seconds = joined(works, medians, config, frames, x.shape[2])
        data["frames"][str(frames)] = {
            "layers": [
                {"name": g.name, "method": g.method, "plain": g.plain, "done": g.done, "bytes": g.bytes,
                 "seconds": seconds[g.name]}
                for g in groups
            ],
            "forward": forward.median,
        }  # fmt: skip
    limits.append(machine.measure())
    data["machine"] = max(limits, key=lambda limit: limit["peak"])
    data["machine"]["bandwidth"] = max(limit["bandwidth"] for limit in limits)
    return data


def markdown(data: dict) -> str:
    limits = data["machine"]
    fma = ", ".join(f"{value:.0f} in vectors of {name}" for name, value in limits["fma"].items())
    parts = [
        f"One stem, one segment, one thread, instruction set {data['isa']}. The core at its best, GFLOP/s: "
        f"multiply-adds on registers {fma or 'not measured (no C compiler)'}; sgemm {limits['sgemm']:.0f}. "
        f"Copying 256 MB: {limits['bandwidth']:.1f} GB/s read and written. *Plain*: operations of the "
        "convolution as it is defined, in the time the layer took. *Done*: the products that its method "
        "really does (Winograd's transforms, those of the weights too where the layer makes them, are "
        "overhead and not counted). Intensity: operations done per byte, if input, output and weights "
        "crossed the memory once. Layers that run strip by strip are one line."
    ]
    for frames, entry in data["frames"].items():
        total = sum(layer["seconds"] for layer in entry["layers"])
        rows = []
        for layer in entry["layers"]:
            seconds = layer["seconds"]
            rate = layer["done"] / seconds / 1e9
            roof = min(limits["peak"], limits["bandwidth"] * layer["done"] / layer["bytes"])
            rows.append(
                [
                    layer["name"],
                    layer["method"],
                    f"{1e3 * seconds:.2f}",
                    f"{seconds / total:.1%}",
                    f"{layer['plain'] / seconds / 1e9:.0f}",
                    f"{rate:.0f}",
                    f"{rate / limits['peak']:.0%}",
                    f"{layer['done'] / layer['bytes']:.0f}",
                    f"{rate / roof:.0%}",
                ]
            )
        plain, done = (
            sum(layer[key] for layer in entry["layers"]) / total / 1e9 for key in ("plain", "done")
        )
        whole = [f"{1e3 * total:.2f}", "", f"{plain:.0f}", f"{done:.0f}", f"{done / limits['peak']:.0%}"]
        rows.append(["**all**", "", *whole, "", ""])
        header = ["layer", "method", "ms", "share", "plain GFLOP/s", "done GFLOP/s", "of the peak",
                  "FLOP per byte", "of the roof"]  # fmt: skip
        parts += [
            f"### T={frames}",
            table(header, rows),
            f"Forward pass without the stopwatch: {1e3 * entry['forward']:.1f} ms (median).",
        ]
    return "\n\n".join(parts)
