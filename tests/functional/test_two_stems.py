"""A stem and everything else, and what of it becomes files: two stems, karaoke, mono."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import Model, Separator, SpleeterError
from spleeterrt.audio.writer import quantize
from spleeterrt.cli import cli
from support.golden import case

TWO, FOUR, FIVE = (str(case(f"tiny-{name}") / "config.json") for name in ("2stems", "4stems", "5stems"))


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, quantize(music * 0.9, "int16"), 44100, subtype="PCM_16")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["separate", *map(str, arguments)])


def samples(path: Path, dtype: str = "int16") -> np.ndarray:
    found: np.ndarray = soundfile.read(path, dtype=dtype)[0]
    return found


@pytest.mark.parametrize("model", [TWO, FOUR, FIVE])
@pytest.mark.parametrize("mode", ["ratio", "direct"])
def test_stem_and_the_rest(model: str, mode: str, music: np.ndarray) -> None:
    separator = Separator(model, two_stems="vocals", mode=mode)
    assert separator.stems == ("vocals", "no_vocals")
    stems = separator.separate(music)
    plain = Separator(model, mode=mode).separate(music)
    np.testing.assert_array_equal(stems["vocals"], plain["vocals"])
    exact = music.astype(np.float64) - plain["vocals"]
    np.testing.assert_array_equal(stems["no_vocals"], exact.astype(np.float32))
    blocks = list(separator.separate_blocks([music[:999], music[999:]]))
    for name, whole in stems.items():
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks]), whole)


def test_networks_that_run() -> None:
    """`direct` needs one, but for softmax models; of a file no other is read."""
    assert Separator(FOUR, two_stems="drums").networks == ("vocals", "drums", "bass", "other")
    alone = Separator(FOUR, two_stems="drums", mode="direct")
    assert alone.networks == ("drums",)
    assert alone.stems == ("drums", "no_drums")
    with pytest.raises(SpleeterError):
        alone.model.rows(("vocals",))
    assert len(Separator(FIVE, two_stems="drums", mode="direct").networks) == 5


def test_with_the_wiener_filter(four_stems: Model, music: np.ndarray) -> None:
    stems = Separator(four_stems, MWF=True, two_stems="bass").separate(music)
    expected = Separator(four_stems, MWF=True).separate(music)
    np.testing.assert_array_equal(stems["bass"], expected["bass"])
    np.testing.assert_array_equal(
        stems["no_bass"], (music.astype(np.float64) - expected["bass"]).astype(np.float32)
    )


@pytest.mark.parametrize("bit_depth", ["int16", "int24"])
def test_files_sum_to_the_mix(song: Path, tmp_path: Path, four_stems: Model, bit_depth: str) -> None:
    paths = Separator(four_stems, two_stems="vocals").separate_to_file(song, tmp_path, bit_depth=bit_depth)
    assert paths
    assert [path.name for path in paths.values()] == ["vocals.wav", "no_vocals.wav"]
    total = sum(samples(path, "int32").astype(np.int64) for path in paths.values())
    np.testing.assert_array_equal(total, samples(song, "int32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"two_stems": "piano"},
            "two_stems: expected one of vocals, drums, bass, other, got 'piano'",
        ),
        ({"two_stems": "vocals", "mode": "three"}, "goes with the modes ratio and direct; three has"),
        ({"two_stems": "vocals", "mode": "residual"}, "goes with the modes ratio and direct"),
        ({"two_stems": "vocals", "stems": ["drums"]}, "expected some of vocals, no_vocals, got 'drums'"),
    ],
)
def test_what_does_not_go(options: dict, message: str) -> None:
    with pytest.raises(SpleeterError, match=message):
        Separator(FOUR, **options)


def test_command_line(song: Path, tmp_path: Path, music: np.ndarray) -> None:
    result = run(
        "-p", FOUR, "--two-stems", "vocals", "--mode", "direct", "-o", tmp_path / "a", "--json", song
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert list(report["stems"]) == ["vocals", "no_vocals"]
    karaoke = run("-p", FOUR, "--karaoke", "--mode", "direct", "-o", tmp_path / "b", song)
    assert karaoke.exit_code == 0, karaoke.output
    assert [path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*")] == [
        Path("song/no_vocals.wav")
    ]
    np.testing.assert_array_equal(
        samples(tmp_path / "b/song/no_vocals.wav"), samples(tmp_path / "a/song/no_vocals.wav")
    )
    assert samples(tmp_path / "b/song/no_vocals.wav").any()


def test_karaoke_and_stems_exclude_each_other(song: Path, tmp_path: Path) -> None:
    for other in (("--stems", "drums"), ("--two-stems", "drums")):
        result = run("-p", FOUR, "--karaoke", *other, "-o", tmp_path / "a", song)
        assert result.exit_code == 2
        assert "--karaoke is --two-stems vocals --stems no_vocals" in result.stderr
    assert not (tmp_path / "a").exists()


# --- mono ------------------------------------------------------------------------------


@pytest.fixture
def mono(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "mono.wav"
    soundfile.write(path, quantize(music[:, 0] * 0.9, "int16"), 44100, subtype="PCM_16")
    return path


def test_mono_for_mono(mono: Path, song: Path, tmp_path: Path, four_stems: Model) -> None:
    separator = Separator(four_stems, residual=True)
    paths = separator.separate_to_file(mono, tmp_path / "a", channels="source")
    stereo = separator.separate_to_file(mono, tmp_path / "b", bit_depth="float32")
    assert paths
    assert stereo
    total = np.zeros(len(samples(mono)), np.int64)
    for stem, path in paths.items():
        found = samples(path)
        assert found.ndim == 1
        total += found
        expected = samples(stereo[stem], "float32").mean(axis=1, dtype=np.float32)
        np.testing.assert_allclose(found / 32768, expected, atol=2.5 / 32768)  # `other` takes the rounding
    np.testing.assert_array_equal(total, samples(mono))
    # Stereo stays.
    paths = separator.separate_to_file(song, tmp_path / "c", channels="source")
    assert paths
    assert {samples(path).shape[1] for path in paths.values()} == {2}


def test_mono_by_the_command_line(mono: Path, tmp_path: Path) -> None:
    for name, count in (("source", 1), ("stereo", 2)):
        result = run("-p", TWO, "--channels", name, "-c", "flac", "-o", tmp_path / name, mono)
        assert result.exit_code == 0, result.output
        for stem in ("vocals", "accompaniment"):
            assert soundfile.info(tmp_path / name / "mono" / f"{stem}.flac").channels == count


def test_unknown_channels(song: Path, tmp_path: Path, two_stems: Model) -> None:
    with pytest.raises(SpleeterError, match=r"channels: expected .*'stereo'.*'source'.*, got 'mono'"):
        Separator(two_stems).separate_to_file(song, tmp_path, channels="mono")


def test_mono_where_a_subclass_separates(mono: Path, tmp_path: Path) -> None:
    class Mine(Separator):
        def separate(self, waveform, audio_descriptor="", **options):  # type: ignore[no-untyped-def, override]
            return {"mine": np.repeat(waveform, 2, axis=1)}

    paths = Mine(TWO).separate_to_file(mono, tmp_path, channels="source")
    assert paths
    np.testing.assert_array_equal(samples(paths["mine"]), samples(mono))
    with pytest.raises(
        SpleeterError, match="remux: goes with the built-in adapter, separate and save_to_file only"
    ):
        Mine(TWO).separate_to_file("film.mp4", tmp_path, remux=True)
