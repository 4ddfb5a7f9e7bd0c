"""Narrowed tables (`nn.want_frames`): the same bits in the wanted frames, and nothing else is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fast import (
    EXAMPLES,
    MARGIN,
    ROWS,
    STEMS,
    WINOGRAD,
    Case,
    by_one_method,
    cases,
    config_of,
    isas,
    magnitudes,
    mixed,
    plans,
    weights_of,
)

from spleeterrt import Model
from spleeterrt._kernels import nn
from spleeterrt.arrays import aligned_empty
from spleeterrt.network.layers import LAYER_NAMES, lower
from spleeterrt.network.method_plan import Plan, default_isa, make_plan
from support.examples import SHARE, some


def run_narrowed(
    model: Model, x: np.ndarray, first: int, last: int, threads: int = 1, shift: int = 0
) -> np.ndarray:
    """The wanted frames, by workspaces of NaN. Guard zones lie around these and around the output, which
    starts `shift` floats behind a cache line.
    """
    table, size = lower(model.config, model._plan, *x.shape[1:3])
    before = table.copy()
    narrowed = nn.want_frames(table, first, last)
    np.testing.assert_array_equal(table, before)
    np.testing.assert_array_equal(nn.want_frames(narrowed, first, last), narrowed)
    room = aligned_empty((threads * size + 2 * MARGIN,))
    room.fill(np.nan)
    room[:MARGIN] = room[-MARGIN:] = -123
    shape = (len(model.instruments), x.shape[0], last - first, *x.shape[2:])
    frames = aligned_empty((int(np.prod(shape)) + 2 * MARGIN,))
    frames.fill(-123)
    start = MARGIN + shift
    outputs = frames[start : start + int(np.prod(shape))].reshape(shape)
    outputs.fill(np.nan)
    workspaces = room[MARGIN:-MARGIN].reshape(threads, size)
    nn.forward(model._plan.isa, narrowed, model._weights, workspaces, x, outputs, model.config.softmax, None)
    for guarded in (room[:MARGIN], room[-MARGIN:], frames[:start], frames[start + outputs.size :]):
        assert (guarded == -123).all()
    return outputs


def check_rows(model: Model, x: np.ndarray, wanted: list[tuple[int, int]], threads: int = 1) -> None:
    whole = model.forward(x, 1)
    for first, last in wanted:
        want = whole[:, :, first:last]
        np.testing.assert_array_equal(run_narrowed(model, x, first, last, threads), want)
        np.testing.assert_array_equal(run_narrowed(model, x, first, last, shift=3), want)
        np.testing.assert_array_equal(model.forward_rows(x, threads, first, last), want)
        # One network alone: what it wrote beside its frames, no other task would hide.
        if x.shape[0] > 1:
            np.testing.assert_array_equal(run_narrowed(model, x[:1], first, last), want[:, :1])


def some_rows(frames: int) -> list[tuple[int, int]]:
    middle = frames // 2
    return [*some([
        (frames - 1, frames),
        (frames - 2, frames),
        (frames - 10, frames - 8),
        (0, 1),
        (0, 4),
        (middle - 1, middle + 1),
        (middle + 3, middle + 4),
        (5, frames - 7),
        (0, frames),
    ])]  # fmt: skip


@st.composite
def wanted_rows(draw: st.DrawFn, frames: int) -> tuple[int, int]:
    first = draw(st.integers(0, frames - 1))
    return first, draw(st.one_of(st.just(first + 1), st.integers(first + 1, frames)))


@isas
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), case=cases(), low_memory=st.booleans())
def test_any_rows_of_any_network(isa: str, data: st.DataObject, case: Case, low_memory: bool) -> None:
    model = Model(
        case.config, weights_of(case.config, case.seed), plan=make_plan(case.config, isa, low_memory)
    )
    check_rows(model, case.input(), [data.draw(wanted_rows(case.frames))], case.threads)


@isas
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), case=cases())
def test_any_rows_of_any_plan(isa: str, data: st.DataObject, case: Case) -> None:
    model = Model(case.config, weights_of(case.config, case.seed), plan=data.draw(plans(isa)))
    check_rows(model, case.input(), [data.draw(wanted_rows(case.frames))], case.threads)


@isas
@pytest.mark.parametrize("method", [*WINOGRAD, ROWS, "lazy"])
@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(("frames", "bins"), some([(64, 64), (128, 320), (512, 128), (1024, 64)]))
def test_rows_by_one_method(isa: str, method: str, softmax: bool, frames: int, bins: int) -> None:
    config = config_of((17, 33, 16, 70, 1, 48), softmax=softmax)
    plan = Plan(by_one_method(method), isa, bins == 64)
    model = Model(config, weights_of(config), plan=plan)
    check_rows(model, magnitudes(1, frames, bins), some_rows(frames))


@isas
@pytest.mark.parametrize("frames", some([64, 128, 512]))
def test_rows_of_spleeters_width(isa: str, frames: int) -> None:
    """F = 1024 and the layers' own widths up to e4: the stored tiles of 4 x 4."""
    config = config_of((16, 32, 64, 128, 48, 32)).replace(instruments=("one",))
    model = Model(config, weights_of(config), plan=make_plan(config, isa))
    check_rows(model, magnitudes(1, frames, 1024), some_rows(frames)[:4])


@isas
@pytest.mark.parametrize("layer", [*LAYER_NAMES[1:11], "e1 and e2", "d5, d6 and out"])
def test_rows_of_each_layer_alone(isa: str, layer: str) -> None:
    config = config_of((16, 5, 48, 33, 64, 17), instruments=STEMS)
    fast = {
        "e1 and e2": {"e1": "direct", "e2": "winograd4"},
        "d5, d6 and out": {"d5": "lazy2", "d6": "direct", "out": "direct"},
    }.get(layer, {layer: "winograd4"})
    frames = 256 if SHARE >= 1 else 128
    model = Model(config, weights_of(config), plan=mixed(isa, **fast))
    check_rows(model, magnitudes(1, frames, 64), some_rows(frames))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(("frames", "bins"), some([(64, 64), (64, 256), (64, 320), (128, 192), (128, 256)]))
def test_rows_of_the_reference_path(softmax: bool, frames: int, bins: int) -> None:
    """The mask comes in chunks of 16384 pixels: fewer, as many and more."""
    config = config_of((1, 2, 3, 4, 5, 6), softmax=softmax)
    model = Model(config, weights_of(config), plan=make_plan(config, None))
    check_rows(model, magnitudes(2, frames, bins), some_rows(frames), 2)


def rows_left(frames: int, first: int, last: int) -> list[tuple[int, int]]:
    config = config_of((16, 32, 64, 128, 256, 512))
    table, _ = lower(config, make_plan(config, nn.FAST_ISAS[0]), frames, 1024)
    assert not table["first_row"].any()
    assert not table["end_row"].any()
    narrowed = nn.want_frames(table, first, last)
    for name in nn.LAYER_FIELDS[:-2]:
        np.testing.assert_array_equal(narrowed[name], table[name])
    assert ((narrowed["first_row"] >= 0) & (narrowed["end_row"] <= table["out_h"])).all()
    return list(zip(narrowed["first_row"].tolist(), narrowed["end_row"].tolist(), strict=True))


def test_rows_that_are_left() -> None:
    """Counted by hand: of 128 frames the last one; a frame whose receptive field ends inside 512 frames."""
    if not nn.FAST_ISAS:
        pytest.skip("no fast kernels in this build")
    encoder = [(0, 128 >> k) for k in range(1, 7)]
    decoder = [(0, 2), (0, 4), (4, 8), (12, 16), (28, 32), (62, 64)]
    assert rows_left(128, 127, 128) == [*encoder, *decoder, (127, 128)]
    assert rows_left(128, 0, 128) == [*encoder, *[(0, 2 << k) for k in range(6)], (0, 128)]
    # Frame 0 takes d6's 0 ... 3 and d5's 0 ... 2; a row of tiles takes 5 rows, so a row of tiles again.
    left = rows_left(512, 0, 1)
    assert left[6:] == [*[(0, 4)] * 5, (0, 2), (0, 1)]
    # d1 takes 5 rows of e6, so two rows of its tiles, and here that is all of the encoder.
    assert left[:6] == [(0, 512 >> k) for k in range(1, 7)]
    # Of twice as many frames it is not: e6's 8 rows take 18 of e5, in tiles 20, these 42 of e4, and so on.
    assert rows_left(1024, 0, 1)[:6] == [(0, 378), (0, 188), (0, 92), (0, 44), (0, 20), (0, 8)]


def test_rows_that_are_not_there() -> None:
    config = config_of()
    model = Model(config, weights_of(config), plan=make_plan(config, default_isa()))
    x = magnitudes(1, 64, 64)
    for first, last in ((-1, 3), (4, 4), (5, 4), (0, 65)):
        with pytest.raises(ValueError, match="no frames"):
            model.forward_rows(x, 1, first, last)


@pytest.mark.parametrize("frames", [64, 128])
def test_how_many_tiles_a_pass_takes_changes_no_bit(frames: int) -> None:
    """It depends on the CPU's maker."""
    config = config_of((16, 16, 32, 32, 48, 48))
    model = Model(config, weights_of(config), plan=make_plan(config, default_isa()))
    x = magnitudes(1, frames, 256)
    table, size = lower(config, model._plan, *x.shape[1:3])
    workspaces = aligned_empty((1, size))
    results = []
    for most in (1000, 16, 12, 7):
        table["pass_tiles"] = np.minimum(table["pass_tiles"], most)
        out = aligned_empty((len(model.instruments), *x.shape))
        nn.forward(model._plan.isa, table, model._weights, workspaces, x, out, False, None)
        results.append(out)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
