"""Loops over independent tasks: in the core's own threads, or by `prange` in builds with OpenMP."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange, threadid

from _kernels.executor cimport fast_team

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
ctypedef void (*NetworkTask)(
    const void* job, Py_ssize_t task, Py_ssize_t thread, fast_team* team) noexcept nogil
ctypedef void (*NetworkTaskRunner)(
    NetworkTask work, const void* job, Py_ssize_t tasks, Py_ssize_t threads, float** workspaces,
    size_t floats) noexcept nogil


cdef inline TaskRunner task_runner() except NULL:
    # All modules share the threads of `machine`.
    from spleeterrt._kernels import machine
    return <TaskRunner>PyCapsule_GetPointer(machine.task_runner, "task_runner")


cdef inline NetworkTaskRunner network_task_runner() except NULL:
    from spleeterrt._kernels import machine
    return <NetworkTaskRunner>PyCapsule_GetPointer(machine.network_task_runner, "network_task_runner")


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


cdef inline void for_each_network(
    NetworkTaskRunner runner, NetworkTask work, const void* job, Py_ssize_t tasks, Py_ssize_t threads,
    float** workspaces, size_t floats
) noexcept nogil:
    # The same for tasks that run networks, each in the workspace of its thread, `floats` long. Threads beyond
    # their number help with `team`; OpenMP's do not, and get NULL.
    cdef Py_ssize_t task
    if OPENMP and threads > 1:
        for task in prange(tasks, schedule="dynamic", chunksize=1, num_threads=<int>threads):
            work(job, task, threadid(), NULL)
    else:
        runner(work, job, tasks, threads, workspaces, floats)
