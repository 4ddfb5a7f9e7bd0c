// What core/cpu finds on this machine, or in an x86 CPU's words on the command line (leaf1_c leaf7_b leaf80000001_c
// saved, in hexadecimal), as lines "name value"; and the features that each set asks for. For tests/unit/test_cpu.py.
#include "cpu.h"
#include "isa.h"
#include "network/crc32c.h"

#include <cstdio>
#include <cstdlib>

using namespace spleeterrt;

int main(int count, char **arguments)
{
    Cpu cpu = this_cpu();
    (void)count, (void)arguments;
#if defined(__x86_64__) || defined(_M_X64)
    X86Words words = x86_words();
    if (count == 5) {
        words.leaf1_c = (unsigned)std::strtoul(arguments[1], nullptr, 16);
        words.leaf7_b = (unsigned)std::strtoul(arguments[2], nullptr, 16);
        words.leaf80000001_c = (unsigned)std::strtoul(arguments[3], nullptr, 16);
        words.saved = (unsigned)std::strtoul(arguments[4], nullptr, 16);
        cpu = cpu_of(words);
    }
    std::printf("words %x %x %x %x\n", words.leaf1_c, words.leaf7_b, words.leaf80000001_c, words.saved);
#define PRINT(feature, word, bit) std::printf(" " #feature ":" #word ":%d", bit);
    std::printf("features_generic");
    SRT_X86_64_V2_FEATURES(PRINT)
    std::printf("\nfeatures_avx2");
    SRT_AVX2_FEATURES(PRINT)
    std::printf("\nfeatures_avx512");
    SRT_AVX512_FEATURES(PRINT)
    std::printf("\n");
#endif
    std::printf("crc32c %d\nx86_64_v2 %d\navx2 %d\navx512 %d\nneon %d\n", cpu.crc32c, cpu.x86_64_v2, cpu.avx2,
                cpu.avx512, cpu.neon);
    std::printf("checksum %x\n", (unsigned)crc32c("The quick brown fox", 19));
    std::printf("sets");
    Isa isa;
    for (int index = 0; isa_at(index, isa); index++)
        std::printf(" %s", name_of(isa));
    IsaChoice choice;
    std::string error;
    std::printf("\nerror %s\n", choose_isa(nullptr, choice, error) ? "" : error.c_str());
    return 0;
}
