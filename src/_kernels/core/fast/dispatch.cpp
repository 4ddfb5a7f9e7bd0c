// Which build of the fast kernels runs here.
#include "fast/interface.h"
#include "isa.h"

namespace spleeterrt {

SRT_TABLES(fast_kernels, fast_table)

const fast_kernels *fast_kernels_at(int index)
{
    Isa isa;
    return isa_at(index, isa) ? &SRT_TABLE_OF(isa, fast_table) : nullptr;
}

const fast_kernels *fast_kernels_for(const char *name)
{
    Isa isa;
    return isa_named(name, isa) ? &SRT_TABLE_OF(isa, fast_table) : nullptr;
}

const fast_kernels &default_kernels() { return SRT_TABLE_OF(default_isa(), fast_table); }

} // namespace spleeterrt
