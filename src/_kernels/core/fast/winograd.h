// The stride-2 5x5 layers by polyphase and Winograd.
//
// Convolution (TF SAME on even sizes pads 1 before): output o takes the samples 2 o - 1 + k. Its even taps see the
// odd samples, its odd taps the even ones:
//     y[o] = w0 x[2o-1] + w2 x[2o+1] + w4 x[2o+3]   +   w1 x[2o] + w3 x[2o+2]
// Both phases go to the same points, so their products add up there: one matrix product per point of
// depth in_c x {1, 2, 4} (the phases that reach the point, by rows and columns).
//
// Transposed convolution (crop 1 before): outputs 2s + 1 take w4 x[s-1] + w2 x[s] + w0 x[s+1], outputs
// 2s take w3 x[s-1] + w1 x[s]. All phases share the transformed input: one matrix product per
// point with out_c x {1, 2, 4} channels.
//
// Per tile of m x m (of the coarser grid): (2m + 3)^2 products per pair of channels instead of 25 m^2.
#ifndef SPLEETERRT_FAST_WINOGRAD_H
#define SPLEETERRT_FAST_WINOGRAD_H

#include "fast.h"
#include "multiply.h"
#include "points.h"

namespace FAST_ISA {

// Sizes and offsets of a layer's transformed operands.
template <int m, bool decoder> struct Plan {
    static constexpr int n = m + 2;
    int in_blocks, out_blocks;
    int tiles_per_pass;

    Plan(int in_c, int out_c) : in_blocks(in_c / block), out_blocks(out_c / block)
    {
        // Deep layers read more weights than data: more tiles per reading.
        tiles_per_pass = (long)in_c * out_c >= 128 * 128 ? 32 : 16;
    }
    // Phases along one dimension that reach a point: the 2-tap phase misses 0 (encoder) or infinity.
    static constexpr int phases(int point) { return point == (decoder ? n - 1 : 0) ? 1 : 2; }
    static constexpr int phases(int p, int q) { return phases(p) * phases(q); }
    int depth_blocks(int p, int q) const { return in_blocks * (decoder ? 1 : phases(p, q)); }
    int channel_blocks(int p, int q) const { return out_blocks * (decoder ? phases(p, q) : 1); }

    struct Offsets {
        size_t data[n * n], products[n * n], weights[n * n];
        size_t scratch, total_weights;
    };
    Offsets offsets() const
    {
        Offsets o;
        size_t used = 0, weights = 0;
        // Every point's buffer starts in another cache set, so that a tile's points do not evict each other.
        auto place = [&](size_t floats, int point, int spread) {
            size_t line = used / block, wanted = (size_t)(point * spread) % 64;
            line += (wanted + 64 - line % 64) % 64;
            used = line * block + floats;
            return line * block;
        };
        for (int i = 0; i < n * n; i++) {
            const int p = i / n, q = i % n;
            o.data[i] = place((size_t)depth_blocks(p, q) * block * tiles_per_pass, i, 5);
            o.weights[i] = weights;
            weights += (size_t)depth_blocks(p, q) * block * channel_blocks(p, q) * block;
        }
        for (int i = 0; i < n * n; i++)
            o.products[i] = place((size_t)channel_blocks(i / n, i % n) * block * tiles_per_pass, i, 5);
        o.scratch = used;
        o.total_weights = weights;
        return o;
    }
};

// --- weights --------------------------------------------------------------------------

// Taps of the 3-tap form of a phase (0: odd samples / outputs, 1: even ones); -1: zero.
static constexpr int conv_taps[2][3] = {{0, 2, 4}, {-1, 1, 3}};
static constexpr int transposed_taps[2][3] = {{4, 2, 0}, {3, 1, -1}};

// kernel: HWIO [5][5][in][out]; decoder: [5][5][out][in] -> packed weights of all points.
template <int m, bool decoder> static void prepare(int in_c, int out_c, const float *kernel, float *weights)
{
    using P = Plan<m, decoder>;
    constexpr int n = P::n;
    const P plan(in_c, out_c);
    const typename P::Offsets at = plan.offsets();
    double factor[n][3];
    for (int j = 0; j < n; j++)
        for (int k = 0; k < 3; k++)
            factor[j][k] = filter_factor<m>(j, k);
    const auto &taps = decoder ? transposed_taps : conv_taps;
    // 16 output channels of one input channel at a time, in double: rounded once.
    for (int ci = 0; ci < in_c; ci++)
        for (int co = 0; co < out_c; co += block) {
            double g[5][5][block], half[5][2][n][block];
            for (int ky = 0; ky < 5; ky++)
                for (int kx = 0; kx < 5; kx++)
                    for (int c = 0; c < block; c++) {
                        const size_t tap = (size_t)(ky * 5 + kx) * in_c * out_c;
                        g[ky][kx][c] = decoder ? kernel[tap + (size_t)(co + c) * in_c + ci]
                                               : kernel[tap + (size_t)ci * out_c + co + c];
                    }
            for (int ky = 0; ky < 5; ky++)
                for (int b = 0; b < 2; b++)
                    for (int q = 0; q < n; q++) {
                        double *h = half[ky][b][q];
                        for (int c = 0; c < block; c++)
                            h[c] = 0.0;
                        for (int k = 0; k < 3; k++)
                            if (taps[b][k] >= 0 && factor[q][k] != 0.0)
                                for (int c = 0; c < block; c++)
                                    h[c] += factor[q][k] * g[ky][taps[b][k]][c];
                    }
            for (int p = 0; p < n; p++)
                for (int q = 0; q < n; q++)
                    for (int a = 0; a < P::phases(p); a++)
                        for (int b = 0; b < P::phases(q); b++) {
                            double u[block] = {};
                            for (int k = 0; k < 3; k++)
                                if (taps[a][k] >= 0 && factor[p][k] != 0.0)
                                    for (int c = 0; c < block; c++)
                                        u[c] += factor[p][k] * half[taps[a][k]][b][q][c];
                            const int phase = a * P::phases(q) + b;
                            const int depth = plan.depth_blocks(p, q) * block;
                            const int channels = plan.channel_blocks(p, q) * block;
                            const int k = decoder ? ci : phase * in_c + ci;
                            const int channel = decoder ? phase * out_c + co : co;
                            float *w = weights + at.weights[p * n + q] + packed_index(depth, channels, k, channel);
                            for (int c = 0; c < block; c++)
                                w[c] = (float)u[c];
                        }
        }
}

// --- data -----------------------------------------------------------------------------

// Reads the samples of a tile's patch; outside the image they are zero.
struct Patch {
    const float *origin; // pixel (0, 0) of the image, at the channels in question
    ptrdiff_t row, pixel;
    int y, x, h, w; // of the patch's first sample; size of the image
    bool inside;

    ALWAYS_INLINE Vec operator()(int r, int c) const
    {
        if (!inside && ((unsigned)(y + r) >= (unsigned)h || (unsigned)(x + c) >= (unsigned)w))
            return Vec{};
        return load(origin + (y + r) * row + (x + c) * pixel);
    }
};

// Where the values of one tile and vector of channels go: point (p, q), phase.
template <typename P> struct DataSink {
    float *scratch;
    const typename P::Offsets *at;
    size_t within;      // tile, block of channels and vector inside a phase
    size_t phase_stride;

    ALWAYS_INLINE void operator()(int p, int q, int phase, Vec v) const
    {
        *(Vec *)(scratch + at->data[p * P::n + q] + phase * phase_stride + within) = v;
    }
};

// Encoder: (2m + 3)^2 samples of both phases -> all points. Even rows and columns of the patch are
// the phase of three taps.
template <int m, typename Sink> static ALWAYS_INLINE void transform_conv(const Patch &patch, const Sink &sink)
{
    using W = Winograd<m>;
    constexpr int n = W::n, size = 2 * m + 3;
    Vec wide[size][n], narrow[size][n - 1]; // rows transformed along x, phase of three and of two taps
#pragma GCC unroll 16
    for (int r = 0; r < size; r++) {
        Vec odd[m + 2], even[m + 1];
#pragma GCC unroll 8
        for (int j = 0; j < m + 2; j++)
            odd[j] = patch(r, 2 * j);
#pragma GCC unroll 8
        for (int j = 0; j < m + 1; j++)
            even[j] = patch(r, 2 * j + 1);
        W::data(odd, wide[r]);
        W::data_without_zero(even, narrow[r]);
    }
#pragma GCC unroll 8
    for (int b = 0; b < 2; b++)
#pragma GCC unroll 8
        for (int q = b; q < n; q++) {
            Vec odd[m + 2], even[m + 1], out[n];
#pragma GCC unroll 8
            for (int j = 0; j < m + 2; j++)
                odd[j] = b ? narrow[2 * j][q - 1] : wide[2 * j][q];
#pragma GCC unroll 8
            for (int j = 0; j < m + 1; j++)
                even[j] = b ? narrow[2 * j + 1][q - 1] : wide[2 * j + 1][q];
            W::data(odd, out);
#pragma GCC unroll 8
            for (int p = 0; p < n; p++)
                sink(p, q, b, out[p]);
            W::data_without_zero(even, out + 1);
#pragma GCC unroll 8
            for (int p = 1; p < n; p++)
                sink(p, q, (q > 0 ? 2 : 1) + b, out[p]);
        }
}

// Decoder: (m + 2)^2 samples -> all points.
template <int m, typename Sink>
static ALWAYS_INLINE void transform_transposed(const Patch &patch, const Sink &sink)
{
    using W = Winograd<m>;
    constexpr int n = W::n;
    Vec rows[n][n];
#pragma GCC unroll 8
    for (int r = 0; r < n; r++) {
        Vec d[n];
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            d[c] = patch(r, c);
        W::data(d, rows[r]);
    }
#pragma GCC unroll 8
    for (int q = 0; q < n; q++) {
        Vec d[n], out[n];
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            d[r] = rows[r][q];
        W::data(d, out);
#pragma GCC unroll 8
        for (int p = 0; p < n; p++)
            sink(p, q, 0, out[p]);
    }
}

// --- outputs --------------------------------------------------------------------------

// m x m outputs of one phase from its products; a, b: 1 for the phase without the last point.
template <int m, int a, int b, typename Source>
static ALWAYS_INLINE void transform_output(const Source &source, Vec (&y)[m][m])
{
    using W = Winograd<m>;
    constexpr int n = W::n;
    Vec rows[n - a][m];
#pragma GCC unroll 8
    for (int p = 0; p < n - a; p++) {
        Vec x[n];
#pragma GCC unroll 8
        for (int q = 0; q < n - b; q++)
            x[q] = source(p, q);
        W::template output<b == 0>(x, rows[p]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < m; j++) {
        Vec x[n], column[m];
#pragma GCC unroll 8
        for (int p = 0; p < n - a; p++)
            x[p] = rows[p][j];
        W::template output<a == 0>(x, column);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
            y[i][j] = column[i];
    }
}

template <typename P> struct ProductSource {
    const float *scratch;
    const typename P::Offsets *at;
    size_t within, phase_stride; // as in DataSink
    int a, b;
    bool decoder;

    ALWAYS_INLINE Vec operator()(int p, int q) const
    {
        const int phase = decoder ? a * P::phases(q) + b : 0;
        return *(const Vec *)(scratch + at->products[p * P::n + q] + phase * phase_stride + within);
    }
};

// What happens to finished values of one vector of channels.
template <int kind> struct Finish {
    Vec bias, scale, shift;
    Finish(const fast_layer &l, int c)
        : bias(load(l.bias + c)), scale(load(l.scale + c)), shift(load(l.shift + c))
    {
    }
    ALWAYS_INLINE Vec raw(Vec v) const { return v + bias; }
    ALWAYS_INLINE Vec norm_activate(Vec raw) const { return activate<kind>(raw * scale + shift); }
    ALWAYS_INLINE Vec activate_norm(Vec v) const { return activate<kind>(v + bias) * scale + shift; }
};

// --- layers ---------------------------------------------------------------------------

template <int m, bool decoder, int kind> static void run_winograd(const fast_layer &l)
{
    using P = Plan<m, decoder>;
    constexpr int n = P::n;
    const P plan(l.in_c, l.out_c);
    const typename P::Offsets at = plan.offsets();
    // The grid of tiles: outputs of the convolution, inputs of the transposed one.
    const int grid_h = decoder ? l.h : l.h / 2, grid_w = decoder ? l.w : l.w / 2;
    const int tiles_w = (grid_w + m - 1) / m, tiles = (grid_h + m - 1) / m * tiles_w;
    const int size = decoder ? m + 2 : 2 * m + 3;
    const size_t tile_stride = (size_t)plan.tiles_per_pass * block;

    for (int first = 0; first < tiles; first += plan.tiles_per_pass) {
        const int count = least(plan.tiles_per_pass, tiles - first);
        for (int t = 0; t < count; t++) {
            const int ty = (first + t) / tiles_w * m, tx = (first + t) % tiles_w * m;
            Patch patch;
            patch.y = decoder ? ty - 1 : 2 * ty - 1;
            patch.x = decoder ? tx - 1 : 2 * tx - 1;
            patch.h = l.h;
            patch.w = l.w;
            patch.pixel = l.src_ld;
            patch.row = l.w * l.src_ld;
            patch.inside = patch.y >= 0 && patch.x >= 0 && patch.y + size <= l.h && patch.x + size <= l.w;
            for (int c = 0; c < l.in_c; c += lanes) {
                DataSink<P> sink;
                sink.scratch = l.scratch;
                sink.at = &at;
                sink.within = (size_t)(c / block) * tile_stride + t * block + c % block;
                sink.phase_stride = plan.in_blocks * tile_stride;
                patch.origin = l.src + c;
                if (patch.inside) {
                    Patch whole = patch;
                    whole.inside = true; // a constant for the compiler: no bounds in the loop
                    if constexpr (decoder)
                        transform_transposed<m>(whole, sink);
                    else
                        transform_conv<m>(whole, sink);
                } else if constexpr (decoder)
                    transform_transposed<m>(patch, sink);
                else
                    transform_conv<m>(patch, sink);
            }
        }
        for (int i = 0; i < n * n; i++)
            multiply(count, plan.depth_blocks(i / n, i % n), plan.channel_blocks(i / n, i % n),
                     l.scratch + at.data[i], tile_stride, l.weights + at.weights[i],
                     l.scratch + at.products[i], tile_stride);
        for (int t = 0; t < count; t++) {
            const int ty = (first + t) / tiles_w * m, tx = (first + t) % tiles_w * m;
            const int rows = least(m, grid_h - ty), columns = least(m, grid_w - tx);
            for (int c = 0; c < l.out_c; c += lanes) {
                const Finish<kind> finish(l, c);
                ProductSource<P> source;
                source.scratch = l.scratch;
                source.at = &at;
                source.within = (size_t)(c / block) * tile_stride + t * block + c % block;
                source.phase_stride = plan.out_blocks * tile_stride;
                source.decoder = decoder;
                Vec y[m][m];
                if constexpr (decoder) {
                    auto put = [&](int odd_row, int odd_column) {
                        for (int i = 0; i < rows; i++)
                            for (int j = 0; j < columns; j++) {
                                const ptrdiff_t pixel =
                                    (ptrdiff_t)(2 * (ty + i) + odd_row) * 2 * l.w + 2 * (tx + j) + odd_column;
                                store(l.dst + pixel * l.dst_ld + c, finish.activate_norm(y[i][j]));
                            }
                    };
                    source.a = 0, source.b = 0;
                    transform_output<m, 0, 0>(source, y);
                    put(1, 1);
                    source.a = 0, source.b = 1;
                    transform_output<m, 0, 1>(source, y);
                    put(1, 0);
                    source.a = 1, source.b = 0;
                    transform_output<m, 1, 0>(source, y);
                    put(0, 1);
                    source.a = 1, source.b = 1;
                    transform_output<m, 1, 1>(source, y);
                    put(0, 0);
                } else {
                    source.a = source.b = 0;
                    transform_output<m, 0, 0>(source, y);
                    for (int i = 0; i < rows; i++)
                        for (int j = 0; j < columns; j++) {
                            const ptrdiff_t pixel = (ptrdiff_t)(ty + i) * grid_w + tx + j;
                            const Vec raw = finish.raw(y[i][j]);
                            store(l.dst + pixel * l.dst_ld + c, raw);
                            if (l.normed)
                                store(l.normed + pixel * l.normed_ld + c, finish.norm_activate(raw));
                        }
                }
            }
        }
    }
}

template <int m, bool decoder> static void run_activation(const fast_layer &l)
{
    switch (l.activation) {
    case LeakyRelu: return run_winograd<m, decoder, LeakyRelu>(l);
    case Relu: return run_winograd<m, decoder, Relu>(l);
    case Elu: return run_winograd<m, decoder, Elu>(l);
    default: return run_winograd<m, decoder, None>(l);
    }
}

} // namespace FAST_ISA

#endif
