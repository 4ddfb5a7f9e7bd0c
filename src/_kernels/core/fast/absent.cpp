// For compilers that cannot build the fast layers: there are none.
#include "fast/fast.h"

namespace spleeterrt {

const fast_kernels *fast_kernels_for(const char *) { return nullptr; }
const fast_kernels *fast_kernels_at(int) { return nullptr; }

} // namespace spleeterrt
