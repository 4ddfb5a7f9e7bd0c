// The weights of a Winograd layer, in one of three forms.
//
// Stored: transformed when the model is loaded; 4.84 (m = 4) or 1.96 (m = 2) times the size of the originals.
// At every point panels of output channels, [depth][panel].
//
// Plain: the originals, transformed block by block during the layer. A block of 16 input and 16 output channels gives
// all its products while it is in the cache; a fifth of the memory is read, for the work of transforming it (that of
// the products of 5 tiles of 4 x 4). The tile may then follow the size of the input. Within a block: [16
// input channels][25 taps][16 output channels]: of its transformed filters one line at a time fits L1 beside it.
//
// Staged: plain ones, all transformed at the layer's start, into the scratch: for layers with few weights and many
// tiles. What follows is what stored weights give, bit for bit.
#ifndef SPLEETERRT_FAST_WEIGHTS_H
#define SPLEETERRT_FAST_WEIGHTS_H

#include "fast/operands.h"
#include "fast/small.h"

namespace spleeterrt::SRT_ISA {

// The blocks' order is that of their use. What is larger, data or products, is gone through once and the other
// again and again: the convolution has more points in its data, so its input channels are the outer loop; the
// transposed one has more in its products, so there the output channels are.
template <typename F> static inline void each_plain_block(bool decoder, int in_blocks, int out_blocks, const F &f)
{
    for (int outer = 0; outer < (decoder ? out_blocks : in_blocks); outer++)
        for (int inner = 0; inner < (decoder ? in_blocks : out_blocks); inner++)
            decoder ? f(inner, outer) : f(outer, inner);
}
static inline ptrdiff_t plain_block_at(bool decoder, int in_blocks, int out_blocks, int in_block, int out_block)
{
    return decoder ? (ptrdiff_t)out_block * in_blocks + in_block : (ptrdiff_t)in_block * out_blocks + out_block;
}

// kernel: TensorFlow's [5][5][in][out], transposed [5][5][out][in] -> plain weights.
template <typename Number>
static void pack_plain(bool decoder, int in_c, int out_c, const Number *kernel, Number *weights)
{
    const size_t tap_stride = (size_t)in_c * out_c;
    each_plain_block(decoder, in_c / block, out_c / block, [&](int in_block, int out_block) {
        for (int ci = in_block * block; ci < (in_block + 1) * block; ci++)
            for (int tap = 0; tap < 25; tap++, weights += block)
                for (int c = 0; c < block; c++) {
                    const size_t co = (size_t)out_block * block + c;
                    weights[c] = kernel[tap * tap_stride + (decoder ? co * in_c + ci : (size_t)ci * out_c + co)];
                }
    });
}

// One plain block -> one line of the transformed filters: for each column a matrix [16][16], the phases of a point
// along frequency next to each other.
template <int m, bool decoder> struct FilterBlock {
    using Layout = Operands<m, decoder>;
    // A cache line between matrices: else the values of one filter would all meet in a few sets of the cache.
    static constexpr int size = block * block + block;
    static constexpr size_t floats = (size_t)Layout::filter_lines * size;
    static_assert(floats % block == 0, "what follows it is aligned");

    // Offset of the first matrix of a point along frequency, and of a column's matrix.
    static constexpr int at_point(int q) { return (decoder || q == 0 ? 2 * q : 2 * q - 1) * size; }
    static constexpr int matrix_at(int column)
    {
        const int q = Layout::line_point(column);
        return at_point(q) + (column >= Layout::n && Layout::phases(q) == 2 ? size : 0);
    }

    // The i-th of `lines` lines that are computed of the block. Meanwhile a share of the block behind comes near: all
    // of it over all lines (of the last one, addresses that are never read).
    static __attribute__((noinline)) void transform(int line, int i, int lines, const PlainBlock &plain, float *out)
    {
        const FilterLine<m, decoder> filter(line);
        const int share = (plain.lines + lines - 1) / lines;
        const char *ahead = plain.behind + (ptrdiff_t)i * block * share * cache_line;
        if (filter.taps == 1)
            return transform_all<1>(filter, plain.weights, ahead, share, out);
        if (filter.taps == 2)
            return transform_all<2>(filter, plain.weights, ahead, share, out);
        transform_all<3>(filter, plain.weights, ahead, share, out);
    }

    // Row k of the taps, transformed along frequency. Each of the five rows fetches a fifth of the block behind.
    static __attribute__((noinline)) void transform_taps(int k, const PlainBlock &plain, float *out)
    {
        const int share = (plain.lines + 4) / 5;
        transform_all<1>(FilterLine<m, decoder>::of_taps(k), plain.weights,
                         plain.behind + (ptrdiff_t)k * block * share * cache_line, share, out);
    }

private:
    template <int taps> static ALWAYS_INLINE void
    transform_all(const FilterLine<m, decoder> &filter, const float *plain, const char *ahead, int share, float *out)
    {
        for (int k = 0; k < block; k++, out += block) {
#pragma GCC unroll 1
            for (int i = 0; i < share; i++, ahead += cache_line)
                prefetch_line(ahead);
#pragma GCC unroll 1
            for (int c = 0; c < block; c += lanes) {
                Vec values[Layout::filter_lines];
                filter.template transform<taps>(plain + k * 25 * block + c, block, values);
#pragma GCC unroll 16
                for (int column = 0; column < Layout::filter_lines; column++)
                    *(Vec *)(out + matrix_at(column) + c) = values[column];
            }
        }
    }
};

// Plain -> stored. scratch: FilterBlock::floats, then PlainBlocks::room_floats.
template <int m, bool decoder>
static void store_weights(int in_c, int out_c, const PlainBlocks &blocks, float *weights, float *scratch)
{
    using Layout = Operands<m, decoder>;
    using Filters = FilterBlock<m, decoder>;
    const Layout layout(in_c, out_c, 1);
    ptrdiff_t index = 0;
    each_plain_block(decoder, layout.in_blocks, layout.out_blocks, [&](int in_block, int out_block) {
        const PlainBlock plain = blocks.at(index++, out_block, scratch + Filters::floats);
        for (int r = 0; r < Layout::filter_lines; r++) {
            Filters::transform(r, r, Layout::filter_lines, plain, scratch);
            for (int c = 0; c < Layout::filter_lines; c++) {
                const int i = Layout::line_point(r, c), phase = Layout::line_phase(r, c);
                const int depth = layout.depth_blocks(i) * block, channels = layout.channel_blocks(i) * block;
                const int row = (decoder ? 0 : phase * in_c) + in_block * block;
                const int channel = (decoder ? phase * out_c : 0) + out_block * block;
                for (int k = 0; k < block; k++)
                    memcpy(weights + layout.weights[i] + packed_index(depth, channels, row + k, channel),
                           scratch + Filters::matrix_at(c) + k * block, block * sizeof(float));
            }
        }
    });
}

// The products of a pass from plain weights, of the blocks first ... end - 1 of output channels. transformed:
// FilterBlock::floats, then PlainBlocks::room_floats.
template <int m, bool decoder, int rows> static void multiply_plain(int tiles, const Operands<m, decoder, rows> &layout,
                                                                    int first, int end, const PlainBlocks &blocks,
                                                                    float *operands, float *transformed)
{
    using Layout = Operands<m, decoder, rows>;
    using Filters = FilterBlock<m, decoder>;
    const MatrixProduct<1> one_phase(tiles);
    const MatrixProduct<2> two_phases(tiles);
    const ptrdiff_t phase_of_data = layout.in_blocks * layout.tile_stride,
                    phase_of_products = layout.out_blocks * layout.tile_stride;
    each_plain_block(decoder, layout.in_blocks, end - first, [&](int in_block, int nth) {
        const int out_block = first + nth;
        const ptrdiff_t index = plain_block_at(decoder, layout.in_blocks, layout.out_blocks, in_block, out_block);
        const PlainBlock plain = blocks.at(index, out_block, transformed + Filters::floats);
        for (int r = 0; r < Layout::row_filter_lines; r++) {
            Filters::transform(Layout::filter_line(r), r, Layout::row_filter_lines, plain, transformed);
            const int p = Layout::row_line_point(r), a = Layout::row_line_phase(r);
            for (int q = 0; q < Layout::n; q++) {
                const int i = p * Layout::n + q, columns = Layout::phases(q);
                const float *data = operands + layout.data[i] + in_block * layout.tile_stride;
                const float *filters = transformed + Filters::at_point(q);
                float *sums = operands + layout.products[i] + out_block * layout.tile_stride;
                if constexpr (decoder) {
                    // Each phase has products of its own.
                    for (int b = 0; b < columns; b++)
                        one_phase.run(in_block > 0, data, 0, filters + b * Filters::size, 0,
                                      sums + (a * columns + b) * phase_of_products);
                } else {
                    // The phases add up.
                    data += a * columns * phase_of_data;
                    const bool add = in_block > 0 || a > 0;
                    if (columns == 1)
                        one_phase.run(add, data, 0, filters, 0, sums);
                    else
                        two_phases.run(add, data, phase_of_data, filters, Filters::size, sums);
                }
            }
        }
    });
}

} // namespace spleeterrt::SRT_ISA

#endif
