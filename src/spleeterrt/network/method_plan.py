"""Which method runs each layer: the face of `_kernels/core/network`.

A plan follows from the network's widths, what its kernels are stored in, the instruction set, the memory
profile, T and F only: never from the number of segments, of threads, or a timing, so that the same input
gives the same bits.

- `reference`: im2col / col2im and the BLAS.
- `direct`: the outer layers e1, d6 and the mask by loops of their own, strip by strip with e2 and d5.
- `winograd2`, `winograd4`: polyphase and Winograd in tiles of 2 x 2 or 4 x 4: 0.49 or 0.30 of the
  multiplications, for 1.96 or 4.84 times the memory of the weights, which are transformed at load.
- `staged4`: the same with the weights as they are, all transformed into the workspace at the layer's start,
  with the bits of `winograd4`.
- `lazy2`, `lazy4`: with the weights as they are, transformed block by block during the layer; `lazy`: in
  tiles that suit T and F.
- `rows4`: the same in tiles of 1 x 4, along frequency alone: for images of few rows.

What is transformed at or during the layer may be kept in float16 or int8: it becomes float32 first. The
environment variable SPLEETERRT_PLAN says how weights are kept, with the same bits: `auto`, `stored`, `plain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from .._kernels import nn
from ..errors import ArgumentError, SpleeterError
from .config import ACTIVATIONS, DEPTH, ModelConfig

TILES: dict[str, int] = {method: tile for method, tile, _ in nn.METHODS if tile}
LAZY: tuple[str, ...] = tuple(method for method, _, lazy in nn.METHODS if lazy)
STAGED, ROWS = "staged4", "rows4"
LAYERS = 2 * DEPTH + 1
ACTIVATION_CODES: dict[str | None, int] = {
    None: 0,
    **{name: nn.activation_code(name) for name in ACTIVATIONS},
}

# Vector operations to transform the weights of one input channel and 16 output channels, by tile; the
# products take one per tile and point.
FILTER_COST: dict[int, int] = {tile: nn.filter_cost(tile) for tile in (1, 2, 4)}

Network: TypeAlias = tuple[int, tuple[int, ...], int, int]


class Plan(NamedTuple):
    """`methods`: of the 13 layers e1..e6, d1..d6, out; `isa`: of the fast ones, or None; `compact`:
    workspaces as small as can be; `types`: what each layer's kernel is kept in, one of `names.DTYPES`.
    """

    methods: tuple[str, ...]
    isa: str | None
    compact: bool = False
    types: tuple[str, ...] = ("float32",) * LAYERS


def network_of(config: ModelConfig) -> Network:
    """What the kernels want to know of a configuration."""
    return (
        config.n_channels,
        config.conv_n_filters,
        ACTIVATION_CODES[config.conv_activation],
        ACTIVATION_CODES[config.deconv_activation],
    )


def network_fields(network: Network) -> dict[str, Any]:
    """The fields of a `ModelConfig` that `network_of` gives the kernels."""
    names = {code: name for name, code in ACTIVATION_CODES.items()}
    channels, filters, conv, deconv = network
    return {
        "n_channels": channels,
        "conv_n_filters": filters,
        "conv_activation": names[conv],
        "deconv_activation": names[deconv],
    }


def default_isa() -> str | None:
    """The best instruction set of this CPU, or the one that the variable SPLEETERRT_ISA names.

    Raises:
        SpleeterError: the variable names one that this CPU or build does not have, or SPLEETERRT_PLAN is
            none of its words.
    """
    try:
        return nn.default_isa()
    except ValueError as error:
        raise SpleeterError(str(error)) from error


def make_plan(
    config: ModelConfig, isa: str | None, low_memory: bool = False, types: Sequence[str] | None = None
) -> Plan:
    """The method of each layer of a network; None for the instruction set: the reference path.

    low_memory: all weights stay as they are, and workspaces are compact. types: what the layers' kernels are
    stored in, None: float32; small ones stay small where they can, with the bits of float32.
    """
    methods, compact, kept = nn.make_plan(network_of(config), isa, low_memory, types)
    return Plan(methods, isa, compact, kept)


def check_plan(plan: Plan) -> None:
    """Raise `ArgumentError` for a plan that cannot run: the outer layers are fast together with e2 and d5."""
    try:
        nn.check_plan(plan)
    except ValueError as error:
        raise ArgumentError(str(error)) from error


def methods_at(config: ModelConfig, plan: Plan, frames: int, bins: int) -> tuple[str, ...]:
    """The plan's methods for inputs of frames x bins: `lazy` becomes `lazy2`, `lazy4` or `rows4`."""
    return nn.methods_at(network_of(config), plan, frames, bins)


def pass_tiles(into: int, out: int, compact: bool = False) -> int:
    """Tiles that a Winograd layer takes through all its stages together."""
    return nn.pass_tiles(into, out, compact)


def row_tiles(into: int, out: int, compact: bool, h: int, w: int) -> int:
    """Of `rows4` on a grid of h x w: tiles along frequency that go through together, each with all rows."""
    return nn.row_tiles(into, out, compact, h, w)
