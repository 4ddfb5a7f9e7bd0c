"""What other programs rely on: JSON, exit codes, the logger, shell completion."""

from __future__ import annotations

import ast
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import spleeterrt
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, music, 44100, subtype="FLOAT")
    return path


def cli(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spleeterrt", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("mwf", [False, True])
def test_separate_json(mwf: bool, song: Path, music: np.ndarray, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("this is no music\n" * 100)
    flags = ["--mwf"] if mwf else []
    command = [
        "separate",
        "--json",
        *flags,
        "-p",
        CONFIG,
        "-o",
        tmp_path / "out",
        song,
        bad,
        tmp_path / "no.wav",
    ]
    done = cli(*command)
    assert done.returncode == 1
    missing, good, failure = objects(done)
    assert good["file"] == str(song)
    assert good["status"] == "done"
    assert good["stems"] == {
        stem: str(tmp_path / "out" / "song" / f"{stem}.wav") for stem in ("vocals", "accompaniment")
    }
    assert all(Path(path).is_file() for path in good["stems"].values())
    assert good["sample_rate"] == 44100
    assert good["seconds"] == pytest.approx(len(music) / 44100, abs=1e-3)
    assert 0 < good["load_seconds"] < 60
    assert 0 < good["wall_seconds"] < 60
    assert 20e6 < good["peak_memory_bytes"] < 1e9
    assert good["warnings"] == []
    failures = (missing, failure)  # what is not there is told before any work
    assert [f["file"] for f in failures] == [str(tmp_path / "no.wav"), str(bad)]
    assert {f["status"] for f in failures} == {"failed"}
    assert {f["error"]["code"] for f in failures} == {"audio"}
    assert all(f["file"] in f["error"]["message"] for f in failures)


def test_separate_json_rates_and_warnings(song: Path, music: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(song, music, 22050, subtype="PCM_16")
    song.write_bytes(song.read_bytes()[:-2000])
    for option, rate in (("source", 22050), ("48000", 48000)):
        command = ["separate", "--json", "-p", CONFIG, "-o", tmp_path / "out", "--sample-rate", option, song]
        (result,) = objects(cli(*command))
        assert result["sample_rate"] == rate
        assert soundfile.info(result["stems"]["vocals"]).samplerate == rate
        assert "could be decoded" in result["warnings"][0]


def test_separate_json_without_a_model(song: Path) -> None:
    for options, code, status in (
        (["-p", "spleeter:9stems"], "model", 1),
        (["-p", CONFIG, "--stems", "x"], "invalid", 2),
    ):
        done = cli("separate", "--json", *options, song)
        assert done.returncode == status
        (result,) = objects(done)
        assert (result["file"], result["status"], result["error"]["code"]) == (None, "failed", code)


def test_models_json(tmp_path: Path) -> None:
    listed = json.loads(cli("models", "list", "--json", cwd=tmp_path).stdout)
    assert {entry["name"] for entry in listed} >= {"spleeter:2stems", "spleeter:5stems-16kHz"}
    assert set(listed[0]) == {"name", "path", "bytes"}
    described = json.loads(cli("models", "info", "--json", CONFIG).stdout)
    assert described["config"]["instrument_list"] == ["vocals", "accompaniment"]
    assert described["path"] == str(case("tiny-2stems"))
    done = cli("models", "verify", "--json", tmp_path / "none", CONFIG)
    assert done.returncode == 1
    bad, good = objects(done)
    assert (bad["status"], bad["error"]["code"], good["status"]) == ("failed", "model", "done")
    assert good["parameters"] == described["parameters"]


@pytest.mark.parametrize("command", ["info", "verify"])
def test_models_json_has_the_warnings(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from click.testing import CliRunner

    from spleeterrt import models
    from spleeterrt.cli import cli as commands

    real = getattr(models, command)

    def warn(source: str) -> object:
        warnings.warn("old", UserWarning, stacklevel=1)
        logging.getLogger("spleeterrt").warning("damaged")
        return real(source)

    monkeypatch.setattr(models, command, warn)
    done = CliRunner().invoke(commands, ["models", command, "--json", CONFIG])
    assert json.loads(done.stdout)["warnings"] == ["UserWarning: old", "damaged"]
    assert done.stderr == "WARNING: UserWarning: old\nWARNING: damaged\n"


def test_info_json(tmp_path: Path) -> None:
    facts = json.loads(cli("info", "--json", cwd=tmp_path).stdout)
    assert facts["spleeterrt"] == spleeterrt.__version__
    assert facts["isa"] in facts["isas"]
    assert facts["download_root"] in facts["model_roots"]
    plan = json.loads(cli("info", "--plan", "--json", "-p", CONFIG).stdout)
    assert plan["stems"] == 2
    assert sum(layer["weights_bytes"] for layer in plan["layers"]) == plan["weights_bytes_per_stem"]


# --- exit codes ---------------------------------------------------------------------


def documented_codes() -> dict[int, str]:
    rows = (DOCS / "machines.md").read_text().split("## Exit codes")[1].split("##")[0].splitlines()
    cells = [row.strip("| ").split("|") for row in rows if row.startswith("| ") and row[2].isdigit()]
    return {int(code): meaning.strip() for code, meaning in cells}


def test_exit_codes_are_documented(song: Path, tmp_path: Path) -> None:
    from spleeterrt.cli import errors

    codes = (errors.DONE, errors.FAILED, errors.USAGE, errors.LATE, errors.INTERRUPTED)
    assert tuple(documented_codes()) == codes == (0, 1, 2, 3, 130)
    separate = ["separate", "-p", CONFIG, "-o", tmp_path / "out"]
    for command, code in (
        ([*separate, song], errors.DONE),
        (["--version"], errors.DONE),
        ([*separate, song, tmp_path / "no.wav"], errors.FAILED),
        (["separate", "-p", "missing.json", song], errors.FAILED),
        (["models", "verify", tmp_path], errors.FAILED),
        (["models", "info", "nothing"], errors.FAILED),
        (["evaluate", tmp_path, "-p", CONFIG], errors.FAILED),
        ([*separate, "--threads", "0", song], errors.USAGE),
        (["separate", "--no-such-option", song], errors.USAGE),
        (["frobnicate"], errors.USAGE),
    ):  # interrupted: test_files.py
        assert cli(*command).returncode == code, command


# --- the logger ---------------------------------------------------------------------


def test_the_library_does_not_print() -> None:
    for path in Path(spleeterrt.__file__).parent.rglob("*.py"):
        if {"cli", "compat"} & set(path.parts):  # programs, and the names of Spleeter's, which prints
            continue
        if path.name == "embedding.py":  # the program spleeterrt-config
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert name not in ("print", "input"), f"{path}:{node.lineno}"


def test_warnings_go_to_the_logger(song: Path, tmp_path: Path) -> None:
    song.write_bytes(song.read_bytes()[:-2000])
    code = (
        "import logging, sys\nfrom spleeterrt import Separator\n"
        "logging.basicConfig(filename='log', format='%(levelname)s %(name)s %(message)s')\n"
        "Separator(sys.argv[1]).separate_to_file(sys.argv[2], 'out')"
    )
    command = [sys.executable, "-c", code, CONFIG, str(song)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("WARNING spleeterrt ")
    assert "could be decoded" in line


# --- completion ---------------------------------------------------------------------


def bash_completes(*words: str, cwd: Path) -> list[str]:
    """What bash offers after these words, with the printed script."""
    script = cli("completion", "bash").stdout
    program = cwd / "spleeterrt"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spleeterrt "$@"\n')
    program.chmod(0o755)
    line = " ".join(f"'{word}'" for word in ("spleeterrt", *words))
    code = (
        f'compopt() {{ COMPREPLY+=("<$*>"); }}\n{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}\n'
        '_spleeterrt_completion spleeterrt; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {**os.environ, "PATH": f"{cwd}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, env=env, cwd=cwd, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completion(tmp_path: Path) -> None:
    assert bash_completes("", cwd=tmp_path) >= ["completion"]
    assert bash_completes("mod", cwd=tmp_path) == ["models"]
    assert "--full-band" in bash_completes("separate", "--", cwd=tmp_path)
    assert bash_completes("separate", "-p", "spleeter:4", cwd=tmp_path) == [
        "spleeter:4stems", "spleeter:4stems-16kHz",
    ]  # fmt: skip
    assert bash_completes("separate", "-p", "./", cwd=tmp_path) == ["<-o", "default>"]
    assert bash_completes("separate", "so", cwd=tmp_path) == ["<-o", "default>"]
    assert bash_completes("models", "get", "5", cwd=tmp_path) == ["5stems", "5stems-16kHz"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, tmp_path: Path) -> None:
    done = cli("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "_SPLEETERRT_COMPLETE" in done.stdout
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(done.stdout)
        subprocess.run([shell, "-n", str(path)], check=True)


def test_completion_of_another_shell() -> None:
    assert cli("completion", "tcsh").returncode == 2
