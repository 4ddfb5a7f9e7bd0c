"""What hosts of plugins ask of a stream: rendering, positions, exact sums, faders, shared threads."""

from __future__ import annotations

import os

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, SpleeterError, StreamSeparator
from support import reference as ref
from support import stream_reference as plain
from support.examples import sized, some

FILTERS = (4, 8, 8, 16, 16, 32)


def make(**sizes):
    config = ModelConfig(instruments=("vocals", "drums", "other"), conv_n_filters=FILTERS, T=64, **sizes)
    return Model(config, ref.random_weights(config.instruments, FILTERS, 0))


@pytest.fixture(scope="module")
def model():
    return make(frame_length=512, frame_step=128, F=sized(192, 64))


def noise(count):
    return np.random.default_rng(1).uniform(-0.5, 0.5, (count, 2)).astype(np.float32)


def start(model, **settings):
    return StreamSeparator(model, 64, **{"realtime": False, "hop_frames": 2, "threads": 1, **settings})


def test_a_caller_that_renders_is_waited_for():
    """Steps of frames that last half a second: this machine renders faster than that."""
    model = make(sample_rate=2000, F=64)
    samples = noise(60000)
    with start(model, sample_rate=2000) as live:
        expected = plain.drive(live, samples, [300])
    with start(model, sample_rate=2000, realtime="auto") as live:
        found = plain.drive(live, samples, [300])
        assert live.stats.covered_frames == live.underruns == 0
    for stem, sound in expected.items():
        np.testing.assert_array_equal(found[stem], sound)


def test_waiting_changes_while_a_stream_runs(model):
    with start(model, realtime=True) as live:
        live._engine.pause(True)
        plain.drive(live, noise(12000), [500], flush=False)
        covered = live.stats.covered_frames
        assert covered > 10
        live._engine.pause(False)
        live.set_realtime(False)
        live.reset()
        runs = live.stats.runs
        plain.drive(live, noise(12000), [500], flush=False)
        assert live.stats.covered_frames == covered
        assert live.stats.runs > runs + 10
        for wrong in (2, None, "yes"):
            with pytest.raises(SpleeterError, match="realtime"):
                live.set_realtime(wrong)


def test_a_reset_does_not_wait(model):
    samples = noise(6000)
    with start(model) as live:
        expected = plain.drive(live, samples, [500], flush=False)
    with start(model, realtime=True) as live:
        live._engine.pause(True)
        plain.drive(live, samples, [500], flush=False)
        live.reset()  # networks stand still
        live._engine.pause(False)
        live.set_realtime(False)
        for stem, sound in plain.drive(live, samples, [500], flush=False).items():
            np.testing.assert_array_equal(sound, expected[stem])


@pytest.mark.parametrize("rate", some([48000, 44100]))
def test_streams_created_later_give_the_same(model, rate):
    with start(model, sample_rate=rate) as live:
        settling = live.settling
        samples = noise(settling + 9000)
        expected = plain.drive(live, samples, [4000], flush=False)
    for first in (1, 5000):
        with start(model, sample_rate=rate) as live:
            live.reset(first)
            late = plain.drive(live, samples[first:], [777], flush=False)
            live.reset(first + 50)
            elsewhere = plain.drive(live, samples[first:], [777], flush=False)
        for stem, sound in expected.items():
            np.testing.assert_array_equal(late[stem][settling:], sound[first + settling :])
            assert (elsewhere[stem][settling:] != sound[first + settling :]).any()


def test_positions_that_make_no_sense(model):
    with start(model, block=128) as live:
        live.reset(1280)
        for wrong in (100, 1.5, True, 1 << 70):
            with pytest.raises(SpleeterError, match="position"):
                live.reset(wrong)


@pytest.mark.parametrize("rate", [44100, 48000, 96000, 22050])
def test_the_residual_makes_the_sum_exact(model, rate):
    samples = noise(sized(20000, 9000))
    errors = {}
    for residual in (False, True):
        with start(model, sample_rate=rate, residual=residual) as live:
            total = sum(plain.drive(live, samples, [700]).values())
            errors[residual] = np.abs(total[live.latency :] - samples).max()
    assert errors[True] <= 1e-6
    assert errors[False] > 0.05  # the bins above F are in no stem


def test_stems_before_their_faders(model):
    samples = noise(5000)
    with start(model) as live:
        expected = plain.drive(live, samples, [500], flush=False)
    with start(model, pre_fader=True) as live:
        live.set_gains(vocals=0.5, drums=0.0)
        live.reset()
        mix = np.empty((4000, 2), np.float32)
        found = live.process(samples[:4000], mix_out=mix)
    for stem, sound in found.items():
        np.testing.assert_array_equal(sound, expected[stem][:4000])
    np.testing.assert_array_equal(mix, np.float32(0.5) * found["vocals"] + found["other"])


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_eight_streams_have_as_many_threads_as_one(model):
    before = len(os.listdir("/proc/self/task"))
    streams = [start(model, threads=2, shared_threads=True) for _ in range(8)]
    assert len(os.listdir("/proc/self/task")) == before + 2
    samples = noise(4096)
    for live in streams:
        live.process(samples)
    results = [live.process(samples)["vocals"] for live in streams]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    for live in streams:
        live.close()
    assert len(os.listdir("/proc/self/task")) == before
