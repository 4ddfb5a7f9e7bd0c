// For compilers that cannot build the fast layers: there are none.
#include "fast/interface.h"
#include "isa.h"

namespace spleeterrt {

const ElementwiseKernels &elementwise_kernels(Isa isa); // of core/network

const fast_kernels *fast_kernels_for(const char *) { return nullptr; }
const fast_kernels *fast_kernels_at(int) { return nullptr; }

const fast_kernels &default_kernels()
{
    static const fast_kernels none = [] {
        fast_kernels kernels = {};
        kernels.name = name_of(default_isa());
        kernels.elementwise = &elementwise_kernels(default_isa());
        return kernels;
    }();
    return none;
}

} // namespace spleeterrt
