// The fast layers: what one instruction set's build offers.
#ifndef SPLEETERRT_FAST_INTERFACE_H
#define SPLEETERRT_FAST_INTERFACE_H

#include <stddef.h>

namespace spleeterrt {

// Several threads on one network. A phase of a layer is a row of units; each is computed once, by whoever comes first.
// What it computes does not depend on that.
struct fast_share {                 // one thread in a phase
    float *workspace;               // its own: holds its scratch, where the owner's workspace holds the owner's
    int (*next)(fast_share *share); // the next unit; -1: none is left
};
typedef void (*fast_work)(const void *job, fast_share *share);

struct fast_team {
    float *workspace; // of the owner, the thread that runs the network
    int threads;      // at most
    void (*run)(fast_team *team, int units, fast_work work, const void *job); // a phase; returns when all is done
    int (*idle)(const fast_team *team);                                       // whether anybody might help now
};

// What plain weights are kept in: float32; float16; or int8, with a float32 scale per output channel.
enum weight_type { WEIGHTS_FLOAT32, WEIGHTS_FLOAT16, WEIGHTS_INT8 };

// A stride-2 5x5 layer. Encoder: image [h, w, in_c] -> [h / 2, w / 2, out_c]. Decoder: [h, w, in_c] ->
// [2 h, 2 w, out_c]. `*_ld`, `*_row`: floats between pixels and between rows. Channels of every image but the
// network's own are multiples of 16, pixels start at cache lines.
struct fast_layer {
    int h, w, in_c, out_c;
    const float *src;
    ptrdiff_t src_ld, src_row;
    float *dst;
    ptrdiff_t dst_ld, dst_row;
    float *normed; // encoder: the next layer's input, NULL for none
    ptrdiff_t normed_ld, normed_row;
    int src_ring, dst_ring; // rows of src, of dst (e1: of normed) where only the last ones are kept; 0: all are
    int pass_tiles;         // tiles that go through all stages together (Winograd)
    int plain;              // weights are the originals, transformed block by block during the layer
    int staged;             // or, of these, all at the layer's start, into the scratch
    int weight_type;        // of the originals
    const float *weights;   // as `prepare` made them
    const float *bias, *scale, *shift;
    int activation; // codes of elementwise.h
    float *scratch; // 64-byte aligned
    // Rows of the coarser grid that are wanted; the Winograd layers compute all rows of their tiles.
    int first_row, end_row;
    fast_team *team = nullptr; // nullptr: the calling thread alone
};

// The mask: 4x4 dilation-2 convolution to two channels, plus bias; sigmoid times input (NULL: logits).
// Writes its rows first_row ... end_row - 1, the first one at `out`.
struct fast_mask {
    const float *weights, *bias, *input;
    float *out;
    int first_row, end_row;
};

// Outputs of a Winograd tile along time and frequency.
enum fast_tile { TILE_1X4 = 1, TILE_2X2 = 2, TILE_4X4 = 4, TILE_2X4 = 24 };

struct ElementwiseKernels;

struct fast_kernels {
    const char *name;
    int lanes;                             // of a vector
    const ElementwiseKernels *elementwise; // of the same set
    // Winograd layers. tile: a fast_tile, TILE_2X2 or TILE_4X4; type: of plain weights, a weight_type. kernel: of that
    // type, TensorFlow's [5][5][in][out], transposed [5][5][out][in]; scales: of int8, [out].
    size_t (*weight_floats)(int decoder, int tile, int plain, int type, int in_c, int out_c);
    size_t (*prepare_scratch_floats)(int decoder, int tile, int plain, int in_c, int out_c);
    void (*prepare)(int decoder, int tile, int plain, int type, int in_c, int out_c, const void *kernel,
                    const float *scales, float *weights, float *scratch);
    size_t (*scratch_floats)(int decoder, int tile, int w, ptrdiff_t src_ld, int in_c, int out_c, int pass_tiles,
                             int staged, int type);
    // Of `rows` rows of the grid by Winograd along frequency alone.
    size_t (*rows_scratch_floats)(int decoder, int rows, int in_c, int out_c, int pass_tiles, int type);
    // tile: TILE_1X4, too, for Winograd along frequency alone, from plain weights; pass_tiles: of these along
    // frequency, with all wanted rows. Transposed convolutions also in TILE_2X4, of the weights of TILE_4X4.
    void (*run)(int decoder, int tile, const fast_layer *layer);
    // A block of 16 x 25 x 16 small weights -> float32, for the tests; scales: of int8, [16].
    void (*expand)(int type, const void *small, const float *scales, float *out);
    // One-dimensional transform matrices by applying the code to unit vectors, for the tests:
    // data [n][n], output [m][n], filter [n][3], float_filter [n][3]; n = tile + 2.
    void (*matrices)(int tile, double *data, double *output, double *filter, double *float_filter);

    // e1 [h, w, 2] -> [h / 2, w / 2, 16 k] in the rows that a second layer, a Winograd one, asks for.
    // first->normed is a ring of `first_ring_rows` rows, second->src the same. first's rows include these. TILE_1X4: e1
    // alone (second: not read), in its own rows; first->normed is a ring of any size.
    int (*first_ring_rows)(int tile);
    size_t (*first_weight_floats)(int out_c);
    void (*first_prepare)(int out_c, const float *kernel, float *weights);
    size_t (*first_scratch_floats)(int w);
    void (*first)(int tile, const fast_layer *first, const fast_layer *second);

    // d6 [h, w, 16 k] -> [2 h, 2 w, 1] and the mask, in the rows that d5 (a Winograd layer) has finished. d5->dst is
    // a ring of `last_ring_rows` rows; d6->src is the skip. d5's rows must do for d6's, those for the mask's.
    int (*last_ring_rows)(int tile);
    size_t (*last_weight_floats)(int in_c);
    void (*last_prepare)(int in_c, const float *kernel, float *weights);
    size_t (*last_scratch_floats)(int w, int in_c);
    void (*last)(int tile, const fast_layer *d5, const fast_layer *d6, const fast_mask *mask);
};

// The kernels of a set ("generic", "neon", "avx2", "avx512"); NULL: it does not run here, or its fast layers are not
// built.
const fast_kernels *fast_kernels_for(const char *name);

// The sets that run here, the best one first (index 0); NULL: no more.
const fast_kernels *fast_kernels_at(int index);

// What runs networks without fast layers: the kernels of the default set, of which `elementwise` is always there.
const fast_kernels &default_kernels();

} // namespace spleeterrt

#endif
