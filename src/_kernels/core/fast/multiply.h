// The products of a Winograd layer: at every point, [tiles x depth] times [depth x channels].
//
// The left operand lies as [depth / 16][tile][16], as the data transform writes it; the weights as panels of
// `panel` channels, [depth][panel]; the result as [channels / 16][tile][16], as the output transform
// reads it. One micro-kernel holds `rows` tiles x one panel in registers.
#ifndef SPLEETERRT_FAST_MULTIPLY_H
#define SPLEETERRT_FAST_MULTIPLY_H

#include "fast/prefetch.h"

namespace spleeterrt::SRT_ISA {

// Registers: 32 with AVX-512 (12 x 2 sums, 2 weights), 16 else (AVX2: 6 x 2 sums; SSE: 3 x 4; neon.h and
// wasm.h have their own).
constexpr int panel = vector_bytes == 64 ? 32 : 16;

template <int width> constexpr int max_rows()
{
    constexpr int vectors = width / lanes;
    if (vector_bytes == 64)
        return vectors == 2 ? 12 : 24;
    return vectors == 2 ? 6 : rows_of_four;
}

// How a pass's tiles go through a micro-kernel: in groups of equal size but the last.
template <int width> struct TileGroups {
    int rows, full, rest;

    explicit TileGroups(int tiles)
    {
        const int wanted = (tiles + max_rows<width>() - 1) / max_rows<width>();
        rows = (tiles + wanted - 1) / wanted;
        full = tiles / rows;
        rest = tiles % rows;
    }
};

// One call of the micro-kernel. Strides are floats between blocks of 16. Meanwhile, per block of depth, it fetches
// `other_lines` cache lines of `others` and `prefetch_lines` from `prefetch` on.
struct Product {
    int depth_blocks;
    const float *a;
    ptrdiff_t a_stride;
    const float *b;
    float *c;
    ptrdiff_t c_stride;
    LinePrefetch *others = nullptr;
    int other_lines = 0;
    const char *prefetch = nullptr;
    int prefetch_lines = 0;
};

// How many of a panel's vectors one micro-kernel holds.
template <int width> constexpr int kernel_vectors = width / lanes < max_vectors ? width / lanes : max_vectors;

template <int rows, int width> static __attribute__((noinline)) void multiply_rows(const Product &product, int groups)
{
    constexpr int vectors = kernel_vectors<width>;
    const float *first = product.a;
    float *c = product.c;
    const char *prefetch = product.prefetch;
    for (; groups > 0; groups--, first += rows * block, c += rows * block) {
        const float *a = first, *b = product.b;
        Vec sum[rows][vectors];
#pragma GCC unroll 32
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[i][v] = Vec{};
        for (int k = 0; k < product.depth_blocks; k++, a += product.a_stride) {
            for (int line = 0; line < product.prefetch_lines; line++, prefetch += 64)
                prefetch_line(prefetch);
            if (prefetches && product.others)
                product.others->fetch(product.other_lines);
            if constexpr (has_depths) {
                depths(a, b, sum);
                b += block * width;
                continue;
            }
#pragma GCC unroll product_unroll
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
                        sum[i][v] = multiply_add(x, weights[v], sum[i][v]);
                }
            }
        }
#pragma GCC unroll 32
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                *(Vec *)(c + (v * lanes / block) * product.c_stride + i * block + v * lanes % block) = sum[i][v];
    }
}

using MultiplyRows = void (*)(const Product &, int groups);

template <int width, int rows = max_rows<width>()> static MultiplyRows multiply_rows_of(int wanted)
{
    if constexpr (rows > 1)
        return wanted == rows ? multiply_rows<rows, width> : multiply_rows_of<width, rows - 1>(wanted);
    else
        return multiply_rows<1, width>;
}

// The tiles of a pass against one panel of weights at a time.
template <int width> class PanelProduct {
    TileGroups<width> tiles;
    MultiplyRows groups, last;

public:
    explicit PanelProduct(int count)
        : tiles(count), groups(multiply_rows_of<width>(tiles.rows)), last(multiply_rows_of<width>(tiles.rest))
    {
    }
    // How often the micro-kernel goes through a block of depth, for a panel.
    int steps(int depth_blocks) const
    {
        return (tiles.full + (tiles.rest > 0)) * depth_blocks * (width / lanes / kernel_vectors<width>);
    }
    // Meanwhile the panel behind comes near.
    void run(Product product) const
    {
        const int lines = product.depth_blocks * width, shares = (tiles.full + (tiles.rest > 0)) * product.depth_blocks;
        // A single group reads the weights as fast as memory gives them; fetched early they come later (Zen 4).
        if (prefetches && tiles.full + (tiles.rest > 0) > 1) {
            product.prefetch = (const char *)(product.b + (ptrdiff_t)product.depth_blocks * block * width);
            product.prefetch_lines = (lines + shares - 1) / shares;
        }
        constexpr int columns = kernel_vectors<width> * lanes;
        for (int part = columns; part < width; part += columns, product.b += columns, product.c += columns)
            run_part(product);
        run_part(product);
    }

private:
    void run_part(Product product) const
    {
        groups(product, tiles.full);
        if (tiles.rest > 0) {
            product.a += tiles.full * tiles.rows * block;
            product.c += tiles.full * tiles.rows * block;
            product.prefetch += (ptrdiff_t)tiles.full * product.prefetch_lines * product.depth_blocks * 64;
            last(product, 1);
        }
    }
};

// The micro-kernel for one or two matrices [16][16] of weights, `b_stride` apart, whose operands are `a_stride` apart:
// adds to c, or sets it.
template <int rows, int parts>
static __attribute__((noinline)) void multiply_matrices(int groups, bool add, const float *a, ptrdiff_t a_stride,
                                                        const float *b, ptrdiff_t b_stride, float *c)
{
    constexpr int vectors = kernel_vectors<block>, columns = vectors * lanes;
    auto columns_from = [&](int first) __attribute__((always_inline)) {
        Vec sum[rows][vectors];
        auto at = [&](int i, int v) { return (Vec *)(c + first + i * block + v * lanes); };
        if (add) {
#pragma GCC unroll 32
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[i][v] = *at(i, v);
        } else {
#pragma GCC unroll 32
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[i][v] = Vec{};
        }
        const float *x = a, *w = b + first;
#pragma GCC unroll 1
        for (int part = 0; part < parts; part++, x += a_stride, w += b_stride) {
            if constexpr (has_depths) {
                depths(x, w, sum);
                continue;
            }
#pragma GCC unroll plain_unroll
            for (int k = 0; k < block; k++) {
                Vec weights[vectors];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    weights[v] = *(const Vec *)(w + k * block + v * lanes);
#pragma GCC unroll 32
                for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; v++)
                        sum[i][v] = multiply_add(x[i * block + k], weights[v], sum[i][v]);
            }
        }
#pragma GCC unroll 32
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                *at(i, v) = sum[i][v];
    };
    for (; groups > 0; groups--, a += rows * block, c += rows * block)
#pragma GCC unroll 1
        for (int first = 0; first < block; first += columns)
            columns_from(first);
}

using MultiplyMatrices = void (*)(int, bool, const float *, ptrdiff_t, const float *, ptrdiff_t, float *);

template <int parts, int rows = max_rows<block>()> static MultiplyMatrices multiply_matrices_of(int wanted)
{
    if constexpr (rows > 1)
        return wanted == rows ? multiply_matrices<rows, parts> : multiply_matrices_of<parts, rows - 1>(wanted);
    else
        return multiply_matrices<1, parts>;
}

// The tiles of a pass against matrices of 16 x 16.
template <int parts> class MatrixProduct {
    TileGroups<block> tiles;
    MultiplyMatrices groups, last;

public:
    explicit MatrixProduct(int count)
        : tiles(count), groups(multiply_matrices_of<parts>(tiles.rows)), last(multiply_matrices_of<parts>(tiles.rest))
    {
    }
    ALWAYS_INLINE void run(bool add, const float *a, ptrdiff_t a_stride, const float *b, ptrdiff_t b_stride,
                           float *c) const
    {
        groups(tiles.full, add, a, a_stride, b, b_stride, c);
        if (tiles.rest > 0) {
            const ptrdiff_t done = tiles.full * tiles.rows * block;
            last(1, add, a + done, a_stride, b, b_stride, c + done);
        }
    }
};

// All channels (a multiple of 16): full panels, then a narrow one.
class Products {
    PanelProduct<panel> wide;
    PanelProduct<block> narrow;

public:
    explicit Products(int tiles) : wide(tiles), narrow(tiles) {}
    int steps(int channel_blocks, int depth_blocks) const
    {
        constexpr int of_panel = panel / block;
        return channel_blocks / of_panel * wide.steps(depth_blocks) +
               (channel_blocks % of_panel > 0) * narrow.steps(depth_blocks);
    }
    void run(int channel_blocks, Product product) const
    {
        int done = 0;
        for (; done + panel / block <= channel_blocks; done += panel / block) {
            wide.run(product);
            product.b += product.depth_blocks * block * panel;
            product.c += panel / block * product.c_stride;
        }
        if (done < channel_blocks)
            narrow.run(product);
    }
};

// Where weight (k, channel) of a [depth x channels] operand lies in the packed panels.
static inline size_t packed_index(int depth, int channels, int k, int channel)
{
    const int first = channel / panel * panel;
    const int width = min(panel, channels - first);
    return (size_t)first * depth + (size_t)k * width + (channel - first);
}

} // namespace spleeterrt::SRT_ISA

#endif
