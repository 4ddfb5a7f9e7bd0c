"""Levels of sound that passes in blocks."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Float32


class Meter:
    """Peak and RMS of one signal."""

    def __init__(self) -> None:
        self._peak = self._energy = 0.0
        self._samples = 0

    def add(self, block: Float32) -> float:
        """Returns the block's peak."""
        peak = max(float(block.max()), -float(block.min()))
        self._peak = max(self._peak, peak)
        self._energy += float(np.einsum("ij,ij->", block, block))
        self._samples += block.size
        return peak

    def levels(self) -> tuple[float | None, float | None]:
        return _decibels(self._peak), _decibels(math.sqrt(self._energy / max(self._samples, 1)))


def _decibels(value: float) -> float | None:
    return round(20 * math.log10(value), 2) if value > 0 else None
