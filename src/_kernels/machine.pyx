# cython: language_level=3, embedsignature=True, embedsignature.format=clinic
"""What this machine has for us: `core/machine`, `core/denormals`."""

from libcpp.string cimport string

cdef extern from "core/machine.h" namespace "spleeterrt" nogil:
    cdef cppclass ThreadCount:
        size_t threads
        string because
    size_t _MOST_THREADS "spleeterrt::most_threads"
    ThreadCount cpp_usual_threads "spleeterrt::usual_threads" (
        const char* omp, const string& root, size_t cores) except +
    size_t cpp_threads_to_be_had "spleeterrt::threads_to_be_had" (size_t wanted)

cdef extern from "core/denormals.h" namespace "spleeterrt" nogil:
    cdef cppclass CppNoDenormals "spleeterrt::NoDenormals":
        CppNoDenormals()

MOST_THREADS = _MOST_THREADS


def usual_threads(omp_num_threads=None, root=b"", size_t cores=0):
    """(threads, why so many), as `core/machine.h` says; omp_num_threads: bytes or None; root: bytes."""
    cdef const char* omp = NULL
    cdef ThreadCount count
    if omp_num_threads is not None:
        omp = omp_num_threads
    count = cpp_usual_threads(omp, root, cores)
    return count.threads, count.because.decode("utf-8", "replace")


def threads_to_be_had(size_t wanted):
    cdef size_t threads
    with nogil:
        threads = cpp_threads_to_be_had(wanted)
    return threads


cdef class NoDenormals:
    """In a `with` block, the calling thread takes denormal numbers for zeros: for calls of others."""

    cdef CppNoDenormals* mode

    def __enter__(self):
        self.mode = new CppNoDenormals()

    def __exit__(self, *_):
        del self.mode
        self.mode = NULL
