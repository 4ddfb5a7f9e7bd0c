// From a network's configuration to what the executor runs: which method computes each layer, where its weights and
// its buffers lie. Knows neither Python nor files. Everything here follows from the configuration, the instruction
// set, the memory profile and the size of the input: never from the number of segments, of threads, or a timing,
// so that the same input gives the same bits.
#ifndef SPLEETERRT_NETWORK_H
#define SPLEETERRT_NETWORK_H

#include "network/elementwise.h"
#include "network/executor.h"

#include <cstddef>
#include <string>
#include <vector>

namespace spleeterrt {

constexpr int DEPTH = 6;              // encoder / decoder pairs of the U-Net
constexpr int LAYERS = 2 * DEPTH + 1; // e1..e6, d1..d6, the mask: the order of everything by layer
constexpr int SIZE_MULTIPLE = 1 << DEPTH;
constexpr int MOST_FILTERS = 1 << 16; // so that no size overflows, whatever a configuration says

struct NetworkConfig {
    int n_channels = 2;
    int conv_n_filters[DEPTH] = {16, 32, 64, 128, 256, 512}; // output channels of e1..e6
    int conv_activation = ACTIVATION_LEAKY_RELU;             // codes of elementwise.h
    int deconv_activation = ACTIVATION_RELU;
};

// Two channels, widths from 1 to MOST_FILTERS, activations LeakyReLU, ReLU or ELU. All functions below want this.
bool is_valid(const NetworkConfig &config);

// "LeakyReLU", "ReLU" or "ELU" -> its code; -1: another name.
int activation_code(const std::string &name);

// --- plans ------------------------------------------------------------------------------------

// How a layer is computed.
// - reference: im2col / col2im and the BLAS.
// - direct: the outer layers e1, d6 and the mask by loops of their own, strip by strip with e2 and d5.
// - winograd2, winograd4: polyphase and Winograd in tiles of 2 x 2 or 4 x 4: 0.49 or 0.30 of the
//   multiplications, for 1.96 or 4.84 times the memory of the weights, which are transformed at load.
// - staged4: the same with the weights as they are, all transformed into the workspace at the layer's start. The bits
//   are those of winograd4.
// - lazy2, lazy4: with the weights as they are, transformed block by block during the layer; lazy: in tiles that suit
//   the size of the input. The bits are those of winograd2 and 4 for transposed convolutions and for 16 input channels;
//   others add up in another order.
// - rows4: lazy in tiles of 1 x 4, along frequency alone: for images of few rows, where tiles would mostly meet zeros.
//   Not of d5, nor, but in a stream's table (StreamForm), of e2 behind a direct e1: these go in strips.
enum class Method { reference, direct, winograd2, winograd4, staged4, lazy2, lazy4, rows4, lazy };
constexpr int METHODS = 9;

const char *method_name(Method method);
int method_tile(Method method); // outputs along time: 1 (rows4), 2 or 4; 0: not Winograd, or not known yet (lazy)
bool is_lazy(Method method);
bool is_plain(Method method); // lazy or staged: the weights are kept as they are

// What each layer's weights are kept in: WEIGHTS_FLOAT32, _FLOAT16 or _INT8.
struct WeightTypes {
    int layers[LAYERS] = {};
};

struct Plan {
    Method methods[LAYERS] = {};
    WeightTypes types;                     // of plain methods; others have float32 alone
    const fast_kernels *kernels = nullptr; // of the layers that are not reference ones; may be null if all are
    bool compact = false;                  // workspaces as small as can be
};

// How weights are kept: the environment variable SPLEETERRT_PLAN. The bits are the same, memory and time are not.
// - automatic ("auto", or not set): small ones as they are, others transformed at load where that saves time.
// - stored: float32, transformed at load where there are few; whatever the file holds.
// - plain: as they are, float32 ones, too.
enum class KeptWeights { automatic, stored, plain };

// False, and a message: the variable says something else, which `make_plan` takes for automatic.
bool choose_weights(KeptWeights &kept, std::string &error);

// kernels: null gives the reference path. low_memory: all weights stay as they are, and workspaces are compact. types:
// what a model's kernels are stored in; where a layer's are small, they stay so, and its bits are those of float32.
Plan make_plan(const NetworkConfig &config, const fast_kernels *kernels, bool low_memory,
               const WeightTypes &types = {});

// Whether a plan can run: the outer layers are fast together with e2 and d5, small weights are plain. All functions
// below want this.
bool can_run(const Plan &plan);

// The plan for inputs of frames x bins: `lazy` becomes `lazy2`, `lazy4` or `rows4`.
Plan plan_at(const NetworkConfig &config, const Plan &plan, long long frames, long long bins);

// Tiles that a Winograd layer takes through all its stages together.
int pass_tiles(int in_c, int out_c, bool compact);

// Of rows4 on a grid of h x w: tiles along frequency that go through together, each with all rows.
int row_tiles(int in_c, int out_c, bool compact, long long h, long long w);

// Vector operations to transform the weights of one input channel and 16 output channels, of tiles of 1 (rows4), 2 or
// 4; the products take one per tile and point.
int filter_cost(int tile);

// Vector operations of a lazy layer per input channel and 16 output channels, on a grid of h x w (outputs of the
// convolution, inputs of the transposed one).
long long tile_cost(int tile, long long h, long long w, int tiles_at_a_time);

// The kernels of the set `wanted` ("avx512", "avx2", "neon", "generic"); null: the set that the environment variable
// SPLEETERRT_ISA names, or the best of this CPU. False, and a message: not on this machine, or `choose_weights` has
// one. `kernels` null and true: "reference" was wanted, or this build has no fast kernels.
bool choose_kernels(const char *wanted, const fast_kernels *&kernels, std::string &error);

// --- channels and weights ---------------------------------------------------------------------

struct Channels {
    int in, out;
};

// Of a layer; with `padded` as the fast kernels hold them, in sixteens.
Channels layer_channels(const NetworkConfig &config, int layer, bool padded);

// One stem's tensors of a layer, in TensorFlow's layouts: kernels of convolutions [h, w, in, out], of transposed ones
// [h, w, out, in]; the others [out]. The mask has no batch norm.
struct LayerTensors {
    const float *kernel = nullptr, *bias = nullptr;
    const float *gamma = nullptr, *beta = nullptr, *mean = nullptr, *variance = nullptr;
    // Instead of `kernel` where the plan keeps small weights: float16 or int8, the latter with a scale per output
    // channel.
    const void *small_kernel = nullptr;
    const float *scales = nullptr;
};

// Spleeter's name and shape of a tensor, of a stem that stands alone: "conv2d_3/kernel".
struct TensorSpec {
    std::string name;
    std::vector<long long> shape;
    const float *LayerTensors::*place;
    int channel_axis = -1; // of a kernel: which axis counts its output channels
    long long count() const;
};

std::vector<TensorSpec> layer_tensors(const NetworkConfig &config, int layer);

// Where a layer's numbers stand in a stem's arena, offsets in floats.
struct WeightOffsets {
    long long weights, bias, scale, shift;
    long long plain; // the weights as they are: where `weights` are transformed ones and streams may want these
};

struct WeightLayout {
    WeightOffsets layers[LAYERS];
    long long size; // floats of an arena
};

WeightLayout weight_layout(const NetworkConfig &config, const Plan &plan);

// Puts a layer's tensors into its stem's arena, which was zeros and starts at a cache line. On the reference path
// kernels are the operand of the GEMM as they lie; fast layers have layouts of their own. Batch norm becomes scale and
// shift. Layers may be packed in any order, and by several threads. Throws std::bad_alloc.
void pack_layer(const NetworkConfig &config, const Plan &plan, const WeightLayout &layout, int layer,
                const LayerTensors &tensors, float *arena);

// All layers of a stem.
void pack_weights(const NetworkConfig &config, const Plan &plan, const LayerTensors (&tensors)[LAYERS], float *arena);

// Inference batch norm, y = x * scale + shift, in double, rounded once.
constexpr double BATCH_NORM_EPSILON = 1e-3; // Keras' default, which Spleeter keeps
void fold_batch_norm(double gamma, double beta, double mean, double variance, double epsilon, float &scale,
                     float &shift);

// --- the table of layers ----------------------------------------------------------------------

// Columns of the reference path per chunk, in floats: large enough for the BLAS to amortise packing its operands,
// small enough for them to stay in the cache between im2col and GEMM.
struct Chunks {
    long long floats = 1 << 18;
    long long least_pixels = 128;
};

struct LayerTable {
    std::vector<network_layer> rows; // LAYERS of them
    long long workspace_floats;      // of a workspace, which starts at a cache line; its content does not matter
    int rolling = 0;                 // see StreamForm
};

// Whether the network takes inputs of this size: positive multiples of SIZE_MULTIPLE, and no overflow.
bool is_size(long long frames, long long bins);

// The windows of a stream: `hop` frames from one to the next, of whose `frames` x `bins` the `rows` frames from `first`
// on are wanted.
struct StreamWindows {
    long long frames, bins, hop, first, rows;
};

// More layers would save less and less, and a stream's first windows, which compute them whole, would take longer.
constexpr int MOST_ROLLING = 3;
constexpr long long MOST_KEPT = 32 << 20; // bytes of a network that a stream keeps

// What suits a stream, beside a plan.
// - rolling: of the layers from e1 on so many are computed row by row (rows4), so that windows share rows (rolling.h):
//   those of which a window computes less than half, up to MOST_ROLLING and MOST_KEPT. 0, or at least 2.
// - two_rows: decoders' tiles of 4 x 4 become 2 x 4: where few rows are wanted, whose tiles would give more.
struct StreamForm {
    int rolling = 0;
    bool two_rows = false;
};

StreamForm stream_form(const NetworkConfig &config, const Plan &plan, const StreamWindows &windows);

// The table for inputs of frames x bins. Throws std::bad_alloc.
LayerTable lower(const NetworkConfig &config, const Plan &plan, long long frames, long long bins,
                 const Chunks &chunks = {}, const StreamForm &form = {});

// The fields of network_layer in their order, all int64: how many, and their names.
int layer_fields();
const char *layer_field(int index);

} // namespace spleeterrt

#endif
