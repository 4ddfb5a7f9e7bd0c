"""Declarations of `core/executor` and `core/fast`: what a module needs that runs tables of layers, without
the reference layers and their BLAS.
"""

cdef extern from "core/network/elementwise.h" namespace "spleeterrt" nogil:
    cdef struct ElementwiseKernels:
        const char* name
        void (*activate)(const float* x, float* y, size_t n, int activation) noexcept nogil
        void (*bias_norm_activate)(
            float* raw, size_t ld, const float* bias, const float* scale, const float* shift,
            int activation, float* out, size_t rows, size_t channels) noexcept nogil
        void (*bias_activate_norm)(
            const float* x, const float* bias, int activation, const float* scale, const float* shift,
            float* out, size_t ld, size_t rows, size_t channels) noexcept nogil
        void (*bias_mask)(
            const float* logits, const float* bias, const float* input, float* out,
            size_t rows, size_t channels) noexcept nogil
        void (*softmax_mask)(
            float* x, size_t plane, size_t stems, const float* input, size_t n) noexcept nogil


cdef extern from "core/fast/interface.h" namespace "spleeterrt" nogil:
    cdef struct fast_team:
        pass
    cdef struct fast_kernels:
        const char* name
        const ElementwiseKernels* elementwise
        void (*expand)(int type, const void* small, const float* scales, float* out) noexcept nogil
        void (*matrices)(
            int tile, double* data, double* output, double* filter, double* float_filter) noexcept nogil
    const fast_kernels* fast_kernels_for(const char* name)
    const fast_kernels* fast_kernels_at(int index)
    const fast_kernels& default_kernels()


cdef extern from "core/network/executor.h" namespace "spleeterrt" nogil:
    cdef enum network_method:
        METHOD_REFERENCE
        METHOD_DIRECT
        METHOD_WINOGRAD2
        METHOD_WINOGRAD4
        METHOD_ROWS4
        METHOD_WINOGRAD2X4
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
        fast_team* team
    ctypedef void (*reference_layer)(const network_task* task, Py_ssize_t index) noexcept nogil
    void run_network(const network_task* task, reference_layer reference)
    void finish_softmax(
        const fast_kernels& kernels, float* estimates, size_t plane, size_t stems, const float* input,
        size_t n)
    void want_frames(network_layer* layers, Py_ssize_t n_layers, Py_ssize_t first, Py_ssize_t last)


cdef inline network_layer* rows_of(table) except NULL:
    # Of a structured array of `nn.LAYER_FIELDS`, which the caller keeps.
    if table.itemsize != sizeof(network_layer) or not table.flags.c_contiguous or not len(table):
        raise ValueError(f"not a table of layers: {table.dtype}")
    return <network_layer*><size_t>table.ctypes.data
