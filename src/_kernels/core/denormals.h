// Numbers too small for float32's full precision, below 1.2e-38: arithmetic on them is up to a hundred times slower.
#ifndef SPLEETERRT_DENORMALS_H
#define SPLEETERRT_DENORMALS_H

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#define SPLEETERRT_MXCSR
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#include <cstdint>
#define SPLEETERRT_FPCR
#endif

namespace spleeterrt {

// While it lives, the calling thread takes denormal numbers for zeros, read or computed; afterwards it is as before, so
// that no caller finds its own arithmetic changed. Elsewhere than on x86-64 and AArch64 it does nothing.
class NoDenormals {
public:
#if defined(SPLEETERRT_MXCSR)
    NoDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); } // flush to zero, denormals are zeros
    ~NoDenormals() { _mm_setcsr(before_); }
#elif defined(SPLEETERRT_FPCR)
    NoDenormals()
    {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
        set(before_ | std::uint64_t(1) << 24); // FZ
    }
    ~NoDenormals() { set(before_); }
#else
    NoDenormals() {}
    ~NoDenormals() {}
#endif
    NoDenormals(const NoDenormals &) = delete;
    NoDenormals &operator=(const NoDenormals &) = delete;

private:
#if defined(SPLEETERRT_MXCSR)
    unsigned before_;
#elif defined(SPLEETERRT_FPCR)
    static void set(std::uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control) : "memory"); }
    std::uint64_t before_;
#endif
};

} // namespace spleeterrt

#endif
