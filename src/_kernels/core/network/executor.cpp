// Runs the table of layers; see executor.h.
#include "network/executor.h"

#include "check.h"
#include "clock.h"
#include "denormals.h"
#include "network/elementwise.h"

#include <algorithm>

namespace spleeterrt {

namespace {

const float *source(const network_task &task, long long place)
{
    return place == NETWORK_INPUT ? task.input : task.workspace + place;
}

int tile_of(const network_layer &row)
{
    switch (row.method) {
    case METHOD_ROWS4: return TILE_1X4;
    case METHOD_WINOGRAD4: return TILE_4X4;
    case METHOD_WINOGRAD2X4: return TILE_2X4;
    default: return TILE_2X2;
    }
}

int tile_rows(const network_layer &row) // along time
{
    return row.method == METHOD_ROWS4 ? 1 : row.method == METHOD_WINOGRAD4 ? 4 : 2;
}

fast_layer fast_layer_of(const network_task &task, const network_layer &row)
{
    const bool decoder = row.op == OP_TRANSPCONV;
    fast_layer l;
    l.h = (int)(decoder ? row.out_h : row.h);
    l.w = (int)(decoder ? row.out_w : row.w);
    l.in_c = (int)row.in_c;
    l.out_c = (int)row.out_c;
    l.src = source(task, row.src);
    l.src_ld = row.src_ld;
    l.src_row = row.src_row;
    l.dst = row.dst == NOWHERE ? nullptr : task.workspace + row.dst;
    l.dst_ld = row.dst_ld;
    l.dst_row = row.dst_row;
    l.normed = row.normed == NOWHERE ? nullptr : task.workspace + row.normed;
    l.normed_ld = row.normed_ld;
    l.normed_row = row.normed_row;
    l.src_ring = (int)row.src_ring;
    l.dst_ring = (int)row.dst_ring;
    l.plain = (int)row.plain;
    l.staged = (int)row.staged;
    l.weight_type = (int)row.weight_type;
    l.pass_tiles = (int)row.pass_tiles;
    l.weights = task.weights + row.weights;
    l.bias = task.weights + row.bias;
    l.scale = task.weights + row.scale;
    l.shift = task.weights + row.shift;
    l.activation = (int)row.activation;
    l.scratch = task.workspace + row.cols;
    l.first_row = (int)row.first_row;
    l.end_row = (int)(row.end_row ? row.end_row : row.out_h);
    l.team = task.team;
    return l;
}

// Layers `index` and what goes with it in strips; how many that were.
ptrdiff_t run_fast(const network_task &task, ptrdiff_t index)
{
    const network_layer *row = task.layers + index;
    const fast_layer layer = fast_layer_of(task, row[0]);
    if (row->method == METHOD_DIRECT) {
        if (row[1].method == METHOD_ROWS4) {
            task.kernels->first(TILE_1X4, &layer, nullptr);
            return 1;
        }
        const fast_layer second = fast_layer_of(task, row[1]);
        task.kernels->first(tile_of(row[1]), &layer, &second);
        return 2;
    }
    if (index + 2 < task.n_layers && row[1].method == METHOD_DIRECT) {
        const fast_layer d6 = fast_layer_of(task, row[1]);
        const fast_mask mask = {task.weights + row[2].weights,
                                task.weights + row[2].bias,
                                task.logits ? nullptr : task.input,
                                task.output,
                                (int)row[2].first_row,
                                (int)(row[2].end_row ? row[2].end_row : row[2].out_h)};
        task.kernels->last(tile_of(row[0]), &layer, &d6, &mask);
        return 3;
    }
    task.kernels->run(row->op == OP_TRANSPCONV, tile_of(*row), &layer);
    return 1;
}

// --- the rows that wanted frames depend on ------------------------------------------------

LayerRows within(const LayerRows &range, long long rows)
{
    return {std::max(range.first, 0LL), std::min(range.end, rows)};
}

long long floor_divided(long long a, long long b) { return (a >= 0 ? a : a - b + 1) / b; }

// Rows of the grid that are computed for `wanted` rows of a layer's output. Those of a transposed convolution stand for
// `stride` outputs each.
LayerRows computed_rows(const network_layer &row, const LayerRows &wanted)
{
    if (row.method == METHOD_REFERENCE && row.op != OP_MASK)
        return {0, row.out_h};
    const long long tile = row.method == METHOD_REFERENCE || row.method == METHOD_DIRECT ? 1 : tile_rows(row);
    const long long outputs = row.op == OP_TRANSPCONV ? row.stride * tile : tile;
    return within({wanted.first / outputs * tile, (wanted.end + outputs - 1) / outputs * tile}, row.out_h);
}

// Until a layer's turn comes, its fields hold the wanted rows of its output.
void want_output(network_layer &row, const LayerRows &rows)
{
    row.first_row = std::min(row.first_row, rows.first);
    row.end_row = std::max(row.end_row, rows.end);
}

} // namespace

// (In a tile every output depends on every input, be it by a rounding error.)
LayerRows rows_read(const network_layer &row, LayerRows computed)
{
    const long long reach = (row.kernel - 1) * row.dilation;
    if (row.op == OP_CONV || row.op == OP_MASK) {
        if (row.method == METHOD_REFERENCE)
            return {0, row.h};
        return within(
            {computed.first * row.stride - row.pad_top, (computed.end - 1) * row.stride - row.pad_top + reach + 1},
            row.h);
    }
    // Output y takes the grid rows from (y + pad - reach) / stride, rounded up, to (y + pad) / stride.
    const long long first = computed.first * row.stride + row.pad_top - reach;
    const long long last = computed.end * row.stride - 1 + row.pad_top;
    return within({floor_divided(first + row.stride - 1, row.stride), floor_divided(last, row.stride) + 1}, row.out_h);
}

void want_frames(network_layer *layers, ptrdiff_t n_layers, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t mask = n_layers - 1;
    SRT_DCHECK(mask > 0 && 0 <= first && first < last && last <= layers[mask].out_h);
    for (ptrdiff_t i = 0; i < mask; i++) {
        layers[i].first_row = std::max(layers[i].h, layers[i].out_h); // none
        layers[i].end_row = 0;
    }
    layers[mask].first_row = first;
    layers[mask].end_row = last;
    for (ptrdiff_t i = mask; i >= 0; i--) {
        network_layer &row = layers[i];
        const LayerRows computed = computed_rows(row, {row.first_row, row.end_row});
        row.first_row = computed.first;
        row.end_row = computed.end;
        if (i == 0)
            break;
        const LayerRows input = rows_read(row, computed);
        want_output(layers[i - 1], input);
        // Beside the layer before stands the encoder's of the same size. (What is deeper wants these rows, too.)
        if (row.op == OP_TRANSPCONV)
            want_output(layers[mask - 1 - i], input);
    }
}

void run_layer_rows(const network_task *task, ptrdiff_t index, long long first, long long end)
{
    SRT_DCHECK(0 <= first && first < end && end <= task->layers[index].out_h);
    network_layer row = task->layers[index];
    SRT_DCHECK(row.method != METHOD_REFERENCE && index + 1 < task->n_layers);
    row.first_row = first;
    row.end_row = end;
    const fast_layer layer = fast_layer_of(*task, row);
    const NoDenormals fast;
    if (row.method == METHOD_DIRECT)
        task->kernels->first(TILE_1X4, &layer, nullptr);
    else
        task->kernels->run(row.op == OP_TRANSPCONV, tile_of(row), &layer);
}

void run_network(const network_task *task, reference_layer reference) { run_layers(task, 0, reference); }

void run_layers(const network_task *task, ptrdiff_t index, reference_layer reference)
{
    SRT_DCHECK(task->kernels && task->layers && task->n_layers > 0 && task->input && task->output);
    SRT_DCHECK(task->weights && SRT_ALIGNED(task->weights) && task->workspace && SRT_ALIGNED(task->workspace));
    const NoDenormals fast;
    for (ptrdiff_t i = index; i < task->n_layers;) {
        if (task->layers[i].method == METHOD_REFERENCE) {
            SRT_DCHECK(reference);
            reference(task, i++);
            continue;
        }
        const double start = task->profile ? seconds() : 0.0;
        const ptrdiff_t first = i;
        i += run_fast(*task, i);
        if (task->profile)
            task->profile[first * task->stages + task->fast_stage] += seconds() - start;
    }
}

void finish_softmax(const fast_kernels &kernels, float *estimates, size_t plane, size_t stems, const float *input,
                    size_t n)
{
    const NoDenormals fast;
    kernels.elementwise->softmax_mask(estimates, plane, stems, input, n);
}

} // namespace spleeterrt
