"""The forward pass of one stem: a flat table of layers over one workspace.

`core/executor` runs the table, the fast layers itself, the others through `run_reference_layer`;
`core/network` makes it, once. Nothing here knows Python.
"""

from _kernels.layers cimport bias_mask, conv2d, conv2d_rows, conv2d_transpose, lap, seconds, STAGE_REST
from _kernels.shapes cimport ConvShape

cdef extern from "core/fast/fast.h" nogil:
    cdef struct fast_kernels:
        const char* name
        void (*matrices)(
            int tile, double* data, double* output, double* filter, double* float_filter) noexcept nogil
    const fast_kernels* fast_kernels_for(const char* name)
    const fast_kernels* fast_kernels_at(int index)


cdef extern from "core/executor.h" nogil:
    cdef enum network_method:
        METHOD_REFERENCE
        METHOD_DIRECT
        METHOD_WINOGRAD2
        METHOD_WINOGRAD4
    cdef enum network_op:
        OP_CONV
        OP_TRANSPCONV
        OP_MASK
    cdef enum network_place:
        NOWHERE
        NETWORK_INPUT
        NETWORK_OUTPUT
    cdef struct network_layer:  # what Cython reads of it
        long long op, activation
        long long h, w, c, out_h, out_w
        long long kernel, stride, dilation, pad_top, pad_left
        long long in_c, out_c
        long long src, dst, dst_ld, normed, sums, cols, chunk
        long long weights, bias, scale, shift
        long long first_row, end_row
    cdef struct network_task:
        const fast_kernels* kernels
        const network_layer* layers
        Py_ssize_t n_layers
        const float* weights
        float* workspace
        const float* input
        float* output
        int logits
        double* profile
        Py_ssize_t stages, fast_stage
    ctypedef void (*reference_layer)(const network_task* task, Py_ssize_t index) noexcept nogil
    void run_network(const network_task* task, reference_layer reference)
    void want_frames(network_layer* layers, Py_ssize_t n_layers, Py_ssize_t first, Py_ssize_t last)


cdef inline network_layer* rows_of(table) except NULL:
    # Of a structured array of `nn.LAYER_FIELDS`, which the caller keeps.
    if table.itemsize != sizeof(network_layer) or not table.flags.c_contiguous or not len(table):
        raise ValueError(f"not a table of layers: {table.dtype}")
    return <network_layer*><size_t>table.ctypes.data


cdef inline void run_reference_layer(const network_task* task, Py_ssize_t index) noexcept nogil:
    cdef const network_layer* layer = &task.layers[index]
    cdef ConvShape s
    cdef float* workspace = task.workspace
    cdef const float* x = task.input if layer.src == NETWORK_INPUT else workspace + layer.src
    cdef float* y = task.output if layer.dst == NETWORK_OUTPUT else workspace + layer.dst
    cdef const float* weights = task.weights + layer.weights
    cdef const float* bias = task.weights + layer.bias
    cdef const float* scale = task.weights + layer.scale
    cdef const float* shift = task.weights + layer.shift
    cdef float* cols = workspace + layer.cols
    cdef double* profile = task.profile + index * task.stages if task.profile != NULL else NULL
    cdef const float* input = NULL
    cdef Py_ssize_t rows
    cdef double t
    if not task.logits:
        input = task.input
    s.h, s.w, s.c = layer.h, layer.w, layer.c
    s.out_h, s.out_w = layer.out_h, layer.out_w
    s.kernel_h = s.kernel_w = layer.kernel
    s.stride_h = s.stride_w = layer.stride
    s.dilation_h = s.dilation_w = layer.dilation
    s.pad_top, s.pad_left = layer.pad_top, layer.pad_left
    if layer.op == OP_TRANSPCONV:
        conv2d_transpose(
            x, &s, weights, layer.in_c, workspace + layer.sums, y, layer.dst_ld,
            bias, scale, shift, <int>layer.activation, cols, layer.chunk, profile)
    elif layer.op == OP_CONV:
        conv2d(
            x, &s, weights, layer.out_c, y, layer.dst_ld,
            bias, scale, shift, <int>layer.activation,
            workspace + layer.normed if layer.normed != NOWHERE else NULL, cols, layer.chunk, profile)
    else:
        if layer.end_row:
            rows = layer.end_row - layer.first_row
            if input != NULL:
                input += layer.first_row * s.out_w * layer.out_c
            conv2d_rows(
                x, &s, weights, layer.out_c, layer.first_row, layer.end_row, y, cols, layer.chunk, profile)
        else:
            rows = s.out_h
            conv2d(
                x, &s, weights, layer.out_c, y, layer.dst_ld,
                NULL, NULL, NULL, 0, NULL, cols, layer.chunk, profile)
        t = seconds() if profile != NULL else 0.0
        bias_mask(y, bias, input, y, rows * s.out_w, layer.out_c)
        lap(profile, STAGE_REST, t)
