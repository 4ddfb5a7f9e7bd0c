"""The rules by which random networks of the official sizes are drawn; see `make_checkpoints.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

GAIN = 1 / 8  # 1 / rms of the STFT magnitudes of loud music, roughly
FILTERS = (16, 32, 64, 128, 256, 512)  # of the official networks


def draw(name: str, shape: list, rng: np.random.Generator, first: float, last: float) -> np.ndarray:
    """Values for the variable `name`; `first` and `last` scale the first and last kernels of each network."""
    if name.endswith("moving_mean"):
        return rng.normal(0, 0.3, shape)
    if name.endswith("moving_variance"):
        return rng.uniform(0.5, 2, shape)
    if name.endswith("gamma"):
        return rng.uniform(0.5, 1.5, shape)
    if name.endswith("beta"):
        return rng.normal(0, 0.2, shape)
    if name.endswith("bias"):
        return rng.normal(0, 0.1, shape)
    if not name.endswith("kernel"):
        raise ValueError(f"unexpected variable {name} {shape}")
    # He's rule. A transposed kernel is (H, W, out, in), and with stride 2 a quarter of its taps meet.
    fan_in = shape[0] * shape[1] * (shape[3] / 4 if "transpose" in name else shape[2])
    kernel = rng.uniform(-1, 1, shape) * np.sqrt(6 / fan_in)
    if "transpose" not in name:
        kernel *= {2: first, 1: last}.get(shape[2], 1.0)  # 2 channels of music, 1 of the last layer but one
    return kernel


def write_random_model(folder: Path, stems: int, filters: tuple[int, ...] = FILTERS, seed: int = 0) -> None:
    """Draw a model and write its checkpoint without TensorFlow."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.checkpoint_writer import random_tensors, write_checkpoint

    rng = np.random.default_rng(seed)
    drawn = {
        name: draw(name, list(value.shape), rng, GAIN, 1.0).astype(np.float32) if value.ndim else value
        for name, value in random_tensors(stems, filters).items()
    }
    write_checkpoint(folder, drawn)
