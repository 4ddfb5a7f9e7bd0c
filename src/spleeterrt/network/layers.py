"""From weights to the flat table of layers that the kernels execute: the face of `_kernels/core/network`.

Buffers are offsets into one workspace per thread, weights offsets into one arena per stem, so that one table
serves all stems and all threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._kernels import nn
from ..arrays import Float32
from ..errors import ArgumentError
from .config import DEPTH, ModelConfig, check_network_size
from .method_plan import Plan, network_of

LAYER_DTYPE = np.dtype([(name, np.int64) for name in nn.LAYER_FIELDS])
LAYER_NAMES = (
    *(f"e{k}" for k in range(1, DEPTH + 1)),
    *(f"d{k}" for k in range(1, DEPTH + 1)),
    "out",
)

# Columns per chunk of the reference path, in floats and at least so many pixels.
CHUNK_FLOATS = nn.CHUNK_FLOATS
CHUNK_MIN_PIXELS = nn.CHUNK_MIN_PIXELS


class WeightLayout(NamedTuple):
    """Where each layer's numbers stand in a stem's arena: (weights, bias, scale, shift) offsets."""

    offsets: tuple[tuple[int, int, int, int], ...]
    size: int


def channels(config: ModelConfig, isa: str | None = None) -> list[tuple[int, int]]:
    """(input, output) channels of the 13 layers, padded for the kernels of `isa`."""
    return nn.channels(network_of(config), isa is not None)


def weight_layout(config: ModelConfig, plan: Plan) -> WeightLayout:
    """Sizes a stem's arena."""
    return WeightLayout(*nn.weight_layout(network_of(config), plan))


def fold_batch_norm(
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    mean: npt.ArrayLike,
    variance: npt.ArrayLike,
    epsilon: float = nn.BATCH_NORM_EPSILON,
) -> tuple[Float32, Float32]:
    """Inference batch norm as (scale, shift), float32: y = x * scale + shift (epsilon: Keras' 1e-3)."""
    parts = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (gamma, beta, mean, variance)))
    shape = parts[0].shape
    scale, shift = np.empty(shape, np.float32), np.empty(shape, np.float32)
    gamma, beta, mean, variance = (np.ascontiguousarray(part).reshape(-1) for part in parts)
    nn.fold_batch_norm(gamma, beta, mean, variance, epsilon, scale.reshape(-1), shift.reshape(-1))
    return scale, shift


def pack_weights(
    config: ModelConfig, plan: Plan, stem: Mapping[str, npt.NDArray[Any]], arena: Float32
) -> None:
    """Copy one stem's tensors (TensorFlow's names and layouts) into its arena of zeros, batch norm folded.

    Layer by layer: no more of `stem` need be in memory. A kernel that the plan keeps in float16 or int8 is
    given so, the latter beside its scales, `<name>_scale`.
    """
    network = network_of(config)
    for layer, shapes in enumerate(nn.tensor_shapes(network)):
        tensors: list[npt.NDArray[Any]] = []
        kept = plan.types[layer]
        scales = None
        for name, shape in shapes.items():
            small = not tensors and kept != "float32"
            if small and (kind := np.asarray(stem[name]).dtype) != kept:
                raise ArgumentError(f"{name}: expected {kept}, as the plan keeps it, got {kind}")
            tensor = np.ascontiguousarray(stem[name], kept if small else np.float32)
            if tensor.shape != shape:
                raise ArgumentError(f"{name}: expected shape {shape}, got {tensor.shape}")
            if kept == "int8" and small:
                scales = np.ascontiguousarray(stem[f"{name}_scale"], np.float32)
                out = shape[2 if name.startswith("conv2d_transpose") else 3]
                if scales.shape != (out,):
                    raise ArgumentError(f"{name}_scale: expected shape {(out,)}, got {scales.shape}")
            flat = tensor.reshape(-1)
            tensors.append(flat if tensors else flat.view(np.uint8))
        nn.pack_layer(network, plan, layer, tensors, arena, scales)


def lower(config: ModelConfig, plan: Plan, frames: int, bins: int) -> tuple[npt.NDArray[np.void], int]:
    """The table of layers for inputs of frames x bins, and the floats that a workspace needs.

    Depends on the configuration, the plan and the size only: the same input gives the same bits
    however many segments and threads there are.

    Raises:
        SpleeterError: frames or bins is not a positive multiple of 64.
    """
    check_network_size(frames, bins)
    rows, floats = nn.lower(network_of(config), plan, frames, bins, CHUNK_FLOATS, CHUNK_MIN_PIXELS)
    return np.frombuffer(rows, LAYER_DTYPE), floats
