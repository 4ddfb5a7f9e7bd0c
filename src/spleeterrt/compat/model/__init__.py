"""Spleeter's `model`: its networks in TensorFlow. Those of this package: `spleeterrt.load_model`."""

from __future__ import annotations

from .._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(
    __name__,
    "EstimatorSpecBuilder",
    "InputProvider",
    "InputProviderFactory",
    "WaveformInputProvider",
    "get_model_function",
    "model_fn",
)
