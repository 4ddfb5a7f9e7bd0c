"""`spleeterrt info`, run as a user would."""

from __future__ import annotations

import json
import platform
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import spleeterrt
from spleeterrt._kernels import nn
from spleeterrt.cli import cli
from spleeterrt.models import convert, store
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.network.layers import LAYER_NAMES
from support.checkpoint_writer import random_tensors, write_checkpoint

FILTERS = (1, 2, 2, 3, 3, 4)
SMALL = ("--frames", "64", "--bins", "64")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No models, no variables, no network."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("network access")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(store, "download", refuse)
    monkeypatch.delenv("SPLEETERRT_ISA", raising=False)
    monkeypatch.setattr(store, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["info", *arguments])


def table(result: Result) -> list[str]:
    """The table's lines, from the header to the totals."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("layer "))
    last = next(index for index, line in enumerate(lines) if line.startswith("all "))
    return lines[first : last + 1]


def test_info_without_models(machine: Path) -> None:
    result = run()
    assert result.exit_code == 0
    rows = dict(line.split(":", 1) for line in result.stdout.splitlines() if ":" in line)
    assert rows["spleeterrt"].strip() == spleeterrt.__version__
    assert rows["Python"].strip().startswith(platform.python_version())
    assert rows["CPU"].strip()
    assert int(rows["cores"].split()[0]) >= 1
    assert rows["instruction sets"].strip() == ", ".join((*nn.FAST_ISAS, "reference"))
    assert rows["chosen"].split()[0] == (*nn.FAST_ISAS, "reference")[0]
    assert rows["BLAS"].strip() == nn.BLAS
    assert rows["models found"].strip() == "starter:4stems, starter:2stems"
    assert str(machine / "pretrained_models") in result.stdout
    assert f"{machine / 'cache'}  (not there)  downloads go here" in result.stdout


def test_info_with_a_model(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PATH", str(machine / "models"))
    write_checkpoint(machine / "models" / "2stems", random_tensors(2, FILTERS))
    output = run().stdout
    assert f"  {machine / 'models'}  downloads go here\n" in output
    assert (
        "models found:     starter:4stems, starter:2stems, spleeter:2stems, spleeter:2stems-16kHz\n" in output
    )


def test_the_chosen_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLEETERRT_ISA", "reference")
    assert "reference (SPLEETERRT_ISA)" in run().stdout
    lines = table(run("--plan", *SMALL))
    assert [line.split()[0] for line in lines[1:-1]] == list(LAYER_NAMES)
    assert all("im2col + BLAS" in line for line in lines[1:-1])
    monkeypatch.setenv("SPLEETERRT_ISA", "mmx")
    for arguments in ((), ("--plan", *SMALL)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: SPLEETERRT_ISA")


@pytest.mark.parametrize("model", ["2stems", "5stems"])
def test_plan_names_every_layer(model: str) -> None:
    result = run("--plan", "-p", f"spleeter:{model}", *SMALL, "--threads", "3")
    lines = table(result)
    assert "+".join(line.split()[0] for line in lines[1:-1]).split("+") == list(LAYER_NAMES)
    assert len({len(line) for line in lines}) == 1  # aligned
    numbers = [[float(cell) for cell in line.split()[-3:]] for line in lines[1:]]
    for column, total in zip(zip(*numbers[:-1], strict=True), numbers[-1], strict=True):
        assert sum(column) == pytest.approx(total, abs=0.06 * len(column))
    assert "T = 64 frames, F = 64 bins" in result.stdout
    assert f"{model[0]} stems and 3 threads" in result.stdout
    assert "MB per stem" in result.stdout
    assert "MB per thread" in result.stdout
    assert "G multiply-adds/s" in result.stdout


def test_plan_of_two_sizes_and_memories() -> None:
    if not nn.FAST_ISAS:
        pytest.skip("no fast kernels in this build")
    methods = {line.split()[0]: line for line in table(run("--plan", "--frames", "128", "--bins", "1024"))}
    assert "Winograd F(1x4) on the fly" in methods["e6"]
    assert "Winograd F(4x4) on the fly" in methods["e5"]
    assert "Winograd F(4x4) stored" in methods["d3"]
    assert "direct + Winograd F(4x4) stored, in strips" in methods["e1+e2"]
    assert "128 x 1024 -> 32 x 256" in methods["e1+e2"]
    assert "2 -> 16 -> 32" in methods["e1+e2"]
    assert "4 x 32 -> 2 x 16" in methods["e6"]
    assert "2 x 16 -> 4 x 32" in methods["d1"]
    assert "32 x 256 -> 128 x 1024" in methods["d5+d6+out"]
    low = run("--plan", *SMALL, "--low-memory")
    lines = table(low)
    assert all("on the fly" in line for line in lines[1:-1])
    assert float(lines[-1].split()[1]) < 40
    assert "low memory" in low.stdout


def test_plan_of_other_sources(machine: Path) -> None:
    """A configuration without weights, a checkpoint, a packed model: their widths are shown, padded."""
    config = OFFICIAL_CONFIGS["2stems"].replace(T=64, F=64, conv_n_filters=(4, 4, 8, 8, 8, 8)).to_dict()
    (machine / "config.json").write_text(json.dumps({**config, "model_dir": "nowhere"}))
    write_checkpoint(machine / "tiny", random_tensors(2, FILTERS))
    convert("tiny", "tiny.safetensors")
    for source in ("config.json", "tiny", "tiny.safetensors"):
        result = run("--plan", "-p", source, *SMALL)
        assert f"{source}, 2 stems" in result.stdout
        assert len(table(result)) >= 3
        assert ("padded to multiples of 16" in result.stdout) == bool(nn.FAST_ISAS)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--plan", "--frames", "100"), 2, "T (frames) must be a positive multiple of 64"),
        (("--plan", "--bins", "96"), 2, "F (bins) must be a positive multiple of 64"),
        (("--plan", "--frames", "0"), 2, "got 0"),
        (("--plan", "--bins", "8192"), 2, "F <= 2049"),
        (("--plan", "-p", "spleeter:3stems"), 1, "did you mean spleeter:"),
        (("--plan", "-p", "none.safetensors"), 1, "no such file"),
        (("--plan", "--frames", "many"), 2, "--frames"),
        (("--plan", "--threads", "0"), 2, "--threads"),
        (("--low-memory",), 2, "belong to --plan"),
        (("-p", "spleeter:2stems"), 2, "belong to --plan"),
        (("extra",), 2, "unexpected extra argument"),
    ],
)
def test_errors(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""
