"""Spleeter's `utils.tensor`."""

from __future__ import annotations

from .._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(
    __name__,
    "check_tensor_shape",
    "dataset_from_csv",
    "from_float32_to_uint8",
    "from_uint8_to_float32",
    "pad_and_partition",
    "pad_and_reshape",
    "set_tensor_shape",
    "sync_apply",
)
