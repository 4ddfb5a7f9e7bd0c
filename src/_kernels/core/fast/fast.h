/* The fast layers: what one instruction set's build offers (C interface, no C++ types). */
#ifndef SPLEETERRT_FAST_H
#define SPLEETERRT_FAST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stride-2 5x5 layer. Encoder: image [h, w, in_c] -> [h / 2, w / 2, out_c]. Decoder: [h, w, in_c] ->
 * [2 h, 2 w, out_c]. `*_ld`: floats between pixels; rows follow one another. */
struct fast_layer {
    int h, w, in_c, out_c;
    const float *src;
    ptrdiff_t src_ld;
    float *dst;
    ptrdiff_t dst_ld;
    float *normed;          /* encoder: the next layer's input, NULL for none */
    ptrdiff_t normed_ld;
    const float *weights;   /* as `prepare` made them */
    const float *bias, *scale, *shift;
    int activation;         /* codes of elementwise.h */
    float *scratch;         /* `scratch_floats` floats, 64-byte aligned */
};

struct fast_kernels {
    const char *name;
    /* tile: outputs per tile side, 2 or 4; in_c and out_c multiples of 16 */
    size_t (*weight_floats)(int decoder, int tile, int in_c, int out_c);
    void (*prepare)(int decoder, int tile, int in_c, int out_c, const float *kernel, float *weights);
    size_t (*scratch_floats)(int decoder, int tile, int in_c, int out_c);
    void (*run)(int decoder, int tile, const struct fast_layer *layer);
    /* One-dimensional transform matrices by applying the code to unit vectors, for the tests:
     * data [n][n], output [m][n], filter [n][3]; n = tile + 2. */
    void (*matrices)(int tile, double *data, double *output, double *filter);
    /* e1: [h, w, 2] -> [h / 2, w / 2, 16 k]; weights are the HWIO kernel as it is. */
    size_t (*first_scratch_floats)(int w);
    void (*first)(const struct fast_layer *layer);
    /* d6: [h, w, 16 k] -> [2 h, 2 w, 1]; weights [25][in_c] (the transposed kernel as it is). */
    size_t (*last_up_scratch_floats)(int w, int in_c);
    void (*last_up)(const struct fast_layer *layer);
    /* 4x4 dilation-2 convolution of [h, w] to two channels, plus bias; input: sigmoid times it, NULL: logits. */
    void (*mask)(int h, int w, const float *src, const float *weights, const float *bias, const float *input,
                 float *out);
};

/* The best set that this CPU runs, or the one that SPLEETERRT_ISA names ("generic", "avx2",
 * "avx512", "reference"); NULL: only the reference path, or a name that is not there. */
const struct fast_kernels *fast_kernels_for(const char *name);

#ifdef __cplusplus
}
#endif

#endif
