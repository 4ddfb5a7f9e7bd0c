// The fast layers on random shapes, every buffer a heap block of its exact size, for AddressSanitizer and
// UndefinedBehaviorSanitizer (tests/sanitize.py builds and runs it), and against the definition of the layers.
//
//     sanitize_fast ROUNDS SEED
#include "fast/interface.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

using namespace spleeterrt;

namespace {

std::mt19937 generator;

int draw(int least, int most) { return std::uniform_int_distribution<int>(least, most)(generator); }

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

// `count` floats and not one more; `aligned`: from a cache line on, else from 4 bytes behind one.
class Floats {
    float *const block;

public:
    float *const at;
    const size_t count;

    explicit Floats(size_t n, bool aligned = true)
        : block(cache_lines((n + !aligned) * sizeof(float))), at(block + !aligned), count(n)
    {
        std::fill_n(at, n, nan_value); // what is read before it is written shows in the results
    }
    Floats(const Floats &) = delete;
    Floats &operator=(const Floats &) = delete;
    ~Floats() { give_back(block); }

    void normal(float deviation)
    {
        std::normal_distribution<float> distribution(0, deviation);
        for (size_t i = 0; i < count; i++)
            at[i] = distribution(generator);
    }
    std::vector<float> copy() const { return std::vector<float>(at, at + count); }

private:
#if defined(_WIN32)
    static float *cache_lines(size_t bytes) { return checked(_aligned_malloc(bytes, 64)); }
    static void give_back(float *memory) { _aligned_free(memory); }
#else
    static float *cache_lines(size_t bytes)
    {
        void *memory = nullptr;
        return checked(posix_memalign(&memory, 64, bytes) ? nullptr : memory);
    }
    static void give_back(float *memory) { free(memory); }
#endif
    static float *checked(void *memory)
    {
        if (!memory)
            std::abort();
        return static_cast<float *>(memory);
    }
};

void check(bool good, const char *what)
{
    if (!good) {
        std::fprintf(stderr, "sanitize_fast: %s\n", what);
        std::exit(1);
    }
}

void same(const std::vector<float> &before, const Floats &now, const char *what)
{
    for (size_t i = 0; i < now.count; i++)
        check(before[i] == now.at[i] || (std::isnan(before[i]) && std::isnan(now.at[i])), what);
}

// An image whose pixels are `ld` floats apart: from the first float of the first pixel to the last of the last.
struct Image {
    int h, w, c;
    ptrdiff_t ld, row;
    Floats floats;

    Image(int height, int width, int channels, ptrdiff_t pixel, ptrdiff_t gap, bool aligned = true)
        : h(height), w(width), c(channels), ld(pixel), row(width * pixel + gap),
          floats((size_t)((height - 1) * (width * pixel + gap) + (width - 1) * pixel + channels), aligned)
    {
    }
    float &operator()(int y, int x, int k) const { return floats.at[y * row + x * ld + k]; }
    void normal()
    {
        std::normal_distribution<float> distribution(0, 1);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                for (int k = 0; k < c; k++)
                    (*this)(y, x, k) = distribution(generator);
    }
    // Nothing but the pixels was written.
    void check_gaps() const
    {
        for (size_t i = 0; i < floats.count; i++)
            if ((ptrdiff_t)(i % row) >= w * ld || (ptrdiff_t)(i % row % ld) >= c)
                check(std::isnan(floats.at[i]), "written between pixels or rows");
    }
};

ptrdiff_t random_ld(int channels) { return channels * (ptrdiff_t)draw(1, 2); }
ptrdiff_t random_gap() { return draw(0, 1) * 16 * draw(1, 5); }

struct Norm {
    Floats bias, scale, shift;
    explicit Norm(int channels) : bias(channels), scale(channels), shift(channels)
    {
        bias.normal(0.3f);
        scale.normal(1);
        shift.normal(0.3f);
    }
};

double activated(double x, int kind)
{
    switch (kind) {
    case 1: return x > 0 ? x : 0.2 * x;
    case 2: return x > 0 ? x : 0;
    case 3: return x > 0 ? x : std::expm1(x);
    default: return x;
    }
}

// One channel of one output pixel by the definition, without bias.
double convolved(const Image &x, const float *kernel, int out_c, int y, int column, int o)
{
    double sum = 0;
    for (int ky = 0; ky < 5; ky++)
        for (int kx = 0; kx < 5; kx++) {
            const int iy = 2 * y - 1 + ky, ix = 2 * column - 1 + kx;
            if (iy < 0 || iy >= x.h || ix < 0 || ix >= x.w)
                continue;
            for (int k = 0; k < x.c; k++)
                sum += (double)x(iy, ix, k) * kernel[((ky * 5 + kx) * x.c + k) * out_c + o];
        }
    return sum;
}
template <typename F>
double transposed(const F &x, int h, int w, int in_c, const float *kernel, int out_c, int y, int column, int o)
{
    double sum = 0;
    for (int ky = 0; ky < 5; ky++)
        for (int kx = 0; kx < 5; kx++) {
            const int iy = y + 1 - ky, ix = column + 1 - kx;
            if (iy < 0 || ix < 0 || iy % 2 || ix % 2 || iy / 2 >= h || ix / 2 >= w)
                continue;
            for (int k = 0; k < in_c; k++)
                sum += x(iy / 2, ix / 2, k) * kernel[((ky * 5 + kx) * out_c + o) * in_c + k];
        }
    return sum;
}

void near(double got, double wanted, double tolerance, const char *what)
{
    if (!(std::fabs(got - wanted) <= tolerance * std::max(1.0, std::fabs(wanted)))) {
        std::fprintf(stderr, "sanitize_fast: %s: %.9g, expected %.9g\n", what, got, wanted);
        std::exit(1);
    }
}
constexpr double tolerance = 2e-5; // of one layer whose values are about 1; measured: a tenth

// How a layer's weights are kept.
struct Form {
    int plain = draw(0, 1), staged = plain && draw(0, 1), type = plain ? draw(WEIGHTS_FLOAT32, WEIGHTS_INT8) : 0;
};

// Of layers by rows.
Form rows_form()
{
    Form form;
    form.plain = 1, form.staged = 0, form.type = draw(WEIGHTS_FLOAT32, WEIGHTS_INT8);
    return form;
}

// Of the outer layers.
Form outer_form()
{
    Form form;
    form.plain = form.staged = form.type = 0;
    return form;
}

// kernel: what the packed weights stand for, in float32.
struct Weights {
    Form form;
    Floats kernel, packed;
    Weights(const fast_kernels &f, int decoder, int tile, int in_c, int out_c, const Form &kept = {})
        : form(kept), kernel((size_t)25 * in_c * out_c, false),
          packed(f.weight_floats(decoder, tile, form.plain, form.type, in_c, out_c))
    {
        const float size = std::sqrt((decoder ? 4.0f : 1.0f) / (25.0f * in_c));
        std::vector<uint16_t> halves(kernel.count);
        std::vector<int8_t> steps(kernel.count);
        std::vector<float> scales(out_c);
        for (float &scale : scales)
            scale = size * (float)draw(10, 20) / 1000;
        kernel.normal(size);
        for (size_t i = 0; i < kernel.count && form.type != WEIGHTS_FLOAT32; i++) {
            const int exponent = draw(0, 20) ? std::ilogb(size) - draw(0, 3) : -15, fraction = draw(0, 1023);
            const float magnitude = exponent < -14 ? std::ldexp((float)fraction, -24) // subnormal
                                                   : std::ldexp(1 + (float)fraction / 1024, exponent);
            const int negative = draw(0, 1);
            halves[i] = (uint16_t)(negative << 15 | (exponent + 15) << 10 | fraction);
            steps[i] = (int8_t)draw(-128, 127);
            kernel.at[i] = form.type == WEIGHTS_INT8 ? (float)steps[i] * scales[decoder ? i / in_c % out_c : i % out_c]
                                                     : (negative ? -magnitude : magnitude);
        }
        const std::vector<float> before = kernel.copy();
        Floats scratch(f.prepare_scratch_floats(decoder, tile, form.plain, in_c, out_c));
        const void *given[] = {kernel.at, halves.data(), steps.data()};
        f.prepare(decoder, tile, form.plain, form.type, in_c, out_c, given[form.type], scales.data(), packed.at,
                  scratch.count ? scratch.at : nullptr);
        same(before, kernel, "prepare wrote its input");
    }
};

fast_layer layer_of(const Image &src, int out_c, Image *dst, Image *normed, const float *weights, const Norm &norm,
                    int activation, int pass_tiles, const Form &form, float *scratch)
{
    fast_layer l = {};
    l.h = src.h, l.w = src.w, l.in_c = src.c, l.out_c = out_c;
    l.src = src.floats.at, l.src_ld = src.ld, l.src_row = src.row;
    if (dst)
        l.dst = dst->floats.at, l.dst_ld = dst->ld, l.dst_row = dst->row;
    if (normed)
        l.normed = normed->floats.at, l.normed_ld = normed->ld, l.normed_row = normed->row;
    l.pass_tiles = pass_tiles, l.plain = form.plain, l.staged = form.staged, l.weight_type = form.type,
    l.weights = weights;
    l.bias = norm.bias.at, l.scale = norm.scale.at, l.shift = norm.shift.at;
    l.activation = activation, l.scratch = scratch;
    return l;
}

struct Range {
    int first, end;
};
// All of `count` rows, or some.
Range random_rows(int count)
{
    if (draw(0, 1))
        return {0, count};
    const int first = draw(0, count - 1);
    return {first, draw(first + 1, count)};
}
void want(fast_layer &l, const Range &rows) { l.first_row = rows.first, l.end_row = rows.end; }

int random_pass() { return draw(0, 2) ? 16 * draw(1, 2) : draw(1, 40); }

int rows_of(int tile) { return tile == TILE_2X4 ? 2 : tile; }    // along time
int filters_of(int tile) { return tile == TILE_2X4 ? 4 : tile; } // the tile whose weights it takes
int decoder_tile() { return draw(0, 2) ? 2 * draw(1, 2) : (int)TILE_2X4; }

void winograd(const fast_kernels &f)
{
    const int decoder = draw(0, 1), by_rows = draw(0, 2) == 0;
    const int tile = by_rows ? (int)TILE_1X4 : decoder ? decoder_tile() : 2 * draw(1, 2), tile_rows = rows_of(tile);
    const int in_c = 16 * draw(1, 5), out_c = 16 * draw(1, 5), pass_tiles = random_pass();
    const int h = decoder ? draw(1, 13) : 2 * draw(1, 13), w = decoder ? draw(1, 20) : 2 * draw(1, 20);
    const int out_h = decoder ? 2 * h : h / 2, out_w = decoder ? 2 * w : w / 2;
    Image src(h, w, in_c, random_ld(in_c), random_gap());
    Image dst(out_h, out_w, out_c, random_ld(out_c), random_gap());
    Image normed(out_h, out_w, out_c, random_ld(out_c), random_gap());
    const bool with_normed = !decoder && draw(0, 3);
    src.normal();
    const Norm norm(out_c);
    const Weights weights(f, decoder, filters_of(tile), in_c, out_c, tile == TILE_1X4 ? rows_form() : Form());
    const int activation = draw(0, 3), type = weights.form.type;
    const Range rows = random_rows(decoder ? h : h / 2); // of the grid
    Floats scratch(
        tile == TILE_1X4
            ? f.rows_scratch_floats(decoder, rows.end - rows.first, in_c, out_c, pass_tiles, type)
            : f.scratch_floats(decoder, tile, w, src.ld, in_c, out_c, pass_tiles, weights.form.staged, type));
    const std::vector<float> source = src.floats.copy(), packed = weights.packed.copy();
    fast_layer l = layer_of(src, out_c, &dst, with_normed ? &normed : nullptr, weights.packed.at, norm, activation,
                            pass_tiles, weights.form, scratch.at);
    want(l, rows);
    f.run(decoder, tile, &l);
    // Outputs of the rows of tiles; the others must not be touched.
    const int scale = decoder ? 2 : 1, first_out = rows.first / tile_rows * tile_rows * scale;
    const int end_out = std::min((rows.end + tile_rows - 1) / tile_rows * tile_rows * scale, out_h);
    same(source, src.floats, "a layer wrote its input");
    same(packed, weights.packed, "a layer wrote its weights");
    dst.check_gaps();
    normed.check_gaps();
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x++)
            for (int o = 0; o < out_c; o++) {
                const double value = dst(y, x, o);
                if (y < first_out || y >= end_out) {
                    check(std::isnan(value) && std::isnan(normed(y, x, o)), "rows that nobody wants");
                    continue;
                }
                check(std::isfinite(value), "not finite");
                if (draw(0, out_h * out_w * out_c) > 200) // some of them
                    continue;
                const double factor = norm.scale.at[o], shift = norm.shift.at[o], bias = norm.bias.at[o];
                if (decoder) {
                    auto at = [&](int iy, int ix, int k) { return (double)src(iy, ix, k); };
                    const double sum = transposed(at, h, w, in_c, weights.kernel.at, out_c, y, x, o);
                    near(value, activated(sum + bias, activation) * factor + shift,
                         tolerance * std::max(1.0, std::fabs(factor)), "transposed");
                } else {
                    const double raw = convolved(src, weights.kernel.at, out_c, y, x, o) + bias;
                    near(value, raw, tolerance, "convolution");
                    if (with_normed)
                        near(normed(y, x, o), activated(raw * factor + shift, activation),
                             tolerance * std::max(1.0, std::fabs(factor)), "normed"); // it scales the error, too
                }
            }
    if (tile != TILE_1X4)
        return;
    const std::vector<float> together = dst.floats.copy(), normed_together = normed.floats.copy();
    for (int y = rows.first; y < rows.end; y++) {
        want(l, {y, y + 1});
        f.run(decoder, tile, &l);
    }
    same(together, dst.floats, "rows one by one");
    same(normed_together, normed.floats, "normed rows one by one");
}

void first(const fast_kernels &f)
{
    const int tile = 2 * draw(1, 2), pass_tiles = random_pass();
    const int h = 4 * draw(1, 20), w = 64 * draw(1, 5), c = 16 * draw(1, 3), out_c = 16 * draw(1, 3);
    const int activation = draw(0, 3), ring = f.first_ring_rows(tile);
    Image input(h, w, 2, 2, 0, false);
    input.normal();
    Floats kernel((size_t)50 * c, false);
    kernel.normal(0.14f);
    Floats packed(f.first_weight_floats(c));
    f.first_prepare(c, kernel.at, packed.at);
    const Norm norm(c), second_norm(out_c);
    Image raw(h / 2, w / 2, c, random_ld(c), random_gap());
    Image kept(ring, w / 2, c, c, random_gap());
    Image dst(h / 4, w / 4, out_c, random_ld(out_c), random_gap());
    Image normed(h / 4, w / 4, out_c, random_ld(out_c), random_gap());
    const Weights weights(f, 0, tile, c, out_c);
    Floats scratch(f.first_scratch_floats(w)), second_scratch(f.scratch_floats(0, tile, w / 2, c, c, out_c, pass_tiles,
                                                                               weights.form.staged, weights.form.type));
    fast_layer l = layer_of(input, c, &raw, &kept, packed.at, norm, activation, 16, outer_form(), scratch.at);
    l.dst_ring = ring;
    fast_layer second = layer_of(kept, out_c, &dst, &normed, weights.packed.at, second_norm, activation, pass_tiles,
                                 weights.form, second_scratch.at);
    second.h = h / 2;
    second.src_ring = ring;
    const Range rows = random_rows(h / 4); // of e2; e1's are those that their tiles read, and maybe others
    want(second, rows);
    const int first_out = rows.first / tile * tile, end_out = std::min((rows.end + tile - 1) / tile * tile, h / 4);
    want(l, {std::max(2 * first_out - 1 - draw(0, 3), 0), std::min(2 * end_out + 2 + draw(0, 3), h / 2)});
    const std::vector<float> source = input.floats.copy(), before = packed.copy();
    f.first(tile, &l, &second);
    same(source, input.floats, "e1 wrote its input");
    same(before, packed, "e1 wrote its weights");
    for (const Image *image : {&raw, &kept, &dst, &normed})
        image->check_gaps();
    Image between(h / 2, w / 2, c, c, 0);
    for (int y = 0; y < h / 2; y++)
        for (int x = 0; x < w / 2; x++)
            for (int o = 0; o < c; o++) {
                if (y < l.first_row || y >= l.end_row) {
                    check(std::isnan(raw(y, x, o)), "rows of e1 that nobody wants");
                    continue;
                }
                check(std::isfinite(raw(y, x, o)), "e1 is not finite");
                if (draw(0, h * w * c / 4) < 200)
                    near(raw(y, x, o), convolved(input, kernel.at, c, y, x, o) + norm.bias.at[o], tolerance, "e1");
                between(y, x, o) = (float)activated(raw(y, x, o) * norm.scale.at[o] + norm.shift.at[o], activation);
            }
    for (int y = 0; y < h / 4; y++)
        for (int x = 0; x < w / 4; x++)
            for (int o = 0; o < out_c; o++) {
                if (y < first_out || y >= end_out) {
                    check(std::isnan(dst(y, x, o)) && std::isnan(normed(y, x, o)), "rows of e2 that nobody wants");
                    continue;
                }
                check(std::isfinite(dst(y, x, o)) && std::isfinite(normed(y, x, o)), "e2 is not finite");
                if (draw(0, h * w * out_c / 16) < 200)
                    near(dst(y, x, o), convolved(between, weights.kernel.at, out_c, y, x, o) + second_norm.bias.at[o],
                         tolerance, "e2 behind e1");
            }
}

// In no strip: its rows lie in a ring of all of them, or of fewer.
void first_alone(const fast_kernels &f)
{
    const int h = 2 * draw(1, 40), w = 64 * draw(1, 5), c = 16 * draw(1, 3), activation = draw(0, 3);
    const Range rows = random_rows(h / 2);
    const int ring = draw(0, 1) ? h / 2 : draw(1, h / 2);
    Image input(h, w, 2, 2, 0, false);
    input.normal();
    Floats kernel((size_t)50 * c, false);
    kernel.normal(0.14f);
    Floats packed(f.first_weight_floats(c));
    f.first_prepare(c, kernel.at, packed.at);
    const Norm norm(c);
    Image raw(h / 2, w / 2, c, random_ld(c), random_gap());
    Image normed(ring, w / 2, c, random_ld(c), random_gap());
    Floats scratch(f.first_scratch_floats(w));
    fast_layer l = layer_of(input, c, &raw, &normed, packed.at, norm, activation, 16, outer_form(), scratch.at);
    l.dst_ring = ring;
    want(l, rows);
    const std::vector<float> source = input.floats.copy(), before = packed.copy();
    f.first(TILE_1X4, &l, nullptr);
    same(source, input.floats, "e1 alone wrote its input");
    same(before, packed, "e1 alone wrote its weights");
    raw.check_gaps();
    normed.check_gaps();
    std::vector<float> kept(ring, nan_value); // which row a place of the ring holds
    for (int y = rows.first; y < rows.end; y++)
        kept[y % ring] = (float)y;
    for (int y = 0; y < h / 2; y++)
        for (int x = 0; x < w / 2; x++)
            for (int o = 0; o < c; o++) {
                const double value = raw(y, x, o);
                if (y < rows.first || y >= rows.end) {
                    check(std::isnan(value), "rows of e1 alone that nobody wants");
                    continue;
                }
                check(std::isfinite(value), "e1 alone is not finite");
                if (draw(0, h * w * c / 4) < 200)
                    near(value, convolved(input, kernel.at, c, y, x, o) + norm.bias.at[o], tolerance, "e1 alone");
                if (kept[y % ring] == (float)y)
                    near(normed(y % ring, x, o), activated(value * norm.scale.at[o] + norm.shift.at[o], activation),
                         tolerance * std::max(1.0, std::fabs((double)norm.scale.at[o])), "e1 alone, normed");
            }
    for (int place = 0; place < ring; place++)
        check(!std::isnan(kept[place]) || std::isnan(normed(place, 0, 0)), "a row of the ring that nobody wants");
    // A row's bits are the same whichever are computed with it.
    const std::vector<float> together = raw.floats.copy();
    for (int y = rows.first; y < rows.end; y++) {
        want(l, {y, y + 1});
        f.first(TILE_1X4, &l, nullptr);
    }
    same(together, raw.floats, "e1's rows one by one");
}

void last(const fast_kernels &f)
{
    const int tile = decoder_tile(), pass_tiles = random_pass();
    const int h = draw(1, 20), w = 16 * draw(1, 5), in_c = 16 * draw(1, 3), c = 16 * draw(1, 3); // of d5
    const int skip_c = 16 * draw(1, 3), activation = draw(0, 3), ring = f.last_ring_rows(tile);
    Image source(h, w, in_c, random_ld(in_c), random_gap());
    Image skip(2 * h, 2 * w, skip_c, random_ld(skip_c), random_gap());
    Image kept(ring, 2 * w, c, c, random_gap());
    source.normal();
    skip.normal();
    const Weights weights(f, 1, filters_of(tile), in_c, c);
    const Norm norm(c), d6_norm(1);
    Floats kernel((size_t)25 * (skip_c + c), false);
    kernel.normal(0.4f / std::sqrt((float)(skip_c + c)));
    Floats packed(f.last_weight_floats(skip_c + c));
    f.last_prepare(skip_c + c, kernel.at, packed.at);
    Floats scratch(
        f.scratch_floats(1, tile, w, source.ld, in_c, c, pass_tiles, weights.form.staged, weights.form.type));
    Floats d6_scratch(f.last_scratch_floats(2 * w, skip_c + c));
    Floats mask_weights(32, false), mask_bias(2, false);
    mask_weights.normal(0.3f);
    mask_bias.normal(0.3f);
    Image input(4 * h, 4 * w, 2, 2, 0, false);
    const Range rows = random_rows(4 * h);
    Image out(rows.end - rows.first, 4 * w, 2, 2, 0, draw(0, 1)); // aligned: streamed past the caches
    input.normal();
    fast_layer d5 =
        layer_of(source, c, &kept, nullptr, weights.packed.at, norm, activation, pass_tiles, weights.form, scratch.at);
    d5.dst_ring = ring;
    fast_layer d6 =
        layer_of(skip, 1, nullptr, nullptr, packed.at, d6_norm, activation, 16, outer_form(), d6_scratch.at);
    d6.in_c = skip_c + c;
    const bool logits = draw(0, 1);
    const fast_mask mask = {mask_weights.at, mask_bias.at, logits ? nullptr : input.floats.at,
                            out.floats.at,   rows.first,   rows.end};
    // Four taps every second row; two rows of d6, of d5 to a row of their grids, and one more on either side.
    want(d6, {std::max(rows.first - 3, 0) / 2, (std::min(rows.end + 3, 4 * h) + 1) / 2});
    want(d5, {std::max(d6.first_row - 1, 0) / 2, (std::min(d6.end_row + 1, 2 * h) + 1) / 2});
    f.last(tile, &d5, &d6, &mask);
    kept.check_gaps();
    // The definition: d5 whole, d6 and the mask where they are looked at.
    const bool whole = (ptrdiff_t)h * w * in_c * c < 60000;
    Image between(2 * h, 2 * w, c, c, 0);
    if (whole)
        for (int y = 0; y < 2 * h; y++)
            for (int x = 0; x < 2 * w; x++)
                for (int o = 0; o < c; o++) {
                    auto at = [&](int iy, int ix, int k) { return (double)source(iy, ix, k); };
                    const double sum = transposed(at, h, w, in_c, weights.kernel.at, c, y, x, o) + norm.bias.at[o];
                    between(y, x, o) = (float)(activated(sum, activation) * norm.scale.at[o] + norm.shift.at[o]);
                }
    auto both = [&](int y, int x, int k) { return (double)(k < skip_c ? skip(y, x, k) : between(y, x, k - skip_c)); };
    auto d6_at = [&](int y, int x) {
        if (y < 0 || x < 0 || y >= 4 * h || x >= 4 * w)
            return 0.0;
        const double sum = transposed(both, 2 * h, 2 * w, skip_c + c, kernel.at, 1, y, x, 0) + d6_norm.bias.at[0];
        return activated(sum, activation) * d6_norm.scale.at[0] + d6_norm.shift.at[0];
    };
    for (int y = rows.first; y < rows.end; y++)
        for (int x = 0; x < 4 * w; x++) {
            for (int o = 0; o < 2; o++)
                check(std::isfinite(out(y - rows.first, x, o)), "the mask is not finite");
            const bool corner = (y < 4 || y >= 4 * h - 4) && (x < 2 || x >= 4 * w - 2);
            if (!whole || !(corner || draw(0, h * w) < 2))
                continue;
            for (int o = 0; o < 2; o++) {
                double logit = mask_bias.at[o];
                for (int ky = 0; ky < 4; ky++)
                    for (int kx = 0; kx < 4; kx++)
                        logit += d6_at(y - 3 + 2 * ky, x - 3 + 2 * kx) * mask_weights.at[(ky * 4 + kx) * 2 + o];
                near(out(y - rows.first, x, o), logits ? logit : input(y, x, o) / (1 + std::exp(-logit)), 2 * tolerance,
                     "d5, d6 and the mask");
            }
        }
}

} // namespace

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
    const unsigned seed = argc > 2 ? (unsigned)std::atoi(argv[2]) : 0;
    bool any = false;
    for (const char *isa : {"avx512", "avx2", "neon", "generic"}) {
        const fast_kernels *f = fast_kernels_for(isa);
        if (!f)
            continue;
        any = true;
        for (int round = 0; round < rounds; round++) {
            generator.seed(seed + (unsigned)round);
            for (int i = 0; i < 4; i++)
                winograd(*f);
            first(*f);
            first_alone(*f);
            last(*f);
        }
        for (int tile : {2, 4}) {
            const int n = tile + 2;
            std::vector<double> data(n * n), output(tile * n), filter(n * 3), float_filter(n * 3);
            f->matrices(tile, data.data(), output.data(), filter.data(), float_filter.data());
        }
        std::printf("%s: %d rounds of 4 Winograd layers, e1 with e2 and alone, d5 with d6 and the mask\n", isa, rounds);
    }
    check(any, "no instruction set");
}
