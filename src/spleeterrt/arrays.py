"""Arrays as the kernels take them, and samples that they can work on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._kernels import spectral
from .errors import SpleeterError

Float32 = npt.NDArray[np.float32]
Complex64 = npt.NDArray[np.complex64]

ALIGNMENT = 64  # bytes; a BLAS may round differently for other alignments

LARGEST_SAMPLE: float = spectral.LARGEST_SAMPLE  # the squares of louder signals' spectra leave float32


def aligned_empty(shape: tuple[int, ...]) -> Float32:
    """An uninitialised float32 array whose rows (all but the last axis) start at 64-byte boundaries
    where the last axis is a multiple of 16.
    """
    count = int(np.prod(shape))
    raw = np.empty(count + ALIGNMENT // 4, np.float32)
    shift = (-raw.ctypes.data % ALIGNMENT) // 4
    return raw[shift : shift + count].reshape(shape)


def aligned_zeros(shape: tuple[int, ...]) -> Float32:
    """The same, of zeros: memory that is never written is never taken."""
    count = int(np.prod(shape))
    raw = np.zeros(count + ALIGNMENT // 4, np.float32)
    shift = (-raw.ctypes.data % ALIGNMENT) // 4
    return raw[shift : shift + count].reshape(shape)


def check_finite(block: Float32, position: int, sample_rate: int) -> None:
    """Raise `SpleeterError` at the first sample that is NaN, infinite or absurdly large.

    position: index of the block's first sample in the signal.
    """
    at = spectral.first_beyond(block, LARGEST_SAMPLE)
    if at == len(block):
        return
    first = position + at
    raise SpleeterError(
        f"waveform: sample {first} ({first / sample_rate:.3f} s) is not a finite number or far beyond "
        "full scale (1.0); a separation of it would be noise. Repair the input first"
    )
