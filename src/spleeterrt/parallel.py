"""Threads: how many, and how the kernels' parallel regions survive a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .errors import SpleeterError

_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_threads(threads: int | None) -> int:
    """The number of threads to use; None: the cores that this process may use."""
    if threads is None:
        try:
            return len(os.sched_getaffinity(0))
        except AttributeError:  # not on this system
            return os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise SpleeterError(f"threads: expected a positive integer or None, got {threads!r}")
    return threads


def run_parallel(function: Callable[..., Any], *args: Any) -> Any:
    """Call a kernel that may open an OpenMP region.

    GCC's OpenMP keeps a pool of workers per calling thread, which a fork does not copy: the child
    would wait for them for ever. A fresh thread has no pool yet, so a forked child calls from one.
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
