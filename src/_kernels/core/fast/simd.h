// One vector type for the instruction set that a file is compiled for (GCC / clang vector extensions).
//
// The fast kernels are compiled once per instruction set, each in its own namespace (SRT_ISA). They use no
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

namespace spleeterrt::SRT_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16; // SSE, NEON
#endif

constexpr int lanes = vector_bytes / 4;
constexpr int block = 16; // channels in a block: one cache line in every build
constexpr int vectors_per_block = block / lanes;

typedef float Vec __attribute__((vector_size(vector_bytes)));
typedef float UnalignedVec __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(vector_bytes)));

static ALWAYS_INLINE Vec load(const float *p) { return *(const UnalignedVec *)p; }
static ALWAYS_INLINE void store(float *p, Vec v) { *(UnalignedVec *)p = v; }
static ALWAYS_INLINE Vec broadcast(float x) { return x - (Vec){}; }
// (Compilers do not make one instruction of the plain form.)
static ALWAYS_INLINE Vec least(Vec a, Vec b)
{
#if defined(__AVX512F__)
    return (Vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (Vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (Vec)_mm_min_ps((__m128)a, (__m128)b);
#else
    return a < b ? a : b;
#endif
}
static ALWAYS_INLINE Vec most(Vec a, Vec b)
{
#if defined(__AVX512F__)
    return (Vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (Vec)_mm_max_ps((__m128)a, (__m128)b);
#else
    return a > b ? a : b;
#endif
}

// Past the caches, for what is read much later. A whole cache line is written by neighbouring stores.
static ALWAYS_INLINE void stream(float *p, Vec v)
{
#if defined(__SANITIZE_ADDRESS__) // which does not see what the intrinsics write
    *(Vec *)p = v;
#elif defined(__AVX512F__)
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

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (IntVec){__VA_ARGS__})
#endif

// Interleaves the low or the high halves of two vectors: a0 b0 a1 b1 ...
static ALWAYS_INLINE Vec zip_low(Vec a, Vec b)
{
#if defined(__AVX512F__)
    return SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif defined(__AVX2__)
    return SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
    return SHUFFLE(a, b, 0, 4, 1, 5);
#endif
}
static ALWAYS_INLINE Vec zip_high(Vec a, Vec b)
{
#if defined(__AVX512F__)
    return SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif defined(__AVX2__)
    return SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
    return SHUFFLE(a, b, 2, 6, 3, 7);
#endif
}

// 4 x 4 blocks in quarters of 128 bits, whose shuffles are the cheapest: rows to columns.
static ALWAYS_INLINE void transpose_quarters(Vec &a, Vec &b, Vec &c, Vec &d)
{
#if defined(__AVX512F__)
    Vec ab = SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    Vec ab2 = SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    Vec cd = SHUFFLE(c, d, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    Vec cd2 = SHUFFLE(c, d, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    a = SHUFFLE(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    b = SHUFFLE(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    c = SHUFFLE(ab2, cd2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    d = SHUFFLE(ab2, cd2, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
#elif defined(__AVX2__)
    Vec ab = SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13), ab2 = SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    Vec cd = SHUFFLE(c, d, 0, 8, 1, 9, 4, 12, 5, 13), cd2 = SHUFFLE(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    a = SHUFFLE(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13);
    b = SHUFFLE(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    c = SHUFFLE(ab2, cd2, 0, 1, 8, 9, 4, 5, 12, 13);
    d = SHUFFLE(ab2, cd2, 2, 3, 10, 11, 6, 7, 14, 15);
#else
    Vec ab = SHUFFLE(a, b, 0, 4, 1, 5), ab2 = SHUFFLE(a, b, 2, 6, 3, 7);
    Vec cd = SHUFFLE(c, d, 0, 4, 1, 5), cd2 = SHUFFLE(c, d, 2, 6, 3, 7);
    a = SHUFFLE(ab, cd, 0, 1, 4, 5);
    b = SHUFFLE(ab, cd, 2, 3, 6, 7);
    c = SHUFFLE(ab2, cd2, 0, 1, 4, 5);
    d = SHUFFLE(ab2, cd2, 2, 3, 6, 7);
#endif
}

#if defined(__AVX2__)
// Quarters of two vectors: the even ones of a, then of b; the odd ones.
static ALWAYS_INLINE void part_quarters(Vec &a, Vec &b)
{
#if defined(__AVX512F__)
    Vec even = SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    Vec odd = SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
#else
    Vec even = SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11), odd = SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
#endif
    a = even;
    b = odd;
}
#endif

// A lanes x lanes block, rows to columns.
static ALWAYS_INLINE void transpose(Vec (&v)[lanes])
{
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i += 4)
        transpose_quarters(v[i], v[i + 1], v[i + 2], v[i + 3]);
    // v[4 i + j] holds the columns j, 4 + j, ... of the rows 4 i ... 4 i + 3: a transposition of quarters is left.
#if defined(__AVX512F__)
    Vec out[lanes];
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
    for (int i = 0; i < lanes; i++)
        v[i] = out[i];
#elif defined(__AVX2__)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        part_quarters(v[j], v[4 + j]);
#endif
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
    Vec r = x - n * 0.693147182f; // one constant will do: its error is 2e-9 n, of a value that shrinks as 2^n
    Vec q = broadcast(0.00138824969f);
    q = q * r + 0.00836664718f;
    q = q * r + 0.0416672044f;
    q = q * r + 0.16666542f;
    q = q * r + 0.49999997f;
    p = r + (r * r) * q;
    two_n = (Vec)(((IntVec)shifted << 23) + (127 << 23));
}

enum Activation { None = 0, LeakyRelu = 1, Relu = 2, Elu = 3 }; // the codes of core/network/elementwise.h

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
    const Vec d = 1.0f + two_n + two_n * p;
#if defined(__AVX512F__)
    Vec r = (Vec)_mm512_rcp14_ps((__m512)d); // and one step of Newton's: a division takes as long as all the rest
    return r + r * (1.0f - d * r);
#else
    return 1.0f / d;
#endif
}

} // namespace spleeterrt::SRT_ISA

#endif
