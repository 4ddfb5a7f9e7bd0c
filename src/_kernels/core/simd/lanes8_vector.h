// 8 lanes by vector extensions, on whatever registers the set has.
#ifndef SPLEETERRT_SIMD_LANES8_VECTOR_H
#define SPLEETERRT_SIMD_LANES8_VECTOR_H

#include "simd/base.h"

#include <cmath>
#include <cstddef>
#include <cstring>

namespace spleeterrt::SRT_ISA {

constexpr std::size_t lanes = 8;

using Vec = float __attribute__((vector_size(32)));
using Pairs = double __attribute__((vector_size(32))); // lanes in pairs: both channels of a frame
using IntVec = int __attribute__((vector_size(32)));
using LongVec = long long __attribute__((vector_size(32)));

static inline Vec zip_low(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static inline Vec zip_high(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
static inline Vec evens(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
static inline Vec odds(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
static inline Vec uppers(Vec a, Vec b) { return SIMD_SHUFFLE(IntVec, a, b, 4, 5, 6, 7, 12, 13, 14, 15); }
static inline Pairs zip_low(Pairs a, Pairs b) { return SIMD_SHUFFLE(LongVec, a, b, 0, 4, 1, 5); }
static inline Pairs zip_high(Pairs a, Pairs b) { return SIMD_SHUFFLE(LongVec, a, b, 2, 6, 3, 7); }

// A 4 x 4 block of pairs, rows to columns.
static inline void transpose(Vec &a, Vec &b, Vec &c, Vec &d)
{
    const Pairs p = zip_low((Pairs)a, (Pairs)c), q = zip_high((Pairs)a, (Pairs)c);
    const Pairs r = zip_low((Pairs)b, (Pairs)d), s = zip_high((Pairs)b, (Pairs)d);
    a = (Vec)zip_low(p, r);
    b = (Vec)zip_high(p, r);
    c = (Vec)zip_low(q, s);
    d = (Vec)zip_high(q, s);
}
static inline Vec load(const float *p)
{
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
static inline void store(float *p, Vec v) { std::memcpy(p, &v, sizeof v); }
static inline Vec root(Vec v)
{
    for (std::size_t i = 0; i < lanes; i++)
        v[i] = std::sqrt(v[i]);
    return v;
}
// Two floats of each of four rows.
static inline Vec gather(const float *a, const float *b, const float *c, const float *d)
{
    double x[4];
    std::memcpy(&x[0], a, 8);
    std::memcpy(&x[1], b, 8);
    std::memcpy(&x[2], c, 8);
    std::memcpy(&x[3], d, 8);
    const Pairs pairs = {x[0], x[1], x[2], x[3]};
    return (Vec)pairs;
}

} // namespace spleeterrt::SRT_ISA

#endif
