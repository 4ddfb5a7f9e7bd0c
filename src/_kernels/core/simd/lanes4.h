// 4 lanes, whatever the instructions: types and shuffles.
#ifndef SPLEETERRT_SIMD_LANES4_H
#define SPLEETERRT_SIMD_LANES4_H

#include "simd/base.h"

namespace spleeterrt::SRT_ISA {

constexpr int vector_bytes = 16;
typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef int32_t IntVec __attribute__((vector_size(vector_bytes)));

static ALWAYS_INLINE Vec zip_low(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 0, 4, 1, 5); }
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 2, 6, 3, 7); }

static ALWAYS_INLINE void transpose_quarters(Vec &a, Vec &b, Vec &c, Vec &d)
{
    Vec ab = SIMD_SHUFFLE(IntVec, a, b, 0, 4, 1, 5), ab2 = SIMD_SHUFFLE(IntVec, a, b, 2, 6, 3, 7);
    Vec cd = SIMD_SHUFFLE(IntVec, c, d, 0, 4, 1, 5), cd2 = SIMD_SHUFFLE(IntVec, c, d, 2, 6, 3, 7);
    a = SIMD_SHUFFLE(IntVec, ab, cd, 0, 1, 4, 5);
    b = SIMD_SHUFFLE(IntVec, ab, cd, 2, 3, 6, 7);
    c = SIMD_SHUFFLE(IntVec, ab2, cd2, 0, 1, 4, 5);
    d = SIMD_SHUFFLE(IntVec, ab2, cd2, 2, 3, 6, 7);
}

static ALWAYS_INLINE void transpose_by_quarter(Vec *) {} // one quarter is all

static ALWAYS_INLINE Vec reciprocal(Vec d) { return 1.0f / d; }

} // namespace spleeterrt::SRT_ISA

#endif
