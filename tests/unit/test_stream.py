"""The real-time engine: exact latency, the same samples for any blocks, the definitions of its modes."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import time

import numpy as np
import pytest

from spleeterrt import ModelConfig, Separator, SpleeterError, StreamSeparator, load_model
from spleeterrt._kernels import stream as kernels
from spleeterrt.errors import BusyError
from spleeterrt.network.model import Model
from spleeterrt.realtime.stream import StreamSettings
from support import reference as ref
from support import stream_reference as plain
from support.emulation import EMULATED
from support.examples import pairs, sized, some

FILTERS = (4, 8, 8, 16, 16, 32)
SIZES = {"frame_length": 512, "frame_step": 128, "T": 64, "F": sized(192, 64)}

# Float32 transforms there and back, relative to full scale (measured: 3e-7).
IDENTITY = 1e-6
# Against float64 transforms around the same float32 networks (measured: 4e-7).
DEFINITION = 1e-5
# Against Separator: the same arithmetic, other windows of it (measured: 6e-8).
OFFLINE = 1e-6


def make(stems=("vocals", "other"), seed=0, weights=None, **options):
    config = ModelConfig(instruments=tuple(stems), conv_n_filters=FILTERS, **{**SIZES, **options})
    return Model(config, weights or ref.random_weights(config.instruments, FILTERS, seed))


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def ones():
    """Every stem's network is the same, so its mask is 1 / stems; the sum of stems is the mix."""
    config = ModelConfig(
        instruments=("a", "b", "c"), mask_extension="average", conv_n_filters=FILTERS, **SIZES
    )
    stem = ref.random_weights(("a",), FILTERS)["a"]
    return Model(config, {name: dict(stem) for name in config.instruments})


def noise(count, seed=0, channels=2):
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0.05, 1.0, count // 500 + 1), 500)[:count, None]
    return (rng.uniform(-0.5, 0.5, (count, channels)) * envelope).astype(np.float32)


def cuts(seed, most=4096):
    """Random sizes of blocks, small and large ones."""
    rng = np.random.default_rng(seed)
    return [int(n) for n in np.exp(rng.uniform(0, np.log(most), 50)).round()]


MODES = {
    "double": {},
    "double, budget": {"budget": 1000},
    "sliding": {"hop_frames": 4},
    "sliding by one": {"hop_frames": 1},
    "lookahead": {"hop_frames": 3, "lookahead": 5},
    "hold": {"hold": True},
    "hold, slow": {"hold": True, "hop_frames": 3, "budget": 300},
    "short": {"hop_frames": 2, "window": "short"},
    "three quarters": {"hop_frames": 2, "window": 384},
    "shortest": {"hop_frames": 2, "window": 160},
    "hold, short": {"hold": True, "window": "short"},
    "crossfade": {"hop_frames": 4, "crossfade": 3},
    "crossfade, lookahead": {"hop_frames": 4, "crossfade": 3, "lookahead": 2},
    "T=128": {"frames": 128, "hop_frames": 8},
}
modes = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
USUAL = sized(20000, 9000)  # samples; more than a table of 64 frames
SLIDING = sized(12000, 5000)  # samples for networks that run every few frames


def start(model, mode, **more):
    settings = {"frames": 64, "realtime": False, "threads": 2, **mode, **more}
    return StreamSeparator(model, settings.pop("frames"), **settings)


# --- latency ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "sizes"), pairs([*MODES], ["random", [1], [17], [64], [441], [1024], [4096]]), ids=str
)
def test_the_sum_of_stems_is_the_mix_exactly_latency_later(ones, mode, sizes):
    mode = MODES[mode]
    samples = noise(1500 if sizes == [1] else USUAL)
    with start(ones, mode) as live:
        assert live.latency == plain.latency(ones.config, live.settings)
        for attempt in range(2):  # the second one after flush
            samples = samples[: sized(USUAL, 3000)] if attempt else samples
            stems = plain.drive(live, samples, cuts(attempt) if sizes == "random" else sizes)
            total = sum(stems.values())
            assert len(total) == len(samples) + live.latency
            assert not total[: live.latency].any()
            assert np.abs(total[live.latency :] - samples).max() <= IDENTITY
        live.process(samples[:1111])
        live.reset()
        total = sum(plain.drive(live, samples, [700]).values())
        assert np.abs(total[live.latency :] - samples).max() <= IDENTITY


@pytest.mark.parametrize(
    ("mode", "block"), pairs(["double", "sliding", "hold", "short", "lookahead"], [32, 1, 128, 100, 129])
)
def test_a_fixed_block_lowers_the_latency_where_it_divides(ones, mode, block):
    samples = noise(-(-9000 // block) * block)
    with start(ones, MODES[mode], block=block) as live, start(ones, MODES[mode], max_block=block) as free:
        assert live.latency == plain.latency(ones.config, live.settings)
        assert (live.latency < free.latency) == (128 % block == 0 and block > 1)
        total = sum(plain.drive(live, samples, [block]).values())
        assert np.abs(total[live.latency :] - samples).max() <= IDENTITY
        with pytest.raises(ValueError, match="promised"):
            live.process(noise(block + 1))


def test_documented_latencies():
    config = ModelConfig(instruments=("a", "b"), conv_n_filters=FILTERS)
    model = Model(config, ref.random_weights(config.instruments, FILTERS))

    def latency(**settings):
        with StreamSeparator(model, threads=1, **settings) as live:
            return live.latency

    assert latency(max_block=1) == 265215
    milliseconds = [
        round(latency(block=256, hop_frames=hop, window=window) / 44.1)
        for hop in (1, 2)
        for window in (None, 2048)
    ]
    assert milliseconds == [110, 64, 157, 110]
    assert latency(hold=True, max_block=4096) == 4095
    assert latency(hold=True, block=256) == 4096 - 256


@pytest.mark.parametrize(
    ("mode", "rate"),
    pairs(["double", "sliding by one", "hold", "short"], [48000, 22050, 96000, 8000, 11025, 32000, 88200]),
)
def test_other_rates_are_resampled_and_the_delay_is_known(ones, rate, mode):
    """Tones below all Nyquist frequencies come back in phase; the resamplers' stop band is 100 dB down."""
    count = rate // sized(2, 4)
    t = np.arange(count) / rate
    samples = np.stack([np.sin(2 * np.pi * 997 * t), np.cos(2 * np.pi * 3011 * t)], 1) * 0.5
    samples *= np.sin(np.pi / 2 * np.minimum(1, np.minimum(t, t[::-1]) / 0.1))[:, None] ** 4
    samples = samples.astype(np.float32)
    with start(ones, MODES[mode], sample_rate=rate) as live:
        stems = plain.drive(live, samples, [311])
        total = sum(stems.values())
        assert len(total) == count + live.latency
        assert np.abs(total[live.latency :] - samples).max() <= 3e-5
        # Both filters: some 36 samples of the lower rate each way and each.
        core = plain.latency(ones.config, dataclasses.replace(live.settings, max_block=1))
        extra = live.latency / rate - core / 44100 - (0 if "hold" in mode else 4096 / rate)
        assert 0 < extra < 2 * 80 / min(rate, 44100)


def test_the_resampled_latency_is_the_same_for_all_blocks(ones):
    samples = noise(sized(30000, 9000))
    with start(ones, MODES["sliding"], sample_rate=48000) as live:
        first = plain.drive(live, samples, [4096])
        for seed in range(3):
            for stem, sound in plain.drive(live, samples, cuts(seed)).items():
                np.testing.assert_array_equal(sound, first[stem])


# --- values -------------------------------------------------------------------------


@modes
def test_blocks_and_threads_make_no_difference(model, mode):
    samples = noise(USUAL)
    with start(model, mode, threads=1) as live:
        first = plain.drive(live, samples, [4096])
    for seed, threads in enumerate(some((2, 1, 5))):
        with start(model, mode, threads=threads) as live:
            for stem, sound in plain.drive(live, samples, cuts(seed)).items():
                np.testing.assert_array_equal(sound, first[stem])


@modes
@pytest.mark.parametrize("seed", some(range(2)))
def test_the_definition(mode, seed):
    model = make(sized("abc", "ab"), seed, mask_extension=("zeros", "average")[seed])
    samples = noise(sized(16000, 5000), seed)
    with start(model, mode) as live:
        stems = plain.drive(live, samples, [1000])
        expected = plain.separate(model, samples, live.settings)
        for stem, sound in stems.items():
            assert np.abs(sound[live.latency :] - expected[stem]).max() <= DEFINITION
            assert np.ptp(expected[stem]) > 0.01


def test_definitions_of_the_modes_differ(model):
    """So that the comparison above can fail."""
    samples = noise(sized(16000, 5000))
    found = []
    for name, mode in some([*MODES.items()]):
        if name == "double, budget":  # later, not different
            continue
        with start(model, mode) as live:
            found.append(plain.separate(model, samples, live.settings)["vocals"])
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 10 * DEFINITION


@pytest.mark.parametrize("frames", [64, 128, 192])
@pytest.mark.parametrize("bins", some([None, 128, 256]))
@pytest.mark.parametrize("stems", some([2, 1, 5]))
def test_double_buffered_is_the_offline_result(frames, bins, stems):
    options = {"model_type": "unet.softmax_unet"} if stems == 5 else {}
    model = make("abcde"[:stems], **options)
    config = dataclasses.replace(model.config, T=frames, F=bins or model.config.F)
    samples = noise(sized(45000, 26000))
    expected = Separator(model.with_config(config)).separate(samples)
    with start(model, {"frames": frames}, bins=bins) as live:
        stems = plain.drive(live, samples, cuts(3))
    for stem, sound in stems.items():
        assert np.abs(sound[live.latency :] - expected[stem]).max() <= OFFLINE


def test_softmax_model_slides():
    model = make("abcde", model_type="unet.softmax_unet")
    samples = noise(SLIDING)
    with start(model, MODES["lookahead"]) as live:
        stems = plain.drive(live, samples, [900])
        expected = plain.separate(model, samples, live.settings)
    for stem, sound in stems.items():
        assert np.abs(sound[live.latency :] - expected[stem]).max() <= DEFINITION


def test_reference_layers_run_in_the_engine(monkeypatch, model):
    samples = noise(SLIDING)
    with start(model, MODES["sliding"]) as live:
        fast = plain.drive(live, samples, [900])
    monkeypatch.setenv("SPLEETERRT_ISA", "reference")
    with start(make(), MODES["sliding"]) as live:
        plainly = plain.drive(live, samples, [900])
    for stem, sound in fast.items():
        assert np.abs(sound - plainly[stem]).max() <= DEFINITION


def test_full_band(model):
    samples = noise(12000)
    average = model.with_config(dataclasses.replace(model.config, mask_extension="average"))
    with start(model, {}, full_band=True) as one, start(average, {}) as other:
        first, second = plain.drive(one, samples, [500]), plain.drive(other, samples, [500])
    for stem in first:
        np.testing.assert_array_equal(first[stem], second[stem])


@pytest.mark.parametrize("synthesis", [160, 170, 192, 256, 300, 384, 500, 512])
def test_windows_reconstruct_perfectly(synthesis):
    heard, analysis, other = (np.array(w) for w in kernels.stream_windows(512, 128, synthesis))
    wanted_analysis, wanted = plain.windows(512, 128, synthesis)
    assert np.abs(heard - (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512))).max() < 1e-7
    assert np.abs(analysis - wanted_analysis).max() < 1e-6
    assert np.abs(other - wanted).max() < 1e-5 * wanted.max()
    sums = (analysis * other).reshape(4, 128).sum(axis=0)
    assert np.abs(sums - 1).max() < 3e-7
    assert not other[: 512 - synthesis].any()
    assert other[512 - synthesis :].any()


# --- gains --------------------------------------------------------------------------


def test_gains_mute_and_solo(model):
    samples = noise(sized(20000, 5000))
    with start(model, MODES["sliding"]) as live:
        stems = plain.drive(live, samples, [1000])
    with start(model, MODES["sliding"]) as live:
        live.set_gains(vocals=0.25, other=-2)
        live.reset()  # a stream that begins needs no ramp
        mix = np.empty((len(samples), 2), np.float32)
        out = live.process(samples[:4096], mix_out=mix[:4096])
        np.testing.assert_array_equal(out["vocals"], stems["vocals"][:4096] * np.float32(0.25))
        np.testing.assert_array_equal(out["other"], stems["other"][:4096] * np.float32(-2))
        np.testing.assert_array_equal(mix[:4096], out["vocals"] + out["other"])
        live.mute("vocals")
        assert live.gains == {"vocals": 0.0, "other": -2.0}
        live.mute("vocals", on=False)
        live.solo("vocals")
        assert live.gains == {"vocals": 0.25, "other": 0.0}
        live.solo()
        assert live.gains == {"vocals": 0.25, "other": -2.0}
        for bad in ({"drums": 1.0}, {"vocals": float("nan")}, {"vocals": "loud"}):
            with pytest.raises(SpleeterError):
                live.set_gains(**bad)
        assert live.gains == {"vocals": 0.25, "other": -2.0}


@pytest.mark.parametrize("rate", [44100, 48000])
def test_gain_changes_are_smooth_and_do_not_depend_on_blocks(ones, rate):
    samples = np.full((8000, 2), 0.5, np.float32)
    results = []
    for sizes in ([2000], [100], [1]):
        with start(ones, {"hold": True}, sample_rate=rate) as live:
            parts = []
            for at in range(0, len(samples), sizes[0]):
                if at == 4000:
                    live.set_gains(a=0.0)
                if at == 6000:
                    live.set_gains(a=1.0)
                parts.append(live.process(samples[at : at + sizes[0]])["a"])
            results.append(np.concatenate(parts))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    settled = results[0][3000:]
    ramp = round(0.02 * rate)
    assert np.abs(np.diff(settled[:, 0])).max() <= 0.5 / 3 / ramp * 1.05 + 1e-6
    assert np.abs(settled[1000 + ramp : 3000]).max() == 0.0
    assert np.abs(settled[3000 + ramp :] - 0.5 / 3).max() < 1e-4


# --- late networks --------------------------------------------------------------------


def wait_until(condition):
    deadline = time.monotonic() + sized(20, 300)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def in_time(live, block):
    """process, once the networks have nothing left to do: as if blocks came slowly."""
    out = live.process(block)
    wait_until(live._engine.idle)
    return out


@pytest.mark.parametrize("mode", ["double", "sliding", "lookahead", "crossfade", "short"])
def test_real_time_gives_the_same_when_the_networks_keep_up(model, mode):
    samples = noise(sized(30000, 10000))
    with start(model, MODES[mode]) as live:
        expected = plain.drive(live, samples, [256], flush=False)
    with start(model, MODES[mode], realtime=True, max_block=4096) as live:
        parts = [in_time(live, samples[at : at + 256]) for at in range(0, len(samples), 256)]
        assert live.underruns == live.stats.covered_frames == live.stats.dropped == 0
        assert live.stats.runs > 0
    for stem, sound in expected.items():
        np.testing.assert_array_equal(np.concatenate([part[stem] for part in parts]), sound)


@pytest.mark.parametrize("mode", ["double", "sliding", "hold", "lookahead", "crossfade"])
def test_a_stall_is_counted_covered_and_overcome(model, mode):
    """Workers that stand still: no exception, no waiting, sound throughout, then as if nothing had been."""
    model = model.with_config(dataclasses.replace(model.config, mask_extension="average"))
    samples = noise(sized(88200, 54000))
    hop = MODES[mode].get("hop_frames", 1 if mode == "hold" else 64) * 128
    with start(model, MODES[mode]) as live:
        expected = plain.drive(live, samples, [128], flush=False)
    with start(model, MODES[mode], realtime=True, hold_seconds=0.2, cover="vocals") as live:
        late, latency = [], live.latency
        parts = []
        first, last = sized(22050, 11025) // 128 * 128, sized(66150, 33075) // 128 * 128
        for at in range(0, len(samples), 128):
            if at == first:
                live._engine.pause(True)
            if at == last:
                live._engine.pause(False)
            if first <= at < last:
                begun = time.monotonic()
                parts.append(live.process(samples[at : at + 128]))
                late.append(time.monotonic() - begun)
            else:
                parts.append(in_time(live, samples[at : at + 128]))
        stats = live.stats
    stems = {
        stem: np.concatenate([part[stem] for part in parts])[: len(samples)] for stem in live.instruments
    }
    assert np.median(late) < 0.005
    # Runs that were due in the meantime, but for those at its ends.
    missed = (last - first) / hop
    assert missed - 3 - 8192 / hop <= stats.underruns <= missed + 3 + 8192 / hop
    assert 0 <= stats.dropped <= stats.underruns
    assert stats.covered_frames >= stats.underruns - 1
    # The mix is there throughout, whatever the masks.
    total = sum(stems.values())
    assert np.abs(total[latency:] - samples[: len(samples) - latency]).max() < 1e-5
    # Old masks are held, then the mix goes to the stem that was named.
    delayed = samples[: len(samples) - latency]
    if mode in ("sliding", "hold", "crossfade"):
        held_out = slice(last - 4000, last - 1000)
        assert (
            np.abs(
                stems["vocals"][held_out] - delayed[held_out.start - latency : held_out.stop - latency]
            ).max()
            < 1e-5
        )
    # Before the stall, and once all that it touched is over.
    settled = last + latency + 2 * hop + 64 * 128
    assert settled < len(samples) - 5000 or mode == "double"
    if mode == "hold":  # the newest mask depends on the clock
        return
    for stem, sound in expected.items():
        np.testing.assert_array_equal(stems[stem][:first], sound[:first])
        np.testing.assert_array_equal(stems[stem][settled:], sound[settled : len(samples)])


@pytest.mark.parametrize("block", [128, 384, 4096])
@pytest.mark.parametrize("mode", ["hold", "hold, slow", "sliding by one", "double"])
def test_large_blocks_are_no_underruns(model, mode, block):
    """A call that brings several frames cannot expect masks of runs that it begins itself."""
    samples = noise(max(sized(30000, 9000), sized(10, 3) * block))
    with start(model, MODES[mode], realtime=True) as live:
        for at in range(0, len(samples), block):
            in_time(live, samples[at : at + block])
        assert live.stats.underruns == live.stats.covered_frames == 0
        assert live.stats.runs > 0


def test_never_a_mask(ones):
    """Networks that never answer: equal shares, then the mix in one stem."""
    samples = noise(60000)
    live = start(ones, MODES["sliding"], realtime=True, hold_seconds=0.3, cover="c")
    live._engine.pause(True)
    stems = plain.drive(live, samples, [300], flush=False)
    assert live.underruns > 50
    assert live.stats.runs == 0
    live._engine.pause(False)
    live.close()
    delayed = samples[: len(samples) - live.latency]
    early, late = slice(live.latency, live.latency + 8000), slice(live.latency + 20000, None)
    for stem, sound in stems.items():
        assert np.abs(sound[early] - delayed[:8000] / 3).max() <= IDENTITY
        share = 1.0 if stem == "c" else 0.0
        assert np.abs(sound[late] - share * delayed[20000:]).max() <= IDENTITY


def test_flush_after_a_stall_waits(model):
    samples = noise(20000)
    with start(model, MODES["sliding"], realtime=True) as live:
        live._engine.pause(True)
        parts = [live.process(samples[:10000][at : at + 100])["vocals"] for at in range(0, 10000, 100)]
        threading.Timer(0.1, live._engine.pause, [False]).start()
        parts.append(live.flush()["vocals"])
        assert len(np.concatenate(parts)) == 10000 + live.latency
        # and the next stream knows nothing of it
        again = plain.drive(live, samples[:0], [1])
        assert not again["vocals"].any()


# --- arguments, input, lifetime -----------------------------------------------------------


def test_out_is_written_and_nothing_else(model):
    samples = noise(5000)
    before = samples.copy()
    with start(model, {"hold": True}) as live:
        expected = live.process(samples[:4096])
    with start(model, {"hold": True}) as live:
        guarded = np.full((4098, 2), 7, np.float32)
        out = {"vocals": guarded[1:-1]}
        assert live.process(samples[:4096], out) is out
        np.testing.assert_array_equal(guarded[1:-1], expected["vocals"])
        assert (guarded[[0, -1]] == 7).all()
    np.testing.assert_array_equal(samples, before)


def test_in_place(model):
    samples = noise(4096)
    with start(model, {"hold": True}) as live:
        expected = live.process(samples)
    with start(model, {"hold": True}) as live:
        block = samples.copy()
        live.process(block, {"vocals": block})
    np.testing.assert_array_equal(block, expected["vocals"])


def test_kinds_of_blocks(model):
    samples = noise(1000, channels=3)
    with start(model, {"hold": True}) as live:
        expected = live.process(np.ascontiguousarray(samples[:, :2]))
        for block in (
            samples,
            samples.astype(np.float64),
            samples[:, :2],
            samples[::-1][::-1],
            samples.tolist(),
        ):
            live.reset()
            for stem, sound in live.process(block).items():
                np.testing.assert_array_equal(sound, expected[stem])
        live.reset()
        mono = live.process(samples[:, 0])
        assert mono["vocals"].shape == (1000, 2)
        assert live.process(samples[:0])["vocals"].shape == (0, 2)
        frozen = np.ascontiguousarray(samples[:, :2])
        frozen.flags.writeable = False
        live.process(frozen)


WRONG_CALLS = {
    "integers": (lambda live: live.process(np.zeros((4, 2), np.int16)), TypeError, "full scale"),
    "text": (lambda live: live.process("noise"), TypeError, "floating-point"),
    "nothing": (lambda live: live.process(None), TypeError, "floating-point"),
    "complex": (lambda live: live.process(np.zeros((4, 2), np.complex64)), TypeError, "complex64"),
    "ragged": (lambda live: live.process([[0.0, 1.0], [2.0]]), ValueError, "samples, channels"),
    "three axes": (lambda live: live.process(np.zeros((2, 2, 2))), ValueError, "samples, channels"),
    "transposed": (
        lambda live: live.process(np.zeros((2, 512), np.float32)),
        ValueError,
        r"did you mean .*\.T",
    ),
    "short and transposed": (lambda live: live.process(np.zeros((2, 64), np.float32)), ValueError, r"\.T"),
    "no channel": (lambda live: live.process(np.zeros((9, 0), np.float32)), ValueError, r"\(9, 0\)"),
    "too long": (lambda live: live.process(noise(4097)), ValueError, "4096"),
    "outputs in a list": (lambda live: live.process(noise(9), [noise(9)]), TypeError, "out: expected"),
    "unknown output": (lambda live: live.process(noise(9), {"drums": noise(9)}), ValueError, "drums"),
    "wrong output": (
        lambda live: live.process(noise(9), {"vocals": np.zeros((9, 2))}),
        ValueError,
        "float64",
    ),
    "transposed output": (
        lambda live: live.process(noise(9), {"vocals": np.zeros((2, 9), np.float32)}),
        ValueError,
        "transpose",
    ),
    "wrong mix": (lambda live: live.process(noise(9), mix_out=noise(8)), ValueError, "mix_out"),
    "mix of flush": (lambda live: live.flush(mix_out=noise(8)), ValueError, "mix_out"),
    "no mapping, but text": (lambda live: live.process(noise(9), "vocals"), TypeError, "out: expected"),
    "gain of nobody": (lambda live: live.set_gains(drums=1), ValueError, "no stem 'drums'"),
    "gain in words": (lambda live: live.set_gains(vocals="loud"), TypeError, "number"),
    "infinite gain": (lambda live: live.set_gains(vocals=float("inf")), ValueError, "number"),
    "muted list": (lambda live: live.mute(["vocals"]), ValueError, "no stem"),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_calls_are_errors_of_ours_and_of_python(model, name):
    call, kind, message = WRONG_CALLS[name]
    with start(model, {"hold": True}) as live:
        with pytest.raises(SpleeterError, match=message) as caught:
            call(live)
        assert isinstance(caught.value, kind)
        before = live.process(noise(100))  # it goes on as if nothing had been
    with start(model, {"hold": True}) as live:
        np.testing.assert_array_equal(live.process(noise(100))["vocals"], before["vocals"])


def test_a_stream_may_go_on_with_two_samples_of_many_channels(model, caplog):
    with start(model, {"hold": True}) as live:
        live.process(noise(100, channels=16))
        assert live.process(noise(2, channels=16))["vocals"].shape == (2, 2)
        live.reset()
        live.process(noise(100, channels=16))
    assert [record.getMessage() for record in caplog.records] == [
        "block: of 16 channels the first two are used; spleeterrt.audio.downmix mixes all of them"
    ]


def test_denormal_numbers_are_silence(model):
    """To the bit, so that no layer sees numbers with which arithmetic is slow."""
    samples = noise(8192)
    with start(model, {"frames": 64, "hop_frames": 4}) as live:
        silence = plain.drive(live, 0 * samples, [1000])
        for scale in (1e-32, 1e-38, 1e-42):
            for stem, sound in plain.drive(live, samples * np.float32(scale), [1000]).items():
                np.testing.assert_array_equal(sound, silence[stem])


def test_the_share_of_covered_frames(ones):
    """Networks that stand still: every frame is covered, and `stats` says so."""
    with start(ones, {"frames": 64, "hop_frames": 4}, realtime=True) as live:
        assert live.stats.covered_share == 0.0
        live._engine.pause(True)
        for _ in range(100):
            live.process(noise(1024))
        stats = live.stats
        assert stats.frames > 0
        assert abs(stats.frames - stats.covered_frames) <= 4  # the first ones are of the silence before
        assert stats.covered_share > 0.9
        live._engine.pause(False)
        live.reset_stats()
        assert live.stats[3:4] == (0,)
        assert live.stats.frames == 0
    with start(ones, {"frames": 64, "hop_frames": 4}, realtime=False) as live:
        frames = live.model.config
        for _ in range(2):
            for _ in range(10):
                live.process(noise(1024))
            live.flush()
        assert live.stats.covered_frames == 0
        # Every frame that holds a sample is heard once.
        per_stream = (10 * 1024 + frames.frame_length) // frames.frame_step
        assert live.stats.frames == 2 * per_stream


def test_values_that_are_no_sound(ones):
    """NaN, infinities and absurd numbers become silence, are counted, and leave no trace."""
    samples = noise(sized(20000, 11000))
    clean = samples.copy()
    bad = {100: np.nan, 5000: np.inf, 5001: -np.inf, 9000: 1e30}
    for at, value in bad.items():
        samples[at, at % 2] = value
        clean[at, at % 2] = 0
    clean[300] = 0
    samples[300] = 1e-40
    with start(ones, MODES["sliding"]) as live:
        stems = plain.drive(live, samples, [1000], flush=False)
        assert live.stats.repaired == len(bad)
        live.reset()
        for stem, sound in plain.drive(live, clean, [1000], flush=False).items():
            np.testing.assert_array_equal(sound, stems[stem])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 100}, "64"),
        ({"frames": 1024}, "frames"),
        ({"frames": 0}, "frames"),
        ({"bins": 100}, "64"),
        ({"bins": 320}, "bins"),
        ({"hop_frames": 65}, "hop_frames"),
        ({"hop_frames": 0}, "hop_frames"),
        ({"hop_frames": 1.5}, "hop_frames"),
        ({"hop_frames": 4, "lookahead": 61}, "lookahead"),
        ({"lookahead": -1}, "lookahead"),
        ({"lookahead": 1}, "lookahead"),
        ({"hold": True, "lookahead": 1}, "hold"),
        ({"budget": 0}, "budget"),
        ({"hop_frames": 1, "budget": 129}, "budget"),
        ({"window": 159}, "window"),
        ({"window": 513}, "window"),
        ({"window": "long"}, "window"),
        ({"max_block": 0}, "block"),
        ({"block": 65537}, "block"),
        ({"sample_rate": 44101}, "sample_rate"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": 1 << 40}, "sample_rate"),
        ({"threads": 0}, "threads"),
        ({"priority": 100}, "priority"),
        ({"cover": "drums"}, "cover"),
        ({"crossfade": 5, "hop_frames": 4}, "crossfade"),
        ({"hold_seconds": float("nan")}, "hold_seconds"),
        ({"hold_seconds": "a"}, "hold_seconds"),
        ({"niceness": 1 << 31}, "niceness"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(model, settings, message):
    settings = {"frames": 64, **settings}
    with pytest.raises(SpleeterError, match=message):
        StreamSeparator(model, settings.pop("frames"), **settings)


def test_closed_stream(model):
    live = start(model, {})
    assert "vocals" in repr(live)
    live.close()
    live.close()
    for call in (lambda: live.process(noise(10)), live.flush, live.reset, lambda: live.stats):
        with pytest.raises(SpleeterError, match="closed") as caught:
            call()
        assert isinstance(caught.value, ValueError)
    assert "closed" in repr(live)


def test_model_by_name(tmp_path):
    from support.golden import case

    source = case("tiny-2stems") / "config.json"
    with StreamSeparator(source, 64, realtime=False) as live:
        assert live.instruments == load_model(source).instruments
    with pytest.raises(SpleeterError):
        StreamSeparator(tmp_path / "missing.json")


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_engines_leave_nothing_behind(model):
    def cycle(count):
        for _ in range(count):
            live = start(model, MODES["sliding"], realtime=True)
            live.process(noise(700))
            live.close()

    cycle(sized(50, 5))
    gc.collect()
    memory, threads = resident(), threading.active_count()
    tasks = len(os.listdir("/proc/self/task"))
    cycle(sized(300, 30))
    gc.collect()
    if not EMULATED:  # qemu itself keeps 280 KB of every thread that has ended
        assert resident() - memory < 4 << 20  # 300 engines take 500 MB
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/task")) == tasks


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_a_long_stream_takes_no_more_memory(model):
    with start(model, MODES["sliding"], realtime=True) as live:
        block = noise(4096)
        out = {stem: np.empty_like(block) for stem in live.instruments}
        for _ in range(sized(200, 40)):
            live.process(block, out)
        memory = resident()
        for _ in range(sized(4000, 120)):  # six minutes
            live.process(block, out)
        assert resident() - memory < 1 << 20


def test_engines_side_by_side_share_a_model(model):
    samples = noise(sized(20000, 5000))
    with start(model, MODES["sliding"]) as live:
        expected = plain.drive(live, samples, [500])
    results = []

    def run(seed):
        with start(model, MODES["sliding"]) as live:
            results.append(plain.drive(live, samples, cuts(seed)))

    threads = [threading.Thread(target=run, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        for stem, sound in result.items():
            np.testing.assert_array_equal(sound, expected[stem])


def test_only_one_thread_at_a_time(model):
    """A reset from another thread than the callback's is refused, not waited for."""
    samples = noise(4000)
    with start(model, MODES["sliding"], realtime=True) as live:
        over = threading.Event()
        problems = []

        def call():
            while not over.is_set():
                try:
                    live.process(samples[:997])
                except RuntimeError:
                    problems.append("process")

        thread = threading.Thread(target=call)
        thread.start()
        for _ in range(200):
            try:
                live.reset()
            except BusyError as error:
                problems.append(str(error))
        over.set()
        thread.join(20)
        assert not thread.is_alive()
        live.reset()
        live.process(samples)
        live.process(samples[:0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_gets_a_message(model):
    with start(model, MODES["sliding"]) as live:
        live.process(noise(1000))
        child = os.fork()
        if child == 0:
            try:
                live.process(noise(1000))
            except SpleeterError as error:
                live.close()
                os._exit(0 if "fork" in str(error) else 1)
            except BaseException:
                os._exit(2)
            os._exit(3)
        deadline = time.monotonic() + 30
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, 9)
                pytest.fail("the child hangs")
            time.sleep(0.01)
        live.process(noise(1000))


def test_close_while_networks_stand_still(model):
    live = start(model, MODES["sliding"], realtime=True)
    live.process(noise(4000))
    live._engine.pause(True)
    live.process(noise(4000))
    live.close()


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="not on this system")
def test_threads_do_not_inherit_the_callers_priority(model):
    """Where the creator runs in real time, the networks do not, unless they are asked to."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        pytest.skip("not allowed here")
    try:
        mine = set(os.listdir("/proc/self/task"))
        with start(model, MODES["sliding"], priority=5) as live:
            time.sleep(0.1)
            assert not live.stats.priority_refused
            tasks = set(os.listdir("/proc/self/task")) - mine
            assert {os.sched_getscheduler(int(task)) for task in tasks} == {os.SCHED_RR}
        mine = set(os.listdir("/proc/self/task"))
        with start(model, MODES["sliding"]):
            time.sleep(0.1)
            tasks = set(os.listdir("/proc/self/task")) - mine
            assert {os.sched_getscheduler(int(task)) for task in tasks} == {os.SCHED_OTHER}
    finally:
        os.sched_setscheduler(0, *before)


def test_a_stem_named_self():
    with start(make(("self", "other")), {}) as live:
        live.set_gains(self=0.5)
        assert live.gains["self"] == 0.5


def test_settings_are_frozen(model):
    with start(model, {}) as live:
        assert isinstance(live.settings, StreamSettings)
        with pytest.raises(dataclasses.FrozenInstanceError):
            live.settings.frames = 128
