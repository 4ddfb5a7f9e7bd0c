"""Which method runs each layer.

A plan follows from the network's widths, the instruction set and the memory profile only: never from
the number of segments, of threads, or a timing, so that the same input gives the same bits.

- `reference`: im2col / col2im and the BLAS.
- `direct`: e1, d6 and the mask by loops of their own; their few channels suit no matrix product.
- `winograd2`, `winograd4`: polyphase and Winograd in tiles of 2 x 2 or 4 x 4: 0.49 or 0.30 of the
  multiplications, for 1.96 or 4.84 times the memory of the weights.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ._kernels import nn
from .config import DEPTH, ModelConfig
from .errors import SpleeterError

METHODS = {
    "reference": nn.METHOD_REFERENCE,
    "direct": nn.METHOD_DIRECT,
    "winograd2": nn.METHOD_WINOGRAD2,
    "winograd4": nn.METHOD_WINOGRAD4,
}
TILES = {"winograd2": 2, "winograd4": 4}
BLOCK = 16  # the fast kernels take channels by sixteens

# Transformed weights of all stems together stay below this, in bytes.
WEIGHT_BUDGET = 350_000_000
LOW_MEMORY_BUDGET = 0  # as small as the plan can make them

# A layer with more weights than this takes small tiles: reading 4.84 times as much of them from memory
# costs more than the multiplications it saves.
MOST_WEIGHTS_OF_LARGE_TILES = 25 * 256 * 512


class Plan(NamedTuple):
    """`methods`: of the 13 layers e1..e6, d1..d6, out; `isa`: of the fast ones, or None."""

    methods: tuple[str, ...]
    isa: str | None


def default_isa() -> str | None:
    """The best instruction set of this CPU, or the one that the variable SPLEETERRT_ISA names.

    Raises:
        SpleeterError: the variable names one that this CPU or build does not have.
    """
    wanted = os.environ.get("SPLEETERRT_ISA", "")
    if not wanted:
        return nn.FAST_ISAS[0] if nn.FAST_ISAS else None
    if wanted == "reference":
        return None
    if wanted not in nn.FAST_ISAS:
        raise SpleeterError(
            f"SPLEETERRT_ISA: expected one of {[*nn.FAST_ISAS, 'reference']} on this machine, got {wanted!r}"
        )
    return wanted


def make_plan(config: ModelConfig, isa: str | None, budget: int = WEIGHT_BUDGET) -> Plan:
    """The method of each layer of a network.

    Starts with the fastest and takes smaller weights, for the largest layers first, until those of all
    stems fit the budget (bytes).
    """
    from .layers import channels, weight_layout

    widths = channels(config)
    if isa is None:
        return Plan(("reference",) * len(widths), None)

    def size(index: int) -> int:
        return 25 * widths[index][0] * widths[index][1]

    def fastest(index: int) -> str:
        into, out = widths[index]
        if index == 2 * DEPTH:
            return "direct"
        if index == 0:
            return "direct" if out % BLOCK == 0 else "reference"
        if index == 2 * DEPTH - 1:
            return "direct" if into % BLOCK == 0 else "reference"
        if into % BLOCK or out % BLOCK:
            return "reference"
        return "winograd4" if size(index) < MOST_WEIGHTS_OF_LARGE_TILES else "winograd2"

    methods = [fastest(index) for index in range(len(widths))]
    # The few layers that hold nearly all weights; the others would lose speed for nothing.
    largest = max(map(size, range(len(widths))))
    largest_first = sorted(
        (index for index in range(len(widths)) if 4 * size(index) >= largest), key=size, reverse=True
    )
    for smaller, larger in (("winograd2", "winograd4"), ("reference", "winograd2")):
        for index in largest_first:
            plan = Plan(tuple(methods), isa)
            if 4 * weight_layout(config, plan).size * len(config.instruments) <= budget:
                return plan
            if methods[index] == larger:
                methods[index] = smaller
    return Plan(tuple(methods), isa)
