"""CRC-32C (Castagnoli) of bytes and arrays, plain and in LevelDB's masked form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._kernels import machine

_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | npt.NDArray[Any]) -> int:
    """CRC-32C of bytes, or of a C-contiguous array's memory (read in place, not copied)."""
    if isinstance(data, np.ndarray):
        data = data.reshape(-1).view(np.uint8)
    return machine.crc32c(data)


def masked_crc32c(data: bytes | npt.NDArray[Any]) -> int:
    """CRC-32C as LevelDB and TensorFlow store it: rotated and offset (LevelDB `util/crc32c.h`).

    The mask keeps the checksum of data that itself holds checksums from degenerating.
    """
    return mask(crc32c(data))


def extend(crc: int, data: bytes | npt.NDArray[np.uint8]) -> int:
    """CRC-32C of what `crc` is that of, and `data` behind it."""
    return machine.crc32c(data, crc)


def mask(crc: int) -> int:
    """LevelDB's masked form of a CRC-32C."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
