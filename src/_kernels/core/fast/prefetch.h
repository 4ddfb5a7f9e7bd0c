// Cache lines to be fetched while something else is computed.
//
// A core waits for some ten to sixteen lines at a time (line fill buffers), and what misses L1 meanwhile waits with
// them: so they are asked for a few at a time, evenly, inside the micro-kernels.
#ifndef SPLEETERRT_FAST_PREFETCH_H
#define SPLEETERRT_FAST_PREFETCH_H

#include "simd/simd.h"

namespace spleeterrt::SRT_ISA {

class LinePrefetch {
    struct Span {
        const char *from;
        int pixels, lines; // cache lines of a pixel
        ptrdiff_t pixel;   // bytes
    };
    static constexpr int max_spans = 48;
    Span spans[max_spans];
    int count = 0, current = 0, done = 0, total = 0, owed = 0;

public:
    void add(const float *at, int pixels, int channels, ptrdiff_t pixel)
    {
        if (count < max_spans && pixels > 0) {
            spans[count++] = {(const char *)at, pixels, channels / block, pixel * (ptrdiff_t)sizeof(float)};
            total += pixels * (channels / block);
        }
    }
    int lines() const { return total; }
    // The next ones, `wanted` on average: whole pixels.
    ALWAYS_INLINE void fetch(int wanted)
    {
        owed += wanted;
        while (owed > 0 && current < count) {
            const Span &span = spans[current];
            const char *at = span.from + done * span.pixel;
            for (int i = 0; i < span.lines; i++)
                prefetch_line(at + i * 64);
            owed -= span.lines;
            if (++done == span.pixels)
                current++, done = 0;
        }
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
