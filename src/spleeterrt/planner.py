"""Which method runs each layer.

A plan follows from the network's widths, the instruction set, the memory profile, T and F only: never from
the number of segments, of threads, or a timing, so that the same input gives the same bits.

- `reference`: im2col / col2im and the BLAS.
- `direct`: the outer layers e1, d6 and the mask by loops of their own, strip by strip with e2 and d5.
- `winograd2`, `winograd4`: polyphase and Winograd in tiles of 2 x 2 or 4 x 4: 0.49 or 0.30 of the
  multiplications, for 1.96 or 4.84 times the memory of the weights, which are transformed at load.
- `lazy2`, `lazy4`: the same with the weights as they are, transformed block by block during the layer;
  `lazy`: in tiles that suit T and F.
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
    "lazy2": nn.METHOD_WINOGRAD2,
    "lazy4": nn.METHOD_WINOGRAD4,
}
TILES = {"winograd2": 2, "winograd4": 4, "lazy2": 2, "lazy4": 4}
LAZY = ("lazy", "lazy2", "lazy4")
BLOCK = 16  # the fast kernels take channels by sixteens; others are padded with zeros

# Layers with at most so many pairs of channels store transformed weights. The others hold most weights of a
# network: transformed, they would take five times the memory and have to be read from it; done
# during the layer, the transformation costs as much as the products of five tiles. It costs the transposed
# convolutions more.
MOST_STORED = {"encoder": 128 * 128, "decoder": 128 * 512}
MOST_STORED_LOW_MEMORY = {"encoder": 0, "decoder": 0}

# Vector operations to transform the weights of one input channel and 16 output channels, by tile; the
# products take one per tile and point. (Measured on AVX-512; only their proportion matters.)
FILTER_COST = {2: 250, 4: 585}


def padded(channels: int, isa: str | None) -> int:
    """Channels as the kernels of `isa` hold them."""
    return channels if isa is None else -(-channels // BLOCK) * BLOCK


class Plan(NamedTuple):
    """`methods`: of the 13 layers e1..e6, d1..d6, out; `isa`: of the fast ones, or None; `compact`:
    workspaces as small as can be.
    """

    methods: tuple[str, ...]
    isa: str | None
    compact: bool = False


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


def make_plan(config: ModelConfig, isa: str | None, low_memory: bool = False) -> Plan:
    """The method of each layer of a network; None for the instruction set: the reference path.

    low_memory: all weights stay as they are, and workspaces are compact.
    """
    from .layers import channels

    widths = channels(config, isa)
    if isa is None:
        return Plan(("reference",) * len(widths), None)
    most = MOST_STORED_LOW_MEMORY if low_memory else MOST_STORED
    methods = [
        "winograd4" if into * out <= most["encoder" if index < DEPTH else "decoder"] else "lazy"
        for index, (into, out) in enumerate(widths)
    ]
    for index in (0, 2 * DEPTH - 1, 2 * DEPTH):
        methods[index] = "direct"
    return Plan(tuple(methods), isa, low_memory)


def pass_tiles(into: int, out: int, compact: bool = False) -> int:
    """Tiles that a Winograd layer takes through all its stages together. Deep layers read more weights than
    data: more tiles per reading.
    """
    if compact:
        return 12
    return 32 if into * out > 128 * 128 else 16


def tile_cost(tile: int, grid: tuple[int, int], tiles_at_a_time: int) -> int:
    """Vector operations of a lazy layer per input channel and 16 output channels, on a grid of tiles (outputs
    of the convolution, inputs of the transposed one).
    """
    tiles = -(-grid[0] // tile) * -(-grid[1] // tile)
    return tiles * (2 * tile + 3) ** 2 + -(-tiles // tiles_at_a_time) * FILTER_COST[tile]


def methods_at(config: ModelConfig, plan: Plan, frames: int, bins: int) -> tuple[str, ...]:
    """The plan's methods for inputs of frames x bins: `lazy` becomes `lazy2` or `lazy4`."""
    from .layers import channels

    methods = []
    for index, (method, (into, out)) in enumerate(zip(plan.methods, channels(config, plan.isa), strict=True)):
        if method == "lazy":
            level = index + 1 if index < DEPTH else 2 * DEPTH - index
            grid = (frames >> level, bins >> level)
            at_a_time = pass_tiles(into, out, plan.compact)
            method = f"lazy{min((4, 2), key=lambda tile: tile_cost(tile, grid, at_a_time))}"
        methods.append(method)
    return tuple(methods)
