// Which build of the matrix product runs.
#include "fast/sgemm.h"

#include "aligned.h"
#include "isa.h"

namespace spleeterrt {

SRT_TABLES(SgemmKernels, sgemm_kernels)

static const SgemmKernels &usual_kernels()
{
    static const SgemmKernels &kernels = [&]() -> const SgemmKernels & {
        IsaChoice choice;
        std::string error;
        // The reference path is plain in its method, not in its vectors, as with every BLAS.
        if (!choose_isa(nullptr, choice, error) || choice.reference)
            isa_at(0, choice.isa);
        return SRT_TABLE_OF(choice.isa, sgemm_kernels);
    }();
    return kernels;
}

static void run(const SgemmKernels &kernels, const Sgemm &product)
{
    thread_local AlignedFloats pack;
    if (pack.size() < kernels.pack_floats)
        pack = AlignedFloats(kernels.pack_floats);
    kernels.run(product, pack.data());
}

void sgemm(const Sgemm &product) noexcept { run(usual_kernels(), product); }

bool sgemm_by(const char *name, const Sgemm &product) noexcept
{
    Isa isa;
    if (!isa_named(name, isa))
        return false;
    run(SRT_TABLE_OF(isa, sgemm_kernels), product);
    return true;
}

} // namespace spleeterrt
