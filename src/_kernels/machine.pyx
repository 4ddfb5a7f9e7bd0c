# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""What this machine has for us: `core/machine`, `core/task_threads`, `core/denormals`, its checksums."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint32_t
from libcpp.string cimport string

from _kernels.tasks cimport NetworkTask, OPENMP as _OPENMP, Task

cdef extern from "core/machine.h" namespace "spleeterrt" nogil:
    cdef cppclass ThreadCount:
        size_t threads
        string because
    size_t _MOST_THREADS "spleeterrt::most_threads"
    ThreadCount cpp_usual_threads "spleeterrt::usual_threads" (
        const char* omp, const string& root, size_t cores) except +
    size_t cpp_threads_to_be_had "spleeterrt::threads_to_be_had" (size_t wanted)

cdef extern from "core/network/crc32c.h" namespace "spleeterrt" nogil:
    uint32_t cpp_crc32c "spleeterrt::crc32c" (const void* data, size_t size, uint32_t before)

cdef extern from "core/denormals.h" namespace "spleeterrt" nogil:
    cdef cppclass CppNoDenormals "spleeterrt::NoDenormals":
        CppNoDenormals()

cdef extern from "core/task_threads.h" namespace "spleeterrt" nogil:
    void cpp_run_tasks "spleeterrt::run_tasks" (
        Task work, const void* job, Py_ssize_t tasks, Py_ssize_t threads) noexcept
    void cpp_run_network_tasks "spleeterrt::run_network_tasks" (
        NetworkTask work, const void* job, Py_ssize_t tasks, Py_ssize_t threads, float** workspaces,
        size_t floats) noexcept

MOST_THREADS = _MOST_THREADS
OPENMP = bool(_OPENMP)
"""Whether the kernels' loops run by OpenMP; or else in threads of our own."""

task_runner = PyCapsule_New(<void*>&cpp_run_tasks, "task_runner", NULL)
"""For the other modules (`tasks.pxd`): runs tasks in the threads that this module keeps."""
network_task_runner = PyCapsule_New(<void*>&cpp_run_network_tasks, "network_task_runner", NULL)
"""The same for tasks that run networks, which threads without a task of their own share."""


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


def crc32c(const unsigned char[::1] data, uint32_t before=0):
    """CRC-32C of what `before` is that of (0: nothing), and these bytes behind it."""
    cdef uint32_t crc
    cdef size_t size = data.shape[0]
    if size == 0:
        return before
    with nogil:
        crc = cpp_crc32c(&data[0], size, before)
    return crc


cdef class NoDenormals:
    """In a `with` block, the calling thread takes denormal numbers for zeros: for calls of others."""

    cdef CppNoDenormals* mode

    def __enter__(self):
        self.mode = new CppNoDenormals()

    def __exit__(self, *_):
        del self.mode
        self.mode = NULL
