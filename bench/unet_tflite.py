"""Spleeter's U-Net as a .tflite file, from TensorFlow's tensors, without TensorFlow.

Written operator by operator with the schema that ai-edge-litert carries: kernels, layout and SAME padding are
TensorFlow's own. Batch norms become a factor and an offset per channel, as TensorFlow's converter makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

DEPTH = 6
EPSILON = 1e-3
LEAKY = 0.2
OPS = schema.BuiltinOperator
KINDS = schema.BuiltinOptions
VERSIONS = {OPS.TRANSPOSE_CONV: 4, OPS.CONV_2D: 1}  # with bias and activation


class Graph:
    """Tensors and operators of all stems."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]  # the first one means "no data"
        self.model.operatorCodes = []
        self.subgraph = schema.SubGraphT()
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.model.subgraphs = [self.subgraph]

    def tensor(self, name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = schema.TensorType.FLOAT32
        tensor.buffer = 0
        if data is not None:
            if data.dtype == np.int32:
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def constant(self, name: str, values: np.ndarray) -> int:
        data = np.asarray(values, np.int32 if values.dtype.kind == "i" else np.float32)
        return self.tensor(name, data.shape, data)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.subgraph.tensors[tensor].shape)

    def add(
        self, code: int, inputs: list[int], name: str, shape: tuple[int, ...], options=None, kind=0
    ) -> int:
        codes = [known.builtinCode for known in self.model.operatorCodes]
        if code not in codes:
            known = schema.OperatorCodeT()
            known.builtinCode, known.deprecatedBuiltinCode = code, min(code, 127)
            known.version = VERSIONS.get(code, 1)
            self.model.operatorCodes.append(known)
            codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = codes.index(code), inputs
        operator.outputs = [self.tensor(name, shape)]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.subgraph.operators.append(operator)
        return operator.outputs[0]

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.subgraph.inputs, self.subgraph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    # --- layers

    def unet(self, prefix: str, stem: Mapping[str, np.ndarray], conv: str, deconv: str, mix: int) -> int:
        """Add one stem; its output."""

        def name(layer: str, index: int) -> str:
            return f"{layer}_{index}" if index else layer

        def constants(layer: str, kernel: np.ndarray) -> tuple[int, int]:
            bias = self.constant(f"{prefix}/{layer}/bias", stem[f"{layer}/bias"])
            return self.constant(f"{prefix}/{layer}/kernel", kernel), bias

        def convolution(index: int, x: int, stride: int, dilation: int, activation: int = 0) -> int:
            layer = name("conv2d", index)
            kernel = stem[f"{layer}/kernel"].transpose(3, 0, 1, 2)  # HWIO to OHWI
            options = schema.Conv2DOptionsT()
            options.padding = schema.Padding.SAME
            options.strideW = options.strideH = stride
            options.dilationWFactor = options.dilationHFactor = dilation
            options.fusedActivationFunction = activation
            n, height, width, _ = self.shape(x)
            shape = (n, height // stride, width // stride, kernel.shape[0])
            inputs = [x, *constants(layer, kernel)]
            return self.add(OPS.CONV_2D, inputs, f"{prefix}/{layer}", shape, options, KINDS.Conv2DOptions)

        def deconvolution(index: int, x: int) -> int:
            layer = name("conv2d_transpose", index)
            kernel = stem[f"{layer}/kernel"].transpose(2, 0, 1, 3)  # HWOI to OHWI
            options = schema.TransposeConvOptionsT()
            options.padding = schema.Padding.SAME
            options.strideW = options.strideH = 2
            relu = deconv == "ReLU"
            options.fusedActivationFunction = getattr(
                schema.ActivationFunctionType, "RELU" if relu else "NONE"
            )
            n, height, width, _ = self.shape(x)
            shape = (n, 2 * height, 2 * width, kernel.shape[0])
            weights, bias = constants(layer, kernel)
            inputs = [self.constant(f"{prefix}/{layer}/shape", np.array(shape)), weights, x, bias]
            out = f"{prefix}/{layer}"
            y = self.add(OPS.TRANSPOSE_CONV, inputs, out, shape, options, KINDS.TransposeConvOptions)
            return y if relu else activation(deconv, y, out)

        def norm(index: int, x: int) -> int:
            layer = name("batch_normalization", index)
            gamma, beta, mean, variance = (
                stem[f"{layer}/{part}"].astype(np.float64)
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            scale = gamma / np.sqrt(variance + EPSILON)
            y = self.binary(
                OPS.MUL, x, self.constant(f"{prefix}/{layer}/scale", scale), f"{prefix}/{layer}/mul"
            )
            return self.binary(OPS.ADD, y, self.constant(f"{prefix}/{layer}/offset", beta - mean * scale),
                               f"{prefix}/{layer}")  # fmt: skip

        def activation(kind: str, x: int, called: str) -> int:
            if kind == "LeakyReLU":
                options = schema.LeakyReluOptionsT()
                options.alpha = LEAKY
                return self.add(OPS.LEAKY_RELU, [x], f"{called}/act", self.shape(x), options,
                                KINDS.LeakyReluOptions)  # fmt: skip
            return self.add({"ReLU": OPS.RELU, "ELU": OPS.ELU}[kind], [x], f"{called}/act", self.shape(x))

        x, skips = mix, []
        for k in range(DEPTH):
            x = convolution(k, x, 2, 1)
            if k < DEPTH - 1:
                skips.append(x)
                x = activation(conv, norm(k, x), f"{prefix}/down{k}")
        for k in range(DEPTH):
            x = norm(DEPTH + k, deconvolution(k, x))
            if k < DEPTH - 1:
                skip = skips[DEPTH - 2 - k]
                options = schema.ConcatenationOptionsT()
                options.axis = 3
                shape = (*self.shape(x)[:3], self.shape(skip)[3] + self.shape(x)[3])
                x = self.add(OPS.CONCATENATION, [skip, x], f"{prefix}/up{k}", shape, options,
                             KINDS.ConcatenationOptions)  # fmt: skip
        x = convolution(DEPTH, x, 1, 2)
        mask = self.add(OPS.LOGISTIC, [x], f"{prefix}/mask", self.shape(x))
        return self.binary(OPS.MUL, mask, mix, f"{prefix}/out")

    def binary(self, code: int, x: int, y: int, name: str) -> int:
        mul = code == OPS.MUL
        options, kind = (
            (schema.MulOptionsT(), KINDS.MulOptions) if mul else (schema.AddOptionsT(), KINDS.AddOptions)
        )
        return self.add(code, [x, y], name, self.shape(x), options, kind)


def write_tflite(
    path: Path,
    stems: Mapping[str, Mapping[str, np.ndarray]],
    activations: Mapping[str, str],
    shape: tuple[int, ...],
) -> Path:
    """A model with the input `mix` [N, T, F, 2] and one output per stem, in their order."""
    graph = Graph()
    mix = graph.tensor("mix", shape)
    conv, deconv = activations["conv_activation"], activations["deconv_activation"]
    outputs = [graph.unet(stem, tensors, conv, deconv, mix) for stem, tensors in stems.items()]
    path.write_bytes(graph.pack([mix], outputs))
    return path
