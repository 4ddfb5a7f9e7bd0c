"""`spleeterrt evaluate` on a made-up data set."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import Model, Separator, SpleeterError
from spleeterrt.cli import cli
from spleeterrt.evaluate import BSSEVAL_METRICS, _bsseval, find_targets, find_tracks, median
from support.golden import case

CONFIG_2 = str(case("tiny-2stems") / "config.json")
CONFIG_4 = str(case("tiny-4stems") / "config.json")
CONFIG_5 = str(case("tiny-5stems") / "config.json")
RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


def write_track(folder: Path, seed: int, seconds: float = 2.2) -> dict[str, np.ndarray]:
    """Noise of different colours; its references, and their sum as the mixture."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    waves: dict[str, np.ndarray] = {}
    for k, stem in enumerate(STEMS):
        noise = 0.1 * rng.standard_normal((int(seconds * RATE), 2))
        waves[stem] = np.convolve(noise.ravel(), np.ones(k + 1) / (k + 1), "same").reshape(-1, 2)
    waves["mixture"] = sum(waves.values())
    for name, wave in waves.items():
        soundfile.write(folder / f"{name}.wav", wave, RATE, subtype="FLOAT")
    return {name: wave.astype(np.float32) for name, wave in waves.items()}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("A - one", "B - two", "C - three")):
        write_track(tmp_path / "set" / name, seed)
    return tmp_path / "set"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def result_of(name: str, folder: str = "evaluation") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "tracks" / f"{name}.json").read_text())
    return found


def plain(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """The scores by their definitions, in float64."""
    wanted, got = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    target = (got @ wanted) / (wanted @ wanted) * wanted

    def db(signal: np.ndarray, error: np.ndarray) -> float:
        return float(10 * np.log10((signal @ signal) / (error @ error)))

    return {"uSDR": db(wanted, wanted - got), "SI-SDR": db(target, got - target)}


def test_two_stems(dataset: Path) -> None:
    done = run(dataset, "-p", CONFIG_2, "--no-museval")
    assert done.exit_code == 0, done.output
    separator = Separator(CONFIG_2)
    tracks = sorted(dataset.iterdir())
    expected: dict[str, dict[str, list[float]]] = {}
    for track in tracks:
        waves = {p.stem: soundfile.read(p, dtype="float32")[0] for p in track.iterdir()}
        waves["accompaniment"] = waves["drums"] + waves["bass"] + waves["other"]
        entries = {e["name"]: e["metrics"] for e in result_of(track.name)["targets"]}
        assert list(entries) == ["vocals", "accompaniment"]
        for stem, estimate in separator.separate(waves["mixture"]).items():
            for metric, value in plain(waves[stem], estimate).items():
                assert entries[stem][metric] == pytest.approx(value, abs=1e-6)
                expected.setdefault(stem, {}).setdefault(metric, []).append(value)
    summary = json.loads(Path("evaluation/summary.json").read_text())
    assert (summary["tracks"], summary["failed"]) == (3, {})
    for stem, metrics in expected.items():
        for metric, values in metrics.items():
            assert summary["medians"][stem][metric] == pytest.approx(np.median(values), abs=1e-6)
    rows = list(csv.DictReader(Path("evaluation/scores.csv").read_text().splitlines()))
    assert [(row["track"], row["target"]) for row in rows] == [
        (track.name, stem) for track in tracks for stem in ("vocals", "accompaniment")
    ]
    assert float(rows[0]["uSDR"]) == pytest.approx(expected["vocals"]["uSDR"][0], abs=1e-6)
    assert "median of 3 tracks, dB" in done.stdout
    assert f"{summary['medians']['vocals']['uSDR']:.2f}" in done.stdout


def test_finished_tracks_are_kept(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(dataset, "-p", CONFIG_2, "--no-museval").exit_code == 0
    before = Path("evaluation/summary.json").read_bytes()
    files = sorted(Path("evaluation/tracks").iterdir())
    times = [path.stat().st_mtime_ns for path in files]
    files[1].write_text("{")  # not a result
    done = run(dataset, "-p", CONFIG_2, "--no-museval")
    assert done.exit_code == 0
    assert "2 of 3 tracks already have a result" in done.stderr
    assert [files[0].stat().st_mtime_ns, files[2].stat().st_mtime_ns] == [times[0], times[2]]
    assert Path("evaluation/summary.json").read_bytes() == before

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the model was loaded for nothing")

    with monkeypatch.context() as patch:
        patch.setattr("spleeterrt.separator.load_model", refuse)
        assert run(dataset, "-p", CONFIG_2, "--no-museval", "-q").exit_code == 0
    done = run(dataset, "-p", CONFIG_2, "--no-museval", "--mwf")
    assert done.exit_code == 1
    assert "result of other settings (mwf)" in done.stderr
    assert Path("evaluation/summary.json").read_bytes() == before
    assert run(dataset, "-p", CONFIG_2, "--no-museval", "--mwf", "--force").exit_code == 0
    assert result_of("A - one")["settings"]["mwf"] is True
    assert Path("evaluation/summary.json").read_bytes() != before


def test_folders_that_are_left_out_are_told(dataset: Path) -> None:
    (dataset / "A - one" / "mixture.wav").rename(dataset / "A - one" / "mix.wav")
    (dataset / "B - two").rename(dataset / "...B - two")
    done = run(dataset, "-p", CONFIG_4, "--no-museval", "--json", "-q")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["tracks"] == 2
    (warning,) = summary["warnings"]
    assert "left out 1 folder(s) that hold .wav files but no mixture.wav: A - one" in warning
    assert done.stderr == ""


@pytest.mark.parametrize(
    "options", [["-s", "1:75"], ["-d", "0"], ["--mode", "residual"], ["-a", "no.Adapter"]]
)
def test_wrong_values_are_wrong_usage(options: list[str], dataset: Path) -> None:
    assert run(dataset, "-p", CONFIG_4, "--no-museval", *options).exit_code == 2
    assert not Path("evaluation").exists()


def test_bad_tracks_do_not_stop_the_others(dataset: Path) -> None:
    (dataset / "A - one" / "drums.wav").unlink()
    (dataset / "B - two" / "mixture.wav").write_bytes(b"no music")
    done = run(dataset, "-p", CONFIG_4, "--no-museval", "--json")
    assert done.exit_code == 1
    assert "A - one: " in done.stderr
    assert "drums.wav is missing" in done.stderr
    assert "2 of 3 tracks failed" in done.stderr
    summary = json.loads(done.stdout)
    assert summary.pop("warnings") == []
    assert summary == json.loads(Path("evaluation/summary.json").read_text())
    assert sorted(summary["failed"]) == ["A - one", "B - two"]
    assert summary["tracks"] == 1
    assert list(summary["medians"]) == list(STEMS)
    assert [path.name for path in Path("evaluation/tracks").iterdir()] == ["C - three.json"]


def test_truncated_references_are_errors(dataset: Path) -> None:
    path = dataset / "A - one" / "bass.wav"
    path.write_bytes(path.read_bytes()[:-40000])
    done = run(dataset, "-p", CONFIG_4, "--no-museval")
    assert done.exit_code == 1
    assert "bass.wav" in done.stderr


def test_spleeters_folder_and_flags(dataset: Path, tmp_path: Path) -> None:
    shutil.move(dataset, tmp_path / "musdb" / "test")
    done = run("--mus_dir", "musdb", "-p", CONFIG_2, "-o", "out", "--no-museval", "--mwf", "-q", "-d", "1")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert result_of("A - one", "out")["seconds"] == 1


def test_targets(dataset: Path) -> None:
    track = dataset / "A - one"

    def files(*stems: str) -> dict[str, tuple[tuple[str, ...], list[str]]]:
        targets = find_targets(stems, track)
        return {t.name: (t.stems, [path.stem for path in t.files]) for t in targets}

    assert files("vocals", "accompaniment")["accompaniment"] == (
        ("accompaniment",), ["drums", "bass", "other"],
    )  # fmt: skip
    assert files("drums", "vocals", "accompaniment")["accompaniment"][1] == ["bass", "other"]
    five = ("vocals", "piano", "drums", "bass", "other")
    assert files(*five)["other"] == (("piano", "other"), ["other"])
    assert "piano" not in files(*five)
    shutil.copy(track / "other.wav", track / "piano.wav")
    assert files(*five)["piano"] == (("piano",), ["piano"])
    with pytest.raises(SpleeterError, match="no reference for 'flute'"):
        files("vocals", "flute")


def test_five_stems(dataset: Path) -> None:
    done = run(dataset, "-p", CONFIG_5, "--no-museval")
    assert done.exit_code == 0, done.output
    assert [e["name"] for e in result_of("B - two")["targets"]] == ["vocals", "other", "drums", "bass"]


def test_edges(two_stems: Model, tmp_path: Path) -> None:
    """A silent reference has no score, and a perfect estimate a finite one."""
    from spleeterrt.evaluate import _Energies

    noise = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    energies = _Energies()
    energies.add(np.zeros_like(noise), noise)
    assert energies.scores() == {"uSDR": None, "SI-SDR": None}
    energies = _Energies()
    energies.add(noise, noise)
    assert energies.scores() == {"uSDR": 100, "SI-SDR": pytest.approx(100)}
    energies = _Energies()
    energies.add(noise, np.zeros_like(noise))
    assert energies.scores() == {"uSDR": 0, "SI-SDR": -100}
    assert median([None, 3.0, 1.0, None]) == 2
    assert median([None]) is None


def test_modes(dataset: Path) -> None:
    """Three stems: the accompaniment is scored against what is neither vocals nor drums."""
    done = run(dataset, "-p", CONFIG_4, "--no-museval", "--mode", "three", "--above-band", "0.3", "--json")
    assert done.exit_code == 0, done.output
    track = min(dataset.iterdir())
    stems = Separator(CONFIG_4, mode="three", above_band=0.3).separate(
        soundfile.read(track / "mixture.wav", dtype="float32")[0], ""
    )
    rest = sum(soundfile.read(track / f"{name}.wav", dtype="float32")[0] for name in ("bass", "other"))
    targets = {target["name"]: target["metrics"] for target in result_of(track.name)["targets"]}
    assert targets.keys() == {"vocals", "drums", "accompaniment"}
    scores = plain(rest, stems["accompaniment"])
    for metric, value in scores.items():
        assert targets["accompaniment"][metric] == pytest.approx(value, abs=1e-3)
    refused = run(dataset, "-p", CONFIG_4, "--no-museval")  # other options, the same folder
    assert refused.exit_code == 1
    assert "mode" in refused.output


def test_no_tracks(tmp_path: Path) -> None:
    with pytest.raises(SpleeterError, match="no track in this folder"):
        find_tracks(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "song.stem.mp4").touch()
    with pytest.raises(SpleeterError, match="musdbconvert"):
        find_tracks(tmp_path)
    with pytest.raises(SpleeterError, match="no track"):
        find_tracks(tmp_path / "nowhere")
    assert run().exit_code == 2  # click's help
    assert run(tmp_path, "--mus_dir", tmp_path).exit_code == 2


def test_museval(dataset: Path) -> None:
    """The same numbers as museval on the separated waveforms, the medians as Spleeter takes them."""
    museval = pytest.importorskip("museval")
    done = run(dataset, "-p", CONFIG_2, "--museval", "-d", "2")
    assert done.exit_code == 0, done.output
    separator = Separator(CONFIG_2)
    medians: dict[tuple[str, str], list[float]] = {}
    for track in sorted(dataset.iterdir()):
        waves = {p.stem: soundfile.read(p, dtype="float32")[0][: 2 * RATE] for p in track.iterdir()}
        waves["accompaniment"] = waves["drums"] + waves["bass"] + waves["other"]
        estimates = separator.separate(waves["mixture"])
        sdr, isr, sir, sar = museval.evaluate(
            np.stack([waves[stem] for stem in estimates]), np.stack(list(estimates.values())), RATE, RATE
        )
        by_metric = {"SDR": sdr, "ISR": isr, "SIR": sir, "SAR": sar}
        for k, entry in enumerate(result_of(track.name)["targets"]):
            assert len(entry["frames"]) == 2
            for metric in BSSEVAL_METRICS:
                got = [frame["metrics"][metric] for frame in entry["frames"]]
                np.testing.assert_allclose(got, by_metric[metric][k], atol=1e-3)
                wanted = float(np.median(by_metric[metric][k]))
                assert entry["metrics"][metric] == pytest.approx(wanted, abs=1e-3)
                medians.setdefault((entry["name"], metric), []).append(wanted)
    summary = json.loads(Path("evaluation/summary.json").read_text())
    for (target, metric), values in medians.items():
        assert summary["medians"][target][metric] == pytest.approx(np.median(values), abs=1e-3)


@pytest.mark.parametrize("kind", ["estimate", "cancelling", "all"])
def test_silent_stems_cost_no_other_scores(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """museval raises for a track with a stem that is silent throughout: it gets the others."""

    def evaluate(references: Any, estimates: Any, **_: Any) -> list[np.ndarray]:
        assert all(
            np.sum(signal, axis=1).any() for signal in (*references, *estimates)
        )  # else museval raises
        asked.append((references, estimates))
        return [
            np.array([[10.0 * k + metric, np.nan] for k in range(len(references))]) for metric in range(4)
        ]

    asked: list[Any] = []
    monkeypatch.setitem(sys.modules, "museval", SimpleNamespace(evaluate=evaluate))
    rng = np.random.default_rng(0)
    signals = {name: (rng.random((9, 2), np.float32), rng.random((9, 2), np.float32)) for name in STEMS}
    gone = STEMS if kind == "all" else ("drums",)
    for name in gone:
        reference, estimate = signals[name]
        if kind == "cancelling":
            reference[:, 1] = -reference[:, 0]
        else:
            (reference if kind == "all" else estimate)[:] = 0
    scores = dict(zip(STEMS, _bsseval(signals, RATE, Path("set/T")), strict=True))
    (record,) = caplog.records
    assert record.getMessage().startswith(f"T: no SDR, SIR, ISR and SAR for {', '.join(gone)}, silent")
    for name in gone:
        assert scores[name] == [[], [], [], []]
    if kind == "all":
        assert not asked
        return
    ((references, estimates),) = asked
    rest = [name for name in STEMS if name != "drums" or kind == "estimate"]
    for k, name in enumerate(rest):
        np.testing.assert_array_equal(references[k], signals[name][0])
        np.testing.assert_array_equal(estimates[k], signals[name][0 if name == "drums" else 1])
        if name != "drums":
            assert scores[name] == [[10.0 * k + metric, None] for metric in (0, 2, 1, 3)]


def test_museval_missing(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "museval", None)
    done = run(dataset, "-p", CONFIG_2, "--museval")
    assert done.exit_code == 1
    assert "spleeterrt[evaluate]" in done.stderr
    done = run(dataset, "-p", CONFIG_2, "-d", "1")
    assert done.exit_code == 0
    assert "without SDR, SIR, ISR, SAR" in done.stderr
