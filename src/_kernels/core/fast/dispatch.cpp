// Which build of the fast kernels runs here.
#include "fast/fast.h"

#include <cstring>

#define DECLARE(isa)                   \
    namespace isa {                    \
    extern const fast_kernels kernels; \
    }
DECLARE(generic)
#ifdef FAST_X86
DECLARE(avx2)
DECLARE(avx512)
#endif

const fast_kernels *fast_kernels_at(int index)
{
    const struct {
        const fast_kernels *kernels;
        bool runs_here;
    } builds[] = {
#ifdef FAST_X86
        {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")},
        {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
        {&generic::kernels, true},
    };
    for (const auto &build : builds)
        if (build.runs_here && index-- == 0)
            return build.kernels;
    return nullptr;
}

const fast_kernels *fast_kernels_for(const char *name)
{
    for (int index = 0; const fast_kernels *kernels = fast_kernels_at(index); index++)
        if (std::strcmp(name, kernels->name) == 0)
            return kernels;
    return nullptr;
}
