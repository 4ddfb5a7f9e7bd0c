// 4 lanes, by vector extensions alone: whatever has no header of its own.
#ifndef SPLEETERRT_SIMD_GENERIC_H
#define SPLEETERRT_SIMD_GENERIC_H

#include "simd/lanes4.h"
#include "simd/native.h"

namespace spleeterrt::SRT_ISA {

static ALWAYS_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
static ALWAYS_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }

static ALWAYS_INLINE void store_past_caches(float *p, Vec v) { *(Vec *)p = v; }
static ALWAYS_INLINE void end_streams() {}

} // namespace spleeterrt::SRT_ISA

#endif
