// A matrix product for the reference path where no BLAS is linked: row-major c[m, n] = op(a)[m, k] op(b)[k, n].
//
// As BLAS has it for alpha = 1 and beta = 0: c is not read; NaN and infinity in a or b pass on, whatever they meet;
// leading dimensions in floats. Every element is summed in one order, that of k in steps of `sgemm_depth`, so its bits
// depend neither on the other rows and columns of the product nor on threads.
#ifndef SPLEETERRT_FAST_SGEMM_H
#define SPLEETERRT_FAST_SGEMM_H

#include <cstddef>

namespace spleeterrt {

struct Sgemm {
    bool trans_a, trans_b;
    std::size_t m, n, k;
    const float *a;
    std::size_t lda;
    const float *b;
    std::size_t ldb;
    float *c;
    std::size_t ldc;
};

struct SgemmKernels {
    const char *name;
    std::size_t pack_floats; // of working memory, 64-byte aligned
    void (*run)(const Sgemm &product, float *pack);
};

// By the set that SPLEETERRT_ISA names, or the best one. Each calling thread keeps working memory of less than 1 MB.
void sgemm(const Sgemm &product) noexcept;
// By the set of that name; false: it is not here.
bool sgemm_by(const char *isa, const Sgemm &product) noexcept;

} // namespace spleeterrt

#endif
