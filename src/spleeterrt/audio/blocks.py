"""Blocks of sizes that a decoder chose, read in blocks of any size: `BlockSource`, `Recut`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .resample import fit

if TYPE_CHECKING:
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


class Recut:
    """float32 blocks of any size, cut anew."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]], channels: int) -> None:
        self._blocks = iter(blocks)
        self._held = np.empty((0, channels), np.float32)

    def take(self, frames: int) -> NDArray[np.float32]:
        """The next `frames`; silence after the end."""
        parts, held = [self._held], len(self._held)
        while held < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            held += len(block)
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._held = joined[frames:].copy()
        return fit(joined, frames)


def cut_short(path: object, declared: int, decoded: int, rate: int) -> str:
    """The warning of a file that has fewer frames than its header tells."""
    seconds = f"{decoded / rate:.1f} of {declared / rate:.1f} s"
    return f"{path}: the file says {declared} frames, only {decoded} could be decoded ({seconds})"
