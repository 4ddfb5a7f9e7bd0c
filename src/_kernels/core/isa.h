// Instruction sets: the one list of those that this build has, the one look at the CPU, the one choice.
//
// What profits from wide vectors is compiled once per set, each time in the set's own namespace, `spleeterrt::avx2` and
// so on (SRT_ISA names it): CMake's PER_ISA sources. A family of such functions (the fast layers, the STFT, masks,
// element-wise stages) is a table of pointers, `kernels` of that namespace; its dispatcher is
//
//     SRT_TABLES(Table, kernels)                                 // declares the tables of all sets
//     const Table &kernels_of(Isa isa) { return SRT_TABLE_OF(isa, kernels); }
//
// A new set is a line in CMakeLists.txt (its flags), a line in the list below and a header in core/simd. Which set
// runs is decided when a network, an STFT or a stream is made, by name or by `choose_isa`, and kept there. So the
// environment variable SPLEETERRT_ISA forces all code that has sets. Whatever has none is compiled for every machine.
#ifndef SPLEETERRT_ISA_H
#define SPLEETERRT_ISA_H

#include <string>

// X(set, whether this CPU has it, ...), the best one first. `cpu`: cpu.h.
#if defined(SPLEETERRT_X86_ISAS)
#define SRT_ISAS(X, a, b)       \
    X(avx512, cpu.avx512, a, b) \
    X(avx2, cpu.avx2, a, b)     \
    X(generic, cpu.x86_64_v2, a, b)
#elif defined(SPLEETERRT_ARM_ISAS)
#define SRT_ISAS(X, a, b) X(neon, cpu.neon, a, b)
#else
#define SRT_ISAS(X, a, b) X(generic, true, a, b)
#endif

#define SRT_ISA_NAME_ONLY(set, here, a, b) set,
// The name of the set that a source is compiled for, of its tables' `name`.
#define SRT_ISA_TEXT(set) #set
#define SRT_ISA_NAME_OF(set) SRT_ISA_TEXT(set)
#define SRT_ISA_NAME SRT_ISA_NAME_OF(SRT_ISA)

#define SRT_ISA_DECLARE(set, here, Table, symbol) \
    namespace set {                               \
    extern const Table symbol;                    \
    }
#define SRT_ISA_ADDRESS(set, here, Table, symbol) &set::symbol,

// In namespace spleeterrt: `symbol` of every set, and where they are by `Isa`.
#define SRT_TABLES(Table, symbol)            \
    SRT_ISAS(SRT_ISA_DECLARE, Table, symbol) \
    static const Table *const symbol##_by_isa[] = {SRT_ISAS(SRT_ISA_ADDRESS, Table, symbol)};
#define SRT_TABLE_OF(isa, symbol) (*symbol##_by_isa[static_cast<int>(isa)])

namespace spleeterrt {

enum class Isa { SRT_ISAS(SRT_ISA_NAME_ONLY, , ) };

const char *name_of(Isa isa);

// The sets that run here, the best one first (index 0); false: no more.
bool isa_at(int index, Isa &isa);

// The set of that name; false: not in this build, or not on this machine.
bool isa_named(const char *name, Isa &isa);

// The one with the fewest needs.
Isa plainest_isa();

struct IsaChoice {
    Isa isa;
    bool reference = false; // the networks go by im2col and a BLAS; everything else by `isa`, the plainest set
};

// The set `wanted` ("avx512", "avx2", "neon", "generic", or "reference"); null: the one that the environment variable
// SPLEETERRT_ISA names, or else the best one. False, and a message: not on this machine, or none at all is.
bool choose_isa(const char *wanted, IsaChoice &choice, std::string &error);

// Of what nobody chose a set for: as `choose_isa` by the variable; the best one where it names none of this machine.
Isa default_isa();

} // namespace spleeterrt

#endif
