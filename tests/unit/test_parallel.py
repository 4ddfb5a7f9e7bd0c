"""Counting threads, and calling kernels in a process that was forked."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from spleeterrt import SpleeterError, parallel
from spleeterrt.parallel import check_threads, run_parallel


def test_positive_integers():
    assert [check_threads(n) for n in (1, 2, 64)] == [1, 2, 64]


@pytest.mark.parametrize("threads", [0, -1, True, False, 2.0, "2", [2], np.float32(2)])
def test_anything_else_is_refused(threads):
    with pytest.raises(SpleeterError, match=r"threads: expected a positive integer or None, got"):
        check_threads(threads)


class Failure(Exception):
    pass


def fail(*args):
    raise Failure(*args)


@pytest.fixture(params=[False, True], ids=["parent", "forked"])
def forked(request, monkeypatch):
    monkeypatch.setattr(parallel, "_forked", request.param)
    monkeypatch.setattr(parallel, "_openmp", True)
    return request.param


def test_results_and_arguments_pass_through(forked):
    assert run_parallel(lambda *args: args, 1, "b", None) == (1, "b", None)
    assert run_parallel(lambda: None) is None


def test_errors_pass_through(forked):
    with pytest.raises(Failure, match="a reason"):
        run_parallel(fail, "a reason")

    def leave():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parallel(leave)


def test_a_forked_child_calls_from_a_fresh_thread(forked):
    here = threading.get_ident()
    assert (run_parallel(threading.get_ident) != here) == forked
    before = threading.active_count()
    run_parallel(threading.get_ident)
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_is_noticed():
    parallel._after_fork()
    try:
        assert parallel._forked
    finally:
        parallel._forked = False


def refuse(thread):
    raise RuntimeError("can't start new thread")


def test_no_thread_in_a_forked_child(monkeypatch):
    monkeypatch.setattr(parallel, "_forked", True)
    monkeypatch.setattr(parallel, "_openmp", True)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(SpleeterError, match="no more threads"):
        run_parallel(lambda: None)


def test_pools_run_before_they_are_used(monkeypatch):
    pool = parallel.started_pool(3, "test")
    monkeypatch.setattr(threading.Thread, "start", refuse)  # from here on no thread can be had
    with pool:
        assert list(pool.map(abs, range(-20, 0))) == [*range(20, 0, -1)]
    assert parallel.started_pool(3, "test") is None
    monkeypatch.setattr(parallel.machine, "threads_to_be_had", lambda wanted: 0)
    assert parallel.started_pool(3, "test") is None


def test_a_team_that_is_there_needs_no_asking(monkeypatch):
    """As many threads are kept as the calling thread's last parallel kernel had."""
    asked = []

    def give(wanted):
        asked.append(wanted)
        return min(wanted, 3)

    monkeypatch.setattr(parallel.machine, "threads_to_be_had", give)
    counts = []

    def work():
        counts.extend(parallel.available_threads(threads) for threads in (1, 2, 4, 4, 1, 3, 8))

    thread = threading.Thread(target=work)  # without a team yet
    thread.start()
    thread.join()
    assert counts == [1, 2, 4, 4, 1, 3, 6]
    assert asked == [1, 2, 5]
