// One vector type for the instruction set that a file is compiled for (GCC / clang vector extensions).
//
// The fast kernels are compiled once per instruction set, each in its own namespace (FAST_ISA). They use no
// standard library templates: an out-of-line copy of one, compiled for AVX-512, could be picked by
// the linker for code that runs elsewhere.
#ifndef SPLEETERRT_FAST_SIMD_H
#define SPLEETERRT_FAST_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

namespace FAST_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16; // SSE, NEON
#endif

constexpr int lanes = vector_bytes / 4;
constexpr int block = 16;                       // channels in a block: one cache line in every build
constexpr int vectors_per_block = block / lanes;

typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef float UnalignedVec __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(vector_bytes)));

static ALWAYS_INLINE Vec load(const float *p) { return *(const UnalignedVec *)p; }
static ALWAYS_INLINE void store(float *p, Vec v) { *(UnalignedVec *)p = v; }
static ALWAYS_INLINE Vec broadcast(float x) { return x - (Vec){}; }
static ALWAYS_INLINE Vec select(IntVec mask, Vec a, Vec b)
{
    return (Vec)((mask & (IntVec)a) | (~mask & (IntVec)b));
}
static ALWAYS_INLINE Vec least(Vec a, Vec b) { return a < b ? a : b; } // one instruction in this form
static ALWAYS_INLINE Vec most(Vec a, Vec b) { return a > b ? a : b; }

// Past the caches, for what is read much later. A whole cache line is written by neighbouring stores.
static ALWAYS_INLINE void stream(float *p, Vec v)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__)
    _mm_stream_ps(p, (__m128)v);
#else
    *(Vec *)p = v;
#endif
}
// Streamed values are seen by other threads in order after this.
static ALWAYS_INLINE void end_streams()
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

// Interleaves the low or the high halves of two vectors: a0 b0 a1 b1 ...
#if defined(__AVX512F__)
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#endif
#if defined(__clang__)
static ALWAYS_INLINE Vec zip_low(Vec a, Vec b) { return __builtin_shufflevector(a, b, ZIP_LOW); }
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b) { return __builtin_shufflevector(a, b, ZIP_HIGH); }
#else
static ALWAYS_INLINE Vec zip_low(Vec a, Vec b) { return __builtin_shuffle(a, b, (IntVec){ZIP_LOW}); }
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b) { return __builtin_shuffle(a, b, (IntVec){ZIP_HIGH}); }
#endif
#undef ZIP_LOW
#undef ZIP_HIGH

// A lanes x lanes block, rows to columns: log2(lanes) rounds of the perfect shuffle.
static ALWAYS_INLINE void transpose(Vec (&v)[lanes])
{
#pragma GCC unroll 4
    for (int round = 1; round < lanes; round *= 2) {
        Vec next[lanes];
#pragma GCC unroll 8
        for (int i = 0; i < lanes / 2; i++) {
            next[2 * i] = zip_low(v[i], v[i + lanes / 2]);
            next[2 * i + 1] = zip_high(v[i], v[i + lanes / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++)
            v[i] = next[i];
    }
}

template <typename T> static constexpr T least(T a, T b) { return a < b ? a : b; }
template <typename T> static constexpr T most(T a, T b) { return a > b ? a : b; }

// exp(x) = 2^n (1 + p), |p| < 0.42: x = n ln 2 + r, p = r + r^2 q(r) with a minimax polynomial q (1e-8
// of p). x within -87 ... 88.
static ALWAYS_INLINE void exp_parts(Vec x, Vec &two_n, Vec &p)
{
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    Vec shifted = x * 1.44269504088896341f + magic;
    Vec n = shifted - magic;
    Vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    Vec q = broadcast(0.00138824969f);
    q = q * r + 0.00836664718f;
    q = q * r + 0.0416672044f;
    q = q * r + 0.16666542f;
    q = q * r + 0.49999997f;
    p = r + (r * r) * q;
    two_n = (Vec)(((IntVec)shifted << 23) + (127 << 23));
}

enum Activation { None = 0, LeakyRelu = 1, Relu = 2, Elu = 3 }; // the codes of core/elementwise.h

template <int kind> static ALWAYS_INLINE Vec activate(Vec x)
{
    if constexpr (kind == LeakyRelu)
        return most(x, x * 0.2f);
    else if constexpr (kind == Relu)
        return most(x, Vec{});
    else if constexpr (kind == Elu) {
        Vec two_n, p;
        exp_parts(most(least(x, Vec{}), broadcast(-87.0f)), two_n, p);
        return most(x, (two_n - 1.0f) + two_n * p); // exp(x) - 1 >= x
    } else
        return x;
}

static ALWAYS_INLINE Vec sigmoid(Vec x)
{
    Vec two_n, p;
    exp_parts(least(most(-x, broadcast(-87.0f)), broadcast(88.0f)), two_n, p);
    return 1.0f / (1.0f + two_n + two_n * p);
}

} // namespace FAST_ISA

#endif
