// Element-wise stages of the network: bias, folded batch norm, activations.
//
// Rows are pixels, columns are channels; `ld` is the distance between rows in
// floats, so that a layer can write into its half of a concatenated buffer.
#ifndef SPLEETERRT_ELEMENTWISE_H
#define SPLEETERRT_ELEMENTWISE_H

#include "isa.h"

#include <cstddef>

namespace spleeterrt {

enum activation {
    ACTIVATION_NONE = 0,
    ACTIVATION_LEAKY_RELU = 1, // slope 0.2
    ACTIVATION_RELU = 2,
    ACTIVATION_ELU = 3, // alpha 1
    ACTIVATION_SIGMOID = 4
};

// One instruction set's build of them.
struct ElementwiseKernels {
    const char *name; // of the set

    // y[i] = activation(x[i]); x == y is allowed.
    void (*activate)(const float *x, float *y, std::size_t n, int activation);

    // Encoder: raw[r, c] += bias[c]; if out: out[r, c] = activation(raw[r, c] * scale[c] + shift[c]).
    // raw: [rows, channels] at distance ld; out: [rows, channels], dense.
    void (*bias_norm_activate)(float *raw, std::size_t ld, const float *bias, const float *scale, const float *shift,
                               int activation, float *out, std::size_t rows, std::size_t channels);

    // Decoder: out[r, c] = activation(x[r, c] + bias[c]) * scale[c] + shift[c].
    // x: [rows, channels], dense; out: [rows, channels] at distance ld.
    void (*bias_activate_norm)(const float *x, const float *bias, int activation, const float *scale,
                               const float *shift, float *out, std::size_t ld, std::size_t rows, std::size_t channels);

    // Last layer: out[r, c] = logits[r, c] + bias[c], or its sigmoid times input[r, c] where input is given.
    // All [rows, channels], dense; out == logits is allowed.
    void (*bias_mask)(const float *logits, const float *bias, const float *input, float *out, std::size_t rows,
                      std::size_t channels);

    // Softmax across stems, times the input: x[s][i] = softmax_s(x[s][i]) * input[i], in place.
    // x: [stems] planes of n floats, `plane` floats apart.
    void (*softmax_mask)(float *x, std::size_t plane, std::size_t stems, const float *input, std::size_t n);
};

const ElementwiseKernels &elementwise_kernels(Isa isa);

} // namespace spleeterrt

#endif
