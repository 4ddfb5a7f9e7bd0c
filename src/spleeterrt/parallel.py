"""Threads: how many, and how the kernels' parallel regions survive a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import SpleeterError

MOST_THREADS = 256  # OpenMP ends the process where the system gives it no more

_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_threads(threads: int | None) -> int:
    """The number of threads to use, at most `MOST_THREADS`; None: the cores that this process may use.

    Each thread has a workspace of some 30 MB. Results do not depend on the number.
    """
    if threads is None:
        try:
            cores = len(os.sched_getaffinity(0))
        except AttributeError:  # not on this system
            cores = os.cpu_count() or 1
        return min(cores, MOST_THREADS)
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise SpleeterError(f"threads: expected a positive integer or None, got {threads!r}")
    return min(int(threads), MOST_THREADS)


def run_parallel(function: Callable[..., Any], *args: Any) -> Any:
    """Call a kernel that may open an OpenMP region.

    GCC's OpenMP keeps a pool of workers per calling thread, which a fork does not copy: the child
    would wait for them for ever. A fresh thread has no pool yet, so a forked child calls from one.
    (As with every threaded library, a fork while another thread is inside a kernel is safe only as
    far as the system's allocator is; MKL's own allocator is switched off for that.)
    """
    if not _forked:
        return function(*args)
    result: list[Any] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            result.append(function(*args))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=call, name="spleeterrt-forked")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
