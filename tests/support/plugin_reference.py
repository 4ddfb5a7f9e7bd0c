"""What a plugin should put out: the stems of the C interface with the same options, and the delayed input."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from support.c_library import load, opened, pointers

MODES = ["short", "middle", "long"]
OPTIONS = {
    "short": {"hop_frames": 1, "window": 2048, "budget": 896},
    "middle": {"hop_frames": 2, "window": 2048},
    "long": {"hop_frames": 128, "window": 0},
}
STEMS = {2: b"vocals,accompaniment", 4: b"vocals,drums,bass,other"}
SONG = Path(__file__).parents[1] / "data/song.ogg"


@cache
def reference_library():
    if "SPLEETERRT_C_BUILD" not in os.environ:
        pytest.skip("SPLEETERRT_C_BUILD names no build of the C library to compare with")
    return load()


@cache
def song(rate: int, seconds: float) -> np.ndarray:
    """float32 [n, 2]: a song, and quiet noise, so that every band and every moment counts."""
    samples, own = soundfile.read(SONG, dtype="float32", always_2d=True)
    samples = np.resize(samples, (int(own * seconds) + own, 2))
    samples = soxr.resample(samples, own, rate)[: int(rate * seconds)]
    noise = np.random.default_rng(5).uniform(-1e-3, 1e-3, samples.shape)
    return np.ascontiguousarray(samples + noise, np.float32)


def aligned(channels: np.ndarray, delay: int, count: int) -> np.ndarray:
    """[..., n] later by `delay` samples: [..., count]."""
    zeros = np.zeros((*channels.shape[:-1], delay), np.float32)
    return np.concatenate((zeros, channels), axis=-1)[..., :count]


def waiting_stream(library, model, stems, mode, rate, block):
    """A stream of the C interface with the plugin's options, which waits for its networks."""
    options = library.srt_default_options()
    for name, value in OPTIONS[mode].items():
        setattr(options, name, value)
    options.sample_rate, options.max_block, options.realtime = rate, block, 0
    options.residual, options.stems = 1, STEMS[stems]
    return opened(library.srt_open, str(model).encode(), options)


def expected_stems(library, model, stems, mode, rate, samples, latency, block=512) -> np.ndarray:
    """The stems of `samples` [n, 2] by a stream of the C interface, later by `latency`: [stems, 2, n]."""
    stream = waiting_stream(library, model, stems, mode, rate, block)
    own, count = library.srt_latency(stream), len(samples)
    assert own <= latency
    padded = np.concatenate((samples, np.zeros((block, 2), np.float32)))
    parts = []
    for at in range(0, count, block):
        part = np.ascontiguousarray(padded[at : at + block].T)
        parts.append(np.empty((2 * library.srt_stems(stream), block), np.float32))
        assert library.srt_process(stream, pointers(part), pointers(parts[-1]), block) == 0
    names = [library.srt_stem_name(stream, k) for k in range(stems)]
    library.srt_destroy(stream)
    whole = np.concatenate(parts, axis=1)[:, :count].reshape(-1, 2, count)
    whole = whole[[names.index(name) for name in STEMS[stems].split(b",")]]
    whole = aligned(whole, latency - own, count)
    whole[..., :latency] = 0  # before the song begins, no echo of its first frames
    return whole
