// Plans, weights and the table of layers; see network.h.
//
// The U-Net of Spleeter (`model/functions/unet.py`, `apply_unet`) becomes 13 rows: e1..e6, d1..d6 and the output
// layer. Buffers are offsets into one workspace per thread, weights offsets into one arena per stem, so that one
// table serves all stems and all threads:
//
// - `skip k`: [H_k, W_k, 2 C_k], the concatenation before d(7-k): encoder k writes its raw output into the
//   first half of each pixel, the decoder its own into the second. Concatenation costs nothing.
// - Until the decoder comes, the second half holds the encoder's normed and activated output, the input of
//   the next layer. Where one of the two runs on the reference path, which wants it dense, it goes to
//   one of two buffers in turn; the reference decoder's accumulator and d6's output reuse them.
// - The fast outer layers work in strips: e1's normed output and d5's output are rings of a few rows, d6's
//   output never leaves the kernel, and skip 1 is e1's output alone.
// - `cols`: the columns of one chunk of pixels, or the scratch of a fast kernel.
// - The fast kernels hold channels in sixteens; the others are zeros all the way: their weights, biases, scales
//   and shifts are.
#include "network/network.h"

#include "aligned.h"
#include "check.h"
#include "cpu.h"
#include "isa.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <utility>

namespace spleeterrt {
namespace {

constexpr int FIRST = 0, D5 = 2 * DEPTH - 2, LAST = 2 * DEPTH - 1, MASK = 2 * DEPTH; // layers on the outside
constexpr int BLOCK = 16;                                                            // channels of a fast kernel

// Layers with at most so many pairs of channels store transformed weights. The others hold most weights of a
// network: transformed, they would take five times the memory and have to be read from it; done
// during the layer, the transformation costs as much as the products of five tiles. It costs the transposed
// convolutions more.
constexpr long long MOST_STORED_ENCODER = 128 * 128, MOST_STORED_DECODER = 128 * 512;

// Intel's cores with AVX-512 wait longer for the transformed weights of d2 than they take to transform them, with few
// tiles.
constexpr long long MOST_READ = 256 * 128;
bool reads_slowly(const fast_kernels &kernels) { return kernels.lanes == 16 && this_cpu().intel; }

// Whether a layer of small weights transforms them all at its start: where they fit a part of a usual L2 cache.
bool stages(const Channels &c)
{
    constexpr long long most = 1 << 20; // bytes
    return 121LL * c.in * c.out * (long long)sizeof(float) <= most;
}

std::size_t number_bytes(int type) { return type == WEIGHTS_FLOAT32 ? 4 : type == WEIGHTS_FLOAT16 ? 2 : 1; }

// Gap between the rows of images, in floats. The rows of default sizes are 64 KiB long on every level: without
// a gap the rows of a tile meet in the same few sets of the caches.
constexpr long long ROW_GAP = 9 * 16;

// Encoders that a stream may compute row by row, beside e1, which has weights for it anyway.
bool may_roll(int layer) { return FIRST < layer && layer < MOST_ROLLING; }

bool is_decoder(int layer) { return DEPTH <= layer && layer < MASK; }
int taps(int layer) { return layer == MASK ? 16 : 25; }
bool is_winograd(Method method) { return method_tile(method) != 0 || method == Method::lazy; }
int stored_tile(Method method) { return is_plain(method) ? 4 : method_tile(method); } // plain weights: the same

long long divide_up(long long a, long long b) { return (a + b - 1) / b; }

// Of the grid between a layer's input and its output: how often the image was halved.
int level_of(int layer) { return layer < DEPTH ? layer + 1 : 2 * DEPTH - layer; }

// Hands out offsets in floats, each at a cache line.
struct Arena {
    long long size = 0;

    long long take(long long count)
    {
        const long long offset = size;
        size += divide_up(count, 16) * 16;
        return offset;
    }
};

network_method method_of(Method method)
{
    switch (method) {
    case Method::direct: return METHOD_DIRECT;
    case Method::winograd2:
    case Method::lazy2: return METHOD_WINOGRAD2;
    case Method::winograd4:
    case Method::staged4:
    case Method::lazy4: return METHOD_WINOGRAD4;
    case Method::rows4: return METHOD_ROWS4;
    default: return METHOD_REFERENCE;
    }
}

} // namespace

// --- configuration ----------------------------------------------------------------------------

bool is_valid(const NetworkConfig &config)
{
    for (int width : config.conv_n_filters)
        if (width < 1 || width > MOST_FILTERS)
            return false;
    for (int activation : {config.conv_activation, config.deconv_activation})
        if (activation < ACTIVATION_LEAKY_RELU || activation > ACTIVATION_ELU)
            return false;
    return config.n_channels == 2;
}

int activation_code(const std::string &name)
{
    if (name == "LeakyReLU")
        return ACTIVATION_LEAKY_RELU;
    if (name == "ReLU")
        return ACTIVATION_RELU;
    return name == "ELU" ? ACTIVATION_ELU : -1;
}

// --- plans ------------------------------------------------------------------------------------

const char *method_name(Method method)
{
    static const char *const names[] = {"reference", "direct", "winograd2", "winograd4", "staged4",
                                        "lazy2",     "lazy4",  "rows4",     "lazy"};
    static_assert(std::size(names) == METHODS, "a name for every method");
    return names[static_cast<int>(method)];
}

int method_tile(Method method)
{
    switch (method_of(method)) {
    case METHOD_WINOGRAD2: return 2;
    case METHOD_WINOGRAD4: return 4;
    case METHOD_ROWS4: return 1;
    default: return 0;
    }
}

bool is_lazy(Method method) { return method >= Method::lazy2; }
bool is_plain(Method method) { return method >= Method::staged4; }

bool choose_weights(KeptWeights &kept, std::string &error)
{
    static const char *const names[] = {"auto", "stored", "plain"};
    kept = KeptWeights::automatic;
    const char *wanted = std::getenv("SPLEETERRT_PLAN");
    if (!wanted || !*wanted)
        return true;
    for (int i = 0; i < (int)std::size(names); i++)
        if (std::string(wanted) == names[i]) {
            kept = static_cast<KeptWeights>(i);
            return true;
        }
    error = std::string("SPLEETERRT_PLAN: expected one of auto, stored, plain, got '") + wanted + "'";
    return false;
}

Plan make_plan(const NetworkConfig &config, const fast_kernels *kernels, bool low_memory, const WeightTypes &types)
{
    Plan plan;
    plan.kernels = kernels;
    if (!kernels)
        return plan;
    plan.compact = low_memory;
    KeptWeights kept;
    std::string problem; // was told before
    choose_weights(kept, problem);
    for (int layer = 0; layer < LAYERS; layer++) {
        const Channels c = layer_channels(config, layer, true);
        const bool decoder = is_decoder(layer);
        const long long most = low_memory ? 0 : decoder ? MOST_STORED_DECODER : MOST_STORED_ENCODER;
        const int type = kept == KeptWeights::stored && !low_memory ? WEIGHTS_FLOAT32 : types.layers[layer];
        const bool slow =
            kept == KeptWeights::automatic && reads_slowly(*kernels) && (long long)c.in * c.out > MOST_READ;
        const bool plain = kept == KeptWeights::plain || type != WEIGHTS_FLOAT32 || slow;
        if ((long long)c.in * c.out > most)
            plan.methods[layer] = Method::lazy;
        else if (!plain)
            plan.methods[layer] = Method::winograd4;
        else // the same bits
            plan.methods[layer] = decoder && !stages(c) ? Method::lazy4 : Method::staged4;
        plan.types.layers[layer] = type;
    }
    for (int layer : {FIRST, LAST, MASK}) {
        plan.methods[layer] = Method::direct;
        plan.types.layers[layer] = WEIGHTS_FLOAT32;
    }
    return plan;
}

bool can_run(const Plan &plan)
{
    const auto direct = [&](int layer) { return plan.methods[layer] == Method::direct; };
    const auto winograd = [&](int layer) { return is_winograd(plan.methods[layer]); };
    for (int layer = 0; layer < LAYERS; layer++) {
        if (!plan.kernels && (direct(layer) || winograd(layer)))
            return false;
        const int type = plan.types.layers[layer];
        if (type != WEIGHTS_FLOAT32 && (!is_plain(plan.methods[layer]) || type < 0 || type > WEIGHTS_INT8))
            return false;
        const bool outer = layer == FIRST || layer >= LAST;
        if (outer ? winograd(layer) : direct(layer))
            return false;
    }
    const auto strips = [&](int layer) { return winograd(layer) && plan.methods[layer] != Method::rows4; };
    return direct(LAST) == direct(MASK) && (!direct(FIRST) || strips(FIRST + 1)) && (!direct(LAST) || strips(D5));
}

Plan plan_at(const NetworkConfig &config, const Plan &plan, long long frames, long long bins)
{
    Plan result = plan;
    for (int layer = 0; layer < LAYERS; layer++) {
        if (plan.methods[layer] != Method::lazy)
            continue;
        const Channels c = layer_channels(config, layer, true);
        const long long h = frames >> level_of(layer), w = bins >> level_of(layer);
        const int at_a_time = pass_tiles(c.in, c.out, plan.compact);
        const bool strips = (layer == FIRST + 1 && plan.methods[FIRST] == Method::direct) ||
                            (layer == D5 && plan.methods[LAST] == Method::direct);
        const long long by_4 = tile_cost(4, h, w, at_a_time), by_2 = tile_cost(2, h, w, at_a_time);
        const long long by_rows = tile_cost(1, h, w, row_tiles(c.in, c.out, plan.compact, h, w));
        result.methods[layer] = by_4 <= by_2 ? Method::lazy4 : Method::lazy2;
        if (!strips && by_rows < std::min(by_4, by_2))
            result.methods[layer] = Method::rows4;
    }
    return result;
}

int pass_tiles(int in_c, int out_c, bool compact)
{
    if (compact)
        return 12;
    // The more tiles, the fewer readings of the weights, and the fewer operands that stay in L2. Deep layers read more
    // weights than data and have few tiles. For the layers between, whose weights come from L3 for every pass, Intel's
    // cores gain 7 to 18 % by 48 tiles and a Zen 4 loses 2 to 7 % (bench/results/intel.md, zen4.md); others were not
    // measured. No layer that may be `lazy` has a number of tiles that depends on the maker, so methods do not.
    const long long filters = (long long)in_c * out_c;
    return filters > 128 * 128 ? 32 : filters >= 64 * 128 && this_cpu().intel ? 48 : 16;
}

int row_tiles(int in_c, int out_c, bool compact, long long h, long long w)
{
    const long long most = pass_tiles(in_c, out_c, compact) / h;
    return (int)std::clamp(most < 4 ? most : most / 4 * 4, 1LL, divide_up(w, 4)); // in fours for micro-kernels of four
}

int filter_cost(int tile) // measured on AVX-512; only their proportion matters
{
    return tile == 4 ? 540 : tile == 2 ? 250 : 290;
}

long long tile_cost(int tile, long long h, long long w, int tiles_at_a_time)
{
    if (tile == 1) { // each row of the grid takes five rows, but for the three beyond the image
        const long long tiles = divide_up(w, 4);
        return (5 * h - 3) * tiles * 11 + divide_up(tiles, tiles_at_a_time) * filter_cost(1);
    }
    const long long tiles = divide_up(h, tile) * divide_up(w, tile);
    return tiles * (2 * tile + 3) * (2 * tile + 3) + divide_up(tiles, tiles_at_a_time) * filter_cost(tile);
}

bool choose_kernels(const char *wanted, const fast_kernels *&kernels, std::string &error)
{
    IsaChoice choice;
    KeptWeights kept;
    kernels = nullptr;
    if (!choose_isa(wanted, choice, error) || !choose_weights(kept, error))
        return false;
    if (!choice.reference)
        kernels = fast_kernels_for(name_of(choice.isa));
    return true;
}

// --- channels and weights ---------------------------------------------------------------------

Channels layer_channels(const NetworkConfig &config, int layer, bool padded)
{
    const auto width = [&](int k) { // of what e(k) gives; 0: the network's input
        if (k == 0)
            return config.n_channels;
        const int filters = config.conv_n_filters[k - 1];
        return padded ? (int)divide_up(filters, BLOCK) * BLOCK : filters;
    };
    if (layer < DEPTH)
        return {width(layer), width(layer + 1)};
    if (layer == MASK)
        return {1, config.n_channels};
    const int k = layer - DEPTH; // d(k + 1): up to the width of the skip that it meets; d6: 1 channel
    return {k == 0 ? width(DEPTH) : 2 * width(DEPTH - k), k < DEPTH - 1 ? width(DEPTH - 1 - k) : 1};
}

long long TensorSpec::count() const
{
    long long product = 1;
    for (long long size : shape)
        product *= size;
    return product;
}

std::vector<TensorSpec> layer_tensors(const NetworkConfig &config, int layer)
{
    const auto numbered = [](const char *kind, int number) { // Keras' names
        return number ? std::string(kind) + "_" + std::to_string(number) : std::string(kind);
    };
    const Channels c = layer_channels(config, layer, false);
    const bool decoder = is_decoder(layer);
    const int side = layer == MASK ? 4 : 5;
    const std::string name = decoder         ? numbered("conv2d_transpose", layer - DEPTH)
                             : layer == MASK ? numbered("conv2d", DEPTH)
                                             : numbered("conv2d", layer);
    std::vector<TensorSpec> specs = {
        {name + "/kernel",
         {side, side, decoder ? c.out : c.in, decoder ? c.in : c.out},
         &LayerTensors::kernel,
         decoder ? 2 : 3},
        {name + "/bias", {c.out}, &LayerTensors::bias},
    };
    if (layer != MASK) {
        const std::string norm = numbered("batch_normalization", layer);
        specs.push_back({norm + "/gamma", {c.out}, &LayerTensors::gamma});
        specs.push_back({norm + "/beta", {c.out}, &LayerTensors::beta});
        specs.push_back({norm + "/moving_mean", {c.out}, &LayerTensors::mean});
        specs.push_back({norm + "/moving_variance", {c.out}, &LayerTensors::variance});
    }
    return specs;
}

WeightLayout weight_layout(const NetworkConfig &config, const Plan &plan)
{
    WeightLayout layout;
    Arena arena;
    for (int layer = 0; layer < LAYERS; layer++) {
        const Channels c = layer_channels(config, layer, plan.kernels);
        const Method method = plan.methods[layer];
        long long count = (long long)taps(layer) * c.in * c.out;
        if (is_winograd(method))
            count = (long long)plan.kernels->weight_floats(is_decoder(layer), stored_tile(method), is_plain(method),
                                                           plan.types.layers[layer], c.in, c.out);
        else if (method == Method::direct && layer == FIRST)
            count = (long long)plan.kernels->first_weight_floats(c.out);
        else if (method == Method::direct && layer == LAST)
            count = (long long)plan.kernels->last_weight_floats(c.in);
        WeightOffsets &at = layout.layers[layer];
        at.weights = arena.take(count);
        at.bias = arena.take(c.out);
        at.scale = arena.take(c.out);
        at.shift = arena.take(c.out);
        at.plain = at.weights;
        if (is_winograd(method) && !is_plain(method) && may_roll(layer))
            at.plain = arena.take((long long)plan.kernels->weight_floats(0, 4, 1, WEIGHTS_FLOAT32, c.in, c.out));
    }
    layout.size = arena.size;
    return layout;
}

namespace {

// A kernel with zeros for the channels that the fast kernels add; null: it has them all. number: bytes of one.
AlignedFloats padded_kernel(const NetworkConfig &config, const Plan &plan, int layer, const void *kernel,
                            std::size_t number)
{
    const Channels c = layer_channels(config, layer, false), wide = layer_channels(config, layer, plan.kernels);
    if (c.in == wide.in && c.out == wide.out)
        return {};
    const bool decoder = is_decoder(layer);
    // A decoder's input is the skip and the layer before, each padded on its own.
    const int parts = layer > DEPTH && decoder ? 2 : 1;
    // [taps, outer, parts, inner]: decoders out and in, encoders in and out
    const std::size_t outer = decoder ? c.out : c.in, inner = (decoder ? c.in : c.out) / parts;
    const std::size_t wide_outer = decoder ? wide.out : wide.in, wide_inner = (decoder ? wide.in : wide.out) / parts;
    AlignedFloats padded((taps(layer) * wide_outer * parts * wide_inner * number + 3) / sizeof(float));
    const char *from = static_cast<const char *>(kernel);
    char *to = reinterpret_cast<char *>(padded.data());
    for (int tap = 0; tap < taps(layer); tap++)
        for (std::size_t i = 0; i < outer; i++)
            for (int part = 0; part < parts; part++, from += inner * number)
                std::copy_n(from, inner * number, to + ((tap * wide_outer + i) * parts + part) * wide_inner * number);
    return padded;
}

} // namespace

void pack_layer(const NetworkConfig &config, const Plan &plan, const WeightLayout &layout, int layer,
                const LayerTensors &tensors, float *arena)
{
    const fast_kernels *kernels = plan.kernels;
    const WeightOffsets &at = layout.layers[layer];
    const Method method = plan.methods[layer];
    const Channels c = layer_channels(config, layer, kernels);
    const int type = plan.types.layers[layer], out = layer_channels(config, layer, false).out;
    const void *given = type == WEIGHTS_FLOAT32 ? tensors.kernel : tensors.small_kernel;
    const AlignedFloats padded = padded_kernel(config, plan, layer, given, number_bytes(type));
    const float *kernel = padded.data() ? padded.data() : tensors.kernel;
    float *weights = arena + at.weights;
    if (is_winograd(method)) {
        const int decoder = is_decoder(layer), tile = stored_tile(method), plain = is_plain(method);
        AlignedFloats scratch(kernels->prepare_scratch_floats(decoder, tile, plain, c.in, c.out));
        AlignedFloats scales(type == WEIGHTS_INT8 ? c.out : 0);
        if (type == WEIGHTS_INT8)
            std::copy_n(tensors.scales, out, scales.data());
        kernels->prepare(decoder, tile, plain, type, c.in, c.out, padded.data() ? padded.data() : given, scales.data(),
                         weights, scratch.data());
        if (at.plain != at.weights)
            kernels->prepare(0, 4, 1, WEIGHTS_FLOAT32, c.in, c.out, kernel, nullptr, arena + at.plain, nullptr);
    } else if (method == Method::direct && layer == FIRST) {
        kernels->first_prepare(c.out, kernel, weights);
    } else if (method == Method::direct && layer == LAST) {
        kernels->last_prepare(c.in, kernel, weights);
    } else {
        std::copy_n(kernel, (std::size_t)taps(layer) * c.in * c.out, weights);
    }
    std::copy_n(tensors.bias, out, arena + at.bias);
    if (layer == MASK)
        return;
    // That of e6 is unused, as in Spleeter.
    for (int k = 0; k < out; k++)
        fold_batch_norm(tensors.gamma[k], tensors.beta[k], tensors.mean[k], tensors.variance[k], BATCH_NORM_EPSILON,
                        arena[at.scale + k], arena[at.shift + k]);
}

void pack_weights(const NetworkConfig &config, const Plan &plan, const LayerTensors (&tensors)[LAYERS], float *arena)
{
    const WeightLayout layout = weight_layout(config, plan);
    for (int layer = 0; layer < LAYERS; layer++)
        pack_layer(config, plan, layout, layer, tensors[layer], arena);
}

void fold_batch_norm(double gamma, double beta, double mean, double variance, double epsilon, float &scale,
                     float &shift)
{
    const double factor = gamma / std::sqrt(variance + epsilon);
    scale = (float)factor;
    shift = (float)(beta - mean * factor);
}

// --- the table of layers ----------------------------------------------------------------------

namespace {

// TensorFlow's SAME: the zeros before; the odd one comes after.
long long padding_before(long long size, long long kernel, long long stride, long long dilation)
{
    const long long need = (divide_up(size, stride) - 1) * stride + dilation * (kernel - 1) + 1 - size;
    return std::max(need, 0LL) / 2;
}

// The scratch of every layer, and the rings of the strips between outer layers. All layers share one region, those
// that run together in strips excepted.
class Scratch {
public:
    // Fields of rows that get a part of it, one after the other; offsets from its start.
    void begin() { part_ = {}; }
    void take(long long &field, long long floats)
    {
        field = part_.take(floats);
        fields_.push_back(&field);
        size_ = std::max(size_, part_.size);
    }
    void alias(long long &field, long long of)
    {
        field = of;
        fields_.push_back(&field);
    }

    // Where it came to lie.
    void move(long long start)
    {
        for (long long *field : fields_)
            *field += start;
    }

    long long size() const { return size_; }

private:
    Arena part_;
    long long size_ = 0;
    std::vector<long long *> fields_;
};

class Lowering {
public:
    // plan: for inputs of this size, of weights that lie where `weights` says.
    Lowering(const NetworkConfig &config, const WeightLayout &weights, const Plan &plan, long long frames,
             long long bins, const Chunks &chunks, const StreamForm &form)
        : config_(config), weights_(weights), plan_(plan), chunks_(chunks), form_(form)
    {
        for (int layer = FIRST + 1; layer < form.rolling; layer++)
            plan_.methods[layer] = Method::rows4;
        for (int k = 0; k <= DEPTH; k++)
            size_[k] = {frames >> k, bins >> k};
    }

    LayerTable run()
    {
        table_.rows.resize(LAYERS);
        place_images();
        for (int layer = 0; layer < LAYERS; layer++) {
            const Channels c = channels(layer);
            network_layer &row = table_.rows[layer];
            row.in_c = c.in;
            row.out_c = c.out;
            row.method = two_rows(layer) ? METHOD_WINOGRAD2X4 : method_of(plan_.methods[layer]);
            row.plain = is_plain(plan_.methods[layer]);
            row.staged = plan_.methods[layer] == Method::staged4;
            row.weight_type = plan_.types.layers[layer];
            row.dilation = 1;
        }
        for (int k = 1; k <= DEPTH; k++)
            encoder(k);
        for (int k = 1; k <= DEPTH; k++)
            decoder(k);
        mask();
        for (int layer = 0; layer < LAYERS; layer++) {
            network_layer &row = table_.rows[layer];
            const auto [rows, columns] = tile(layer); // the grid is the decoder's input
            if (rows == 1)
                row.pass_tiles = row_tiles((int)row.in_c, (int)row.out_c, plan_.compact,
                                           layer < form_.rolling ? rolling_rows : row.out_h, row.out_w);
            else if (rows)
                row.pass_tiles = std::min<long long>(divide_up(row.out_h, rows) * divide_up(row.out_w, columns),
                                                     pass_tiles((int)row.in_c, (int)row.out_c, plan_.compact));
        }
        place_scratch();
        for (int layer = 0; layer < LAYERS; layer++) {
            network_layer &row = table_.rows[layer];
            const WeightOffsets &at = weights_.layers[layer];
            row.weights = row.plain ? at.plain : at.weights;
            row.bias = at.bias;
            row.scale = at.scale;
            row.shift = at.shift;
        }
        table_.workspace_floats = arena_.size;
        return std::move(table_);
    }

private:
    struct Size {
        long long h, w;
    };

    Channels channels(int layer) const { return layer_channels(config_, layer, plan_.kernels); }
    int width(int k) const { return channels(k - 1).out; } // of e(k)
    bool reference(int layer) const { return plan_.methods[layer] == Method::reference; }
    bool first_alone() const // a direct e1 in no strip
    {
        return plan_.methods[FIRST] == Method::direct && plan_.methods[FIRST + 1] == Method::rows4;
    }
    bool first_strips() const { return plan_.methods[FIRST] == Method::direct && !first_alone(); }
    bool two_rows(int layer) const
    {
        return form_.two_rows && is_decoder(layer) && method_tile(plan_.methods[layer]) == 4;
    }
    // Outputs of a tile along time and frequency; 0: the layer has no tiles.
    std::pair<int, int> tile(int layer) const
    {
        const int rows = method_tile(plan_.methods[layer]);
        return {two_rows(layer) ? 2 : rows, rows == 1 ? 4 : rows};
    }
    int fast_tile(int layer) const { return two_rows(layer) ? TILE_2X4 : tile(layer).first; }
    bool last_strips() const { return plan_.methods[LAST] == Method::direct; }
    long long pixels(int level) const { return size_[level].h * size_[level].w; }

    // Whether what goes from e(k) to e(k + 1) has a dense buffer: the reference path knows no other.
    bool dense_input(int k) const
    {
        if (k == 1 && (first_strips() || first_alone()))
            return first_alone();
        return reference(k - 1) || reference(k) || skip_ld_[k] == width(k);
    }

    void place_images()
    {
        bool any_reference = false;
        for (int layer = 0; layer < LAYERS; layer++)
            any_reference = any_reference || reference(layer);
        gap_ = plan_.compact || any_reference ? 0 : ROW_GAP;
        for (int k = 1; k < DEPTH; k++) {
            // Floats of a pixel of skip k: of the concatenation, or of e1's output alone.
            skip_ld_[k] = (long long)width(k) * (k == 1 && last_strips() ? 1 : 2);
            skip_row_[k] = size_[k].w * skip_ld_[k] + gap_;
            skip_[k] = arena_.take(size_[k].h * skip_row_[k]);
        }
        bottom_ = arena_.take(pixels(DEPTH) * width(DEPTH));
        long long sums = 0, dense[2] = {};
        for (int k = 0; k < DEPTH; k++)
            if (reference(DEPTH + k))
                sums = std::max(sums, pixels(DEPTH - 1 - k) * channels(DEPTH + k).out);
        for (int k = 1; k < DEPTH; k++)
            if (dense_input(k))
                dense[k % 2] = std::max(dense[k % 2], pixels(k) * width(k));
        turn_[0] = arena_.take(std::max(sums, dense[1]));
        turn_[1] = arena_.take(std::max(last_strips() ? 0 : pixels(0), dense[0]));
    }

    // How many units (pixels, or rows of `unit` pixels) one chunk of columns holds.
    long long chunk(long long depth, long long pixels, long long unit = 1) const
    {
        const long long best = std::max(chunks_.floats / depth, chunks_.least_pixels);
        return std::max(1LL, std::min(best, pixels) / unit);
    }

    // A 5x5 layer of stride 2 between an image and its half.
    network_layer &layer_between(int layer, network_op op, int activation, Size image, Size grid, int c)
    {
        network_layer &row = table_.rows[layer];
        row.op = op;
        row.activation = activation;
        row.h = image.h;
        row.w = image.w;
        row.c = c;
        row.out_h = grid.h;
        row.out_w = grid.w;
        row.kernel = 5;
        row.stride = 2;
        row.pad_top = padding_before(image.h, 5, 2, 1);
        row.pad_left = padding_before(image.w, 5, 2, 1);
        row.normed = NOWHERE;
        return row;
    }

    void encoder(int k)
    {
        const int layer = k - 1;
        const Size image = size_[k - 1], grid = size_[k];
        const auto [into, out] = channels(layer);
        network_layer &row = layer_between(layer, OP_CONV, config_.conv_activation, image, grid, into);
        const network_layer *before = k > 1 ? &row - 1 : nullptr;
        row.src = before ? before->normed : (long long)NETWORK_INPUT;
        row.src_ld = before ? before->normed_ld : into;
        row.src_row = before ? before->normed_row : image.w * into;
        row.dst = k < DEPTH ? skip_[k] : bottom_;
        row.dst_ld = k < DEPTH ? skip_ld_[k] : out;
        row.dst_row = k < DEPTH ? skip_row_[k] : grid.w * out;
        if (k < DEPTH && dense_input(k)) {
            row.normed = turn_[(k + 1) % 2];
            row.normed_ld = out;
            row.normed_row = grid.w * out;
        } else if (k < DEPTH && !(k == 1 && first_strips())) {
            row.normed = skip_[k] + out;
            row.normed_ld = skip_ld_[k];
            row.normed_row = skip_row_[k];
        }
        if (k == 1 && first_alone())
            row.dst_ring = grid.h; // a ring of all rows
        row.chunk = chunk(25LL * into, grid.h * grid.w);
    }

    void decoder(int k)
    {
        const int layer = DEPTH + k - 1, from = DEPTH + 1 - k, to = DEPTH - k;
        const Size image = size_[to], grid = size_[from];
        const auto [into, out] = channels(layer);
        network_layer &row = layer_between(layer, OP_TRANSPCONV, config_.deconv_activation, image, grid, out);
        row.src = k == 1 ? bottom_ : skip_[from];
        row.src_ld = k == 1 ? into : skip_ld_[from];
        row.src_row = k == 1 ? grid.w * into : skip_row_[from];
        // the second half of each pixel of the concatenation
        const bool last = k == DEPTH;
        row.dst = last ? turn_[1] : skip_[to] + out;
        row.dst_ld = last ? out : 2LL * out;
        row.dst_row = last ? image.w * out : skip_row_[to];
        row.sums = turn_[0];
        row.chunk = chunk(25LL * out, grid.h * grid.w, grid.w);
    }

    void mask()
    {
        network_layer &row = table_.rows[MASK];
        const Size size = size_[0];
        row.op = OP_MASK;
        row.h = row.out_h = size.h;
        row.w = row.out_w = size.w;
        row.c = 1;
        row.kernel = 4;
        row.stride = 1;
        row.dilation = 2;
        row.pad_top = padding_before(size.h, 4, 1, 2);
        row.pad_left = padding_before(size.w, 4, 1, 2);
        row.src = turn_[1];
        row.src_ld = 1;
        row.dst = NETWORK_OUTPUT;
        row.dst_ld = config_.n_channels;
        row.normed = NOWHERE;
        row.chunk = chunk(16, size.h * size.w);
    }

    long long winograd_floats(int layer) const
    {
        const network_layer &row = table_.rows[layer];
        const bool decoder = is_decoder(layer);
        if (plan_.methods[layer] == Method::rows4)
            return (long long)plan_.kernels->rows_scratch_floats(decoder, (int)row.out_h, (int)row.in_c, (int)row.out_c,
                                                                 (int)row.pass_tiles, (int)row.weight_type);
        return (long long)plan_.kernels->scratch_floats(decoder, fast_tile(layer), (int)(decoder ? row.out_w : row.w),
                                                        (ptrdiff_t)row.src_ld, (int)row.in_c, (int)row.out_c,
                                                        (int)row.pass_tiles, (int)row.staged, (int)row.weight_type);
    }

    void place_scratch()
    {
        Scratch scratch;
        bool done[LAYERS] = {};
        if (first_strips()) {
            network_layer &first = table_.rows[FIRST], &second = table_.rows[FIRST + 1];
            first.normed_ld = second.src_ld = first.out_c;
            first.normed_row = second.src_row = second.w * first.out_c + gap_;
            const int ring = plan_.kernels->first_ring_rows(method_tile(plan_.methods[FIRST + 1]));
            first.dst_ring = second.src_ring = ring;
            scratch.begin();
            scratch.take(first.cols, (long long)plan_.kernels->first_scratch_floats((int)first.w));
            scratch.take(first.normed, ring * first.normed_row);
            scratch.take(second.cols, winograd_floats(FIRST + 1));
            scratch.alias(second.src, first.normed);
            done[FIRST] = done[FIRST + 1] = true;
        }
        if (first_alone()) {
            network_layer &first = table_.rows[FIRST];
            scratch.begin();
            scratch.take(first.cols, (long long)plan_.kernels->first_scratch_floats((int)first.w));
            done[FIRST] = true;
        }
        if (last_strips()) {
            network_layer &d5 = table_.rows[D5], &d6 = table_.rows[LAST];
            const int ring = plan_.kernels->last_ring_rows(fast_tile(D5));
            d5.dst_ring = ring;
            d5.dst_ld = d5.out_c;
            d5.dst_row = d5.w * d5.out_c + gap_;
            scratch.begin();
            scratch.take(d5.cols, winograd_floats(D5));
            scratch.take(d5.dst, ring * d5.dst_row);
            scratch.take(d6.cols, (long long)plan_.kernels->last_scratch_floats((int)d6.out_w, (int)d6.in_c));
            d6.dst = NOWHERE;
            done[D5] = done[LAST] = done[MASK] = true;
        }
        for (int layer = 0; layer < LAYERS; layer++) {
            if (done[layer])
                continue;
            network_layer &row = table_.rows[layer];
            scratch.begin();
            if (method_tile(plan_.methods[layer])) {
                scratch.take(row.cols, winograd_floats(layer));
                continue;
            }
            long long floats = row.kernel * row.kernel * row.c * (row.op == OP_TRANSPCONV ? row.out_w : 1);
            if (row.op == OP_MASK) // with want_frames its products, too
                floats += row.out_c;
            scratch.take(row.cols, row.chunk * floats);
        }
        scratch.move(arena_.take(scratch.size()));
    }

    static constexpr int rolling_rows =
        2; // about what a window computes of a rolling layer at its beginning, and at its end

    const NetworkConfig &config_;
    const WeightLayout weights_;
    Plan plan_; // at this size
    const Chunks chunks_;
    const StreamForm form_;
    Size size_[DEPTH + 1]; // of the image after e(k)
    Arena arena_;
    LayerTable table_;
    long long gap_ = 0;
    long long skip_[DEPTH] = {}, skip_ld_[DEPTH] = {}, skip_row_[DEPTH] = {}, bottom_ = 0, turn_[2] = {};
};

} // namespace

bool is_size(long long frames, long long bins)
{
    for (long long size : {frames, bins})
        if (size <= 0 || size % SIZE_MULTIPLE || size > INT_MAX)
            return false;
    return frames <= (1LL << 40) / bins;
}

namespace {

// Of a narrowed table: products of its decoders' tiles, in some unit.
long long decoder_products(std::vector<network_layer> layers, const StreamWindows &windows)
{
    want_frames(layers.data(), (std::ptrdiff_t)layers.size(), windows.first, windows.first + windows.rows);
    long long products = 0;
    for (const network_layer &row : layers)
        if (row.op == OP_TRANSPCONV && (row.method == METHOD_WINOGRAD4 || row.method == METHOD_WINOGRAD2X4))
            products += (row.end_row - row.first_row) * row.out_w * row.in_c * row.out_c *
                        (row.method == METHOD_WINOGRAD4 ? 121 : 2 * 77);
    return products;
}

} // namespace

StreamForm stream_form(const NetworkConfig &config, const Plan &plan, const StreamWindows &windows)
{
    StreamForm form;
    if (!plan.kernels || plan.methods[FIRST] != Method::direct)
        return form;
    const auto layers = [&](bool two_rows) {
        return lower(config, plan, windows.frames, windows.bins, {}, {0, two_rows}).rows;
    };
    std::vector<network_layer> by_4x4 = layers(false), by_2x4 = layers(true);
    form.two_rows = decoder_products(by_2x4, windows) < decoder_products(by_4x4, windows);
    if (plan.compact)
        return form; // what is kept takes memory
    std::vector<network_layer> &decoders = form.two_rows ? by_2x4 : by_4x4;
    want_frames(decoders.data(), LAYERS, windows.first, windows.first + windows.rows);
    long long kept = 0;
    for (int layer = 0; layer < MOST_ROLLING; layer++) {
        if (layer != FIRST && !is_winograd(plan.methods[layer]))
            break;
        const long long step = 2LL << layer, rows = windows.frames / step, grain = std::gcd(windows.hop, step);
        const long long edge = layer ? 2 : 1;        // rows that see the zeros behind the window
        const long long fresh = windows.hop / grain; // rows between windows that share rows
        const int width = layer_channels(config, layer, true).out;
        kept += step / grain * rows * (windows.bins / step) * width * (long long)sizeof(float);
        if (kept > MOST_KEPT)
            break;
        const network_layer &decoder = decoders[(std::size_t)(LAST - layer)];
        const long long wanted = rows - rows_read(decoder, {decoder.first_row, decoder.end_row}).first;
        if (2 * (1 + std::max(edge + fresh, wanted)) >= rows)
            break;
        form.rolling = layer + 1;
    }
    if (form.rolling < 2)
        form.rolling = 0;
    return form;
}

LayerTable lower(const NetworkConfig &config, const Plan &plan, long long frames, long long bins, const Chunks &chunks,
                 const StreamForm &form)
{
    SRT_DCHECK(form.rolling == 0 || (2 <= form.rolling && form.rolling <= MOST_ROLLING));
    LayerTable table =
        Lowering(config, weight_layout(config, plan), plan_at(config, plan, frames, bins), frames, bins, chunks, form)
            .run();
    table.rolling = form.rolling;
    return table;
}

namespace {

struct Field {
    const char *name;
    std::size_t offset;
};

#define FIELD(name) {#name, offsetof(network_layer, name)}
constexpr Field fields[] = {
    FIELD(op),         FIELD(method),    FIELD(plain),    FIELD(staged),  FIELD(weight_type), FIELD(pass_tiles),
    FIELD(activation), FIELD(h),         FIELD(w),        FIELD(c),       FIELD(out_h),       FIELD(out_w),
    FIELD(kernel),     FIELD(stride),    FIELD(dilation), FIELD(pad_top), FIELD(pad_left),    FIELD(in_c),
    FIELD(out_c),      FIELD(src),       FIELD(src_ld),   FIELD(src_row), FIELD(src_ring),    FIELD(dst),
    FIELD(dst_ld),     FIELD(dst_row),   FIELD(dst_ring), FIELD(normed),  FIELD(normed_ld),   FIELD(normed_row),
    FIELD(sums),       FIELD(cols),      FIELD(chunk),    FIELD(weights), FIELD(bias),        FIELD(scale),
    FIELD(shift),      FIELD(first_row), FIELD(end_row),
};
#undef FIELD

// Every field of the struct, each in its place.
constexpr bool in_order()
{
    for (std::size_t i = 0; i < std::size(fields); i++)
        if (fields[i].offset != i * sizeof(long long))
            return false;
    return std::size(fields) * sizeof(long long) == sizeof(network_layer);
}
static_assert(in_order(), "the list of fields follows network_layer (executor.h)");

} // namespace

int layer_fields() { return (int)std::size(fields); }
const char *layer_field(int index) { return fields[index].name; }

} // namespace spleeterrt
