"""`BlockSource`: what a decoder gives in blocks of its own sizes, read in blocks of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BlockSource:
    """The half of an `AudioSource` that reads; (n, channels) everywhere."""

    _blocks: Iterator[NDArray[Any]]  # what the decoder gives
    _ready: NDArray[Any]  # what it has given and nobody has read

    def read(self, step: NDArray[np.float32]) -> int:
        """Fill `step`; how many frames there were, fewer at the end only."""
        filled = 0
        while filled < len(step):
            if not len(self._ready):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._ready = block
            count = min(len(step) - filled, len(self._ready))
            step[filled : filled + count] = self._ready[:count]
            self._ready = self._ready[count:]
            filled += count
        return filled


def cut_short(path: object, declared: int, decoded: int, rate: int) -> str:
    """The warning of a file that has fewer frames than its header tells."""
    seconds = f"{decoded / rate:.1f} of {declared / rate:.1f} s"
    return f"{path}: the file says {declared} frames, only {decoded} could be decoded ({seconds})"
