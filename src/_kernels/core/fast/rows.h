// The stride-2 5x5 layers where few rows are wanted: Winograd along frequency alone, in tiles of 4. Along time the taps
// stay as they are, so that each wanted row takes the rows it needs and no more:
//     row of outputs += filters of a row of taps (11 values instead of 5) times row of inputs
// A tile of 4 x 4 takes 11 products per column for 4 rows, whether they are wanted or meet zeros; here a row takes 2 to
// 5, and of the weights' values 55 are computed instead of 121. From plain weights only.
//
// All rows at once, some tiles along frequency in a pass:
//     rows of the image -> data at every point -> products, row of taps by row of taps -> outputs
#ifndef SPLEETERRT_FAST_ROWS_H
#define SPLEETERRT_FAST_ROWS_H

#include "fast/winograd.h"

namespace spleeterrt::SRT_ISA {

template <bool decoder> class RowsLayer {
    static constexpr int m = 4;
    using Transform = Winograd<m>;
    using Shape = Patch<m, decoder>;
    using Layout = Operands<m, decoder>;
    using Filters = FilterBlock<m, decoder>;
    static constexpr int n = Transform::n;
    static constexpr int data_lines = Shape::lines;                          // values of a tile of a row
    static constexpr int product_lines = decoder ? Layout::filter_lines : n; // sums of a tile of a row
    static constexpr int parities = decoder ? 2 : 1;                         // of the rows of outputs
    static constexpr int skew = 5 * block; // between lines, so that they do not meet in the same sets of a cache

    // What a row of taps is multiplied with: neighbouring rows of data, and where their products go.
    struct Taps {
        int slot, row, rows; // first row of the data, of the sums; how many
    };

    const fast_layer &layer;
    const int grid_h, grid_w, tiles_w, in_blocks, out_blocks;
    int first_input, end_input; // rows of the image that are read
    int slots, rows;            // rows of data; of the grid that are wanted
    Taps taps[5];
    ptrdiff_t data_block, data_line, sum_block, sum_line; // floats from one to the next
    float *const transformed, *const data;
    float *const sums;

    static ptrdiff_t data_line_floats(int in_c, int slots, int tiles) { return (ptrdiff_t)in_c * slots * tiles + skew; }
    static ptrdiff_t sum_line_floats(int out_c, int rows, int tiles) { return (ptrdiff_t)out_c * rows * tiles + skew; }
    static int most_slots(int rows) { return decoder ? rows + 2 : 2 * rows + 3; }

public:
    static constexpr int points = 0; // of stored weights
    static size_t filter_floats(int type) { return Filters::floats + PlainBlocks::room_floats(type); }
    static size_t scratch_floats(int rows, int in_c, int out_c, int pass_tiles, int type)
    {
        return filter_floats(type) + data_lines * data_line_floats(in_c, most_slots(rows), pass_tiles) +
               parities * product_lines * sum_line_floats(out_c, rows, pass_tiles);
    }

    explicit RowsLayer(const fast_layer &wanted)
        : layer(wanted), grid_h(decoder ? wanted.h : wanted.h / 2), grid_w(decoder ? wanted.w : wanted.w / 2),
          tiles_w((grid_w + m - 1) / m), in_blocks(wanted.in_c / block), out_blocks(wanted.out_c / block),
          rows(wanted.end_row - wanted.first_row), transformed(wanted.scratch),
          data(transformed + filter_floats(wanted.weight_type)),
          sums(data + data_lines * data_line_floats(wanted.in_c, most_slots(rows), wanted.pass_tiles))
    {
        SRT_DCHECK(layer.plain && !layer.staged && !layer.src_ring && !layer.dst_ring && layer.pass_tiles > 0);
        SRT_DCHECK(0 <= layer.first_row && layer.first_row < layer.end_row && layer.end_row <= grid_h);
        SRT_DCHECK(SRT_ALIGNED(layer.weights) && SRT_ALIGNED(layer.scratch) && SRT_ALIGNED(layer.dst));
        const int first = layer.first_row, end = layer.end_row;
        first_input = max(decoder ? first - 1 : 2 * first - 1, 0);
        end_input = min(decoder ? end + 1 : 2 * end + 2, layer.h);
        slots = end_input - first_input;
        for (int k = 0; k < 5; k++) {
            // Outputs 2 s + 1 - k % 2 of the transposed convolution take row s + shift, output o of the other one row
            // 2 o - 1 + k of the image; of the wanted ones those for which there is such a row.
            const int shift = decoder ? (2 - k % 2 - k) / 2 : 0;
            const int from = max(first, decoder ? -shift : k == 0 ? 1 : 0);
            const int to = min(end, decoder ? grid_h - shift : grid_h + 1 - (k + 1) / 2);
            taps[k] = {slot(decoder ? from + shift : 2 * from - 1 + k), from - first, to - from};
        }
        data_block = (ptrdiff_t)slots * layer.pass_tiles * block;
        data_line = data_line_floats(layer.in_c, slots, layer.pass_tiles);
        sum_block = (ptrdiff_t)rows * layer.pass_tiles * block;
        sum_line = sum_line_floats(layer.out_c, rows, layer.pass_tiles);
    }

    int passes() const { return (tiles_w + layer.pass_tiles - 1) / layer.pass_tiles; }
    int first_of_pass(int i) const { return i * layer.pass_tiles; }
    int tiles_of_pass(int i) const { return min(layer.pass_tiles, tiles_w - first_of_pass(i)); }
    float *filters() const { return transformed; }

    void run_all()
    {
        for (int i = 0; i < passes(); i++) {
            const int first = first_of_pass(i), count = tiles_of_pass(i);
            transform(first, count, 0, layer.in_c);
            multiply_blocks(count, 0, out_blocks, transformed);
            finish(first, count, 0, layer.out_c);
        }
    }

    // The stages of a pass, by channels (split.h).
    void transform(int first, int count, int channel, int end) const
    {
        for (int y = first_input; y < end_input; y++) {
            const float *row = layer.src + y * layer.src_row;
            float *out = data + slot(y) * count * block;
            for (int t = 0; t < count; t++, out += block)
                for (int c = channel; c < end; c += lanes)
                    transform_tile(row + c, Shape::step * (first + t) - 1, out + c / block * data_block + c % block);
        }
    }
    void multiply_blocks(int count, int first_block, int end_block, float *filters) const
    {
        for (int l = 0; l < parities * product_lines; l++)
            memset(sums + l * sum_line + first_block * sum_block, 0,
                   (end_block - first_block) * sum_block * sizeof(float));
        const PlainBlocks blocks(layer.weight_type, layer.weights, layer.in_c, layer.out_c);
        each_plain_block(decoder, in_blocks, end_block - first_block, [&](int in_block, int nth) {
            const int out_block = first_block + nth;
            const ptrdiff_t index = plain_block_at(decoder, in_blocks, out_blocks, in_block, out_block);
            const PlainBlock plain = blocks.at(index, out_block, filters + Filters::floats);
            for (int k = 0; k < 5; k++)
                if (taps[k].rows > 0) {
                    Filters::transform_taps(k, plain, filters);
                    multiply_taps(k, count, data + in_block * data_block, filters, sums + out_block * sum_block);
                }
        });
    }
    void finish(int first, int count, int channel, int end) const
    {
        with_activation(layer.activation,
                        [&](auto kind) { outputs<decltype(kind)::value>(first, count, channel, end); });
    }

private:
    // Of the convolution rows of one parity lie together: a row of taps takes every other one.
    int slot(int y) const
    {
        if (decoder)
            return y - first_input;
        const int evens = (end_input + 1) / 2 - (first_input + 1) / 2;
        return y % 2 ? evens + y / 2 - first_input / 2 : y / 2 - (first_input + 1) / 2;
    }

    ALWAYS_INLINE void transform_tile(const float *row, int x, float *out) const
    {
        Vec samples[Shape::size], line[data_lines];
#pragma GCC unroll 16
        for (int i = 0; i < Shape::size; i++)
            samples[i] = (unsigned)(x + i) < (unsigned)layer.w ? load(row + (x + i) * layer.src_ld) : Vec{};
        transform_line<Transform, decoder>(samples, line);
#pragma GCC unroll 16
        for (int i = 0; i < data_lines; i++)
            *(Vec *)(out + i * data_line) = line[i];
    }

    void multiply_taps(int k, int count, const float *from, const float *filters, float *to) const
    {
        const MatrixProduct<1> one_phase(taps[k].rows * count);
        const MatrixProduct<2> two_phases(taps[k].rows * count);
        from += taps[k].slot * count * block;
        to += taps[k].row * count * block + (decoder ? k % 2 * product_lines * sum_line : 0);
        for (int q = 0; q < n; q++) {
            const float *filter = filters + Filters::at_point(q);
            const float *operand = from + q * data_line;
            if constexpr (decoder) {
                one_phase.run(true, operand, 0, filter, 0, to + q * sum_line);
                if (Layout::phases(q) == 2)
                    one_phase.run(true, operand, 0, filter + Filters::size, 0, to + (n + q) * sum_line);
            } else if (Layout::phases(q) == 1) {
                one_phase.run(true, operand, 0, filter, 0, to + q * sum_line);
            } else { // the phase of two taps misses the first point
                two_phases.run(true, operand, (n - 1) * data_line, filter, Filters::size, to + q * sum_line);
            }
        }
    }

    template <int kind> __attribute__((noinline)) void outputs(int first, int count, int channel, int end) const
    {
        for (int c = channel; c < end; c += lanes) {
            const Finish<kind> finish(layer, c);
            const float *from = sums + c / block * sum_block + c % block;
            for (int r = 0; r < rows; r++)
                for (int t = 0; t < count; t++, from += block) {
                    const int x = (first + t) * m, y = layer.first_row + r;
                    if constexpr (decoder) {
                        phase<0, 0>(from, finish, y, x, c);
                        phase<0, 1>(from, finish, y, x, c);
                        phase<1, 0>(from, finish, y, x, c);
                        phase<1, 1>(from, finish, y, x, c);
                    } else {
                        Vec v[m];
                        output_line<0>(from, v);
                        for (int j = 0; j < min(m, grid_w - x); j++) {
                            const Vec raw = finish.raw(v[j]);
                            *(Vec *)(layer.dst + y * layer.dst_row + (x + j) * layer.dst_ld + c) = raw;
                            if (layer.normed)
                                *(Vec *)(layer.normed + y * layer.normed_row + (x + j) * layer.normed_ld + c) =
                                    finish.norm_activate(raw);
                        }
                    }
                }
        }
    }
    // a, b: 1 for the even outputs along time, along frequency.
    template <int a, int b, typename F>
    ALWAYS_INLINE void phase(const float *from, const F &finish, int y, int x, int c) const
    {
        Vec v[m];
        output_line<b>(from + (a * product_lines + b * n) * sum_line, v);
        float *out = layer.dst + (2 * y + 1 - a) * layer.dst_row + (2 * x + 1 - b) * layer.dst_ld + c;
        for (int j = 0; j < min(m, grid_w - x); j++)
            *(Vec *)(out + 2 * j * layer.dst_ld) = finish.activate_norm(v[j]);
    }
    // b: 1 for the phase without the last point.
    template <int b> ALWAYS_INLINE void output_line(const float *from, Vec (&v)[m]) const
    {
        Vec at_points[n];
#pragma GCC unroll 8
        for (int q = 0; q < n - b; q++)
            at_points[q] = *(const Vec *)(from + q * sum_line);
        Transform::template output<b == 0>(at_points, v);
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
