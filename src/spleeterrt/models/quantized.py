"""Small weights: kernels in float16, or in int8 with a scale per output channel.

Kernels are all but 0.1 % of a model's numbers; biases and batch norms stay float32. In an int8 model the
outer layers' kernels are float16: they are few numbers, and most of what rounding costs comes from them. With
Spleeter's widths (e1 to e4, d4 to d6 and the last) that takes 4 % more bytes for some 20 dB.

An int8 kernel w has a float32 tensor `<name>_scale` beside it, with a number per output channel: w =
integer * scale, rounded once (`core/network/model_file.cpp` computes it). Kernels of convolutions are
H, W, in, out, of transposed ones H, W, out, in: the output channels are the last axis there and the last
but one here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..network.tensors import Tensor

"""Of a model file's kernels, from large to small."""

Stored: TypeAlias = npt.NDArray[Any]

_MOST = 127  # symmetric: -128 is not used
# A kernel is an outer one, not worth int8, if it has less than this part of all kernels' numbers.
_OUTER = 1 / 32
_LEAST_SCALE = np.finfo(np.float32).tiny  # a smaller one has lost digits


def is_kernel(name: str) -> bool:
    """Whether a tensor may be stored in float16 or int8."""
    return name.endswith("/kernel")


def scale_name(name: str) -> str:
    """The tensor that holds the scales of an int8 kernel."""
    return f"{name}_scale"


def channel_axis(name: str) -> int:
    """Which axis of a kernel counts its output channels."""
    return 2 if name.startswith("conv2d_transpose") else 3


def choose_dtypes(shapes: Mapping[str, tuple[int, ...]], dtype: str) -> dict[str, str]:
    """How each of a stem's tensors is stored in a model file of a dtype."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items() if is_kernel(name)}
    outer = _OUTER * sum(sizes.values())
    small = {name: "float16" if dtype == "int8" and size < outer else dtype for name, size in sizes.items()}
    return {name: small.get(name, "float32") for name in shapes}


def encode_tensor(name: str, tensor: Tensor, dtype: str) -> dict[str, Stored]:
    """What a model file holds of a tensor: the tensor itself by its name, and scales where it needs them.

    Args:
        name: of a stem that stands alone, `"conv2d_3/kernel"`.
        tensor: float32, finite.
        dtype: of `choose_dtypes`. float16 holds numbers up to 65504; larger ones become infinite.
    """
    if dtype == "float32":
        return {name: np.ascontiguousarray(tensor)}
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return {name: np.ascontiguousarray(tensor, np.float16)}
    integers, scales = to_int8(tensor, channel_axis(name))
    return {name: integers, scale_name(name): scales}


def to_int8(tensor: Tensor, axis: int) -> tuple[npt.NDArray[np.int8], Tensor]:
    """float32 -> int8 of the same shape, and a positive float32 scale per index of `axis`.

    A scale is |w| / 127 of its channel's largest weight, so that no weight is off by more than half a scale.
    To cut the largest weights for finer steps gains less than 0.1 dB (uniform, normal, heavy-tailed).
    """
    others = tuple(k for k in range(tensor.ndim) if k != axis)
    largest = np.abs(tensor).max(axis=others, keepdims=True)
    scales = np.maximum(largest / np.float32(_MOST), _LEAST_SCALE)
    integers = np.rint(tensor / scales).clip(-_MOST, _MOST).astype(np.int8)
    return integers, scales.reshape(-1)
