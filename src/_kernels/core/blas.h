// The only file that knows which BLAS is linked.
#ifndef SPLEETERRT_BLAS_H
#define SPLEETERRT_BLAS_H

#ifdef SPLEETERRT_MKL
#include <mkl_cblas.h>
#include <mkl_service.h>
#elif defined(SPLEETERRT_BUILTIN)
#include "fast/sgemm.h"
#else
#include <cblas.h>
#endif

#ifndef SPLEETERRT_BLAS_NAME
#define SPLEETERRT_BLAS_NAME "cblas"
#endif

#ifdef SPLEETERRT_OPENBLAS
#include <mutex>
extern "C" int openblas_get_parallel(void);
#endif

/* Once, before the first product. Our own copy of MKL keeps no pool of memory: a pool's lock that another
 * thread holds during a fork would stop the child for ever. (A shared MKL belongs to the host, too: left
 * alone.) No slower here: the matrices of one layer are few and large. */
static inline void blas_start(void)
{
#ifdef SPLEETERRT_MKL_PRIVATE
    mkl_disable_fast_mm();
#endif
}

/* Row-major c[m, n] = op(a)[m, k] op(b)[k, n], safe to call from several threads. */
static inline void row_major_sgemm(int trans_a, int trans_b, int m, int n, int k, const float *a, int lda,
                                   const float *b, int ldb, float *c, int ldc)
{
#ifdef SPLEETERRT_BUILTIN
    spleeterrt::sgemm(
        {trans_a != 0, trans_b != 0, (size_t)m, (size_t)n, (size_t)k, a, (size_t)lda, b, (size_t)ldb, c, (size_t)ldc});
#else
#ifdef SPLEETERRT_OPENBLAS
    /* OpenBLAS without threads (0) keeps its buffers unlocked, as some distributions build it:
     * calls at the same time give wrong numbers. One at a time, then. Asked at run time,
     * because the library can be exchanged after the build. */
    if (openblas_get_parallel() == 0) {
        static std::mutex turns;
        const std::lock_guard<std::mutex> turn(turns);
        cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, m, n, k,
                    1.0f, a, lda, b, ldb, 0.0f, c, ldc);
        return;
    }
#endif
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f,
                a, lda, b, ldb, 0.0f, c, ldc);
#endif
}

#endif
