"""`spleeterrt models`, run as a user would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from spleeterrt import fidelity, load_model
from spleeterrt.cli.models import models
from spleeterrt.models import store, transfer
from spleeterrt.names import DTYPES
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.golden import case
from support.model_server import archive_of, serving

FILTERS = (1, 2, 2, 3, 3, 4)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GITHUB_HOST", "GITHUB_REPOSITORY", "GITHUB_RELEASE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(transfer, "BACKOFF_SECONDS", 0.001)
    write_checkpoint(tmp_path / "tiny", random_tensors(2, FILTERS))
    return tmp_path


@pytest.fixture
def short_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of the built-in test signal: small frames make long work of twelve."""
    whole = fidelity.probe_signal
    monkeypatch.setattr(fidelity, "probe_signal", lambda rate: whole(rate, 1))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models, list(arguments))


def test_list(machine: Path) -> None:
    write_checkpoint(machine / "models" / "2stems", random_tensors(2, FILTERS))
    result = run("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert [line.split()[0] for line in lines[:2]] == ["starter:4stems", "starter:2stems"]
    assert lines[2].startswith("spleeter:2stems ")
    assert lines[2].endswith(str(machine / "models" / "2stems"))
    assert all("MB" in line for line in lines[:3])
    assert lines[3].split() == ["spleeter:4stems", "not", "downloaded"]


def test_get(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.setenv("GITHUB_HOST", server.url)
        server.publish("2stems", archive_of(machine / "tiny"))
        result = run("get", "2stems")
        assert result.exit_code == 0
        assert result.stdout.strip() == f"2stems: {machine / 'models' / '2stems'}"
        assert (machine / "models" / "2stems" / "model.index").exists()
        result = run("get", "2stems", "4stems")
    assert result.exit_code == 1
    assert result.stdout.startswith("2stems: ")
    assert result.stderr.startswith("Error: ")
    assert "4stems" in result.stderr


def test_get_unknown() -> None:
    result = run("get", "3stems")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "did you mean spleeter:" in result.stderr


def test_verify_goes_on_after_a_bad_one(machine: Path) -> None:
    write_checkpoint(machine / "bad", random_tensors(2, FILTERS))
    data = machine / "bad" / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    result = run("verify", "bad", "tiny")
    assert result.exit_code == 1
    assert "model.data-00000-of-00001: truncated: tensor" in result.stderr
    assert result.stdout.startswith("tiny: OK (149 tensors")
    assert run("verify", "tiny").exit_code == 0


def test_convert_and_info(machine: Path) -> None:
    result = run("convert", "tiny", "tiny.safetensors")
    assert (result.exit_code, result.stdout.strip()) == (0, "tiny.safetensors")
    for source, kind in (("tiny", "TensorFlow checkpoint"), ("tiny.safetensors", "safetensors, float32")):
        result = run("info", source)
        assert result.exit_code == 0
        rows = dict(line.split(":", 1) for line in result.stdout.splitlines())
        assert rows["stems"].strip() == "vocals, accompaniment"
        assert rows["filters"].strip() == "1, 2, 2, 3, 3, 4"
        assert rows["format"].strip() == kind
    result = run("convert", "tiny", "tiny.npz")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: tiny.npz: the destination's name must end in .safetensors\n")


@pytest.mark.usefixtures("short_signal")
@pytest.mark.parametrize("dtype", DTYPES)
def test_convert_to_small_weights(machine: Path, dtype: str) -> None:
    """The table on the screen and the JSON say the same, and what `compare` says."""
    source = str(case("tiny-2stems") / "config.json")
    done = run("convert", source, "m.safetensors", "--dtype", dtype, "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["path"], report["dtype"]) == ("m.safetensors", dtype)
    assert report["bytes"] == (machine / "m.safetensors").stat().st_size
    exact = load_model(source)
    signal = fidelity.probe_signal(exact.config.sample_rate)
    expected = fidelity.compare(exact, load_model("m.safetensors"), signal)
    assert report["stems"].keys() == expected.keys() == {"vocals", "accompaniment"}
    shown = run("convert", source, "m.safetensors", "--dtype", dtype, "--verify").stdout.splitlines()[-2:]
    for line, (stem, errors) in zip(shown, report["stems"].items(), strict=True):
        want = expected[stem]
        assert (errors["mask_max"], errors["mask_mean"]) == (want.mask_max, want.mask_mean)
        if dtype == "float32":
            assert errors == {"mask_max": 0.0, "mask_mean": 0.0, "snr_db": None}
            assert line.endswith(" equal")
        else:
            assert errors["snr_db"] == want.snr_db
            assert line.split() == [
                stem,
                f"{want.mask_max:.1e}",
                f"{want.mask_mean:.1e}",
                f"{want.snr_db:.1f}",
                "dB",
            ]
    assert json.loads(run("info", "m.safetensors", "--json").stdout)["dtype"] == dtype


def test_convert_compares_with_what_it_replaces(machine: Path, clip: Path) -> None:
    assert run("convert", str(case("tiny-2stems") / "config.json"), "m.safetensors").exit_code == 0
    done = run("convert", "m.safetensors", "m.safetensors", "--dtype", "int8", "--audio", str(clip), "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["signal"] == str(clip)
    for errors in report["stems"].values():
        assert 0 < errors["mask_mean"] < errors["mask_max"] < 1
        assert errors["snr_db"] > 20


def test_convert_with_bad_audio_writes_nothing(machine: Path) -> None:
    done = run("convert", "tiny", "m.safetensors", "--dtype", "int8", "--audio", "none.wav")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert "none.wav" in done.stderr
    assert not (machine / "m.safetensors").exists()
    assert run("convert", "tiny", "m.safetensors", "--dtype", "int4").exit_code == 2


@pytest.mark.usefixtures("short_signal")
def test_convert_to_coefficients_and_back(machine: Path) -> None:
    source = str(case("tiny-4stems") / "config.json")
    done = run("convert", source, "out", "--format", "coefficients", "--verify", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    stems = ("vocals", "drums", "bass", "other")
    assert report["path"] == "out"
    assert report["bytes"] == sum((machine / "out" / f"{stem}.dat").stat().st_size for stem in stems)
    assert {*report["stems"]} == {*stems}
    for errors in report["stems"].values():  # to the bit
        assert errors == {"mask_max": 0, "mask_mean": 0, "snr_db": None}
    files = [argument for stem in stems for argument in ("--stem", f"{stem}=out/{stem}.dat")]
    done = run("convert", *files, "--config", source, "back.safetensors", "--verify")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count(" equal\n") == 4
    magnitude = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    expected = load_model(source).predict(magnitude)
    for path in ("out", "back.safetensors"):
        for stem, got in load_model(path).predict(magnitude).items():
            np.testing.assert_array_equal(got, expected[stem])


def test_convert_of_stems_that_cannot_be(machine: Path) -> None:
    (machine / "vocals.dat").write_bytes(bytes(100))
    for arguments, code, message in (
        (("out.safetensors",), 2, "expected either SOURCE and DEST"),
        (("tiny", "--stem", "a=vocals.dat", "out.safetensors"), 2, "expected either SOURCE and DEST"),
        (("--stem", "vocals.dat", "out.safetensors"), 2, "expected STEM=FILE"),
        (("--stem", "a=vocals.dat", "--stem", "a=b.dat", "out.safetensors"), 2, "only one --stem"),
        (("--stem", "a=vocals.dat", "out.safetensors"), 1, "name a configuration"),
        (("--stem", "a=vocals.dat", "--stem", "b=vocals.dat", "out.safetensors"), 1, "got 100;"),
        (("tiny", "--config", "spleeter:2stems", "out.safetensors"), 1, "has its own configuration"),
        (("vocals.dat", "out.safetensors"), 1, "--stem STEM=FILE"),
        (("vocals.dat", "vocals.dat", "out.safetensors"), 1, "--stem STEM=FILE"),
        (("tiny", "out", "--format", "coefficients", "--dtype", "int8"), 2, "are float32, not int8"),
    ):
        done = run("convert", *arguments)
        assert (done.exit_code, message in " ".join(done.stderr.split())) == (code, True), done.stderr
        assert sorted(path.name for path in machine.iterdir()) == ["tiny", "vocals.dat"]


def test_errors_are_one_line_and_no_traceback(machine: Path) -> None:
    (machine / "tiny" / "model.index").write_bytes(b"no index")
    result = run("info", "tiny")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "model.index" in result.stderr
    assert result.stderr.count("\n") == 1
