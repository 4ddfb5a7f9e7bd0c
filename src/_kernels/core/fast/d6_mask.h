// d6 and the mask, row by row behind d5: [h, w, in_c] -> [2h, 2w] -> [2h, 2w, 2].
//
// d6 has one channel out, so its vectors run along frequency: Winograd along frequency (4 inputs, 8 outputs per
// tile), the taps along time directly. The mask is a 4x4 convolution of dilation 2 with two outputs: direct.
#ifndef SPLEETERRT_FAST_D6_MASK_H
#define SPLEETERRT_FAST_D6_MASK_H

#include "fast/interface.h"
#include "fast/winograd.h"

namespace spleeterrt::SRT_ISA {

class LastLayers {
    using Transform = Winograd<4>;
    static constexpr int n = Transform::n;
    static constexpr int margin = block;       // around rows: at least what a neighbouring tile reads
    static constexpr int kept = 3, slots = 16; // transformed input rows; output rows of d6
    // Points in two parts, so that the sums of one part (3 points, 4 outputs) stay in registers.
    static constexpr int part_points = n / 2;
    static constexpr int max_groups = vector_bytes == 64 ? 2 : 1; // vectors of tiles at a time

    const fast_layer &layer; // d6; layer.src: skip [h, w, skip_c], layer.dst unused
    const fast_mask &mask;
    const fast_layer &d5; // whose output is a ring
    const int skip_c, groups;
    const int out_stride;
    float *planes;      // [16][4][margin, groups * lanes, margin]: pixel r of every tile, one block of channels
    float *transformed; // [kept][groups][in_c][n][lanes]
    float *rows;        // [slots][out_stride], rows of d6
    float *zeros;       // a zero row of either kind
    int first_row;      // of d6 that is wanted
    int next_row, next_mask;

    static int groups_of(int w) { return (w / 4 + lanes - 1) / lanes; }
    static int out_stride_of(int w) { return groups_of(w) * lanes * 8 + 2 * margin; }
    static size_t planes_floats(int w) { return (size_t)block * 4 * (groups_of(w) * lanes + 2 * margin); }
    static size_t row_floats(int w, int in_c) { return (size_t)groups_of(w) * in_c * n * lanes; }
    static size_t zero_floats(int w, int in_c) { return max(row_floats(w, in_c), (size_t)out_stride_of(w)); }

public:
    // Per channel and part of the points: (row before, at, behind) x 3 points x (even, odd row) x (even, odd
    // column), without the taps that are not there.
    static constexpr int part_weights(int part) { return 5 * (2 * part_points - (part == 1)); }
    static size_t weight_floats(int in_c) { return (size_t)in_c * (part_weights(0) + part_weights(1)); }
    static size_t scratch_floats(int w, int in_c)
    {
        return planes_floats(w) + kept * row_floats(w, in_c) + (size_t)slots * out_stride_of(w) + zero_floats(w, in_c);
    }

    LastLayers(const fast_layer &d6, const fast_mask &mask_layer, const fast_layer &layer_before)
        : layer(d6), mask(mask_layer), d5(layer_before), skip_c(d6.in_c - layer_before.out_c), groups(groups_of(d6.w)),
          out_stride(out_stride_of(d6.w)), planes(d6.scratch), transformed(planes + planes_floats(d6.w)),
          rows(transformed + kept * row_floats(d6.w, d6.in_c)), zeros(rows + (ptrdiff_t)slots * out_stride),
          first_row(d6.first_row), next_row(max(d6.first_row - 1, 0)), next_mask(mask_layer.first_row)
    {
        SRT_DCHECK(layer.in_c % block == 0 && skip_c >= 0 && skip_c % block == 0 && layer.w % 32 == 0);
        SRT_DCHECK(layer.src && layer.weights && layer.scratch && d5.dst && d5.dst_ring > 0);
        SRT_DCHECK(0 <= layer.first_row && layer.first_row <= layer.end_row && layer.end_row <= layer.h);
        SRT_DCHECK(mask.weights && mask.bias && mask.out);
        SRT_DCHECK(0 <= mask.first_row && mask.first_row <= mask.end_row && mask.end_row <= 2 * layer.h);
        memset(planes, 0, planes_floats(layer.w) * sizeof(float));
        memset(rows, 0, ((size_t)slots * out_stride + zero_floats(layer.w, layer.in_c)) * sizeof(float));
    }

    // Transposed kernel [5][5][1][in_c] -> as `accumulate` reads it.
    static void prepare(int in_c, const float *kernel, float *weights)
    {
        static constexpr int odd_taps[3] = {4, 2, 0}, even_taps[3] = {3, 1, -1};
        for (int part = 0; part < 2; part++)
            for (int c = 0; c < in_c; c++)
                for (int dy = 0; dy < 3; dy++)
                    for (int q = part * part_points; q < (part + 1) * part_points; q++)
                        for (int odd_row = dy == 2; odd_row < 2; odd_row++)
                            for (int odd_column = q == n - 1; odd_column < 2; odd_column++) {
                                const int ky = (odd_row ? odd_taps : even_taps)[dy];
                                double sum = 0;
                                for (int k = 0; k < 3; k++) {
                                    const int kx = (odd_column ? odd_taps : even_taps)[k];
                                    if (kx >= 0)
                                        sum += filter_factor<4>(q, k) * kernel[(ky * 5 + kx) * in_c + c];
                                }
                                *weights++ = (float)sum;
                            }
    }

    // The first mask row that is not finished without d6's input row y.
    static int first_mask_row(int y) { return 2 * y - 5; }
    // Begins anew, with the mask's row `mask_row` or its first one.
    void begin(int mask_row)
    {
        next_mask = max(mask_row, mask.first_row);
        first_row = max((next_mask - 3) / 2, layer.first_row); // a mask row takes d6's from 3 before to 3 behind it
        next_row = max(first_row - 1, 0);
    }
    int first_input() const { return next_row; }

    // Takes d6's input rows up to `until`, which must be in the strip; writes all wanted rows of the mask that they
    // finish.
    void run(int until)
    {
        until = min(until, min(layer.end_row + 1, layer.h));
        for (; next_row < until; next_row++) {
            transform_row(next_row);
            if (next_row > first_row)
                finish_row(next_row - 1);
            masks(2 * next_row - 3);
        }
        if (until == layer.h && until == layer.end_row) { // the last row: none is behind it
            finish_row(layer.h - 1);
            masks(2 * layer.h);
        }
    }

private:
    const float *transformed_row(int y) const
    {
        return y < 0 || y >= layer.h ? zeros : transformed + y % kept * row_floats(layer.w, layer.in_c);
    }

    __attribute__((noinline)) void transform_row(int y)
    {
        float *out = transformed + y % kept * row_floats(layer.w, layer.in_c);
        for (int c = 0; c < layer.in_c; c += block) {
            const bool from_skip = c < skip_c;
            const float *row =
                from_skip ? layer.src + y * layer.src_row + c : d5.dst + y % d5.dst_ring * d5.dst_row + c - skip_c;
            transform_block(row, from_skip ? layer.src_ld : d5.dst_ld, out + (ptrdiff_t)c * n * lanes);
        }
    }
    // 16 channels of a row.
    ALWAYS_INLINE void transform_block(const float *row, ptrdiff_t pixel, float *out)
    {
        const ptrdiff_t plane = groups * lanes + 2 * margin;
        for (int g = 0; g < groups; g++)
            for (int r = 0; r < 4; r++)
                for (int c = 0; c < block; c += lanes) {
                    Vec square[lanes];
#pragma GCC unroll 16
                    for (int i = 0; i < lanes; i++) {
                        const int x = (g * lanes + i) * 4 + r;
                        square[i] = x < layer.w ? load(row + x * pixel + c) : Vec{};
                    }
                    transpose(square);
#pragma GCC unroll 16
                    for (int i = 0; i < lanes; i++)
                        store(planes + ((c + i) * 4 + r) * plane + margin + g * lanes, square[i]);
                }
        for (int g = 0; g < groups; g++)
            for (int c = 0; c < block; c++) {
                const float *p = planes + (ptrdiff_t)c * 4 * plane + margin + g * lanes;
                const Vec d[n] = {load(p + 3 * plane - 1), load(p),    load(p + plane), load(p + 2 * plane),
                                  load(p + 3 * plane),     load(p + 1)};
                Vec values[n];
                Transform::data(d, values);
                float *to = out + ((ptrdiff_t)g * layer.in_c + c) * n * lanes;
#pragma GCC unroll 8
                for (int q = 0; q < n; q++)
                    store(to + q * lanes, values[q]);
            }
    }

    // Products of one part of the points, summed over channels and rows: sums[point][even, odd row][even, odd
    // column][vector of tiles]. Even rows have no tap behind; even columns none at infinity.
    template <int part, int count>
    static __attribute__((noinline)) void accumulate(const float *const (&sources)[3], ptrdiff_t group_stride, int in_c,
                                                     const float *weights, Vec (*sums)[2][2][max_groups])
    {
        Vec sum[part_points][2][2][count];
#pragma GCC unroll 32
        for (int i = 0; i < part_points * 4 * count; i++)
            (&sum[0][0][0][0])[i] = Vec{};
        for (int c = 0; c < in_c; c++) {
#pragma GCC unroll 3
            for (int dy = 0; dy < 3; dy++) {
                const float *x = sources[dy] + ((ptrdiff_t)c * n + part * part_points) * lanes;
#pragma GCC unroll 3
                for (int q = 0; q < part_points; q++) {
                    Vec value[count];
#pragma GCC unroll 2
                    for (int g = 0; g < count; g++)
                        value[g] = load(x + q * lanes + g * group_stride);
#pragma GCC unroll 2
                    for (int odd_row = 0; odd_row < 2; odd_row++)
#pragma GCC unroll 2
                        for (int odd_column = 0; odd_column < 2; odd_column++) {
                            if ((dy == 2 && !odd_row) || (part * part_points + q == n - 1 && !odd_column))
                                continue;
                            const float weight = *weights++;
#pragma GCC unroll 2
                            for (int g = 0; g < count; g++) {
                                Vec &s = sum[q][odd_row][odd_column][g];
                                s = multiply_add(weight, value[g], s);
                            }
                        }
                }
            }
        }
        for (int q = 0; q < part_points; q++)
            for (int odd_row = 0; odd_row < 2; odd_row++)
                for (int odd_column = 0; odd_column < 2; odd_column++)
                    for (int g = 0; g < count; g++)
                        sums[q][odd_row][odd_column][g] = sum[q][odd_row][odd_column][g];
    }

    // The two output rows of input row y.
    void finish_row(int y)
    {
        const float *sources[3] = {transformed_row(y - 1), transformed_row(y), transformed_row(y + 1)};
        int g = 0;
        for (; g + max_groups <= groups; g += max_groups)
            group<max_groups>(sources, y, g);
        for (; g < groups; g++)
            group<1>(sources, y, g);
        for (int odd = 0; odd < 2; odd++) // the margin that partial groups overwrote
            memset(d6_row(2 * y + odd) + 2 * layer.w, 0, (size_t)(out_stride - margin - 2 * layer.w) * sizeof(float));
    }
    float *d6_row(int y) const { return rows + (ptrdiff_t)(y % slots) * out_stride + margin; }

    template <int count> void group(const float *const (&all)[3], int y, int g)
    {
        const ptrdiff_t group_stride = (ptrdiff_t)layer.in_c * n * lanes;
        const float *sources[3] = {all[0], all[1], all[2]};
        for (int dy = 0; dy < 3; dy++)
            sources[dy] += g * group_stride;
        Vec sums[n][2][2][max_groups];
        accumulate<0, count>(sources, group_stride, layer.in_c, layer.weights, sums);
        accumulate<1, count>(sources, group_stride, layer.in_c, layer.weights + (ptrdiff_t)layer.in_c * part_weights(0),
                             sums + part_points);
        with_activation(layer.activation, [&](auto kind) { outputs<decltype(kind)::value, count>(sums, y, g); });
    }

    template <int kind, int count> ALWAYS_INLINE void outputs(Vec (&sums)[n][2][2][max_groups], int y, int g)
    {
        const float bias = layer.bias[0], scale = layer.scale[0], shift = layer.shift[0];
        for (int odd_row = 0; odd_row < 2; odd_row++)
            for (int k = 0; k < count; k++) {
                Vec z[8]; // output columns 8 i + j of tile i
                for (int odd_column = 0; odd_column < 2; odd_column++) {
                    Vec x[n], out[4];
#pragma GCC unroll 8
                    for (int q = 0; q < n; q++)
                        x[q] = sums[q][odd_row][odd_column][k];
                    if (odd_column)
                        Transform::output<true>(x, out);
                    else
                        Transform::output<false>(x, out);
#pragma GCC unroll 4
                    for (int r = 0; r < 4; r++)
                        z[2 * r + odd_column] = activate<kind>(out[r] + bias) * scale + shift;
                }
                interleave(z);
                float *out = d6_row(2 * y + odd_row) + (ptrdiff_t)(g + k) * lanes * 8;
#pragma GCC unroll 8
                for (int i = 0; i < 8; i++)
                    store(out + i * lanes, z[i]);
            }
    }
    // z[j] lane i -> position 8 i + j: three rounds of the perfect shuffle.
    static ALWAYS_INLINE void interleave(Vec (&z)[8])
    {
#pragma GCC unroll 3
        for (int round = 0; round < 3; round++) {
            Vec next[8];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                next[2 * i] = zip_low(z[i], z[i + 4]);
                next[2 * i + 1] = zip_high(z[i], z[i + 4]);
            }
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++)
                z[i] = next[i];
        }
    }

    // The mask's rows up to `until`, whose d6 rows (up to until + 2) are there.
    __attribute__((noinline)) void masks(int until)
    {
        until = min(until, mask.end_row);
        for (; next_mask < until; next_mask++)
            if (mask.input)
                mask_row<true>(next_mask);
            else
                mask_row<false>(next_mask);
    }
    // Four taps every second sample each way, three zeros around (TF SAME for an extent of 7).
    template <bool times_input> ALWAYS_INLINE void mask_row(int y)
    {
        constexpr int count = 2, width = count * lanes; // 2w is a multiple of 64
        const float *taps[4];
        for (int k = 0; k < 4; k++) {
            const int from = y - 3 + 2 * k;
            taps[k] = (from < 0 || from >= 2 * layer.h ? zeros + margin : d6_row(from)) - 3;
        }
        const ptrdiff_t row = 2 * layer.w * 2, first = y * row, first_out = (y - mask.first_row) * row;
        const bool past_caches = (uintptr_t)mask.out % vector_bytes == 0;
        for (int x = 0; x < 2 * layer.w; x += width) {
            Vec sum[2][count];
            for (int o = 0; o < 2; o++)
                for (int g = 0; g < count; g++)
                    sum[o][g] = broadcast(mask.bias[o]);
#pragma GCC unroll 4
            for (int ky = 0; ky < 4; ky++)
#pragma GCC unroll 4
                for (int kx = 0; kx < 4; kx++)
#pragma GCC unroll 2
                    for (int g = 0; g < count; g++) {
                        const Vec value = load(taps[ky] + x + 2 * kx + g * lanes);
                        const float *weights = mask.weights + (ky * 4 + kx) * 2;
                        sum[0][g] = multiply_add(weights[0], value, sum[0][g]);
                        sum[1][g] = multiply_add(weights[1], value, sum[1][g]);
                    }
#pragma GCC unroll 2
            for (int g = 0; g < count; g++) {
                const ptrdiff_t at = (x + g * lanes) * 2;
                float *out = mask.out + first_out + at;
                Vec low = zip_low(sum[0][g], sum[1][g]), high = zip_high(sum[0][g], sum[1][g]);
                if (times_input) {
                    low = sigmoid(low) * load(mask.input + first + at);
                    high = sigmoid(high) * load(mask.input + first + at + lanes);
                }
                if (past_caches) {
                    stream(out, low);
                    stream(out + lanes, high);
                } else {
                    store(out, low);
                    store(out + lanes, high);
                }
            }
        }
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
