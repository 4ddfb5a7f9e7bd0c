"""Convolution layers on im2col / col2im and GEMM, in chunks that stay in the cache.

Where the caller wants a profile, `lap` adds the seconds of each stage to it.
"""

from libc.string cimport memcpy, memset

from _kernels.blas cimport gemm
from _kernels.columns cimport col2im, im2col
from _kernels.executor cimport ElementwiseKernels
from _kernels.shapes cimport ConvShape

cdef extern from "core/clock.h" nogil:
    double seconds()


cdef enum Stage:
    STAGE_COLUMNS   # im2col, col2im
    STAGE_GEMM
    STAGE_REST      # bias, norm, activation, mask
    STAGE_FAST      # a fast kernel, whole
    STAGES


cdef inline double lap(double* profile, int stage, double since) noexcept nogil:
    # Adds the time since `since` to a stage of the profile (NULL: no profile); returns now.
    cdef double now
    if profile == NULL:
        return 0.0
    now = seconds()
    profile[stage] += now - since
    return now


cdef inline void conv2d(
    const ElementwiseKernels* elementwise,
    const float* x, const ConvShape* s, const float* weights, Py_ssize_t out_c,
    float* y, Py_ssize_t ldy,
    const float* bias, const float* scale, const float* shift, int activation, float* normed,
    float* cols, Py_ssize_t chunk, double* profile,
) noexcept nogil:
    # x [h, w, c], weights [kernel_h * kernel_w * c, out_c] -> y [out_h, out_w, out_c] at row distance ldy,
    # y = conv(x) + bias (bias NULL: left to the caller);
    # normed (NULL: none) [out_h, out_w, out_c] = activation(y * scale + shift).
    # cols: chunk * kernel_h * kernel_w * c floats.
    cdef Py_ssize_t depth = s.kernel_h * s.kernel_w * s.c
    cdef Py_ssize_t pixels = s.out_h * s.out_w
    cdef Py_ssize_t first = 0, last
    cdef double t = 0.0 if profile == NULL else seconds()
    while first < pixels:
        last = first + chunk if first + chunk < pixels else pixels
        im2col(x, s, first, last, cols)
        t = lap(profile, STAGE_COLUMNS, t)
        gemm(cols, depth, False, weights, out_c, False, y + first * ldy, ldy, last - first, out_c, depth)
        t = lap(profile, STAGE_GEMM, t)
        if bias != NULL:
            elementwise.bias_norm_activate(
                y + first * ldy, ldy, bias, scale, shift, activation,
                normed + first * out_c if normed != NULL else NULL, last - first, out_c)
            t = lap(profile, STAGE_REST, t)
        first = last


cdef inline void conv2d_rows(
    const float* x, const ConvShape* s, const float* weights, Py_ssize_t out_c,
    Py_ssize_t first_row, Py_ssize_t end_row, float* y, float* cols, Py_ssize_t chunk, double* profile,
) noexcept nogil:
    # The rows first_row ... end_row - 1 of conv2d, without bias, to y [end_row - first_row, out_w, out_c]. By
    # whole chunks: a BLAS may round differently in products of another size.
    # cols: chunk * (kernel_h * kernel_w * c + out_c) floats.
    cdef Py_ssize_t depth = s.kernel_h * s.kernel_w * s.c
    cdef Py_ssize_t pixels = s.out_h * s.out_w
    cdef Py_ssize_t wanted = first_row * s.out_w, end = end_row * s.out_w
    cdef Py_ssize_t first = wanted - wanted % chunk, last, begin, stop
    cdef float* products = cols + chunk * depth
    cdef double t = 0.0 if profile == NULL else seconds()
    while first < end:
        last = first + chunk if first + chunk < pixels else pixels
        im2col(x, s, first, last, cols)
        t = lap(profile, STAGE_COLUMNS, t)
        gemm(cols, depth, False, weights, out_c, False, products, out_c, last - first, out_c, depth)
        begin = wanted if wanted > first else first
        stop = end if end < last else last
        memcpy(y + (begin - wanted) * out_c, products + (begin - first) * out_c,
               (stop - begin) * out_c * sizeof(float))
        t = lap(profile, STAGE_GEMM, t)
        first = last


cdef inline void conv2d_transpose(
    const ElementwiseKernels* elementwise,
    const float* x, const ConvShape* s, const float* weights, Py_ssize_t in_c,
    float* sums, float* y, Py_ssize_t ldy,
    const float* bias, const float* scale, const float* shift, int activation,
    float* cols, Py_ssize_t chunk_rows, double* profile,
) noexcept nogil:
    # The adjoint of the convolution s: x [s.out_h, s.out_w, in_c] and
    # weights [s.kernel_h * s.kernel_w * s.c, in_c] -> sums [s.h, s.w, s.c], then (y NULL: not)
    # y [s.h, s.w, s.c] at row distance ldy = activation(sums + bias) * scale + shift.
    # cols: chunk_rows * s.out_w * kernel_h * kernel_w * c floats.
    cdef Py_ssize_t depth = s.kernel_h * s.kernel_w * s.c
    cdef Py_ssize_t first = 0, last, cleared = 0, finished = 0, reach, ready
    cdef double t = 0.0 if profile == NULL else seconds()
    while first < s.out_h:
        last = first + chunk_rows if first + chunk_rows < s.out_h else s.out_h
        gemm(x + first * s.out_w * in_c, in_c, False, weights, in_c, True,
             cols, depth, (last - first) * s.out_w, depth, in_c)
        t = lap(profile, STAGE_GEMM, t)
        # Image rows are cleared when the first grid row reaches them and finished when the
        # next grid row begins below them.
        reach = (last - 1) * s.stride_h - s.pad_top + (s.kernel_h - 1) * s.dilation_h + 1
        ready = last * s.stride_h - s.pad_top
        if reach < ready:  # a stride beyond the kernel: rows that nothing reaches
            reach = ready
        if last == s.out_h or reach > s.h:
            reach = s.h
        if last == s.out_h or ready > s.h:
            ready = s.h
        if reach > cleared:
            memset(sums + cleared * s.w * s.c, 0, (reach - cleared) * s.w * s.c * sizeof(float))
            cleared = reach
        col2im(cols, s, first * s.out_w, last * s.out_w, sums)
        t = lap(profile, STAGE_COLUMNS, t)
        if y != NULL and ready > finished:
            elementwise.bias_activate_norm(
                sums + finished * s.w * s.c, bias, activation, scale, shift,
                y + finished * s.w * ldy, ldy, (ready - finished) * s.w, s.c)
            finished = ready
            t = lap(profile, STAGE_REST, t)
        first = last
