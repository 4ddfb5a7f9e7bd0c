"""What makes the starter model: songs, effects, and the trained network against the exported one.

No sound package is needed; each part is skipped where its libraries are missing.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spleeterrt import load_model
from spleeterrt.models.packed import save_packed

STARTER = Path(__file__).parents[2] / "models" / "starter"
RATE = 44100


def starter_module(name: str, *needs: str) -> ModuleType:
    """A module of `models/starter`, which is no package: its folder is on the path while it is imported."""
    for library in needs:
        try:
            __import__(library)
        except ImportError as error:  # also of a Python package whose C library is missing
            pytest.skip(f"{library}: {error}")
    sys.path.insert(0, str(STARTER))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(STARTER))


@pytest.fixture(scope="module", name="compose")
def _compose() -> ModuleType:
    return starter_module("compose")


@pytest.fixture(scope="module", name="effects")
def _effects() -> ModuleType:
    return starter_module("effects", "scipy")


# --- songs ------------------------------------------------------------------------------


def test_tables(compose: ModuleType) -> None:
    """A bar is sixteen steps, a progression four bars; every style finds what it names."""
    for patterns in compose.DRUMS.values():
        for lines in patterns:
            for _, pattern in lines:
                assert len(pattern) == 16
                assert set(pattern) <= set("xo.")
    for table, marks in ((compose.BASS_STEPS, "RFOTA."), (compose.STRUM_STEPS, "xo.")):
        for pattern in (pattern for patterns in table.values() for pattern in patterns):
            assert len(pattern) == 16
            assert set(pattern) <= set(marks)
            assert set(pattern) != {"."}
    assert compose.PROGRESSIONS.keys() == compose.SCALES.keys()
    assert all(len(row) == 4 for rows in compose.PROGRESSIONS.values() for row in rows)
    for style in compose.STYLES:
        assert style.drums in compose.DRUMS
        assert set(style.bass) <= compose.BASS_STEPS.keys()
        assert set(style.bass_sounds) <= compose.BASS_SOUNDS.keys()
        assert set(style.backing) <= compose.BACKING.keys()


def test_a_seed_is_a_song(compose: ModuleType) -> None:
    one, again, other = (compose.compose(np.random.default_rng([1, n]), 20.0) for n in (4, 4, 5))
    assert one == again
    assert one != other


@pytest.mark.parametrize("seed", range(20))
def test_songs_can_be_played(compose: ModuleType, seed: int) -> None:
    song = compose.compose(np.random.default_rng(seed), 30.0)
    bar = 240 / song.tempo
    assert song.seconds / bar == pytest.approx(round(song.seconds / bar))
    assert round(song.seconds / bar) % 4 == 0
    assert abs(song.seconds - 30) <= 2 * bar + 1e-9
    assert {part.stem for part in song.parts} <= {"vocals", "drums", "bass", "other"}
    assert {"vocals", "drums", "bass"} <= {part.stem for part in song.parts}
    for part in song.parts:
        assert part.notes
        for note in part.notes:
            assert 0 <= note.start < song.seconds + bar / 8  # a late last one
            assert note.length > 0
            assert 0 <= note.pitch <= 127
            assert note.velocity <= 127


@pytest.mark.parametrize("low", [24, 31, 60])
def test_degrees_are_the_lowest_above(compose: ModuleType, low: int) -> None:
    composer = compose.Composer(np.random.default_rng(0), 10.0)
    for number in range(14):
        key = composer.degree(number, low)
        assert low <= key < low + 12
        assert (key - composer.key - composer.scale[number % 7]) % 12 == 0


# --- effects ----------------------------------------------------------------------------


def tone(frequency: float, seconds: float = 0.5, amplitude: float = 0.5) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], 1)


def level(wave: np.ndarray) -> float:
    """dB of the second half, where filters have settled."""
    return 10 * np.log10((wave[len(wave) // 2 :] ** 2).mean() + 1e-20)


@pytest.mark.parametrize("gain", [-6.0, 4.0])
def test_a_band_has_its_gain_at_its_frequency(effects: ModuleType, gain: float) -> None:
    for frequency, expected in ((1000, gain), (30, 0.0)):
        wave = tone(frequency)
        change = level(effects.peaking(wave, 1000, gain, 1.0)) - level(wave)
        assert change == pytest.approx(expected, abs=0.05)


def test_passes_halve_the_power_at_their_frequency(effects: ModuleType) -> None:
    for filtered in (effects.lowpass, effects.highpass):
        change = level(filtered(tone(1000), 1000)) - level(tone(1000))
        assert change == pytest.approx(-3.01, abs=0.05)
    assert level(effects.lowpass(tone(8000), 1000)) < level(tone(8000)) - 30
    assert level(effects.highpass(tone(100), 1000)) < level(tone(100)) - 30


def test_a_compressor_takes_its_ratio(effects: ModuleType) -> None:
    """A square wave of -6 dB, threshold -18, 4:1: 9 dB less; below the threshold nothing happens."""
    loud = np.full((RATE, 2), 10 ** (-6 / 20))
    gain = effects.gain_curve(loud, -18.0, 4.0, 0.005, 0.1)
    assert gain.shape == (RATE, 1)
    assert 20 * np.log10(gain[-1, 0]) == pytest.approx(-9, abs=0.01)
    assert gain[0, 0] > gain[-1, 0]  # the attack
    np.testing.assert_array_equal(effects.gain_curve(0.01 * loud, -18.0, 4.0, 0.005, 0.1), 1)


def test_effects_keep_length_and_repeat(effects: ModuleType) -> None:
    wave = tone(440)
    for effect in (
        effects.equalise,
        effects.compress,
        effects.saturate,
        effects.double,
        lambda rng, x: effects.reverb(rng, x, 0.3),
        lambda rng, x: effects.delay(rng, x, 0.1),
        lambda rng, x: effects.place(rng, x, 0.7),
    ):
        one, again = (effect(np.random.default_rng(3), wave) for _ in range(2))
        assert one.shape == wave.shape
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, again)


def test_saturation_keeps_the_peak(effects: ModuleType) -> None:
    wave = tone(441)
    assert np.abs(effects.saturate(np.random.default_rng(0), wave)).max() == pytest.approx(0.5)


# --- instruments ------------------------------------------------------------------------


def sounding(wave: np.ndarray) -> float:
    """MIDI key of the period of a quarter of a second from 50 ms on."""
    mono = wave.reshape(len(wave), -1).mean(1)[RATE // 20 :][: RATE // 4]
    again = np.fft.irfft(np.abs(np.fft.rfft(mono, 4 * len(mono))) ** 2)[: len(mono) // 2]
    again = again / np.linspace(1, 0.5, len(again))
    peaks = 1 + np.flatnonzero((again[1:-1] > again[:-2]) & (again[1:-1] >= again[2:]))
    period = int(peaks[np.argmax(again[peaks] > 0.9 * again[peaks].max())])
    return float(69 + 12 * np.log2(RATE / period / 440))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pitch", [33, 45])
def test_strings_sound_their_key(seed: int, pitch: int) -> None:
    strings = starter_module("strings", "scipy")
    rng = np.random.default_rng(seed)
    pluck = strings.Pluck.draw(rng, upright=seed % 2 == 0)
    notes = [strings.Note(0.1, 0.5, pitch, 100)]
    got = strings.render_string(rng, pluck, notes, 1.0)
    assert got.shape == (3 * RATE, 2)
    assert np.isfinite(got).all()
    assert not got[: RATE // 20].any()
    assert sounding(got[RATE // 10 :]) == pytest.approx(
        pitch, abs=0.5
    )  # a period of whole samples, stiffness
    assert np.abs(got[RATE:]).max() < 0.05 * np.abs(got).max()  # muted after its end


@pytest.mark.parametrize("seed", range(12))
def test_synthesisers_play_notes_and_end(seed: int) -> None:
    synths = starter_module("synths", "scipy")
    role = ("bass", "lead", "pad", "pluck")[seed % 4]
    patches = [synths.Patch.draw(np.random.default_rng(seed), role) for _ in range(2)]
    assert patches[0] == patches[1]
    notes = [synths.Note(0.1, 0.4, 40, 100), synths.Note(0.5, 0.4, 47, 100)]
    one, again = (synths.render_patch(np.random.default_rng(7), patches[0], notes, 1.0) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (3 * RATE, 2)
    assert np.isfinite(one).all()
    assert not one[: RATE // 10].any()
    assert np.abs(one).max() > 0.01
    assert np.abs(one[-RATE // 10 :]).max() < 0.15 * np.abs(one).max()  # a pad's release is up to 0.8 s


def test_a_synthesiser_sounds_its_key() -> None:
    synths = starter_module("synths", "scipy")
    patch = synths.Patch(
        oscillators=(("saw", 1.0, 1.0, 0.0),), width=0.5, noise=0.0, closed=2000.0, opened=2000.0, fall=1.0,
        resonance=0.7, wobble=(0.0, 1.0), attack=0.001, decay=1.0, sustain=1.0, release=0.05, drop=0.0,
        drop_speed=20.0, glide=0.0, vibrato=0.0, drive=0.0,
    )  # fmt: skip
    for pitch in (30, 41, 52):
        got = synths.render_patch(np.random.default_rng(0), patch, [synths.Note(0, 1, pitch, 100)], 1.0)
        assert sounding(got) == pytest.approx(pitch, abs=0.1)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("c4", 60),
        ("A0", 21),
        ("F#2", 42),
        ("Bb3", 58),
        ("b1", 35),
        ("bb1", 34),
        ("E", 28),
        ("D#", 39),
        ("B", 35),
    ],
)
def test_names_of_keys(name: str, key: int) -> None:
    assert starter_module("samples", "scipy", "soundfile", "soxr").note_number(name) == key


def test_samples_play_every_key(tmp_path: Path) -> None:
    """Two sampled notes, named an octave too high, one after some silence, one of another rate."""
    samples = starter_module("samples", "scipy", "soundfile", "soxr")
    import soundfile

    late = np.concatenate([np.zeros((4000, 2)), tone(110.0, 2.0)])  # A2, 45
    soundfile.write(tmp_path / "a3_f.wav", late, RATE)
    wave = 0.5 * np.sin(2 * np.pi * 55.0 * np.arange(96000) / 48000)  # A1, 33
    soundfile.write(tmp_path / "a2_f.wav", wave, 48000)
    instrument = samples.Sampled(("bass",), tmp_path, samples.re.compile(r"(?P<key>[a-g]\d)_f\.wav"), -12)
    assert sorted(samples.files_of(instrument)) == [33, 45]
    for pitch in (31, 36, 45, 48):
        notes = [samples.Note(0.25, 0.5, pitch, 127)]
        got = samples.render_sampled(np.random.default_rng(0), instrument, notes, 1.0)
        assert got.shape == (3 * RATE, 2)
        assert not got[: RATE // 5].any()
        assert sounding(got[RATE // 4 :]) == pytest.approx(pitch, abs=0.2)
        assert np.abs(got[2 * RATE :]).max() < 0.02
    with pytest.raises(SystemExit, match="no samples like"):
        samples.files_of(samples.Sampled(("bass",), tmp_path, samples.re.compile("(?P<key>x)"), 0))


def test_a_kit_is_one_drum_a_kind_and_louder_files_for_louder_notes(tmp_path: Path) -> None:
    samples = starter_module("samples", "scipy", "soundfile", "soxr")
    import soundfile

    for folder in ("Snare1", "Snare2"):
        (tmp_path / folder).mkdir()
        for number in (2, 10):
            soundfile.write(tmp_path / folder / f"{number}-{folder}.wav", tone(200.0, 0.2), RATE)
    kit = samples.Kit(tmp_path, {"snare": r"Snare\d/.*", "kick": r"Kick/.*"})
    drums = samples.drums_of(kit)
    assert len(drums["snare"]) == 4
    assert drums["kick"] == []
    instruments = starter_module("instruments", "scipy", "soundfile", "soxr", "fluidsynth")
    chosen = instruments.layers(np.random.default_rng(0), drums["snare"])
    assert [path.stem.split("-")[0] for path in chosen] == ["2", "10"]
    assert len({path.parent for path in chosen}) == 1
    soft, loud = np.full((10, 2), 0.1, np.float32), np.full((10, 2), 0.9, np.float32)
    notes = [instruments.Note(0.0, 0.1, 38, 30), instruments.Note(0.5, 0.1, 38, 120)]
    got = instruments.render_samples({38: [soft, loud]}, notes, 1.0)
    assert got[0, 0] == pytest.approx(0.1 * (30 / 127) ** 1.5)
    assert got[RATE // 2, 0] == pytest.approx(0.9 * (120 / 127) ** 1.5)


def test_every_sampled_sound_has_a_source_with_a_free_licence() -> None:
    sources = starter_module("sources")
    with (STARTER / "sounds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert re.fullmatch("[0-9a-f]{40}", row["commit"])
        assert row["licence"] in ("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0")
        assert row["author"]
        re.compile(row["files"])
    folders = {row["folder"] for row in rows}
    instruments = (*sources.SAMPLED, *sources.VALID_SAMPLED)
    for found in (*instruments, *sources.KITS):
        if found.folder != sources.SONIC_PI:
            assert found.folder.relative_to(sources.SOUNDS).parts[0] in folders
    assert all("key" in instrument.pattern.groupindex for instrument in instruments)
    trained = {instrument.folder for instrument in sources.SAMPLED}
    assert not trained & {instrument.folder for instrument in sources.VALID_SAMPLED}


# --- songs as sound ---------------------------------------------------------------------


def test_stems_are_levelled_and_mastered_as_one() -> None:
    songs = starter_module("songs", "scipy", "fluidsynth", "pyworld")
    wave = tone(440, 2.0, 0.01)
    assert 10 * np.log10((songs.loudness(wave, -17.0) ** 2).mean()) == pytest.approx(-17, abs=0.01)
    np.testing.assert_array_equal(songs.loudness(0 * wave, -17.0), 0 * wave)
    stems = {name: tone(f, 1.0) for name, f in zip(songs.STEMS, (440, 2000, 60, 900), strict=True)}
    seeds = (seed for seed in range(20) if not mp3(seed))
    made = songs.Studio.master(np.random.default_rng(next(seeds)), stems)
    assert made.shape == (4, RATE, 2)
    assert made.dtype == np.float32
    assert 0.5 <= np.abs(made.sum(0)).max() <= 0.98 + 1e-6
    # One gain for all: the stems' proportions stay.
    mix = sum(stems.values())
    np.testing.assert_allclose(made.sum(0) * stems["bass"], made[2] * mix, atol=1e-6)


def mp3(seed: int) -> bool:
    """Whether `Studio.master` would call FFmpeg, by what it draws before."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.7:
        rng.uniform(size=3)
    rng.uniform()
    return bool(rng.random() < 0.2)


def test_splits_share_no_sound_with_the_held_out_one() -> None:
    sources = starter_module("sources")
    heldout = sources.SPLITS["heldout"]
    assert heldout.sampled == heldout.kits == ()
    assert not heldout.made
    for name in ("train", "sampled", "valid"):
        split = sources.SPLITS[name]
        assert split.number != heldout.number
        assert not set(split.voices) & set(heldout.voices)
        fonts = {*split.soundfonts, *split.drum_soundfonts}
        assert not fonts & {*heldout.soundfonts, *heldout.drum_soundfonts}
    assert not heldout.samples


# --- training and export ----------------------------------------------------------------


def test_training_sees_the_magnitudes_of_the_stft() -> None:
    train = starter_module("train", "scipy", "torch")
    wave = np.random.default_rng(0).uniform(-1, 1, (train.FRAME + 2 * train.STEP, 2)).astype(np.float32)
    got = train.magnitudes(wave)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(train.FRAME) / train.FRAME)
    for frame in range(3):
        cut = wave[frame * train.STEP :][: train.FRAME] * window[:, None]
        expected = np.abs(np.fft.rfft(cut, axis=0)[: train.BINS]).T
        assert np.abs(got[:, frame] - expected).max() < 1e-3  # of float32, values up to some hundreds


def test_packed_songs_have_the_same_magnitudes(tmp_path: Path) -> None:
    """A frame of half the length at half the rate has the bins of the whole one; Vorbis costs some dB."""
    pack = starter_module("pack", "scipy", "soundfile")
    import soundfile

    wave = np.random.default_rng(0).normal(0, 0.05, (RATE, 2))
    wave = wave + tone(441.0, 1.0, 0.3) + tone(5000.0, 1.0, 0.1)
    half = pack.halved(wave)
    assert len(half) >= RATE // 2
    window = np.hanning(4097)[:-1]
    expected = np.abs(np.fft.rfft(wave[8192:][:4096, 0] * window))[:900]
    got = 2 * np.abs(np.fft.rfft(half[4096:][:2048, 0] * window[::2]))[:900]
    assert np.abs(got - expected).mean() < 0.02 * expected.mean()  # a window's lobes above the edge
    song = tmp_path / "songs" / "one"
    song.mkdir(parents=True)
    for stem, x in (("vocals", wave), ("drums", wave[:, :1]), ("bass", 0 * wave)):
        soundfile.write(song / f"{stem}.wav", x, RATE)
    files = pack.packed(song, 0.9)
    assert sorted(files) == ["one/drums.ogg", "one/vocals.ogg"]  # nothing of silence
    path = pack.write(tmp_path / "pack-0000.tar", files)
    with tarfile.open(path) as archive:
        x, rate = soundfile.read(io.BytesIO(archive.extractfile("one/vocals.ogg").read()))
    assert rate == RATE // 2
    error = x[4096:][:8192] - half[4096:][:8192]
    assert (error**2).mean() < 0.1 * (half**2).mean()


@pytest.fixture(scope="module", name="gpu")
def _gpu() -> ModuleType:
    return starter_module("train_gpu", "torch", "soundfile")


@pytest.fixture(name="shelf")
def _shelf(gpu: ModuleType, tmp_path: Path):
    """Two seconds of a synthetic song and of a real one whose bass is part of its `other`."""
    import soundfile
    import torch

    pack = starter_module("pack", "scipy")
    rng = np.random.default_rng(0)
    files = {}
    for song, stems in (("one", gpu.STEMS), ("real-two", ("vocals", "drums", "other"))):
        (tmp_path / song).mkdir()
        for stem in stems:
            soundfile.write(tmp_path / song / f"{stem}.wav", rng.normal(0, 0.1, (2 * RATE, 2)), RATE)
        files |= pack.packed(tmp_path / song, 0.9)
    shelf = gpu.Shelf(10 * RATE, torch.device("cpu"))
    with ThreadPoolExecutor(1) as pool:
        shelf.add(pack.write(tmp_path / "pack.tar", files), pool)
        shelf.add(pack.write(tmp_path / "again.tar", files), pool)  # songs that are known
    return shelf


def test_the_gpu_training_draws_windows(gpu: ModuleType, shelf) -> None:
    one, two = shelf.songs
    assert (one.name, one.real, one.parted) == ("one", False, True)
    assert (two.name, two.real, two.parted) == ("real-two", True, False)
    np.testing.assert_allclose(gpu.chances([one, two, one]), [0.375, 0.625, 1.0])
    drawer = gpu.Drawer(shelf, 64, 0)
    draw = drawer.draw(400)
    assert drawer.having["other"][0] == drawer.having["bass"][0] == [one]
    assert drawer.having["drums"][0] == [one, two]
    whole = ~draw.parted  # one place of the real song: about one in eight
    assert 20 < whole.sum() < 90
    first, length = two.stems["vocals"]
    heard = draw.gain[whole, 0] > 0
    at = draw.first[whole, 0][heard]
    assert ((first <= at) & (at < first + length)).all()
    assert not draw.gain[whole, 2].any()  # no bass of its own
    for i, stem in enumerate(gpu.STEMS):
        used = draw.gain[:, i] > 0
        first, length = one.stems[stem]
        inside = (draw.first[:, i] >= first) & (draw.first[:, i] + draw.length[:, i] == first + length)
        assert (inside | ~used | (draw.first[:, i] >= two.stems["vocals"][0])).all()
    assert 0.75 < draw.speed.min() < 0.9
    assert 1.1 < draw.speed.max() < 1.3


def test_the_gpu_training_reads_at_a_speed(gpu: ModuleType, shelf) -> None:
    studio, draw = gpu.Studio(shelf, 64, 0), gpu.Drawer(shelf, 64, 0).plain(2)
    start = int(draw.first[0, 0])
    expected = shelf.samples[start : start + studio.samples].T / 32768
    read = studio.read(draw)
    np.testing.assert_allclose(read[0, 0], expected, atol=1e-6)
    assert not read[1, 2].any()  # the real song's bass
    shelf.samples[: shelf.used, 0] = gpu.torch.arange(shelf.used) % 30000  # straight lines
    draw.speed[:], draw.gain[:] = 1.25, 1
    line = studio.read(draw)[0, 0, 0, 2 : RATE // 4] * 32768
    rise = np.diff(line)
    assert np.median(rise) == pytest.approx(1.25, abs=1e-3)


def test_the_gpu_training_judges_masks(gpu: ModuleType, shelf) -> None:
    """The loss is least for the mask that restores the stem; a real song's bass and other are one."""
    torch = gpu.torch
    studio, drawer = gpu.Studio(shelf, 64, 0), gpu.Drawer(shelf, 64, 0)
    stems = studio.stems(drawer.plain(2), changed=False)
    assert stems.shape == (2, 4, 2, 64, gpu.BINS)
    changed = studio.stems(drawer.draw(3))
    assert torch.isfinite(torch.view_as_real(changed)).all()
    assert changed.abs().mean((1, 2, 3, 4)).min() > 0
    torch.manual_seed(0)
    trainer = gpu.Trainer((2,) * 6, 1e-2, torch.device("cpu"), torch.channels_last)
    one = stems[:1]
    mix = one.sum(1)
    sources = {name: one[:, i] for i, name in enumerate(gpu.STEMS)}
    sources["accompaniment"] = mix - one[:, 0]
    best = {name: ((mix * x.conj()).real / mix.abs() ** 2).clamp(0, 1) for name, x in sources.items()}
    parted = torch.ones(1)

    def total(masks, parted) -> float:
        return sum(float(x) for x in trainer.loss(masks, one, parted).values())

    for wrong in ({k: 1 - m for k, m in best.items()}, {k: 0 * m for k, m in best.items()}):
        assert total(best, parted) < 0.7 * total(wrong, parted)
    swapped = {**best, "bass": best["other"], "other": best["bass"]}
    assert total(swapped, parted) > 1.2 * total(best, parted)
    assert total(swapped, 0 * parted) == pytest.approx(total(best, 0 * parted), rel=1e-5)
    without = {**best, "bass": 0 * mix.abs(), "other": 0 * mix.abs()}
    assert total(without, 0 * parted) > 1.1 * total(best, 0 * parted)  # their sum counts
    losses = [sum(map(float, trainer.step(one, parted, 0.0).values())) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.98 * np.mean(losses[:5])  # the rate is still rising


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_sounds_come_from_repositories(tmp_path: Path) -> None:
    sounds = starter_module("sounds")
    clone = tmp_path / "them+thing"
    (clone / "Samples" / "loud").mkdir(parents=True)
    for name in ("Samples/loud/a1.wav", "Samples/b2.flac", "Samples/b2.txt"):
        (clone / name).write_bytes(name.encode())
    author = ("-c", "user.name=x", "-c", "user.email=x@x")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "x")):
        sounds.git(*command, folder=clone)
    commit = sounds.git("rev-parse", "HEAD", folder=clone).decode().strip()

    def row(subfolder: str, files: str):
        return sounds.Source("thing", "them/thing", commit, "CC0-1.0", "them", subfolder, files)

    url = f"{tmp_path}/{{flat}}"
    assert (
        sounds.download([row("=", r"Samples/loud/.*"), row("low", r"Samples/b2.*")], url, tmp_path / "out")
        == 2
    )
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert found == {"loud/a1.wav", "low/b2.flac"}
    assert (tmp_path / "out/loud/a1.wav").read_text() == "Samples/loud/a1.wav"
    with pytest.raises(SystemExit, match="no file matches nothing"):
        sounds.download([row("", "nothing")], url, tmp_path / "out")


def test_the_exported_network_is_the_trained_one(tmp_path: Path) -> None:
    """PyTorch's network and this package's on the same magnitudes, with batch norms that do something."""
    torch = pytest.importorskip("torch")
    export, unet = starter_module("export", "torch"), starter_module("unet", "torch")
    filters = (3, 4, 5, 6, 7, 8)
    torch.manual_seed(0)
    net = unet.UNet(filters)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            scales, shifts = (module.weight, module.running_var), (module.bias, module.running_mean)
            for values in scales:
                torch.nn.init.uniform_(values, 0.5, 1.5)
            for values in shifts:
                torch.nn.init.uniform_(values, -0.5, 0.5)
    net.eval()
    config = export.configuration(filters).replace(instruments=("vocals",), T=64, F=128)
    path = tmp_path / "one.safetensors"
    save_packed(path, config, {"vocals": export.tensors(net.state_dict())}, "float32")
    magnitude = np.random.default_rng(1).uniform(0, 100, (2, 64, 128, 2)).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy(magnitude.transpose(0, 3, 1, 2).copy())
        expected = (net(x) * x).numpy().transpose(0, 2, 3, 1)
    got = load_model(path).predict(magnitude)["vocals"]
    assert 0.05 < np.abs(got / magnitude).mean() < 0.95
    assert np.abs(got - expected).max() < 1e-5 * magnitude.max()
