"""Modes: their plans, each against its definition in float64, and against itself cut otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, Separator, SpleeterError, load_model, names
from spleeterrt._kernels import spectral
from spleeterrt.models.packed import save_packed
from spleeterrt.network.modes import plan_mode
from support import reference as ref
from support import tolerances as tol
from support.examples import pairs, sized
from support.memory import peak
from support.tolerances import close

TWO, FOUR = ("vocals", "accompaniment"), ("vocals", "drums", "bass", "other")
THREE = ("vocals", "drums", "accompaniment")
HOP, STEP = 128, 64 * 128


def configuration(instruments=FOUR, **options):
    defaults = {
        "frame_length": 512,
        "frame_step": HOP,
        "T": 64,
        "F": 64,
        "conv_n_filters": (2, 2, 3, 3, 4, 4),
    }
    return ModelConfig(instruments=instruments, **{**defaults, **options})


def make(instruments=FOUR, networks=None, **options):
    config = configuration(instruments, **options)
    weights = ref.random_weights(config.instruments, config.conv_n_filters)
    return Model(config, weights, networks=networks), weights


def noise(samples, seed=0):
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(0, 0.2, (samples, 1)), rng.normal(0, 0.1, (samples, 2))
    return (shared + own).astype(np.float32)


SOFTMAX = {"model_type": "unet.softmax_unet"}

# --- plans ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "instruments", "options", "stems", "networks", "made", "rest"),
    [
        ("ratio", FOUR, {}, FOUR, FOUR, (0, 1, 2, 3), None),
        ("ratio", FOUR, {"stems": ["bass"]}, ("bass",), FOUR, (-1, -1, 0, -1), None),
        ("ratio", FOUR, {"residual": True}, FOUR, FOUR, (0, 1, 2, -1), "other"),
        ("ratio", FOUR, {"residual": True, "stems": ["other"]}, FOUR, FOUR, (0, 1, 2, -1), "other"),
        ("ratio", FOUR, {"residual": True, "stems": "bass"}, ("bass",), FOUR, (-1, -1, 0, -1), None),
        ("direct", FOUR, {}, FOUR, FOUR, (0, 1, 2, 3), None),
        ("direct", FOUR, {"stems": ["bass", "vocals"]}, ("vocals", "bass"), ("vocals", "bass"), (0, 1), None),
        ("direct", FOUR, {"residual": True}, FOUR, FOUR[:3], (0, 1, 2), "other"),
        ("residual", TWO, {}, TWO, ("vocals",), (0,), "accompaniment"),
        ("residual", TWO, {"stems": TWO[::-1]}, TWO, ("accompaniment",), (1,), "vocals"),
        ("residual", TWO, {"stems": TWO[1]}, TWO[1:], TWO[1:], (0,), None),
        ("residual", TWO, {"residual": True}, TWO, ("vocals",), (0,), "accompaniment"),
        ("three", FOUR, {}, THREE, ("drums", "vocals"), (1, 0), "accompaniment"),
        ("three", FOUR, {"stems": ["drums"]}, ("drums",), ("drums",), (0,), None),
        ("three", FOUR, {"stems": ["vocals"]}, ("vocals",), ("drums", "vocals"), (-1, 0), None),
    ],
)  # fmt: skip
def test_plans(mode, instruments, options, stems, networks, made, rest):
    plan = plan_mode(mode, configuration(instruments), **options)
    assert (plan.stems, plan.networks, plan.made, plan.rest) == (stems, networks, made, rest)
    assert (plan.ratio, plan.cascade) == (mode == "ratio", mode == "three" and len(networks) > 1)


def test_any_name_that_a_file_may_give() -> None:
    config = ModelConfig(instruments=("歌声", "réste"))
    assert plan_mode("ratio", config).stems == config.instruments


def test_the_names_are_those_that_the_kernels_know():
    assert names.MODES == spectral.MODES


def test_plans_of_softmax_models_need_all_networks():
    config = configuration(FOUR, **SOFTMAX)
    assert plan_mode("direct", config, stems=["bass"]).networks == FOUR
    assert plan_mode("direct", config, stems=["bass"]).stems == ("bass",)


@pytest.mark.parametrize(
    ("mode", "live", "above"),
    [("direct", False, 0.1), ("residual", False, 0.1), ("three", False, 0.1), ("ratio", False, 0),
     ("direct", True, 1 / 2), ("residual", True, 1 / 2), ("three", True, 1 / 3), ("ratio", True, 0)],
)  # fmt: skip
def test_weights_above_the_band(mode, live, above):
    config = configuration(("drums", "vocals") if mode == "three" else TWO)
    assert plan_mode(mode, config, live=live).above == np.float32(above)
    if mode != "ratio":
        assert plan_mode(mode, config, live=live, above_band=0.25).above == 0.25


@pytest.mark.parametrize(
    ("instruments", "config", "options", "message"),
    [
        (FOUR, {}, {"mode": "magic"}, "mode: expected one of"),
        (FOUR, {}, {"mode": None}, "mode: expected one of"),
        (FOUR, {}, {"mode": "residual"}, "two stems.*vocals, drums, bass, other"),
        (TWO, SOFTMAX, {"mode": "residual"}, "softmax"),
        (FOUR, SOFTMAX, {"mode": "three"}, "softmax"),
        (TWO, {}, {"mode": "three"}, "drums and vocals.*accompaniment"),
        (FOUR, {}, {"mode": "three", "stems": ["bass"]}, "vocals, drums, accompaniment.*'bass'"),
        (FOUR, {}, {"mode": "direct", "stems": ["piano"]}, "piano"),
        (FOUR, {}, {"mode": "direct", "stems": []}, "stems: expected"),
        (FOUR, {}, {"mode": "direct", "stems": [3]}, "stems: expected"),
        (FOUR, {}, {"mode": "direct", "MWF": True}, "MWF"),
        (FOUR, {}, {"above_band": 0.1}, "above_band.*full_band"),
        (FOUR, {}, {"mode": "direct", "above_band": 1.5}, "above_band: expected 0 to 1"),
        (FOUR, {}, {"mode": "direct", "above_band": float("nan")}, "above_band: expected"),
        (FOUR, {}, {"mode": "direct", "above_band": -0.5}, "above_band: expected"),
        (FOUR, {}, {"mode": "direct", "above_band": "much"}, "above_band: expected"),
        (FOUR, {}, {"mode": "three", "above_band": 0.6}, "above_band: expected 0 to 0.5"),
        (FOUR, {}, {"mode": "direct", "above_band": 0.1, "full_band": True}, "full_band"),
    ],
)
def test_what_does_not_go_together(instruments, config, options, message):
    model, _ = make(instruments, **config)
    with pytest.raises(SpleeterError, match=message):
        Separator(model, **options)


# --- definitions ------------------------------------------------------------------------


def test_own_mask():
    rng = np.random.default_rng(1)
    mask = rng.uniform(0, 1, 5001).astype(np.float32)
    magnitudes = rng.uniform(1e-20, 50, mask.size).astype(np.float32)
    magnitudes[::7] = 0
    found = np.empty_like(mask)
    spectral.own_mask(mask * magnitudes, magnitudes, 0.25, found)
    # A product and a quotient, each rounded.
    close(found, np.where(magnitudes > 0, mask, 0.25), 2 * tol.UNIT, mask)


MODES = [
    (TWO, {"mode": "direct"}, {}),
    (TWO, {"mode": "direct", "above_band": 0.0}, {"mask_extension": "average"}),
    (FOUR, {"mode": "direct", "full_band": True}, {"F": 192}),
    (FOUR, {"mode": "direct"}, SOFTMAX | {"conv_activation": "ELU", "deconv_activation": "ELU"}),
    (TWO, {"mode": "residual"}, {}),
    (
        TWO,
        {"mode": "residual", "stems": TWO[::-1], "above_band": 1.0},
        {"frame_length": 400, "frame_step": 150},
    ),
    (TWO, {"mode": "residual", "full_band": True}, {}),
    (FOUR, {"mode": "three"}, {}),
    (FOUR, {"mode": "three", "above_band": 0.4}, {"F": 192, "T": 128}),
    (FOUR, {"mode": "three", "full_band": True}, {"frame_step": 4}),
]
modes = pytest.mark.parametrize(("instruments", "options", "config"), MODES, ids=str)


@modes
def test_each_mode_is_its_definition(instruments, options, config):
    model, weights = make(instruments, **config)
    samples = noise(2 * model.config.T * model.config.frame_step + 1234)
    samples[3000:5000] = 0
    separator = Separator(model, **options)
    found = separator.separate(samples)
    expected = ref.separate_mode(
        model.config,
        weights,
        samples,
        options["mode"],
        options.get("above_band", 0.1),
        options.get("full_band", False),
        options.get("stems", instruments)[0],
    )
    assert list(found) == list(separator.stems)
    assert found.keys() == expected.keys()
    scale = max(1, model.config.frame_length / 4 / model.config.frame_step)
    allowed = tol.SEPARATION_CASCADE if options["mode"] == "three" else tol.SEPARATION
    for stem, sound in found.items():
        close(sound, expected[stem], allowed, scale)
    # It is none of the others.
    plain = Separator(model, full_band=options.get("full_band", False)).separate(samples)
    for stem in plain.keys() & found.keys():
        assert np.abs(plain[stem] - found[stem]).max() > 1e-3


@modes
def test_blocks_threads_and_memory_profiles_give_the_same_bits(instruments, options, config):
    model, _ = make(instruments, **config)
    samples = noise(sized(3, 1) * model.config.T * model.config.frame_step + 77)
    expected = Separator(model, threads=1, **options).separate(samples)
    rng = np.random.default_rng(3)
    for threads, low_memory in ((1, True), (2, False), (5, False)):
        separator = Separator(model, threads=threads, low_memory=low_memory, **options)
        blocks = np.split(samples, np.sort(rng.integers(0, len(samples), 20)))
        parts = list(separator.separate_blocks(blocks))
        whole = separator.separate(samples)
        for stem in expected:
            np.testing.assert_array_equal(np.concatenate([part[stem] for part in parts]), expected[stem])
            np.testing.assert_array_equal(whole[stem], expected[stem])


@pytest.mark.parametrize(
    ("instruments", "options"),
    [(TWO, {"mode": "residual"}), (TWO, {"mode": "residual", "stems": TWO[::-1]}), (FOUR, {"mode": "three"}),
     (FOUR, {"mode": "direct", "residual": True})],
)  # fmt: skip
def test_stems_sum_to_the_mix(instruments, options):
    model, _ = make(
        instruments, frame_length=400, frame_step=150
    )  # whose transforms do not give the signal back
    samples = noise(30000)
    stems = Separator(model, **options).separate(samples)
    # Of the rest, rounded once to float32.
    close(sum(sound.astype(np.float64) for sound in stems.values()), samples, tol.UNIT, 1)


@pytest.mark.parametrize(("mode", "samples"), pairs(MODES, [0, 1, 511, 512, 513, STEP, STEP + 1]), ids=str)
def test_any_length_and_silence(mode, samples):
    instruments, options, config = mode
    model, _ = make(instruments, **config)
    for sound in Separator(model, **options).separate(np.zeros((samples, 2), np.float32)).values():
        assert sound.shape == (samples, 2)
        assert not sound.any()
    for sound in Separator(model, **options).separate(noise(samples)).values():
        assert np.isfinite(sound).all()


@pytest.mark.parametrize("mode", ["direct", "three"])
def test_chosen_stems_are_the_same_samples(mode):
    model, _ = make()
    samples = noise(STEP + 100)
    every = Separator(model, mode=mode).separate(samples)
    for stems in (["vocals"], ["drums"], [list(every)[-1]], ["drums", "vocals"]):
        some = Separator(model, mode=mode, stems=stems).separate(samples)
        assert sorted(some) == sorted(stems)
        for stem, sound in some.items():
            np.testing.assert_array_equal(sound, every[stem])


@pytest.mark.parametrize("mode", ["ratio", "direct"])
def test_the_rest_of_a_single_stem_is_the_mix(mode):
    model, _ = make(("one",))
    samples = noise(STEP)
    separator = Separator(model, mode=mode, residual=True)
    np.testing.assert_array_equal(separator.separate(samples)["one"], samples)
    parts = [part["one"] for part in separator.separate_blocks([samples])]
    np.testing.assert_array_equal(np.concatenate(parts), samples)


def test_one_stem_of_residual_is_its_own_network():
    model, _ = make(TWO)
    samples = noise(STEP)
    found = Separator(model, mode="residual", stems="accompaniment").separate(samples)
    direct = Separator(model, mode="direct").separate(samples)
    np.testing.assert_array_equal(found["accompaniment"], direct["accompaniment"])


@pytest.mark.parametrize(("instruments", "mode"), [(TWO, "residual"), (FOUR, "three"), (FOUR, "direct")])
def test_memory_does_not_grow_with_length(instruments, mode):
    separator = Separator(make(instruments)[0], threads=1, mode=mode)
    music = noise(4000)

    few, many = sized((40, 400), (12, 48))
    peak(separator, music, 10)
    assert peak(separator, music, many) < 1.05 * peak(separator, music, few)


# --- networks ---------------------------------------------------------------------------


def test_only_the_networks_that_run_are_in_memory(tmp_path):
    whole, weights = make()
    path = tmp_path / "four.safetensors"
    save_packed(path, whole.config, weights)
    samples = noise(STEP)
    for options, networks in [
        ({"mode": "three"}, ("vocals", "drums")),
        ({"mode": "direct", "stems": ["bass"]}, ("bass",)),
        ({"mode": "direct"}, FOUR),
        ({}, FOUR),
    ]:
        separator = Separator(path, **options)
        assert separator.model.networks == networks
        assert separator.model._weights.shape == (len(networks), whole._weights.shape[1])
        assert set(separator.networks) == set(networks)
        expected = Separator(whole, **options).separate(samples)
        for stem, sound in separator.separate(samples).items():
            np.testing.assert_array_equal(sound, expected[stem])


def test_a_model_of_few_networks():
    whole, weights = make()
    model = Model(whole.config, weights, networks=["other", "drums"])
    assert model.networks == ("drums", "other")
    assert model.instruments == FOUR
    magnitudes = np.abs(noise(64 * 64)).reshape(1, 64, 64, 2)
    found, every = model.predict(magnitudes), whole.predict(magnitudes)
    assert list(found) == ["drums", "other"]
    for stem, estimate in found.items():
        np.testing.assert_array_equal(estimate, every[stem])
    for options in ({}, {"mode": "three"}):
        with pytest.raises(SpleeterError, match="vocals is not in memory, only drums, other"):
            Separator(model, **options)


@pytest.mark.parametrize("networks", [[], ["piano"], ["bass", "bass"]])
def test_networks_that_are_not_there(networks):
    with pytest.raises(SpleeterError, match="networks: expected"):
        make(networks=networks)


def test_networks_of_a_softmax_model_go_together():
    with pytest.raises(SpleeterError, match="softmax"):
        make(networks=["bass"], **SOFTMAX)
    assert make(networks=FOUR[::-1], **SOFTMAX)[0].networks == FOUR


def test_load_model_with_networks(tmp_path):
    whole, weights = make()
    path = tmp_path / "four.safetensors"
    save_packed(path, whole.config, weights)
    assert load_model(path, networks=["vocals"]).networks == ("vocals",)
    assert load_model(path).networks == FOUR
