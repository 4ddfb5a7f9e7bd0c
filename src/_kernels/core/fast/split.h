// A layer in parts that several threads compute: the same operations on the same numbers as by one.
//
// - Many passes: a unit is a pass, in the scratch of the thread that takes it.
// - Few passes (the deep layers, whose weights are most of the work): pass by pass, a unit is a block of channels of
// the
//   transformed data, then a point's products, then a block of finished channels; from plain weights these two are one.
//   All in the owner's operands.
// - Strips: a unit is a row of tiles of e2 or d5. Neighbours share rows of what lies between the layers: a thread that
//   does not go on where it stopped computes them again.
#ifndef SPLEETERRT_FAST_SPLIT_H
#define SPLEETERRT_FAST_SPLIT_H

#include "fast/d6_mask.h"
#include "fast/e1.h"
#include "fast/rows.h"

#ifndef SPLEETERRT_THREADS
#define SPLEETERRT_THREADS 1 // 0: a build without threads (WebAssembly)
#endif

namespace spleeterrt::SRT_ISA {

constexpr bool splits = SPLEETERRT_THREADS;

// What lies in the owner's scratch, in that of the thread that has this share.
static inline float *mine(const float *owners, const fast_layer &layer, const fast_share &share)
{
    return share.workspace + (owners - layer.team->workspace);
}
static inline fast_layer with_my_scratch(fast_layer layer, const fast_share &share)
{
    layer.scratch = mine(layer.scratch, layer, share);
    return layer;
}

// body(units, share): computes units until none is left.
template <typename Body> static void each_unit(fast_team *team, int units, const Body &body)
{
    team->run(
        team, units,
        [](const void *job, fast_share *share) {
            (*(const Body *)job)(*share);
            end_streams();
        },
        &body);
}
static inline int next_unit(fast_share &share) { return share.next(&share); }

template <typename Layer> static void run_passes(const fast_layer &layer)
{
    const int passes = Layer(layer).passes();
    each_unit(layer.team, passes, [&](fast_share &share) {
        const fast_layer my_layer = with_my_scratch(layer, share);
        Layer part(my_layer);
        for (int unit; (unit = next_unit(share)) >= 0;)
            part.run_pass(unit);
    });
}

template <typename Layer> static void run_by_channels(const fast_layer &layer)
{
    const Layer all(layer);
    for (int i = 0; i < all.passes(); i++) {
        const int first = all.first_of_pass(i), count = all.tiles_of_pass(i);
        each_unit(layer.team, layer.in_c / block, [&](fast_share &share) {
            for (int unit; (unit = next_unit(share)) >= 0;)
                all.transform(first, count, unit * block, (unit + 1) * block);
        });
        if constexpr (Layer::points > 0)
            if (!layer.plain)
                each_unit(layer.team, Layer::points, [&](fast_share &share) {
                    const Products products(count);
                    for (int unit; (unit = next_unit(share)) >= 0;)
                        all.multiply_stored(products, unit);
                });
        each_unit(layer.team, layer.out_c / block, [&](fast_share &share) {
            for (int unit; (unit = next_unit(share)) >= 0;) {
                if (layer.plain)
                    all.multiply_blocks(count, unit, unit + 1, mine(all.filters(), layer, share));
                all.finish(first, count, unit * block, (unit + 1) * block);
            }
        });
    }
}

template <typename Layer> static void run_split(const fast_layer &layer)
{
    const int passes = Layer(layer).passes();
    if (passes >= max(8, 2 * layer.team->threads))
        run_passes<Layer>(layer);
    else if (layer.team->idle(layer.team))
        run_by_channels<Layer>(layer);
    else // alone all channels of a pass together are faster by some percent
        Layer(layer).run_all();
}

template <bool decoder> static void run_rows(const fast_layer &layer)
{
    if (splits && layer.team && layer.team->idle(layer.team))
        run_by_channels<RowsLayer<decoder>>(layer);
    else
        RowsLayer<decoder>(layer).run_all();
}

template <int m> static void first_split(const fast_layer &first_layer, const fast_layer &second_layer)
{
    const WinogradLayer<m, false> all(second_layer);
    const int begin = all.first_tile_row(), end = all.end_tile_row();
    each_unit(first_layer.team, end - begin, [&](fast_share &share) {
        fast_layer my_first = with_my_scratch(first_layer, share), my_second = with_my_scratch(second_layer, share);
        my_first.normed = mine(first_layer.normed, first_layer, share);
        my_second.src = my_first.normed;
        FirstLayer first(my_first);
        WinogradLayer<m, false> second(my_second);
        int expected = begin, done = first_layer.first_row;
        for (int unit; (unit = next_unit(share)) >= 0;) {
            const int row = begin + unit;
            if (row != expected) {
                done = row == begin ? first_layer.first_row : max(second.first_row(row), first_layer.first_row);
                first.begin(done, row == begin ? done : second.end_row(row - 1));
            }
            const int until = second.end_row(row);
            first.run(done, until);
            done = until;
            second.run_row(row);
            expected = row + 1;
            if (expected == end)
                first.run(done, first_layer.end_row);
        }
    });
}

template <typename D5>
static void last_split(const fast_layer &d5_layer, const fast_layer &d6_layer, const fast_mask &mask)
{
    constexpr int rows = 2 * D5::rows_of_tile; // of d5's outputs in a row of tiles
    const D5 all(d5_layer);
    const int begin = all.first_tile_row(), end = all.end_tile_row();
    each_unit(d5_layer.team, end - begin, [&](fast_share &share) {
        fast_layer my_d5 = with_my_scratch(d5_layer, share);
        const fast_layer my_d6 = with_my_scratch(d6_layer, share);
        my_d5.dst = mine(d5_layer.dst, d5_layer, share);
        D5 d5(my_d5);
        d5.behind = &d6_layer;
        LastLayers last(my_d6, mask, my_d5);
        int expected = begin;
        for (int unit; (unit = next_unit(share)) >= 0;) {
            int row = begin + unit;
            if (row != expected) {
                last.begin(LastLayers::first_mask_row(rows * row));
                row = last.first_input() / rows;
            }
            for (; row <= begin + unit; row++) {
                d5.run_row(row);
                last.run(min(rows * (row + 1), d6_layer.h));
            }
            expected = row;
        }
    });
}

} // namespace spleeterrt::SRT_ISA

#endif
