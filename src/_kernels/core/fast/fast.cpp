// The fast layers of one instruction set: compiled once per set with FAST_ISA naming it.
#include "outer.h"
#include "winograd.h"

namespace FAST_ISA {
namespace {

#define BY_TILE(decoder, tile, call)                                                                          \
    if (decoder)                                                                                             \
        return tile == 4 ? call<4, true> : call<2, true>;                                                    \
    return tile == 4 ? call<4, false> : call<2, false>;

template <int m, bool decoder> size_t weight_floats_of(int in_c, int out_c)
{
    return Plan<m, decoder>(in_c, out_c).offsets().total_weights;
}
template <int m, bool decoder> size_t scratch_floats_of(int in_c, int out_c)
{
    return Plan<m, decoder>(in_c, out_c).offsets().scratch;
}

using SizeOf = size_t (*)(int, int);
SizeOf choose_weight_floats(int decoder, int tile) { BY_TILE(decoder, tile, weight_floats_of) }
SizeOf choose_scratch_floats(int decoder, int tile) { BY_TILE(decoder, tile, scratch_floats_of) }
using Prepare = void (*)(int, int, const float *, float *);
Prepare choose_prepare(int decoder, int tile) { BY_TILE(decoder, tile, FAST_ISA::prepare) }
using Run = void (*)(const fast_layer &);
Run choose_run(int decoder, int tile) { BY_TILE(decoder, tile, run_activation) }
#undef BY_TILE

size_t weight_floats(int decoder, int tile, int in_c, int out_c)
{
    return choose_weight_floats(decoder, tile)(in_c, out_c);
}
size_t scratch_floats(int decoder, int tile, int in_c, int out_c)
{
    return choose_scratch_floats(decoder, tile)(in_c, out_c);
}
void prepare_weights(int decoder, int tile, int in_c, int out_c, const float *kernel, float *weights)
{
    choose_prepare(decoder, tile)(in_c, out_c, kernel, weights);
}
void run(int decoder, int tile, const fast_layer *layer) { choose_run(decoder, tile)(*layer); }

template <int m> void matrices_of(double *data, double *output, double *filter)
{
    using W = Winograd<m>;
    constexpr int n = W::n;
    for (int column = 0; column < n; column++) {
        Vec unit[n] = {}, at_points[n], y[m];
        unit[column] = broadcast(1.0f);
        W::data(unit, at_points);
        W::template output<true>(unit, y);
        for (int row = 0; row < n; row++)
            data[row * n + column] = at_points[row][0];
        for (int row = 0; row < m; row++)
            output[row * n + column] = y[row][0];
        for (int k = 0; k < 3; k++)
            filter[column * 3 + k] = filter_factor<m>(column, k);
    }
}
void matrices(int tile, double *data, double *output, double *filter)
{
    (tile == 4 ? matrices_of<4> : matrices_of<2>)(data, output, filter);
}

void first(const fast_layer *l)
{
    switch (l->activation) {
    case LeakyRelu: return run_first<LeakyRelu>(*l);
    case Relu: return run_first<Relu>(*l);
    case Elu: return run_first<Elu>(*l);
    default: return run_first<None>(*l);
    }
}
void last_up(const fast_layer *l)
{
    switch (l->activation) {
    case LeakyRelu: return run_last_up<LeakyRelu>(*l);
    case Relu: return run_last_up<Relu>(*l);
    case Elu: return run_last_up<Elu>(*l);
    default: return run_last_up<None>(*l);
    }
}

} // namespace

#define TEXT(x) #x
#define NAME(x) TEXT(x)
extern const fast_kernels kernels = {NAME(FAST_ISA), weight_floats, prepare_weights, scratch_floats, run, matrices,
                                     first_scratch_floats, first, last_up_scratch_floats, last_up, run_mask};

} // namespace FAST_ISA
