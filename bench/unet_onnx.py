"""Spleeter's U-Net as an ONNX graph, from TensorFlow's tensors.

Written node by node instead of exported: ONNX has TensorFlow's uneven padding as an attribute of its
convolutions, where an export from PyTorch would leave paddings and crops as operations of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

DEPTH = 6
SAME = {"strides": [2, 2], "pads": [1, 1, 2, 2]}
ACTIVATIONS = {"LeakyReLU": ("LeakyRelu", {"alpha": 0.2}), "ReLU": ("Relu", {}), "ELU": ("Elu", {})}


class Graph:
    """Nodes and initializers of all stems; every tensor of a stem is prefixed by its name."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.initializers: list = []

    def constant(self, name: str, value: np.ndarray) -> str:
        value = np.ascontiguousarray(value, np.float32)
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def unet(self, prefix: str, stem: Mapping[str, np.ndarray], conv: str, deconv: str) -> str:
        """Add one stem; the name of its output."""

        def name(layer: str, index: int) -> str:
            return f"{layer}_{index}" if index else layer

        def convolution(kind: str, layer: str, x: str, **options) -> str:
            weight = self.constant(f"{prefix}/{layer}/w", stem[f"{layer}/kernel"].transpose(3, 2, 0, 1))
            bias = self.constant(f"{prefix}/{layer}/b", stem[f"{layer}/bias"])
            return self.node(kind, [x, weight, bias], f"{prefix}/{layer}", **options)

        def norm(index: int, x: str) -> str:
            layer = name("batch_normalization", index)
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            constants = [self.constant(f"{prefix}/{layer}/{p}", stem[f"{layer}/{p}"]) for p in parts]
            return self.node("BatchNormalization", [x, *constants], f"{prefix}/{layer}", epsilon=1e-3)

        def activation(kind: str, x: str) -> str:
            operation, attributes = ACTIVATIONS[kind]
            return self.node(operation, [x], f"{x}/act", **attributes)

        x, skips = "mix", []
        for k in range(DEPTH):
            x = convolution("Conv", name("conv2d", k), x, **SAME)
            if k < DEPTH - 1:
                skips.append(x)
                x = activation(conv, norm(k, x))
        for k in range(DEPTH):
            x = convolution("ConvTranspose", name("conv2d_transpose", k), x, **SAME)
            x = norm(DEPTH + k, activation(deconv, x))
            if k < DEPTH - 1:
                x = self.node("Concat", [skips[DEPTH - 2 - k], x], f"{x}/cat", axis=1)
        x = convolution("Conv", name("conv2d", DEPTH), x, dilations=[2, 2], pads=[3, 3, 3, 3])
        mask = self.node("Sigmoid", [x], f"{prefix}/mask")
        return self.node("Mul", [mask, "mix"], f"{prefix}/out")


def write_onnx(
    path: Path,
    stems: Mapping[str, Mapping[str, np.ndarray]],
    activations: Mapping[str, str],
    shape: list[int],
) -> Path:
    """A model with the input `mix` [N, 2, T, F] and one output per stem."""
    graph = Graph()
    conv, deconv = activations["conv_activation"], activations["deconv_activation"]
    outputs = [graph.unet(stem, tensors, conv, deconv) for stem, tensors in stems.items()]

    def describe(name: str):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    made = helper.make_graph(
        graph.nodes, "unet", [describe("mix")], [describe(o) for o in outputs], graph.initializers
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save(model, str(path))
    return path
