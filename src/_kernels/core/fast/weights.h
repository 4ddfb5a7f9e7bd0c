// The weights of a Winograd layer, in one of two forms.
//
// Stored: transformed when the model is loaded; 4.84 (m = 4) or 1.96 (m = 2) times the size of the originals.
// At every point panels of output channels, [depth][panel].
//
// Plain: the originals, transformed block by block during the layer. A block of 16 input channels times one panel gives
// all its products while it is in the cache, so a pass over 8 or more tiles costs a few percent
// more arithmetic and reads only a fifth of the memory. The tile may then follow the size of the input.
// Order: [panel][input channel][25 taps][channel of the panel].
#ifndef SPLEETERRT_FAST_WEIGHTS_H
#define SPLEETERRT_FAST_WEIGHTS_H

#include "operands.h"

namespace FAST_ISA {

// kernel: TensorFlow's [5][5][in][out], transposed [5][5][out][in] -> plain weights.
static void pack_plain(bool decoder, int in_c, int out_c, const float *kernel, float *weights)
{
    const size_t tap_stride = (size_t)in_c * out_c;
    for (int first = 0; first < out_c; first += panel) {
        const int width = least(panel, out_c - first);
        for (int ci = 0; ci < in_c; ci++)
            for (int tap = 0; tap < 25; tap++, weights += width)
                for (int c = 0; c < width; c++)
                    weights[c] = kernel[tap * tap_stride + (decoder ? (size_t)(first + c) * in_c + ci
                                                                    : (size_t)ci * out_c + first + c)];
    }
}

// Plain weights of 16 input channels and one panel -> all points, as [point][phase][16][width]; the offsets in
// `at`, by line of the transformed filter.
template <int m, bool decoder> struct FilterBlock {
    using O = Operands<m, decoder>;
    static constexpr size_t floats = (size_t)O::filter_values * block * panel;
    int at[O::filter_values];
    int point_at[O::points];
    int width;

    explicit FilterBlock(int width_of_panel) : width(width_of_panel)
    {
        int used = 0;
        for (int i = 0; i < O::points; i++) {
            point_at[i] = used;
            used += O::phases(i / O::n, i % O::n) * block * width;
        }
        for (int r = 0; r < O::filter_lines; r++)
            for (int c = 0; c < O::filter_lines; c++)
                at[r * O::filter_lines + c] =
                    point_at[O::line_point(r, c)] + O::line_phase(r, c) * block * width;
    }
    __attribute__((noinline)) void transform(const float *plain, float *out) const
    {
        for (int k = 0; k < block; k++)
            for (int c = 0; c < width; c += lanes)
                transform_filter<m, decoder>(plain + (ptrdiff_t)k * 25 * width + c, width, out + k * width + c, at);
    }
};

// Plain -> stored.
template <int m, bool decoder>
static void store_weights(int in_c, int out_c, const float *plain, float *weights, float *scratch)
{
    using O = Operands<m, decoder>;
    const O at(in_c, out_c);
    for (int first = 0; first < out_c; first += panel) {
        const int width = least(panel, out_c - first);
        const FilterBlock<m, decoder> filters(width);
        for (int kb = 0; kb < at.in_blocks; kb++, plain += (ptrdiff_t)block * 25 * width) {
            filters.transform(plain, scratch);
            for (int i = 0; i < O::points; i++)
                for (int phase = 0; phase < O::phases(i / O::n, i % O::n); phase++)
                    for (int k = 0; k < block; k++) {
                        const int depth = at.depth_blocks(i) * block, channels = at.channel_blocks(i) * block;
                        const int row = (decoder ? kb : phase * at.in_blocks + kb) * block + k;
                        // A panel of one phase may straddle two of the concatenated phases' panels.
                        for (int c = 0; c < width; c += block) {
                            const int channel = (decoder ? phase * out_c : 0) + first + c;
                            memcpy(weights + at.weights[i] + packed_index(depth, channels, row, channel),
                                   scratch + filters.point_at[i] + (phase * block + k) * width + c,
                                   block * sizeof(float));
                        }
                    }
        }
    }
}

template <int m, bool decoder>
static void multiply_stored(int tiles, const Operands<m, decoder> &at, const float *weights, float *scratch, int i)
{
    multiply(tiles, at.depth_blocks(i), at.channel_blocks(i), scratch + at.data[i], at.tile_stride,
             weights + at.weights[i], scratch + at.products[i], at.tile_stride);
}

// One panel of output channels (the `first`-th block on) at all points from plain weights.
template <int m, bool decoder>
static void multiply_plain(int tiles, const Operands<m, decoder> &at, int first, const FilterBlock<m, decoder> &filters,
                           const float *plain, float *scratch, float *transformed)
{
    using O = Operands<m, decoder>;
    const int width = filters.width;
    for (int kb = 0; kb < at.in_blocks; kb++, plain += (ptrdiff_t)block * 25 * width) {
        filters.transform(plain, transformed);
        for (int i = 0; i < O::points; i++) {
            const int phases = O::phases(i / O::n, i % O::n);
            const float *a = scratch + at.data[i] + kb * at.tile_stride;
            float *c = scratch + at.products[i] + first * at.tile_stride;
            const float *b = transformed + filters.point_at[i];
            // Convolution: the phases add up, depth 16 x phases. Transposed: each has products of its own.
            const int depth = decoder ? 1 : phases;
            for (int phase = 0; phase < (decoder ? phases : 1); phase++) {
                if (kb == 0)
                    multiply<false>(tiles, depth, width / block, a, at.in_blocks * at.tile_stride, b, c,
                                    at.tile_stride);
                else
                    multiply<true>(tiles, depth, width / block, a, at.in_blocks * at.tile_stride, b, c,
                                   at.tile_stride);
                b += block * width;
                c += at.out_blocks * at.tile_stride;
            }
        }
    }
}

} // namespace FAST_ISA

#endif
