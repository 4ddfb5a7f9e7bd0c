"""Spleeter's `model.functions.blstm`."""

from __future__ import annotations

from ..._tensorflow import needs_tensorflow

__getattr__ = needs_tensorflow(__name__, "apply_blstm", "blstm")
