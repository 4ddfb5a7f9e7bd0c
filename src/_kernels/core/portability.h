// Compiler differences in one place.
#ifndef SPLEETERRT_PORTABILITY_H
#define SPLEETERRT_PORTABILITY_H

// KERNEL_INLINE: inlined wherever it is called, so that it is compiled with the caller's constants.
#if defined(__GNUC__) || defined(__clang__) // clang-cl defines the latter alone
#define KERNEL_INLINE static inline __attribute__((always_inline))
#else
#define KERNEL_INLINE static inline
#endif

#define KERNEL_RESTRICT __restrict

#endif
