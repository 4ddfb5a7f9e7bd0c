"""How far float32 results may be from the float64 references: one tolerance per operation.

`close` compares by the largest error, relative to a scale that the caller names or to the
largest expected value.
"""

from __future__ import annotations

import platform

import numpy as np

UNIT = 2.0**-24  # half the distance from 1 to the next float32
HALF = 2.0**-11  # the same of float16, above its subnormal numbers

# A dot product of n terms: error <= n UNIT sum |a b| whatever the order of the sum (Higham, Accuracy and
# Stability, 3.1); two more roundings for the bias.
DOT_PER_TERM = UNIT

# LeakyReLU: the constant 0.2 and one product, rounded; ReLU and no activation are exact.
LEAKY_RELU = 2 * UNIT
# ELU and sigmoid: polynomial, two products and a sum, each rounded, after an argument reduction.
ELU = 3 * UNIT  # measured: 1.4
SIGMOID = 4 * UNIT  # measured: 2.5
# The reduced argument is clamped at exp(-87) = 1.6e-38, below which float32 loses its digits anyway.
TINY = 2e-38

# Batch norm: product and sum (each relative to its own terms), the parameters rounded once.
BATCH_NORM = 4 * UNIT

# 13 layers deep, each with the rounding of its own dot products; relative to the input's magnitude,
# because the mask is between 0 and 1 (measured: 3e-6; the logits are tens).
NETWORK = 1e-5

# FFT: log2(n) passes, each a few roundings, relative to the largest bin (measured: 1.8e-7).
STFT = 5e-7
# Analysis, synthesis and up to frame_length / hop overlapping frames, relative to the peak.
RECONSTRUCTION = 1e-6

# Powers, sum and quotient of non-negative numbers: no cancellation; pow is good to an ulp.
RATIO_MASK = 8 * UNIT
# A mean in float64, rounded once.
MEAN_MASK = 2 * UNIT

# float64 inside; the result is rounded to float32 once. The mix covariance is inverted at a condition
# number of up to 1e6 (largest power 100 over sqrt(eps)), which leaves 1e-10.
WIENER = 2 * UNIT

# From samples to samples at full scale 1: the network's error in the mask times the spectrum; errors of
# different bins and frames average out (measured: 1.2e-7).
SEPARATION = 5e-7
# With the Wiener filter: its weights are quotients of estimated powers, so they amplify the
# network's relative error where a stem is weak (measured: 7e-8).
SEPARATION_WIENER = 1e-6
# Of three stems the second network hears what the first one left, and passes that error on (measured: 2e-7).
SEPARATION_CASCADE = 1e-6


def close(actual, expected, tolerance, scale=None, floor=0.0):
    """Assert |actual - expected| <= tolerance * scale + floor, element by element; NaN never passes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    if scale is None:
        scale = np.abs(expected).max(initial=0.0)
    same = actual == expected  # infinities
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(actual - expected))
        allowed = tolerance * np.asarray(scale, np.float64) + floor
    good = same | (error <= allowed)
    assert good.all(), (
        f"{np.count_nonzero(~good)} of {good.size} values differ; largest error {np.max(error):.3g}, "
        f"allowed there {np.broadcast_to(allowed, error.shape).flat[np.argmax(error)]:.3g}"
    )


# MPEG audio from a decoder that began elsewhere: libmpg123 for ARM rounds otherwise (measured: 6e-8).
MPEG_BEGUN_ELSEWHERE = 2.0**-23 if platform.machine() in ("aarch64", "arm64") else 0.0

# Waveforms against the real Spleeter on TensorFlow: both round in float32, in FFTs of another order
# (measured: 2.5e-6 at full scale 1).
GOLDEN_WAVEFORM = 1e-5

# Masks of the fast path against the float64 network, relative to the reference path's own error, largest to
# largest (measured: 1.1 to 3.7, for all activations, inputs, instruction sets and memory profiles).
MASK_OF_FLOAT64 = 6

# One layer by Winograd instead of im2col, seen at the output: F(4, 3) multiplies rounding by some
# tens, of one layer only (measured: 4e-6 of the largest input).
FAST_LAYER = 2e-5
