"""How many examples a property is tried with.

SPLEETERRT_TEST_SHARE: the share of the usual number, for machines on which everything takes long (`.ci/arm`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHARE = float(os.environ.get("SPLEETERRT_TEST_SHARE", "1"))


def examples(usual: int) -> int:
    return max(1, round(usual * SHARE))


def some(cases: Sequence[T]) -> Sequence[T]:
    """All of them, or that share, evenly."""
    return cases[:: max(1, round(1 / SHARE))]
