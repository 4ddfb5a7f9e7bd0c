// The matrix product for compilers without vector extensions: one build, in plain loops.
#include "fast/sgemm.h"

#include "isa.h"

#include <algorithm>

namespace spleeterrt {

void sgemm(const Sgemm &p) noexcept
{
    for (std::size_t i = 0; i < p.m; i++) {
        float *c = p.c + i * p.ldc;
        std::fill(c, c + p.n, 0.0f);
        for (std::size_t k = 0; k < p.k; k++) {
            const float x = p.trans_a ? p.a[k * p.lda + i] : p.a[i * p.lda + k];
            const float *b = p.trans_b ? p.b + k : p.b + k * p.ldb;
            const std::size_t step = p.trans_b ? p.ldb : 1;
            for (std::size_t j = 0; j < p.n; j++)
                c[j] += x * b[j * step];
        }
    }
}

bool sgemm_by(const char *isa, const Sgemm &product) noexcept
{
    Isa found;
    if (!isa_named(isa, found))
        return false;
    sgemm(product);
    return true;
}

} // namespace spleeterrt
