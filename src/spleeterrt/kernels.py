"""The kernels on numpy arrays: what the network runs, validated at the boundary.

Images are float32 (height, width, channels), kernels TensorFlow's HWIO; results are new float32
arrays, arguments are never changed. `padding` is `"same"` (TensorFlow's rule: the odd zero comes
after), an integer p (PyTorch: p zeros on all sides), a pair of integers (one p for the height, one
for the width), or `((top, bottom), (left, right))`; the scalar functions take `"same"`, an integer or
`(before, after)`.

All functions raise `ArgumentError` (a `ValueError`) on another shape or value and `ArgumentTypeError` (a
`TypeError`) on another dtype; both are `SpleeterError`s.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from ._kernels import nn
from .arguments import flag, told
from .arrays import Float32, aligned_empty
from .errors import ArgumentError, ArgumentTypeError
from .network.layers import CHUNK_FLOATS, CHUNK_MIN_PIXELS, fold_batch_norm
from .network.method_plan import ACTIVATION_CODES

__all__ = [
    "activate",
    "col2im",
    "concat",
    "conv2d",
    "conv2d_transpose",
    "conv_out_dim",
    "fold_batch_norm",
    "gemm",
    "im2col",
    "scale_shift",
    "transpconv_out_dim",
]

Pair: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = Literal["same"] | int | tuple[int, int]
Padding2d: TypeAlias = Literal["same"] | int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
Activation: TypeAlias = Literal["LeakyReLU", "ReLU", "ELU", "sigmoid"] | None

_ACTIVATIONS = {**ACTIVATION_CODES, "sigmoid": 4}
_INT_MAX = 2**31 - 1  # the BLAS counts in 32-bit integers


# --- validation ---------------------------------------------------------------


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"{name}: expected an integer, got {told(value)}")
    if value < least:
        raise ArgumentError(f"{name}: expected at least {least}, got {value}")
    if value > _INT_MAX:  # products of two still fit into 64 bits
        raise ArgumentError(f"{name}: expected at most 2**31 - 1, got {value}")
    return int(value)


def _pair(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(f"{name}: expected an integer or two, got {value!r}")
        return _integer(name, value[0], least), _integer(name, value[1], least)
    number = _integer(name, value, least)
    return number, number


def _pads(padding: Any, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) of an explicit padding, or of TF's SAME rule for this size."""
    if isinstance(padding, str):
        if padding.lower() != "same":
            raise ArgumentError(f'padding: expected "same", an integer or (before, after), got {padding!r}')
        total = nn.same_padding(size, kernel, stride, dilation)
        return total // 2, total - total // 2
    return _pair("padding", padding, 0)


def _pads2d(
    padding: Any,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ArgumentError(f"padding: expected ((top, bottom), (left, right)), got {padding!r}")
        return _pair("padding", padding[0], 0), _pair("padding", padding[1], 0)
    rows, columns = (
        _pads(padding, size[axis], kernel[axis], stride[axis], dilation[axis]) for axis in (0, 1)
    )
    return rows, columns


def _array(name: str, value: Any, ndim: int, shape: str) -> Float32:
    array = _float32(name, value, shape)
    if array.ndim != ndim or 0 in array.shape:
        raise ArgumentError(f"{name}: expected a non-empty {shape}, got {array.shape}")
    return np.require(array, requirements=["C", "ALIGNED"])


def _float32(name: str, value: Any, shape: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise ArgumentError(f"{name}: expected float32 {shape}: {error}") from error
    if array.dtype != np.float32:
        raise ArgumentTypeError(f"{name}: expected float32 {shape}, got {array.dtype} {array.shape}")
    return array


def _check_fits(what: str, *counts: int) -> None:
    if any(count > _INT_MAX for count in counts):
        raise ArgumentError(f"{what}: a dimension exceeds 2**31 - 1: {counts}")


# --- shapes -------------------------------------------------------------------


def conv_out_dim(
    size: int, kernel: int, stride: int = 1, padding: Padding = "same", dilation: int = 1
) -> int:
    """Output size of a convolution along one axis.

    `"same"`: ceil(size / stride), TensorFlow's rule; else
    floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1, PyTorch's.

    Raises:
        ValueError: the dilated kernel does not fit into the padded input.
    """
    size, kernel = _integer("size", size, 1), _integer("kernel", kernel, 1)
    stride, dilation = _integer("stride", stride, 1), _integer("dilation", dilation, 1)
    pads = _pads(padding, size, kernel, stride, dilation)
    if isinstance(padding, str):
        return nn.conv_out_same(size, stride)
    out = nn.conv_out_padded(size, kernel, stride, sum(pads), dilation)
    if out < 1:
        raise ArgumentError(
            f"a kernel of {kernel} with dilation {dilation} does not fit into {size} samples padded by {pads}"
        )
    return out


def transpconv_out_dim(
    size: int, kernel: int, stride: int = 1, padding: Padding = "same", output_padding: int = 0
) -> int:
    """Output size of a transposed convolution along one axis.

    `"same"`: size * stride, TensorFlow's rule; else
    (size - 1) stride - before - after + kernel + output_padding, PyTorch's.

    Raises:
        ValueError: nothing would be left, or output_padding is not below the stride (or is given with
            `"same"`, which fixes the size).
    """
    size, kernel = _integer("size", size, 1), _integer("kernel", kernel, 1)
    stride, output_padding = _integer("stride", stride, 1), _integer("output_padding", output_padding, 0)
    pads = _pads(padding, size * stride, kernel, stride, 1)
    if isinstance(padding, str):
        if output_padding:
            raise ArgumentError('output_padding: padding="same" fixes the size to size * stride')
        return nn.transpconv_out_same(size, stride)
    if output_padding >= stride:
        raise ArgumentError(f"output_padding: expected less than the stride {stride}, got {output_padding}")
    out = nn.transpconv_out_padded(size, kernel, stride, sum(pads), output_padding)
    if out < 1:
        raise ArgumentError(f"padding {pads} crops all of the {size} samples' output")
    return out


def _grid(
    size: tuple[int, int], kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(grid, kernel, stride, dilation, (top, left)) of a convolution over an image."""
    kernel, stride, dilation = _pair("kernel", kernel), _pair("stride", stride), _pair("dilation", dilation)
    pads = _pads2d(padding, size, kernel, stride, dilation)
    same = isinstance(padding, str)
    grid = tuple(
        conv_out_dim(size[i], kernel[i], stride[i], "same" if same else pads[i], dilation[i]) for i in (0, 1)
    )
    return (grid[0], grid[1]), kernel, stride, dilation, (pads[0][0], pads[1][0])


# --- kernels ------------------------------------------------------------------


def im2col(
    x: Float32, kernel: Pair, stride: Pair = 1, padding: Padding2d = "same", dilation: Pair = 1
) -> Float32:
    """The patches of an image as rows of a matrix.

    Args:
        x: float32 (H, W, C).
        kernel: height and width, or one integer for both; likewise stride and dilation.

    Returns:
        float32 (OH * OW, KH * KW * C), a row per output pixel, columns in the order of an HWIO kernel.
    """
    x = _array("x", x, 3, "(height, width, channels)")
    grid, kernel, stride, dilation, pad = _grid((x.shape[0], x.shape[1]), kernel, stride, padding, dilation)
    cols = np.empty((grid[0] * grid[1], kernel[0] * kernel[1] * x.shape[2]), np.float32)
    nn.im2col(x, grid, kernel, stride, dilation, pad, cols)
    return cols


def col2im(
    cols: Float32,
    output_shape: tuple[int, int, int],
    kernel: Pair,
    stride: Pair = 1,
    padding: Padding2d = "same",
    dilation: Pair = 1,
) -> Float32:
    """Sums columns back into an image: the adjoint of `im2col` (not its inverse).

    Args:
        cols: float32 (OH * OW, KH * KW * C), as `im2col` of an image of output_shape gives.
        output_shape: (H, W, C).

    Returns:
        float32 (H, W, C), overlapping patches added.
    """
    cols = _array("cols", cols, 2, "(pixels, columns)")
    if not isinstance(output_shape, (tuple, list)) or len(output_shape) != 3:
        raise ArgumentError(f"output_shape: expected (height, width, channels), got {told(output_shape)}")
    h, w, c = (_integer("output_shape", n, 1) for n in output_shape)
    grid, kernel, stride, dilation, pad = _grid((h, w), kernel, stride, padding, dilation)
    expected = (grid[0] * grid[1], kernel[0] * kernel[1] * c)
    if cols.shape != expected:
        raise ArgumentError(f"cols: expected {expected} for an image of {(h, w, c)}, got {cols.shape}")
    x = np.zeros((h, w, c), np.float32)
    nn.col2im(cols, grid, kernel, stride, dilation, pad, x)
    return x


def gemm(a: Float32, b: Float32, trans_a: bool = False, trans_b: bool = False) -> Float32:
    """Matrix product op(a) @ op(b) of float32 matrices by the linked BLAS (`cblas_sgemm`), one thread.

    Builds without a BLAS (`spleeterrt info`: builtin) have a product of their own.
    """
    a, b = _array("a", a, 2, "matrix"), _array("b", b, 2, "matrix")
    trans_a, trans_b = flag("trans_a", trans_a), flag("trans_b", trans_b)
    m, k = a.shape[::-1] if trans_a else a.shape
    k_b, n = b.shape[::-1] if trans_b else b.shape
    if k != k_b:
        raise ArgumentError(f"gemm: inner dimensions differ: op(a) is {(m, k)}, op(b) is {(k_b, n)}")
    _check_fits("gemm", m, n, k)
    c = np.empty((m, n), np.float32)
    nn.gemm(a, trans_a, b, trans_b, c)
    return c


def conv2d(
    x: Float32,
    weights: Float32,
    bias: Float32 | None = None,
    stride: Pair = 1,
    padding: Padding2d = "same",
    dilation: Pair = 1,
) -> Float32:
    """Convolution (cross-correlation, as in TensorFlow and PyTorch) by im2col and GEMM.

    Args:
        x: float32 (H, W, C).
        weights: float32 (KH, KW, C, OC), HWIO.
        bias: float32 (OC,).

    Returns:
        float32 (OH, OW, OC).
    """
    x = _array("x", x, 3, "(height, width, channels)")
    weights = _array("weights", weights, 4, "(height, width, in, out)")
    kh, kw, into, out = weights.shape
    if into != x.shape[2]:
        raise ArgumentError(f"weights: expected {x.shape[2]} input channels, got {into}")
    bias = np.zeros(out, np.float32) if bias is None else _per_channel("bias", bias, out)
    grid, kernel, stride, dilation, pad = _grid((x.shape[0], x.shape[1]), (kh, kw), stride, padding, dilation)
    depth = kh * kw * into
    _check_fits("conv2d", depth, out)
    y = np.empty((*grid, out), np.float32)
    cols = aligned_empty((min(grid[0] * grid[1], max(CHUNK_FLOATS // depth, CHUNK_MIN_PIXELS)), depth))
    nn.conv2d(x, weights.reshape(depth, out), bias, kernel, stride, dilation, pad, cols, y)
    return y


def conv2d_transpose(
    x: Float32,
    weights: Float32,
    bias: Float32 | None = None,
    stride: Pair = 1,
    padding: Padding2d = "same",
    output_padding: Pair = 0,
) -> Float32:
    """Transposed convolution by GEMM and col2im: the adjoint of `conv2d` in its image.

    Args:
        x: float32 (H, W, C).
        weights: float32 (KH, KW, OC, C), TensorFlow's layout of transposed kernels.
        bias: float32 (OC,).

    Returns:
        float32 (OH, OW, OC), sizes by `transpconv_out_dim`.
    """
    x = _array("x", x, 3, "(height, width, channels)")
    weights = _array("weights", weights, 4, "(height, width, out, in)")
    kh, kw, out, into = weights.shape
    if into != x.shape[2]:
        raise ArgumentError(f"weights: expected {x.shape[2]} input channels, got {into}")
    bias = np.zeros(out, np.float32) if bias is None else _per_channel("bias", bias, out)
    stride = _pair("stride", stride)
    extra = _pair("output_padding", output_padding, 0)
    kernel = (kh, kw)
    grid = (x.shape[0], x.shape[1])
    full = (grid[0] * stride[0], grid[1] * stride[1])
    pads = _pads2d(padding, full, kernel, stride, (1, 1))
    same = isinstance(padding, str)
    size = [
        transpconv_out_dim(grid[i], kernel[i], stride[i], "same" if same else pads[i], extra[i])
        for i in (0, 1)
    ]
    depth = kh * kw * out
    _check_fits("conv2d_transpose", depth, into)
    y = np.empty((*size, out), np.float32)
    rows = max(1, min(grid[0], CHUNK_FLOATS // (depth * grid[1])))
    cols = aligned_empty((rows * grid[1], depth))
    nn.conv2d_transpose(
        x, weights.reshape(depth, into), kernel, stride, (pads[0][0], pads[1][0]), cols, rows, y
    )
    y += bias
    return y


def _per_channel(name: str, value: Float32, channels: int) -> Float32:
    array = _array(name, value, 1, "(channels,)")
    if array.shape != (channels,):
        raise ArgumentError(f"{name}: expected ({channels},), got {array.shape}")
    return array


def activate(x: Float32, activation: Activation) -> Float32:
    """`"LeakyReLU"` (slope 0.2), `"ReLU"`, `"ELU"` (alpha 1), `"sigmoid"` or None, of any shape."""
    array = np.require(_float32("x", x, "array"), requirements=["C", "ALIGNED"])
    y = np.empty_like(array)
    if array.size:
        nn.activate(array.reshape(-1), _activation(activation), y.reshape(-1))
    return y


def _activation(activation: Any) -> int:
    if not (activation is None or isinstance(activation, str)) or activation not in _ACTIVATIONS:
        raise ArgumentError(f"activation: expected one of {list(_ACTIVATIONS)}, got {told(activation)}")
    return _ACTIVATIONS[activation]


def scale_shift(x: Float32, scale: Float32, shift: Float32, activation: Activation = None) -> Float32:
    """Folded batch norm, then an activation: activation(x * scale + shift); x float32 (H, W, C)."""
    x = _array("x", x, 3, "(height, width, channels)")
    channels = x.shape[2]
    scale, shift = _per_channel("scale", scale, channels), _per_channel("shift", shift, channels)
    raw = x.reshape(-1, channels).copy()
    out = np.empty_like(raw)
    nn.bias_norm_activate(
        raw, 0, channels, np.zeros(channels, np.float32), scale, shift, _activation(activation), out
    )
    shaped: Float32 = out.reshape(x.shape)
    return shaped


def concat(first: Float32, second: Float32) -> Float32:
    """Concatenation along the channels: (H, W, A), (H, W, B) -> (H, W, A + B).

    The network itself never copies for it: both layers write into their channels of one buffer.
    """
    first = _array("first", first, 3, "(height, width, channels)")
    second = _array("second", second, 3, "(height, width, channels)")
    if first.shape[:2] != second.shape[:2]:
        raise ArgumentError(f"concat: images differ in size: {first.shape[:2]} and {second.shape[:2]}")
    joined: Float32 = np.concatenate([first, second], axis=2)
    return joined
