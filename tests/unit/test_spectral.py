"""STFT, masks, Wiener filter and the running window, against float64 and against themselves cut otherwise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spleeterrt import ModelConfig, SpleeterError
from spleeterrt._kernels import offline, spectral
from spleeterrt.arrays import check_finite
from spleeterrt.audio.channels import to_stereo
from spleeterrt.network.model import Model
from spleeterrt.network.modes import plan_mode
from spleeterrt.pipeline import Pipeline
from spleeterrt.stft import Spectrum, Synthesis, hann_window
from support import reference as ref
from support import tolerances as tol
from support.examples import examples, pairs
from support.tolerances import close

FILTERS = (2, 2, 3, 3, 4, 4)
HOP, LENGTH = 128, 512


def configuration(**options):
    defaults = {
        "instruments": ("vocals", "drums", "other"),
        "frame_length": LENGTH,
        "frame_step": HOP,
        "T": 64,
        "F": 64,
        "conv_n_filters": FILTERS,
    }
    return ModelConfig(**{**defaults, **options})


def noise(samples, seed=0):
    """Stereo with correlated channels, full scale about 1."""
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(0, 0.2, (samples, 1)), rng.normal(0, 0.1, (samples, 2))
    return (shared + own).astype(np.float32)


def analyse(spectrum, samples, frames, threads):
    """(complex spectrum, magnitude) of one segment, in buffers that hold something else before."""
    c = spectrum.config
    x = np.full((c.T, c.bins, 2), 7 + 7j, np.complex64)
    magnitude = np.full((c.T, c.F, 2), 7, np.float32)
    spectrum.analyse(samples, frames, x, magnitude, spectrum.workspace(threads))
    return x, magnitude


def padded(spectrum, samples):
    """The signal as its frames see it: zeros in front, and enough of them behind."""
    c = spectrum.config
    frames = -(-spectrum.frames(len(samples)) // c.T) * c.T
    wave = np.zeros((spectrum.samples(frames), 2), np.float32)
    wave[c.frame_length : c.frame_length + len(samples)] = samples
    return wave


def segments(spectrum, samples, threads=1):
    """(complex spectrum, magnitude, frames) of each segment of a signal, cut here and not by the pipeline."""
    c = spectrum.config
    frames, wave = spectrum.frames(len(samples)), padded(spectrum, samples)
    for s in range(-(-frames // c.T)):
        n = min(c.T, frames - s * c.T)
        yield (*analyse(spectrum, wave[s * spectrum.step :][: spectrum.span], n, threads), n)


def synthesise(spectrum, samples, estimates, stems, ranges=None, threads=1):
    """The sound of some stems (stems, samples, 2), from estimates or spectra of all frames."""
    c = spectrum.config
    frames, wave = spectrum.frames(len(samples)), padded(spectrum, samples)
    work = spectrum.workspace(threads, len(stems))
    work[:] = np.nan
    job = Synthesis(spectrum, np.array(stems), frames, work)
    sound = np.full((len(stems), frames * c.frame_step, 2), np.nan, np.float32)
    for a, b in pairwise([0, *(ranges or []), frames]):
        outs = list(sound[:, a * c.frame_step : b * c.frame_step])
        if np.iscomplexobj(estimates):
            job.separate_spectra(estimates[a:b], b - a, outs)
        else:
            job.separate(wave[a * c.frame_step :], estimates[:, a:b], b - a, outs)
    return sound[:, c.frame_length : c.frame_length + len(samples)]


def overlap_scale(config):
    """The samples of the output are sums of so many times more frames than at 75 % overlap."""
    return max(1, config.frame_length / 4 / config.frame_step)


# --- STFT -----------------------------------------------------------------------------

SHAPES = [
    {},
    {"F": 192},
    {"frame_length": 500, "frame_step": 125},  # FFT of 512
    {"frame_length": 400, "frame_step": 150},  # neither divides the other
    {"frame_length": 512, "frame_step": 512},
    {"frame_length": 512, "frame_step": 1},  # a frame is longer than a segment
    {"frame_length": 2048, "frame_step": 16, "F": 1024},
    {"T": 128},
]


def test_window_is_periodic_hann():
    close(hann_window(512), ref.hann(512), tol.UNIT)
    assert hann_window(512)[0] == 0
    assert hann_window(512)[256] == 1
    assert hann_window(512)[1] == hann_window(512)[511]


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_analysis(options):
    config = configuration(**options)
    spectrum = Spectrum(config)
    samples = noise(2 * spectrum.step + 777)
    expected = ref.stft(samples, config.frame_length, config.frame_step)
    assert spectrum.frames(len(samples)) == len(expected)
    parts = list(segments(spectrum, samples))
    assert len(parts) == -(-len(expected) // config.T)
    found = np.concatenate([x[:n] for x, _, n in parts])
    magnitude = np.concatenate([m[:n] for _, m, n in parts])
    assert found.dtype == np.complex64
    close(found, expected, tol.STFT)
    close(magnitude, np.abs(expected[:, : config.F]), tol.STFT)
    # frames behind the signal's end are padding: zero, not the spectrum of the zeros' neighbours
    x, m, n = parts[-1]
    assert n < config.T
    assert not x[n:].any()
    assert not m[n:].any()


@pytest.mark.parametrize("extension", ["zeros", "average"])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_synthesis(options, extension):
    """Estimates to samples; every stem with its own masks, in another order, and cut into ranges."""
    config = configuration(**options, mask_extension=extension)
    spectrum = Spectrum(config)
    samples = noise(2 * spectrum.step + 777)
    expected_spectrum = ref.stft(samples, config.frame_length, config.frame_step)
    frames, bins, _ = expected_spectrum.shape
    values = estimates(3, frames, config.F)
    masks = ref.ratio_masks(values, 2.0)
    stems = [2, 0]
    sound = synthesise(spectrum, samples, values, stems)
    for row, stem in enumerate(stems):
        whole = np.zeros((frames, bins, 2))
        whole[:, : config.F] = masks[stem]
        if extension == "average":
            whole[:, config.F :] = masks[stem].mean(axis=1, keepdims=True)
        expected = ref.istft(expected_spectrum * whole, len(samples), config.frame_length, config.frame_step)
        close(sound[row], expected, tol.RECONSTRUCTION, overlap_scale(config))
    cuts = [n for n in (32, 64, 128) if n < frames]
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(synthesise(spectrum, samples, values, stems, cuts, threads), sound)


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_synthesis_of_spectra(options):
    config = configuration(**options)
    spectrum = Spectrum(config)
    samples = noise(2 * spectrum.step + 777)
    frames = spectrum.frames(len(samples))
    rng = np.random.default_rng(8)
    spectra = rng.normal(0, 1, (frames, 3, config.F, 4)).astype(np.float32).view(np.complex64)
    spectra[:, :, 0] = spectra[:, :, 0].real
    sound = synthesise(spectrum, samples, spectra, [1, 2])
    for row, stem in enumerate([1, 2]):
        whole = np.zeros((frames, config.bins, 2), complex)
        whole[:, : config.F] = spectra[:, stem]
        expected = ref.istft(whole, len(samples), config.frame_length, config.frame_step)
        close(sound[row], expected, tol.RECONSTRUCTION, np.abs(expected).max())
    for cuts, threads in (([32], 2), ([64, 96], 3)):
        np.testing.assert_array_equal(synthesise(spectrum, samples, spectra, [1, 2], cuts, threads), sound)


@pytest.mark.parametrize(
    "options", [{}, {"frame_length": 500, "frame_step": 125}, {"F": 192, "T": 128}], ids=str
)
def test_masks_of_ones_reconstruct_the_signal(options):
    """Every sample, the first and the last too: Hann squared at 75 % overlap sums to 3/2."""
    spectrum = Spectrum(configuration(instruments=("one",), mask_extension="average", **options))
    samples = noise(spectrum.step + 4321)
    values = np.ones((1, spectrum.frames(len(samples)), spectrum.config.F, 2), np.float32)
    close(synthesise(spectrum, samples, values, [0])[0], samples, tol.RECONSTRUCTION)


def test_outputs_may_be_a_part_of_the_range():
    """Only the samples that are asked for are written; what reaches into the next range is not lost."""
    spectrum = Spectrum(configuration(T=128))
    samples = noise(3 * 64 * HOP)
    values = estimates(3, spectrum.frames(len(samples)), 64)
    whole = synthesise(spectrum, samples, values, [0, 1, 2])
    wave = padded(spectrum, samples)
    for skip, count in ((0, 0), (1, 64 * HOP - 1), (LENGTH, 64 * HOP - LENGTH), (5000, 1), (32 * HOP, 3)):
        job = Synthesis(spectrum, np.arange(3), 64, spectrum.workspace(2))
        first = np.full((3, count, 2), np.nan, np.float32)
        second = np.full((3, 64 * HOP, 2), np.nan, np.float32)
        job.separate(wave, values[:, :64], 64, list(first), skip)
        job.separate(wave[64 * HOP :], values[:, 64:128], 64, list(second))
        np.testing.assert_array_equal(second, whole[:, 64 * HOP - LENGTH :][:, : 64 * HOP])
        if skip >= LENGTH:
            np.testing.assert_array_equal(first, whole[:, skip - LENGTH :][:, :count])


def test_frames_do_not_know_their_place():
    """The same samples give the same bits in any lane of any group, in any segment, on any thread."""
    config = configuration()
    spectrum = Spectrum(config)
    samples = noise(spectrum.span + 70 * HOP)
    reference, magnitude = analyse(spectrum, samples[: spectrum.span], config.T, 1)
    for shift in (1, 2, 3, 4, 5, 17, 63):
        for threads in (1, 2, 3):
            moved = samples[shift * HOP : shift * HOP + spectrum.span]
            x, m = analyse(spectrum, np.ascontiguousarray(moved), config.T, threads)
            np.testing.assert_array_equal(x[: config.T - shift], reference[shift:])
            np.testing.assert_array_equal(m[: config.T - shift], magnitude[shift:])
    # alone in its group
    for n in (1, 2, 3, 62):
        x, m = analyse(spectrum, samples[: spectrum.span], n, 1)
        np.testing.assert_array_equal(x[:n], reference[:n])
        np.testing.assert_array_equal(m[:n], magnitude[:n])


# --- masks ------------------------------------------------------------------------------


def estimates(stems, frames, f, seed=0):
    """Over twenty orders of magnitude, zeros among them."""
    rng = np.random.default_rng(seed)
    x = 10 ** rng.uniform(-12, 3, (stems, frames, f, 2))
    return (x * (rng.random(x.shape) > 0.2)).astype(np.float32)


@pytest.mark.parametrize("exponent", [2.0, 1.0, 0.5, 1.5])
@pytest.mark.parametrize("shape", [(1, 3, 64), (2, 5, 64), (5, 7, 192), (3, 1, 7)])
def test_ratio_masks(exponent, shape):
    x = estimates(*shape)
    x[:, 0, 0] = 0  # silence: equal shares
    expected = ref.ratio_masks(x, exponent)
    masks = np.full_like(x, np.nan)
    spectral.ratio_masks(x, exponent, masks)
    close(masks, expected, tol.RATIO_MASK, expected)
    np.testing.assert_allclose(masks[:, 0, 0], 1 / shape[0], rtol=1e-6)
    close(masks.sum(axis=0), np.ones((*shape[1:], 2)), tol.RATIO_MASK)
    part = np.full_like(x[:, 1:2], np.nan)
    spectral.ratio_masks(np.ascontiguousarray(x[:, 1:2]), exponent, part)
    np.testing.assert_array_equal(part, masks[:, 1:2])
    nothing = np.zeros((3, 0, 64, 2), np.float32)
    spectral.ratio_masks(nothing, exponent, nothing.copy())


def test_mean_mask():
    mask = np.random.default_rng(4).random((192, 2), np.float32)
    mean = np.full(2, np.nan, np.float32)
    spectral.mean_mask(mask, mean)
    close(mean, mask.astype(np.float64).mean(axis=0), tol.MEAN_MASK)


# --- Wiener filter -------------------------------------------------------------------------


def run_wiener(x, v, parts, threads):
    """Two passes over [frames, bins, 2] and [stems, frames, F, 2], cut at `parts`, padded behind."""
    stems, _, f, _ = v.shape
    bounds = [0, *parts, len(x)]
    peak, sums, out, padding = 0.0, np.zeros((stems, f, spectral.covariance_terms)), [], 3
    cuts = []
    for a, b in pairwise(bounds):
        # Frames behind the end are never read: a NaN there would spread.
        spectrum = np.full((b - a + padding, *x.shape[1:]), np.nan, np.complex64)
        magnitudes = np.full((stems, b - a + padding, f, 2), np.nan, np.float32)
        spectrum[: b - a], magnitudes[:, : b - a] = x[a:b], v[:, a:b]
        cuts.append((spectrum, magnitudes, b - a))
    for spectrum, magnitudes, n in cuts:
        peak = max(peak, spectral.peak_magnitude(np.ascontiguousarray(spectrum[:n])))
        spectral.wiener_accumulate(spectrum, magnitudes, n, spectral.WIENER_EPSILON, sums, threads)
    for spectrum, magnitudes, n in cuts:
        filtered = np.full((n, stems, f, 2), np.nan, np.complex64)
        spectral.wiener_apply(
            spectrum, magnitudes, n, spectral.WIENER_EPSILON, max(1.0, peak / 10), sums, filtered, threads
        )
        out.append(filtered)
    return np.moveaxis(np.concatenate(out), 1, 0)


@pytest.mark.parametrize("level", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize("stems", [2, 4])
def test_wiener_in_two_passes(level, stems):
    """Quiet and loud (the loud one is scaled), some silence, correlated channels, bins above F."""
    rng = np.random.default_rng(5)
    frames, bins, f = 23, 101, 70
    x = rng.normal(0, level, (frames, bins, 4)).view(np.complex128)
    x[..., 1] = 0.9 * x[..., 0] + 0.1 * x[..., 1]
    x[5:8], x[:, 10] = 0, 0
    x = x.astype(np.complex64)
    v = (np.abs(x[None, :, :f]) * rng.random((stems, frames, f, 2))).astype(np.float32)
    v[0, :, 20] = 0
    v[:, :, 30] = 0
    whole = np.zeros((frames, bins, 2, stems))
    whole[:, :f] = np.moveaxis(v, 0, -1)
    expected = np.moveaxis(ref.wiener(whole, x), -1, 0)
    assert not expected[:, :, f:].any()
    result = run_wiener(x, v, [], 1)
    close(result, expected[:, :, :f], tol.WIENER)
    # where the signal is far above the regularisation, the stems are not all but silent
    assert level < 1 or np.abs(result).max() > level
    # the same bits however it is cut
    for parts, threads in (([4], 1), ([1, 7, 20], 2), ([22], 3)):
        np.testing.assert_array_equal(run_wiener(x, v, parts, threads), result)


def test_wiener_of_silence():
    x, v = np.zeros((5, 65, 2), np.complex64), np.zeros((2, 5, 64, 2), np.float32)
    assert not run_wiener(x, v, [2], 1).any()
    v[:] = 1  # estimates where there is no sound
    assert not run_wiener(x, v, [2], 2).any()


def test_peak_magnitude():
    x = np.zeros((3, 5, 2), np.complex64)
    assert spectral.peak_magnitude(x) == 0
    x[1, 4, 1] = -3 - 4j
    x[2, 0, 0] = 4.5
    assert spectral.peak_magnitude(x) == 5
    x[0, 0, 0] = np.nan  # skipped, wherever it stands
    x[1, 4, 0] = complex(0, np.nan)
    x[2, 4, 1] = np.nan
    assert spectral.peak_magnitude(x) == 5
    x[1, 0, 0] = complex(-np.inf, 1)
    assert spectral.peak_magnitude(x) == np.inf
    x[:] = np.nan
    assert spectral.peak_magnitude(x) == 0


# --- the pipeline -------------------------------------------------------------------------


def make(seed=0, **options):
    config = configuration(**options)
    weights = ref.random_weights(config.instruments, config.conv_n_filters, seed)
    return Model(config, weights), weights


def pieces_of(samples, cuts):
    bounds = [0, *sorted(cuts), len(samples)]
    return [samples[a:b] for a, b in pairwise(bounds)]


def run(model, blocks, threads=1, stems=None, mwf=False, batch=None):
    """(stems [n, samples, 2], mix [samples, 2]) of everything that the pipeline yields."""
    mode = plan_mode("ratio", model.config, stems=stems)
    pipeline = Pipeline(model, threads, mode, mwf, low_memory=batch == 1)
    if batch is not None:
        pipeline.batch = batch
    sounds, mixes = [np.zeros((len(mode.stems), 0, 2), np.float32)], [np.zeros((0, 2), np.float32)]
    for sound, mix in pipeline.run(lambda: blocks):
        assert sound.shape == (len(mode.stems), *mix.shape)
        assert len(mix)
        sounds.append(sound)
        mixes.append(mix)
    return np.concatenate(sounds, axis=1), np.concatenate(mixes)


SEPARATIONS = [
    {},
    {"mask_extension": "average"},
    {"separation_exponent": 1.0, "F": 192},
    {"model_type": "unet.softmax_unet", "conv_activation": "ELU", "deconv_activation": "ELU"},
    {"frame_length": 400, "frame_step": 100, "T": 128},
    {"instruments": ("one",), "mask_extension": "average"},
    {"frame_step": 4},  # frame_length > T * frame_step
    {"frame_step": 1, "mask_extension": "average"},
]


@pytest.mark.parametrize("options", SEPARATIONS, ids=str)
def test_separation_is_the_reference(options):
    model, weights = make(**options)
    samples = noise(2 * Spectrum(model.config).step + 1234)
    sound, mix = run(model, [samples])
    np.testing.assert_array_equal(mix, samples)
    expected = ref.separate(model.config, weights, samples)
    close(sound, expected, tol.SEPARATION, overlap_scale(model.config))


@pytest.mark.parametrize("options", [{}, {"F": 192, "mask_extension": "average"}, {"frame_step": 4}], ids=str)
def test_wiener_separation_is_the_reference(options):
    model, weights = make(**options)
    samples = noise(2 * Spectrum(model.config).step + 1234)
    samples[3000:5000] = 0
    sound, _ = run(model, [samples], mwf=True)
    expected = ref.separate(model.config, weights, samples, mwf=True)
    close(sound, expected, tol.SEPARATION_WIENER, overlap_scale(model.config))
    plain = ref.separate(model.config, weights, samples)
    assert np.abs(expected - plain).max() > 100 * tol.SEPARATION_WIENER


STEP = 64 * HOP
SPAN = STEP - HOP + LENGTH


@pytest.mark.parametrize("mwf", [False, True])
@settings(max_examples=examples(12), deadline=None, database=None)
@given(data=st.data())
def test_blocks_threads_and_batches_give_the_same_bits(mwf, data):
    model, _ = make(mask_extension="average")
    samples = noise(data.draw(st.integers(1, 4 * STEP), "samples"))
    expected, _ = run(model, [samples], mwf=mwf)
    cut = st.one_of(
        st.integers(0, len(samples)), st.sampled_from([1, HOP, LENGTH, STEP, SPAN - LENGTH, SPAN])
    )
    cuts = [min(c, len(samples)) for c in data.draw(st.lists(cut, max_size=12), "cuts")]
    threads, batch = data.draw(st.integers(1, 3), "threads"), data.draw(st.integers(1, 4), "batch")
    sound, mix = run(model, pieces_of(samples, cuts), threads, mwf=mwf, batch=batch)
    np.testing.assert_array_equal(mix, samples)
    np.testing.assert_array_equal(sound, expected)


def test_blocks_of_one_sample():
    model, _ = make()
    samples = noise(STEP + 100)
    sound, _ = run(model, list(samples[:, None]), threads=2)
    np.testing.assert_array_equal(sound, run(model, [samples])[0])


LENGTHS = [
    0, 1, 2, HOP - 1, HOP, HOP + 1, LENGTH - 1, LENGTH, LENGTH + 1,
    STEP - LENGTH - 1, STEP - LENGTH, STEP - LENGTH + 1, SPAN - LENGTH, SPAN - LENGTH + 1,
    STEP - 1, STEP, STEP + 1, SPAN - 1, SPAN, SPAN + 1,
    2 * STEP - LENGTH, 2 * STEP - LENGTH + 1, 2 * STEP - 1, 2 * STEP, 2 * STEP + 1,
    2 * STEP + SPAN - LENGTH - 1, 2 * STEP + SPAN - LENGTH, 2 * STEP + SPAN - LENGTH + 1,
]  # fmt: skip


@pytest.mark.parametrize("samples", LENGTHS)
def test_every_sample_comes_out_once(samples):
    """One stem with the average extension has a mask of ones: the output is the input."""
    model, _ = make(instruments=("one",), mask_extension="average")
    wave = noise(samples)
    for batch in (1, 3):
        sound, mix = run(model, pieces_of(wave, [samples // 2]), batch=batch)
        np.testing.assert_array_equal(mix, wave)
        close(sound[0], wave, tol.RECONSTRUCTION, 1)


@pytest.mark.parametrize(("step", "samples"), pairs([1, 4, 7], [0, 1, 63, 64, 511, 512, 513, 1500]))
def test_frames_longer_than_a_segment(step, samples):
    model, weights = make(frame_step=step)
    wave = noise(samples)
    sound, mix = run(model, pieces_of(wave, [samples // 3]), threads=2)
    np.testing.assert_array_equal(mix, wave)
    if samples:
        expected = ref.separate(model.config, weights, wave)
        close(sound, expected, tol.SEPARATION, overlap_scale(model.config))


@pytest.mark.parametrize("mwf", [False, True])
def test_chosen_stems(mwf):
    model, _ = make()
    samples = noise(STEP)
    everything, _ = run(model, [samples], mwf=mwf)
    for stems in ([0], [2], [0, 2], [1, 2]):
        names = [model.instruments[stem] for stem in stems]
        sound, _ = run(model, [samples], stems=names, mwf=mwf, threads=2)
        np.testing.assert_array_equal(sound, everything[stems])


@pytest.mark.parametrize("mwf", [False, True])
def test_silence_in_silence_out(mwf):
    model, _ = make()
    sound, _ = run(model, [np.zeros((STEP + 5, 2), np.float32)], mwf=mwf)
    assert sound.shape == (3, STEP + 5, 2)
    assert not sound.any()


@pytest.mark.parametrize(("mwf", "passes"), [(False, 1), (True, 2)])
def test_progress_counts_every_pass(mwf, passes):
    model, _ = make()
    samples = noise(3 * STEP + 17)
    opened, done = [], []

    def blocks():
        opened.append(1)
        return pieces_of(samples, [100, 9000])

    pipeline = Pipeline(model, 1, mwf=mwf)
    assert sum(len(mix) for _, mix in pipeline.run(blocks, done.append)) == len(samples)
    assert len(opened) == passes
    assert done == sorted(done)
    assert done[-1] == passes * len(samples)


def test_one_pipeline_many_times():
    model, _ = make()
    pipeline = Pipeline(model, 2)
    samples = noise(STEP)
    first, second = (np.concatenate([s for s, _ in pipeline.run(lambda: [samples])], axis=1) for _ in "12")
    np.testing.assert_array_equal(first, second)


def test_runs_that_take_turns():
    """Two signals through one pipeline at a time: the runs share nothing that changes."""
    model, _ = make()
    waves = [noise(3 * STEP, seed) for seed in (1, 2)]
    pipeline = Pipeline(model, 1)
    runs = [pipeline.run(lambda wave=wave: [wave]) for wave in waves]
    parts = [
        np.concatenate([a[0] for a in column], axis=1)
        for column in zip(*zip(*runs, strict=True), strict=True)
    ]
    for part, wave in zip(parts, waves, strict=True):
        np.testing.assert_array_equal(part, run(model, [wave])[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 99, 100, 8000, STEP + 11])
def test_the_first_bad_sample_is_named(bad, position):
    model, _ = make()
    samples = noise(STEP + 12)
    samples[position, position % 2] = bad
    samples[-1] = np.nan
    with pytest.raises(SpleeterError, match=rf"sample {position} \({position / 44100:.3f} s\)"):
        run(model, pieces_of(samples, [100, 5000]))


@pytest.mark.parametrize("bad", [np.nan, -np.inf, 1e15, -2e15])
def test_first_beyond(bad):
    samples = noise(9000)
    assert spectral.first_beyond(samples, 1e15) == 9000
    for position in (8999, 4096, 2047, 0):
        samples[position, position % 2] = bad
        assert spectral.first_beyond(samples, 1e15) == position


@pytest.mark.parametrize("stems", range(1, 6))
def test_batches_keep_the_threads_busy(stems):
    for threads in range(1, 40):
        batch = offline.segments_at_a_time(stems, threads)
        tasks = batch * stems
        assert tasks >= threads
        assert batch <= 2 * -(-threads // stems)
        assert threads > 8 or tasks / threads >= 0.8 * -(-tasks // threads)
    assert [offline.segments_at_a_time(stems, 2) for stems in (1, 2, 3, 4, 5)] == [2, 1, 2, 1, 2]


def test_check_finite_takes_good_samples():
    check_finite(noise(10), 0, 44100)
    check_finite(noise(0), 0, 44100)


def test_to_stereo():
    mono = noise(5)[:, 0]
    for form in (mono, mono[:, None], mono.tolist(), mono.astype(np.float64)):
        stereo = to_stereo(form)
        assert stereo.dtype == np.float32
        np.testing.assert_array_equal(stereo, np.stack([mono, mono], axis=1))
    eight = np.arange(24, dtype=np.float32).reshape(3, 8)
    np.testing.assert_array_equal(to_stereo(eight), eight[:, :2])
    assert to_stereo(eight).flags.c_contiguous
    assert to_stereo(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 2, 2)), np.zeros((5, 0)), np.zeros((5, 2), complex), np.zeros((5, 2), bool), 1.0, ["a"],
     np.zeros((5, 2), np.int16)],
)  # fmt: skip
def test_to_stereo_refuses(wrong):
    with pytest.raises(SpleeterError, match="waveform: expected floating-point"):
        to_stereo(wrong)
