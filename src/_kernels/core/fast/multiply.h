// The products of a Winograd layer: at every point, [tiles x depth] times [depth x channels].
//
// The left operand lies as [depth / 16][tile][16], as the data transform writes it; the weights as panels of
// `panel` channels, [depth][panel]; the result as [channels / 16][tile][16], as the output transform
// reads it. One micro-kernel holds `rows` tiles x one panel in registers.
#ifndef SPLEETERRT_FAST_MULTIPLY_H
#define SPLEETERRT_FAST_MULTIPLY_H

#include "simd.h"

namespace FAST_ISA {

// Registers: 32 with AVX-512 (12 x 2 sums, 2 weights), 16 else (AVX2: 6 x 2 sums; SSE: 3 x 4).
constexpr int panel = vector_bytes == 64 ? 32 : 16;

template <int width> constexpr int max_rows()
{
    constexpr int vectors = width / lanes;
    if (vector_bytes == 64)
        return vectors == 2 ? 12 : 24;
    return vectors == 2 ? 6 : 3;
}

// One call of the micro-kernel. Strides are floats between blocks of 16; `prefetch`: `prefetch_lines` cache lines
// to fetch per block of depth, meanwhile.
struct Product {
    int depth_blocks;
    const float *a;
    ptrdiff_t a_stride;
    const float *b;
    float *c;
    ptrdiff_t c_stride;
    const char *prefetch;
    int prefetch_lines;
};

template <int rows, int width, bool accumulate>
static __attribute__((noinline)) void multiply_rows(const Product &product)
{
    constexpr int vectors = width / lanes;
    const float *a = product.a, *b = product.b;
    float *c = product.c;
    const char *prefetch = product.prefetch;
    auto at = [&](int i, int v) {
        return (Vec *)(c + (v * lanes / block) * product.c_stride + i * block + v * lanes % block);
    };
    Vec sum[rows][vectors];
#pragma GCC unroll 32
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[i][v] = accumulate ? *at(i, v) : Vec{};
    for (int k = 0; k < product.depth_blocks; k++, a += product.a_stride) {
        for (int line = 0; line < product.prefetch_lines; line++, prefetch += 64)
            __builtin_prefetch(prefetch, 0, 2);
#pragma GCC unroll 4
        for (int kk = 0; kk < block; kk++) {
            Vec weights[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                weights[v] = *(const Vec *)(b + v * lanes);
            b += width;
#pragma GCC unroll 32
            for (int i = 0; i < rows; i++) {
                const float x = a[i * block + kk];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[i][v] += x * weights[v];
            }
        }
    }
#pragma GCC unroll 32
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            *at(i, v) = sum[i][v];
}

template <int width, bool accumulate, int rows = max_rows<width>()>
static ALWAYS_INLINE void multiply_some_rows(int count, const Product &product)
{
    if constexpr (rows == 1)
        multiply_rows<1, width, accumulate>(product);
    else if (count == rows)
        multiply_rows<rows, width, accumulate>(product);
    else
        multiply_some_rows<width, accumulate, rows - 1>(count, product);
}

// One panel of weights against all tiles, in groups of nearly equal size. Meanwhile the next `panel_floats`
// behind the panel come near.
template <int width, bool accumulate> static void multiply_panel(int tiles, Product product, int panel_floats)
{
    constexpr int most_rows = max_rows<width>();
    const int groups = (tiles + most_rows - 1) / most_rows;
    if (groups > 1) {
        const int lines = panel_floats / block;
        product.prefetch = (const char *)(product.b + (ptrdiff_t)product.depth_blocks * block * width);
        product.prefetch_lines = (lines + groups * product.depth_blocks - 1) / (groups * product.depth_blocks);
    }
    for (int left = groups, t = 0; left > 0; left--) {
        const int rows = (tiles - t + left - 1) / left;
        Product part = product;
        part.a += t * block;
        part.c += t * block;
        multiply_some_rows<width, accumulate>(rows, part);
        product.prefetch += (ptrdiff_t)product.prefetch_lines * product.depth_blocks * 64;
        t += rows;
    }
}

// All channels (a multiple of 16): full panels, then a narrow one.
template <bool accumulate = false>
static inline void multiply(int tiles, int depth_blocks, int channel_blocks, const float *a, ptrdiff_t a_stride,
                            const float *b, float *c, ptrdiff_t c_stride)
{
    const int panel_floats = depth_blocks * block * panel;
    int done = 0;
    for (; done + panel / block <= channel_blocks; done += panel / block) {
        multiply_panel<panel, accumulate>(
            tiles, {depth_blocks, a, a_stride, b, c + done * c_stride, c_stride, nullptr, 0}, panel_floats);
        b += panel_floats;
    }
    if (done < channel_blocks)
        multiply_panel<block, accumulate>(
            tiles, {depth_blocks, a, a_stride, b, c + done * c_stride, c_stride, nullptr, 0}, 0);
}

// Where weight (k, channel) of a [depth x channels] operand lies in the packed panels.
static inline size_t packed_index(int depth, int channels, int k, int channel)
{
    const int first = channel / panel * panel;
    const int width = least(panel, channels - first);
    return (size_t)first * depth + (size_t)k * width + (channel - first);
}

} // namespace FAST_ISA

#endif
