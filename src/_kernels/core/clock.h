/* Seconds of a steady clock, for profiles. */
#ifndef SPLEETERRT_CLOCK_H
#define SPLEETERRT_CLOCK_H

#if defined(_WIN32)
#include <windows.h>
static inline double seconds(void)
{
    LARGE_INTEGER now, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}
#else
#include <time.h>
static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif

#endif
