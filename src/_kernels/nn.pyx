# cython: language_level=3
"""The network's kernels behind numpy arrays, and the parallel forward pass.

The functions on memoryviews are thin twins of the `nogil` functions that the network runs; the
public, validating face is `spleeterrt.kernels`. All arrays are float32 and C-contiguous.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid

from _kernels cimport blas, columns, layers, shapes
from _kernels.forward cimport (
    METHOD_DIRECT as _METHOD_DIRECT,
    METHOD_REFERENCE as _METHOD_REFERENCE,
    METHOD_WINOGRAD2 as _METHOD_WINOGRAD2,
    METHOD_WINOGRAD4 as _METHOD_WINOGRAD4,
    NETWORK_INPUT as _NETWORK_INPUT,
    NETWORK_OUTPUT as _NETWORK_OUTPUT,
    NOWHERE as _NOWHERE,
    OP_CONV as _OP_CONV,
    OP_MASK as _OP_MASK,
    OP_TRANSPCONV as _OP_TRANSPCONV,
    fast_kernels,
    fast_kernels_for,
    network_layer,
    network_task,
    reference_layer,
    run_network,
    run_reference_layer,
    want_frames as _want_frames,
)
from _kernels.shapes cimport ConvShape

blas.blas_start()

BLAS = blas.BLAS_NAME.decode()
"""Which BLAS was linked: "mkl-static", "mkl-shared" or "cblas"."""

OP_CONV, OP_TRANSPCONV, OP_MASK = _OP_CONV, _OP_TRANSPCONV, _OP_MASK
METHOD_REFERENCE, METHOD_DIRECT = _METHOD_REFERENCE, _METHOD_DIRECT
METHOD_WINOGRAD2, METHOD_WINOGRAD4 = _METHOD_WINOGRAD2, _METHOD_WINOGRAD4
NOWHERE, NETWORK_INPUT, NETWORK_OUTPUT = _NOWHERE, _NETWORK_INPUT, _NETWORK_OUTPUT
PROFILE_STAGES = ("columns", "gemm", "rest", "fast")
LAYER_FIELDS = (
    "op", "method", "plain", "pass_tiles", "activation",
    "h", "w", "c", "out_h", "out_w", "kernel", "stride", "dilation", "pad_top", "pad_left", "in_c", "out_c",
    "src", "src_ld", "src_row", "src_ring", "dst", "dst_ld", "dst_row", "dst_ring",
    "normed", "normed_ld", "normed_row", "sums", "cols", "chunk", "weights", "bias", "scale", "shift",
    "first_row", "end_row",
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


# --- fast layers --------------------------------------------------------------------

def _available():
    cdef const fast_kernels* kernels
    names = []
    for name in ("avx512", "avx2", "generic"):
        kernels = fast_kernels_for(name.encode())
        if kernels != NULL:
            names.append(name)
    return tuple(names)


FAST_ISAS = _available()
"""Instruction sets of the fast kernels that run on this CPU, best first; may be empty."""


cdef const fast_kernels* kernels_of(isa) except NULL:
    cdef const fast_kernels* kernels = fast_kernels_for(isa.encode())
    if kernels == NULL:
        raise ValueError(f"no fast kernels for {isa!r} here; there are {FAST_ISAS}")
    return kernels


def fast_weight_floats(isa, bint decoder, int tile, bint plain, int in_c, int out_c):
    """Floats of a Winograd layer's prepared weights."""
    return kernels_of(isa).weight_floats(decoder, tile, plain, in_c, out_c)


def fast_prepare_scratch_floats(isa, bint decoder, int tile, bint plain, int in_c, int out_c):
    """Floats of scratch that `fast_prepare` needs."""
    return kernels_of(isa).prepare_scratch_floats(decoder, tile, plain, in_c, out_c)


def fast_prepare(
    isa, bint decoder, int tile, bint plain, int in_c, int out_c,
    const float[::1] kernel, float[::1] weights, float[::1] scratch,
):
    """A layer's kernel in TensorFlow's layout -> prepared weights."""
    cdef const fast_kernels* kernels = kernels_of(isa)
    cdef float* room = &scratch[0] if scratch.shape[0] > 0 else NULL
    with nogil:
        kernels.prepare(decoder, tile, plain, in_c, out_c, &kernel[0], &weights[0], room)


def fast_scratch_floats(
    isa, bint decoder, int tile, int w, Py_ssize_t src_ld, int in_c, int out_c, int pass_tiles,
):
    """Floats of scratch that a Winograd layer needs."""
    return kernels_of(isa).scratch_floats(decoder, tile, w, src_ld, in_c, out_c, pass_tiles)


def fast_first_sizes(isa, int tile, int w, int out_c):
    """e1 before a Winograd layer of such tiles: (floats of weights, floats of scratch, rows of the ring)."""
    cdef const fast_kernels* kernels = kernels_of(isa)
    return kernels.first_weight_floats(out_c), kernels.first_scratch_floats(w), kernels.first_ring_rows(tile)


def fast_first_prepare(isa, int out_c, const float[::1] kernel, float[::1] weights):
    kernels_of(isa).first_prepare(out_c, &kernel[0], &weights[0])


def fast_last_sizes(isa, int tile, int w, int in_c):
    """d6 and the mask behind a Winograd layer of such tiles: (floats of weights, floats of scratch, rows of
    the ring)."""
    cdef const fast_kernels* kernels = kernels_of(isa)
    return (
        kernels.last_weight_floats(in_c), kernels.last_scratch_floats(w, in_c), kernels.last_ring_rows(tile))


def fast_last_prepare(isa, int in_c, const float[::1] kernel, float[::1] weights):
    kernels_of(isa).last_prepare(in_c, &kernel[0], &weights[0])


def fast_matrices(
    isa, int tile, double[:, ::1] data, double[:, ::1] output, double[:, ::1] filter,
    double[:, ::1] float_filter,
):
    """The one-dimensional transforms F(tile, 3) as the kernels compute them: data [n, n], output [tile, n],
    filter [n, 3] in double and as the layers' own float32, n = tile + 2."""
    kernels_of(isa).matrices(tile, &data[0, 0], &output[0, 0], &filter[0, 0], &float_filter[0, 0])


# --- the network --------------------------------------------------------------------

def reference_capsule():
    """The reference layers, for an executor in another module."""
    cdef reference_layer function = run_reference_layer
    return PyCapsule_New(<void*>function, "reference_layer", NULL)


cdef void run_stem(
    const fast_kernels* kernels, const network_layer* table, Py_ssize_t n_layers, const float* weights,
    float* workspace, const float* input, float* output, bint logits, double* profile,
) noexcept nogil:
    cdef network_task task
    task.kernels, task.layers, task.n_layers = kernels, table, n_layers
    task.weights, task.workspace = weights, workspace
    task.input, task.output, task.logits = input, output, logits
    task.profile, task.stages, task.fast_stage = profile, layers.STAGES, layers.STAGE_FAST
    run_network(&task, run_reference_layer)


def want_frames(table, Py_ssize_t first, Py_ssize_t last):
    """A copy of a table that computes frames first ... last - 1 of the output only, with the same bits."""
    narrowed = table.copy()
    cdef network_layer[::1] rows = narrowed
    _want_frames(&rows[0], rows.shape[0], first, last)
    return narrowed


def forward(
    isa, const network_layer[::1] table, const float[:, ::1] weights, float[:, ::1] workspaces,
    const float[:, :, :, ::1] inputs, float[:, :, :, :, ::1] outputs, bint softmax, double[:, ::1] profile,
):
    """All stems' networks on all segments, without the GIL.

    isa: of the table's fast layers (None: it has none); table: the layers;
    weights [stems, n]; workspaces [threads, n]: one per thread;
    inputs [segments, T, F, 2] -> outputs [stems, segments, T, F, 2], estimated magnitudes; of a table
    of `want_frames` the wanted frames alone, outputs [stems, segments, last - first, F, 2].
    Tasks (segment x stem) are independent and run the same operations on any thread, so the result
    does not depend on the number of threads or of segments.
    profile: None, or [layers, stages] seconds (one thread only).
    """
    cdef Py_ssize_t stems = weights.shape[0], segments = inputs.shape[0], task
    cdef Py_ssize_t tasks = stems * segments
    cdef Py_ssize_t first = table[table.shape[0] - 1].first_row  # frame of the output
    cdef Py_ssize_t values = outputs.shape[2] * inputs.shape[2] * inputs.shape[3]
    cdef int threads = <int>workspaces.shape[0]
    cdef const fast_kernels* kernels = NULL if isa is None else kernels_of(isa)
    cdef double* seconds = &profile[0, 0] if profile is not None else NULL
    if tasks == 0:
        return
    with nogil:
        for task in prange(
            tasks, schedule="dynamic", chunksize=1, num_threads=threads, use_threads_if=threads > 1,
        ):
            run_stem(
                kernels, &table[0], table.shape[0], &weights[task % stems, 0], &workspaces[threadid(), 0],
                &inputs[task // stems, 0, 0, 0], &outputs[task % stems, task // stems, 0, 0, 0],
                softmax, seconds if threads == 1 else NULL)
        if softmax:
            for task in prange(
                segments, schedule="dynamic", chunksize=1, num_threads=threads, use_threads_if=threads > 1,
            ):
                layers.softmax_mask(
                    &outputs[0, task, 0, 0, 0], segments * values, stems, &inputs[task, first, 0, 0], values)
