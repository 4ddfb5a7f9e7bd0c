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
//
// A pass takes a few tiles through all stages, so that their operands stay in the cache:
//     rows of the image -> transform_data -> products at every point -> transform_output, bias, norm, activation
#ifndef SPLEETERRT_FAST_WINOGRAD_H
#define SPLEETERRT_FAST_WINOGRAD_H

#include "check.h"
#include "fast/activations.h"
#include "fast/interface.h"
#include "fast/weights.h"

namespace spleeterrt::SRT_ISA {

// What happens to finished values of one vector of channels.
template <int kind> struct Finish {
    Vec bias, scale, shift;
    Finish(const fast_layer &layer, int c)
        : bias(load(layer.bias + c)), scale(load(layer.scale + c)), shift(load(layer.shift + c))
    {
    }
    ALWAYS_INLINE Vec raw(Vec v) const { return v + bias; }
    ALWAYS_INLINE Vec norm_activate(Vec raw) const { return activate<kind>(raw * scale + shift); }
    ALWAYS_INLINE Vec activate_norm(Vec v) const { return activate<kind>(v + bias) * scale + shift; }
};

// Rows of an image; of a ring, only the last `ring` ones are there (0: all). Outside they are zero.
struct Rows {
    const float *base, *zeros;
    ptrdiff_t stride;
    int h, ring;

    const float *operator()(int y) const
    {
        if (y < 0 || y >= h)
            return zeros;
        return base + (ring ? y % ring : y) * stride;
    }
};

// tile_rows: outputs of a tile along time (of the coarser grid), where not as many as along frequency.
template <int m, bool decoder, int tile_rows = m> class WinogradLayer {
    using Layout = Operands<m, decoder, tile_rows>;
    using Shape = Patch<m, decoder, tile_rows>;
    const fast_layer &layer;
    const Layout layout;
    // The grid of tiles: outputs of the convolution, inputs of the transposed one.
    const int grid_h, grid_w, tiles_w;
    float *const transformed; // FilterBlock::floats, then PlainBlocks::room_floats
    float *const operands;    // Layout::end
    Rows source;

public:
    static constexpr int points = Layout::points;
    static constexpr int rows_of_tile = tile_rows;
    // Rows that the layer behind will read with those of the tile row at hand: fetched meanwhile.
    const fast_layer *behind = nullptr;

    static size_t zeros_floats(int w, ptrdiff_t src_ld) { return (size_t)w * src_ld; }
    static size_t filter_floats(int type) { return FilterBlock<m, decoder>::floats + PlainBlocks::room_floats(type); }
    static size_t scratch_floats(int w, ptrdiff_t src_ld, int in_c, int out_c, int pass_tiles, int staged, int type)
    {
        const Layout layout(in_c, out_c, pass_tiles);
        return zeros_floats(w, src_ld) + filter_floats(type) + layout.end + (staged ? layout.stored_floats : 0);
    }

    // A layer of staged weights as one of stored weights, which come to lie at the end of its scratch. Others as they
    // are.
    static fast_layer staged(const fast_layer &wanted)
    {
        fast_layer layer = wanted;
        if (!wanted.staged)
            return layer;
        const int type = wanted.weight_type;
        float *filters = wanted.scratch + zeros_floats(wanted.w, wanted.src_ld);
        float *stored = filters + filter_floats(type) + Layout(wanted.in_c, wanted.out_c, wanted.pass_tiles).end;
        store_weights<m, decoder>(wanted.in_c, wanted.out_c,
                                  PlainBlocks(type, wanted.weights, wanted.in_c, wanted.out_c), stored, filters);
        layer.weights = stored;
        layer.plain = layer.staged = 0;
        return layer;
    }

    explicit WinogradLayer(const fast_layer &wanted)
        : layer(wanted), layout(wanted.in_c, wanted.out_c, wanted.pass_tiles),
          grid_h(decoder ? wanted.h : wanted.h / 2), grid_w(decoder ? wanted.w : wanted.w / 2),
          tiles_w((grid_w + m - 1) / m), transformed(wanted.scratch + zeros_floats(wanted.w, wanted.src_ld)),
          operands(transformed + filter_floats(wanted.weight_type))
    {
        check();
        memset(layer.scratch, 0, zeros_floats(layer.w, layer.src_ld) * sizeof(float));
        source = {layer.src, layer.scratch, layer.src_row, layer.h, layer.src_ring};
    }

    // The rows of tiles that are wanted.
    int first_tile_row() const { return layer.first_row / tile_rows; }
    int end_tile_row() const { return (layer.end_row + tile_rows - 1) / tile_rows; }
    int first_row(int tile_row) const { return Shape::row_step * tile_row - 1; } // of the patches
    int end_row(int tile_row) const { return min(first_row(tile_row) + Shape::row_size, layer.h); }

    // The tiles first ... last - 1 (numbered along frequency, then time).
    void run(int first, int last)
    {
        for (; first < last; first += layout.tiles_per_pass)
            pass(first, min(layout.tiles_per_pass, last - first), last);
    }
    // The passes of `run_all`, one by one.
    int passes() const
    {
        return ((end_tile_row() - first_tile_row()) * tiles_w + layout.tiles_per_pass - 1) / layout.tiles_per_pass;
    }
    int first_of_pass(int i) const { return first_tile_row() * tiles_w + i * layout.tiles_per_pass; }
    int tiles_of_pass(int i) const { return min(layout.tiles_per_pass, end_tile_row() * tiles_w - first_of_pass(i)); }
    void run_pass(int i) { pass(first_of_pass(i), tiles_of_pass(i), end_tile_row() * tiles_w); }

    // The stages of a pass, by channels or points (split.h). filters: FilterBlock::floats of the calling thread.
    void transform(int first, int count, int channel, int end) const
    {
        for (int t = 0; t < count;) {
            const int tiles = strip(first, t, count, Shape::max_tiles);
            const int ty = (first + t) / tiles_w, tx = (first + t) % tiles_w;
            const float *rows[Shape::row_size];
            for (int r = 0; r < Shape::row_size; r++)
                rows[r] = source(first_row(ty) + r);
            for (int c = channel; c < end; c += lanes)
                transform_data<m, decoder, tile_rows>(
                    rows, c, Shape::step * tx - 1, layer.w, layer.src_ld, tiles, layout.data_at,
                    operands + (c / block) * layout.tile_stride + t * block + c % block);
            t += tiles;
        }
    }
    float *filters() const { return transformed; }
    void multiply_stored(const Products &products, int point, LinePrefetch *others = nullptr, int lines = 0) const
    {
        products.run(layout.channel_blocks(point),
                     {layout.depth_blocks(point), operands + layout.data[point], layout.tile_stride,
                      layer.weights + layout.weights[point], operands + layout.products[point], layout.tile_stride,
                      others, lines});
    }
    void multiply_blocks(int count, int first_block, int end_block, float *filters) const
    {
        const PlainBlocks blocks(layer.weight_type, layer.weights, layer.in_c, layer.out_c);
        multiply_plain<m, decoder, tile_rows>(count, layout, first_block, end_block, blocks, operands, filters);
    }
    void finish(int first, int count, int channel, int end) const
    {
        with_activation(layer.activation,
                        [&](auto kind) { outputs<decltype(kind)::value>(first, count, channel, end); });
    }

    void run_row(int tile_row) { run(tile_row * tiles_w, (tile_row + 1) * tiles_w); }
    void run_all() { run(first_tile_row() * tiles_w, end_tile_row() * tiles_w); }

    // The tiles of one strip: neighbours in a row, at most `limit` from tile t of a pass that has `count`.
    int strip(int first, int t, int count, int limit) const
    {
        return min(min(limit, count - t), tiles_w - (first + t) % tiles_w);
    }

private:
    void check() const
    {
        SRT_DCHECK(!layer.staged); // see `staged`
        SRT_DCHECK(layer.in_c > 0 && layer.in_c % block == 0 && layer.out_c > 0 && layer.out_c % block == 0);
        SRT_DCHECK(layer.h > 0 && layer.w > 0 && (decoder || (layer.h % 2 == 0 && layer.w % 2 == 0)));
        SRT_DCHECK(0 <= layer.first_row && layer.first_row <= layer.end_row && layer.end_row <= grid_h);
        SRT_DCHECK(layer.src && layer.dst && layer.weights && layer.bias && layer.scale && layer.shift);
        SRT_DCHECK(SRT_ALIGNED(layer.weights) && SRT_ALIGNED(layer.scratch) && layer.scratch);
        SRT_DCHECK(SRT_ALIGNED(layer.dst) && layer.dst_ld % block == 0 && layer.dst_row % block == 0);
        SRT_DCHECK(SRT_ALIGNED(layer.normed));
        SRT_DCHECK(!layer.normed || (layer.normed_ld % block == 0 && layer.normed_row % block == 0));
        SRT_DCHECK(layer.src_ld >= layer.in_c && layer.dst_ld >= layer.out_c && layer.pass_tiles > 0);
        SRT_DCHECK(layer.src_ring == 0 || layer.src_ring >= Shape::row_size);
        SRT_DCHECK(layer.dst_ring == 0 || layer.dst_ring % (2 * tile_rows) == 0);
    }

    void pass(int first, int count, int last)
    {
        transform(first, count, 0, layer.in_c);
        if (layer.plain) {
            multiply_blocks(count, 0, layout.out_blocks, transformed);
        } else {
            LinePrefetch next;
            if (prefetches) {
                if (!layer.src_ring)
                    prefetch_sources(first + count, min(layout.tiles_per_pass, last - first - count), next);
                if (behind)
                    prefetch_behind(first, count, next);
                prefetch_outputs(first, count, next);
            }
            const Products products(count);
            int steps = 0;
            for (int i = 0; i < Layout::points; i++)
                steps += products.steps(layout.channel_blocks(i), layout.depth_blocks(i));
            const int lines = (next.lines() + steps - 1) / steps;
            for (int i = 0; i < Layout::points; i++)
                multiply_stored(products, i, lines ? &next : nullptr, lines);
        }
        finish(first, count, 0, layer.out_c);
    }

    void prefetch_sources(int first, int count, LinePrefetch &next) const
    {
        for (int t = 0; t < count;) {
            const int tiles = strip(first, t, count, count);
            const int ty = (first + t) / tiles_w, x = Shape::step * ((first + t) % tiles_w);
            const int columns = min(Shape::step * tiles + Shape::size - Shape::step, layer.w - x);
            for (int y = max(first_row(ty), 0); y < end_row(ty); y++)
                next.add(source(y) + x * layer.src_ld, columns, layer.in_c, layer.src_ld);
            t += tiles;
        }
    }

    // What this pass will overwrite: lines of memory are read before they are written.
    void prefetch_outputs(int first, int count, LinePrefetch &next) const
    {
        float *out = decoder ? layer.dst : layer.normed;
        const ptrdiff_t row = decoder ? layer.dst_row : layer.normed_row,
                        pixel = decoder ? layer.dst_ld : layer.normed_ld;
        if (!out || layer.dst_ring)
            return; // a ring is in the cache
        constexpr int scale = decoder ? 2 : 1, size = scale * m, rows = scale * tile_rows;
        for (int t = 0; t < count;) {
            const int tiles = strip(first, t, count, count);
            const int y = (first + t) / tiles_w * rows, x = (first + t) % tiles_w * size;
            const int columns = min(size * tiles, scale * grid_w - x);
            for (int i = y; i < min(y + rows, scale * grid_h); i++)
                next.add(out + i * row + x * pixel, columns, layer.out_c, pixel);
            t += tiles;
        }
    }

    // The share of a pass within its tile row.
    void prefetch_behind(int first, int count, LinePrefetch &next) const
    {
        const int first_y = first / tiles_w * 2 * tile_rows, t = first % tiles_w;
        const int from = behind->w * t / tiles_w, to = behind->w * (t + count) / tiles_w;
        for (int y = first_y; y < min(first_y + 2 * tile_rows, behind->h); y++)
            next.add(behind->src + y * behind->src_row + from * behind->src_ld, to - from, (int)behind->src_ld,
                     behind->src_ld);
    }

    // Where a tile's outputs go: pixels of 16 channels.
    struct Target {
        float *at;
        ptrdiff_t row, pixel;
    };
    static constexpr int side = decoder ? 2 * m : m; // of a tile's outputs
    static constexpr int row_side = decoder ? 2 * tile_rows : tile_rows;

    template <int kind> __attribute__((noinline)) void outputs(int first, int count, int channel, int end) const
    {
        for (int t = 0; t < count; t++) {
            const int y = (first + t) / tiles_w * row_side, x = (first + t) % tiles_w * side;
            const int rows = min(row_side, (decoder ? 2 : 1) * grid_h - y),
                      columns = min(side, (decoder ? 2 : 1) * grid_w - x);
            const bool whole = rows == row_side && columns == side;
            for (int c = channel; c < end; c += block) {
                // A ring holds whole rows of tiles.
                const int row = decoder && layer.dst_ring ? y % layer.dst_ring : y;
                const Target out = {layer.dst + row * layer.dst_row + x * layer.dst_ld + c, layer.dst_row,
                                    layer.dst_ld};
                Target normed = {nullptr, 0, 0};
                if (!decoder && layer.normed)
                    normed = {layer.normed + y * layer.normed_row + x * layer.normed_ld + c, layer.normed_row,
                              layer.normed_ld};
                if (whole) {
                    output_tile<kind>(t, c, out, normed);
                    continue;
                }
                // What lies beyond the image is left out.
                alignas(64) float tile[row_side * side * block], normed_tile[decoder ? block : side * side * block];
                const Target local = {tile, side * block, block}, normed_local = {normed_tile, side * block, block};
                output_tile<kind>(t, c, local, normed.at ? normed_local : normed);
                copy(local, out, rows, columns);
                if (normed.at)
                    copy(normed_local, normed, rows, columns);
            }
        }
    }
    static void copy(const Target &from, const Target &to, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                memcpy(to.at + i * to.row + j * to.pixel, from.at + i * from.row + j * from.pixel,
                       block * sizeof(float));
    }

    // One block of channels.
    template <int kind>
    __attribute__((noinline)) void output_tile(int t, int c, const Target &out, const Target &normed) const
    {
        const float *products = operands + (c / block) * layout.tile_stride + t * block;
        if constexpr (decoder) {
            for (int v = 0; v < block; v += lanes) {
                const Finish<kind> finish(layer, c + v);
                phase<0, 0>(products + v, finish, out, v);
                phase<0, 1>(products + v, finish, out, v);
                phase<1, 0>(products + v, finish, out, v);
                phase<1, 1>(products + v, finish, out, v);
            }
        } else {
            Vec y[vectors_per_block][tile_rows][m];
            for (int v = 0; v < vectors_per_block; v++) {
                const Finish<kind> finish(layer, c + v * lanes);
                transform_output<m, 0, 0>(products + v * lanes, layout.product_at[0], y[v]);
                each([&](int i, int j) { y[v][i][j] = finish.raw(y[v][i][j]); });
            }
            // Deep layers' raw outputs are read again soon, while they are in the cache. The vectors of a cache line
            // are streamed together.
            const bool past_caches = layer.out_c <= 128 && out.pixel != block; // not of a part of a tile
            each([&](int i, int j) {
                float *to = out.at + i * out.row + j * out.pixel;
#pragma GCC unroll 4
                for (int v = 0; v < vectors_per_block; v++)
                    if (past_caches)
                        stream(to + v * lanes, y[v][i][j]);
                    else
                        *(Vec *)(to + v * lanes) = y[v][i][j];
            });
            if (!normed.at)
                return;
            for (int v = 0; v < vectors_per_block; v++) {
                const Finish<kind> finish(layer, c + v * lanes);
                each([&](int i, int j) {
                    *(Vec *)(normed.at + i * normed.row + j * normed.pixel + v * lanes) =
                        finish.norm_activate(y[v][i][j]);
                });
            }
        }
    }

    // a, b: 1 for the even outputs along time, along frequency.
    template <int a, int b, typename F>
    ALWAYS_INLINE void phase(const float *products, const F &finish, const Target &out, int v) const
    {
        Vec y[tile_rows][m];
        transform_output<m, a, b>(products, layout.product_at[2 * a + b], y);
        float *to = out.at + (1 - a) * out.row + (1 - b) * out.pixel + v;
        each([&](int i, int j) { *(Vec *)(to + 2 * i * out.row + 2 * j * out.pixel) = finish.activate_norm(y[i][j]); });
    }

    template <typename F> static ALWAYS_INLINE void each(const F &f)
    {
#pragma GCC unroll 4
        for (int i = 0; i < tile_rows; i++)
#pragma GCC unroll 4
            for (int j = 0; j < m; j++)
                f(i, j);
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
