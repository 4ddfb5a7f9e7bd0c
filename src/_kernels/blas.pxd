"""Single-precision matrix product: the only Cython file that names the BLAS."""

cdef extern from "core/blas.h" nogil:
    ctypedef enum CBLAS_LAYOUT:
        CblasRowMajor
    ctypedef enum CBLAS_TRANSPOSE:
        CblasNoTrans
        CblasTrans
    void cblas_sgemm(
        CBLAS_LAYOUT layout, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b,
        int m, int n, int k,
        float alpha, const float* a, int lda, const float* b, int ldb,
        float beta, float* c, int ldc)
    const char* BLAS_NAME "SPLEETERRT_BLAS_NAME"


cdef inline void gemm(
    const float* a, Py_ssize_t lda, bint trans_a,
    const float* b, Py_ssize_t ldb, bint trans_b,
    float* c, Py_ssize_t ldc,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    # c[m, n] = op(a)[m, k] @ op(b)[k, n], row-major, ld in floats
    cblas_sgemm(
        CblasRowMajor,
        CblasTrans if trans_a else CblasNoTrans,
        CblasTrans if trans_b else CblasNoTrans,
        <int>m, <int>n, <int>k,
        1.0, a, <int>lda, b, <int>ldb, 0.0, c, <int>ldc)
