// 4 lanes, by Advanced SIMD: AArch64.
//
// 32 registers: micro-kernels of four rows of four vectors, and four vectors of weights. What multiplies the weights is
// read four numbers at a time, whose lanes multiply without being broadcast.
#ifndef SPLEETERRT_SIMD_NEON_H
#define SPLEETERRT_SIMD_NEON_H

#include "simd/lanes4.h"

#include <arm_neon.h>

namespace spleeterrt::SRT_ISA {

static ALWAYS_INLINE Vec min(Vec a, Vec b) { return (Vec)vminq_f32((float32x4_t)a, (float32x4_t)b); }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return (Vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { *(Vec *)p = v; }
static ALWAYS_INLINE void end_streams() {}

constexpr bool prefetches = true;
constexpr int rows_of_four = 4, first_of_four = 4;
constexpr int max_vectors = 4;
constexpr int product_unroll = 1, plain_unroll = 1; // (of loops that `depths` replaces)

static ALWAYS_INLINE void prefetch_line(const void *p) { __builtin_prefetch(p, 0, 2); }

template <typename X, typename V> static ALWAYS_INLINE V multiply_add(X x, V w, V sum) { return sum + x * w; }

constexpr bool has_depths = true;

#if defined(__clang__)

template <int floats> static ALWAYS_INLINE void reads(const float *) {}
template <int at> static ALWAYS_INLINE void load_pair(const float *p, Vec &a, Vec &b)
{
    a = *(const Vec *)(p + at);
    b = *(const Vec *)(p + at + 4);
}
template <int at> static ALWAYS_INLINE Vec load_at(const float *p) { return *(const Vec *)(p + at); }
template <int k> static ALWAYS_INLINE void multiply_lane(Vec x, Vec w, Vec &sum) { sum += x[k] * w; }

#else

// GCC 12 copies sums from one register to another, or keeps them in memory, where nearly all registers are in use; so
// the order is written down.
template <int floats> static ALWAYS_INLINE void reads(const float *p)
{
    __asm__ volatile("" : : "m"(*(const float(*)[floats])p));
}
template <int at> static ALWAYS_INLINE void load_pair(const float *p, Vec &a, Vec &b)
{
    __asm__ volatile("ldp %q0, %q1, [%2, %3]" : "=w"(a), "=w"(b) : "r"(p), "i"(at * 4));
}
template <int at> static ALWAYS_INLINE Vec load_at(const float *p)
{
    Vec v;
    __asm__ volatile("ldr %q0, [%1, %2]" : "=w"(v) : "r"(p), "i"(at * 4));
    return v;
}
template <int k> static ALWAYS_INLINE void multiply_lane(Vec x, Vec w, Vec &sum)
{
    __asm__ volatile("fmla %0.4s, %1.4s, %2.s[%3]" : "+w"(sum) : "w"(w), "w"(x), "i"(k));
}

#endif

template <int rows, int k, int i = 0> static ALWAYS_INLINE void load_factors(const float *x, Vec (&factors)[rows])
{
    factors[i] = load_at<i * 16 + k>(x);
    if constexpr (i + 1 < rows)
        load_factors<rows, k, i + 1>(x, factors);
}

// One step of depth; the next one's weights are read before.
template <int rows, int k> static ALWAYS_INLINE void depth(const float *x, const float *w, Vec (&factors)[rows],
                                                           Vec (&weights)[4], Vec (&sum)[rows][4])
{
    if constexpr (k % 4 == 0)
        load_factors<rows, k>(x, factors);
    Vec next[4];
    if constexpr (k < 15) {
        load_pair<16 * k + 16>(w, next[0], next[1]);
        load_pair<16 * k + 24>(w, next[2], next[3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++)
            multiply_lane<k % 4>(factors[i], weights[v], sum[i][v]);
    if constexpr (k < 15)
        depth<rows, k + 1>(x, w, factors, next, sum);
}

// 16 steps: sum[i] += x[16 i + k] w[16 k ...], the rows' numbers four at a time.
template <int rows> static ALWAYS_INLINE void depths(const float *x, const float *w, Vec (&sum)[rows][4])
{
    reads<rows * 16>(x);
    reads<256>(w);
    Vec factors[rows], weights[4];
    load_pair<0>(w, weights[0], weights[1]);
    load_pair<8>(w, weights[2], weights[3]);
    depth<rows, 0>(x, w, factors, weights, sum);
}

template <int k> static ALWAYS_INLINE void multiply_row(Vec x, const Vec (&weights)[4], Vec (&sum)[4])
{
    multiply_lane<k>(x, weights[0], sum[0]);
    multiply_lane<k>(x, weights[1], sum[1]);
    multiply_lane<k>(x, weights[2], sum[2]);
    multiply_lane<k>(x, weights[3], sum[3]);
}

// sum[i] += x[i] w: one step of depth whose four rows' numbers lie side by side.
static ALWAYS_INLINE void multiply_four(const float *x, const float *w, Vec (&sum)[4][4])
{
    reads<4>(x);
    reads<16>(w);
    const Vec factors = load_at<0>(x);
    Vec weights[4];
    load_pair<0>(w, weights[0], weights[1]);
    load_pair<8>(w, weights[2], weights[3]);
    multiply_row<0>(factors, weights, sum[0]);
    multiply_row<1>(factors, weights, sum[1]);
    multiply_row<2>(factors, weights, sum[2]);
    multiply_row<3>(factors, weights, sum[3]);
}

} // namespace spleeterrt::SRT_ISA

#endif
