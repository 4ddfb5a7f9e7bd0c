"""Spleeter's `types`."""

from __future__ import annotations

from typing import Any

import numpy as np

AudioDescriptor = Any
Signal = tuple[np.ndarray, float]
