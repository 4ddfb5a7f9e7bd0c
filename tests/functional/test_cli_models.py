"""`spleeterrt models`, run as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_writer import random_tensors, write_checkpoint
from click.testing import CliRunner, Result
from model_server import archive_of, serving

from spleeterrt.cli.models import models
from spleeterrt.models import store

FILTERS = (1, 2, 2, 3, 3, 4)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GITHUB_HOST", "GITHUB_REPOSITORY", "GITHUB_RELEASE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(store, "BACKOFF_SECONDS", 0.001)
    write_checkpoint(tmp_path / "tiny", random_tensors(2, FILTERS))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models, list(arguments))


def test_list(machine: Path) -> None:
    write_checkpoint(machine / "models" / "2stems", random_tensors(2, FILTERS))
    result = run("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("spleeter:2stems ")
    assert lines[0].endswith(str(machine / "models" / "2stems"))
    assert "MB" in lines[0]
    assert lines[1].split() == ["spleeter:4stems", "not", "downloaded"]


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
    for source, kind in (("tiny", "TensorFlow checkpoint"), ("tiny.safetensors", "safetensors")):
        result = run("info", source)
        assert result.exit_code == 0
        rows = dict(line.split(":", 1) for line in result.stdout.splitlines())
        assert rows["stems"].strip() == "vocals, accompaniment"
        assert rows["filters"].strip() == "1, 2, 2, 3, 3, 4"
        assert rows["format"].strip() == kind
    result = run("convert", "tiny", "tiny.npz")
    assert result.exit_code == 1
    assert result.stderr.strip() == "Error: tiny.npz: the destination's name must end in .safetensors"


def test_errors_are_one_line_and_no_traceback(machine: Path) -> None:
    (machine / "tiny" / "model.index").write_bytes(b"")
    result = run("info", "tiny")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "model.index" in result.stderr
    assert result.stderr.count("\n") == 1
