"""The forward pass of one stem: a flat table of layers over one workspace.

Python lowers the network once (`spleeterrt.layers.lower`); nothing here knows Python.
"""

from _kernels.layers cimport bias_mask, conv2d, conv2d_transpose, lap, seconds, STAGE_FAST, STAGE_REST, STAGES
from _kernels.shapes cimport ConvShape

cdef extern from "core/fast/fast.h" nogil:
    cdef struct fast_layer:
        int h, w, in_c, out_c
        const float* src
        Py_ssize_t src_ld
        float* dst
        Py_ssize_t dst_ld
        float* normed
        Py_ssize_t normed_ld
        const float* weights
        const float* bias
        const float* scale
        const float* shift
        int activation
        float* scratch
    cdef struct fast_kernels:
        const char* name
        size_t (*weight_floats)(int decoder, int tile, int in_c, int out_c) noexcept nogil
        void (*prepare)(
            int decoder, int tile, int in_c, int out_c, const float* kernel, float* weights) noexcept nogil
        size_t (*scratch_floats)(int decoder, int tile, int in_c, int out_c) noexcept nogil
        void (*run)(int decoder, int tile, const fast_layer* layer) noexcept nogil
        void (*matrices)(int tile, double* data, double* output, double* filter) noexcept nogil
        size_t (*first_scratch_floats)(int w) noexcept nogil
        void (*first)(const fast_layer* layer) noexcept nogil
        size_t (*last_up_scratch_floats)(int w, int in_c) noexcept nogil
        void (*last_up)(const fast_layer* layer) noexcept nogil
        void (*mask)(
            int h, int w, const float* src, const float* weights, const float* bias, const float* input,
            float* out) noexcept nogil
    const fast_kernels* fast_kernels_for(const char* name)


cdef enum Method:
    METHOD_REFERENCE    # im2col / col2im and GEMM
    METHOD_DIRECT       # the outer layers' own loops
    METHOD_WINOGRAD2    # polyphase and Winograd, tiles of 2 x 2
    METHOD_WINOGRAD4    # tiles of 4 x 4

cdef enum Op:
    OP_CONV         # convolution, bias; batch norm and activation into a second buffer
    OP_TRANSPCONV   # transposed convolution, bias, activation, batch norm
    OP_MASK         # convolution, bias; sigmoid times the input, or logits


# One row of the table; all int64 (a numpy structured dtype of the same fields). Buffers are
# offsets in floats: src, dst, normed, sums, cols into the workspace; weights, bias, scale, shift
# into the stem's weights. NETWORK_INPUT and NETWORK_OUTPUT stand for the segment's arrays.
cdef struct Layer:
    long long op
    long long method            # METHOD_REFERENCE, or one of the fast kernels
    long long activation
    # the convolution (of OP_TRANSPCONV: the one it is the adjoint of)
    long long h, w, c, out_h, out_w
    long long kernel, stride, dilation, pad_top, pad_left
    long long in_c, out_c       # channels of the layer's input and output
    # *_ld: floats between pixels, wider than the channels in a concatenation. The reference path takes
    # dense src and normed only.
    long long src, src_ld
    long long dst, dst_ld
    long long normed, normed_ld  # OP_CONV: where the next layer's input goes, or NOWHERE
    long long sums              # OP_TRANSPCONV: [h, w, c] accumulator
    long long cols, chunk       # columns of `chunk` pixels (OP_TRANSPCONV: rows); scratch of fast kernels
    long long weights, bias, scale, shift

cdef enum:
    NOWHERE = -1
    NETWORK_INPUT = -2
    NETWORK_OUTPUT = -3


cdef inline void run_fast(
    const fast_kernels* kernels, const Layer* layer, const float* weights, float* workspace,
    const float* input, float* output, bint logits,
) noexcept nogil:
    cdef fast_layer l
    cdef bint decoder = layer.op == OP_TRANSPCONV
    l.h = <int>(layer.out_h if decoder else layer.h)
    l.w = <int>(layer.out_w if decoder else layer.w)
    l.in_c, l.out_c = <int>layer.in_c, <int>layer.out_c
    l.src = input if layer.src == NETWORK_INPUT else workspace + layer.src
    l.dst = output if layer.dst == NETWORK_OUTPUT else workspace + layer.dst
    l.src_ld, l.dst_ld, l.normed_ld = layer.src_ld, layer.dst_ld, layer.normed_ld
    l.normed = workspace + layer.normed if layer.normed != NOWHERE else NULL
    l.weights = weights + layer.weights
    l.bias, l.scale, l.shift = weights + layer.bias, weights + layer.scale, weights + layer.shift
    l.activation = <int>layer.activation
    l.scratch = workspace + layer.cols
    if layer.op == OP_MASK:
        kernels.mask(l.h, l.w, l.src, l.weights, l.bias, NULL if logits else input, l.dst)
    elif layer.method == METHOD_DIRECT:
        if decoder:
            kernels.last_up(&l)
        else:
            kernels.first(&l)
    else:
        kernels.run(decoder, 4 if layer.method == METHOD_WINOGRAD4 else 2, &l)


cdef inline void run_layer(
    const fast_kernels* kernels, const Layer* layer, const float* weights, float* workspace,
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
    if layer.method != METHOD_REFERENCE:
        t = seconds() if profile != NULL else 0.0
        run_fast(kernels, layer, weights, workspace, input, output, logits)
        lap(profile, STAGE_FAST, t)
        return
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
    const fast_kernels* kernels, const Layer* layers, Py_ssize_t n_layers,
    const float* weights, float* workspace, const float* input, float* output, bint logits, double* profile,
) noexcept nogil:
    # kernels: of the table's fast layers; input, output: [T, F, 2];
    # profile: NULL or [n_layers, STAGES] seconds
    cdef Py_ssize_t i
    for i in range(n_layers):
        run_layer(kernels, &layers[i], weights, workspace, input, output, logits,
                  profile + i * STAGES if profile != NULL else NULL)
