/* Compiler differences in one place. */
#ifndef SPLEETERRT_PORTABILITY_H
#define SPLEETERRT_PORTABILITY_H

/* KERNEL_CLONES: compile a function for several instruction sets, chosen at load time (GCC on
 * x86-64 Linux; elsewhere the plain build). By feature: a clone for "arch=haswell" would run on that
 * very model only, not on later ones or other makers' with the same instructions. */
#include <limits.h> /* defines __GLIBC__: the choice at load time needs its ifuncs */

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define KERNEL_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define KERNEL_CLONES
#endif

/* KERNEL_INLINE: inlined into each clone, so that it is compiled for the clone's instruction set. */
#if defined(__GNUC__)
#define KERNEL_INLINE static inline __attribute__((always_inline))
#else
#define KERNEL_INLINE static inline
#endif

#if defined(_MSC_VER) || defined(__cplusplus)
#define KERNEL_RESTRICT __restrict
#else
#define KERNEL_RESTRICT restrict
#endif

#endif
