"""`Model` on random weights: against the float64 reference, and invariant to how it is run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import ModelConfig, SpleeterError, arrays
from spleeterrt._kernels import nn
from spleeterrt.kernels import fold_batch_norm
from spleeterrt.network import layers
from spleeterrt.network.config import MOST_FILTERS
from spleeterrt.network.method_plan import ACTIVATION_CODES, make_plan
from spleeterrt.network.model import Model
from spleeterrt.network.tensors import expected_shapes
from support import reference as ref
from support import tolerances as tol
from support.emulation import threads_after_fork
from support.examples import sized
from support.tolerances import close

ODD = (3, 5, 7, 9, 11, 13)
USUAL = (4, 8, 8, 16, 16, 32)


def make(filters=USUAL, stems=("vocals", "other"), seed=0, **options):
    config = ModelConfig(instruments=tuple(stems), conv_n_filters=filters, T=64, F=64, **options)
    weights = ref.random_weights(config.instruments, filters, seed)
    return Model(config, weights), weights


def magnitudes(segments, frames, bins, seed=1):
    """Non-negative, over several orders of magnitude, as spectra are."""
    rng = np.random.default_rng(seed)
    x = np.abs(rng.normal(0, 1, (segments, frames, bins, 2))) * 10 ** rng.uniform(-2, 1, (1, 1, bins, 1))
    return x.astype(np.float32)


def same(first, second):
    assert first.keys() == second.keys()
    for stem in first:
        np.testing.assert_array_equal(first[stem], second[stem])


# --- values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "size", "options"),
    [
        (USUAL, (64, 64), {}),
        (USUAL, (128, 64), {"conv_activation": "ELU", "deconv_activation": "ELU"}),
        (USUAL, (64, 192), {"conv_activation": "ReLU", "deconv_activation": "LeakyReLU"}),
        (ODD, (64, 128), {}),
        (ODD, (128, 64), {"conv_activation": "ELU", "deconv_activation": "ELU"}),
        ((1, 1, 1, 1, 1, 1), (64, 64), {}),
        # widths that shrink or jump: every buffer is the largest one somewhere
        ((32, 16, 8, 4, 2, 1), (64, 64), {}),
        ((2, 40, 1, 30, 3, 50), (64, 128), {}),
        # large enough for several chunks of columns in e1, d6 and the last layer
        ((4, 4, 4, 4, 4, 4), (128, 384), {}),
    ],
    ids=lambda value: "x".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_predict_is_the_reference(filters, size, options):
    model, weights = make(filters, **options)
    x = magnitudes(1, *size)
    expected = ref.estimates(model.config, weights, x)
    result = model.predict(x, threads=1)
    assert list(result) == ["vocals", "other"]
    for stem, wanted in zip(result.values(), expected, strict=True):
        assert stem.dtype == np.float32
        close(stem, wanted, tol.NETWORK, x)
        # the reference is not trivially constant
        assert np.ptp(wanted / x) > 0.1
    assert not np.array_equal(result["vocals"], result["other"])


def test_softmax_model():
    model, weights = make(stems="abcde", model_type="unet.softmax_unet")
    x = magnitudes(2, 64, 128)
    result = model.predict(x, threads=2)
    for stem, wanted in zip(result.values(), ref.estimates(model.config, weights, x), strict=True):
        close(stem, wanted, tol.NETWORK, x)
    close(sum(result.values()), x, tol.NETWORK, x)


def test_softmax_of_extreme_logits():
    """No overflow, whatever the sizes; stems far below the largest vanish."""
    x = np.array([[0, 1e4, -1e30, 80, -1e4], [0, -1e4, 1e30, -80, -1e4]], np.float32).repeat(77, axis=1)
    expected = ref.softmax(x.astype(np.float64), axis=0)
    nn.softmax_mask(x, np.full(x.shape[1], 2, np.float32))
    close(x, 2 * expected, tol.SIGMOID)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_bias_mask(channels):
    rng = np.random.default_rng(3)
    logits, inputs = rng.normal(0, 30, (2, 50, channels)).astype(np.float32)
    bias = rng.normal(0, 1, channels).astype(np.float32)
    out = np.full_like(logits, np.nan)
    nn.bias_mask(logits, bias, inputs, out)
    # the rounding of logits + bias moves the sigmoid by a fraction of that
    error = np.abs(logits) * tol.UNIT * np.abs(inputs) / 4
    close(out, ref.sigmoid(logits.astype(np.float64) + bias) * inputs, tol.SIGMOID, np.abs(inputs), error)


@pytest.mark.parametrize("activation", [None, "LeakyReLU", "ReLU", "ELU"])
@pytest.mark.parametrize("channels", [1, 3, 16, 21])
def test_fused_bias_norm_and_activation(activation, channels):
    """Both orders, into one half of a wider buffer whose other half stays as it is."""
    rng = np.random.default_rng(channels)
    code = ACTIVATION_CODES[activation]
    x = rng.normal(0, 1, (37, channels)).astype(np.float32)
    bias = rng.normal(0, 1, channels).astype(np.float32)
    scale, shift = fold_batch_norm(rng.normal(0, 1, channels), rng.normal(0, 1, channels), 0.5, 2.0)
    wide = np.full((37, 2 * channels), 7, np.float32)
    # 4 roundings and those of the activation, relative to the largest terms, all below 10
    tolerance = (4 + 3) * tol.UNIT
    nn.bias_activate_norm(x, bias, code, scale, shift, wide, channels)
    expected = ref.activate(x.astype(np.float64) + bias, activation) * scale + shift
    close(wide[:, channels:], expected, tolerance, 10)
    assert (wide[:, :channels] == 7).all()
    wide[:, :channels] = x
    out = np.full_like(x, np.nan)
    nn.bias_norm_activate(wide, 0, channels, bias, scale, shift, code, out)
    close(wide[:, :channels], x.astype(np.float64) + bias, tol.UNIT, 10)
    close(wide[:, channels:], expected, tolerance, 10)
    close(out, ref.activate((x.astype(np.float64) + bias) * scale + shift, activation), tolerance, 10)


@pytest.mark.parametrize("chunk", [1, 700, 3000, 40_000])
def test_any_chunk_of_columns(monkeypatch, chunk):
    """The rows that col2im has finished do not depend on where the chunks end."""
    model, weights = make(ODD)
    x = magnitudes(1, 64, 64)
    expected = ref.estimates(model.config, weights, x)
    monkeypatch.setattr(layers, "CHUNK_FLOATS", chunk)
    monkeypatch.setattr(layers, "CHUNK_MIN_PIXELS", 1)
    for stem, wanted in zip(model.predict(x, 1).values(), expected, strict=True):
        close(stem, wanted, tol.NETWORK, x)


def test_silence_stays_silence():
    model, _ = make()
    for stem in model.predict(np.zeros((1, 64, 64, 2), np.float32)).values():
        assert not stem.any()


# --- invariance -----------------------------------------------------------------------


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("filters", [USUAL, ODD])
def test_threads_and_batches_give_the_same_bits(filters, softmax):
    model, _ = make(filters, model_type="unet.softmax_unet" if softmax else "unet.unet", stems="abc")
    x = magnitudes(3, 64, sized(128, 64))
    expected = model.predict(x, threads=1)
    for threads in (1, 2, 3, 8, None):
        same(model.predict(x, threads=threads), expected)
    for threads in (1, 2, 3, 5):
        alone = [model.predict(x[i : i + 1], threads=threads) for i in range(3)]
        same({s: np.concatenate([part[s] for part in alone]) for s in expected}, expected)
    again = Model(model.config, ref.random_weights("abc", filters))
    same(again.predict(x, threads=2), expected)


def test_any_alignment_and_layout_of_the_input():
    model, _ = make(ODD)
    x = magnitudes(2, 64, 64)
    expected = model.predict(x)
    room = np.zeros(x.nbytes + 128, np.uint8)
    start = -room.ctypes.data % 64
    for offset in (0, 1, 4, 12, 32, 36, 60):
        moved = room[start + offset : start + offset + x.nbytes].view(np.float32).reshape(x.shape)
        moved[...] = x
        same(model.predict(moved, threads=1), expected)
    same(model.predict(np.asfortranarray(x)), expected)
    same(model.predict(x[::-1].copy()[::-1]), expected)


def test_input_stays_as_it_is_and_outputs_are_new():
    model, _ = make()
    x = magnitudes(2, 64, 64)
    x.flags.writeable = False
    copy = x.copy()
    first = model.predict(x, threads=2)
    kept = {stem: value.copy() for stem, value in first.items()}
    second = model.predict(np.ascontiguousarray(x[::-1]), threads=2)
    np.testing.assert_array_equal(x, copy)
    same(first, kept)
    for stem in first:
        np.testing.assert_array_equal(second[stem], first[stem][::-1])


@pytest.mark.parametrize("filters", [USUAL, ODD, (2, 40, 1, 30, 3, 50)])
@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_read_before_it_is_written(monkeypatch, filters, threads):
    model, _ = make(filters)
    x = magnitudes(2, 64, 128)
    expected = model.predict(x, threads=threads)

    def borrow(count, size):
        workspaces = arrays.aligned_empty((count, size))
        workspaces.fill(np.nan)
        return workspaces

    monkeypatch.setattr(model, "_borrow", borrow)
    same(model.predict(x, threads=threads), expected)
    outputs = np.full((2, *x.shape), np.nan, np.float32)
    assert model.forward(x, threads, outputs) is outputs
    for stem, output in zip(expected.values(), outputs, strict=True):
        np.testing.assert_array_equal(stem, output)


def test_no_layer_writes_beyond_the_workspace(monkeypatch):
    model, _ = make((2, 40, 1, 30, 3, 50))
    margin, kept = 4096, []

    def borrow(count, size):
        assert count == 1
        room = arrays.aligned_empty((size + 2 * margin,))
        room.fill(-123)
        kept.append(room)
        return room[margin : margin + size].reshape(1, size)

    monkeypatch.setattr(model, "_borrow", borrow)
    for size in ((64, 64), (64, 192), (192, 64)):
        model.predict(magnitudes(1, *size), threads=1)
        assert (kept[-1][:margin] == -123).all()
        assert (kept[-1][-margin:] == -123).all()


def test_sizes_other_than_the_configurations():
    """One model takes any T and F, in any order, and remembers nothing of the last size."""
    model, weights = make()
    sizes = [(64, 64), (128, 192), (64, 192), (192, 64), (64, 64), (128, 192)]
    first = {}
    for seed, size in enumerate(sizes):
        x = magnitudes(1, *size, seed=sizes.index(size))
        result = model.predict(x, threads=1 + seed % 2)
        assert result["vocals"].shape == x.shape
        same(result, first.setdefault(size, result))
    wanted = ref.estimates(model.config, weights, magnitudes(1, 192, 64, seed=3))
    close(first[192, 64]["other"], wanted[1], tol.NETWORK, magnitudes(1, 192, 64, seed=3))


def test_concurrent_calls():
    model, _ = make(stems="abc")
    inputs = [magnitudes(1 + i % 2, 64, 64 + 64 * (i % 3), seed=i) for i in range(6)]
    expected = [model.predict(x, threads=1) for x in inputs]
    barrier = threading.Barrier(4)

    def work(worker):
        barrier.wait(30)
        return [
            (i, model.predict(inputs[i], threads=1 + (worker + i) % 3)) for i in [*range(6)] * sized(3, 1)
        ]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(work, range(4)):
            for i, result in results:
                same(result, expected[i])


def test_no_segments():
    model, _ = make()
    for stem in model.predict(np.zeros((0, 64, 64, 2), np.float32), threads=2).values():
        assert stem.shape == (0, 64, 64, 2)
        assert stem.dtype == np.float32


def test_release_buffers():
    model, _ = make()
    x = magnitudes(1, 64, 64)
    expected = model.predict(x)
    assert model._kept is not None
    model.release_buffers()
    assert model._kept is None
    same(model.predict(x), expected)


def test_with_config():
    model, _ = make()
    twin = model.with_config(model.config.replace(T=128, F=128, mask_extension="average", sample_rate=8000))
    assert twin.config.T == 128
    assert model.config.T == 64
    x = magnitudes(1, 64, 64)
    same(twin.predict(x), model.predict(x))
    for change in ({"conv_activation": "ELU"}, {"conv_n_filters": ODD}, {"instruments": ("a", "b")}):
        with pytest.raises(SpleeterError, match="cannot change"):
            model.with_config(model.config.replace(**change))


def test_profile():
    model, _ = make()
    profile = model.profile(magnitudes(2, 64, 64))
    assert tuple(profile) == layers.LAYER_NAMES
    for stages in profile.values():
        assert tuple(stages) == ("columns", "gemm", "rest", "fast")
        assert all(0 <= seconds < 10 for seconds in stages.values())
    # Layers in strips count for the first of them.
    methods = model._plan.methods
    strips = {"e2"} if methods[0] == "direct" else set()
    strips |= {"d6", "out"} if methods[11] == "direct" else set()
    for name, stages in profile.items():
        fast = methods[layers.LAYER_NAMES.index(name)] != "reference"
        assert (stages["fast"] > 0) == (fast and name not in strips)
        assert (stages["gemm"] > 0) == (not fast)


# --- what Python and the core must agree on ---------------------------------------------


def test_the_table_has_the_fields_of_the_core():
    config = ModelConfig(instruments=("a",), conv_n_filters=USUAL)
    table, _ = layers.lower(config, make_plan(config, None), 64, 128)
    assert table.dtype.names == nn.LAYER_FIELDS == layers.LAYER_DTYPE.names
    assert len(set(nn.LAYER_FIELDS)) == len(nn.LAYER_FIELDS)
    assert table.itemsize == 8 * len(nn.LAYER_FIELDS)
    # Names and values belong together: numbers that are known of e1, d6 and the mask.
    known = {
        "e1": {
            "op": nn.OP_CONV,
            "h": 64,
            "w": 128,
            "c": 2,
            "out_h": 32,
            "out_w": 64,
            "kernel": 5,
            "stride": 2,
        },
        "d6": {"op": nn.OP_TRANSPCONV, "in_c": 2 * USUAL[0], "out_c": 1, "src_ld": 2 * USUAL[0], "dst_ld": 1},
        "out": {"op": nn.OP_MASK, "kernel": 4, "dilation": 2, "pad_top": 3, "dst": nn.NETWORK_OUTPUT},
    }
    for name, fields in known.items():
        row = table[layers.LAYER_NAMES.index(name)]
        assert {field: row[field] for field in fields} == fields
    with pytest.raises(ValueError, match="not a table of layers"):
        nn.forward(
            None,
            np.zeros(len(table), [("op", np.int64), ("method", np.int64)]),
            *np.zeros((2, 1, 1), np.float32),
            np.zeros((1, 64, 64, 2), np.float32),
            np.zeros((1, 1, 64, 64, 2), np.float32),
            False,
            None,
        )


def test_limits_are_the_same():
    assert MOST_FILTERS == nn.MOST_FILTERS
    assert set(ACTIVATION_CODES.values()) == {0, 1, 2, 3}
    assert nn.activation_code("Swish") == -1
    with pytest.raises(SpleeterError, match="integers from 1 to 65536"):
        ModelConfig(instruments=("a",), conv_n_filters=(1, 2, 3, 4, 5, MOST_FILTERS + 1))
    # The widest network there may be: its sizes are numbers, however large.
    config = ModelConfig(instruments=("a",), conv_n_filters=(MOST_FILTERS,) * 6)
    for isa in (None, *nn.FAST_ISAS[:1]):
        plan = make_plan(config, isa)
        assert layers.weight_layout(config, plan).size > 25 * 9 * MOST_FILTERS**2
        assert layers.lower(config, plan, 1 << 14, 1 << 15)[1] > MOST_FILTERS << 27
    for size in ((1 << 40, 64), (1 << 30, 1 << 30)):
        with pytest.raises(ValueError, match="not a size of inputs"):
            layers.lower(config, plan, *size)


@pytest.mark.parametrize("filters", [USUAL, ODD])
def test_names_and_shapes_are_those_of_the_reference(filters):
    config = ModelConfig(instruments=("a",), conv_n_filters=filters)
    tensors = ref.random_weights("a", filters)["a"]
    assert expected_shapes(config) == {name: tensor.shape for name, tensor in tensors.items()}


def test_tensors_of_other_shapes_are_refused():
    config = ModelConfig(instruments=("a",), conv_n_filters=USUAL)
    weights = ref.random_weights("a", USUAL)
    weights["a"]["conv2d_2/kernel"] = weights["a"]["conv2d_2/kernel"][..., :-1]
    with pytest.raises(ValueError, match="conv2d_2/kernel: expected shape"):
        Model(config, weights)


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((1, 64, 64, 2), np.float64, r"float32 \(segments, frames, bins, 2\), got float64 \(1, 64, 64, 2\)"),
        ((1, 64, 64, 2), np.float16, "got float16"),
        ((1, 64, 64, 2), np.complex64, "got complex64"),
        ((1, 64, 64, 2), ">f4", "got >f4"),
        ((64, 64, 2), np.float32, r"got float32 \(64, 64, 2\)"),
        ((1, 64, 64), np.float32, "got float32"),
        ((1, 64, 64, 1), np.float32, r"got float32 \(1, 64, 64, 1\)"),
        ((1, 64, 64, 3), np.float32, "got float32"),
        ((1, 1, 64, 64, 2), np.float32, "got float32"),
        ((1, 63, 64, 2), np.float32, r"T \(frames\) must be a positive multiple of 64 .*got 63"),
        ((1, 64, 96, 2), np.float32, r"F \(bins\) must be a positive multiple of 64 .*got 96"),
        ((1, 0, 64, 2), np.float32, "T .*got 0"),
        ((1, 64, 0, 2), np.float32, "F .*got 0"),
    ],
)  # fmt: skip
def test_other_inputs_are_refused(shape, dtype, message):
    model, _ = make((1, 1, 1, 1, 1, 1))
    with pytest.raises(SpleeterError, match=message):
        model.predict(np.zeros(shape, dtype))


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2"])
def test_other_threads_are_refused(threads):
    model, _ = make((1, 1, 1, 1, 1, 1))
    with pytest.raises(SpleeterError, match="threads: expected a positive integer or None"):
        model.predict(magnitudes(1, 64, 64), threads=threads)


def test_more_threads_than_work():
    model, _ = make((1, 1, 1, 1, 1, 1))
    x = magnitudes(1, 64, 64)
    same(model.predict(x, threads=2**40), model.predict(x, threads=1))


def test_a_stem_without_weights():
    config = ModelConfig(instruments=("a", "b"), conv_n_filters=USUAL)
    with pytest.raises(SpleeterError, match="those of b are missing"):
        Model(config, ref.random_weights("a", USUAL))


# --- fork -----------------------------------------------------------------------------

FORK = """
import os, signal, sys
import numpy as np
from support import reference as ref
from spleeterrt import ModelConfig
from spleeterrt.network.model import Model

config = ModelConfig(instruments=("a", "b"), conv_n_filters=(2, 2, 2, 2, 2, 2))
model = Model(config, ref.random_weights("ab", config.conv_n_filters))
x = np.random.default_rng(0).random((2, 64, 64, 2), np.float32)
expected = model.predict(x, threads=2)

def check():
    for threads in (2, 1, 3):
        again = model.predict(x, threads=threads)
        assert all((again[stem] == expected[stem]).all() for stem in expected)

def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that waits for ever outlives the test otherwise
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0

in_child(lambda: (check(), in_child(check)))
check()
print("done")
"""


@threads_after_fork
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_after_fork():
    """A child (and its child) of a process whose kernels' threads run: the same bits, and no waiting."""
    path = os.pathsep.join([str(Path(ref.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=45,
    )
    assert done.stdout == "done\n", done.stderr
    assert done.returncode == 0
