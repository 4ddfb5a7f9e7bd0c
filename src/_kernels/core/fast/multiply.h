// The products of a Winograd layer: at every point, [tiles x depth] times [depth x channels].
//
// The left operand lies as [depth / 16][tile][16], as the data transform writes it; the weights are packed in
// panels of `panel` channels, [depth][panel]; the result lies as [channels / 16][tile][16], as the output
// transform reads it. One micro-kernel holds `rows` tiles x one panel in registers.
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

template <int rows, int width>
static __attribute__((noinline)) void multiply_rows(int depth_blocks, const float *a, ptrdiff_t a_stride,
                                                    const float *b, float *c, ptrdiff_t c_stride)
{
    constexpr int vectors = width / lanes;
    Vec sum[rows][vectors];
#pragma GCC unroll 32
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[i][v] = Vec{};
    for (int k = 0; k < depth_blocks; k++, a += a_stride) {
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
            *(Vec *)(c + (v * lanes / block) * c_stride + i * block + v * lanes % block) = sum[i][v];
}

using MultiplyRows = void (*)(int, const float *, ptrdiff_t, const float *, float *, ptrdiff_t);

// One panel of weights against all tiles, in groups of nearly equal size.
template <int width>
static void multiply_panel(int tiles, int depth_blocks, const float *a, ptrdiff_t a_stride, const float *b,
                           float *c, ptrdiff_t c_stride)
{
    constexpr int most_rows = max_rows<width>();
    static const MultiplyRows kernels[] = {
        nullptr,
        multiply_rows<1, width>,
        multiply_rows<2, width>,
        multiply_rows<3, width>,
        multiply_rows<least(4, most_rows), width>,
        multiply_rows<least(5, most_rows), width>,
        multiply_rows<least(6, most_rows), width>,
        multiply_rows<least(7, most_rows), width>,
        multiply_rows<least(8, most_rows), width>,
        multiply_rows<least(9, most_rows), width>,
        multiply_rows<least(10, most_rows), width>,
        multiply_rows<least(11, most_rows), width>,
        multiply_rows<least(12, most_rows), width>,
        multiply_rows<least(13, most_rows), width>,
        multiply_rows<least(14, most_rows), width>,
        multiply_rows<least(15, most_rows), width>,
        multiply_rows<least(16, most_rows), width>,
        multiply_rows<least(17, most_rows), width>,
        multiply_rows<least(18, most_rows), width>,
        multiply_rows<least(19, most_rows), width>,
        multiply_rows<least(20, most_rows), width>,
        multiply_rows<least(21, most_rows), width>,
        multiply_rows<least(22, most_rows), width>,
        multiply_rows<least(23, most_rows), width>,
        multiply_rows<least(24, most_rows), width>,
    };
    int groups = (tiles + most_rows - 1) / most_rows;
    for (int t = 0; groups > 0; groups--) {
        const int rows = (tiles - t + groups - 1) / groups;
        kernels[rows](depth_blocks, a + t * block, a_stride, b, c + t * block, c_stride);
        t += rows;
    }
}

// All channels (a multiple of 16): full panels, then a narrow one.
static inline void multiply(int tiles, int depth_blocks, int channel_blocks, const float *a, ptrdiff_t a_stride,
                            const float *b, float *c, ptrdiff_t c_stride)
{
    int done = 0;
    for (; (done + panel / block) <= channel_blocks; done += panel / block) {
        multiply_panel<panel>(tiles, depth_blocks, a, a_stride, b, c + done * c_stride, c_stride);
        b += (ptrdiff_t)depth_blocks * block * panel;
    }
    if (done < channel_blocks)
        multiply_panel<block>(tiles, depth_blocks, a, a_stride, b, c + done * c_stride, c_stride);
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
