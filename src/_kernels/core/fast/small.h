// Small weights: float16, or int8 with a float32 scale per output channel, which become float32 block by block. The
// values are those that `model_file.cpp` gives, whatever the set: float16's exactly, int8's rounded once.
#ifndef SPLEETERRT_FAST_SMALL_H
#define SPLEETERRT_FAST_SMALL_H

#include "fast/interface.h"
#include "simd/simd.h"

#include <stdint.h>

namespace spleeterrt::SRT_ISA {

constexpr int plain_block = block * 25 * block; // numbers of a block of plain weights, see weights.h

constexpr int cache_line = 64; // bytes

// Vectors of as many numbers as there are lanes.
typedef uint16_t HalfVec __attribute__((vector_size(2 * lanes), aligned(2), may_alias));
typedef int8_t ByteVec __attribute__((vector_size(lanes), aligned(1), may_alias));

static ALWAYS_INLINE Vec expand_halves(const uint16_t *p)
{
#if defined(__AVX512F__)
    return (Vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__F16C__)
    return (Vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#else
    // Exponents are biased by 15 and by 127. Those of subnormals (and zero) count as 2^-14 with a one before the point,
    // which is then taken away: so that no denormal float32 turns up, which would be flushed to zero.
    const IntVec half = __builtin_convertvector(*(const HalfVec *)p, IntVec);
    const IntVec magnitude = (half & 0x7fff) << 13, subnormal = magnitude < (1 << 23);
    const IntVec normal = magnitude + (112 << 23);
    const Vec fraction = (Vec)(magnitude + (113 << 23)) - (Vec)((IntVec){} + (113 << 23));
    return (Vec)((subnormal & (IntVec)fraction) | (~subnormal & normal) | (half & 0x8000) << 16);
#endif
}

static ALWAYS_INLINE Vec expand_bytes(const int8_t *p)
{
#if defined(__AVX512F__)
    return (Vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
#elif defined(__AVX2__)
    return (Vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#else
    return __builtin_convertvector(__builtin_convertvector(*(const ByteVec *)p, IntVec), Vec);
#endif
}

static __attribute__((noinline)) void expand_block(const uint16_t *from, float *to)
{
#pragma GCC unroll 4
    for (int i = 0; i < plain_block; i += lanes)
        *(Vec *)(to + i) = expand_halves(from + i);
}

// scales: of the block's output channels.
static __attribute__((noinline)) void expand_block(const int8_t *from, const float *scales, float *to)
{
    Vec scale[vectors_per_block];
    for (int v = 0; v < vectors_per_block; v++)
        scale[v] = load(scales + v * lanes);
    for (int i = 0; i < plain_block; i += block)
#pragma GCC unroll 4
        for (int v = 0; v < vectors_per_block; v++)
            *(Vec *)(to + i + v * lanes) = expand_bytes(from + i + v * lanes) * scale[v];
}

struct PlainBlock {
    const float *weights;
    const char *behind; // the next one in the order of their use, to be fetched
    int lines;          // cache lines of it per input channel, rounded up
};

// A layer's plain weights, block by block, in float32 where they are used. int8: all blocks, then the scales.
class PlainBlocks {
    const char *first;
    const float *scales;
    int type;

public:
    // Floats that `at` needs room for.
    static constexpr size_t room_floats(int kept_as) { return kept_as == WEIGHTS_FLOAT32 ? 0 : plain_block; }
    static constexpr size_t block_bytes(int kept_as)
    {
        return (size_t)plain_block * (kept_as == WEIGHTS_FLOAT32 ? 4 : kept_as == WEIGHTS_FLOAT16 ? 2 : 1);
    }

    PlainBlocks(int kept_as, const float *weights, int in_c, int out_c)
        : first((const char *)weights), scales((const float *)(first + (size_t)25 * in_c * out_c)), type(kept_as)
    {
    }

    PlainBlock at(ptrdiff_t index, int out_block, float *room) const
    {
        const ptrdiff_t bytes = (ptrdiff_t)block_bytes(type);
        const char *from = first + index * bytes;
        if (type == WEIGHTS_FLOAT16)
            expand_block((const uint16_t *)from, room);
        else if (type == WEIGHTS_INT8)
            expand_block((const int8_t *)from, scales + out_block * block, room);
        return {type == WEIGHTS_FLOAT32 ? (const float *)from : room, from + bytes,
                (int)((bytes / block + cache_line - 1) / cache_line)};
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
