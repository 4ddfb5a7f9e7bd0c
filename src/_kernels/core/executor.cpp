// Runs the table of layers; see executor.h.
#include "executor.h"

#include "clock.h"

namespace {

const float *source(const network_task &task, long long place)
{
    return place == NETWORK_INPUT ? task.input : task.workspace + place;
}

int tile_of(const network_layer &row) { return row.method == METHOD_WINOGRAD4 ? 4 : 2; }

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
    l.pass_tiles = (int)row.pass_tiles;
    l.weights = task.weights + row.weights;
    l.bias = task.weights + row.bias;
    l.scale = task.weights + row.scale;
    l.shift = task.weights + row.shift;
    l.activation = (int)row.activation;
    l.scratch = task.workspace + row.cols;
    return l;
}

// Layers `index` and what goes with it in strips; how many that were.
ptrdiff_t run_fast(const network_task &task, ptrdiff_t index)
{
    const network_layer *row = task.layers + index;
    const fast_layer layer = fast_layer_of(task, row[0]);
    if (row->method == METHOD_DIRECT) {
        const fast_layer second = fast_layer_of(task, row[1]);
        task.kernels->first(tile_of(row[1]), &layer, &second);
        return 2;
    }
    if (index + 2 < task.n_layers && row[1].method == METHOD_DIRECT) {
        const fast_layer d6 = fast_layer_of(task, row[1]);
        const fast_mask mask = {task.weights + row[2].weights, task.weights + row[2].bias,
                                task.logits ? nullptr : task.input, task.output};
        task.kernels->last(tile_of(row[0]), &layer, &d6, &mask);
        return 3;
    }
    task.kernels->run(row->op == OP_TRANSPCONV, tile_of(*row), &layer);
    return 1;
}

} // namespace

void run_network(const network_task *task, reference_layer reference)
{
    for (ptrdiff_t i = 0; i < task->n_layers;) {
        if (task->layers[i].method == METHOD_REFERENCE) {
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
