"""How much memory a separation takes at most, by what Python and numpy allocate."""

from __future__ import annotations

import tracemalloc

import numpy as np

from spleeterrt import Separator


def peak(separator: Separator, block: np.ndarray, repeats: int) -> int:
    """Bytes, for that many blocks one after the other."""
    tracemalloc.start()
    for _ in separator.separate_blocks(block for _ in range(repeats)):
        pass
    _, high = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return high
