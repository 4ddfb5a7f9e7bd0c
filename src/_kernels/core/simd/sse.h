// 4 lanes, by SSE: the generic set of x86-64.
#ifndef SPLEETERRT_SIMD_SSE_H
#define SPLEETERRT_SIMD_SSE_H

#include "simd/lanes4.h"
#include "simd/native.h"

#include <immintrin.h>

namespace spleeterrt::SRT_ISA {

// (Compilers do not make one instruction of a comparison and a choice.)
static ALWAYS_INLINE Vec min(Vec a, Vec b) { return (Vec)_mm_min_ps((__m128)a, (__m128)b); }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return (Vec)_mm_max_ps((__m128)a, (__m128)b); }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { _mm_stream_ps(p, (__m128)v); }
static ALWAYS_INLINE void end_streams() { _mm_sfence(); }

} // namespace spleeterrt::SRT_ISA

#endif
