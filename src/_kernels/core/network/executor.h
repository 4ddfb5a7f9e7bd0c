// One stem's forward pass: a flat table of layers over one workspace.
//
// `network.h` lowers a network to such a table. Neither the executor nor what it calls knows Python.
#ifndef SPLEETERRT_EXECUTOR_H
#define SPLEETERRT_EXECUTOR_H

#include "fast/interface.h"

namespace spleeterrt {

enum network_method {
    METHOD_REFERENCE,  // im2col / col2im and GEMM, by the caller's `reference_layer`
    METHOD_DIRECT,     // the outer layers, in strips: d5 goes with d6 and the mask, e1 with e2 unless that is ROWS4
    METHOD_WINOGRAD2,  // polyphase and Winograd, tiles of 2 x 2
    METHOD_WINOGRAD4,  // tiles of 4 x 4
    METHOD_ROWS4,      // tiles of 1 x 4, along frequency alone; plain weights
    METHOD_WINOGRAD2X4 // of a transposed convolution: tiles of 2 x 4, of the weights of 4 x 4
};

enum network_op {
    OP_CONV,       // convolution, bias; batch norm and activation into a second buffer
    OP_TRANSPCONV, // transposed convolution, bias, activation, batch norm
    OP_MASK        // convolution, bias; sigmoid times the input, or logits
};

enum network_place { NOWHERE = -1, NETWORK_INPUT = -2, NETWORK_OUTPUT = -3 };

// One row of the table; all int64, each one listed in network.cpp too (checked there), from which Python takes its
// names. Buffers are offsets in floats:
// src, dst, normed, sums, cols into the workspace; weights, bias, scale, shift into the stem's weights.
// NETWORK_INPUT and NETWORK_OUTPUT stand for the segment's arrays.
struct network_layer {
    long long op, method;
    long long plain;       // Winograd weights are the originals, transformed block by block during the layer
    long long staged;      // or, of these, all at the layer's start
    long long weight_type; // of the originals, a weight_type
    long long pass_tiles;  // Winograd tiles that go through all stages together
    long long activation;
    // the convolution (of OP_TRANSPCONV: the one it is the adjoint of)
    long long h, w, c, out_h, out_w;
    long long kernel, stride, dilation, pad_top, pad_left;
    long long in_c, out_c; // channels of the layer's input and output
    // *_ld: floats between pixels, wider than the channels in a concatenation; *_row: between rows. The reference path
    // takes dense src and normed and rows without gaps only. *_ring: rows of a ring that a strip of the image goes
    // through; 0: the whole image.
    long long src, src_ld, src_row, src_ring;
    long long dst, dst_ld, dst_row, dst_ring;
    long long normed, normed_ld, normed_row; // OP_CONV: where the next layer's input goes, or NOWHERE
    long long sums;                          // reference OP_TRANSPCONV: [h, w, c] accumulator
    long long cols, chunk;                   // columns of `chunk` pixels (OP_TRANSPCONV: rows); scratch of fast kernels
    long long weights, bias, scale, shift;
    // Rows of the grid (out_h of them) that are wanted, see want_frames; end_row 0: all.
    long long first_row, end_row;
};

struct network_task {
    const fast_kernels *kernels; // of the set that runs it; default_kernels() for a table without fast layers
    const network_layer *layers;
    ptrdiff_t n_layers;
    const float *weights;
    float *workspace;
    const float *input; // [T, F, 2]
    float *output;      // the same; of a narrowed table its rows alone, the first one here
    int logits;
    double *profile; // NULL, or [n_layers][stages] seconds; strips count for their first layer
    ptrdiff_t stages, fast_stage;
    fast_team *team; // who helps with the fast layers, NULL: nobody
};

typedef void (*reference_layer)(const network_task *task, ptrdiff_t index);

// Denormal numbers count as zero meanwhile. reference: NULL where no layer is METHOD_REFERENCE.
void run_network(const network_task *task, reference_layer reference);

// The networks' logits become estimates: `softmax_mask`, under the same rule.
void finish_softmax(const fast_kernels &kernels, float *estimates, size_t plane, size_t stems, const float *input,
                    size_t n);

// Layers from `index` on.
void run_layers(const network_task *task, ptrdiff_t index, reference_layer reference);

// Of a fast layer that goes in no strip the rows first ... end - 1 of its grid.
void run_layer_rows(const network_task *task, ptrdiff_t index, long long first, long long end);

struct LayerRows {
    long long first, end;
};

// Rows of its input that rows of a layer's grid depend on.
LayerRows rows_read(const network_layer &row, LayerRows computed);

// Narrows a table to the frames first ... last - 1 of the output: of each fast layer the rows are left that these
// depend on, in whole tiles. The wanted frames keep their bits; of the others' buffers anything may be left. A
// narrowed table can be narrowed anew. Tables are U-Nets: n convolutions, n transposed ones, the mask.
void want_frames(network_layer *layers, ptrdiff_t n_layers, ptrdiff_t first, ptrdiff_t last);

} // namespace spleeterrt

#endif
