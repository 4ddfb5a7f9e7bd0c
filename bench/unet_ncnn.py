"""Spleeter's U-Net in ncnn's two files, from TensorFlow's tensors.

Written layer by layer, as `unet_onnx.py` does: ncnn's convolutions take TensorFlow's uneven padding, and its
transposed ones crop as unevenly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

DEPTH = 6
KERNEL = 5
LEAKY = 0.2
SAME = {4: 1, 14: 1, 15: 2, 16: 2}  # pad left, top, right, bottom
FUSED = {"ReLU": {9: 1}}  # ncnn runs it in the convolution


class Graph:
    """Lines of the .param file, and the content of the .bin file."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.data: list[bytes] = []
        self.blobs = 0

    def layer(
        self, kind: str, name: str, inputs: list[str], outputs: list[str], options: Mapping | None = None
    ) -> str:
        self.blobs += len(outputs)
        values = " ".join(f"{key}={value}" for key, value in (options or {}).items())
        words = [kind, name, len(inputs), len(outputs), *inputs, *outputs, values]
        self.lines.append(" ".join(map(str, words)).strip())
        return outputs[0]

    def split(self, name: str, copies: int) -> list[str]:
        """A blob may be read once: copies for several readers."""
        outputs = [f"{name}_copy{k}" for k in range(copies)]
        self.layer("Split", f"split_{name}", [name], outputs)
        return outputs

    def floats(self, *arrays: np.ndarray) -> None:
        self.data += [np.ascontiguousarray(array, np.float32).tobytes() for array in arrays]

    def weights(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        self.data.append(b"\0\0\0\0")  # what follows is float32
        self.floats(kernel, bias)

    def unet(
        self, prefix: str, stem: Mapping[str, np.ndarray], conv: str, deconv: str, mix: list[str]
    ) -> str:
        """Add one stem, which reads the mix twice; the name of its output."""

        def name(layer: str, index: int) -> str:
            return f"{layer}_{index}" if index else layer

        def convolution(kind: str, layer: str, x: str, options: Mapping) -> str:
            # HWIO to OIHW; of a transposed one HWOI to OIHW
            axes = (3, 2, 0, 1) if kind == "Convolution" else (2, 3, 0, 1)
            kernel = stem[f"{layer}/kernel"].transpose(axes)
            self.weights(kernel, stem[f"{layer}/bias"])
            shape = {0: kernel.shape[0], 1: kernel.shape[3], 5: 1, 6: kernel.size}
            return self.layer(kind, f"{prefix}_{layer}", [x], [f"{prefix}_{layer}"], {**shape, **options})

        def norm(index: int, x: str) -> str:
            layer = name("batch_normalization", index)
            parts = ("gamma", "moving_mean", "moving_variance", "beta")  # in ncnn's order
            self.floats(*(stem[f"{layer}/{part}"] for part in parts))
            options = {0: len(stem[f"{layer}/gamma"]), 1: 1e-3}
            return self.layer("BatchNorm", f"{prefix}_{layer}", [x], [f"{prefix}_{layer}"], options)

        def activation(kind: str, x: str) -> str:
            ncnns, options = {
                "LeakyReLU": ("ReLU", {0: LEAKY}),
                "ReLU": ("ReLU", {}),
                "ELU": ("ELU", {0: 1.0}),
            }[kind]
            return self.layer(ncnns, f"{x}_act", [x], [f"{x}_act"], options)

        x, skips = mix[0], []
        for k in range(DEPTH):
            x = convolution("Convolution", name("conv2d", k), x, {3: 2, **SAME})
            if k < DEPTH - 1:
                x, skip = self.split(x, 2)
                skips.append(skip)
                x = activation(conv, norm(k, x))
        for k in range(DEPTH):
            layer = name("conv2d_transpose", k)
            x = convolution("Deconvolution", layer, x, {3: 2, **SAME, **FUSED.get(deconv, {})})
            x = norm(DEPTH + k, x if deconv in FUSED else activation(deconv, x))
            if k < DEPTH - 1:
                x = self.layer("Concat", f"{x}_cat", [skips[DEPTH - 2 - k], x], [f"{x}_cat"], {0: 0})
        last = {2: 2, **dict.fromkeys(SAME, 3)}
        x = convolution("Convolution", name("conv2d", DEPTH), x, last)
        mask = self.layer("Sigmoid", f"{prefix}_mask", [x], [f"{prefix}_mask"])
        return self.layer("BinaryOp", f"{prefix}_out", [mask, mix[1]], [f"{prefix}_out"], {0: 2})


def write_ncnn(
    path: Path, stems: Mapping[str, Mapping[str, np.ndarray]], activations: Mapping[str, str]
) -> tuple[Path, Path]:
    """PATH.param and PATH.bin, with the input `mix` [2, T, F] and an output STEM_out per stem."""
    graph = Graph()
    graph.layer("Input", "mix", [], ["mix"])
    copies = graph.split("mix", 2 * len(stems))
    conv, deconv = activations["conv_activation"], activations["deconv_activation"]
    for k, (stem, tensors) in enumerate(stems.items()):
        graph.unet(stem, tensors, conv, deconv, copies[2 * k : 2 * k + 2])
    param, data = path.with_suffix(".param"), path.with_suffix(".bin")
    param.write_text("\n".join(["7767517", f"{len(graph.lines)} {graph.blobs}", *graph.lines]) + "\n")
    data.write_bytes(b"".join(graph.data))
    return param, data
