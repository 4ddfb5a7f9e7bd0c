// The weights of a Winograd layer, in one of two forms.
//
// Stored: transformed when the model is loaded; 4.84 (m = 4) or 1.96 (m = 2) times the size of the originals.
// At every point panels of output channels, [depth][panel].
//
// Plain: the originals, transformed block by block during the layer. A block of 16 input channels times one panel gives
// all its products while it is in the cache, so a pass over 8 or more tiles costs a few percent
// more arithmetic and reads only a fifth of the memory. The tile may then follow the size of the input.
// Order: [panel][input channel][25 taps][channel of the panel]. A block is one panel and 16 input channels: of its
// transformed filters one line at a time fits L1 beside the block.
#ifndef SPLEETERRT_FAST_WEIGHTS_H
#define SPLEETERRT_FAST_WEIGHTS_H

#include "operands.h"

namespace FAST_ISA {

// Panels of 16 whatever the instruction set, and 16 channels deep.
struct PlainShape {
    static constexpr int width = block;
    static constexpr int depth_blocks = 1;
};

// kernel: TensorFlow's [5][5][in][out], transposed [5][5][out][in] -> plain weights.
static void pack_plain(bool decoder, int in_c, int out_c, const float *kernel, float *weights)
{
    const size_t tap_stride = (size_t)in_c * out_c;
    for (int first = 0; first < out_c; first += PlainShape::width) {
        const int width = least(PlainShape::width, out_c - first);
        for (int ci = 0; ci < in_c; ci++)
            for (int tap = 0; tap < 25; tap++, weights += width)
                for (int c = 0; c < width; c++)
                    weights[c] = kernel[tap * tap_stride + (decoder ? (size_t)(first + c) * in_c + ci
                                                                    : (size_t)ci * out_c + first + c)];
    }
}

// Plain weights of a block -> one line of the transformed filters: for each column a matrix [channels in][width], the
// phases of a point next to each other.
template <int m, bool decoder, int width> struct FilterBlock {
    using O = Operands<m, decoder>;
    // A cache line between blocks: else the values of one filter would all meet in a few sets of the cache.
    static constexpr int gap = block;
    static constexpr int depth = PlainShape::depth_blocks * block;
    static constexpr int size = depth * width + gap;

    // Offset of the first block of a point along frequency, and of a column's block.
    static constexpr int at_point(int q) { return (decoder || q == 0 ? 2 * q : 2 * q - 1) * size; }
    static constexpr int at(int column)
    {
        const int q = O::line_point(column);
        return at_point(q) + (column >= O::n && O::phases(q) == 2 ? size : 0);
    }

    // channels: of the input, at most `depth`. Meanwhile a share of the block behind comes near: all over all lines.
    __attribute__((noinline)) void transform(int line, int channels, const float *plain, float *out) const
    {
        const FilterLine<m, decoder> filter(line);
        if (filter.taps == 1)
            return transform_all<1>(filter, line, channels, plain, out);
        if (filter.taps == 2)
            return transform_all<2>(filter, line, channels, plain, out);
        transform_all<3>(filter, line, channels, plain, out);
    }

private:
    template <int taps>
    ALWAYS_INLINE void transform_all(const FilterLine<m, decoder> &filter, int line, int channels, const float *plain,
                                     float *out) const
    {
        constexpr int lines_of_channel = 25 * width / block;
        constexpr int share = (lines_of_channel + O::filter_lines - 1) / O::filter_lines * block;
        const float *ahead = plain + (ptrdiff_t)channels * (25 * width + line * share);
        for (int k = 0; k < channels; k++, out += width, ahead += share) {
#pragma GCC unroll 4
            for (int i = 0; i < share; i += block)
                __builtin_prefetch(ahead + i, 0, 2);
#pragma GCC unroll 1
            for (int c = 0; c < width; c += lanes) {
                Vec values[O::filter_lines];
                filter.template transform<taps>(plain + k * 25 * width + c, width, values);
#pragma GCC unroll 16
                for (int column = 0; column < O::filter_lines; column++)
                    *(Vec *)(out + at(column) + c) = values[column];
            }
        }
    }
};

// Floats of one line of transformed filters.
template <int m, bool decoder>
constexpr size_t filter_floats = (size_t)Operands<m, decoder>::filter_lines *FilterBlock<m, decoder, PlainShape::width>::size;

// Plain -> stored, one panel.
template <int m, bool decoder, int width>
static void store_panel(const Operands<m, decoder> &at, int first, int out_c, const float *plain, float *weights,
                        float *scratch)
{
    using O = Operands<m, decoder>;
    const FilterBlock<m, decoder, width> filters;
    const int in_c = at.in_blocks * block;
    for (int ci = 0; ci < in_c; ci += filters.depth, plain += filters.depth * 25 * width) {
        const int count = least(filters.depth, in_c - ci);
        for (int r = 0; r < O::filter_lines; r++) {
            filters.transform(r, count, plain, scratch);
            for (int c = 0; c < O::filter_lines; c++) {
                const int i = O::line_point(r, c), phase = O::line_phase(r, c);
                const int depth = at.depth_blocks(i) * block, channels = at.channel_blocks(i) * block;
                const int row = (decoder ? 0 : phase * in_c) + ci;
                const int channel = (decoder ? phase * out_c : 0) + first;
                // By sixteens: the phases' channels follow one another, so this panel may straddle two of theirs.
                for (int k = 0; k < count; k++)
                    for (int part = 0; part < width; part += block)
                        memcpy(weights + at.weights[i] + packed_index(depth, channels, row + k, channel + part),
                               scratch + filters.at(c) + k * width + part, block * sizeof(float));
            }
        }
    }
}
template <int m, bool decoder>
static void store_weights(int in_c, int out_c, const float *plain, float *weights, float *scratch)
{
    constexpr int width = PlainShape::width;
    const Operands<m, decoder> at(in_c, out_c, 1);
    int first = 0;
    for (; first + width <= out_c; first += width, plain += (ptrdiff_t)in_c * 25 * width)
        store_panel<m, decoder, width>(at, first, out_c, plain, weights, scratch);
    if (first < out_c)
        store_panel<m, decoder, block>(at, first, out_c, plain, weights, scratch);
}

// One panel of output channels (the `first`-th block on) at all points from plain weights.
template <int m, bool decoder, int width>
static void multiply_panel(int tiles, const Operands<m, decoder> &at, int first, const float *plain, float *scratch,
                           float *transformed)
{
    using O = Operands<m, decoder>;
    const FilterBlock<m, decoder, width> filters;
    const PanelProduct<width> products(tiles);
    const ptrdiff_t phase_of_data = at.in_blocks * at.tile_stride, phase_of_products = at.out_blocks * at.tile_stride;
    const int step = PlainShape::depth_blocks;
    for (int kb = 0; kb < at.in_blocks; kb += step, plain += filters.depth * 25 * width) {
        const int depth_blocks = least(step, at.in_blocks - kb);
        for (int r = 0; r < O::filter_lines; r++) {
            filters.transform(r, depth_blocks * block, plain, transformed);
            const int p = O::line_point(r), a = O::line_phase(r);
            for (int q = 0; q < O::n; q++) {
                const int i = p * O::n + q, columns = O::phases(q);
                Product product;
                product.a = scratch + at.data[i] + kb * at.tile_stride;
                product.b = transformed + filters.at_point(q);
                product.c = scratch + at.products[i] + first * at.tile_stride;
                product.c_stride = at.tile_stride;
                product.depth_blocks = depth_blocks;
                product.a_stride = at.tile_stride;
                if constexpr (decoder) {
                    // Each phase has products of its own.
                    product.c += a * columns * phase_of_products;
                    for (int b = 0; b < columns; b++) {
                        products.run(product, kb > 0);
                        product.b += filters.size;
                        product.c += phase_of_products;
                    }
                } else {
                    // The phases add up.
                    product.a += a * columns * phase_of_data;
                    product.parts = columns;
                    product.a_part = phase_of_data;
                    product.b_gap = filters.size - depth_blocks * block * width;
                    products.run(product, kb > 0 || a > 0);
                }
            }
        }
    }
}

// All panels.
template <int m, bool decoder>
static void multiply_plain(int tiles, const Operands<m, decoder> &at, const float *plain, float *scratch,
                           float *transformed)
{
    constexpr int width = PlainShape::width, blocks = width / block;
    int first = 0;
    for (; first + blocks <= at.out_blocks; first += blocks, plain += (ptrdiff_t)at.in_blocks * block * 25 * width)
        multiply_panel<m, decoder, width>(tiles, at, first, plain, scratch, transformed);
    if (first < at.out_blocks)
        multiply_panel<m, decoder, block>(tiles, at, first, plain, scratch, transformed);
}

} // namespace FAST_ISA

#endif
