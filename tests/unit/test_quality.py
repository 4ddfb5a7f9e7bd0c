"""The scores of `bench/quality.py` where the answer is known, and a run on songs that are made here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import Model, Separator
from spleeterrt.network.config import ModelConfig
from support.examples import sized
from support.golden import case

BENCH = Path(__file__).parents[2] / "bench"
RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module", name="scores")
def _scores() -> ModuleType:
    return bench_module("scores")


@pytest.fixture(scope="module", name="quality")
def _quality() -> ModuleType:
    return bench_module("quality")


def bench_module(name: str) -> ModuleType:
    """A module of `bench/`, which is no package: its folder is on the path while it is imported."""
    sys.path.insert(0, str(BENCH))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(BENCH))


def orthogonal(rng: np.random.Generator, wave: np.ndarray) -> np.ndarray:
    """Noise of the wave's energy with no part of it."""
    noise = rng.standard_normal(wave.shape)
    noise -= np.vdot(noise, wave) / np.vdot(wave, wave) * wave
    return noise * np.sqrt(np.vdot(wave, wave) / np.vdot(noise, noise))


# --- SI-SDR -----------------------------------------------------------------------------


@pytest.mark.parametrize("snr", [-12.0, 0.0, 3.0, 40.0])
@pytest.mark.parametrize("gain", [1.0, 0.01, -3.0])
def test_orthogonal_noise_is_its_snr_under_any_gain(scores: ModuleType, snr: float, gain: float) -> None:
    rng = np.random.default_rng(0)
    wave = rng.standard_normal((5000, 2))
    estimate = gain * (wave + 10 ** (-snr / 20) * orthogonal(rng, wave))
    # float64 throughout: what remains is the rounding of the sums.
    assert scores.si_sdr(wave, estimate) == pytest.approx(snr, abs=1e-9)
    assert scores.si_sdr(7 * wave, estimate) == pytest.approx(snr, abs=1e-9)


def test_noise_along_the_reference_is_no_error(scores: ModuleType) -> None:
    """Unlike the plain ratio of energies: an estimate at half the gain is perfect."""
    wave = np.random.default_rng(1).standard_normal((1000, 2))
    assert scores.si_sdr(wave, 0.5 * wave) == scores.LIMIT_DB


def test_channels_count_as_one_signal(scores: ModuleType) -> None:
    wave = np.random.default_rng(2).standard_normal((1000, 1))
    both, left = np.hstack([wave, wave]), np.hstack([wave, 0 * wave])
    # a = 1/2: the target is half of both channels, the error +-1/2: 0 dB.
    assert scores.si_sdr(both, left) == pytest.approx(0, abs=1e-9)


def test_empty_estimates_and_references(scores: ModuleType) -> None:
    wave = np.random.default_rng(3).standard_normal((100, 2))
    assert scores.si_sdr(wave, 0 * wave) == -scores.LIMIT_DB
    with pytest.raises(ValueError, match="silent"):
        scores.si_sdr(0 * wave, wave)
    with pytest.raises(ValueError, match=r"\(100, 2\).*\(99, 2\)"):
        scores.si_sdr(wave, wave[1:])


def test_what_counts_as_silent(scores: ModuleType) -> None:
    mix = np.ones((100, 2), np.float32)
    assert scores.is_silent(0 * mix, mix)
    assert scores.is_silent(0.99e-3 * mix, mix)
    assert not scores.is_silent(1.01e-3 * mix, mix)
    assert scores.is_silent(mix * 0, mix * 0)


# --- the oracle -------------------------------------------------------------------------


def tones(*frequencies: float, samples: int = 40_000) -> np.ndarray:
    time = np.arange(samples) / RATE
    wave = sum(np.sin(2 * np.pi * f * time + f) for f in frequencies)
    return np.repeat(0.1 * np.asarray(wave)[:, None], 2, axis=1).astype(np.float32)


def test_oracle_parts_disjoint_spectra(scores: ModuleType) -> None:
    config = ModelConfig(instruments=("a", "b"))
    sources = {"low": tones(300, 900), "high": tones(2500, 7000)}
    found = scores.oracle(config, sources, sources["low"] + sources["high"])
    for name, wave in sources.items():
        assert found[name].shape == wave.shape
        # The tones begin and end with a click, whose spectrum is wide: measured 35 dB, mix: 0 dB.
        assert scores.si_sdr(wave, found[name]) > 30


def test_oracle_is_limited_to_the_models_band(scores: ModuleType) -> None:
    """Above F a model gives silence (`zeros`): so does the oracle; with all bins it does not."""
    config = ModelConfig(instruments=("a", "b"), F=1024)  # up to 11 kHz
    sources = {"low": tones(300), "high": tones(13_000)}
    mix = sources["low"] + sources["high"]
    band = scores.oracle(config, sources, mix)
    assert scores.energy(band["high"]) < 1e-4 * scores.energy(sources["high"])
    whole = scores.oracle(config.replace(F=2048), sources, mix)
    assert scores.si_sdr(sources["high"], whole["high"]) > 30


def test_oracle_against_plain_numpy(scores: ModuleType) -> None:
    """More than one range of frames, and a length that is no multiple of anything."""
    config = ModelConfig(instruments=("a", "b", "c"), T=64, F=128, frame_length=1024, frame_step=256)
    rng = np.random.default_rng(4)
    samples = 256 * 16 * 40 + 777
    sources = {name: rng.uniform(-0.3, 0.3, (samples, 2)).astype(np.float32) for name in "abc"}
    mix = sum(sources.values())
    found = scores.oracle(config, sources, mix)
    for name, wave in plain_oracle(config, sources, mix).items():
        # float32 transforms against float64, relative to full scale.
        assert np.abs(found[name] - wave).max() < 2e-6
    soft = scores.oracle(config.replace(separation_exponent=0.5), sources, mix)  # the model's does not matter
    np.testing.assert_array_equal(soft["a"], found["a"])


def plain_oracle(config: ModelConfig, sources: dict[str, np.ndarray], mix: np.ndarray) -> dict[str, Any]:
    n, hop = config.frame_length, config.frame_step
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    frames = -(-(len(mix) + n) // hop)

    def stft(wave: np.ndarray) -> np.ndarray:
        padded = np.zeros(((frames - 1) * hop + n, 2))
        padded[n : n + len(wave)] = wave
        cut = np.stack([padded[k * hop : k * hop + n] * window[:, None] for k in range(frames)])
        return np.fft.rfft(cut, axis=1)

    powers = {name: np.abs(stft(wave)[:, : config.F]) ** 2 for name, wave in sources.items()}
    total = sum(powers.values()) + 1e-10
    spectrum = stft(mix)
    found = {}
    for name, power in powers.items():
        masked = np.zeros_like(spectrum)
        masked[:, : config.F] = (power + 1e-10 / len(sources)) / total * spectrum[:, : config.F]
        out = np.zeros(((frames - 1) * hop + n, 2))
        for k, frame in enumerate(np.fft.irfft(masked, n, axis=1)):
            out[k * hop : k * hop + n] += frame * window[:, None] * 2 / 3
        found[name] = out[n : n + len(mix)]
    return found


# --- a run ------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two songs; in the second the bass is silent."""
    rng, samples = np.random.default_rng(5), sized(40_000, 10_000)
    for number in range(2):
        folder = tmp_path / "set" / f"song {number}"
        folder.mkdir(parents=True)
        waves = {
            "vocals": tones(440, 880, samples=samples),
            "drums": (0.1 * rng.standard_normal((samples, 2))).astype(np.float32),
            "bass": tones(60, samples=samples) if number == 0 else np.zeros((samples, 2), np.float32),
            "other": tones(2000, samples=samples),
        }
        for name, wave in {**waves, "mixture": sum(waves.values())}.items():
            soundfile.write(folder / f"{name}.wav", wave, RATE, subtype="FLOAT")
    return tmp_path / "set"


def test_run(
    quality: ModuleType,
    dataset: Path,
    four_stems: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = str(case("tiny-4stems") / "config.json")
    monkeypatch.setattr(quality, "FRAMES", quality.FRAMES[: sized(4, 2)])
    monkeypatch.setattr(quality, "STREAM_FRAMES", sized(128, 64))
    hop = sized(2, 8)
    measured, left_out = quality.systems(
        four_stems, source, quality.SWEEPS, hops=(hop,), lookaheads=(0,), weights={"same": source}
    )
    results = quality.run(dataset, four_stems, measured)
    rows = {(row["sweep"], row["label"]): row["si_sdr"] for row in results["systems"]}
    assert results["songs"]["song 1"]["silent"] == ["bass"]
    # The accompaniment is of the mode `three`.
    assert set(rows["baseline", "mix"]["song 1"]) == {"vocals", "drums", "other", "accompaniment"}
    assert {label.split(",")[0] for sweep, label in rows if sweep == "modes"} == {"direct", "three"}
    assert {label.split(",")[0] for label in left_out} == {"residual"}  # of two stems only
    # By hand, for one of them.
    mix, reference = (
        soundfile.read(dataset / "song 0" / f"{name}.wav", dtype="float32")[0] for name in ("mixture", "bass")
    )
    estimate = Separator(four_stems).separate(mix)["bass"]
    expected = quality.si_sdr(reference, estimate)
    model = rows["model", f"offline, T = {four_stems.config.T}"]
    assert model["song 0"]["bass"] == pytest.approx(expected, abs=1e-9)
    assert rows["weights", "same"] == model
    assert rows["frames", "T = 64"] == model
    for song, scores in model.items():
        for stem, value in scores.items():
            # Double-buffered streams are the segments of a file; reference kernels differ by rounding (1e-5).
            assert rows["buffered", "T = 64"][song][stem] == pytest.approx(value, abs=1e-3)
            assert rows["kernels", "im2col + BLAS"][song][stem] == pytest.approx(value, abs=1e-2)
            assert rows["baseline", "oracle, all bins"][song][stem] > value
    sliding = next(row for row in results["systems"] if row["sweep"] == "sliding")
    config = four_stems.config
    # N - 1 + (hop - 1) h + budget (hop frames) + block - 1, of a block that does not divide the frame step.
    samples = config.frame_length + (2 * hop - 1) * config.frame_step + quality.BLOCK - 2
    assert sliding["latency_ms"] == pytest.approx(1e3 * samples / config.sample_rate)
    results.update(conditions="", left_out=left_out, bins=config.F, frame_ms=23.2, model="tiny")
    medians = quality.medians(results["systems"][0])
    assert medians["bass"] == rows["baseline", "mix"]["song 0"]["bass"]
    improved = quality.improvements(results, results["systems"][1])
    assert improved["bass"] == pytest.approx(
        rows["baseline", "oracle"]["song 0"]["bass"] - rows["baseline", "mix"]["song 0"]["bass"]
    )
    json.dumps(results, allow_nan=False)
    monkeypatch.setattr(quality.common, "RESULTS", tmp_path)
    quality.write(results, "quality")
    text = (tmp_path / "quality.md").read_text()
    assert f"| T = 64 | {quality.improvements(results, results['systems'][3])['vocals']:.2f} |" in text
    assert "| songs with this stem | 2 of 2 | 2 of 2 | 1 of 2 | 2 of 2 | 2 of 2 |" in text
    pytest.importorskip("matplotlib")
    quality.draw(results, tmp_path, "quality")
    for part in ("frames", "latency"):
        assert f"quality-{part}.png" in text
        assert (tmp_path / f"quality-{part}.png").read_bytes().startswith(b"\x89PNG")


def test_stems_of_a_modes_own(quality: ModuleType, dataset: Path, four_stems: Model) -> None:
    """Vocals, drums and the rest, of a model of four stems: the rest stands against bass + other."""
    measured, _ = quality.systems(four_stems, "", (), (), (), {})

    def separate(mixture: np.ndarray) -> dict[str, np.ndarray]:
        return dict.fromkeys(("vocals", "drums", "accompaniment"), mixture)

    measured.append(quality.System("modes", "three", {}, separate))
    results = quality.run(dataset, four_stems, measured, songs=1)
    waves = {p.stem: soundfile.read(p, dtype="float32")[0] for p in (dataset / "song 0").iterdir()}
    expected = quality.si_sdr(waves["bass"] + waves["other"], waves["mixture"])
    for index in (0, -1):  # the mixture as itself, and as what the mode makes
        scores = results["systems"][index]["si_sdr"]["song 0"]
        assert scores["accompaniment"] == pytest.approx(expected, abs=1e-6)
    assert quality.improvements(results, results["systems"][-1])["accompaniment"] == 0
    assert "accompaniment" not in quality.targets_of(results)


def test_render(quality: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = tmp_path / "songs.py"
    renderer.write_text(
        "import pathlib, sys\n"
        "assert sys.argv[1:6] == ['--split', 'heldout', '--songs', '3', '--out'], sys.argv\n"
        "pathlib.Path(sys.argv[6]).mkdir()\n"
    )
    monkeypatch.setattr(quality, "RENDERER", renderer)
    quality.render(3, tmp_path / "new" / "songs")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["songs"]
    renderer.write_text("raise SystemExit(1)")
    with pytest.raises(SystemExit, match="failed"):
        quality.render(3, tmp_path / "more")
    assert not (tmp_path / "more").exists()
    monkeypatch.setattr(quality, "RENDERER", tmp_path / "missing.py")
    with pytest.raises(SystemExit, match="name a DATASET"):
        quality.render(3, tmp_path / "more")


def test_two_stems_of_a_four_stem_folder(quality: ModuleType, dataset: Path, two_stems: Model) -> None:
    measured, _ = quality.systems(two_stems, "", (), (), (), {})
    results = quality.run(dataset, two_stems, measured, songs=1)
    assert list(results["systems"][0]["si_sdr"]["song 0"]) == ["vocals", "accompaniment"]
    waves = {p.stem: soundfile.read(p, dtype="float32")[0] for p in (dataset / "song 0").iterdir()}
    rest = waves["drums"] + waves["bass"] + waves["other"]
    expected = quality.si_sdr(rest, waves["mixture"])
    assert results["systems"][0]["si_sdr"]["song 0"]["accompaniment"] == pytest.approx(expected, abs=1e-6)


def test_songs_that_cannot_be_scored(quality: ModuleType, dataset: Path, four_stems: Model) -> None:
    (dataset / "song 0" / "bass.wav").unlink()
    measured, _ = quality.systems(four_stems, "", (), (), (), {})
    results = quality.run(dataset, four_stems, measured)
    assert list(results["songs"]) == ["song 1"]
    assert "bass.wav is missing" in results["failed"]["song 0"]
    (dataset / "song 1" / "vocals.wav").unlink()
    with pytest.raises(SystemExit, match="no song could be scored"):
        quality.run(dataset, four_stems, measured)


# --- real music ---------------------------------------------------------------------------


def test_energies_over_time() -> None:
    energies = bench_module("real_music").Energies(10)
    wave = np.ones((25, 2), np.float32)
    for start in range(0, 25, 7):
        energies.add(wave[start : start + 7])
    assert energies.seconds == [20, 20, 10]
    assert energies.total == 50


def test_real_music_complains(clip: Path, two_stems: Model) -> None:
    real_music = bench_module("real_music")
    pytest.importorskip("matplotlib")
    heard = real_music.listen(Separator(two_stems), clip)
    assert real_music.failures(heard) == []
    assert heard.share("vocals") + heard.share("accompaniment") == pytest.approx(1)
    assert heard.picture.startswith(b"\x89PNG")
    heard.differences["vocals"] = 0.0
    heard.energies["accompaniment"] = real_music.Energies(RATE)
    heard.energies["accompaniment"].add(np.full((10 * RATE, 2), 1e-6, np.float32))
    first, second = real_music.failures(heard)
    assert first.startswith("vocals equals the mix")
    assert second.startswith("accompaniment is silent")


def test_vocals_where_it_is_sung() -> None:
    """Whole seconds inside and outside; those in which the mix is silent do not count."""
    real_music = bench_module("real_music")
    energies = {name: real_music.Energies(10) for name in ("mix", "vocals")}
    for mix, vocals in ((1, 0.1), (1, 0.1), (1, 1), (1, 1), (0, 0), (1, 0.1)):
        energies["mix"].add(np.full((10, 2), mix, np.float32))
        energies["vocals"].add(np.full((10, 2), vocals, np.float32))
    heard = real_music.Heard(energies, {"vocals": 60.0}, b"")
    inside, outside = real_music.vocal_levels(heard, [(1.5, 4)])
    assert inside == pytest.approx(0, abs=1e-6)
    assert outside == pytest.approx(-20, abs=1e-5)
    assert real_music.failures(heard, [(1.5, 4)]) == []
    (problem,) = real_music.failures(heard, [(0, 2)])
    assert problem.startswith("vocals: -20.0 dB where it is sung")
    with pytest.raises(SystemExit, match="one outside"):
        real_music.vocal_levels(heard, [(0, 9)])


# --- real multitracks -----------------------------------------------------------------------


def test_real_multitracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The better file of each stem, no pointers; groups add up to the mixture, exactly."""
    module = bench_module("real_multitracks")
    song = "5.Rubidium"
    source = tmp_path / "checkout" / "src" / song
    source.mkdir(parents=True)
    for name in ("VOX LEAD", "BGVOX", "DRUMS MAIN", "DRUMS 2", "DRUMS OUTRO", "PLUCK"):
        (source / f"{song}_Stem_{name}_mobile.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (source / f"{song}_Stem_PLUCK.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (source / f"{song}_Stem_BGVOX.m4a").write_text("version https://git-lfs.github.com/spec/v1")
    waves: dict[str, np.ndarray] = {}

    def read(path: Path) -> np.ndarray:
        rng = np.random.default_rng(len(waves))
        waves[path.name.removeprefix(f"{song}_Stem_")] = wave = rng.uniform(-0.5, 0.5, (900 + len(waves), 2))
        return wave.astype(np.float32)

    monkeypatch.setattr(module, "read", read)
    entry = module.build(song, [tmp_path / "checkout"], tmp_path / "out")
    assert set(waves) == {
        "VOX LEAD_mobile.m4a", "BGVOX_mobile.m4a", "DRUMS MAIN_mobile.m4a", "DRUMS 2_mobile.m4a",
        "DRUMS OUTRO_mobile.m4a", "PLUCK.m4a",
    }  # fmt: skip
    assert {stem: len(files) for stem, files in entry["stems"].items()} == {
        "vocals": 2, "drums": 3, "bass": 0, "other": 1,
    }  # fmt: skip
    stems = {p.stem: soundfile.read(p, dtype="int16")[0].astype(int) for p in (tmp_path / "out").iterdir()}
    mixture = stems.pop("mixture")
    assert (mixture == sum(stems.values())).all()
    assert not stems["bass"].any()
    assert len(mixture) == 905
    pluck = waves["PLUCK.m4a"]
    gain = np.vdot(stems["other"][: len(pluck)], pluck) / np.vdot(pluck, pluck)
    assert np.abs(stems["other"][: len(pluck)] - gain * pluck).max() <= 0.51  # rounded to 16 bits
    assert max(np.abs(wave).max() for wave in (mixture, *stems.values())) == pytest.approx(0.9 * 32768, abs=3)
    (source / f"{song}_Stem_DRUMS 2_mobile.m4a").unlink()
    with pytest.raises(SystemExit, match="no stem DRUMS 2"):
        module.build(song, [tmp_path / "checkout"], tmp_path / "more")
    assert not (tmp_path / "more").exists()
