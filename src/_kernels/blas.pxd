"""Single-precision matrix product: the only Cython file that names the BLAS."""

cdef extern from "core/blas.h" nogil:
    void row_major_sgemm(
        int trans_a, int trans_b, int m, int n, int k,
        const float* a, int lda, const float* b, int ldb, float* c, int ldc)
    void blas_start()
    const char* BLAS_NAME "SPLEETERRT_BLAS_NAME"

cdef extern from "core/fast/sgemm.h" namespace "spleeterrt" nogil:
    cdef cppclass Sgemm:
        bint trans_a, trans_b
        size_t m, n, k
        const float* a
        size_t lda
        const float* b
        size_t ldb
        float* c
        size_t ldc
    void builtin_sgemm "spleeterrt::sgemm" (const Sgemm& product)
    bint builtin_sgemm_by "spleeterrt::sgemm_by" (const char* isa, const Sgemm& product)


cdef inline void gemm(
    const float* a, Py_ssize_t lda, bint trans_a,
    const float* b, Py_ssize_t ldb, bint trans_b,
    float* c, Py_ssize_t ldc,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    # c[m, n] = op(a)[m, k] @ op(b)[k, n], row-major, ld in floats
    row_major_sgemm(
        trans_a, trans_b, <int>m, <int>n, <int>k, a, <int>lda, b, <int>ldb, c, <int>ldc)
