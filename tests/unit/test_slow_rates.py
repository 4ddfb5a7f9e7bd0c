"""Sample rates that a header may say, but no sound has: bounded memory, or an error."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.resample import LARGEST_OUTPUT, StreamResampler


def test_a_hertz_is_no_sound(tmp_path: Path) -> None:
    """240 kB would be 16 hours, a block of them 20 GB."""
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.full((60_000, 2), 0.1), 1, subtype="PCM_16")
    with pytest.raises(AudioError, match=r"slow\.wav: 1 Hz, as its header says, is no sound"):
        AudioReader(path, sample_rate=44100)
    with AudioReader(path) as reader:  # as it is
        assert sum(map(len, reader)) == 60_000


def test_blocks_of_low_rates_are_small(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.full((6000, 1), 0.1), 100, subtype="PCM_16")
    tracemalloc.start()
    with AudioReader(path, sample_rate=44100) as reader:
        lengths = [len(block) for block in reader]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(lengths) == 60 * 44100
    assert max(lengths) < 3 * LARGEST_OUTPUT
    assert peak < 32 << 20


def test_parts_are_the_whole() -> None:
    rng = np.random.default_rng(0)
    block = rng.standard_normal((5000, 2)).astype(np.float32)
    whole, parts = (StreamResampler(200, 44100, 2) for _ in range(2))
    expected = np.concatenate([whole.process(block), whole.flush()])
    got = np.concatenate([*parts.process_in_parts(block), parts.flush()])
    np.testing.assert_array_equal(got, expected)
