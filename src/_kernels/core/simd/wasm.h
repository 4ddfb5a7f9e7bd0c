// 4 lanes, by WebAssembly's 128-bit vectors; with -mrelaxed-simd by fused multiply-add.
//
// What V8 makes the best code of (bench/results/web.md): with stored weights five rows of two vectors, which fit x86's
// 16 registers, with plain ones five of four, which do not; loops that are unrolled twice, not sixteen times; and no
// prefetches, for which there are no instructions.
#ifndef SPLEETERRT_SIMD_WASM_H
#define SPLEETERRT_SIMD_WASM_H

#include "simd/lanes4.h"

namespace spleeterrt::SRT_ISA {

// (One instruction each: pmin, pmax.)
static ALWAYS_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { *(Vec *)p = v; }
static ALWAYS_INLINE void end_streams() {}

constexpr bool has_depths = false; // steps of depth written out by the set itself (neon.h)
constexpr bool prefetches = false;
constexpr int rows_of_four = 5;
constexpr int max_vectors = 2; // of a row, in a micro-kernel for stored weights
constexpr int product_unroll = 2, plain_unroll = 2;

static ALWAYS_INLINE void prefetch_line(const void *) {}

#if defined(__wasm_relaxed_simd__)
static ALWAYS_INLINE Vec multiply_add(Vec x, Vec w, Vec sum) { return __builtin_wasm_relaxed_madd_f32x4(x, w, sum); }
static ALWAYS_INLINE Vec multiply_add(float x, Vec w, Vec sum) { return multiply_add(Vec{x, x, x, x}, w, sum); }
#else
template <typename X> static ALWAYS_INLINE Vec multiply_add(X x, Vec w, Vec sum) { return sum + x * w; }
#endif

} // namespace spleeterrt::SRT_ISA

#endif
