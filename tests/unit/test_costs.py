"""The cost model: counts that can be said in advance, and the seconds they become."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spleeterrt._kernels import nn
from spleeterrt.network.config import OFFICIAL_CONFIGS, ModelConfig
from spleeterrt.network.costs import (
    FULL_WIDTH,
    SLOWNESS,
    Cost,
    Machine,
    group_cost,
    groups,
    layer_cost,
    measure_machine,
    shapes,
)
from spleeterrt.network.layers import LAYER_NAMES
from spleeterrt.network.measured_plan import planned_network, random_weights
from spleeterrt.network.method_plan import ROWS, TILES, Plan, make_plan, methods_at
from spleeterrt.network.model import Model
from support.examples import sized, some

OFFICIAL = OFFICIAL_CONFIGS["2stems"]
SMALL = ModelConfig(instruments=("a", "b"), T=64, F=sized(128, 64), conv_n_filters=(16, 16, 16, 32, 32, 32))
needs_fast = pytest.mark.skipif(not nn.FAST_ISAS, reason="no fast kernels in this build")
E3, E6 = 2, 5


def fast_plan(low_memory: bool = False) -> Plan:
    return make_plan(OFFICIAL, nn.FAST_ISAS[0], low_memory)


@needs_fast
@pytest.mark.parametrize(
    ("frames", "methods"),
    [
        (512, {"e5": "lazy4", "e6": "lazy4", "d1": "lazy4"}),
        (256, {"e5": "lazy4", "e6": "lazy4", "d1": "lazy4"}),
        (128, {"e5": "lazy4", "e6": "rows4", "d1": "rows4"}),
        (64, {"e5": "rows4", "e6": "rows4", "d1": "rows4"}),
    ],
)
def test_decisions_of_the_official_plan(frames: int, methods: dict[str, str]) -> None:
    chosen = methods_at(OFFICIAL, fast_plan(), frames, 1024)
    for name, method in methods.items():
        assert chosen[LAYER_NAMES.index(name)] == method


@needs_fast
def test_products_are_winograds_share_of_the_plain_ones() -> None:
    for index, shape in enumerate(shapes(OFFICIAL, fast_plan(), 512, 1024)):
        plain = (16 if index == 12 else 25) * shape.into * shape.out * shape.grid
        share = {"winograd4": 121 / 400, "lazy4": 121 / 400, "direct": 11 / 20}[shape.method]
        assert layer_cost(shape).products == pytest.approx(plain * (1 if index == 12 else share))


@needs_fast
@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("frames", [64, 128, 192, 256, 512])
def test_official_tiles_come_in_fours(frames: int, low_memory: bool) -> None:
    """Passes leave no rest beside micro-kernels of four tiles (NEON's), which would be slower."""
    for shape in shapes(OFFICIAL, fast_plan(low_memory), frames, OFFICIAL.F):
        if shape.method in TILES:
            assert shape.pass_tiles % 4 == 0
            along_frequency = 4 if shape.method == ROWS else TILES[shape.method]
            assert math.ceil(shape.w / along_frequency) % 4 == 0


@needs_fast
def test_tiles_that_stick_out_count_whole() -> None:
    deepest = shapes(OFFICIAL, fast_plan(), 64, 64)[E6]  # one pixel
    assert (deepest.h, deepest.w, deepest.method) == (1, 1, "lazy2")
    assert layer_cost(deepest).products == 49 * 256 * 512
    rows = layer_cost(deepest._replace(method="rows4"))  # two rows of taps meet the image's two rows
    assert rows.products == 2 * 11 * 256 * 512


@needs_fast
def test_lazy_weights_are_read_small_and_transformed_again_for_every_pass() -> None:
    stored = shapes(OFFICIAL, fast_plan(), 512, 1024)[E3]
    assert stored.method == "winograd4"
    lazy = stored._replace(method="lazy4")
    assert layer_cost(lazy).products == layer_cost(stored).products
    assert layer_cost(lazy).bytes < layer_cost(stored).bytes
    few, many = (layer_cost(lazy._replace(pass_tiles=tiles)) for tiles in (32, 16))
    assert layer_cost(stored).others < few.others < many.others


@needs_fast
def test_costs_grow_with_frames() -> None:
    for plan in (fast_plan(), fast_plan(low_memory=True), make_plan(OFFICIAL, None)):
        smaller, larger = (shapes(OFFICIAL, plan, frames, 1024) for frames in (256, 512))
        for small, large in zip(smaller, larger, strict=True):
            assert layer_cost(small).operations < layer_cost(large).operations
            assert min(layer_cost(small)) >= 0


def test_groups() -> None:
    assert groups(("reference",) * 13) == [(index,) for index in range(13)]
    direct = ["winograd4"] * 13
    direct[0] = direct[11] = direct[12] = "direct"
    assert groups(direct) == [(0, 1), *((index,) for index in range(2, 10)), (10, 11, 12)]
    last = ["reference"] * 10 + ["winograd4", "direct", "direct"]
    assert groups(last)[-2:] == [(9,), (10, 11, 12)]


@needs_fast
def test_strips_hand_over_in_the_cache() -> None:
    layers = shapes(OFFICIAL, fast_plan(), 512, 1024)
    for group in ((0, 1), (10, 11, 12)):
        members = [layers[index] for index in group]
        whole = group_cost(members)
        alone = [layer_cost(member) for member in members]
        assert whole.operations == pytest.approx(sum(cost.operations for cost in alone))
        assert 0 < whole.bytes < sum(cost.bytes for cost in alone)


def test_seconds_are_the_longer_of_computing_and_memory() -> None:
    machine = Machine(multiply_adds=100.0, bytes=10.0)
    assert machine.seconds(Cost(100, 100, 10), None) == 2
    assert machine.seconds(Cost(100, 100, 30), None) == 3
    assert machine.seconds(Cost(100, 100, 30, exposed=5), None) == 3.5
    # Where memory is not hidden, it adds.
    assert machine._replace(hides_memory=False).seconds(Cost(100, 100, 30, exposed=5), None) == 5.5
    assert machine.seconds(Cost(100, 0, 0), "generic") == SLOWNESS["generic"]
    assert set(nn.FAST_ISAS) <= set(SLOWNESS)
    # Where AVX-512 is full width, what the BLAS does by it takes the other sets longer.
    wide = machine._replace(full_width=True)
    assert wide.seconds(Cost(100, 0, 0), None) == wide.seconds(Cost(100, 0, 0), "avx512") == 1
    assert wide.seconds(Cost(100, 0, 0), "avx2") == SLOWNESS["avx2"] * FULL_WIDTH


def test_the_faster_of_two_measurements() -> None:
    assert Machine(1, 4).faster(Machine(2, 3)) == Machine(2, 4)
    assert Machine(1, 4, False).faster(Machine(2, 3, False)) == Machine(2, 4, False)


def test_the_machine_has_rates() -> None:
    machine = measure_machine()
    assert machine.multiply_adds > 1e7
    assert machine.bytes > 1e7


def test_random_weights_keep_values_alive() -> None:
    weights = random_weights(SMALL)
    assert all(tensor.dtype == np.float32 and np.isfinite(tensor).all() for tensor in weights.values())
    outputs = Model(SMALL, {"a": weights, "b": weights}).predict(
        np.ones((1, SMALL.T, SMALL.F, 2), np.float32)
    )
    assert 0.01 < outputs["a"].mean() < 1


@pytest.mark.parametrize("isa", some([*nn.FAST_ISAS, "reference"]))
@pytest.mark.parametrize("low_memory", some([False, True]))
def test_a_planned_network(isa: str, low_memory: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    network = planned_network(SMALL, low_memory)
    assert "+".join(layer.names for layer in network.layers).split("+") == list(LAYER_NAMES)
    assert all(layer.predicted > 0 and layer.measured > 0 for layer in network.layers)
    assert sum(layer.weights for layer in network.layers) <= network.weights
    # Only the order of magnitude: the machine may be any, and busy.
    predicted = sum(layer.predicted for layer in network.layers)
    measured = sum(layer.measured for layer in network.layers)
    assert 0.02 < predicted / measured < 50
