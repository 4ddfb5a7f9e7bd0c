// 8 lanes, by AVX2 and FMA.
#ifndef SPLEETERRT_SIMD_AVX2_H
#define SPLEETERRT_SIMD_AVX2_H

#include "simd/native.h"

#include <immintrin.h>

namespace spleeterrt::SRT_ISA {

constexpr int vector_bytes = 32;
typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef int32_t IntVec __attribute__((vector_size(vector_bytes)));

// (Compilers do not make one instruction of a comparison and a choice.)
static ALWAYS_INLINE Vec min(Vec a, Vec b) { return (Vec)_mm256_min_ps((__m256)a, (__m256)b); }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return (Vec)_mm256_max_ps((__m256)a, (__m256)b); }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { _mm256_stream_ps(p, (__m256)v); }
static ALWAYS_INLINE void end_streams() { _mm_sfence(); }

static ALWAYS_INLINE Vec zip_low(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

static ALWAYS_INLINE void transpose_quarters(Vec &a, Vec &b, Vec &c, Vec &d)
{
    Vec ab = SIMD_SHUFFLE(IntVec, a, b, 0, 8, 1, 9, 4, 12, 5, 13),
        ab2 = SIMD_SHUFFLE(IntVec, a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    Vec cd = SIMD_SHUFFLE(IntVec, c, d, 0, 8, 1, 9, 4, 12, 5, 13),
        cd2 = SIMD_SHUFFLE(IntVec, c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    a = SIMD_SHUFFLE(IntVec, ab, cd, 0, 1, 8, 9, 4, 5, 12, 13);
    b = SIMD_SHUFFLE(IntVec, ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    c = SIMD_SHUFFLE(IntVec, ab2, cd2, 0, 1, 8, 9, 4, 5, 12, 13);
    d = SIMD_SHUFFLE(IntVec, ab2, cd2, 2, 3, 10, 11, 6, 7, 14, 15);
}

static ALWAYS_INLINE void part_quarters(Vec &a, Vec &b)
{
    Vec even = SIMD_SHUFFLE(IntVec, a, b, 0, 1, 2, 3, 8, 9, 10, 11),
        odd = SIMD_SHUFFLE(IntVec, a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    a = even;
    b = odd;
}

// After `transpose_quarters`, v[4 i + j] holds the columns j, 4 + j, ... of the rows 4 i ... 4 i + 3: a transposition
// of quarters is left.
static ALWAYS_INLINE void transpose_by_quarter(Vec *v)
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        part_quarters(v[j], v[4 + j]);
}

static ALWAYS_INLINE Vec reciprocal(Vec d) { return 1.0f / d; }

} // namespace spleeterrt::SRT_ISA

#endif
