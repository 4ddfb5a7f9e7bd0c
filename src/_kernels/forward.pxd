"""The forward pass: its tasks, and the reference layers on im2col and BLAS, which `core/executor` calls for
every layer of a table that is none of the fast ones. Nothing here knows Python.
"""

from libcpp cimport bool as cbool

from _kernels.executor cimport (
    NETWORK_INPUT, NETWORK_OUTPUT, NOWHERE, OP_CONV, OP_TRANSPCONV, fast_kernels, fast_team, finish_softmax,
    network_layer, network_task, run_network)
from _kernels.layers cimport (
    conv2d, conv2d_rows, conv2d_transpose, lap, seconds, STAGE_FAST, STAGE_REST, STAGES)
from _kernels.shapes cimport ConvShape


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
            task.kernels.elementwise, x, &s, weights, layer.in_c, workspace + layer.sums, y, layer.dst_ld,
            bias, scale, shift, <int>layer.activation, cols, layer.chunk, profile)
    elif layer.op == OP_CONV:
        conv2d(
            task.kernels.elementwise, x, &s, weights, layer.out_c, y, layer.dst_ld,
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
                task.kernels.elementwise, x, &s, weights, layer.out_c, y, layer.dst_ld,
                NULL, NULL, NULL, 0, NULL, cols, layer.chunk, profile)
        t = seconds() if profile != NULL else 0.0
        task.kernels.elementwise.bias_mask(y, bias, input, y, rows * s.out_w, layer.out_c)
        lap(profile, STAGE_REST, t)


cdef struct ForwardJob:
    # The networks of some stems on all segments; the places of the stem's weights, and of (stem, segment) in
    # outputs, are `weights[stem]` and `outputs + (stem * segments + segment) * values`.
    const fast_kernels* kernels
    const network_layer* layers
    Py_ssize_t n_layers
    const float* const* weights
    Py_ssize_t stems, segments
    float** workspaces  # of each thread
    const float* inputs
    Py_ssize_t input      # floats between two segments
    float* outputs
    Py_ssize_t values, wanted  # floats of an output; where its first frame stands in the input
    cbool softmax
    double* profile


cdef inline void run_stem(
    const void* context, Py_ssize_t index, Py_ssize_t thread, fast_team* team
) noexcept nogil:
    # Task `index`: stems of the first segment, of the second, ...
    cdef const ForwardJob* job = <const ForwardJob*>context
    cdef Py_ssize_t stem = index % job.stems, segment = index // job.stems
    cdef network_task task
    task.kernels, task.layers, task.n_layers = job.kernels, job.layers, job.n_layers
    task.weights = job.weights[stem]
    task.workspace = job.workspaces[thread]
    task.input = job.inputs + segment * job.input
    task.output = job.outputs + (stem * job.segments + segment) * job.values
    task.logits = job.softmax
    task.profile, task.stages, task.fast_stage = job.profile, STAGES, STAGE_FAST
    task.team = team
    run_network(&task, run_reference_layer)


cdef inline void finish_segment(const void* context, Py_ssize_t segment, Py_ssize_t thread) noexcept nogil:
    # Logits of all stems -> their estimates.
    cdef const ForwardJob* job = <const ForwardJob*>context
    finish_softmax(
        job.kernels[0], job.outputs + segment * job.values, job.segments * job.values, job.stems,
        job.inputs + segment * job.input + job.wanted, job.values)
