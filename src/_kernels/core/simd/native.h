// How kernels are written out for compilers that make machine code; simd/neon.h has the same for AArch64, simd/wasm.h
// for WebAssembly.
#ifndef SPLEETERRT_SIMD_NATIVE_H
#define SPLEETERRT_SIMD_NATIVE_H

#include "simd/base.h"

namespace spleeterrt::SRT_ISA {

constexpr bool has_depths = false; // steps of depth written out by the set itself (neon.h)
constexpr bool prefetches = true;
constexpr int rows_of_four = 3;   // of a micro-kernel whose rows are four vectors
constexpr int first_of_four = 3;  // the same of the first layer
constexpr int max_vectors = 4;    // of a row, in a micro-kernel for stored weights
constexpr int product_unroll = 4; // how many of a block's 16 steps of depth stand side by side, with stored
constexpr int plain_unroll = 16;  // weights and with plain ones

static ALWAYS_INLINE void prefetch_line(const void *p) { __builtin_prefetch(p, 0, 2); }

// sum + x w; compilers fuse it where the set can. x: a vector, or one number for all lanes.
template <typename X, typename V> static ALWAYS_INLINE V multiply_add(X x, V w, V sum) { return sum + x * w; }

} // namespace spleeterrt::SRT_ISA

#endif
