// 4 lanes, by WebAssembly's 128-bit vectors; with -mrelaxed-simd by fused multiply-add.
//
// What V8 makes the best code of (bench/results/web.md): rows of two vectors, whose sums stay in the 15 registers that
// it has on x86; four steps of depth side by side, in the order below; and no prefetches, for which there are no
// instructions.
#ifndef SPLEETERRT_SIMD_WASM_H
#define SPLEETERRT_SIMD_WASM_H

#include "simd/lanes4.h"

namespace spleeterrt::SRT_ISA {

// (One instruction each: pmin, pmax.)
static ALWAYS_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { *(Vec *)p = v; }
static ALWAYS_INLINE void end_streams() {}

constexpr bool prefetches = false;
constexpr int max_vectors = 2;                      // of a row, in a micro-kernel
constexpr int product_unroll = 1, plain_unroll = 1; // (of loops that `depths` replaces)
#if defined(__wasm_relaxed_simd__)
constexpr int rows_of_four = 6; // 12 sums, 2 weights, a factor
#else
constexpr int rows_of_four = 5; // 10 sums, 2 weights, a factor, a product
#endif
constexpr int first_of_four = 3;

static ALWAYS_INLINE void prefetch_line(const void *) {}

#if defined(__wasm_relaxed_simd__)
static ALWAYS_INLINE Vec multiply_add(Vec x, Vec w, Vec sum) { return __builtin_wasm_relaxed_madd_f32x4(x, w, sum); }
static ALWAYS_INLINE Vec multiply_add(float x, Vec w, Vec sum) { return multiply_add(Vec{x, x, x, x}, w, sum); }
#else
template <typename X> static ALWAYS_INLINE Vec multiply_add(X x, Vec w, Vec sum) { return sum + x * w; }
#endif

// Steps of depth.
constexpr bool has_depths = true;

template <int rows, int vectors>
static ALWAYS_INLINE void depth(const float *x, const float *w, Vec (&sum)[rows][vectors])
{
    Vec weights[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        weights[v] = *(const Vec *)(w + v * 4);
#pragma GCC unroll 32
    for (int i = 0; i < rows; i++) {
        const float factor = x[i * 16];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[i][v] = multiply_add(factor, weights[v], sum[i][v]);
    }
}

// False. clang does not know it, and moves nothing from one side of a branch on it to the other; V8 does, and makes no
// branch.
static ALWAYS_INLINE bool stops(int &zero)
{
    __asm__ volatile("" : "+r"(zero) : : "memory");
    return zero;
}

// 16 steps: sum[i] += x[16 i + k] w[16 k ...]. Left to itself, clang reads the operands of several steps first and then
// finishes one sum after the other, for which there are too few registers.
template <int rows, int vectors>
static ALWAYS_INLINE void depths(const float *x, const float *w, Vec (&sum)[rows][vectors])
{
    int zero = 0;
#pragma GCC unroll 1
    for (int k = 0; k < 16; k += 4, x += 4, w += 64) {
        __asm__ volatile("" : "+r"(x), "+r"(w)); // else the offsets below are added to them beforehand
        depth(x, w, sum);
        if (stops(zero))
            return;
        depth(x + 1, w + 16, sum);
        if (stops(zero))
            return;
        depth(x + 2, w + 32, sum);
        if (stops(zero))
            return;
        depth(x + 3, w + 48, sum);
    }
}

} // namespace spleeterrt::SRT_ISA

#endif
