"""The tensors of one stem's network: names, shapes and their validation.

Every stem is named as if it stood alone: `conv2d[_k]` for the six encoder layers and the output
layer (k = 6), `batch_normalization[_k]` for encoder (k < 6) and decoder (k >= 6),
`conv2d_transpose[_k]` for the decoder. Source: Spleeter 2.4.2, `model/functions/unet.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._kernels import nn
from ..errors import ModelError
from .config import DEPTH, ModelConfig
from .method_plan import network_of

Tensor: TypeAlias = npt.NDArray[np.float32]
StemWeights: TypeAlias = dict[str, Tensor]

LAYERS_PER_STEM = {"conv2d": DEPTH + 1, "batch_normalization": 2 * DEPTH, "conv2d_transpose": DEPTH}


def layer_name(kind: str, number: int) -> str:
    """Keras' name of the `number`-th layer of its kind: `conv2d`, `conv2d_1`, ..."""
    return f"{kind}_{number}" if number else kind


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of one stem's tensors: convolutions are H, W, in, out; transposed ones H, W, out, in.

    The decoder's layers after the first read the concatenation of the skip and the layer before,
    which have the same width: hence twice the skip's channels.
    """
    return {name: shape for layer in nn.tensor_shapes(network_of(config)) for name, shape in layer.items()}


def checkpoint_name(name: str, stem: int) -> str:
    """The checkpoint's name of a stem's tensor: layers are numbered on from stem to stem.

    `checkpoint_name("conv2d_3/kernel", 1)` is `"conv2d_10/kernel"`.
    """
    layer, part = name.split("/")
    kind, number = layer, 0
    if kind not in LAYERS_PER_STEM:
        kind, _, digits = layer.rpartition("_")
        number = int(digits)
    return f"{layer_name(kind, number + stem * LAYERS_PER_STEM[kind])}/{part}"


def check_shape(where: str, expected: tuple[int, ...], got: tuple[int, ...]) -> None:
    """Raise `ModelError` unless the shapes agree; `where` names file, stem and tensor."""
    if expected != got:
        raise ModelError(f"{where}: expected shape {expected}, got {got}")


def check_finite_tensor(where: str, tensor: Tensor) -> None:
    """Raise `ModelError` if the tensor holds NaN or infinity; `where` names file, stem and tensor."""
    if not np.isfinite(tensor).all():
        raise ModelError(f"{where}: holds values that are not finite")


def check_weights(config: ModelConfig, weights: Mapping[str, StemWeights], origin: object) -> None:
    """Check that every stem has every tensor: float32, right shape, finite.

    Args:
        weights: by stem name, tensors by their name in a stem that stands alone.
        origin: the file or folder the weights come from, for the message.

    Raises:
        ModelError: names origin, stem and tensor.
    """
    shapes = expected_shapes(config)
    for stem in config.instruments:
        if stem not in weights:
            raise ModelError(f"{origin}: no weights for stem {stem!r}")
        for name, shape in shapes.items():
            where = f"{origin}: stem {stem!r}, tensor {name}"
            tensor = weights[stem].get(name)
            if tensor is None:
                raise ModelError(f"{where}: missing")
            if tensor.dtype != np.float32:
                raise ModelError(f"{where}: expected float32, got {tensor.dtype}")
            check_shape(where, shape, tensor.shape)
            check_finite_tensor(where, tensor)
