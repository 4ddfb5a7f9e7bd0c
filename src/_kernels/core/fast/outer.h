// The outer layers, too thin for matrix products: e1 (2 channels in), d6 (1 channel out) and the mask.
#ifndef SPLEETERRT_FAST_OUTER_H
#define SPLEETERRT_FAST_OUTER_H

#include "fast.h"
#include "simd.h"

namespace FAST_ISA {

// The last rows of an image with zeros around: row y lies in slot y mod `slots`.
struct RowRing {
    static constexpr int slots = 8;
    float *rows;
    ptrdiff_t stride; // floats per row, margins included
    int h, next;      // rows of the image; first row that is not in the ring

    // margins: floats of zeros before and behind each row of `width` floats.
    void fill(const float *image, int width, int before, int until)
    {
        for (; next < until; next++) {
            float *row = at(next);
            if (next >= 0 && next < h)
                memcpy(row + before, image + (ptrdiff_t)next * width, (size_t)width * sizeof(float));
            else
                memset(row + before, 0, (size_t)width * sizeof(float));
        }
    }
    float *at(int y) const { return rows + (y + slots) % slots * stride; }
};

// --- e1: [h, w, 2] -> [h / 2, w / 2, out_c] -----------------------------------------------------

static inline size_t first_scratch_floats(int w) { return (size_t)RowRing::slots * ((size_t)2 * w + 2 * block); }

template <int kind> static void run_first(const fast_layer &l)
{
    constexpr int pixels = 12 / vectors_per_block; // output pixels at a time: 12 vectors of sums
    constexpr int before = block;                  // margin: 1 pixel needed, a cache line taken
    const int out_h = l.h / 2, out_w = l.w / 2;
    RowRing ring = {l.scratch, (ptrdiff_t)2 * l.w + 2 * block, l.h, -1};
    memset(l.scratch, 0, first_scratch_floats(l.w) * sizeof(float));
    for (int y = 0; y < out_h; y++) {
        ring.fill(l.src, 2 * l.w, before, 2 * y + 4);
        for (int c = 0; c < l.out_c; c += block) {
            Vec bias[vectors_per_block], scale[vectors_per_block], shift[vectors_per_block];
            for (int v = 0; v < vectors_per_block; v++) {
                bias[v] = load(l.bias + c + v * lanes);
                scale[v] = load(l.scale + c + v * lanes);
                shift[v] = load(l.shift + c + v * lanes);
            }
            for (int x = 0; x < out_w; x += pixels) {
                x = least(x, out_w - pixels); // the last group overlaps the one before
                Vec sum[pixels][vectors_per_block];
#pragma GCC unroll 16
                for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
                    for (int v = 0; v < vectors_per_block; v++)
                        sum[i][v] = bias[v];
                for (int ky = 0; ky < 5; ky++) {
                    const float *row = ring.at(2 * y - 1 + ky) + before + 2 * (2 * x - 1);
                    const float *weights = l.weights + (ptrdiff_t)ky * 10 * l.out_c + c;
#pragma GCC unroll 2
                    for (int k = 0; k < 10; k++) { // 5 taps of 2 channels
                        Vec weight[vectors_per_block];
#pragma GCC unroll 4
                        for (int v = 0; v < vectors_per_block; v++)
                            weight[v] = load(weights + (ptrdiff_t)k * l.out_c + v * lanes);
#pragma GCC unroll 16
                        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
                            for (int v = 0; v < vectors_per_block; v++)
                                sum[i][v] += row[4 * i + k] * weight[v];
                    }
                }
#pragma GCC unroll 16
                for (int i = 0; i < pixels; i++) {
                    const ptrdiff_t pixel = (ptrdiff_t)y * out_w + x + i;
#pragma GCC unroll 4
                    for (int v = 0; v < vectors_per_block; v++) {
                        store(l.dst + pixel * l.dst_ld + c + v * lanes, sum[i][v]);
                        store(l.normed + pixel * l.normed_ld + c + v * lanes,
                              activate<kind>(sum[i][v] * scale[v] + shift[v]));
                    }
                }
            }
        }
    }
}

// --- d6: [h, w, in_c] -> [2 h, 2 w] ---------------------------------------------------------------

// Sums of an output row: even columns and odd columns apart, with a margin of one vector each.
static inline size_t sums_stride(int w) { return (size_t)w + 2 * block; }
static inline size_t last_up_scratch_floats(int w, int in_c)
{
    return (size_t)16 * sums_stride(w) + (size_t)in_c * block; // 8 rows x 2 parities, one transposed block
}

template <int kind> static void run_last_up(const fast_layer &l)
{
    const ptrdiff_t stride = (ptrdiff_t)sums_stride(l.w);
    float *channels = l.scratch + 16 * stride; // [in_c][lanes]: `lanes` pixels, transposed
    // Output row y: even columns at sums(y, 0), odd ones at sums(y, 1).
    auto sums = [&](int y, int parity) { return l.scratch + ((y & 7) * 2 + parity) * stride + block; };
    auto clear = [&](int y) {
        for (int parity = 0; parity < 2; parity++)
            memset(sums(y, parity) - block, 0, (size_t)stride * sizeof(float));
    };
    for (int y = -1; y < 2; y++)
        clear(y);
    for (int y = 0; y < l.h; y++) {
        // Input row y reaches the output rows 2y - 1 ... 2y + 3.
        clear(2 * y + 2);
        clear(2 * y + 3);
        for (int x = 0; x < l.w; x += lanes) {
            const float *pixel = l.src + ((ptrdiff_t)y * l.w + x) * l.src_ld;
            for (int c = 0; c < l.in_c; c += lanes) {
                Vec square[lanes];
#pragma GCC unroll 16
                for (int i = 0; i < lanes; i++)
                    square[i] = load(pixel + i * l.src_ld + c);
                transpose(square);
#pragma GCC unroll 16
                for (int i = 0; i < lanes; i++)
                    *(Vec *)(channels + (c + i) * lanes) = square[i];
            }
            for (int ky = 0; ky < 5; ky++) {
                const float *weights = l.weights + (ptrdiff_t)ky * 5 * l.in_c;
                Vec tap[5][2] = {}; // two chains each: enough independent sums
                for (int c = 0; c < l.in_c; c += 2)
#pragma GCC unroll 2
                    for (int half = 0; half < 2; half++) {
                        const Vec value = *(const Vec *)(channels + (c + half) * lanes);
#pragma GCC unroll 5
                        for (int kx = 0; kx < 5; kx++)
                            tap[kx][half] += weights[kx * l.in_c + c + half] * value;
                    }
                // Column 2x + kx - 1.
                float *even = sums(2 * y + ky - 1, 0) + x, *odd = sums(2 * y + ky - 1, 1) + x;
                store(odd - 1, load(odd - 1) + (tap[0][0] + tap[0][1]));
                store(even, load(even) + (tap[1][0] + tap[1][1]));
                store(odd, load(odd) + (tap[2][0] + tap[2][1]));
                store(even + 1, load(even + 1) + (tap[3][0] + tap[3][1]));
                store(odd + 1, load(odd + 1) + (tap[4][0] + tap[4][1]));
            }
        }
        // No later row reaches the output rows up to 2y; behind the last row, 2y + 1 is complete too.
        for (int done = most(0, 2 * y - 1); done <= (y == l.h - 1 ? 2 * y + 1 : 2 * y); done++) {
            float *out = l.dst + (ptrdiff_t)done * 2 * l.w;
            for (int x = 0; x < l.w; x += lanes) {
                Vec even = activate<kind>(load(sums(done, 0) + x) + l.bias[0]) * l.scale[0] + l.shift[0];
                Vec odd = activate<kind>(load(sums(done, 1) + x) + l.bias[0]) * l.scale[0] + l.shift[0];
                store(out + 2 * x, zip_low(even, odd));
                store(out + 2 * x + lanes, zip_high(even, odd));
            }
        }
    }
}

// --- the mask: [h, w] -> [h, w, 2] ----------------------------------------------------------------

// Four taps every second sample each way, three zeros around (TF SAME for an extent of 7).
static void run_mask(int h, int w, const float *src, const float *weights, const float *bias, const float *input,
                     float *out)
{
    constexpr int group = 2; // vectors of pixels at a time
    // Pixels whose taps all lie inside a row take vectors; the rows above and below are skipped.
    for (int y = 0; y < h; y++) {
        const float *rows[4];
        for (int k = 0; k < 4; k++) {
            const int from = y - 3 + 2 * k;
            rows[k] = from >= 0 && from < h ? src + (ptrdiff_t)from * w : nullptr;
        }
        auto edge = [&](int x) {
            float sum[2] = {bias[0], bias[1]};
            for (int ky = 0; ky < 4; ky++)
                for (int kx = 0; kx < 4; kx++) {
                    const int from = x - 3 + 2 * kx;
                    if (rows[ky] && from >= 0 && from < w)
                        for (int o = 0; o < 2; o++)
                            sum[o] += rows[ky][from] * weights[(ky * 4 + kx) * 2 + o];
                }
            const ptrdiff_t at = ((ptrdiff_t)y * w + x) * 2;
            for (int o = 0; o < 2; o++)
                out[at + o] = input ? sigmoid(broadcast(sum[o]))[0] * input[at + o] : sum[o];
        };
        constexpr int width = group * lanes;
        for (int x = 0; x < 3; x++)
            edge(x);
        for (int x = w - 3; x < w; x++)
            edge(x);
        for (int x = 3; x < w - 3; x += width) {
            x = least(x, w - 3 - width); // the last group overlaps the one before
            Vec sum[2][group];
            for (int o = 0; o < 2; o++)
                for (int g = 0; g < group; g++)
                    sum[o][g] = broadcast(bias[o]);
            for (int ky = 0; ky < 4; ky++) {
                if (!rows[ky])
                    continue;
#pragma GCC unroll 4
                for (int kx = 0; kx < 4; kx++)
#pragma GCC unroll 2
                    for (int g = 0; g < group; g++) {
                        const Vec value = load(rows[ky] + x - 3 + 2 * kx + g * lanes);
                        sum[0][g] += weights[(ky * 4 + kx) * 2] * value;
                        sum[1][g] += weights[(ky * 4 + kx) * 2 + 1] * value;
                    }
            }
            for (int g = 0; g < group; g++) {
                const ptrdiff_t at = ((ptrdiff_t)y * w + x + g * lanes) * 2;
                Vec low = zip_low(sum[0][g], sum[1][g]), high = zip_high(sum[0][g], sum[1][g]);
                if (input) {
                    low = sigmoid(low) * load(input + at);
                    high = sigmoid(high) * load(input + at + lanes);
                }
                store(out + at, low);
                store(out + at + lanes, high);
            }
        }
    }
}

} // namespace FAST_ISA

#endif
