"""The matrix product of our own (`core/fast/sgemm.h`), in every instruction set, whichever BLAS is linked."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spleeterrt import kernels
from spleeterrt._kernels import nn
from support import tolerances as tol
from support.examples import examples

fuzz = settings(max_examples=examples(150), deadline=None, database=None)
isas = pytest.mark.parametrize("isa", [*nn.FAST_ISAS, None])

# Around the blocks of channels (16, 32), rows (96), channels (256) and depth (256) in which it works.
edges = st.one_of(st.integers(0, 40), st.sampled_from([95, 96, 97, 255, 256, 257, 300, 513]))


def placed(x, trans, gap):
    """x, or its transpose, in rows that lie `gap` numbers apart, between numbers that nobody may use."""
    x = x.T if trans else x
    room = np.full((x.shape[0], x.shape[1] + gap), np.nan, np.float32)
    room[:, : x.shape[1]] = x
    return room[:, : x.shape[1]]


def product(a, b, trans_a=False, trans_b=False, isa=None, gaps=(0, 0, 0)):
    room = np.full((a.shape[0], b.shape[1] + gaps[2]), np.nan, np.float32)  # c is written, not read
    c = room[:, : b.shape[1]]
    nn.builtin_gemm(placed(a, trans_a, gaps[0]), trans_a, placed(b, trans_b, gaps[1]), trans_b, c, isa)
    assert np.isnan(room[:, b.shape[1] :]).all()
    return c


def exact(a, b):
    """In float64, by sums in which a NaN meets everything that it meets in a product."""
    with np.errstate(invalid="ignore"):
        return np.stack([(row.astype(np.float64)[:, None] * b).sum(0) for row in a]) if len(a) else a @ b


@fuzz
@given(
    edges,
    edges,
    edges,
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.integers(0, 5)] * 3),
    st.sampled_from([*nn.FAST_ISAS, None]),
    st.integers(0, 2**32 - 1),
)
def test_integers_are_exact(m, n, k, trans_a, trans_b, gaps, isa, seed):
    generator = np.random.default_rng(seed)
    a, b = (generator.integers(-8, 9, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    np.testing.assert_array_equal(product(a, b, trans_a, trans_b, isa, gaps), exact(a, b))


@isas
@pytest.mark.parametrize("shape", [(300, 130, 1000), (7, 513, 257), (1, 1, 4097)])
def test_error(isa, shape):
    m, n, k = shape
    generator = np.random.default_rng(k)
    a, b = (generator.standard_normal(size).astype(np.float32) for size in ((m, k), (k, n)))
    scale = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
    tol.close(product(a, b, isa=isa), a.astype(np.float64) @ b, k * tol.DOT_PER_TERM, scale)


@isas
@pytest.mark.parametrize("trans", [False, True])
def test_nan_and_infinity_pass_on(isa, trans):
    a, b = np.zeros((20, 300), np.float32), np.zeros((300, 37), np.float32)
    a[3, 299], a[4, 0], a[19, 17] = np.nan, np.inf, -np.inf  # times zero: NaN
    b[5, 36], b[280, 2] = np.inf, np.nan
    a[7, 5] = 2
    found = product(a, b, trans, trans, isa)
    np.testing.assert_array_equal(found, exact(a, b))
    assert found[7, 36] == np.inf
    assert np.isnan(found[3]).all()


@isas
def test_bits_depend_neither_on_the_other_rows_and_columns_nor_on_layout(isa):
    generator = np.random.default_rng(1)
    a = generator.standard_normal((200, 333)).astype(np.float32)
    b = generator.standard_normal((333, 300)).astype(np.float32)
    whole = product(a, b, isa=isa)
    for rows, columns in (
        (slice(3, 4), slice(299, 300)),
        (slice(90, 107), slice(31, 290)),
        (slice(1, 200), slice(5, 6)),
    ):
        np.testing.assert_array_equal(product(a[rows], b[:, columns], isa=isa), whole[rows, columns])
    np.testing.assert_array_equal(product(a, b, True, True, isa, (3, 1, 2)), whole)


@isas
def test_threads_at_once(isa):
    generator = np.random.default_rng(2)
    pairs = [
        (generator.standard_normal((50 + i, 300)), generator.standard_normal((300, 40 + i))) for i in range(4)
    ]
    pairs = [(a.astype(np.float32), b.astype(np.float32)) for a, b in pairs]
    expected = [product(a, b, isa=isa) for a, b in pairs]
    wrong = []

    def work(index):
        for _ in range(20):
            if not np.array_equal(product(*pairs[index], isa=isa), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_another_set_is_refused():
    x = np.ones((1, 1), np.float32)
    with pytest.raises(ValueError, match="no instruction set 'sse9'"):
        nn.builtin_gemm(x, False, x, False, x, "sse9")


@pytest.mark.skipif(nn.BLAS != "builtin", reason="a BLAS is linked")
def test_it_is_what_the_kernels_call():
    generator = np.random.default_rng(3)
    a, b = (generator.standard_normal((60, 60)).astype(np.float32) for _ in "ab")
    np.testing.assert_array_equal(kernels.gemm(a, b, True), product(a.T, b))
