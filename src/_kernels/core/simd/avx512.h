// 16 lanes, by AVX-512.
#ifndef SPLEETERRT_SIMD_AVX512_H
#define SPLEETERRT_SIMD_AVX512_H

#include "simd/native.h"

#include <immintrin.h>

namespace spleeterrt::SRT_ISA {

constexpr int vector_bytes = 64;
typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef int32_t IntVec __attribute__((vector_size(vector_bytes)));

// (Compilers do not make one instruction of a comparison and a choice.)
static ALWAYS_INLINE Vec min(Vec a, Vec b) { return (Vec)_mm512_min_ps((__m512)a, (__m512)b); }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return (Vec)_mm512_max_ps((__m512)a, (__m512)b); }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { _mm512_stream_ps(p, (__m512)v); }
static ALWAYS_INLINE void end_streams() { _mm_sfence(); }

static ALWAYS_INLINE Vec zip_low(Vec a, Vec b)
{
    return SIMD_SHUFFLE(IntVec, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b)
{
    return SIMD_SHUFFLE(IntVec, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

static ALWAYS_INLINE void transpose_quarters(Vec &a, Vec &b, Vec &c, Vec &d)
{
    Vec ab = SIMD_SHUFFLE(IntVec, a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    Vec ab2 = SIMD_SHUFFLE(IntVec, a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    Vec cd = SIMD_SHUFFLE(IntVec, c, d, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    Vec cd2 = SIMD_SHUFFLE(IntVec, c, d, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    a = SIMD_SHUFFLE(IntVec, ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    b = SIMD_SHUFFLE(IntVec, ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    c = SIMD_SHUFFLE(IntVec, ab2, cd2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    d = SIMD_SHUFFLE(IntVec, ab2, cd2, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

static ALWAYS_INLINE void part_quarters(Vec &a, Vec &b)
{
    Vec even = SIMD_SHUFFLE(IntVec, a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    Vec odd = SIMD_SHUFFLE(IntVec, a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    a = even;
    b = odd;
}

// After `transpose_quarters`, v[4 i + j] holds the columns j, 4 + j, ... of the rows 4 i ... 4 i + 3: a transposition
// of quarters is left.
static ALWAYS_INLINE void transpose_by_quarter(Vec *v)
{
    Vec out[16];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        Vec a = v[j], b = v[4 + j], c = v[8 + j], d = v[12 + j];
        part_quarters(a, b);
        part_quarters(c, d);
        part_quarters(a, c);
        part_quarters(b, d);
        out[j] = a;
        out[8 + j] = c;
        out[4 + j] = b;
        out[12 + j] = d;
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        v[i] = out[i];
}

// Of 14 bits, and one step of Newton's: a division takes as long as all the rest of a sigmoid.
static ALWAYS_INLINE Vec reciprocal(Vec d)
{
    const Vec r = (Vec)_mm512_rcp14_ps((__m512)d);
    return r + r * (1.0f - d * r);
}

} // namespace spleeterrt::SRT_ISA

#endif
