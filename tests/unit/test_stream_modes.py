"""The modes in real time: each against its plain definition, and against the offline result."""

from __future__ import annotations

import time

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, Separator, SpleeterError, StreamSeparator, plan_stream
from spleeterrt.models.packed import save_packed
from spleeterrt.realtime.latency_plan import plan_table
from spleeterrt.realtime.stream import StreamSettings
from support import reference as ref
from support import stream_reference as plain
from support.emulation import keeps_up
from support.examples import SHARE, sized, some

FILTERS = (4, 8, 8, 16, 16, 32)
SIZES = {"frame_length": 512, "frame_step": 128, "T": 64, "F": sized(192, 64), "conv_n_filters": FILTERS}
TWO, FOUR = ("vocals", "accompaniment"), ("vocals", "drums", "bass", "other")

# As of test_stream.py; the second network of a cascade passes on what the first one's float32 is off by.
IDENTITY = 1e-6
DEFINITION = 1e-5
OFFLINE = 1e-6


def make(stems, **options):
    config = ModelConfig(instruments=tuple(stems), **{**SIZES, **options})
    return Model(config, ref.random_weights(config.instruments, FILTERS))


MODELS = {
    "two": make(TWO),
    "four": make(FOUR, mask_extension="average"),  # which only the ratio masks follow
    "softmax": make(FOUR, model_type="unet.softmax_unet"),
}

MODES = {
    "direct": ("four", {"mode": "direct"}),
    "direct, some stems": ("four", {"mode": "direct", "stems": ["other", "drums"], "above_band": 0.1}),
    "direct, softmax": ("softmax", {"mode": "direct"}),
    "direct, some stems of a softmax": ("softmax", {"mode": "direct", "stems": ["bass"]}),
    "residual": ("two", {"mode": "residual"}),
    "residual, other network": ("two", {"mode": "residual", "stems": TWO[::-1], "above_band": 0.2}),
    "residual, one stem": ("two", {"mode": "residual", "stems": "accompaniment"}),
    "ratio, some stems": ("four", {"stems": ["bass", "vocals"]}),
    "three": ("four", {"mode": "three"}),
    "three, only vocals": ("four", {"mode": "three", "stems": ["vocals"]}),
    "three, only drums": ("four", {"mode": "three", "stems": "drums"}),
    "three, only the rest": ("four", {"mode": "three", "stems": ["accompaniment"]}),
    "three, only drums and the rest": ("four", {"mode": "three", "stems": ["accompaniment", "drums"]}),
    "three, full band": ("four", {"mode": "three", "full_band": True}),
    "three, weight": ("four", {"mode": "three", "above_band": 0.45}),
}
modes = pytest.mark.parametrize(("model", "mode"), MODES.values(), ids=MODES)

RUNS = {
    "double": {},
    "sliding": {"hop_frames": 4},
    "lookahead": {"hop_frames": 3, "lookahead": 5},
    "hold": {"hold": True, "hop_frames": 3},
    "short, crossfade": {"hop_frames": 4, "crossfade": 3, "window": "short"},
}

SUMS = {
    name: mode
    for name, mode in MODES.items()
    if name.startswith(("residual", "three")) and not {"one", "only"} & set(name.split())
}


def in_every_run(modes):
    cases = [
        pytest.param(*mode, run, id=f"{name}, {how}")
        for how, run in RUNS.items()
        for name, mode in modes.items()
    ]
    if SHARE < 1:  # one step more than `some` takes: another mode in every run
        cases = cases[:: round(1 / SHARE) + 1]
    return pytest.mark.parametrize(("model", "mode", "run"), cases)


def noise(count, seed=0):
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0.05, 1.0, count // 500 + 1), 500)[:count, None]
    samples = (rng.uniform(-0.5, 0.5, (count, 2)) * envelope).astype(np.float32)
    samples[count // 2 : count // 2 + 1500] = 0
    return samples


def start(model, **settings):
    return StreamSeparator(MODELS[model], 64, **{"realtime": False, "threads": 2, **settings})


@in_every_run(MODES)
def test_the_definition(model, mode, run):
    samples = noise(sized(14000, 5000))
    with start(model, **mode, **run) as live:
        assert live.latency == plain.latency(live.model.config, live.settings)  # whatever the mode
        stems = plain.drive(live, samples, [1000])
        expected = plain.separate(live.model, samples, live.settings)
        assert list(stems) == list(expected)
        for stem, sound in stems.items():
            assert np.abs(sound[live.latency :] - expected[stem]).max() <= DEFINITION
            assert np.ptp(expected[stem]) > 0.01


def test_definitions_differ():
    """So that the comparison above can fail."""
    samples = noise(sized(14000, 5000))
    found = []
    for mode in ({}, {"mode": "direct"}, {"mode": "direct", "above_band": 0.1}, {"mode": "three"},
                 {"mode": "three", "full_band": True}):  # fmt: skip
        with start("four", **mode) as live:
            found.append(plain.separate(live.model, samples, live.settings)["vocals"])
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 10 * DEFINITION


@modes
def test_double_buffered_is_the_offline_result(model, mode):
    samples = noise(sized(30000, 12000))
    mode = {**mode}
    if "mode" in mode and not mode.get("full_band"):
        mode.setdefault("above_band", 0.1)  # the default of files
    expected = Separator(MODELS[model], **mode).separate(samples)
    with start(model, **mode) as live:
        stems = plain.drive(live, samples, [100, 4096, 777])
    assert list(stems) == list(expected)
    for stem, sound in stems.items():
        assert np.abs(sound[live.latency :] - expected[stem]).max() <= OFFLINE


@in_every_run(SUMS)
def test_stems_sum_to_the_mix(model, mode, run):
    samples = noise(26000)  # longer than the latency
    with start(model, **mode, **run) as live:
        mix = np.empty((len(samples), 2), np.float32)
        parts = [
            live.process(samples[at : at + 1000], mix_out=mix[at : at + 1000])
            for at in range(0, len(samples), 1000)
        ]
        total = sum(np.concatenate([part[stem] for part in parts]) for stem in live.instruments)
    for sound in (total, mix):
        assert not sound[: live.latency].any()
        assert np.abs(sound[live.latency :] - samples[: len(samples) - live.latency]).max() <= IDENTITY


@modes
def test_blocks_and_threads_make_no_difference(model, mode):
    samples = noise(sized(12000, 5000))
    with start(model, **mode, hop_frames=4, threads=1) as live:
        first = plain.drive(live, samples, [4096])
    for sizes, threads in (([1, 300, 2000], 2), ([128], 5)):
        with start(model, **mode, hop_frames=4, threads=threads) as live:
            for stem, sound in plain.drive(live, samples, sizes).items():
                np.testing.assert_array_equal(sound, first[stem])


@modes
def test_real_time_gives_the_same_when_the_networks_keep_up(model, mode):
    samples = noise(sized(14000, 5000))
    with start(model, **mode, hop_frames=4) as live:
        expected = plain.drive(live, samples, [256], flush=False)
    with start(model, **mode, hop_frames=4, realtime=True) as live:
        parts = []
        for at in range(0, len(samples), 256):
            parts.append(live.process(samples[at : at + 256]))
            deadline = time.monotonic() + sized(20, 300)
            while not live.idle:
                assert time.monotonic() < deadline
                time.sleep(0.001)
        assert live.underruns == live.stats.dropped == 0
        assert live.stats.runs > 0
    for stem, sound in expected.items():
        np.testing.assert_array_equal(np.concatenate([part[stem] for part in parts]), sound)


@pytest.mark.parametrize(("model", "mode"), some([*SUMS.values()]))
def test_networks_that_never_answer(model, mode):
    """Equal shares, then the mix in one stem; the sum is the mix all the time."""
    samples = noise(40000)
    settings = {**mode, "above_band": None, "hop_frames": 4, "realtime": True, "hold_seconds": 0.2}
    live = start(model, **settings)
    live._engine.pause(True)
    stems = plain.drive(live, samples, [300], flush=False)
    assert live.underruns > 20
    live._engine.pause(False)
    live.close()
    delayed = samples[: len(samples) - live.latency]
    early, late = slice(live.latency, live.latency + 5000), slice(live.latency + 14000, None)
    for stem, sound in stems.items():
        last = stem == live.instruments[-1]
        assert np.abs(sound[early] - delayed[:5000] / len(stems)).max() <= IDENTITY
        assert np.abs(sound[late] - last * delayed[14000:]).max() <= IDENTITY


def test_gains_and_cover_are_of_the_stems_that_come_out():
    with start("four", mode="three", cover="drums", hop_frames=4) as live:
        assert live.instruments == ("vocals", "drums", "accompaniment")
        live.set_gains(accompaniment=0.5)
        live.solo("drums")
        assert live.gains == {"vocals": 0, "drums": 1, "accompaniment": 0}
        with pytest.raises(SpleeterError, match="bass"):
            live.mute("bass")
        with pytest.raises(ValueError, match="drums, accompaniment"):
            live.process(noise(10), {"other": np.empty((10, 2), np.float32)})


def test_only_the_networks_that_run_are_in_memory(tmp_path):
    four = MODELS["four"]
    path = tmp_path / "four.safetensors"
    save_packed(path, four.config, ref.random_weights(FOUR, FILTERS))
    samples = noise(9000)
    for mode, networks in [
        ({"mode": "three"}, ("vocals", "drums")),
        ({"mode": "direct", "stems": ["bass"]}, ("bass",)),
        ({}, FOUR),
    ]:
        with StreamSeparator(path, 64, realtime=False, **mode) as live, start("four", **mode) as other:
            assert live.model.networks == networks
            expected = plain.drive(other, samples, [1000])
            for stem, sound in plain.drive(live, samples, [1000]).items():
                np.testing.assert_array_equal(sound, expected[stem])


def test_default_threads_follow_the_networks_that_run_at_once(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    for model, mode, threads in [
        ("four", {}, 8), ("four", {"mode": "three"}, 2), ("two", {"mode": "residual"}, 2),
        ("four", {"mode": "direct", "stems": ["bass"]}, 2),
    ]:  # fmt: skip
        assert StreamSettings(**mode).options(MODELS[model].config)["threads"] == threads


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("four", {"mode": "magic"}, "mode: expected"),
        ("four", {"mode": "residual"}, "two stems"),
        ("two", {"mode": "three"}, "drums and vocals"),
        ("softmax", {"mode": "three"}, "softmax"),
        (
            "four",
            {"mode": "three", "stems": ["vocals", "drums"], "residual": True},
            "residual: the last stem",
        ),
        ("four", {"mode": "three", "stems": ["accompaniment"], "residual": True}, "residual: the last stem"),
        ("four", {"mode": "direct", "stems": ["piano"]}, "piano"),
        ("four", {"mode": "direct", "stems": ["bass"], "cover": "drums"}, "cover: expected one of .'bass'"),
        ("four", {"cover": np.zeros(2)}, "cover: expected one of"),
        ("four", {"mode": "three", "cover": "bass"}, "cover"),
        ("four", {"above_band": 0.1}, "above_band"),
        ("four", {"mode": "three", "above_band": 0.51}, "above_band: expected 0 to 0.5"),
        ("four", {"mode": "direct", "above_band": 0.1, "full_band": True}, "full_band"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(model, settings, message):
    with pytest.raises(SpleeterError, match=message):
        StreamSeparator(MODELS[model], 64, **settings)


@keeps_up
def test_plans_for_a_mode():
    plan = plan_stream(MODELS["four"], 3000, 1, margin=0.1, mode="three")
    assert plan.arguments()["mode"] == "three"
    with StreamSeparator(MODELS["four"], **plan.arguments()) as live:
        assert live.instruments == ("vocals", "drums", "accompaniment")
        assert live.latency == plan.latency


def test_plans_for_a_mode_that_does_not_fit():
    with pytest.raises(SpleeterError, match="two stems"):
        plan_stream(MODELS["four"], mode="residual")
    with pytest.raises(SpleeterError, match="two stems"):
        plan_table(MODELS["four"], mode="residual")
