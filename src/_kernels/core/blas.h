/* The only C file that knows which BLAS is linked. */
#ifndef SPLEETERRT_BLAS_H
#define SPLEETERRT_BLAS_H

#ifdef SPLEETERRT_MKL
#include <mkl_cblas.h>
#else
#include <cblas.h>
#endif

#ifndef SPLEETERRT_BLAS_NAME
#define SPLEETERRT_BLAS_NAME "cblas"
#endif

#endif
