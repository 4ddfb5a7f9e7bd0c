// What this CPU, and the system on it, can run: asked of the CPU (x86: cpuid, xgetbv) or of the system (ARM) by
// ourselves. The compilers' own question, __builtin_cpu_supports, is always answered "no" in programs that zig builds.
#ifndef SPLEETERRT_CPU_H
#define SPLEETERRT_CPU_H

namespace spleeterrt {

// Whether all instructions are there that the flags in cmake/Compiler.cmake let a compiler use on its own.
struct Cpu {
    bool crc32c = false; // the instruction for that checksum
    bool intel = false;  // the maker

    bool x86_64_v2 = false; // the flags of the set generic
    bool avx2 = false;
    bool avx512 = false; // -march=skylake-avx512

    bool neon = false; // Advanced SIMD
};

// This machine's, found once.
const Cpu &this_cpu();

#if defined(__x86_64__) || defined(_M_X64)

// The words in which x86 CPUs and systems tell what they have.
struct X86Words {
    unsigned leaf0_b = 0; // of cpuid: the first four letters of the vendor's name
    unsigned leaf1_c = 0, leaf7_b = 0;
    unsigned leaf80000001_c = 0;
    unsigned saved = 0; // registers that the system saves for programs, XCR0: 2 SSE's, 4 AVX's, 0xe0 AVX-512's
};

X86Words x86_words();
Cpu cpu_of(const X86Words &words);

// X(feature, word, bit), by the names of GCC's macros (__SSE3__ ...): those that a set's flags add and that compilers
// use without being asked by an intrinsic. tests/unit/test_cpu.py compares them with what compilers say of the flags.
#define SRT_X86_64_V2_FEATURES(X) \
    X(SSE3, leaf1_c, 0)           \
    X(SSSE3, leaf1_c, 9)          \
    X(CX16, leaf1_c, 13)          \
    X(SSE4_1, leaf1_c, 19)        \
    X(SSE4_2, leaf1_c, 20)        \
    X(POPCNT, leaf1_c, 23)        \
    X(LAHF_SAHF, leaf80000001_c, 0)
#define SRT_AVX2_FEATURES(X) \
    X(SSE3, leaf1_c, 0)      \
    X(SSSE3, leaf1_c, 9)     \
    X(FMA, leaf1_c, 12)      \
    X(SSE4_1, leaf1_c, 19)   \
    X(SSE4_2, leaf1_c, 20)   \
    X(POPCNT, leaf1_c, 23)   \
    X(AVX, leaf1_c, 28)      \
    X(F16C, leaf1_c, 29)     \
    X(AVX2, leaf7_b, 5)
#define SRT_AVX512_FEATURES(X)  \
    SRT_X86_64_V2_FEATURES(X)   \
    X(FMA, leaf1_c, 12)         \
    X(MOVBE, leaf1_c, 22)       \
    X(AVX, leaf1_c, 28)         \
    X(F16C, leaf1_c, 29)        \
    X(BMI, leaf7_b, 3)          \
    X(AVX2, leaf7_b, 5)         \
    X(BMI2, leaf7_b, 8)         \
    X(AVX512F, leaf7_b, 16)     \
    X(AVX512DQ, leaf7_b, 17)    \
    X(ADX, leaf7_b, 19)         \
    X(AVX512CD, leaf7_b, 28)    \
    X(AVX512BW, leaf7_b, 30)    \
    X(AVX512VL, leaf7_b, 31)    \
    X(LZCNT, leaf80000001_c, 5) \
    X(PRFCHW, leaf80000001_c, 8)

#endif

} // namespace spleeterrt

#endif
