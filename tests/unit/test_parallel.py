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
