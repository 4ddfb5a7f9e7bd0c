"""The fast layers against the reference path and the float64 network, in every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from spleeterrt._kernels import nn
from tolerances import FAST_LAYER, NETWORK

from spleeterrt import Model, ModelConfig, SpleeterError
from spleeterrt.config import OFFICIAL_CONFIGS
from spleeterrt.layers import weight_layout
from spleeterrt.planner import Plan, default_isa, make_plan

WIDTHS = (16, 32, 48, 32, 64, 32)
isas = pytest.mark.parametrize("isa", nn.FAST_ISAS)


def config_of(
    filters: tuple[int, ...] = WIDTHS, activation: str = "ELU", softmax: bool = False
) -> ModelConfig:
    return ModelConfig(
        instruments=("one", "two"),
        T=64,
        F=64,
        conv_activation=activation,
        deconv_activation=activation,
        conv_n_filters=filters,
        model_type="unet.softmax_unet" if softmax else "unet.unet",
    )


def weights_of(config: ModelConfig, seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    return reference.random_weights(config.instruments, config.conv_n_filters, seed)


def magnitudes(*shape: int, seed: int = 1) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(*shape, 2))).astype(np.float32)


# --- the transforms, exactly ----------------------------------------------------------


def toom_cook(points: list[Fraction], m: int) -> tuple[list, list, list]:
    """(data, output, filter) matrices of F(m, 3) with the finite points and infinity, in exact arithmetic."""

    def product(roots: list[Fraction]) -> list[Fraction]:
        coefficients = [Fraction(1)]  # lowest power first
        for root in roots:
            shifted = [Fraction(0), *coefficients]
            coefficients = [a - root * b for a, b in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
        return coefficients

    n = m + 2
    data, weights = [], []
    for j, point in enumerate(points):
        others = points[:j] + points[j + 1 :]
        data.append([*product(others), Fraction(0)])
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        weights.append([point**k / scale for k in range(3)])
    data.append(product(points))
    weights.append([Fraction(0), Fraction(0), Fraction(1)])
    output = [[p**i for p in points] + [Fraction(int(i == m - 1))] for i in range(m)]
    assert all(len(row) == n for row in data)
    return data, output, weights


@isas
@pytest.mark.parametrize(
    ("tile", "points"), [(2, ["0", "1", "-1"]), (4, ["0", "3/4", "-3/4", "3/2", "-3/2"])]
)
def test_transforms_are_toom_cook_exactly(isa: str, tile: int, points: list[str]) -> None:
    n = tile + 2
    data, output, weights = np.empty((n, n)), np.empty((tile, n)), np.empty((n, 3))
    nn.fast_matrices(isa, tile, data, output, weights)
    expected = toom_cook([Fraction(p) for p in points], tile)
    for got, want in zip((data, output), expected[:2], strict=True):
        assert [[Fraction(x) for x in row] for row in got] == want  # the points are exact in binary
    np.testing.assert_allclose(weights, np.array(expected[2], float), rtol=1e-15)
    # And together they are the filter: sum_j output[i, j] weights[j, k] data[j, l] = 1 where l = i + k.
    d, o, w = (np.array(matrix, object) for matrix in expected)
    for i in range(tile):
        for k in range(3):
            combined = sum(o[i, j] * w[j, k] * d[j] for j in range(n))
            assert list(combined) == [Fraction(int(position == i + k)) for position in range(n)]


# --- layers -------------------------------------------------------------------------------


def one_fast_layer(config: ModelConfig, isa: str, index: int, method: str) -> Plan:
    methods = ["reference"] * 13
    methods[index] = method
    return Plan(tuple(methods), isa)


@isas
@pytest.mark.parametrize("index", range(13))
def test_each_layer_alone(isa: str, index: int) -> None:
    config = config_of()
    weights = weights_of(config)
    x = magnitudes(1, 128, 64)
    expected = Model(config, weights, plan=make_plan(config, None)).predict(x)
    full = make_plan(config, isa).methods[index]
    for method in ("winograd2", "winograd4") if full.startswith("winograd") else (full,):
        got = Model(config, weights, plan=one_fast_layer(config, isa, index, method)).predict(x)
        for stem, want in expected.items():
            assert np.abs(got[stem] - want).max() <= FAST_LAYER * x.max(), method


@isas
@settings(max_examples=12, deadline=None)
@given(
    filters=st.tuples(*[st.sampled_from([3, 16, 32, 48, 80])] * 6),
    activation=st.sampled_from(["LeakyReLU", "ReLU", "ELU"]),
    softmax=st.booleans(),
    frames=st.integers(1, 3),
    bins=st.integers(1, 3),
    segments=st.integers(1, 3),
    threads=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_any_network_and_size(isa, filters, activation, softmax, frames, bins, segments, threads, seed):
    config = config_of(filters, activation, softmax)
    weights = weights_of(config, seed)
    x = magnitudes(segments, 64 * frames, 64 * bins, seed=seed)
    expected = Model(config, weights, plan=make_plan(config, None)).predict(x)
    model = Model(config, weights, plan=make_plan(config, isa))
    got = model.predict(x, threads)
    for stem, want in expected.items():
        assert np.abs(got[stem] - want).max() <= 2 * NETWORK * x.max()
        alone = np.concatenate([model.predict(x[i : i + 1], 1)[stem] for i in range(segments)])
        np.testing.assert_array_equal(alone, got[stem])  # same bits, however cut


@isas
@pytest.mark.parametrize("activation", ["LeakyReLU", "ReLU", "ELU"])
def test_against_float64(isa: str, activation: str) -> None:
    config = config_of(activation=activation)
    weights = weights_of(config, 7)
    x = magnitudes(1, 64, 128, seed=3)
    model = Model(config, weights, plan=make_plan(config, isa))
    for stem, got in model.predict(x).items():
        logits = reference.unet_logits(weights[stem], x[0].astype(np.float64), activation, activation)
        want = x[0] / (1 + np.exp(-logits))
        assert np.abs(got[0] - want).max() <= 2 * NETWORK * x.max()


@isas
def test_no_uninitialised_memory_is_read(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of()
    model = Model(config, weights_of(config), plan=make_plan(config, isa))
    x = magnitudes(1, 64, 192)
    expected = model.predict(x, 1)
    borrow = model._borrow

    def poisoned(threads: int, size: int) -> np.ndarray:
        workspaces = borrow(threads, size)
        workspaces.fill(np.nan)
        return workspaces

    monkeypatch.setattr(model, "_borrow", poisoned)
    for stem, got in model.predict(x, 1).items():
        np.testing.assert_array_equal(got, expected[stem])


# --- plans --------------------------------------------------------------------------------


def test_plans_of_the_official_models() -> None:
    if not nn.FAST_ISAS:
        pytest.skip("no fast kernels in this build")
    for name, config in OFFICIAL_CONFIGS.items():
        plan = make_plan(config, nn.FAST_ISAS[0])
        stems = len(config.instruments)
        assert plan.methods[0] == plan.methods[11] == plan.methods[12] == "direct"
        assert plan.methods[1:4] == plan.methods[8:11] == ("winograd4",) * 3
        assert 4 * weight_layout(config, plan).size * stems <= 350_000_000, name
    assert "reference" in make_plan(OFFICIAL_CONFIGS["4stems"], nn.FAST_ISAS[0], 200_000_000).methods


def test_a_plan_does_not_depend_on_the_size() -> None:
    config = OFFICIAL_CONFIGS["2stems"]
    for isa in nn.FAST_ISAS:
        assert make_plan(config, isa) == make_plan(config.replace(T=64, F=64), isa)


def test_isa_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLEETERRT_ISA", raising=False)
    assert default_isa() == (nn.FAST_ISAS[0] if nn.FAST_ISAS else None)
    for isa in nn.FAST_ISAS:
        monkeypatch.setenv("SPLEETERRT_ISA", isa)
        assert default_isa() == isa
    monkeypatch.setenv("SPLEETERRT_ISA", "reference")
    assert default_isa() is None
    monkeypatch.setenv("SPLEETERRT_ISA", "sse9")
    with pytest.raises(SpleeterError, match="SPLEETERRT_ISA"):
        default_isa()


def test_the_variable_chooses_in_a_fresh_interpreter() -> None:
    code = (
        "from spleeterrt.planner import default_isa, make_plan\n"
        "from spleeterrt.config import OFFICIAL_CONFIGS\n"
        "print(make_plan(OFFICIAL_CONFIGS['2stems'], default_isa()).isa)"
    )
    if "generic" not in nn.FAST_ISAS:
        pytest.skip("no fast kernels in this build")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SPLEETERRT_ISA": "generic"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "generic"
