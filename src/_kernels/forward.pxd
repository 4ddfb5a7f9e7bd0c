"""The forward pass of one stem: a flat table of layers over one workspace.

Python lowers the network once (`spleeterrt.network.lower`); nothing here knows Python.
"""

from _kernels.layers cimport bias_mask, conv2d, conv2d_transpose, lap, seconds, STAGE_REST, STAGES
from _kernels.shapes cimport ConvShape

cdef enum Op:
    OP_CONV         # convolution, bias; batch norm and activation into a second buffer
    OP_TRANSPCONV   # transposed convolution, bias, activation, batch norm
    OP_MASK         # convolution, bias; sigmoid times the input, or logits


# One row of the table; all int64 (a numpy structured dtype of the same fields). Buffers are
# offsets in floats: src, dst, normed, sums, cols into the workspace; weights, bias, scale, shift
# into the stem's weights. NETWORK_INPUT and NETWORK_OUTPUT stand for the segment's arrays.
cdef struct Layer:
    long long op
    long long activation
    # the convolution (of OP_TRANSPCONV: the one it is the adjoint of)
    long long h, w, c, out_h, out_w
    long long kernel, stride, dilation, pad_top, pad_left
    long long in_c, out_c       # channels of the layer's input and output
    long long src
    long long dst, dst_ld       # dst_ld: floats between pixels, wider than out_c in a concatenation
    long long normed            # OP_CONV: where the next layer's input goes, or NOWHERE
    long long sums              # OP_TRANSPCONV: [h, w, c] accumulator
    long long cols, chunk       # columns of `chunk` pixels (OP_TRANSPCONV: rows)
    long long weights, bias, scale, shift

cdef enum:
    NOWHERE = -1
    NETWORK_INPUT = -2
    NETWORK_OUTPUT = -3


cdef inline void run_layer(
    const Layer* layer, const float* weights, float* workspace,
    const float* input, float* output, bint logits, double* profile,
) noexcept nogil:
    cdef ConvShape s
    cdef const float* x = input if layer.src == NETWORK_INPUT else workspace + layer.src
    cdef float* y = output if layer.dst == NETWORK_OUTPUT else workspace + layer.dst
    cdef const float* bias = weights + layer.bias
    cdef const float* scale = weights + layer.scale
    cdef const float* shift = weights + layer.shift
    cdef float* cols = workspace + layer.cols
    cdef double t
    s.h, s.w, s.c = layer.h, layer.w, layer.c
    s.out_h, s.out_w = layer.out_h, layer.out_w
    s.kernel_h = s.kernel_w = layer.kernel
    s.stride_h = s.stride_w = layer.stride
    s.dilation_h = s.dilation_w = layer.dilation
    s.pad_top, s.pad_left = layer.pad_top, layer.pad_left
    if layer.op == OP_TRANSPCONV:
        conv2d_transpose(
            x, &s, weights + layer.weights, layer.in_c, workspace + layer.sums, y, layer.dst_ld,
            bias, scale, shift, <int>layer.activation, cols, layer.chunk, profile)
    elif layer.op == OP_CONV:
        conv2d(
            x, &s, weights + layer.weights, layer.out_c, y, layer.dst_ld,
            bias, scale, shift, <int>layer.activation,
            workspace + layer.normed if layer.normed != NOWHERE else NULL, cols, layer.chunk, profile)
    else:
        conv2d(
            x, &s, weights + layer.weights, layer.out_c, y, layer.dst_ld,
            NULL, NULL, NULL, 0, NULL, cols, layer.chunk, profile)
        t = seconds() if profile != NULL else 0.0
        bias_mask(y, bias, NULL if logits else input, y, s.out_h * s.out_w, layer.out_c)
        lap(profile, STAGE_REST, t)


cdef inline void run_stem(
    const Layer* layers, Py_ssize_t n_layers, const float* weights, float* workspace,
    const float* input, float* output, bint logits, double* profile,
) noexcept nogil:
    # input, output: [T, F, 2]; profile: NULL or [n_layers, STAGES] seconds
    cdef Py_ssize_t i
    for i in range(n_layers):
        run_layer(&layers[i], weights, workspace, input, output, logits,
                  profile + i * STAGES if profile != NULL else NULL)
