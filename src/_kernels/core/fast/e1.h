// e1: [h, w, 2] -> [h / 2, w / 2, out_c], row by row. With two channels in, a two-dimensional tile would spend more
// on transforms than it saves; so Winograd along frequency only: 11 products per 4 outputs instead of 20.
#ifndef SPLEETERRT_FAST_E1_H
#define SPLEETERRT_FAST_E1_H

#include "fast/interface.h"
#include "fast/winograd.h"

namespace spleeterrt::SRT_ISA {

class FirstLayer {
    using Transform = Winograd<4>;
    static constexpr int n = Transform::n, values = 2 * n - 1; // per channel and tile: points of both phases
    static constexpr int samples = 16;                         // of a tile: 8 pixels of 2 channels, one cache line
    // Tiles at a time: the registers' worth of sums; never more than a row has (8 or more).
    static constexpr int max_tiles = vector_bytes == 64 ? 16 : vectors_per_block == 2 ? 6 : first_of_four;
    static constexpr int min_tiles = min(max_tiles, 8);
    static constexpr int slots = 8; // transformed rows that are kept (5 are needed)
    const fast_layer &layer;
    const int tiles, stride; // tiles of a row; the same as whole vectors
    float *const planes;     // [16][margin, stride, margin]: sample s of every tile
    float *const ring;       // [slots][2][values][stride]
    float *const zeros;      // one such row
    int next;                // first row that is not in the ring
    int raw_from;            // rows before: to the ring alone

    static int padded(int w) { return (w / 8 + block - 1) / block * block; }
    static constexpr int margin = block;
    size_t row_floats() const { return (size_t)2 * values * stride; }

public:
    static size_t weight_floats(int out_c) { return (size_t)10 * values * out_c; }
    static size_t scratch_floats(int w)
    {
        return (size_t)samples * (padded(w) + 2 * margin) + (size_t)(slots + 1) * 2 * values * padded(w);
    }

    explicit FirstLayer(const fast_layer &e1)
        : layer(e1), tiles(e1.w / 8), stride(padded(e1.w)), planes(e1.scratch),
          ring(planes + (ptrdiff_t)samples * (stride + 2 * margin)), zeros(ring + slots * row_floats()),
          next(max(2 * e1.first_row - 1, 0)), raw_from(e1.first_row)
    {
        SRT_DCHECK(layer.in_c == 2 && layer.out_c > 0 && layer.out_c % block == 0);
        SRT_DCHECK(layer.h % 2 == 0 && layer.w % 8 == 0 && tiles >= min_tiles);
        SRT_DCHECK(0 <= layer.first_row && layer.first_row <= layer.end_row && layer.end_row <= layer.h / 2);
        SRT_DCHECK(layer.src && layer.dst && layer.normed && layer.weights && layer.scratch);
        SRT_DCHECK(SRT_ALIGNED(layer.dst) && layer.dst_ld % block == 0 && layer.dst_row % block == 0);
        SRT_DCHECK(SRT_ALIGNED(layer.normed) && layer.normed_ld % block == 0 && layer.normed_row % block == 0);
        SRT_DCHECK(layer.dst_ring > 0);
        memset(planes, 0, (size_t)samples * (stride + 2 * margin) * sizeof(float));
        memset(zeros, 0, row_floats() * sizeof(float));
    }

    // HWIO kernel [5][5][2][out_c] -> [block of 16][point][ky][channel][phase][16].
    static void prepare(int out_c, const float *kernel, float *weights)
    {
        auto put = [&](int ky, int channel, int c, int q, bool two_taps) {
            double sum = 0;
            for (int k = two_taps; k < 3; k++)
                sum += filter_factor<4>(q, k) *
                       kernel[((ky * 5 + (two_taps ? 2 * k - 1 : 2 * k)) * 2 + channel) * out_c + c];
            *weights++ = (float)sum;
        };
        for (int first = 0; first < out_c; first += block)
            for (int q = 0; q < n; q++)
                for (int ky = 0; ky < 5; ky++)
                    for (int channel = 0; channel < 2; channel++)
                        for (int two_taps = 0; two_taps < (q ? 2 : 1); two_taps++)
                            for (int c = first; c < first + block; c++)
                                put(ky, channel, c, q, two_taps);
    }

    // The next rows are from `from` on; those before `raw_row` are another thread's, of whose raw values nothing is
    // written.
    void begin(int from, int raw_row)
    {
        next = max(2 * from - 1, 0);
        raw_from = raw_row;
    }

    // Output rows from ... until - 1 (in order, each once): raw to layer.dst, normed to the ring of layer.dst_ring
    // rows.
    void run(int from, int until)
    {
        with_activation(layer.activation, [&](auto kind) { rows<decltype(kind)::value>(from, until); });
    }

private:
    const float *transformed(int y) const { return y < 0 || y >= layer.h ? zeros : ring + y % slots * row_floats(); }

    template <int kind> __attribute__((noinline)) void rows(int from, int until)
    {
        for (int y = from; y < until; y++) {
            for (; next < min(2 * y + 4, layer.h); next++)
                transform_row(next);
            const float *sources[5];
            for (int ky = 0; ky < 5; ky++)
                sources[ky] = transformed(2 * y - 1 + ky);
            for (int c = 0; c < layer.out_c; c += block)
                if (tiles >= max_tiles)
                    groups<kind, max_tiles>(sources, y, c);
                else
                    groups<kind, min_tiles>(sources, y, c);
        }
    }
    template <int kind, int count> ALWAYS_INLINE void groups(const float *const (&sources)[5], int y, int c)
    {
        for (int t = 0; t < tiles; t += count)
            group<kind, count>(sources, y, min(t, tiles - count), c); // the last may overlap the one before
    }

    // Deinterleaves a row of the image, a transposition [tile][sample] -> [sample][tile], and transforms all tiles.
    __attribute__((noinline)) void transform_row(int y)
    {
        const float *row = layer.src + y * layer.src_row;
        const ptrdiff_t plane = stride + 2 * margin;
        for (int t = 0; t < tiles; t += lanes)
            for (int s = 0; s < samples; s += lanes) {
                Vec square[lanes];
#pragma GCC unroll 16
                for (int i = 0; i < lanes; i++)
                    square[i] = t + i < tiles ? load(row + (t + i) * samples + s) : Vec{};
                transpose(square);
#pragma GCC unroll 16
                for (int i = 0; i < lanes; i++)
                    store(planes + (s + i) * plane + margin + t, square[i]);
            }
        float *out = ring + y % slots * row_floats();
        for (int channel = 0; channel < 2; channel++, out += (ptrdiff_t)values * stride)
            for (int t = 0; t < tiles; t += lanes) {
                auto sample = [&](int pixel) { // of a tile; its patch begins one pixel before
                    const int tile = pixel < 0 ? -1 : pixel / 8;
                    return load(planes + ((pixel - 8 * tile) * 2 + channel) * plane + margin + t + tile);
                };
                const Vec three[n] = {sample(-1), sample(1), sample(3), sample(5), sample(7), sample(9)};
                const Vec two[n - 1] = {sample(0), sample(2), sample(4), sample(6), sample(8)};
                Vec at_points[values];
                Transform::data(three, at_points);
                Transform::data_without_zero(two, at_points + n);
#pragma GCC unroll 16
                for (int v = 0; v < values; v++)
                    store(out + v * stride + t, at_points[v]);
            }
    }

    // The products of four tiles at one point, of both phases but at the first, by vectors of four (neon.h). Returns
    // the next point's weights.
    template <bool both, typename V> ALWAYS_INLINE const float *
    point_of_four(const float *const (&sources)[5], int t, int q, const float *weights, V (&products)[4][4])
    {
        V sum[4][4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++)
                sum[i][v] = V{};
        for (int ky = 0; ky < 5; ky++)
            for (int channel = 0; channel < 2; channel++) {
                const float *x = sources[ky] + (ptrdiff_t)(channel * values + q) * stride + t;
                multiply_four(x, weights, sum);
                weights += block;
                if constexpr (both) {
                    multiply_four(x + (ptrdiff_t)(n - 1) * stride, weights, sum);
                    weights += block;
                }
            }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++)
                products[i][v] = sum[i][v];
        return weights;
    }

    // `count` tiles of one row, 16 channels from c on.
    template <int kind, int count>
    __attribute__((noinline)) void group(const float *const (&sources)[5], int y, int t, int c)
    {
        Vec products[n][count][vectors_per_block];
        const float *weights = layer.weights + (ptrdiff_t)c * 10 * values;
        if constexpr (first_of_four == lanes) {
            weights = point_of_four<false>(sources, t, 0, weights, products[0]);
            for (int q = 1; q < n; q++)
                weights = point_of_four<true>(sources, t, q, weights, products[q]);
        } else {
            for (int q = 0; q < n; q++) {
                Vec sum[count][vectors_per_block];
#pragma GCC unroll 16
                for (int i = 0; i < count; i++)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors_per_block; v++)
                        sum[i][v] = Vec{};
                auto add = [&](const float *x) {
                    Vec weight[vectors_per_block];
#pragma GCC unroll 4
                    for (int v = 0; v < vectors_per_block; v++)
                        weight[v] = load(weights + v * lanes);
                    weights += block;
#pragma GCC unroll 16
                    for (int i = 0; i < count; i++)
#pragma GCC unroll 4
                        for (int v = 0; v < vectors_per_block; v++)
                            sum[i][v] = multiply_add(x[i], weight[v], sum[i][v]);
                };
                for (int ky = 0; ky < 5; ky++)
                    for (int channel = 0; channel < 2; channel++) {
                        const float *x = sources[ky] + (ptrdiff_t)(channel * values + q) * stride + t;
                        add(x);
                        if (q > 0)
                            add(x + (ptrdiff_t)(n - 1) * stride);
                    }
#pragma GCC unroll 16
                for (int i = 0; i < count; i++)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors_per_block; v++)
                        products[q][i][v] = sum[i][v];
            }
        }
        float *raw = layer.dst + y * layer.dst_row + 4 * t * layer.dst_ld + c;
        float *normed = layer.normed + y % layer.dst_ring * layer.normed_row + 4 * t * layer.normed_ld + c;
        const bool raw_is_mine = y >= raw_from;
        for (int i = 0; i < count; i++) {
            Vec out[vectors_per_block][4];
#pragma GCC unroll 4
            for (int v = 0; v < vectors_per_block; v++) {
                const Finish<kind> finish(layer, c + v * lanes);
                Vec x[n];
#pragma GCC unroll 8
                for (int q = 0; q < n; q++)
                    x[q] = products[q][i][v];
                Transform::output<true>(x, out[v]);
#pragma GCC unroll 4
                for (int k = 0; k < 4; k++) {
                    out[v][k] = finish.raw(out[v][k]);
                    *(Vec *)(normed + k * layer.normed_ld + v * lanes) = finish.norm_activate(out[v][k]);
                }
            }
            // The vectors of a cache line together.
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++, raw += layer.dst_ld, normed += layer.normed_ld)
#pragma GCC unroll 4
                for (int v = 0; v < vectors_per_block && raw_is_mine; v++)
                    stream(raw + v * lanes, out[v][k]);
        }
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
