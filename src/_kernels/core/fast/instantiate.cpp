// The fast layers of one instruction set: compiled once per set with SRT_ISA naming it.
#include "fast/split.h"
#include "isa.h"

namespace spleeterrt::SRT_ISA {
namespace {

// Calls f.template operator()<m, decoder>().
template <typename F> auto by_tile(int decoder, int tile, const F &f)
{
    if (decoder)
        return tile == 4 ? f.template operator()<4, true>() : f.template operator()<2, true>();
    return tile == 4 ? f.template operator()<4, false>() : f.template operator()<2, false>();
}

// Tiles of TILE_2X4, of transposed convolutions.
using TwoRows = WinogradLayer<4, true, 2>;

struct WeightFloats {
    int plain, type, in_c, out_c;
    template <int m, bool decoder> size_t operator()() const
    {
        if (!plain)
            return Operands<m, decoder>(in_c, out_c, 1).stored_floats;
        const size_t blocks = (size_t)(in_c / block) * (out_c / block);
        return blocks * (PlainBlocks::block_bytes(type) / sizeof(float)) + (type == WEIGHTS_INT8 ? out_c : 0);
    }
};
size_t weight_floats(int decoder, int tile, int plain, int type, int in_c, int out_c)
{
    return by_tile(decoder, tile, WeightFloats{plain, type, in_c, out_c});
}

struct BlockFloats {
    template <int m, bool decoder> size_t operator()() const { return FilterBlock<m, decoder>::floats; }
};
size_t prepare_scratch_floats(int decoder, int tile, int plain, int in_c, int out_c)
{
    return plain ? 0 : (size_t)25 * in_c * out_c + by_tile(decoder, tile, BlockFloats{});
}

struct StoreWeights {
    int in_c, out_c;
    const float *plain;
    float *weights, *scratch;
    template <int m, bool decoder> void operator()() const
    {
        store_weights<m, decoder>(in_c, out_c, PlainBlocks(WEIGHTS_FLOAT32, plain, in_c, out_c), weights, scratch);
    }
};
void prepare(int decoder, int tile, int plain, int type, int in_c, int out_c, const void *kernel, const float *scales,
             float *weights, float *scratch)
{
    if (plain && type == WEIGHTS_FLOAT16)
        return pack_plain(decoder, in_c, out_c, (const uint16_t *)kernel, (uint16_t *)weights);
    if (plain && type == WEIGHTS_INT8) {
        const size_t bytes = (size_t)25 * in_c * out_c;
        pack_plain(decoder, in_c, out_c, (const int8_t *)kernel, (int8_t *)weights);
        memcpy((char *)weights + bytes, scales, out_c * sizeof(float));
        return;
    }
    if (plain)
        return pack_plain(decoder, in_c, out_c, (const float *)kernel, weights);
    const size_t blocks = by_tile(decoder, tile, BlockFloats{});
    pack_plain(decoder, in_c, out_c, (const float *)kernel, scratch + blocks);
    by_tile(decoder, tile, StoreWeights{in_c, out_c, scratch + blocks, weights, scratch});
}

struct ScratchFloats {
    int w;
    ptrdiff_t src_ld;
    int in_c, out_c, pass_tiles, staged, type;
    template <typename Layer> size_t of() const
    {
        return Layer::scratch_floats(w, src_ld, in_c, out_c, pass_tiles, staged, type);
    }
    template <int m, bool decoder> size_t operator()() const { return of<WinogradLayer<m, decoder>>(); }
};
size_t scratch_floats(int decoder, int tile, int w, ptrdiff_t src_ld, int in_c, int out_c, int pass_tiles, int staged,
                      int type)
{
    const ScratchFloats floats{w, src_ld, in_c, out_c, pass_tiles, staged, type};
    return tile == TILE_2X4 ? floats.of<TwoRows>() : by_tile(decoder, tile, floats);
}

struct Run {
    const fast_layer &layer;
    template <typename Layer> void by() const
    {
        const fast_layer ready = Layer::staged(layer);
        if (splits && ready.team)
            run_split<Layer>(ready);
        else
            Layer(ready).run_all();
    }
    template <int m, bool decoder> void operator()() const { by<WinogradLayer<m, decoder>>(); }
};
void run(int decoder, int tile, const fast_layer *layer)
{
    if (tile == TILE_1X4) {
        (decoder ? run_rows<true> : run_rows<false>)(*layer);
        return;
    }
    const Run run{*layer};
    if (tile == TILE_2X4)
        run.by<TwoRows>();
    else
        by_tile(decoder, tile, run);
    end_streams();
}

size_t rows_scratch_floats(int decoder, int rows, int in_c, int out_c, int pass_tiles, int type)
{
    return (decoder ? RowsLayer<true>::scratch_floats : RowsLayer<false>::scratch_floats)(rows, in_c, out_c, pass_tiles,
                                                                                          type);
}

void expand(int type, const void *small, const float *scales, float *out)
{
    if (type == WEIGHTS_FLOAT16)
        expand_block((const uint16_t *)small, out);
    else
        expand_block((const int8_t *)small, scales, out);
}

template <int m> void matrices_of(double *data, double *output, double *filter, double *float_filter)
{
    using Transform = Winograd<m>;
    constexpr int n = Transform::n;
    for (int column = 0; column < n; column++) {
        Vec unit[n] = {}, at_points[n], y[m];
        unit[column] = broadcast(1.0f);
        Transform::data(unit, at_points);
        Transform::template output<true>(unit, y);
        for (int row = 0; row < n; row++)
            data[row * n + column] = at_points[row][0];
        for (int row = 0; row < m; row++)
            output[row * n + column] = y[row][0];
        for (int k = 0; k < 3; k++)
            filter[column * 3 + k] = filter_factor<m>(column, k);
    }
    for (int k = 0; k < 3; k++) {
        Vec unit[3] = {}, at_points[n];
        unit[k] = broadcast(1.0f);
        Transform::template filter<true, true>(unit[0], unit[1], unit[2], at_points);
        for (int row = 0; row < n; row++)
            float_filter[row * 3 + k] = at_points[row][0];
    }
}
void matrices(int tile, double *data, double *output, double *filter, double *float_filter)
{
    (tile == 4 ? matrices_of<4> : matrices_of<2>)(data, output, filter, float_filter);
}

// --- the outer layers, strip by strip ---------------------------------------------------

int first_ring_rows(int tile) { return tile == 4 ? Patch<4, false>::size : Patch<2, false>::size; }
size_t first_weight_floats(int out_c) { return FirstLayer::weight_floats(out_c); }
void first_prepare(int out_c, const float *kernel, float *weights) { FirstLayer::prepare(out_c, kernel, weights); }
size_t first_scratch_floats(int w) { return FirstLayer::scratch_floats(w); }

template <int m> void first_of(const fast_layer &first_layer, const fast_layer &second_layer)
{
    FirstLayer first(first_layer);
    WinogradLayer<m, false> second(second_layer);
    int done = first_layer.first_row;
    for (int row = second.first_tile_row(); row < second.end_tile_row(); row++) {
        const int until = second.end_row(row);
        first.run(done, until);
        done = until;
        second.run_row(row);
    }
    first.run(done, first_layer.end_row);
    end_streams();
}
void first(int tile, const fast_layer *first_layer, const fast_layer *second_layer)
{
    if (tile == TILE_1X4) {
        FirstLayer(*first_layer).run(first_layer->first_row, first_layer->end_row);
        return end_streams();
    }
    const auto staged = tile == 4 ? WinogradLayer<4, false>::staged : WinogradLayer<2, false>::staged;
    const fast_layer second = staged(*second_layer);
    if (splits && first_layer->team)
        return (tile == 4 ? first_split<4> : first_split<2>)(*first_layer, second);
    (tile == 4 ? first_of<4> : first_of<2>)(*first_layer, second);
}

int last_ring_rows(int tile) { return 2 * (tile == TILE_2X4 ? TwoRows::rows_of_tile : tile); }
size_t last_weight_floats(int in_c) { return LastLayers::weight_floats(in_c); }
void last_prepare(int in_c, const float *kernel, float *weights) { LastLayers::prepare(in_c, kernel, weights); }
size_t last_scratch_floats(int w, int in_c) { return LastLayers::scratch_floats(w, in_c); }

template <typename D5> void last_of(const fast_layer &d5_layer, const fast_layer &d6, const fast_mask &mask)
{
    D5 d5(d5_layer);
    d5.behind = &d6;
    LastLayers last(d6, mask, d5_layer);
    for (int row = d5.first_tile_row(); row < d5.end_tile_row(); row++) {
        d5.run_row(row);
        last.run(min(2 * D5::rows_of_tile * (row + 1), d6.h));
    }
    end_streams();
}
template <typename D5> void last_by(const fast_layer &d5, const fast_layer &d6, const fast_mask &mask)
{
    const fast_layer ready = D5::staged(d5);
    if (splits && ready.team)
        return last_split<D5>(ready, d6, mask);
    last_of<D5>(ready, d6, mask);
}
void last(int tile, const fast_layer *d5, const fast_layer *d6, const fast_mask *mask)
{
    const auto by = tile == TILE_2X4   ? last_by<TwoRows>
                    : tile == TILE_4X4 ? last_by<WinogradLayer<4, true>>
                                       : last_by<WinogradLayer<2, true>>;
    by(*d5, *d6, *mask);
}

} // namespace

extern const ElementwiseKernels elementwise_table;

extern const fast_kernels fast_table = {
    SRT_ISA_NAME, lanes,           &elementwise_table,  weight_floats, prepare_scratch_floats,
    prepare,      scratch_floats,  rows_scratch_floats, run,           expand,
    matrices,     first_ring_rows, first_weight_floats, first_prepare, first_scratch_floats,
    first,        last_ring_rows,  last_weight_floats,  last_prepare,  last_scratch_floats,
    last,
};

} // namespace spleeterrt::SRT_ISA
