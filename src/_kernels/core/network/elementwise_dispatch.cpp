// Which build of the element-wise stages runs here.
#include "network/elementwise.h"

namespace spleeterrt {

SRT_TABLES(ElementwiseKernels, elementwise_table)

const ElementwiseKernels &elementwise_kernels(Isa isa) { return SRT_TABLE_OF(isa, elementwise_table); }

} // namespace spleeterrt
