"""Loops over independent tasks: in the core's own threads, or by `prange` in builds with OpenMP."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange, threadid

cdef extern from *:
    """
    #ifdef _OPENMP
    #define SPLEETERRT_OPENMP 1
    #else
    #define SPLEETERRT_OPENMP 0
    #endif
    """
    const bint OPENMP "SPLEETERRT_OPENMP"

ctypedef void (*Task)(const void* job, Py_ssize_t task, Py_ssize_t thread) noexcept nogil
ctypedef void (*TaskRunner)(
    Task work, const void* job, Py_ssize_t tasks, Py_ssize_t threads) noexcept nogil


cdef inline TaskRunner task_runner() except NULL:
    # All modules share the threads of `machine`.
    from spleeterrt._kernels import machine
    return <TaskRunner>PyCapsule_GetPointer(machine.task_runner, "task_runner")


cdef inline void for_each(
    TaskRunner runner, Task work, const void* job, Py_ssize_t tasks, Py_ssize_t threads
) noexcept nogil:
    # work(job, task, thread) for all tasks, in any order. thread < threads: whose working memory to use.
    cdef Py_ssize_t task
    if OPENMP and threads > 1:
        for task in prange(tasks, schedule="dynamic", chunksize=1, num_threads=<int>threads):
            work(job, task, threadid())
    else:
        runner(work, job, tasks, threads)
