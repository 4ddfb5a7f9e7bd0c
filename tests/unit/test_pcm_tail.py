"""Chunks behind samples of unknown length, many of them: each is looked at once, and not for ever."""

from __future__ import annotations

import pytest

from spleeterrt.audio.pcm import MOST_TAIL, SampleTail

CHUNK = b"LIST\4\0\0\0INFO"
SAMPLES = bytes(range(1, 200))


@pytest.mark.parametrize("count", [1, 2, 100, 100_000])
def test_runs_of_chunks_are_dropped(count: int) -> None:
    """(In quadratic time the last would take an hour.)"""
    data = SAMPLES + CHUNK * count
    tail = SampleTail()
    kept = b"".join(tail.feed(data[at : at + 500_000]) for at in range(0, len(data), 500_000)) + tail.end()
    assert kept == SAMPLES
    assert tail.dropped == len(CHUNK) * count


def test_a_run_that_interrupts_the_samples_is_samples() -> None:
    data = SAMPLES + CHUNK * 100_000 + SAMPLES
    tail = SampleTail()
    assert tail.feed(data) + tail.end() == data


def test_what_is_held_back_is_bounded() -> None:
    """An endless run of chunks is no tail."""
    tail = SampleTail()
    given = kept = 0
    for _ in range(8):
        kept += len(tail.feed(CHUNK * 50_000))
        given += len(CHUNK) * 50_000
        assert given - kept <= MOST_TAIL
    assert kept + len(tail.end()) + tail.dropped == given
