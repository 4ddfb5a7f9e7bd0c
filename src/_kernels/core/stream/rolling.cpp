#include "stream/rolling.h"

#include "check.h"
#include "network/network.h"
#include "stream/integers.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace spleeterrt {
namespace {

// Between the image of normed rows of a workspace and rows that are kept, without gaps.
template <typename Copy> void each_pixel(const network_layer &row, std::int64_t y, const Copy &copy)
{
    const std::int64_t at = row.normed + y * row.normed_row;
    for (std::int64_t x = 0; x < row.out_w; x++)
        copy(at + x * row.normed_ld, x * row.out_c, static_cast<std::size_t>(row.out_c) * sizeof(float));
}

} // namespace

RollingEncoders::RollingEncoders(const NetworkSet &networks, std::size_t count, std::size_t hop)
    : networks_(networks), kept_(new Kept[count])
{
    std::size_t tags = 0, floats = 0;
    std::int64_t first = 0, end = networks.layers[0].h; // of the image before, what depends on no zeros
    for (int i = 0; i < networks.rolling; i++) {
        const network_layer &row = networks.layers[i];
        SRT_DCHECK(row.op == OP_CONV && row.stride == 2 && row.normed != NOWHERE);
        Layer layer;
        layer.rows = row.out_h;
        layer.step = std::int64_t{2} << i;
        // Row r reads those from 2 r - pad to 2 r - pad + reach.
        const std::int64_t reach = row.kernel - 1;
        layer.first = first = (first + row.pad_top + 1) / 2;
        layer.end = end = (end + row.pad_top - reach + 1) / 2;
        // Of the layers after these, the decoder of the same size.
        const network_layer &decoder = networks.layers[static_cast<std::ptrdiff_t>(networks.n_layers) - 2 - i];
        layer.wanted = rows_read(decoder, {decoder.first_row, decoder.end_row ? decoder.end_row : decoder.out_h}).first;
        layer.grain = std::gcd(static_cast<std::int64_t>(hop), layer.step);
        layer.row_floats = static_cast<std::size_t>(row.out_w * row.out_c);
        layer.tags = tags;
        layer.floats = floats;
        const std::size_t places = static_cast<std::size_t>(layer.step / layer.grain * layer.rows);
        tags += places;
        floats += places * layer.row_floats;
        layers_.push_back(layer);
    }
    for (std::size_t i = 0; i < count; i++) {
        kept_[i].tags.assign(tags, none_kept);
        kept_[i].rows = AlignedFloats::in_large_pages(floats);
        std::memset(kept_[i].rows.data(), 0, floats * sizeof(float)); // touched now, not while the music plays
    }
}

std::int64_t RollingEncoders::tag_of(const Layer &layer, std::int64_t first_frame, std::int64_t row)
{
    return floor_div(first_frame, layer.step) + row;
}

std::size_t RollingEncoders::place_of(const Layer &layer, std::int64_t first_frame, std::int64_t row) const
{
    const std::int64_t beginning = first_frame - floor_div(first_frame, layer.step) * layer.step;
    SRT_DCHECK(beginning % layer.grain == 0);
    const std::int64_t tag = tag_of(layer, first_frame, row);
    return static_cast<std::size_t>(beginning / layer.grain * layer.rows + tag -
                                    floor_div(tag, layer.rows) * layer.rows);
}

void RollingEncoders::run(std::size_t network, const WindowPlace &place, const float *input, float *output,
                          float *workspace, fast_team *team)
{
    const network_task task = networks_.task(network, input, output, workspace, team);
    Kept &kept = kept_[network];
    // Another thread is at this network: the window is computed whole, and nothing of it is kept.
    if (kept.busy.exchange(true, std::memory_order_acquire))
        return run_network(&task, networks_.reference);
    // A window of a signal that is over would put its rows in the place of newer ones.
    const bool over = place.signal < kept.signal;
    if (place.signal > kept.signal) {
        std::fill(kept.tags.begin(), kept.tags.end(), none_kept);
        kept.signal = place.signal;
    }
    if (!over)
        encode(kept, task, place.first_frame);
    kept.busy.store(false, std::memory_order_release);
    run_layers(&task, over ? 0 : networks_.rolling, networks_.reference);
}

void RollingEncoders::encode(Kept &kept, const network_task &task, std::int64_t first_frame) const
{
    // From which row on each layer is computed.
    std::int64_t from[DEPTH];
    for (std::size_t i = 0; i < layers_.size(); i++) {
        const Layer &layer = layers_[i];
        std::int64_t row = layer.first;
        while (row < layer.end &&
               kept.tags[layer.tags + place_of(layer, first_frame, row)] == tag_of(layer, first_frame, row))
            row++;
        from[i] = std::max(std::min(row, layer.wanted), layer.first);
    }
    for (std::size_t i = 0; i < layers_.size(); i++) {
        const Layer &layer = layers_[i];
        const network_layer &row = task.layers[i];
        const auto at = [&](std::int64_t y) {
            return kept.rows.data() + layer.floats + place_of(layer, first_frame, y) * layer.row_floats;
        };
        if (from[i] > layer.first) {
            // What the next layer reads of the rows that are kept: all, or those of its first rows and of its last.
            LayerRows head = {0, from[i]}, tail = {0, 0};
            if (i + 1 < layers_.size() && from[i + 1] > layers_[i + 1].first) {
                head = rows_read(task.layers[i + 1], {0, layers_[i + 1].first});
                tail = rows_read(task.layers[i + 1], {from[i + 1], layers_[i + 1].rows});
            }
            for (std::int64_t y = layer.first; y < from[i]; y++)
                if (y < head.end || (tail.first <= y && y < tail.end))
                    each_pixel(row, y, [&](std::int64_t to, std::int64_t in_row, std::size_t bytes) {
                        std::memcpy(task.workspace + to, at(y) + in_row, bytes);
                    });
            run_layer_rows(&task, static_cast<std::ptrdiff_t>(i), 0, layer.first);
            run_layer_rows(&task, static_cast<std::ptrdiff_t>(i), from[i], layer.rows);
        } else {
            run_layer_rows(&task, static_cast<std::ptrdiff_t>(i), 0, layer.rows);
        }
        for (std::int64_t y = from[i]; y < layer.end; y++) {
            std::int64_t &tag = kept.tags[layer.tags + place_of(layer, first_frame, y)];
            if (tag == tag_of(layer, first_frame, y))
                continue;
            tag = tag_of(layer, first_frame, y);
            each_pixel(row, y, [&](std::int64_t from_image, std::int64_t in_row, std::size_t bytes) {
                std::memcpy(at(y) + in_row, task.workspace + from_image, bytes);
            });
        }
    }
}

} // namespace spleeterrt
