# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""The network's kernels behind numpy arrays, and the parallel forward pass.

The functions on memoryviews are thin twins of the `nogil` functions that the network runs; the
public, validating face is `spleeterrt.kernels`. All arrays are float32 and C-contiguous.
"""

from cpython.pycapsule cimport PyCapsule_New
from libcpp.string cimport string
from libcpp.vector cimport vector

cdef extern from "core/cpu.h" namespace "spleeterrt" nogil:
    struct Cpu:
        bint intel

    const Cpu& this_cpu()


cdef extern from "core/denormals.h" namespace "spleeterrt" nogil:
    cdef cppclass NoDenormals:
        pass

from _kernels cimport blas, columns, layers, shapes
from _kernels.executor cimport (
    METHOD_DIRECT as _METHOD_DIRECT,
    METHOD_REFERENCE as _METHOD_REFERENCE,
    METHOD_ROWS4 as _METHOD_ROWS4,
    METHOD_WINOGRAD2 as _METHOD_WINOGRAD2,
    METHOD_WINOGRAD2X4 as _METHOD_WINOGRAD2X4,
    METHOD_WINOGRAD4 as _METHOD_WINOGRAD4,
    NETWORK_INPUT as _NETWORK_INPUT,
    NETWORK_OUTPUT as _NETWORK_OUTPUT,
    NOWHERE as _NOWHERE,
    OP_CONV as _OP_CONV,
    OP_MASK as _OP_MASK,
    OP_TRANSPCONV as _OP_TRANSPCONV,
    fast_kernels,
    reference_layer,
    rows_of,
    want_frames as _want_frames,
)
from _kernels.forward cimport ForwardJob, finish_segment, run_reference_layer, run_stem
from _kernels cimport network as net
from _kernels.shapes cimport ConvShape
from _kernels.tasks cimport (
    NetworkTaskRunner, TaskRunner, for_each, for_each_network, network_task_runner, task_runner)

blas.blas_start()
cdef TaskRunner runner = task_runner()
cdef NetworkTaskRunner network_runner = network_task_runner()

BLAS = blas.BLAS_NAME.decode()
"""Which BLAS computes: "mkl-static", "mkl-shared", "cblas" or "builtin"."""

OP_CONV, OP_TRANSPCONV, OP_MASK = _OP_CONV, _OP_TRANSPCONV, _OP_MASK
METHOD_REFERENCE, METHOD_DIRECT = _METHOD_REFERENCE, _METHOD_DIRECT
METHOD_WINOGRAD2, METHOD_WINOGRAD4, METHOD_ROWS4 = _METHOD_WINOGRAD2, _METHOD_WINOGRAD4, _METHOD_ROWS4
METHOD_WINOGRAD2X4, MOST_ROLLING = _METHOD_WINOGRAD2X4, net.MOST_ROLLING
NOWHERE, NETWORK_INPUT, NETWORK_OUTPUT = _NOWHERE, _NETWORK_INPUT, _NETWORK_OUTPUT
PROFILE_STAGES = ("columns", "gemm", "rest", "fast")
LAYER_FIELDS = tuple([net.layer_field(index).decode() for index in range(net.layer_fields())])
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


def builtin_gemm(
    const float[:, :] a, bint trans_a, const float[:, :] b, bint trans_b, float[:, :] c, isa=None
):
    """c = op(a) @ op(b) by our own product, whichever BLAS is linked. Rows may lie apart."""
    cdef blas.Sgemm p
    cdef bytes name
    p.trans_a, p.trans_b = trans_a, trans_b
    p.m, p.n, p.k = c.shape[0], c.shape[1], a.shape[0] if trans_a else a.shape[1]
    p.a, p.lda = &a[0, 0], a.strides[0] // sizeof(float)
    p.b, p.ldb = &b[0, 0], b.strides[0] // sizeof(float)
    p.c, p.ldc = &c[0, 0], c.strides[0] // sizeof(float)
    if isa is None:
        with nogil:
            blas.builtin_sgemm(p)
        return
    name = isa.encode()
    if not blas.builtin_sgemm_by(name, p):
        raise ValueError(f"no instruction set {isa!r} here")


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
    cdef const fast_kernels* kernels = net.kernels_to_run(None)
    cdef ConvShape s = conv_shape(
        (x.shape[0], x.shape[1], x.shape[2]), (y.shape[0], y.shape[1]), kernel, stride, dilation, pad)
    with nogil:
        layers.conv2d(
            kernels.elementwise, &x[0, 0, 0], &s, &weights[0, 0], y.shape[2], &y[0, 0, 0], y.shape[2],
            &bias[0], NULL, NULL, 0, NULL, &cols[0, 0], cols.shape[0], NULL)


def conv2d_transpose(
    const float[:, :, ::1] x, const float[:, ::1] weights,
    kernel, stride, pad, float[:, ::1] cols, Py_ssize_t chunk_rows, float[:, :, ::1] y,
):
    """x [H, W, C], weights [KH * KW * OC, C] -> y [OH, OW, OC]; cols: (chunk_rows * W) x (KH * KW * OC)."""
    cdef const fast_kernels* kernels = net.kernels_to_run(None)
    cdef ConvShape s = conv_shape(
        (y.shape[0], y.shape[1], y.shape[2]), (x.shape[0], x.shape[1]), kernel, stride, (1, 1), pad)
    with nogil:
        layers.conv2d_transpose(
            kernels.elementwise, &x[0, 0, 0], &s, &weights[0, 0], x.shape[2], &y[0, 0, 0], NULL, 0,
            NULL, NULL, NULL, 0, &cols[0, 0], chunk_rows, NULL)


def activate(const float[::1] x, int activation, float[::1] y, isa=None):
    """y = activation(x). Here and below, isa: an instruction set; None: as `default_isa`."""
    cdef const fast_kernels* kernels = net.kernels_to_run(isa)
    with nogil:
        kernels.elementwise.activate(&x[0], &y[0], x.shape[0], activation)


def bias_norm_activate(
    float[:, ::1] raw, Py_ssize_t first, Py_ssize_t channels, const float[::1] bias,
    const float[::1] scale, const float[::1] shift, int activation, float[:, ::1] out,
    isa=None,
):
    """raw[:, first : first + channels] += bias; out = activation(that * scale + shift)."""
    cdef const fast_kernels* kernels = net.kernels_to_run(isa)
    with nogil:
        kernels.elementwise.bias_norm_activate(
            &raw[0, first], raw.shape[1], &bias[0], &scale[0], &shift[0], activation,
            &out[0, 0], raw.shape[0], channels)


def bias_activate_norm(
    const float[:, ::1] x, const float[::1] bias, int activation,
    const float[::1] scale, const float[::1] shift, float[:, ::1] out, Py_ssize_t first,
    isa=None,
):
    """out[:, first : first + channels] = activation(x + bias) * scale + shift."""
    cdef const fast_kernels* kernels = net.kernels_to_run(isa)
    with nogil:
        kernels.elementwise.bias_activate_norm(
            &x[0, 0], &bias[0], activation, &scale[0], &shift[0],
            &out[0, first], out.shape[1], x.shape[0], x.shape[1])


def bias_mask(
    const float[:, ::1] logits, const float[::1] bias, const float[:, ::1] input, float[:, ::1] out,
    isa=None,
):
    """out = sigmoid(logits + bias) * input."""
    cdef const fast_kernels* kernels = net.kernels_to_run(isa)
    with nogil:
        kernels.elementwise.bias_mask(
            &logits[0, 0], &bias[0], &input[0, 0], &out[0, 0], logits.shape[0], logits.shape[1])


def softmax_mask(float[:, ::1] x, const float[::1] input, isa=None):
    """x [stems, n] = softmax over stems, times input [n], in place."""
    cdef const fast_kernels* kernels = net.kernels_to_run(isa)
    with nogil:
        kernels.elementwise.softmax_mask(&x[0, 0], x.shape[1], x.shape[0], &input[0], x.shape[1])


# --- fast layers --------------------------------------------------------------------

FAST_ISAS = net.fast_isas()
"""Instruction sets of the fast kernels that run on this CPU, best first; may be empty."""


def fast_matrices(
    isa, int tile, double[:, ::1] data, double[:, ::1] output, double[:, ::1] filter,
    double[:, ::1] float_filter,
):
    """The one-dimensional transforms F(tile, 3) as the kernels compute them: data [n, n], output [tile, n],
    filter [n, 3] in double and as the layers' own float32, n = tile + 2."""
    net.kernels_of(isa).matrices(tile, &data[0, 0], &output[0, 0], &filter[0, 0], &float_filter[0, 0])


def expand(isa, type, const unsigned char[::1] small, const float[::1] scales, float[::1] out):
    """A block of 16 x 25 x 16 float16 or int8 weights (their bytes) as layers make it float32: out, at a
    cache line; scales [16]."""
    cdef NoDenormals _as_layers_run
    net.kernels_of(isa).expand(net.type_names().index(type), &small[0], &scales[0], &out[0])


# --- plans, weights, the table of layers: core/network; the arguments are those of network.pxd ------------

METHODS = tuple([
    (name, net.method_tile(<net.Method><int>index), bool(net.is_lazy(<net.Method><int>index)))
    for index, name in enumerate(net.method_names())
])
"""Every method of a layer: name, tile (0: none), whether its weights are transformed during the layer."""
MOST_FILTERS = net.MOST_FILTERS
BATCH_NORM_EPSILON = net.BATCH_NORM_EPSILON

cdef net.Chunks usual_chunks
CHUNK_FLOATS, CHUNK_MIN_PIXELS = usual_chunks.floats, usual_chunks.least_pixels


def activation_code(name):
    """Of "LeakyReLU", "ReLU", "ELU"; -1: another name."""
    return net.activation_code(name.encode())


def default_isa():
    """The instruction set that SPLEETERRT_ISA names, or the best one; None: the reference path."""
    cdef const fast_kernels* kernels = NULL
    cdef string error
    if not net.choose_kernels(NULL, kernels, error):
        raise ValueError(error.decode("utf-8", "replace"))
    return kernels.name.decode() if kernels != NULL else None


def default_sets():
    """{family: the instruction set of its default build}"""
    cdef const fast_kernels* kernels = net.kernels_to_run(None)
    return {"networks": kernels.name.decode(), "activations": kernels.elementwise.name.decode()}


def make_plan(network, isa, bint low_memory, types=None):
    """(names of methods, compact, names of types).

    types: what each layer's kernel is stored in, None: float32."""
    cdef net.Plan plan = net.make_plan(
        net.config_of(network), net.kernels_of(isa), low_memory, net.types_of(types))
    return net.methods_of(plan), plan.compact, net.names_of_types(plan.types)


def check_plan(plan):
    """Raises ValueError for a plan that cannot run."""
    net.plan_of(plan)


def methods_at(network, plan, long long frames, long long bins):
    return net.methods_of(net.plan_at(net.config_of(network), net.plan_of(plan), frames, bins))


def pass_tiles(int in_c, int out_c, bint compact):
    return net.pass_tiles(in_c, out_c, compact)


def row_tiles(int in_c, int out_c, bint compact, long long h, long long w):
    return net.row_tiles(in_c, out_c, compact, h, w)


def cpu_is_intel():
    return bool(this_cpu().intel)


def filter_cost(int tile):
    return net.filter_cost(tile)


def channels(network, bint padded):
    """(input, output) channels of every layer."""
    cdef net.NetworkConfig config = net.config_of(network)
    cdef net.Channels c
    widths = []
    for layer in range(net.LAYERS):
        c = net.layer_channels(config, layer, padded)
        widths.append((c.c_in, c.out))
    return widths


def tensor_shapes(network):
    """Of every layer {name: shape} of one stem's tensors, in the order in which `pack_layer` takes them."""
    cdef net.NetworkConfig config = net.config_of(network)
    return [
        {spec.name.decode(): tuple(spec.shape) for spec in net.layer_tensors(config, layer)}
        for layer in range(net.LAYERS)
    ]


def weight_layout(network, plan):
    """(offsets in floats by layer, size): offsets of (weights, bias, scale, shift)."""
    cdef net.WeightLayout layout = net.weight_layout(net.config_of(network), net.plan_of(plan))
    cdef net.WeightOffsets at
    offsets = []
    for layer in range(net.LAYERS):
        at = layout.layers[layer]
        offsets.append((at.weights, at.bias, at.scale, at.shift))
    return tuple(offsets), layout.size


def pack_layer(network, plan, int layer, tensors, float[::1] arena, const float[::1] scales=None):
    """A layer's tensors (flat, of the right sizes) into a stem's arena of zeros; the kernel's bytes, of the
    plan's type; scales: of int8."""
    cdef net.NetworkConfig config = net.config_of(network)
    cdef net.Plan c_plan = net.plan_of(plan)
    cdef net.WeightLayout layout = net.weight_layout(config, c_plan)
    cdef net.LayerTensors places
    cdef const unsigned char[::1] kernel = tensors[0]
    cdef const float[::1] bias = tensors[1], gamma, beta, mean, variance
    places.kernel = <const float*>&kernel[0]
    places.small_kernel, places.bias = &kernel[0], &bias[0]
    if scales is not None:
        places.scales = &scales[0]
    if len(tensors) > 2:
        gamma, beta, mean, variance = tensors[2:]
        places.gamma, places.beta, places.mean, places.variance = &gamma[0], &beta[0], &mean[0], &variance[0]
    with nogil:
        net.pack_layer(config, c_plan, layout, layer, places, &arena[0])


def fold_batch_norm(
    const double[::1] gamma, const double[::1] beta, const double[::1] mean, const double[::1] variance,
    double epsilon, float[::1] scale, float[::1] shift,
):
    cdef Py_ssize_t k
    for k in range(gamma.shape[0]):
        net.fold_batch_norm(gamma[k], beta[k], mean[k], variance[k], epsilon, scale[k], shift[k])


def lower(
    network, plan, long long frames, long long bins, long long chunk_floats, long long chunk_min_pixels,
    int rolling=0, bint two_rows=False,
):
    """(the table's bytes, floats of a workspace); the chunks are those of the reference path.

    rolling, two_rows: of streams, whose tables `stream.stream_table` makes.
    """
    cdef net.LayerTable table
    cdef net.Chunks chunks
    cdef net.StreamForm form
    if not net.is_size(frames, bins):
        raise ValueError(f"not a size of inputs: {frames} x {bins}")
    if rolling not in (0, *range(2, net.MOST_ROLLING + 1)):
        raise ValueError(f"rolling: expected 0, or 2 to {net.MOST_ROLLING}, got {rolling}")
    chunks.floats, chunks.least_pixels = chunk_floats, chunk_min_pixels
    form.rolling, form.two_rows = rolling, two_rows
    table = net.lower(net.config_of(network), net.plan_of(plan), frames, bins, chunks, form)
    return net.bytes_of(table), table.workspace_floats


cdef tuple fields_of(net.ModelFileConfig config):
    # (fields of `ModelConfig`, its network as of `network_of`)
    fields = {
        "instruments": tuple([stem.decode() for stem in config.instruments]),
        "model_dir": config.model_dir.decode(),
        "sample_rate": config.sample_rate,
        "frame_length": config.frame_length,
        "frame_step": config.frame_step,
        "T": config.T,
        "F": config.F,
        "separation_exponent": config.separation_exponent,
        "mask_extension": "average" if config.average else "zeros",
        "model_type": "unet.softmax_unet" if config.softmax else "unet.unet",
    }
    return fields, (
        config.network.n_channels, tuple(config.network.conv_n_filters),
        config.network.conv_activation, config.network.deconv_activation)


cdef class ModelFile:
    """An open model file as `core/network/model_file.h` reads it, for Python and for C.

    path: bytes (UTF-8 on Windows). Every failure is a `ValueError` with the message that C gets, or a
    `MemoryError`.
    """

    cdef net.ModelReader reader

    def __init__(self, bytes path):
        cdef string error, c_path = path
        cdef bint opened
        with nogil:
            opened = self.reader.open(c_path, error)
        self.expect(opened, error)

    cdef int expect(self, bint done, string error) except -1:
        cdef bytes message
        if not done:
            message = error
            raise ValueError(message.decode("utf-8", "surrogateescape"))
        return 0

    @property
    def config(self):
        """(fields of `ModelConfig`, (n_channels, conv_n_filters, codes of conv and deconv activation))"""
        return fields_of(self.reader.config())

    @property
    def tensors(self):
        """{name: dtype as safetensors names it} of all that the file holds."""
        return {tensor.name.decode(): tensor.dtype.decode() for tensor in self.reader.tensors()}

    def check(self):
        """Whether every stem's tensors are there, by the header."""
        cdef string error
        cdef bint good
        good = self.reader.check(error)
        self.expect(good, error)

    def read(self, stem, int layer, int index, float[::1] values):
        """A tensor of a file that was checked, in float32: values [all its numbers]; layer and index: its
        place in `tensor_shapes`."""
        cdef string error, c_stem = stem.encode()
        cdef net.TensorSpec spec = net.layer_tensors(self.reader.config().network, layer)[index]
        cdef bint done
        with nogil:
            done = self.reader.read(c_stem, spec, &values[0], error)
        self.expect(done, error)

    @property
    def types(self):
        """What the layers' kernels of a file that was checked are stored in, for `make_plan`."""
        return net.names_of_types(self.reader.types())

    def load(self, plan, stem, float[::1] arena):
        """All of a stem's tensors, of a file that was checked, into an arena of zeros."""
        cdef string error, c_stem = stem.encode()
        cdef net.Plan c_plan = net.plan_of(plan)
        cdef bint done
        with nogil:
            done = self.reader.load(c_plan, c_stem, &arena[0], error)
        self.expect(done, error)


def load_model_file(path, isa=None, bint low_memory=False):
    """What programs without Python get of a model file, for the tests: (configuration as of `ModelConfig`,
    its network, plan, every stem's arena, (fft_length, bins)).

    Raises:
        ValueError: with the message that such programs get.
    """
    cdef net.LoadedModel model
    cdef string error, c_path = path.encode(), name = b"" if isa is None else isa.encode()
    cdef bint loaded
    cdef const char* c_isa = NULL
    if isa is not None:
        c_isa = name.c_str()
    with nogil:
        loaded = net.load_model(c_path, c_isa, low_memory, model, error)
    if not loaded:
        raise ValueError(error.decode("utf-8", "replace"))
    config, network = fields_of(model.config)
    plan = (
        net.methods_of(model.plan), model.kernels.name.decode(), model.plan.compact,
        net.names_of_types(model.plan.types))
    arenas = []
    cdef size_t k
    for k in range(model.arenas.size()):
        arenas.append((<const char*>model.arenas[k].data())[:model.arenas[k].size() * sizeof(float)])
    return config, network, plan, arenas, (model.config.fft_length(), model.config.bins())


# --- the network --------------------------------------------------------------------

def reference_capsule():
    """The reference layers, for an executor in another module."""
    cdef reference_layer function = run_reference_layer
    return PyCapsule_New(<void*>function, "reference_layer", NULL)


def want_frames(table, Py_ssize_t first, Py_ssize_t last):
    """A copy of a table that computes frames first ... last - 1 of the output only, with the same bits."""
    narrowed = table.copy()
    _want_frames(rows_of(narrowed), len(narrowed), first, last)
    return narrowed


def forward(
    isa, table, const float[:, ::1] weights, float[:, ::1] workspaces,
    const float[:, :, :, ::1] inputs, float[:, :, :, :, ::1] outputs, bint softmax, double[:, ::1] profile,
    networks=None,
):
    """The networks of some stems on all segments, without the GIL.

    isa: of the table's fast layers (None: it has none); table: layers, a structured array of LAYER_FIELDS;
    weights [all, n]; networks: rows of them, one a stem (None: all); workspaces [threads, n]: one per thread;
    inputs [segments, T, F, 2] -> outputs [stems, segments, T, F, 2], estimated magnitudes; of a table
    of `want_frames` the wanted frames alone, outputs [stems, segments, last - first, F, 2].
    Tasks (segment x stem) are independent and run the same operations on any thread, and threads beyond
    their number take parts of them that do, so the result does not depend on the number of threads or of
    segments.
    profile: None, or [layers, stages] seconds (of one thread, or one task).
    """
    cdef vector[const float*] places
    cdef vector[float*] rows
    cdef ForwardJob job
    cdef Py_ssize_t row
    for row in range(weights.shape[0]) if networks is None else networks:
        places.push_back(&weights[row, 0])
    job.stems, job.segments, job.weights = places.size(), inputs.shape[0], places.data()
    job.kernels, job.layers, job.n_layers = net.kernels_to_run(isa), rows_of(table), len(table)
    job.softmax = softmax
    if job.stems * job.segments == 0:
        return
    for row in range(workspaces.shape[0]):
        rows.push_back(&workspaces[row, 0])
    job.workspaces = rows.data()
    job.inputs, job.input = &inputs[0, 0, 0, 0], inputs.shape[1] * inputs.shape[2] * inputs.shape[3]
    job.outputs, job.values = &outputs[0, 0, 0, 0, 0], outputs.shape[2] * inputs.shape[2] * inputs.shape[3]
    job.wanted = job.layers[job.n_layers - 1].first_row * inputs.shape[2] * inputs.shape[3]
    if profile is not None and (workspaces.shape[0] == 1 or job.stems * job.segments == 1):
        job.profile = &profile[0, 0]
    else:
        job.profile = NULL
    with nogil:
        for_each_network(
            network_runner, run_stem, &job, job.stems * job.segments, workspaces.shape[0], rows.data(),
            workspaces.shape[1])
        if softmax:
            for_each(runner, finish_segment, &job, job.segments, workspaces.shape[0])
