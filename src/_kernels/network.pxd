"""`core/network` for Cython, and the way from Python's objects to its structs and back.

A configuration comes as (n_channels, conv_n_filters, code of conv_activation, code of deconv_activation), a
plan as (names of methods, instruction set or None, compact, names of types).
"""

from libcpp cimport bool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _kernels.executor cimport (
    default_kernels, fast_kernels, fast_kernels_at, fast_kernels_for, network_layer)

cdef extern from "core/network/network.h" namespace "spleeterrt" nogil:
    const int DEPTH, LAYERS, MOST_FILTERS, METHODS
    cdef struct NetworkConfig:
        int n_channels
        int conv_n_filters[6]
        int conv_activation, deconv_activation
    bool is_valid(const NetworkConfig& config)
    int activation_code(const string& name)

    cdef enum Method:
        pass
    const char* method_name(Method method)
    int method_tile(Method method)
    bool is_lazy(Method method)
    cdef cppclass WeightTypes:
        int layers[13]
    cdef cppclass Plan:
        Method methods[13]
        WeightTypes types
        const fast_kernels* kernels
        bool compact
    Plan make_plan(
        const NetworkConfig& config, const fast_kernels* kernels, bool low_memory, const WeightTypes& types)
    bool can_run(const Plan& plan)
    Plan plan_at(const NetworkConfig& config, const Plan& plan, long long frames, long long bins)
    int pass_tiles(int in_c, int out_c, bool compact)
    int row_tiles(int in_c, int out_c, bool compact, long long h, long long w)
    int filter_cost(int tile)
    bool choose_kernels(const char* wanted, const fast_kernels*& kernels, string& error) except +

    cdef struct Channels:
        int c_in "in"
        int out
    Channels layer_channels(const NetworkConfig& config, int layer, bool padded)
    cdef cppclass LayerTensors:
        const float* kernel
        const float* bias
        const float* gamma
        const float* beta
        const float* mean
        const float* variance
        const void* small_kernel
        const float* scales
    cdef cppclass TensorSpec:
        string name
        vector[long long] shape
    vector[TensorSpec] layer_tensors(const NetworkConfig& config, int layer) except +
    cdef struct WeightOffsets:
        long long weights, bias, scale, shift
    cdef struct WeightLayout:
        WeightOffsets layers[13]
        long long size
    WeightLayout weight_layout(const NetworkConfig& config, const Plan& plan)
    void pack_layer(
        const NetworkConfig& config, const Plan& plan, const WeightLayout& layout, int layer,
        const LayerTensors& tensors, float* arena) except +
    const double BATCH_NORM_EPSILON
    void fold_batch_norm(
        double gamma, double beta, double mean, double variance, double epsilon, float& scale, float& shift)

    cdef cppclass Chunks:
        long long floats, least_pixels
    const int MOST_ROLLING
    cdef cppclass StreamForm:
        int rolling
        bool two_rows
    cdef cppclass LayerTable:
        vector[network_layer] rows
        long long workspace_floats
        int rolling
    bool is_size(long long frames, long long bins)
    LayerTable lower(
        const NetworkConfig& config, const Plan& plan, long long frames, long long bins,
        const Chunks& chunks, const StreamForm& form) except +
    int layer_fields()
    const char* layer_field(int index)

cdef extern from "core/network/model_file.h" namespace "spleeterrt" nogil:
    cdef cppclass AlignedFloats:
        const float* data()
        size_t size()
    cdef cppclass ModelFileConfig:
        vector[string] instruments
        string model_dir
        int sample_rate, frame_length, frame_step, T, F
        double separation_exponent
        bool average "mask_extension == spleeterrt::ModelFileConfig::MaskExtension::average"
        bool softmax
        NetworkConfig network
        int fft_length()
        int bins()
    cdef cppclass LoadedModel:
        ModelFileConfig config
        const fast_kernels* kernels
        Plan plan
        vector[AlignedFloats] arenas
    bool load_model(
        const string& path, const char* isa, bool low_memory, LoadedModel& model, string& error) except +
    cdef cppclass StoredTensor:
        string name, dtype
    cdef cppclass ModelReader:
        bool open(const string& path, string& error) except +
        const ModelFileConfig& config()
        vector[StoredTensor] tensors() except +
        bool check(string& error) except +
        bool read(const string& stem, const TensorSpec& spec, float* values, string& error) except +
        WeightTypes types() except +
        bool load(const Plan& plan, const string& stem, float* arena, string& error) except +


cdef inline const fast_kernels* kernels_of(isa) except? NULL:
    # None: the reference path alone, no kernels.
    cdef const fast_kernels* kernels
    if isa is None:
        return NULL
    kernels = fast_kernels_for(isa.encode())
    if kernels == NULL:
        raise ValueError(f"no fast kernels for {isa!r} here; there are {fast_isas()}")
    return kernels


cdef inline const fast_kernels* kernels_to_run(isa) except NULL:
    # None: those of the set that SPLEETERRT_ISA names, or of the best, for networks without fast layers.
    return &default_kernels() if isa is None else kernels_of(isa)


cdef inline tuple fast_isas():
    cdef const fast_kernels* kernels
    names = []
    while True:
        kernels = fast_kernels_at(<int>len(names))
        if kernels == NULL:
            return tuple(names)
        names.append(kernels.name.decode())


cdef inline NetworkConfig config_of(network) except *:
    cdef NetworkConfig config
    n_channels, filters, config.conv_activation, config.deconv_activation = network
    config.n_channels = n_channels
    if len(filters) != DEPTH or min(filters) < 1 or max(filters) > MOST_FILTERS:
        raise ValueError(f"conv_n_filters: expected {DEPTH} integers from 1 to {MOST_FILTERS}, got {filters}")
    for k in range(DEPTH):
        config.conv_n_filters[k] = filters[k]
    if not is_valid(config):
        raise ValueError(f"not a network: {network}")
    return config


cdef inline tuple method_names():
    return tuple([method_name(<Method><int>method).decode() for method in range(METHODS)])


cdef inline tuple type_names():
    return "float32", "float16", "int8"  # the order of `weight_type`


cdef inline WeightTypes types_of(types) except *:
    # None: float32.
    cdef WeightTypes result
    names = type_names()
    if types is None:
        types = names[:1] * LAYERS
    if len(types) != LAYERS or not set(types) <= set(names):
        raise ValueError(f"types: expected {LAYERS} of {', '.join(names)}, got {types}")
    for layer in range(LAYERS):
        result.layers[layer] = names.index(types[layer])
    return result


cdef inline Plan plan_of(plan) except *:
    cdef Plan result
    names = method_names()
    methods, isa, result.compact, types = plan
    if len(methods) != LAYERS or not set(methods) <= set(names):
        raise ValueError(f"not a plan: {plan}")
    result.types = types_of(types)
    for layer in range(LAYERS):
        result.methods[layer] = <Method><int>names.index(methods[layer])
    result.kernels = kernels_of(isa)
    if not can_run(result):
        raise ValueError(f"not a plan: {plan}")
    return result


cdef inline bytearray bytes_of(const LayerTable& table):
    cdef size_t size = table.rows.size() * sizeof(network_layer)
    return bytearray((<char*>table.rows.data())[:size])


cdef inline tuple methods_of(const Plan& plan):
    return tuple([method_name(plan.methods[layer]).decode() for layer in range(LAYERS)])


cdef inline tuple names_of_types(const WeightTypes& types):
    names = type_names()
    return tuple([names[types.layers[layer]] for layer in range(LAYERS)])
