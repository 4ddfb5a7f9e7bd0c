// The two-dimensional transforms of a tile, separable: along time (rows) first, then along frequency.
//
// A tile reads a patch of `size` x `size` samples. In the convolution the even samples of the patch belong to the
// phase of three taps, the odd ones to the phase of two; in the transposed convolution all phases read
// the same samples. A transformed patch has `lines` x `lines` values, phase of three taps first:
//
//     line r, r < n:  point r of the phase of three taps
//     line r, r >= n: the phase of two taps (convolution: it misses point 0, so these are the points 1 ...)
//
// A tile of the transposed convolution may have two outputs along time and four along frequency: a patch of 4 x 6.
//
// Neighbouring tiles of a strip share columns of their patches; those are transformed along time once.
#ifndef SPLEETERRT_FAST_TRANSFORMS_H
#define SPLEETERRT_FAST_TRANSFORMS_H

#include "fast/points.h"

namespace spleeterrt::SRT_ISA {

template <int m, bool decoder, int rows = m> struct Patch {
    static constexpr int n = m + 2;
    static constexpr int step = decoder ? m : 2 * m;           // samples from one tile to the next
    static constexpr int size = decoder ? n : 2 * m + 3;       // samples of a patch, each way
    static constexpr int lines = size;                         // (2m + 3 = n + (n - 1) values of the two phases)
    static constexpr int row_step = decoder ? rows : 2 * rows; // the same along time
    static constexpr int row_size = decoder ? rows + 2 : 2 * rows + 3;
    static constexpr int row_lines = row_size;
    static constexpr int max_tiles = decoder || m == 2 ? 8 : 4; // of a strip: its columns stay in L1
    static constexpr int max_columns = step * (max_tiles - 1) + size;
};

// Samples of a line of the patch -> its transformed values.
template <typename Transform, bool decoder> static ALWAYS_INLINE void transform_line(const Vec *samples, Vec *out)
{
    constexpr int n = Transform::n;
    if constexpr (decoder)
        Transform::data(samples, out);
    else {
        Vec three[n], two[n - 1];
#pragma GCC unroll 8
        for (int k = 0; k < n; k++)
            three[k] = samples[2 * k];
        Transform::data(three, out);
#pragma GCC unroll 8
        for (int k = 0; k < n - 1; k++)
            two[k] = samples[2 * k + 1];
        Transform::data_without_zero(two, out + n);
    }
}

// One vector of channels of a strip of `tiles` tiles.
//
// from: the `row_size` rows of the patches; channel: the first one; x: column of the first sample; columns outside
// 0 ... width - 1 are zero; pixel: floats between columns. Value (r, c) of tile t goes to
// out[offsets[r * lines + c] + t * block].
template <int m, bool decoder, int rows>
static __attribute__((noinline)) void transform_data(const float *const *from, int channel, int x, int width,
                                                     ptrdiff_t pixel, int tiles, const size_t *offsets, float *out)
{
    using Shape = Patch<m, decoder, rows>;
    Vec columns[Shape::row_lines][Shape::max_columns];
    const int count = Shape::step * (tiles - 1) + Shape::size;
    for (int c = 0; c < count; c++) {
        Vec samples[Shape::row_size], line[Shape::row_lines];
        if ((unsigned)(x + c) < (unsigned)width) {
            const ptrdiff_t at = (x + c) * pixel + channel;
#pragma GCC unroll 16
            for (int r = 0; r < Shape::row_size; r++)
                samples[r] = load(from[r] + at);
            transform_line<typename AlongTime<m, rows>::Transform, decoder>(samples, line);
        } else {
#pragma GCC unroll 16
            for (int r = 0; r < Shape::row_lines; r++)
                line[r] = Vec{};
        }
#pragma GCC unroll 16
        for (int r = 0; r < Shape::row_lines; r++)
            columns[r][c] = line[r];
    }
    for (int t = 0; t < tiles; t++, out += block)
        for (int r = 0; r < Shape::row_lines; r++) {
            Vec line[Shape::lines];
            transform_line<Winograd<m>, decoder>(&columns[r][t * Shape::step], line);
#pragma GCC unroll 16
            for (int c = 0; c < Shape::lines; c++)
                *(Vec *)(out + offsets[r * Shape::lines + c]) = line[c];
        }
}

// rows x m outputs of one phase of one tile from its products: y[row][column]. a, b: 1 for the phase without the
// last point along time, along frequency. The product at point (p, q) is at products[offsets[p * n + q]].
template <int m, int a, int b, int rows>
static ALWAYS_INLINE void transform_output(const float *products, const size_t *offsets, Vec (&y)[rows][m])
{
    using Transform = Winograd<m>;
    using Time = typename AlongTime<m, rows>::Transform;
    constexpr int n = Transform::n, row_n = Time::n;
    Vec columns[rows][n];
#pragma GCC unroll 8
    for (int q = 0; q < n - b; q++) {
        Vec x[row_n], column[rows];
#pragma GCC unroll 8
        for (int p = 0; p < row_n - a; p++)
            x[p] = *(const Vec *)(products + offsets[p * n + q]);
        Time::template output<a == 0>(x, column);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
            columns[i][q] = column[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
        Transform::template output<b == 0>(columns[i], y[i]);
}

// The 5 x 5 taps of filters become lines x lines values as well, by the phases and points of both dimensions. One line
// (a phase and point along time) at a time, so that what the products need next stays in L1.
template <int m, bool decoder> struct FilterLine {
    static constexpr int n = m + 2, lines = 2 * n - 1;
    int taps;   // how many rows of taps it sums: 1, 2 or 3
    int row[3]; // which
    float factor[3];

    // A row of taps alone.
    static FilterLine of_taps(int k)
    {
        FilterLine line;
        line.taps = 1;
        line.row[0] = k;
        line.factor[0] = 1.0f;
        return line;
    }

    explicit FilterLine(int line) : taps(0)
    {
        // The filter of three taps, by phase; the transposed convolution's runs backwards. -1: a zero.
        static constexpr int rows[2][2][3] = {{{0, 2, 4}, {-1, 1, 3}}, {{4, 2, 0}, {3, 1, -1}}};
        const bool two_taps = line >= n;
        const int point = two_taps ? line - n + (decoder ? 0 : 1) : line;
        for (int k = 0; k < 3; k++) {
            const int tap = rows[decoder][two_taps][k];
            const float f = (float)filter_factor<m>(point, k);
            if (tap >= 0 && f != 0.0f) {
                row[taps] = tap;
                factor[taps++] = f;
            }
        }
    }

    // One vector of filters, `stride` floats from tap to tap -> its values.
    template <int count>
    ALWAYS_INLINE void transform(const float *filters, ptrdiff_t stride, Vec (&values)[lines]) const
    {
        using Transform = Winograd<m>;
        Vec g[5];
#pragma GCC unroll 5
        for (int kx = 0; kx < 5; kx++) {
            g[kx] = factor[0] * load(filters + (row[0] * 5 + kx) * stride);
#pragma GCC unroll 3
            for (int k = 1; k < count; k++)
                g[kx] = multiply_add(factor[k], load(filters + (row[k] * 5 + kx) * stride), g[kx]);
        }
        if constexpr (decoder) {
            Transform::template filter<true, true>(g[4], g[2], g[0], values);
            Transform::template filter<true, false>(g[3], g[1], Vec{}, values + n);
        } else {
            Transform::template filter<true, true>(g[0], g[2], g[4], values);
            Transform::template filter<false, true>(Vec{}, g[1], g[3], values + n);
        }
    }

private:
    FilterLine() = default;
};

} // namespace spleeterrt::SRT_ISA

#endif
