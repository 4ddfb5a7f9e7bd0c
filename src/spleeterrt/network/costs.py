"""What a layer costs: operations and bytes, and from them milliseconds.

A model of the kernels in `_kernels`, from shapes and methods alone. What computes is counted in
operations on one channel (one column, where vectors run along frequency), each as long as a
multiply-add of the products; loads, stores and additions of the transforms count the same, because each
is one instruction. What must cross memory is counted in bytes. Two constants of the machine
(`measure_machine`) turn both into seconds:

    seconds = max(operations / rate of multiply-adds, bytes / rate of a copy)

The larger of the two for the fast layers, which fetch what comes next while they multiply (on a Zen 4 the sum
predicted up to 1.9 times the measured time where memory is the limit). On Intel's server cores it is the sum:
what is fetched early takes its time from the products (on an Emerald Rapids core layers take 0.81 to 1.29 of
the sum, but 1.18 to 1.59 of the larger one). The reference path does not fetch early: its bytes always add
to the operations. What stays in the caches is free.

The counts depend on the configuration, the plan and the size alone. The constants of this module are
counted in the kernels' sources, or estimated or measured where they say so (on a Zen 4); none belongs to one
layer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .._kernels import nn
from ..arrays import aligned_zeros
from .config import DEPTH, ModelConfig
from .layers import CHUNK_FLOATS, CHUNK_MIN_PIXELS, channels
from .method_plan import FILTER_COST, LAZY, ROWS, STAGED, TILES, Plan, methods_at, pass_tiles, row_tiles

# --- operations ------------------------------------------------------------------------------

# Operations of the one-dimensional transforms F(tile, 3) as points.h writes them, loads and stores included:
# of the samples of the phase of three taps and of two, of the products with and without the last point.
DATA = {2: (4 + 4 + 4, 3 + 3 + 3), 4: (16 + 6 + 6, 13 + 5 + 5)}
OUTPUT = {2: (4 + 4 + 2, 3 + 3 + 2), 4: (13 + 6 + 4, 12 + 5 + 4)}
# Of an output element, estimated: bias, norm, stores; and its activation.
FINISH = 6
ACTIVATION = {"LeakyReLU": 2, "ReLU": 1, "ELU": 20}
SIGMOID = 20
EXPAND = 2  # of a small weight that becomes float32
TRANSPOSE = 6  # estimated, of an element that changes from channels to columns in registers
# The reference path, measured: im2col and col2im take so much for a run of neighbours and for each of them;
# the BLAS as if the depth were larger and the width whole panels, and packs the weights for every chunk of
# pixels.
RUN, RUN_ELEMENT = 45, 8
GEMM_DEPTH, GEMM_WIDTH, GEMM_PACK = 16, 16, 10
# Measured: multiply-adds of the BLAS, which takes the best instructions, in the time of one operation of
# these kernels (generic: four lanes, no fused multiply-add; neon, for want of a machine: by instructions).
SLOWNESS = {"avx512": 1.0, "avx2": 1.1, "generic": 3.2, "neon": 1.8}
# As much again for all sets but AVX-512 where that, which the BLAS uses, has its full width (Intel; a Zen 4
# takes two steps): measured on an Emerald Rapids.
FULL_WIDTH = 1.75


PLAIN = (*LAZY, STAGED)


class Cost(NamedTuple):
    """Of a layer, one segment.

    Attributes:
        products: multiply-adds of the products.
        others: operations of everything else: transforms, bias, norm, activation, columns.
        bytes: that cross memory meanwhile.
        exposed: bytes that are waited for.
    """

    products: float
    others: float
    bytes: float
    exposed: float = 0.0

    @property
    def operations(self) -> float:
        return self.products + self.others

    def plus(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))


class Machine(NamedTuple):
    """Multiply-adds per second of a large matrix product, bytes per second of a large copy; of one thread.

    hides_memory: whether what is fetched while it multiplies costs no time of its own.
    full_width: whether its AVX-512 does twice as much in a cycle as its AVX2.
    """

    multiply_adds: float
    bytes: float
    hides_memory: bool = True
    full_width: bool = False

    def faster(self, other: Machine) -> Machine:
        """The higher rate of each."""
        multiply_adds, bytes_ = max(self.multiply_adds, other.multiply_adds), max(self.bytes, other.bytes)
        return self._replace(multiply_adds=multiply_adds, bytes=bytes_)

    def seconds(self, cost: Cost, isa: str | None) -> float:
        """Of kernels for `isa`; None: of the reference path."""
        slowness = 1.0 if isa is None else SLOWNESS[isa]
        if self.full_width and isa not in (None, "avx512"):
            slowness *= FULL_WIDTH
        computing, fetching = cost.operations * slowness / self.multiply_adds, cost.bytes / self.bytes
        together = max(computing, fetching) if self.hides_memory else computing + fetching
        return together + cost.exposed / self.bytes


class Shape(NamedTuple):
    """What a layer's cost depends on.

    Attributes:
        layer: its number, 0 to 12.
        method: a resolved one (`planner.methods_at`).
        into, out: channels, padded.
        h, w: the coarser grid of input and output.
        pass_tiles: tiles that go through a Winograd layer together; of `rows4` columns of them.
        finish: operations on each output element after the products.
        weight_bytes: of a number of the kernel, as it is kept.
    """

    layer: int
    method: str
    into: int
    out: int
    h: int
    w: int
    pass_tiles: int
    finish: int
    weight_bytes: int = 4

    @property
    def decoder(self) -> bool:
        return DEPTH <= self.layer < 2 * DEPTH

    @property
    def grid(self) -> int:
        return self.h * self.w


def shapes(config: ModelConfig, plan: Plan, frames: int, bins: int) -> tuple[Shape, ...]:
    """Of the 13 layers, for inputs of frames x bins."""
    result = []
    methods = methods_at(config, plan, frames, bins)
    for index, (method, (into, out)) in enumerate(zip(methods, channels(config, plan.isa), strict=True)):
        level = index + 1 if index < DEPTH else 2 * DEPTH - index
        activation = config.conv_activation if index < DEPTH else config.deconv_activation
        finish = FINISH + (SIGMOID if index == 2 * DEPTH else ACTIVATION[activation])
        h, w = frames >> level, bins >> level
        rows = method == ROWS
        tiles = row_tiles(into, out, plan.compact, h, w) if rows else pass_tiles(into, out, plan.compact)
        size = np.dtype(plan.types[index]).itemsize
        result.append(Shape(index, method, into, out, h, w, tiles, finish, size))
    return tuple(result)


def layer_cost(shape: Shape) -> Cost:
    """Of one layer of one stem's network, on one segment."""
    if shape.method == ROWS:
        return _rows(shape)
    if shape.method in TILES:
        return _winograd(shape)
    if shape.method == "direct":
        return {0: _first, 2 * DEPTH - 1: _last, 2 * DEPTH: _mask}[shape.layer](shape)
    return _reference(shape)


def _winograd(s: Shape) -> Cost:
    m = TILES[s.method]
    n = m + 2
    lines = 2 * n - 1  # phases and points along one dimension
    tiles = math.ceil(s.h / m) * math.ceil(s.w / m)
    products = tiles * lines**2 * s.into * s.out
    # Along time every column of a strip of tiles once, along frequency every line of a tile.
    three, two = DATA[m]
    if s.decoder:
        step, size, strip = m, n, 8
        line = three
    else:
        step, size, strip = 2 * m, lines, 8 if m == 2 else 4
        line = three + two
    data = tiles * s.into * line * ((step * (strip - 1) + size) / strip + size)
    with_infinity, without = OUTPUT[m]
    outputs: float = tiles * s.out * (n + m) * with_infinity
    elements = s.grid * s.out * (4 if s.decoder else 1)
    if s.decoder:  # four phases, of n and n - 1 points each way
        outputs = tiles * s.out * 2 * (with_infinity + without) * (n - 0.5 + m)
    others = data + outputs + elements * s.finish
    weights = s.into * s.out * (25 if s.method in PLAIN else lines**2)
    if s.method in PLAIN:
        times = 1 if s.method == STAGED else math.ceil(tiles / s.pass_tiles)
        others += times * (FILTER_COST[m] + (EXPAND * 25 if s.weight_bytes < 4 else 0)) * s.into * s.out
    return Cost(products, others, s.weight_bytes * weights + 4 * _image_floats(s))


def _rows(s: Shape) -> Cost:
    """F(4) along frequency for each row of taps, of which three meet zeros at the image's borders."""
    tiles = math.ceil(s.w / 4)
    three, two = DATA[4]
    with_infinity, without = OUTPUT[4]
    elements = s.grid * s.out * (4 if s.decoder else 1)
    others = tiles * s.into * (s.h * three if s.decoder else 2 * s.h * (three + two))
    others += tiles * s.h * s.out * (2 * (with_infinity + without) if s.decoder else with_infinity)
    others += elements * s.finish
    filters = FILTER_COST[1] + (EXPAND * 25 if s.weight_bytes < 4 else 0)
    others += math.ceil(tiles / s.pass_tiles) * filters * s.into * s.out
    products = (5 * s.h - 3) * tiles * 11 * s.into * s.out
    return Cost(products, others, s.weight_bytes * 25 * s.into * s.out + 4 * _image_floats(s))


def _image_floats(s: Shape) -> float:
    """Input and output of a layer: an encoder layer writes its output twice, raw and normed."""
    if s.decoder:
        return s.grid * s.into + 4 * s.grid * s.out
    return 4 * s.grid * s.into + s.grid * s.out * (1 if s.layer == DEPTH - 1 else 2)


def _first(s: Shape) -> Cost:
    """e1 in rows: F(4) along frequency for each row of taps; its normed output goes to e2 in the cache."""
    three, two = DATA[4]
    tiles = s.h * s.w / 4  # of four outputs
    products = tiles * 5 * 11 * s.into * s.out
    others = 2 * tiles * s.into * (three + two + 8 * TRANSPOSE)
    others += tiles * s.out * (OUTPUT[4][0] + 4 * s.finish)
    return Cost(products, others, 4 * (4 * s.grid * s.into + s.grid * s.out))


def _last(s: Shape) -> Cost:
    """d6 in rows: F(4) along frequency for each row of taps; its output stays in the cache, and half of its
    input is there."""
    tiles = s.h * s.w / 4  # of four inputs, 8 x 2 outputs
    products = tiles * 5 * 11 * s.into
    others = tiles * s.into * (DATA[4][0] + 4 * TRANSPOSE)
    others += tiles * (2 * (OUTPUT[4][0] + OUTPUT[4][1]) + 16 * (s.finish + TRANSPOSE))
    return Cost(products, others, 4 * s.grid * s.into / 2)


def _mask(s: Shape) -> Cost:
    """The last layer: 16 taps, sigmoid, times the input."""
    return Cost(16 * s.grid * s.out, s.grid * (16 + s.out * s.finish), 4 * 2 * s.grid * s.out)


def _reference(s: Shape) -> Cost:
    taps = 16 if s.layer == 2 * DEPTH else 25
    # The columns have `thin` channels; the product is [grid, depth] x [depth, width].
    thin, depth, width = (s.out, s.into, s.out * taps) if s.decoder else (s.into, s.into * taps, s.out)
    products = s.grid * math.ceil(width / GEMM_WIDTH) * GEMM_WIDTH * (depth + GEMM_DEPTH)
    run = 1 if s.layer == 2 * DEPTH else 5 * thin  # the mask's taps are dilated
    columns = s.grid * taps * thin
    elements = s.grid * s.out * (4 if s.decoder else 1)
    weights = s.into * s.out * taps
    chunks = math.ceil(s.grid / max(CHUNK_FLOATS // (taps * thin), CHUNK_MIN_PIXELS))
    others = columns / run * RUN + columns * RUN_ELEMENT + elements * s.finish + chunks * weights * GEMM_PACK
    image = s.grid * (s.into + 2 * s.out) if s.layer == 2 * DEPTH else _image_floats(s)
    return Cost(products, others, 0, 4 * (weights + image))


# --- groups of layers, the machine ------------------------------------------------------------


def groups(methods: Sequence[str]) -> list[tuple[int, ...]]:
    """The layers that run together: in strips e1 with e2, d5 with d6 and the mask; else each alone."""
    e1, e2, d6, mask = 0, 1, 2 * DEPTH - 1, 2 * DEPTH
    follows = {e2: e1, d6: d6, mask: d6}  # where that layer is direct
    joined: list[tuple[int, ...]] = []
    for index in range(len(methods)):
        if index in follows and methods[follows[index]] == "direct":
            joined[-1] += (index,)
        else:
            joined.append((index,))
    return joined


def group_cost(layers: Sequence[Shape]) -> Cost:
    """Of layers that run together: what one hands to the next does not cross memory."""
    total = Cost(0, 0, 0)
    for layer in layers:
        total = total.plus(layer_cost(layer))
    if len(layers) == 2:  # e2 reads e1's output
        total = total.plus(Cost(0, 0, -4 * 4 * layers[1].grid * layers[1].into))
    elif len(layers) == 3:  # d6 reads d5's
        total = total.plus(Cost(0, 0, -4 * 4 * layers[0].grid * layers[0].out))
    return total


def measure_machine() -> Machine:
    """The constants, now, on one thread; takes some tens of milliseconds."""
    size = 512
    a, b, c = (aligned_zeros((size, size)) for _ in range(3))
    a += 1
    b += 1
    gemm = _best(lambda: nn.gemm(a, False, b, False, c), rounds=6)
    source, target = np.ones(1 << 23, np.float32), np.empty(1 << 23, np.float32)
    copy = _best(lambda: np.copyto(target, source), rounds=4)
    intel = nn.cpu_is_intel()
    full_width = intel and "avx512" in nn.FAST_ISAS
    return Machine(size**3 / gemm, 2 * source.nbytes / copy, not intel, full_width)


def _best(function: Callable[[], object], rounds: int) -> float:
    """The shortest time in seconds, the first call left out."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])
