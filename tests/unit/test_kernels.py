"""`spleeterrt.kernels` against the float64 references.

The fuzz tests draw small integers: every sum is then exact in float32, so results must be equal
and no tolerance can hide a wrong tap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spleeterrt import kernels
from support import reference as ref
from support import tolerances as tol
from support.examples import examples
from support.tolerances import close

fuzz = settings(max_examples=examples(80), deadline=None, database=None)


def integers(shape, seed):
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32)


def normal(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def layouts(x):
    """The same values at other places in memory, and read-only."""
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, axis=-1)[..., ::2]
    yield np.ascontiguousarray(x[::-1])[::-1]
    yield np.frombuffer(b"xyz" + x.tobytes(), np.uint8)[3:].view(np.float32).reshape(x.shape)
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen


# --- shapes -------------------------------------------------------------------------

sizes, small, strides, dilations = st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.integers(1, 4)


@fuzz
@given(sizes, small, strides, dilations, st.integers(0, 6), st.integers(0, 6))
def test_conv_out_dim_counts_places(size, kernel, stride, dilation, before, after):
    assert kernels.conv_out_dim(size, kernel, stride, "same", dilation) == ref.conv_out_same(size, stride)
    for padding, pads in ((before, (before, before)), ((before, after), (before, after))):
        expected = ref.conv_out_dim(size, kernel, stride, *pads, dilation)
        if expected:
            assert kernels.conv_out_dim(size, kernel, stride, padding, dilation) == expected
        else:
            with pytest.raises(ValueError, match="does not fit"):
                kernels.conv_out_dim(size, kernel, stride, padding, dilation)


@fuzz
@given(sizes, small, strides, st.integers(0, 6), st.integers(0, 6), st.integers(0, 4))
def test_transpconv_out_dim_counts_outputs(size, kernel, stride, before, after, extra):
    assert kernels.transpconv_out_dim(size, kernel, stride) == ref.transpconv_out_same(size, stride)
    extra %= stride
    for padding, pads in ((before, (before, before)), ((before, after), (before, after))):
        expected = ref.transpconv_out_dim(size, kernel, stride, *pads, extra)
        if expected > 0:
            assert kernels.transpconv_out_dim(size, kernel, stride, padding, extra) == expected
        else:
            with pytest.raises(ValueError, match="crops all"):
                kernels.transpconv_out_dim(size, kernel, stride, padding, extra)


def test_shapes_of_the_network():
    assert kernels.conv_out_dim(512, 5, 2) == 256
    assert kernels.conv_out_dim(1024, 4, 1, "same", 2) == 1024
    assert kernels.transpconv_out_dim(256, 5, 2) == 512
    # PyTorch's documentation: Conv2d(5, stride=2, padding=2) and its transposed with output_padding=1
    assert kernels.conv_out_dim(512, 5, 2, 2) == 256
    assert kernels.transpconv_out_dim(256, 5, 2, 2, 1) == 512
    assert kernels.transpconv_out_dim(256, 5, 2, 2) == 511
    assert type(kernels.conv_out_dim(np.int64(7), np.int32(3))) is int


def first_tap_of_first_patch(size, kernel, stride, dilation):
    """Where the first patch of im2col begins: minus the padding before."""
    x = np.arange(1, size + 1, dtype=np.float32).reshape(size, 1, 1)
    patch = kernels.im2col(x, (kernel, 1), (stride, 1), "same", (dilation, 1))[0]
    tap = int(np.argmax(patch != 0))
    return tap * dilation - (int(patch[tap]) - 1)


def test_same_padding_is_tensorflows():
    for size in (8, 64, 1024):
        # 5 taps, stride 2: 1 before, 2 after
        assert first_tap_of_first_patch(size, 5, 2, 1) == 1
        last = kernels.im2col(np.ones((size, 1, 1), np.float32), (5, 1), (2, 1))[-1]
        assert last.tolist() == [1, 1, 1, 0, 0]
        # 4 taps, dilation 2: 3 before, 3 after: the first patch sees inputs -3, -1, 1, 3
        x = np.arange(size, dtype=np.float32).reshape(size, 1, 1)
        cols = kernels.im2col(x, (4, 1), 1, "same", (2, 1))
        assert cols[0].tolist() == [0, 0, 1, 3]
        assert cols[-1].tolist() == [size - 4, size - 2, 0, 0]
    # an odd size: 2 before, 2 after
    assert first_tap_of_first_patch(9, 5, 2, 1) == 2


def test_transposed_same_crops_one_before_and_two_after():
    weights = np.arange(1, 6, dtype=np.float32).reshape(5, 1, 1, 1)
    x = np.array([1, 0, 0, 100], np.float32).reshape(4, 1, 1)
    full = kernels.conv2d_transpose(x, weights, stride=(2, 1), padding=0)[:, 0, 0]
    assert full.tolist() == [1, 2, 3, 4, 5, 0, 100, 200, 300, 400, 500]
    same = kernels.conv2d_transpose(x, weights, stride=(2, 1))[:, 0, 0]
    assert same.tolist() == full[1:-2].tolist()


# --- im2col, col2im, convolutions: fuzz -----------------------------------------------


class Conv(NamedTuple):
    """A convolution's arguments as the kernels take them, and what they mean."""

    shape: tuple
    kernel: object
    stride: object
    padding: object
    dilation: object
    pairs: dict  # kernel, stride, padding, dilation, every one spelled out
    seed: int


@st.composite
def pairs(draw, most):
    """(argument, pair): two integers, or one that stands for both."""
    first = draw(st.integers(1, most))
    if draw(st.booleans()):
        return first, (first, first)
    pair = (first, draw(st.integers(1, most)))
    return draw(st.sampled_from([pair, list(pair)])), pair


@st.composite
def paddings(draw, size, kernel, stride, dilation, most=6):
    """(argument, ((top, bottom), (left, right))), in all forms; explicit ones need not suffice."""
    number = st.integers(0, most)
    form = draw(st.sampled_from(["same", "one", "two", "four"]))
    if form == "same":
        rows, columns = (ref.same_padding(size[i], kernel[i], stride[i], dilation[i]) for i in (0, 1))
        return draw(st.sampled_from(["same", "SAME"])), (rows, columns)
    if form == "one":
        p = draw(number)
        return p, ((p, p), (p, p))
    if form == "two":
        p, q = draw(number), draw(number)
        return (p, q), ((p, p), (q, q))
    four = ((draw(number), draw(number)), (draw(number), draw(number)))
    return four, four


@st.composite
def convolutions(draw):
    kernel, kernel_pair = draw(pairs(5))
    stride, stride_pair = draw(pairs(4))
    dilation, dilation_pair = draw(pairs(3))
    size = [draw(st.integers(1, 9)), draw(st.integers(1, 9))]
    padding, four = draw(paddings(size, kernel_pair, stride_pair, dilation_pair))
    if not isinstance(padding, str):
        # grow the image until the kernel fits
        for axis in (0, 1):
            reach = dilation_pair[axis] * (kernel_pair[axis] - 1) + 1
            size[axis] = max(size[axis], reach - sum(four[axis]))
    meaning = {"kernel": kernel_pair, "stride": stride_pair, "padding": four, "dilation": dilation_pair}
    shape = (*size, draw(st.integers(1, 4)))
    return Conv(shape, kernel, stride, padding, dilation, meaning, draw(st.integers(0, 2**31)))


@fuzz
@given(convolutions())
def test_im2col(case):
    x = integers(case.shape, case.seed)
    cols = kernels.im2col(x, case.kernel, case.stride, case.padding, case.dilation)
    assert cols.dtype == np.float32
    np.testing.assert_array_equal(cols, ref.im2col(x, **case.pairs))


@fuzz
@given(convolutions())
def test_col2im(case):
    cols = integers(ref.im2col(np.zeros(case.shape), **case.pairs).shape, case.seed)
    x = kernels.col2im(cols, case.shape, case.kernel, case.stride, case.padding, case.dilation)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, ref.col2im(cols, case.shape, **case.pairs))


@fuzz
@given(convolutions())
def test_col2im_is_the_adjoint_of_im2col(case):
    x = integers(case.shape, case.seed)
    columns = kernels.im2col(x, case.kernel, case.stride, case.padding, case.dilation)
    c = integers(columns.shape, case.seed + 1)
    image = kernels.col2im(c, case.shape, case.kernel, case.stride, case.padding, case.dilation)
    assert np.vdot(columns.astype(np.float64), c) == np.vdot(x.astype(np.float64), image)


@fuzz
@given(convolutions(), st.integers(1, 5), st.booleans())
def test_conv2d(case, out, with_bias):
    x = integers(case.shape, case.seed)
    weights = integers((*case.pairs["kernel"], case.shape[2], out), case.seed + 1)
    bias = integers(out, case.seed + 2) if with_bias else None
    y = kernels.conv2d(x, weights, bias, case.stride, case.padding, case.dilation)
    rest = {key: case.pairs[key] for key in ("stride", "padding", "dilation")}
    expected = ref.conv2d(x, weights, **rest) + (bias if with_bias else 0)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected)
    # the references agree with each other, too
    by_columns = ref.im2col(x, **case.pairs) @ weights.reshape(-1, out).astype(np.float64)
    np.testing.assert_array_equal(by_columns.reshape(expected.shape) + (bias if with_bias else 0), expected)


class Transposed(NamedTuple):
    shape: tuple
    weights: tuple
    stride: object
    padding: object
    output_padding: object
    stride_pair: tuple
    pads: tuple
    size: tuple
    seed: int


@st.composite
def transposed(draw):
    kernel = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    stride, stride_pair = draw(pairs(4))
    h, w, into, out = (draw(st.integers(1, n)) for n in (6, 6, 4, 4))
    grid = (h, w)
    same_size = (h * stride_pair[0], w * stride_pair[1])
    padding, pads = draw(paddings(same_size, kernel, stride_pair, (1, 1), most=2))
    extra = (0, 0)
    if isinstance(padding, str):
        size = same_size
    else:
        extra = tuple(draw(st.integers(0, s - 1)) for s in stride_pair)
        size = tuple(
            ref.transpconv_out_dim(grid[i], kernel[i], stride_pair[i], *pads[i], extra[i]) for i in (0, 1)
        )
        if min(size) < 1:
            padding, pads = 0, ((0, 0), (0, 0))
            size = tuple((grid[i] - 1) * stride_pair[i] + kernel[i] + extra[i] for i in (0, 1))
    return Transposed(
        (h, w, into), (*kernel, out, into), stride, padding, extra, stride_pair, pads, size,
        draw(st.integers(0, 2**31)),
    )  # fmt: skip


@fuzz
@given(transposed(), st.booleans())
def test_conv2d_transpose(case, with_bias):
    x, weights = integers(case.shape, case.seed), integers(case.weights, case.seed + 1)
    bias = integers(case.weights[2], case.seed + 2) if with_bias else None
    y = kernels.conv2d_transpose(x, weights, bias, case.stride, case.padding, case.output_padding)
    before = (case.pads[0][0], case.pads[1][0])
    expected = ref.conv2d_transpose(x, weights, case.stride_pair, before, case.size)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected + (bias if with_bias else 0))


@fuzz
@given(transposed())
def test_conv2d_transpose_is_the_adjoint_of_conv2d(case):
    x, weights = integers(case.shape, case.seed), integers(case.weights, case.seed + 1)
    image = kernels.conv2d_transpose(x, weights, None, case.stride, case.padding, case.output_padding)
    z = integers(image.shape, case.seed + 2)
    there = kernels.conv2d(z, weights, None, case.stride, case.padding)
    assert there.shape[:2] == case.shape[:2]
    assert np.vdot(there.astype(np.float64), x) == np.vdot(z.astype(np.float64), image)


# --- rounding and chunks ---------------------------------------------------------------


def test_convolutions_in_several_chunks():
    """More pixels than fit into one chunk of columns, with a remainder."""
    x, weights = integers((23, 19, 64), 1), integers((5, 5, 64, 3), 2)
    depth = 25 * 64
    chunk = max(kernels.CHUNK_FLOATS // depth, kernels.CHUNK_MIN_PIXELS)
    assert chunk < 23 * 19
    assert 23 * 19 % chunk
    np.testing.assert_array_equal(kernels.conv2d(x, weights), ref.conv2d_same(x, weights))
    wide, kernel = integers((17, 15, 8), 3), integers((5, 5, 64, 8), 4)
    rows = kernels.CHUNK_FLOATS // (depth * 15)
    assert 1 < rows < 17
    assert 17 % rows
    for stride in (1, 2, 6):
        np.testing.assert_array_equal(
            kernels.conv2d_transpose(wide, kernel, stride=stride),
            ref.conv2d_transpose_same(wide, kernel, stride),
        )


def test_convolutions_round_like_dot_products():
    x, weights, bias = normal((12, 10, 7), 1), normal((5, 5, 7, 9), 2), normal(9, 3)
    size = ref.conv2d_same(np.abs(x), np.abs(weights), 2) + np.abs(bias)
    expected = ref.conv2d_same(x, weights, 2) + bias
    close(kernels.conv2d(x, weights, bias, 2), expected, (25 * 7 + 2) * tol.DOT_PER_TERM, size)
    kernel = normal((5, 5, 9, 7), 4)
    size = ref.conv2d_transpose_same(np.abs(x), np.abs(kernel), 2) + np.abs(bias)
    expected = ref.conv2d_transpose_same(x, kernel, 2) + bias
    close(kernels.conv2d_transpose(x, kernel, bias, 2), expected, (25 * 7 + 2) * tol.DOT_PER_TERM, size)


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@fuzz
@given(st.integers(1, 33), st.integers(1, 33), st.integers(1, 70), st.integers(0, 2**31))
def test_gemm(trans_a, trans_b, m, n, k, seed):
    a = integers((k, m) if trans_a else (m, k), seed)
    b = integers((n, k) if trans_b else (k, n), seed + 1)
    c = kernels.gemm(a, b, trans_a, trans_b)
    assert c.dtype == np.float32
    left, right = a.astype(np.float64), b.astype(np.float64)
    np.testing.assert_array_equal(c, (left.T if trans_a else left) @ (right.T if trans_b else right))


def test_gemm_rounds_like_dot_products():
    a, b = normal((150, 333), 1), normal((333, 170), 2)
    size = np.abs(a).astype(np.float64) @ np.abs(b)
    close(kernels.gemm(a, b), a.astype(np.float64) @ b, 333 * tol.DOT_PER_TERM, size)


# --- arguments -------------------------------------------------------------------------

CALLS = {
    "im2col": (lambda x: kernels.im2col(x, 3, 2), [(5, 6, 3)]),
    "col2im": (lambda c: kernels.col2im(c, (4, 4, 2), 3, 2), [(4, 18)]),
    "gemm": (lambda a, b: kernels.gemm(a, b), [(4, 5), (5, 3)]),
    "gemm transposed": (lambda a, b: kernels.gemm(a, b, True, True), [(5, 4), (3, 5)]),
    "conv2d": (lambda x, w, b: kernels.conv2d(x, w, b, 2), [(5, 6, 3), (3, 2, 3, 4), (4,)]),
    "conv2d_transpose": (
        lambda x, w, b: kernels.conv2d_transpose(x, w, b, 2), [(5, 6, 3), (3, 2, 4, 3), (4,)]
    ),
    "activate": (lambda x: kernels.activate(x, "ELU"), [(3, 4)]),
    "scale_shift": (lambda x, s, t: kernels.scale_shift(x, s, t, "ELU"), [(3, 4, 5), (5,), (5,)]),
    "concat": (lambda a, b: kernels.concat(a, b), [(3, 4, 2), (3, 4, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_any_memory_layout_and_no_argument_changed(name):
    call, shapes = CALLS[name]
    plain = [normal(shape, seed) for seed, shape in enumerate(shapes)]
    before = [x.copy() for x in plain]
    expected = call(*plain)
    for variant in zip(*map(layouts, plain), strict=True):
        kept = [x.copy() for x in variant]
        np.testing.assert_array_equal(call(*variant), expected)
        for x, copy in zip(variant, kept, strict=True):
            np.testing.assert_array_equal(x, copy)
    for x, copy in zip(plain, before, strict=True):
        np.testing.assert_array_equal(x, copy)
    assert not any(np.shares_memory(expected, x) for x in plain)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.complex64, bool, object])
def test_other_dtypes_are_refused(name, dtype):
    call, shapes = CALLS[name]
    for wrong in range(len(shapes)):
        arrays = [np.ones(s, dtype if i == wrong else np.float32) for i, s in enumerate(shapes)]
        with pytest.raises(TypeError, match=r"expected float32.*got"):
            call(*arrays)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "activate"])
def test_other_dimensions_and_empty_arrays_are_refused(name):
    call, shapes = CALLS[name]
    for wrong in range(len(shapes)):
        for shape in (
            (*shapes[wrong], 1),
            shapes[wrong][1:],
            (0, *shapes[wrong][1:]),
            (*shapes[wrong][:-1], 0),
        ):
            arrays = [np.ones(shape if i == wrong else s, np.float32) for i, s in enumerate(shapes)]
            with pytest.raises(ValueError, match="expected"):
                call(*arrays)


def ones(*shape):
    return np.ones(shape, np.float32)


X = ones(5, 6, 3)
W = ones(3, 2, 3, 4)  # of conv2d
V = ones(3, 2, 4, 3)  # of conv2d_transpose
A = ones(4, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.gemm(A, A), r"inner dimensions differ: op\(a\) is \(4, 5\), op\(b\) is \(4, 5\)"),
        (lambda: kernels.gemm(A, A, True, True), "inner dimensions"),
        (lambda: kernels.conv2d(X, V), "expected 3 input channels, got 4"),
        (lambda: kernels.conv2d_transpose(X, W), "expected 3 input channels, got 4"),
        (lambda: kernels.conv2d(X, W, ones(3)), r"bias: expected \(4,\), got \(3,\)"),
        (lambda: kernels.conv2d_transpose(X, V, ones(3)), r"bias: expected \(4,\)"),
        (lambda: kernels.scale_shift(X, ones(2), ones(3)), r"scale: expected \(3,\)"),
        (lambda: kernels.scale_shift(X, ones(3), ones(2)), r"shift: expected \(3,\)"),
        (lambda: kernels.concat(X, X[:4]), r"differ in size: \(5, 6\) and \(4, 6\)"),
        (lambda: kernels.col2im(A, (2, 2, 1), 3), r"expected \(4, 9\) for .*, got \(4, 5\)"),
        (lambda: kernels.col2im(A, (2, 2), 3), "output_shape"),
        (lambda: kernels.col2im(A, (2, 2, 0), 3), "output_shape"),
        (lambda: kernels.im2col(X, 0), "kernel: expected at least 1, got 0"),
        (lambda: kernels.im2col(X, (3, -1)), "kernel"),
        (lambda: kernels.im2col(X, (3, 3, 3)), "kernel"),
        (lambda: kernels.im2col(X, 3, 0), "stride"),
        (lambda: kernels.im2col(X, 3, (1, 0)), "stride"),
        (lambda: kernels.im2col(X, 3, 1, -1), "padding"),
        (lambda: kernels.im2col(X, 3, 1, "valid"), 'padding: expected "same"'),
        (lambda: kernels.im2col(X, 3, 1, (1, 2, 3)), "padding"),
        (lambda: kernels.im2col(X, 3, 1, ((1, 2), (3, -1))), "padding"),
        (lambda: kernels.im2col(X, 3, 1, ((1, 2), (3, 4, 5))), "padding"),
        (lambda: kernels.im2col(X, 3, 1, "same", 0), "dilation"),
        (lambda: kernels.im2col(X, 6, 1, 0), "does not fit into 5 samples"),
        (lambda: kernels.im2col(X, (1, 4), 1, 0, 2), "does not fit into 6 samples"),
        (lambda: kernels.conv2d(X, W, padding=0, dilation=3), "does not fit"),
        (lambda: kernels.conv2d_transpose(X, V, padding=4), "crops all"),
        (lambda: kernels.conv2d_transpose(X, V, stride=2, padding=0, output_padding=2), "output_padding"),
        (lambda: kernels.conv2d_transpose(X, V, stride=2, padding=0, output_padding=-1), "output_padding"),
        (lambda: kernels.conv2d_transpose(X, V, stride=2, output_padding=1), "output_padding"),
        (lambda: kernels.transpconv_out_dim(4, 3, 2, "same", 1), "output_padding"),
        (lambda: kernels.transpconv_out_dim(4, 3, 2, 0, 2), "less than the stride 2, got 2"),
        (lambda: kernels.transpconv_out_dim(1, 3, 1, (1, 2)), "crops all"),
        (lambda: kernels.conv_out_dim(0, 3), "size: expected at least 1, got 0"),
        (lambda: kernels.conv_out_dim(5, 3, 1, (1, -2)), "padding"),
        (lambda: kernels.conv_out_dim(5, 3, 1, "full"), "padding"),
        (lambda: kernels.conv_out_dim(2, 4, 1, 0), "does not fit"),
        (lambda: kernels.conv_out_dim(2**70, 3), "size"),
        (lambda: kernels.conv_out_dim(5, 2**40, 1, "same", 2**40), "kernel"),
        (lambda: kernels.activate(X, "tanh"), "activation: expected one of"),
        (lambda: kernels.scale_shift(X, ones(3), ones(3), "tanh"), "activation"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", [True, 1.0, "3", None, np.float32(2), np.True_])
def test_integers_only(bad):
    for call in (
        lambda: kernels.im2col(X, bad),
        lambda: kernels.im2col(X, (bad, 1)),
        lambda: kernels.im2col(X, 3, bad),
        lambda: kernels.im2col(X, 3, 1, "same", bad),
        lambda: kernels.im2col(X, 3, 1, (1, bad)),
        lambda: kernels.im2col(X, 3, 1, ((1, bad), (1, 1))),
        lambda: kernels.col2im(A, (2, bad, 1), 3),
        lambda: kernels.conv2d(X, W, None, bad),
        lambda: kernels.conv2d_transpose(X, V, None, 2, 0, bad),
        lambda: kernels.conv_out_dim(bad, 3),
        lambda: kernels.conv_out_dim(5, bad),
        lambda: kernels.transpconv_out_dim(5, 3, bad),
        lambda: kernels.transpconv_out_dim(5, 3, 2, 1, bad),
    ):
        # a string where padding may be a string is a wrong value
        with pytest.raises((TypeError, ValueError) if bad == "3" else TypeError, match="expected"):
            call()
    if bad != "3":
        with pytest.raises(TypeError, match="expected"):
            kernels.im2col(X, 3, 1, bad)


def test_parameters_of_scale_shift_are_required():
    with pytest.raises(TypeError, match="scale"):
        kernels.scale_shift(X, None, ones(3))
    with pytest.raises(TypeError, match="shift"):
        kernels.scale_shift(X, ones(3), None)


# --- element-wise ------------------------------------------------------------------------

LARGEST = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).smallest_subnormal
EXTREME = np.array(
    [0.0, -0.0, SMALLEST, -SMALLEST, 1e-40, -1e-40, 1.2e-38, -1.2e-38, 1e-20, -1e-20, 1e-7, -1e-7,
     0.3465735, -0.3465736, 1, -1, 10, -10, 17, -17, 86.9, -86.9, 87.1, -87.1, 88.1, -88.1, 89, -89,
     100, -100, 1e4, -1e4, 1e30, -1e30, LARGEST, -LARGEST, np.inf, -np.inf],
    np.float32,
)  # fmt: skip
TOLERANCE = {None: 0.0, "ReLU": 0.0, "LeakyReLU": tol.LEAKY_RELU, "ELU": tol.ELU, "sigmoid": tol.SIGMOID}


@pytest.mark.parametrize("activation", TOLERANCE)
def test_activations(activation):
    """Every value to a relative error; of subnormal results, which have few digits, to one of them."""
    grid = np.linspace(-20, 20, 4001, dtype=np.float32)
    x = np.concatenate([EXTREME, grid, normal(1000) * np.float32(1e-3)])
    expected = ref.activate(x, activation)
    close(
        kernels.activate(x, activation), expected, TOLERANCE[activation], np.abs(expected),
        tol.TINY if activation == "sigmoid" else float(SMALLEST),
    )  # fmt: skip


@pytest.mark.parametrize("activation", TOLERANCE)
def test_activations_of_any_length_and_shape(activation):
    """Vector loops have remainders: every length gives what every element gives alone."""
    x = normal(70) * np.float32(5)
    alone = np.array([kernels.activate(x[i : i + 1], activation)[0] for i in range(70)])
    for n in range(71):
        np.testing.assert_array_equal(kernels.activate(x[:n], activation), alone[:n])
    for shape in ((), (1,), (2, 0, 3), (2, 5, 7)):
        count = int(np.prod(shape))
        y = kernels.activate(x[:count].reshape(shape), activation)
        assert y.shape == shape
        np.testing.assert_array_equal(y.reshape(-1), alone[:count])


def test_fold_batch_norm():
    rng = np.random.default_rng(5)
    gamma, beta, mean = rng.normal(0, 2, (3, 50)).astype(np.float32)
    variance = rng.uniform(0, 4, 50).astype(np.float32)
    variance[0] = 0
    x = rng.normal(0, 3, 50)
    scale, shift = kernels.fold_batch_norm(gamma, beta, mean, variance)
    assert scale.dtype == shift.dtype == np.float32
    expected = ref.batch_norm(x, *(v.astype(np.float64) for v in (gamma, beta, mean, variance)))
    size = np.abs(x * scale) + np.abs(shift) + np.abs(mean * scale)
    close(x * scale + shift.astype(np.float64), expected, tol.BATCH_NORM, size)
    wide, _ = kernels.fold_batch_norm(1.0, 0.0, 0.0, 1.0, epsilon=3.0)
    assert wide == np.float32(0.5)


@pytest.mark.parametrize("activation", TOLERANCE)
@pytest.mark.parametrize("channels", [1, 2, 3, 16, 33])
def test_scale_shift(activation, channels):
    x, scale, shift = normal((5, 7, channels), 1), normal(channels, 2), normal(channels, 3)
    inner = x.astype(np.float64) * scale + shift
    size = np.abs(x * scale) + np.abs(shift)
    close(
        kernels.scale_shift(x, scale, shift, activation),
        ref.activate(inner, activation),
        tol.BATCH_NORM + TOLERANCE[activation],
        size + np.abs(ref.activate(inner, activation)),
    )


def test_concat():
    a, b = integers((4, 5, 3), 1), integers((4, 5, 2), 2)
    joined = kernels.concat(a, b)
    assert joined.flags.c_contiguous
    np.testing.assert_array_equal(joined[..., :3], a)
    np.testing.assert_array_equal(joined[..., 3:], b)
