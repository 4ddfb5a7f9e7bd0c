// One vector type for the instruction set that a file is compiled for (vector extensions of GCC and clang).
//
// Kernels are compiled once per set, each in a namespace of its own (SRT_ISA, see isa.h). Those of core/fast use no
// standard library templates: an out-of-line copy of one, compiled for AVX-512, could be picked by
// the linker for code that runs elsewhere.
//
// A set's header has the types Vec and IntVec and, where sets differ:
//
//     min, max                            lane by lane
//     store_past_caches, end_streams      of aligned vectors, which other threads see in order after `end_streams`
//     zip_low, zip_high                   the low or the high halves of two vectors interleaved: a0 b0 a1 b1 ...
//     transpose_quarters                  4 x 4 blocks in quarters of 128 bits, whose shuffles are the cheapest
//     part_quarters                       (from 8 lanes on) quarters of two vectors: the even ones of a, of b; the odd
//     transpose_by_quarter                what is then left of a transposition
//     reciprocal                          for a sigmoid
//
// and, in native.h, neon.h or wasm.h, multiply_add and how the micro-kernels are written out.
#ifndef SPLEETERRT_SIMD_H
#define SPLEETERRT_SIMD_H

#if defined(__AVX512F__)
#include "simd/avx512.h"
#elif defined(__AVX2__)
#include "simd/avx2.h"
#elif defined(__SSE2__)
#include "simd/sse.h"
#elif defined(__aarch64__)
#include "simd/neon.h"
#elif defined(__wasm__)
#include "simd/wasm.h"
#else
#include "simd/generic.h"
#endif

#include <string.h>

namespace spleeterrt::SRT_ISA {

constexpr int lanes = vector_bytes / 4;
constexpr int block = 16; // channels in a block: one cache line in every build
constexpr int vectors_per_block = block / lanes;

typedef float UnalignedVec __attribute__((vector_size(vector_bytes), aligned(4), may_alias));

static ALWAYS_INLINE Vec load(const float *p) { return *(const UnalignedVec *)p; }
static ALWAYS_INLINE void store(float *p, Vec v) { *(UnalignedVec *)p = v; }
static ALWAYS_INLINE Vec broadcast(float x) { return x - (Vec){}; }

// Past the caches, for what is read much later. A whole cache line is written by neighbouring stores.
static ALWAYS_INLINE void stream(float *p, Vec v)
{
#if defined(__SANITIZE_ADDRESS__) // which does not see what the intrinsics write
    *(Vec *)p = v;
#else
    store_past_caches(p, v);
#endif
}

// A lanes x lanes block, rows to columns.
static ALWAYS_INLINE void transpose(Vec (&v)[lanes])
{
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i += 4)
        transpose_quarters(v[i], v[i + 1], v[i + 2], v[i + 3]);
    transpose_by_quarter(v);
}

template <typename T> static constexpr T min(T a, T b) { return a < b ? a : b; }
template <typename T> static constexpr T max(T a, T b) { return a > b ? a : b; }

} // namespace spleeterrt::SRT_ISA

#endif
