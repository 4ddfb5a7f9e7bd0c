#include "isa.h"

#include "cpu.h"

#include <cstdlib>
#include <cstring>

namespace spleeterrt {

namespace {

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
    static const Cpu &cpu = this_cpu();
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
    if (!isa_at(0, choice.isa)) {
        error = "this CPU lacks instructions that every instruction set of this build needs"
#if defined(SPLEETERRT_X86_ISAS)
                " (x86-64-v2: SSE4.2, POPCNT and others; CPUs since about 2009 have them)"
#endif
            ;
        return false;
    }
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
