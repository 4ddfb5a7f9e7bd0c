"""Times of singing: of synthetic songs, whose times are known, of finished stems, and of a real song."""

from __future__ import annotations

import csv
import io
import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import Model, Separator, SpleeterError
from spleeterrt.activity import HOP, SPAN, Activity, ActivityMeter, ActivitySettings, vocals_of, written
from spleeterrt.cli import cli
from spleeterrt.stem_activity import activity_of_stems
from support.golden import case

RATE = 44100
TWO = str(case("tiny-2stems") / "config.json")
# A level reaches half a span to each side, and a time is a multiple of the hop; rounded rates add a sample.
TOLERANCE = (SPAN + 1) / 2 * HOP + 1e-3
STRETCHES = [(1.0, 2.5), (4.0, 4.9), (6.2, 9.0)]


def song(
    stretches: list[tuple[float, float]] = STRETCHES,
    seconds: float = 10.0,
    rate: int = RATE,
    band_db: float = -20,
) -> tuple[np.ndarray, np.ndarray]:
    """A voice of -20 dBFS at these times, and the mix of it and a band."""
    rng = np.random.default_rng(1)
    count = round(seconds * rate)
    vocals = np.zeros((count, 2), np.float32)
    for start, end in stretches:
        part = slice(round(start * rate), round(end * rate))
        vocals[part] = 0.1 * rng.standard_normal(vocals[part].shape)
    band = 10 ** (band_db / 20) * rng.standard_normal((count, 2)).astype(np.float32)
    return vocals, vocals + band


def found(
    vocals: np.ndarray, mix: np.ndarray, rate: int = RATE, block: int = 10**9, **settings: float
) -> list[Activity]:
    meter = ActivityMeter(rate, ActivitySettings(**settings))
    for start in range(0, len(mix), block):
        meter.process(vocals[start : start + block], mix[start : start + block])
    return meter.finish()


def check(activities: list[Activity], stretches: list[tuple[float, float]] = STRETCHES) -> None:
    assert len(activities) == len(stretches)
    for activity, (start, end) in zip(activities, stretches, strict=True):
        assert activity.start == pytest.approx(start, abs=TOLERANCE)
        assert activity.end == pytest.approx(end, abs=TOLERANCE)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_known_times(rate: int) -> None:
    activities = found(*song(rate=rate), rate)
    check(activities)
    for activity in activities:  # what surrounds a stretch by a hop or two lowers its mean level a little
        assert activity.level == pytest.approx(-20, abs=0.7)


@pytest.mark.parametrize("band_db", [-60, -30, -12])
def test_beside_bands_of_any_level(band_db: float) -> None:
    check(found(*song(band_db=band_db)))


@pytest.mark.parametrize("block", [1, 881, 882, 883, 4096, 100_000])
def test_blocks_do_not_matter(block: int) -> None:
    vocals, mix = song([(0.3, 0.8)], 1.0 if block == 1 else 5.0)
    assert found(vocals, mix, block=block) == found(vocals, mix)


def test_from_the_first_sample_to_the_last() -> None:
    vocals, mix = song([(0, 3.21)], 3.21)
    (activity,) = found(vocals, mix)
    assert (activity.start, activity.end) == (0, 3.21)


def test_silence_and_less() -> None:
    nothing = np.zeros((RATE, 2), np.float32)
    assert found(nothing, nothing) == []
    assert ActivityMeter(RATE).finish() == []
    assert found(nothing[:5], nothing[:5]) == []


def test_pauses_and_short_sounds() -> None:
    """Breaths are sung through, blips are none, unless asked for."""
    vocals, mix = song([(1.0, 2.0), (2.2, 3.0), (5.0, 5.06)], 6.0)
    check(found(vocals, mix), [(1.0, 3.0)])
    check(found(vocals, mix, gap=0, shortest=0), [(1.0, 2.0), (2.2, 3.0), (5.0, 5.06)])


def test_hysteresis() -> None:
    """A voice that falls between the thresholds goes on, but does not begin there."""
    rng = np.random.default_rng(2)
    band = 0.1 * rng.standard_normal((6 * RATE, 2))
    gain = np.zeros((6 * RATE, 1))
    gain[RATE : 2 * RATE] = 1
    gain[2 * RATE : 3 * RATE] = 10 ** (-15 / 20)  # between -12 and -18 dB
    gain[4 * RATE : 5 * RATE] = 10 ** (-15 / 20)
    vocals = gain * 0.1 * rng.standard_normal(band.shape)
    check(found(vocals, band + vocals), [(1.0, 3.0)])
    check(found(vocals, band + vocals, on=-16.5), [(1.0, 3.0), (4.0, 5.0)])
    check(found(vocals, band + vocals, off=-12), [(1.0, 2.0)])


def test_the_floor() -> None:
    """What little a network leaves in a quiet intro is no singing."""
    vocals, _ = song([(1.0, 2.0)], 3.0)
    quiet = vocals / 100  # -60 dBFS
    assert found(quiet, quiet) == []
    check(found(quiet, quiet, floor=-70), [(1.0, 2.0)])


def test_memory_is_constant() -> None:
    vocals, mix = song([(0.1, 0.5)], 1.0)
    meter = ActivityMeter(RATE)
    meter.process(vocals, mix)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(100):
        meter.process(vocals, mix)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 100_000  # a second of such blocks is more
    assert len(meter.finish()) == 101


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"on": -20.0}, "off: expected at most on"),
        ({"gap": -1.0}, "gap: expected 0 or more"),
        ({"floor": float("nan")}, "floor: expected a number"),
        ({"on": "loud"}, "on: expected a number, got 'loud'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SpleeterError, match=message):
        ActivitySettings(**settings)


def test_blocks_that_cannot_be() -> None:
    with pytest.raises(SpleeterError, match="as many samples of the mix"):
        ActivityMeter(RATE).process(np.zeros((5, 2)), np.zeros((4, 2)))
    with pytest.raises(SpleeterError, match="vocals: expected samples"):
        ActivityMeter(RATE).process(np.zeros((5, 2, 1)), np.zeros((5, 2)))
    with pytest.raises(SpleeterError, match="rate: expected Hz"):
        ActivityMeter(0)


def test_vocals_that_are_the_rest() -> None:
    mix, drums = np.ones((3, 2), np.float32), np.full((3, 2), 0.25, np.float32)
    np.testing.assert_array_equal(vocals_of({"drums": drums}, mix, "vocals"), mix - drums)
    assert vocals_of({"vocals": drums}, mix, None) is drums
    with pytest.raises(SpleeterError, match="a stem called vocals, these are drums, other"):
        vocals_of({"drums": drums}, mix, "other")


def test_formats() -> None:
    activities = [Activity(1.0, 2.5, -20.04), Activity(61.25, 3600.123456, -9.0)]
    rows = list(csv.DictReader(io.StringIO(written(activities, "csv"))))
    assert rows[1] == {"start": "61.250", "end": "3600.123", "level": "-9.0"}
    assert json.loads(written(activities, "json"))[1] == {"start": 61.25, "end": 3600.123, "level": -9.0}
    assert written(activities, "audacity") == "1.000\t2.500\tvocals\n61.250\t3600.123\tvocals\n"
    assert (written([], "audacity"), written([], "csv"), json.loads(written([], "json"))) == (
        "",
        "start,end,level\n",
        [],
    )
    with pytest.raises(SpleeterError, match="format: expected one of"):
        written(activities, "srt")


# --- files and commands -------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="spleeterrt")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A stem at 44.1 kHz, and its song at 48 kHz."""
    for name, rate, index in (("vocals", RATE, 0), ("song", 48000, 1)):
        soundfile.write(tmp_path / f"{name}.wav", song(rate=rate)[index], rate, subtype="FLOAT")
    return tmp_path / "vocals.wav", tmp_path / "song.wav"


def test_finished_stems(files: tuple[Path, Path]) -> None:
    check(activity_of_stems(*files))
    done = run("vocals-activity", "--vocals", *files)
    assert done.exit_code == 0, done.output
    check([Activity(*map(float, row)) for row in list(csv.reader(io.StringIO(done.stdout)))[1:]])
    with pytest.raises(SpleeterError, match="not a stem file with vocals"):
        activity_of_stems(files[0])


@pytest.mark.parametrize("longer", [0, 1])
def test_files_of_other_lengths_are_told_of(
    files: tuple[Path, Path], longer: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Which one it is, and at either's own rate; what a codec adds does not count."""
    for seconds, told in ((0.2, False), (1.0, True)):
        wave, rate = soundfile.read(files[longer])
        padded = np.pad(wave, ((0, round(seconds * rate)), (0, 0)))
        soundfile.write(files[longer], padded, rate, subtype="FLOAT")
        caplog.clear()
        check(activity_of_stems(*files))
        assert ("counts as silence" in caplog.text) is told
    lengths = [f"{soundfile.info(path).duration:.1f} s" for path in files]
    assert f"vocals.wav lasts {lengths[0]}, " in caplog.text
    assert f"song.wav {lengths[1]}: " in caplog.text


def test_a_stem_file_has_its_vocals_inside(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")
    from spleeterrt.audio.writer import StemFileWriter

    vocals, mix = song()
    path = tmp_path / "a.stem.mp4"
    with StemFileWriter({"stems": path}, RATE, tracks=("mix", "drums", "bass", "other", "vocals")) as writer:
        silent = dict.fromkeys(("drums", "bass", "other"), np.zeros_like(mix))
        writer.write({**silent, "vocals": vocals}, mix)
    done = run("vocals-activity", "--format", "json", "-o", tmp_path / "a.json", path)
    assert done.exit_code == 0, done.output
    check([Activity(**entry) for entry in json.loads((tmp_path / "a.json").read_text())])


def test_a_song_is_separated(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    """The times are those of the stem that `separate` makes; `separate` itself puts them beside the stems."""
    path = tmp_path / "song.wav"
    soundfile.write(path, music, RATE, subtype="FLOAT")
    stems = Separator(two_stems).separate(music)
    settings = ActivitySettings(on=-5, off=-8)
    expected = found(stems["vocals"], music, on=-5, off=-8)
    assert Separator(two_stems).vocals_activity(path, settings=settings) == expected
    usual = found(stems["vocals"], music)
    done = run("vocals-activity", "-p", TWO, "--format", "audacity", path)
    assert done.stdout.strip() == written(usual, "audacity").strip()
    assert usual
    made = Separator(two_stems, two_stems="vocals", stems=["no_vocals"]).separate_to_file(
        path, tmp_path / "out", vocals_activity="audacity"
    )
    assert list(made) == ["no_vocals"]
    assert made.vocals_activity == tmp_path / "out" / "song" / "song.vocals.txt"
    assert made.vocals_activity.read_text() == written(usual, "audacity")
    assert sorted(os.listdir(tmp_path / "out" / "song")) == ["no_vocals.wav", "song.vocals.txt"]


def test_times_are_those_of_the_song(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.concatenate([music, music]), RATE, subtype="FLOAT")
    made = Separator(two_stems).separate_to_file(path, tmp_path, offset=0.5, vocals_activity="json")
    assert made.vocals_activity is not None
    assert all(entry["start"] >= 0.5 for entry in json.loads(made.vocals_activity.read_text()))


def test_karaoke_with_times(music: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, music, RATE)
    arguments = ("separate", "--karaoke", "--vocals-activity", "csv", "--json", "--skip-existing", "-p", TWO)
    done = run(*arguments, "-o", tmp_path / "out", path)
    assert done.exit_code == 0, done.output
    labels = tmp_path / "out" / "song" / "song.vocals.csv"
    assert json.loads(done.stdout)["vocals_activity"] == str(labels)
    assert json.loads(run(*arguments, "-o", tmp_path / "out", path).stdout)["status"] == "skipped"
    labels.unlink()  # then the song is not finished
    assert json.loads(run(*arguments, "-o", tmp_path / "out", path).stdout)["status"] == "done"
    assert labels.exists()


def test_models_without_vocals(four_stems: Model, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros((999, 2)), RATE)
    separator = Separator(four_stems, two_stems="drums")
    with pytest.raises(SpleeterError, match="a stem called vocals, these are drums, no_drums"):
        separator.separate_to_file(path, tmp_path / "out", vocals_activity="csv")
    with pytest.raises(SpleeterError, match="a stem called vocals"):
        separator.vocals_activity(path)
    done = run("separate", "-p", TWO, "--two-stems", "accompaniment", "--vocals-activity", "csv", path)
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_real_song() -> None:
    """With the shipped model: the voice of the shipped song pauses between 4 and 7.5 s, where the synthesiser
    plays, and sings in the last four seconds."""
    path = Path(__file__).parents[1] / "data" / "song.ogg"
    activities = Separator("starter:2stems").vocals_activity(path)
    sung = lambda start, end: sum(max(0, min(a.end, end) - max(a.start, start)) for a in activities)  # noqa: E731
    assert sung(2.3, 3.4) > 1
    assert sung(4, 7.5) == 0
    assert sung(12.1, 12.9) > 0.7
    assert sung(13.9, 15) > 1
