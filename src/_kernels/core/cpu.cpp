#include "cpu.h"

#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif
#elif defined(__aarch64__) || defined(_M_ARM64)
#if defined(__linux__) || defined(__ANDROID__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <cstddef>
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif
#endif

namespace spleeterrt {

#if defined(__x86_64__) || defined(_M_X64)

namespace {

struct Registers {
    unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf)
{
    Registers r;
#if defined(_MSC_VER) && !defined(__clang__)
    int words[4];
    __cpuidex(words, (int)leaf, 0);
    r.a = words[0], r.b = words[1], r.c = words[2], r.d = words[3];
#else
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
#endif
    return r;
}

unsigned xcr0()
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (unsigned)_xgetbv(0);
#else
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

} // namespace

X86Words x86_words()
{
    constexpr unsigned osxsave = 1u << 27;
    X86Words words;
    const unsigned last = cpuid(0).a, last_extended = cpuid(0x80000000u).a;
    words.leaf0_b = cpuid(0).b;
    words.leaf1_c = cpuid(1).c;
    if (last >= 7)
        words.leaf7_b = cpuid(7).b;
    if (last_extended >= 0x80000001u)
        words.leaf80000001_c = cpuid(0x80000001u).c;
    words.saved = words.leaf1_c & osxsave ? xcr0() : 0;
    return words;
}

Cpu cpu_of(const X86Words &words)
{
#if defined(__APPLE__)
    constexpr unsigned avx512_saved = 0x6; // macOS adds the rest when a thread first uses it
#else
    constexpr unsigned avx512_saved = 0xe6;
#endif
#define HAS(feature, word, bit) &&(words.word >> bit & 1)
    Cpu cpu;
    cpu.crc32c = words.leaf1_c >> 20 & 1;    // SSE4.2
    cpu.intel = words.leaf0_b == 0x756e6547; // "Genu", of GenuineIntel
    cpu.x86_64_v2 = true SRT_X86_64_V2_FEATURES(HAS);
    cpu.avx2 = (words.saved & 0x6) == 0x6 SRT_AVX2_FEATURES(HAS);
    cpu.avx512 = (words.saved & avx512_saved) == avx512_saved SRT_AVX512_FEATURES(HAS);
#undef HAS
    return cpu;
}

const Cpu &this_cpu()
{
    static const Cpu cpu = cpu_of(x86_words());
    return cpu;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

namespace {

#if defined(__APPLE__)
bool has(const char *name)
{
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value;
}
#endif

Cpu ask()
{
    Cpu cpu;
#if defined(__linux__) || defined(__ANDROID__)
    const unsigned long features = getauxval(AT_HWCAP);
    cpu.neon = features >> 1 & 1;   // HWCAP_ASIMD
    cpu.crc32c = features >> 7 & 1; // HWCAP_CRC32
#elif defined(__APPLE__)
    cpu.neon = has("hw.optional.AdvSIMD") || has("hw.optional.neon");
    cpu.crc32c = has("hw.optional.armv8_crc32");
#elif defined(_WIN32)
    cpu.neon = IsProcessorFeaturePresent(19);   // PF_ARM_NEON_INSTRUCTIONS_AVAILABLE
    cpu.crc32c = IsProcessorFeaturePresent(31); // PF_ARM_V8_CRC32_INSTRUCTIONS_AVAILABLE
#else
    cpu.neon = true; // every AArch64 system has had it so far
#endif
    return cpu;
}

} // namespace

const Cpu &this_cpu()
{
    static const Cpu cpu = ask();
    return cpu;
}

#else

const Cpu &this_cpu()
{
    static const Cpu cpu;
    return cpu;
}

#endif

} // namespace spleeterrt
