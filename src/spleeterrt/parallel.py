"""Threads: how many, and how the kernels' parallel regions survive a fork."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import numpy as np

from ._kernels import machine
from .arguments import told
from .errors import ArgumentError, ArgumentTypeError, SpleeterError

MOST_THREADS = machine.MOST_THREADS

P = ParamSpec("P")
T = TypeVar("T")

_logger = logging.getLogger("spleeterrt")
_forked = False
_openmp = machine.OPENMP  # its threads are those of the calling thread; or else the kernels have their own
_local = threading.local()  # .team: as many threads as the calling thread's last kernel had, itself counted
_shortage_told = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_threads(threads: int | None) -> int:
    """The number of threads to use, at most `MOST_THREADS`; None: `usual_threads`.

    Each thread has a workspace of some 30 MB. Results do not depend on the number.
    """
    if threads is None:
        return usual_threads()[0]
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise ArgumentTypeError(f"threads: expected a positive integer or None, got {told(threads)}")
    if threads < 1:
        raise ArgumentError(f"threads: expected a positive integer or None, got {threads}")
    return min(int(threads), MOST_THREADS)


def usual_threads() -> tuple[int, str]:
    """How many threads are used where nobody says so, and why.

    As many as the environment variable OMP_NUM_THREADS says, if it does (Ray and Dask set it to 1 in each
    of their workers); or else one per core that the process may use (affinity), but no more than the CPU
    quota of its control group, or of one above it, rounded up (Linux: containers).
    """
    variable = os.environ.get("OMP_NUM_THREADS")
    return machine.usual_threads(None if variable is None else os.fsencode(variable))


def available_threads(threads: int) -> int:
    """How many of so many threads a kernel may have that the calling thread calls next: all, or as many as
    the system gives (limits of processes, control groups or address space).

    OpenMP, in builds with it, ends the process where it gets fewer threads than it asks for. Those that are
    kept, as many as the calling thread's last kernel had, need no asking.
    """
    global _shortage_told
    team = 1 if _forked else getattr(_local, "team", 1)
    wanted = threads
    if wanted > team:
        threads = team + machine.threads_to_be_had(wanted - team)
    if threads < wanted and not _shortage_told:
        _shortage_told = True
        _logger.warning(
            "the system gives this process %d of %d threads (a limit of processes or of memory): the work is "
            "slower, the result the same",
            threads,
            wanted,
        )
    if threads > 1:
        _local.team = threads
    return threads


def started_pool(workers: int, name: str) -> ThreadPoolExecutor | None:
    """A pool whose threads run already, so that no later call of it fails for want of one: so many, or as
    many as the system gives; None: not one."""
    workers = machine.threads_to_be_had(workers)
    if workers == 0:
        return None
    pool = ThreadPoolExecutor(workers, name)
    all_there = threading.Event()
    try:
        for _ in range(workers):  # none is idle before the event: each call starts a thread
            pool.submit(all_there.wait)
    except RuntimeError:  # "can't start new thread", after all
        all_there.set()
        pool.shutdown()
        return None
    all_there.set()
    return pool


def run_parallel(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a kernel that may run in several threads.

    The kernels' own threads are made anew in a forked child. In builds with OpenMP, GCC's keeps a pool of
    workers per calling thread, which a fork does not copy: the child would wait for them for ever. A
    fresh thread has no pool yet, so a forked child calls from one. (As with every threaded library, a fork
    while another thread is inside a kernel is safe only as far as the system's allocator is; MKL's own
    allocator is switched off for that.)
    """
    if not (_forked and _openmp):
        return function(*args, **kwargs)
    result: list[T] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            result.append(function(*args, **kwargs))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=call, name="spleeterrt-forked")
    try:
        thread.start()
    except RuntimeError as error:  # "can't start new thread"
        raise no_threads() from error
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def no_threads() -> SpleeterError:
    """The error where not even one thread that is needed can be had."""
    return SpleeterError(
        "the system gives this process no more threads: a limit of the user's processes (ulimit -u), "
        "of the control group (pids) or of memory"
    )
