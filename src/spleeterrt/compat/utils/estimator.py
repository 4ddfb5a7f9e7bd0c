"""Spleeter 1's `utils.estimator`."""

from __future__ import annotations

from .._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(__name__, "create_estimator", "to_predictor")
