"""The fast layers against the reference path and the float64 network, in every instruction set."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from spleeterrt import Model, ModelConfig, SpleeterError
from spleeterrt._kernels import nn
from spleeterrt.arrays import aligned_empty
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.network.layers import LAYER_NAMES, lower, weight_layout
from spleeterrt.network.method_plan import Plan, check_plan, default_isa, make_plan, methods_at
from support import reference
from support.examples import examples, pairs, sized
from support.tolerances import FAST_LAYER, MASK_OF_FLOAT64, NETWORK

WIDTHS = (16, 32, 48, 32, 64, 32)
# Of each property and instruction set; the sanitizers are slow.
EXAMPLES = examples(int(os.environ.get("SPLEETERRT_TEST_EXAMPLES", "20")))
WINOGRAD = ("winograd2", "winograd4", "lazy2", "lazy4")
ROWS = "rows4"  # not of layers in strips
STEMS = sized(("one", "two"), ("one",))  # of tests of single methods, whose layers are the same for all stems
isas = pytest.mark.parametrize("isa", nn.FAST_ISAS)
# Spleeter's pairs (encoder, decoder), and what else a configuration may say.
ACTIVATIONS = [("LeakyReLU", "ReLU"), ("ELU", "ELU"), ("ReLU", "LeakyReLU")]


def config_of(
    filters: tuple[int, ...] = WIDTHS,
    activations: tuple[str, str] = ("ELU", "ELU"),
    softmax: bool = False,
    instruments: tuple[str, ...] = ("one", "two"),
) -> ModelConfig:
    return ModelConfig(
        instruments=instruments,
        T=64,
        F=64,
        conv_activation=activations[0],
        deconv_activation=activations[1],
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
    float_weights = np.empty((n, 3))
    nn.fast_matrices(isa, tile, data, output, weights, float_weights)
    expected = toom_cook([Fraction(p) for p in points], tile)
    for got, want in zip((data, output), expected[:2], strict=True):
        assert [[Fraction(x) for x in row] for row in got] == want  # the points are exact in binary
    exact_weights = np.array(expected[2], float)
    np.testing.assert_allclose(weights, exact_weights, rtol=1e-15)
    # The layers' own transform: every factor is the exact one, rounded to float32 once.
    np.testing.assert_array_equal(float_weights, exact_weights.astype(np.float32))
    # And together they are the filter: sum_j output[i, j] weights[j, k] data[j, l] = 1 where l = i + k.
    d, o, w = (np.array(matrix, object) for matrix in expected)
    for i in range(tile):
        for k in range(3):
            combined = sum(o[i, j] * w[j, k] * d[j] for j in range(n))
            assert list(combined) == [Fraction(int(position == i + k)) for position in range(n)]


# --- layers -------------------------------------------------------------------------------


def mixed(isa: str, **methods: str) -> Plan:
    """A plan of reference layers but for those that are named."""
    return Plan(tuple(methods.get(name, "reference") for name in LAYER_NAMES), isa)


def by_one_method(method: str) -> tuple[str, ...]:
    """All layers but the outer ones, and those in strips with them."""
    strips = "lazy" if method == ROWS else method
    return ("direct", strips, *[method] * 8, strips, "direct", "direct")


@functools.cache
def plainly() -> tuple[ModelConfig, dict[str, dict[str, np.ndarray]], np.ndarray, dict[str, np.ndarray]]:
    """A network of odd widths and what its reference layers make of an input."""
    config = config_of((16, 5, 48, 33, 64, 17), instruments=STEMS)
    weights = weights_of(config)
    x = magnitudes(1, 128, 64)
    return config, weights, x, Model(config, weights, plan=make_plan(config, None)).predict(x)


@isas
@pytest.mark.parametrize("method", [*WINOGRAD, ROWS])
@pytest.mark.parametrize("layer", [*LAYER_NAMES[1:11], "e1 and e2", "d5, d6 and out"])
def test_each_layer_alone(isa: str, layer: str, method: str) -> None:
    if method == ROWS and " and " in layer:
        pytest.skip("not in strips")
    config, weights, x, expected = plainly()
    fast = {
        "e1 and e2": {"e1": "direct", "e2": method},
        "d5, d6 and out": {"d5": method, "d6": "direct", "out": "direct"},
    }.get(layer, {layer: method})
    got = Model(config, weights, plan=mixed(isa, **fast)).predict(x)
    for stem, want in expected.items():
        assert np.abs(got[stem] - want).max() <= FAST_LAYER * x.max()


# --- networks -----------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn, isa: str) -> Plan:
    """Any plan that can run."""
    winograd, any_method = (
        st.sampled_from([*WINOGRAD, "lazy"]),
        st.sampled_from([*WINOGRAD, ROWS, "lazy", "reference"]),
    )
    methods = [draw(any_method) for _ in LAYER_NAMES]
    first, last = draw(st.booleans()), draw(st.booleans())
    methods[0] = "direct" if first else "reference"
    methods[11] = methods[12] = "direct" if last else "reference"
    if first:
        methods[1] = draw(winograd)
    if last:
        methods[10] = draw(winograd)
    return Plan(tuple(methods), isa, draw(st.booleans()))


class Case(NamedTuple):
    config: ModelConfig
    segments: int
    frames: int
    bins: int
    threads: int
    seed: int

    def input(self) -> np.ndarray:
        """Over several orders of magnitude, as spectra are, with zeros among them."""
        rng = np.random.default_rng(self.seed)
        x = magnitudes(self.segments, self.frames, self.bins, seed=self.seed)
        x *= 10 ** rng.uniform(-3, 1, (1, 1, self.bins, 1)).astype(np.float32)
        x[:, :, rng.integers(self.bins)] = 0
        return x


@st.composite
def cases(draw: st.DrawFn) -> Case:
    width = st.sampled_from([1, 5, 16, 17, 32, 33, 48, 70])
    config = config_of(
        tuple(draw(width) for _ in range(6)), draw(st.sampled_from(ACTIVATIONS)), draw(st.booleans())
    )
    frames = draw(st.integers(1, 5))
    bins = draw(st.integers(1, 5 if frames <= 2 else 2))
    segments = draw(st.integers(1, 3 if frames * bins <= 4 else 2))
    return Case(config, segments, 64 * frames, 64 * bins, draw(st.integers(1, 3)), draw(st.integers(0, 99)))


MARGIN = 4096  # floats around a workspace


def run_guarded(model: Model, x: np.ndarray, threads: int) -> np.ndarray:
    """The kernels on workspaces of NaN between two guard zones, with weights and an input that must stay as
    they are; every output is written.
    """
    table, size = lower(model.config, model._plan, *x.shape[1:3])
    room = aligned_empty((threads * size + 2 * MARGIN,))
    room.fill(np.nan)
    room[:MARGIN] = room[-MARGIN:] = -123
    workspaces = room[MARGIN:-MARGIN].reshape(threads, size)
    outputs = np.full((len(model.instruments), *x.shape), np.nan, np.float32)
    weights, given = model._weights.copy(), x.copy()
    nn.forward(model._plan.isa, table, model._weights, workspaces, x, outputs, model.config.softmax, None)
    assert (room[:MARGIN] == -123).all()
    assert (room[-MARGIN:] == -123).all()
    np.testing.assert_array_equal(model._weights, weights)
    np.testing.assert_array_equal(x, given)
    assert np.isfinite(outputs).all()
    return outputs


def check_network(case: Case, plan: Plan) -> None:
    weights = weights_of(case.config, case.seed)
    x = case.input()
    want = Model(case.config, weights, plan=make_plan(case.config, None)).forward(x, 1)
    model = Model(case.config, weights, plan=plan)
    got = model.forward(x, case.threads)
    assert np.abs(got - want).max() <= 2 * NETWORK * x.max()
    assert (got[:, x == 0] == 0).all()
    # The same bits on any number of threads, however cut, whatever the workspaces held.
    for threads in {1, case.threads}:
        np.testing.assert_array_equal(run_guarded(model, x, threads), got)
    if case.segments > 1:
        alone = [run_guarded(model, x[i : i + 1], 1) for i in range(case.segments)]
        np.testing.assert_array_equal(np.concatenate(alone, axis=1), got)


@isas
@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(), low_memory=st.booleans())
def test_any_network_and_size(isa: str, case: Case, low_memory: bool) -> None:
    check_network(case, make_plan(case.config, isa, low_memory))


@isas
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), case=cases())
def test_any_plan(isa: str, data: st.DataObject, case: Case) -> None:
    check_network(case, data.draw(plans(isa)))


# Sizes where tiles of 4 do not fit, strips are shorter than a tile and rows than a vector; and larger ones.
@isas
@pytest.mark.parametrize("method", [*WINOGRAD, ROWS, "lazy"])
@pytest.mark.parametrize(("frames", "bins"), [(64, 64), (64, 320), (320, 64), (192, 128)])
def test_all_layers_by_one_method(isa: str, method: str, frames: int, bins: int) -> None:
    case = Case(config_of((17, 33, 16, 70, 1, 48), instruments=STEMS), 1, frames, bins, 1, frames + bins)
    check_network(case, Plan(by_one_method(method), isa, frames > bins))


@isas
def test_lazy_is_lazy_in_the_tile_that_the_size_asks_for(isa: str) -> None:
    config = config_of()
    weights = weights_of(config)
    plan = make_plan(config, isa, low_memory=True)
    for size in ((64, 64), (128, 320)):
        x = magnitudes(1, *size)
        explicit = plan._replace(methods=methods_at(config, plan, *size))
        assert "lazy" not in explicit.methods
        np.testing.assert_array_equal(
            Model(config, weights, plan=plan).forward(x, 1),
            Model(config, weights, plan=explicit).forward(x, 1),
        )


# --- accuracy -----------------------------------------------------------------------------


def spread_norms(weights: dict[str, dict[str, np.ndarray]], seed: int) -> None:
    """Scales of batch norms from 0.01 to 30, by channel; the kernels behind them bring the sizes back."""
    rng = np.random.default_rng(seed)
    for stem in weights.values():
        for k in range(2 * reference.DEPTH):
            gamma = stem[f"{reference.numbered('batch_normalization', k)}/gamma"]
            gamma[:] = 0.01 * 3000 ** rng.uniform(0, 1, gamma.size)
            size = np.sqrt(np.mean(gamma.astype(np.float64) ** 2))
            if k < reference.DEPTH - 1:
                stem[f"{reference.numbered('conv2d', k + 1)}/kernel"] /= size
            elif reference.DEPTH <= k < 2 * reference.DEPTH - 1:
                # [5, 5, out, in]: the second half of the inputs is the decoder's
                kernel = stem[f"{reference.numbered('conv2d_transpose', k - reference.DEPTH + 1)}/kernel"]
                kernel[..., gamma.size :] /= size
            elif k == 2 * reference.DEPTH - 1:
                stem[f"{reference.numbered('conv2d', reference.DEPTH)}/kernel"] /= size


@pytest.fixture(scope="module")
def music_input(request: pytest.FixtureRequest) -> np.ndarray:
    """Magnitudes of a stretch of the clip, as the networks get them: (1, 64, 256, 2)."""
    samples, _ = soundfile.read(request.path.parents[1] / "data" / "clip.ogg", start=44100, frames=66000)
    spectrum = np.abs(reference.stft(samples, 4096, 1024))[4:68, :256]
    return np.ascontiguousarray(spectrum[None], np.float32)


@pytest.mark.parametrize(
    ("activations", "kind"),
    pairs(ACTIVATIONS, ["random", "music", "random, spread", "music, spread"]),
    ids=str,
)
def test_masks_against_float64(activations: tuple[str, str], kind: str, music_input: np.ndarray) -> None:
    """At most 1e-4 from the float64 network, and near what the reference path makes of it."""
    config = config_of((16, 32, 33, 64, 48, 80), activations)
    weights = weights_of(config, 7)
    if "spread" in kind:
        spread_norms(weights, 8)
    x = music_input if "music" in kind else magnitudes(1, 64, 192, seed=3)
    want = np.array(
        [
            reference.sigmoid(reference.unet_logits(weights[stem], x[0], *activations))[None]
            for stem in config.instruments
        ]
    )
    assert np.ptp(want) > 0.5
    known = x > 1e-30

    def error(plan: Plan) -> float:
        masks = Model(config, weights, plan=plan).forward(x, 1)[:, known].astype(np.float64) / x[known]
        return float(np.abs(masks - want[:, known]).max())

    floor = error(make_plan(config, None))
    for isa in nn.FAST_ISAS:
        for low_memory in (False, True):
            fast = error(make_plan(config, isa, low_memory))
            assert fast <= 1e-4
            assert fast <= MASK_OF_FLOAT64 * floor


# --- plans --------------------------------------------------------------------------------


def test_plans_of_the_official_models() -> None:
    if not nn.FAST_ISAS:
        pytest.skip("no fast kernels in this build")
    for name, config in OFFICIAL_CONFIGS.items():
        plan = make_plan(config, nn.FAST_ISAS[0])
        stems = len(config.instruments)
        assert plan.methods[0] == plan.methods[11] == plan.methods[12] == "direct"
        assert plan.methods[1:4] == ("winograd4",) * 3
        assert plan.methods[4:7] == ("lazy",) * 3
        assert plan.methods[7] in ("winograd4", "lazy4")  # by the CPU's maker; the bits are the same
        assert plan.methods[8:11] == ("winograd4",) * 3
        assert 4 * weight_layout(config, plan).size <= 77_300_000, name
        # With low memory: the weights as they are.
        low = make_plan(config, nn.FAST_ISAS[0], low_memory=True)
        assert low.methods == ("direct", *["lazy"] * 10, "direct", "direct")
        originals = weight_layout(config, make_plan(config, None)).size
        assert weight_layout(config, low).size <= 1.001 * originals
        assert 4 * stems * originals <= 200_000_000
        # And no workspace is larger than the reference path's.
        sizes = [lower(config, p, 512, 1024)[1] for p in (low, plan, make_plan(config, None))]
        assert sizes == sorted(sizes)


@isas
@given(
    filters=st.tuples(*[st.integers(1, 600)] * 6),
    low_memory=st.booleans(),
    frames=st.integers(1, 20),
    bins=st.integers(1, 20),
    change=st.fixed_dictionaries(
        {
            "instruments": st.sampled_from([("a",), ("a", "b", "c")]),
            "T": st.sampled_from([64, 1024]),
            "F": st.sampled_from([64, 512]),
            "sample_rate": st.sampled_from([8000, 48000]),
            "mask_extension": st.sampled_from(["zeros", "average"]),
            "conv_activation": st.sampled_from(["ReLU", "ELU"]),
            "deconv_activation": st.sampled_from(["ReLU", "ELU"]),
            "model_type": st.sampled_from(["unet.unet", "unet.softmax_unet"]),
        }
    ),
)
@settings(max_examples=examples(30), deadline=None)
def test_a_plan_follows_from_widths_set_and_memory(isa, filters, low_memory, frames, bins, change) -> None:
    config = ModelConfig(instruments=("one", "two"), conv_n_filters=filters)
    other = config.replace(**change)
    plan = make_plan(config, isa, low_memory)
    check_plan(plan)
    assert plan == make_plan(other, isa, low_memory)
    assert "reference" not in plan.methods  # whatever the widths
    methods = methods_at(config, plan, 64 * frames, 64 * bins)
    assert methods == methods_at(other, plan, 64 * frames, 64 * bins)
    for planned, method in zip(plan.methods, methods, strict=True):
        assert method == planned if planned != "lazy" else method in ("lazy2", "lazy4", ROWS)
    assert ROWS not in (methods[1], methods[10])  # in strips


def test_plans_that_cannot_run() -> None:
    isa = nn.FAST_ISAS[0] if nn.FAST_ISAS else "generic"
    good = ("direct", *["lazy"] * 10, "direct", "direct")
    check_plan(Plan(good, isa))
    check_plan(Plan(("reference",) * 13, None))
    check_plan(mixed(isa, e1="direct", e2="winograd2"))
    check_plan(mixed(isa, d5="winograd2", d6="direct", out="direct"))
    for bad in (
        Plan(good, None),
        Plan(good[:-1], isa),
        mixed(isa, e1="direct"),  # without e2
        mixed(isa, e1="winograd4"),
        mixed(isa, e3="direct"),
        mixed(isa, d6="direct", out="direct"),  # without d5
        mixed(isa, d5="lazy", d6="direct"),
        mixed(isa, d5="lazy", out="direct"),
        mixed(isa, d6="lazy2"),
        mixed(isa, e1="direct", e2=ROWS),
        mixed(isa, d5=ROWS, d6="direct", out="direct"),
        mixed(isa, d5="lazy", d6="direct", out="winograd2"),
    ):
        with pytest.raises(ValueError, match="not a plan"):
            check_plan(bad)


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
        "from spleeterrt.network.method_plan import default_isa, make_plan\n"
        "from spleeterrt.network.config import OFFICIAL_CONFIGS\n"
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
