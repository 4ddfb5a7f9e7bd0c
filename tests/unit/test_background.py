"""Threads at both ends of a loop: order, bounds, errors, and no thread left behind."""

from __future__ import annotations

import threading

import pytest

from spleeterrt.background import ReadAhead, WriteBehind


@pytest.fixture(autouse=True)
def _no_thread_stays():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("depth", [1, 2, 100])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_everything_arrives_in_order(depth, count):
    written = []
    with ReadAhead(range(count), depth) as items, WriteBehind(written.append, depth) as later:
        for item in items:
            later(item)
    assert written == list(range(count))


def test_reading_stays_within_its_bounds():
    made = 0

    def source():
        nonlocal made
        for _ in range(100):
            made += 1
            yield made

    with ReadAhead(source(), 3) as items:
        for taken, _ in zip(range(1, 21), items, strict=False):
            assert made <= taken + 4  # three in the queue and one in the thread's hands


def test_writing_stays_within_its_bounds():
    gate, done = threading.Semaphore(0), []

    def write(item):
        gate.acquire()
        done.append(item)

    with WriteBehind(write, 2) as later:
        for item in range(20):
            if item >= 3:  # two wait and one is being written: without this the next would block
                gate.release()
            later(item)
            assert item - len(done) <= 4
        for _ in range(3):
            gate.release()
    assert done == list(range(20))


def test_an_error_of_the_source_comes_after_its_items():
    def source():
        yield from (1, 2)
        raise LookupError("the end")

    seen = []

    def loop():
        with ReadAhead(source(), 5) as items:
            seen.extend(items)

    def loop_by_item():
        with ReadAhead(source(), 5) as items:
            for item in items:
                seen.append(item)

    for run in (loop, loop_by_item):
        with pytest.raises(LookupError, match="the end"):
            run()
    assert seen[-2:] == [1, 2]


@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_error_of_the_writer_stops_the_loop(at):
    def write(item):
        if item == at:
            raise LookupError(f"item {item}")

    def loop():
        with WriteBehind(write, 1) as later:
            for item in range(10):
                later(item)

    with pytest.raises(LookupError, match=f"item {at}"):
        loop()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_loop_ends_both(error):
    written, closed = [], []

    def source():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    def loop():
        with ReadAhead(source(), 2) as items, WriteBehind(written.append, 2) as later:
            for number, item in enumerate(items):
                later(item)
                if number == 5:
                    raise error

    with pytest.raises(error):
        loop()
    assert len(written) <= 6
    assert closed == [True]


def test_a_loop_that_stops_early_ends_the_reading():
    with ReadAhead(iter(int, 1), 2) as items:
        assert next(items) == 0


def test_without_threads_the_loop_does_all(monkeypatch):
    """Where the system gives no more of them."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    closed, written = [], []

    def blocks():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    with ReadAhead(blocks()) as items, WriteBehind(written.append) as later:
        for item in items:
            later(item)
            assert written[-1] == item
            if item == 3:
                break
    assert written == [0, 1, 2, 3]
    assert closed == [True]

    def fail(item):
        raise OSError("full")

    with pytest.raises(OSError, match="full"), WriteBehind(fail) as later:
        later(1)
