# cython: language_level=3
"""The network's kernels behind numpy arrays, and the parallel forward pass.

The functions on memoryviews are thin twins of the `nogil` functions that the network runs; the
public, validating face is `spleeterrt.kernels`. All arrays are float32 and C-contiguous.
"""

from cython.parallel cimport prange, threadid

from _kernels cimport blas, columns, layers, shapes
from _kernels.forward cimport (
    NETWORK_INPUT as _NETWORK_INPUT,
    NETWORK_OUTPUT as _NETWORK_OUTPUT,
    NOWHERE as _NOWHERE,
    OP_CONV as _OP_CONV,
    OP_MASK as _OP_MASK,
    OP_TRANSPCONV as _OP_TRANSPCONV,
    Layer,
    run_stem,
)
from _kernels.shapes cimport ConvShape

BLAS = blas.BLAS_NAME.decode()
"""Which BLAS was linked: "mkl-static", "mkl-shared" or "cblas"."""

OP_CONV, OP_TRANSPCONV, OP_MASK = _OP_CONV, _OP_TRANSPCONV, _OP_MASK
NOWHERE, NETWORK_INPUT, NETWORK_OUTPUT = _NOWHERE, _NETWORK_INPUT, _NETWORK_OUTPUT
PROFILE_STAGES = ("columns", "gemm", "rest")
LAYER_FIELDS = (
    "op", "activation", "h", "w", "c", "out_h", "out_w", "kernel", "stride", "dilation",
    "pad_top", "pad_left", "in_c", "out_c", "src", "dst", "dst_ld", "normed", "sums", "cols", "chunk",
    "weights", "bias", "scale", "shift",
)
"""The columns of the layer table, in the order of the C struct; all int64."""


# --- shapes -------------------------------------------------------------------

def conv_out_same(Py_ssize_t size, Py_ssize_t stride):
    return shapes.conv_out_same(size, stride)


def conv_out_padded(
    Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pads, Py_ssize_t dilation
):
    return shapes.conv_out_padded(size, kernel, stride, pads, dilation)


def same_padding(Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t dilation):
    return shapes.same_padding(size, kernel, stride, dilation)


def transpconv_out_same(Py_ssize_t size, Py_ssize_t stride):
    return shapes.transpconv_out_same(size, stride)


def transpconv_out_padded(
    Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pads, Py_ssize_t output_padding
):
    return shapes.transpconv_out_padded(size, kernel, stride, pads, output_padding)


cdef ConvShape conv_shape(image, grid, kernel, stride, dilation, pad):
    cdef ConvShape s
    s.h, s.w, s.c = image
    s.out_h, s.out_w = grid
    s.kernel_h, s.kernel_w = kernel
    s.stride_h, s.stride_w = stride
    s.dilation_h, s.dilation_w = dilation
    s.pad_top, s.pad_left = pad
    return s


# --- kernels on arrays ------------------------------------------------------------

def gemm(const float[:, ::1] a, bint trans_a, const float[:, ::1] b, bint trans_b, float[:, ::1] c):
    """c = op(a) @ op(b)."""
    cdef Py_ssize_t k = a.shape[0] if trans_a else a.shape[1]
    with nogil:
        blas.gemm(&a[0, 0], a.shape[1], trans_a, &b[0, 0], b.shape[1], trans_b,
                  &c[0, 0], c.shape[1], c.shape[0], c.shape[1], k)


def im2col(const float[:, :, ::1] x, grid, kernel, stride, dilation, pad, float[:, ::1] cols):
    """x [H, W, C] -> cols [OH * OW, KH * KW * C]."""
    cdef ConvShape s = conv_shape((x.shape[0], x.shape[1], x.shape[2]), grid, kernel, stride, dilation, pad)
    with nogil:
        columns.im2col(&x[0, 0, 0], &s, 0, s.out_h * s.out_w, &cols[0, 0])


def col2im(const float[:, ::1] cols, grid, kernel, stride, dilation, pad, float[:, :, ::1] x):
    """cols [OH * OW, KH * KW * C] are added into x [H, W, C]."""
    cdef ConvShape s = conv_shape((x.shape[0], x.shape[1], x.shape[2]), grid, kernel, stride, dilation, pad)
    with nogil:
        columns.col2im(&cols[0, 0], &s, 0, s.out_h * s.out_w, &x[0, 0, 0])


def conv2d(
    const float[:, :, ::1] x, const float[:, ::1] weights, const float[::1] bias,
    kernel, stride, dilation, pad, float[:, ::1] cols, float[:, :, ::1] y,
):
    """x [H, W, C], weights [KH * KW * C, OC] -> y [OH, OW, OC]; cols: chunk x (KH * KW * C)."""
    cdef ConvShape s = conv_shape(
        (x.shape[0], x.shape[1], x.shape[2]), (y.shape[0], y.shape[1]), kernel, stride, dilation, pad)
    with nogil:
        layers.conv2d(
            &x[0, 0, 0], &s, &weights[0, 0], y.shape[2], &y[0, 0, 0], y.shape[2],
            &bias[0], NULL, NULL, 0, NULL, &cols[0, 0], cols.shape[0], NULL)


def conv2d_transpose(
    const float[:, :, ::1] x, const float[:, ::1] weights,
    kernel, stride, pad, float[:, ::1] cols, Py_ssize_t chunk_rows, float[:, :, ::1] y,
):
    """x [H, W, C], weights [KH * KW * OC, C] -> y [OH, OW, OC]; cols: (chunk_rows * W) x (KH * KW * OC)."""
    cdef ConvShape s = conv_shape(
        (y.shape[0], y.shape[1], y.shape[2]), (x.shape[0], x.shape[1]), kernel, stride, (1, 1), pad)
    with nogil:
        layers.conv2d_transpose(
            &x[0, 0, 0], &s, &weights[0, 0], x.shape[2], &y[0, 0, 0], NULL, 0,
            NULL, NULL, NULL, 0, &cols[0, 0], chunk_rows, NULL)


def activate(const float[::1] x, int activation, float[::1] y):
    """y = activation(x)."""
    with nogil:
        layers.activate(&x[0], &y[0], x.shape[0], activation)


def bias_norm_activate(
    float[:, ::1] raw, Py_ssize_t first, Py_ssize_t channels, const float[::1] bias,
    const float[::1] scale, const float[::1] shift, int activation, float[:, ::1] out,
):
    """raw[:, first : first + channels] += bias; out = activation(that * scale + shift)."""
    with nogil:
        layers.bias_norm_activate(
            &raw[0, first], raw.shape[1], &bias[0], &scale[0], &shift[0], activation,
            &out[0, 0], raw.shape[0], channels)


def bias_activate_norm(
    const float[:, ::1] x, const float[::1] bias, int activation,
    const float[::1] scale, const float[::1] shift, float[:, ::1] out, Py_ssize_t first,
):
    """out[:, first : first + channels] = activation(x + bias) * scale + shift."""
    with nogil:
        layers.bias_activate_norm(
            &x[0, 0], &bias[0], activation, &scale[0], &shift[0],
            &out[0, first], out.shape[1], x.shape[0], x.shape[1])


def bias_mask(
    const float[:, ::1] logits, const float[::1] bias, const float[:, ::1] input, float[:, ::1] out,
):
    """out = sigmoid(logits + bias) * input."""
    with nogil:
        layers.bias_mask(&logits[0, 0], &bias[0], &input[0, 0], &out[0, 0], logits.shape[0], logits.shape[1])


def softmax_mask(float[:, ::1] x, const float[::1] input):
    """x [stems, n] = softmax over stems, times input [n], in place."""
    with nogil:
        layers.softmax_mask(&x[0, 0], x.shape[1], x.shape[0], &input[0], x.shape[1])


# --- the network --------------------------------------------------------------------

def forward(
    const Layer[::1] table, const float[:, ::1] weights, float[:, ::1] workspaces,
    const float[:, :, :, ::1] inputs, float[:, :, :, :, ::1] outputs, bint softmax, double[:, ::1] profile,
):
    """All stems' networks on all segments, without the GIL.

    table: the layers; weights [stems, n]; workspaces [threads, n]: one per thread;
    inputs [segments, T, F, 2] -> outputs [stems, segments, T, F, 2], estimated magnitudes.
    Tasks (segment x stem) are independent and run the same operations on any thread, so the result
    does not depend on the number of threads or of segments.
    profile: None, or [layers, stages] seconds (one thread only).
    """
    cdef Py_ssize_t stems = weights.shape[0], segments = inputs.shape[0], task
    cdef Py_ssize_t tasks = stems * segments, values = inputs.shape[1] * inputs.shape[2] * inputs.shape[3]
    cdef int threads = <int>workspaces.shape[0]
    cdef double* seconds = &profile[0, 0] if profile is not None else NULL
    if tasks == 0:
        return
    if threads == 1:
        # Outside OpenMP: a host that forks, or never asked for threads, sees none.
        with nogil:
            for task in range(tasks):
                run_stem(
                    &table[0], table.shape[0], &weights[task % stems, 0], &workspaces[0, 0],
                    &inputs[task // stems, 0, 0, 0], &outputs[task % stems, task // stems, 0, 0, 0],
                    softmax, seconds)
            if softmax:
                for task in range(segments):
                    layers.softmax_mask(
                        &outputs[0, task, 0, 0, 0], segments * values, stems, &inputs[task, 0, 0, 0], values)
        return
    with nogil:
        for task in prange(tasks, schedule="dynamic", chunksize=1, num_threads=threads):
            run_stem(
                &table[0], table.shape[0], &weights[task % stems, 0], &workspaces[threadid(), 0],
                &inputs[task // stems, 0, 0, 0], &outputs[task % stems, task // stems, 0, 0, 0],
                softmax, NULL)
        if softmax:
            for task in prange(segments, schedule="dynamic", chunksize=1, num_threads=threads):
                layers.softmax_mask(
                    &outputs[0, task, 0, 0, 0], segments * values, stems, &inputs[task, 0, 0, 0], values)
