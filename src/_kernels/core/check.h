/* What the kernels trust, checked where somebody looks for mistakes: with SPLEETERRT_CHECKS (an option of CMake, on
 * under sanitizers) a condition that does not hold is printed and the program ends; without, it is not even computed.
 *
 * A condition has no side effects. It stands where the kernels rely on it: what users give is validated by the faces,
 * which answer with an error. For C and C++. */
#ifndef SPLEETERRT_CHECK_H
#define SPLEETERRT_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(SPLEETERRT_CHECKS)
#define SRT_DCHECK(condition) \
    ((condition) ? (void)0 : srt_check_failed("SRT_DCHECK(" #condition ")", __FILE__, __LINE__))
#else
#define SRT_DCHECK(condition) ((void)sizeof(!(condition)))
#endif

/* At a cache line, as the kernels' buffers start. */
#define SRT_ALIGNED(pointer) ((uintptr_t)(pointer) % 64 == 0)

#if defined(__GNUC__) || defined(__clang__)
__attribute__((noinline, cold, noreturn, unused))
#endif
static void
srt_check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
    abort();
}

#endif
