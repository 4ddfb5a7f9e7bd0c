// Which build of the fast kernels runs here.
#include "fast.h"

#include <cstring>

#define DECLARE(isa)                                                                                         \
    namespace isa {                                                                                          \
    extern const fast_kernels kernels;                                                                       \
    }
DECLARE(generic)
#ifdef FAST_X86
DECLARE(avx2)
DECLARE(avx512)
#endif

namespace {

struct Build {
    const fast_kernels *kernels;
    bool runs_here;
};

} // namespace

const fast_kernels *fast_kernels_for(const char *name)
{
    const Build builds[] = {
#ifdef FAST_X86
        {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")},
        {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
        {&generic::kernels, true},
    };
    for (const Build &build : builds)
        if (build.runs_here && std::strcmp(name, build.kernels->name) == 0)
            return build.kernels;
    return nullptr;
}
