"""How many examples a property is tried with, and of which sizes.

SPLEETERRT_TEST_SHARE: the share of the usual number, for machines on which everything takes long (`.ci/arm`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

SHARE = float(os.environ.get("SPLEETERRT_TEST_SHARE", "1"))


def examples(usual: int) -> int:
    return max(1, round(usual * SHARE))


def some(cases: Sequence[T]) -> Sequence[T]:
    """All of them, or that share, evenly."""
    return cases[:: max(1, round(1 / SHARE))]


def pairs(first: Sequence[T], second: Sequence[U]) -> list[tuple[T, U]]:
    """All of them, or as many as the longer sequence has, so that each of both comes in one at least."""
    if SHARE >= 1:
        return [(one, other) for one in first for other in second]
    return [(first[k % len(first)], second[k % len(second)]) for k in range(max(len(first), len(second)))]


def sized(usual: T, small: T) -> T:
    """The usual one, or what shows the same where everything takes long."""
    return usual if SHARE >= 1 else small
