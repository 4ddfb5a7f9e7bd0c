"""The tables of streams (`stream.stream_table`): encoders by rows and decoders in tiles of 2 x 4, against the
reference path and the float64 network; which streams have them; and their stems.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fast import (
    ACTIVATIONS,
    EXAMPLES,
    MARGIN,
    WINOGRAD,
    Case,
    by_one_method,
    cases,
    config_of,
    isas,
    magnitudes,
    mixed,
    music_input,
    spread_norms,
    weights_of,
)
from test_rows import some_rows, wanted_rows

from spleeterrt import Model, ModelConfig, StreamSeparator
from spleeterrt._kernels import nn, stream
from spleeterrt.arrays import aligned_empty
from spleeterrt.network.layers import CHUNK_FLOATS, CHUNK_MIN_PIXELS, LAYER_DTYPE, LAYER_NAMES, lower
from spleeterrt.network.method_plan import Plan, make_plan, network_of
from spleeterrt.realtime.stream import StreamSettings
from support import reference
from support import stream_reference as plain
from support.tolerances import FAST_LAYER, MASK_OF_FLOAT64, NETWORK

__all__ = ["music_input"]  # a fixture

Form = tuple[int, bool]  # how many encoders go by rows; decoders in tiles of 2 x 4
Table = tuple[np.ndarray, int]
ENCODERS, DECODERS = LAYER_NAMES[:6], LAYER_NAMES[6:12]
ROLLING = [0, *range(2, nn.MOST_ROLLING + 1)]


def table_of(model: Model, frames: int, bins: int, form: Form) -> Table:
    rows, floats = nn.lower(
        network_of(model.config), model._plan, frames, bins, CHUNK_FLOATS, CHUNK_MIN_PIXELS, *form
    )
    return np.frombuffer(rows, LAYER_DTYPE), floats


def run(model: Model, table: Table, x: np.ndarray, threads: int = 1, rows: range | None = None) -> np.ndarray:
    """By workspaces of NaN between guard zones; all of the output is written. rows: the frames it has."""
    layers, floats = table
    room = aligned_empty((threads * floats + 2 * MARGIN,))
    room.fill(np.nan)
    room[:MARGIN] = room[-MARGIN:] = -123
    frames = x.shape[1] if rows is None else len(rows)
    outputs = np.full((len(model.instruments), x.shape[0], frames, *x.shape[2:]), np.nan, np.float32)
    if rows is not None:
        layers = nn.want_frames(layers, rows.start, rows.stop)
    weights = model._weights.copy()
    workspaces = room[MARGIN:-MARGIN].reshape(threads, floats)
    nn.forward(model._plan.isa, layers, model._weights, workspaces, x, outputs, model.config.softmax, None)
    assert (room[:MARGIN] == -123).all()
    assert (room[-MARGIN:] == -123).all()
    np.testing.assert_array_equal(model._weights, weights)
    assert np.isfinite(outputs).all()
    return outputs


# --- layers and networks ------------------------------------------------------------------


@isas
@pytest.mark.parametrize("method", ["winograd4", "staged4", "lazy4"])
@pytest.mark.parametrize("layer", [*DECODERS[:5], "d5, d6 and out"])
def test_each_decoder_alone_in_low_tiles(isa: str, layer: str, method: str) -> None:
    config = config_of((16, 5, 48, 33, 64, 17))
    weights = weights_of(config)
    x = magnitudes(1, 128, 64)
    expected = Model(config, weights, plan=make_plan(config, None)).forward(x, 1)
    strips = {"d5": method, "d6": "direct", "out": "direct"}
    model = Model(config, weights, plan=mixed(isa, **(strips if "d6" in layer else {layer: method})))
    table = table_of(model, 128, 64, (0, True))
    assert np.count_nonzero(table[0]["method"] == nn.METHOD_WINOGRAD2X4) == 1
    got = run(model, table, x)
    assert np.abs(got - expected).max() <= FAST_LAYER * x.max()
    assert (got != run(model, table_of(model, 128, 64, (0, False)), x)).any()  # it is another method
    for first, last in some_rows(128):
        np.testing.assert_array_equal(run(model, table, x, 1, range(first, last)), got[:, :, first:last])


def check(case: Case, plan: Plan, form: Form, rows: list[tuple[int, int]]) -> None:
    weights = weights_of(case.config, case.seed)
    x = case.input()
    want = Model(case.config, weights, plan=make_plan(case.config, None)).forward(x, 1)
    model = Model(case.config, weights, plan=plan)
    table = table_of(model, case.frames, case.bins, form)
    got = run(model, table, x)
    assert np.abs(got - want).max() <= 2 * NETWORK * x.max()
    assert (got[:, x == 0] == 0).all()
    np.testing.assert_array_equal(run(model, table, x, case.threads), got)
    for first, last in rows:
        some = run(model, table, x, case.threads, range(first, last))
        np.testing.assert_array_equal(some, got[:, :, first:last])


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Any, whether they save time or not."""
    return draw(st.sampled_from(ROLLING)), draw(st.booleans())


@st.composite
def stream_plans(draw: st.DrawFn, isa: str) -> Plan:
    """Any plan of tiles, stored or not."""
    method = st.sampled_from([*WINOGRAD, "staged4", "lazy"])
    return Plan(("direct", *[draw(method) for _ in range(10)], "direct", "direct"), isa, draw(st.booleans()))


@isas
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), case=cases(), form=forms())
def test_any_plan_size_and_form(isa: str, data: st.DataObject, case: Case, form: Form) -> None:
    check(case, data.draw(stream_plans(isa)), form, [data.draw(wanted_rows(case.frames))])


@isas
@pytest.mark.parametrize("method", ["winograd2", "winograd4", "staged4", "lazy"])
@pytest.mark.parametrize(("frames", "bins"), [(64, 64), (128, 320), (192, 64)])
def test_all_layers_by_one_method(isa: str, method: str, frames: int, bins: int) -> None:
    case = Case(config_of((17, 33, 16, 70, 1, 48)), 1, frames, bins, 2, frames + bins)
    for form in ((3, True), (2, False)):
        check(case, Plan(by_one_method(method), isa), form, some_rows(frames)[:4])


@pytest.mark.parametrize("spread", [False, True], ids=["", "spread"])
@pytest.mark.parametrize("kind", ["random", "music"])
@pytest.mark.parametrize("activations", ACTIVATIONS, ids="-".join)
def test_masks_against_float64(
    activations: tuple[str, str], kind: str, spread: bool, music_input: np.ndarray
) -> None:
    """No further from the float64 network than other methods may be (test_fast.py)."""
    config = config_of((16, 32, 33, 64, 48, 80), activations)
    weights = weights_of(config, 7)
    if spread:
        spread_norms(weights, 8)
    x = music_input if kind == "music" else magnitudes(1, 64, 192, seed=3)
    want = np.array(
        [
            reference.sigmoid(reference.unet_logits(weights[stem], x[0], *activations))[None]
            for stem in config.instruments
        ]
    )
    known = x > 1e-30

    def error(masked: np.ndarray) -> float:
        masks = masked[:, known].astype(np.float64) / x[known]
        return float(np.abs(masks - want[:, known]).max())

    floor = error(Model(config, weights, plan=make_plan(config, None)).forward(x, 1))
    for isa in nn.FAST_ISAS:
        for low_memory in (False, True):
            model = Model(config, weights, plan=make_plan(config, isa, low_memory))
            for form in ((3, True), (3, False), (2, True)):
                fast = error(run(model, table_of(model, *x.shape[1:3], form), x))
                assert fast <= 1e-4
                assert fast <= MASK_OF_FLOAT64 * floor


# --- which streams have them --------------------------------------------------------------

FILTERS = (4, 8, 8, 16, 16, 32)
SHORT = {"frame_length": 512, "frame_step": 128, "T": 64, "F": 64}
FOUR = ("vocals", "drums", "bass", "other")


def stems_model(stems: tuple[str, ...] = FOUR, low_memory: bool = False, **options: str) -> Model:
    config = ModelConfig(instruments=stems, conv_n_filters=FILTERS, **{**SHORT, **options})
    plan = make_plan(config, nn.FAST_ISAS[0], low_memory)
    return Model(config, reference.random_weights(stems, FILTERS), plan=plan)


def stream_table(model: Model, frames: int, **more: object) -> tuple[np.ndarray, int, int]:
    wanted = StreamSettings(frames, **more)
    rows, floats, rolling = stream.stream_table(
        network_of(model.config), model._plan, wanted.plan(model.config), wanted.options(model.config)
    )
    return np.frombuffer(rows, LAYER_DTYPE), floats, rolling


needs_fast = pytest.mark.skipif(not nn.FAST_ISAS, reason="no fast kernels in this build")

# Streams, and how many encoders of theirs go by rows.
ROLL = {
    "T=128": ({"frames": 128, "hop_frames": 2}, 3),
    "T=128, hop 1": ({"frames": 128, "hop_frames": 1}, 3),
    "T=128, odd hop and lookahead": ({"frames": 128, "hop_frames": 3, "lookahead": 5}, 3),
    "T=128, crossfade": ({"frames": 128, "hop_frames": 4, "crossfade": 3}, 3),
    "T=128, hold": ({"frames": 128, "hold": True}, 3),
    "T=192, hold, hop 3": ({"frames": 192, "hold": True, "hop_frames": 3}, 3),
    "T=512": ({"frames": 512, "hop_frames": 4}, 3),
    "direct": ({"frames": 128, "hop_frames": 2, "mode": "direct"}, 3),
}
# None do where windows share nothing, and where a network hears what another one leaves.
ROLL_NOT = {
    "double": {"frames": 128},
    "double, T=512": {"frames": 512},
    "half": {"frames": 128, "hop_frames": 64},
    "cascade": {"frames": 128, "hop_frames": 2, "mode": "three"},
    "cascade, hold": {"frames": 128, "hold": True, "mode": "three"},
}


@needs_fast
@pytest.mark.parametrize(("wanted", "rolling"), ROLL.values(), ids=ROLL)
def test_streams_that_roll(wanted: dict[str, object], rolling: int) -> None:
    model = stems_model()
    table, floats, found = stream_table(model, **wanted)
    assert found == rolling
    assert (table["method"][1:rolling] == nn.METHOD_ROWS4).all()
    usual, _ = lower(model.config, model._plan, int(str(wanted["frames"])), 64)
    assert (table["method"][rolling:6] == usual["method"][rolling:6]).all()
    low = bool((table["method"] == nn.METHOD_WINOGRAD2X4).any())
    again, size = table_of(model, int(str(wanted["frames"])), 64, (rolling, low))
    np.testing.assert_array_equal(table, again)
    assert floats == size
    # With low memory nothing is kept.
    assert stream_table(stems_model(low_memory=True), **wanted)[2] == 0


@needs_fast
@pytest.mark.parametrize("wanted", ROLL_NOT.values(), ids=ROLL_NOT)
def test_streams_that_do_not_roll(wanted: dict[str, object]) -> None:
    model = stems_model()
    table, floats, rolling = stream_table(model, **wanted)
    usual, size = lower(model.config, model._plan, int(str(wanted["frames"])), 64)
    assert (rolling, floats) == (0, size)
    np.testing.assert_array_equal(table, usual)


def test_a_stream_of_reference_layers() -> None:
    config = stems_model().config if nn.FAST_ISAS else ModelConfig(conv_n_filters=FILTERS, **SHORT)
    model = Model(config, reference.random_weights(config.instruments, FILTERS), plan=make_plan(config, None))
    table, _, rolling = stream_table(model, 128, hop_frames=2)
    assert rolling == 0
    np.testing.assert_array_equal(table, lower(config, model._plan, 128, 64)[0])


# --- their stems --------------------------------------------------------------------------


def noise(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sound = (
        rng.uniform(-0.5, 0.5, (count, 2)) * np.repeat(rng.uniform(0, 1, count // 900 + 1), 900)[:count, None]
    )
    sound[count // 3 : count // 3 + 2000] = 0
    return sound.astype(np.float32)


@needs_fast
@pytest.mark.parametrize("softmax", [False, True], ids=["", "softmax"])
@pytest.mark.parametrize(("wanted", "rolling"), [*ROLL.values()][:6], ids=[*ROLL][:6])
def test_stems_are_those_of_whole_windows(wanted: dict[str, object], rolling: int, softmax: bool) -> None:
    """By the definition, whose windows share nothing; for any blocks and threads, and after a reset."""
    model = stems_model(model_type="unet.softmax_unet" if softmax else "unet.unet")
    samples = noise(128 * 128 + 9000)

    def stems(sizes: list[int], reset: bool = False, **more: object) -> dict[str, np.ndarray]:
        with StreamSeparator(model, **{"threads": 2, "realtime": False, **wanted, **more}) as live:
            if reset:
                plain.drive(live, noise(7000, 1), [999])
                live.reset()
            return plain.drive(live, samples, sizes)

    with StreamSeparator(model, **{"threads": 1, "realtime": False, **wanted}) as live:
        first = plain.drive(live, samples, [1000])
        expected = plain.separate(model, samples, live.settings)
        assert rolling
        latency = live.latency
    for stem, sound in first.items():
        assert np.abs(sound[latency:] - expected[stem]).max() <= 1e-5
    for other in (stems([4096]), stems([17, 700, 64], threads=3), stems([300], reset=True)):
        for stem, sound in other.items():
            np.testing.assert_array_equal(sound, first[stem])
