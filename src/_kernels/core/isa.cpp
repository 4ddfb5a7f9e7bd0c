#include "isa.h"

#include <cstdlib>
#include <cstring>

#if defined(SPLEETERRT_X86_ISAS)
#include <cpuid.h>
#endif

namespace spleeterrt {

namespace {

#if defined(SPLEETERRT_X86_ISAS)

// The instructions that CMakeLists.txt compiles each set for, and registers that the system saves for them. By cpuid:
// some compilers' run-time libraries know no __builtin_cpu_supports.
struct Cpu {
    bool avx2 = false, avx512 = false;

    Cpu()
    {
        unsigned a, b, c, d;
        if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE))
            return;
        const bool fma = has(c, bit_AVX) && has(c, bit_FMA);
        const unsigned saved = registers_saved();
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
            return;
        avx2 = fma && has(b, bit_AVX2) && has(saved, 0x6);
        avx512 =
            avx2 && has(b, bit_AVX512F | bit_AVX512CD | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) && has(saved, 0xe6);
    }

private:
    static bool has(unsigned features, unsigned wanted) { return (features & wanted) == wanted; }
    static unsigned registers_saved() // 2, 4: SSE, AVX; 0xe0: AVX-512
    {
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return low;
    }
};

#else

struct Cpu {};

#endif

struct Set {
    const char *name;
    bool here;
};

constexpr int count = 0
#define ONE(set, here, a, b) +1
    SRT_ISAS(ONE, , )
#undef ONE
    ;

const Set *sets()
{
    static const Cpu cpu;
    (void)cpu;
    static const Set all[] = {
#define SET(set, here, a, b) {#set, here},
        SRT_ISAS(SET, , )
#undef SET
    };
    return all;
}

} // namespace

const char *name_of(Isa isa) { return sets()[static_cast<int>(isa)].name; }

bool isa_at(int index, Isa &isa)
{
    for (int i = 0; i < count; i++)
        if (sets()[i].here && index-- == 0) {
            isa = static_cast<Isa>(i);
            return true;
        }
    return false;
}

bool isa_named(const char *name, Isa &isa)
{
    for (int index = 0; isa_at(index, isa); index++)
        if (std::strcmp(name, name_of(isa)) == 0)
            return true;
    return false;
}

Isa plainest_isa() { return static_cast<Isa>(count - 1); }

bool choose_isa(const char *wanted, IsaChoice &choice, std::string &error)
{
    const bool by_variable = wanted == nullptr;
    if (by_variable)
        wanted = std::getenv("SPLEETERRT_ISA");
    choice.reference = wanted && std::strcmp(wanted, "reference") == 0;
    if (choice.reference) {
        choice.isa = plainest_isa();
        return true;
    }
    if (!wanted || !*wanted)
        return isa_at(0, choice.isa);
    if (isa_named(wanted, choice.isa))
        return true;
    error = by_variable ? "SPLEETERRT_ISA: expected one of " : "instruction set: expected one of ";
    Isa isa;
    for (int index = 0; isa_at(index, isa); index++)
        error += std::string(name_of(isa)) + ", ";
    error += std::string("reference on this machine, got '") + wanted + "'";
    return false;
}

Isa default_isa()
{
    IsaChoice choice;
    std::string error;
    if (!choose_isa(nullptr, choice, error))
        isa_at(0, choice.isa);
    return choice.isa;
}

} // namespace spleeterrt
