"""Spleeter's `dataset`: the input of its training."""

from __future__ import annotations

from ._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(
    __name__,
    "DatasetBuilder",
    "InstrumentDatasetBuilder",
    "get_training_dataset",
    "get_validation_dataset",
)
