// What the vector types of all instruction sets share: macros for GCC and clang.
#ifndef SPLEETERRT_SIMD_BASE_H
#define SPLEETERRT_SIMD_BASE_H

#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Lanes of two vectors by constant indices. `Index`: a vector of integers as wide as the lanes.
#if defined(__clang__)
#define SIMD_SHUFFLE(Index, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SIMD_SHUFFLE(Index, a, b, ...) __builtin_shuffle(a, b, (Index){__VA_ARGS__})
#endif

#endif
