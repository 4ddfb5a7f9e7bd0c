"""Damaged files of every kind that is read: a SpleeterError or a result, in bounded memory, nothing else.

The files are made of seeds, a few of each kind here. For hours of other ones:

    SPLEETERRT_FUZZ_SECONDS=600 SPLEETERRT_FUZZ_SEED=7 python -m pytest tests/fuzz

takes ten minutes for each kind; `SPLEETERRT_FUZZ_ROUND=123` begins with that round, as a failure names it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("SPLEETERRT_FUZZ_SECONDS", "0"))
SEED = os.environ.get("SPLEETERRT_FUZZ_SEED", "0")
FIRST = int(os.environ.get("SPLEETERRT_FUZZ_ROUND", "1"))
WORKER = Path(__file__).with_name("worker.py")
COUNTS = {
    "onnx_bytes": 150,
    "onnx_graph": 100,
    "checkpoint_bytes": 60,
    "checkpoint_table": 150,
    "config_json": 400,
    "coefficient_files": 150,
    "archives": 300,
    "releases": 40,
    "audio_files": 400,
    "wav_pipes": 500,
}
FOREIGN = ("audio_files", "onnx_graph")  # read by libsndfile and FFmpeg, run by ONNX Runtime: these may crash


@pytest.mark.parametrize("name", COUNTS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    if name == "onnx_graph":
        pytest.importorskip("onnxruntime")
    folders = [str(WORKER.parent), str(WORKER.parents[1]), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OPENBLAS_NUM_THREADS": "1"}
    first, crashes = FIRST, 0
    while True:
        rest = COUNTS[name] - (first - FIRST)
        arguments = [name, SEED, str(first), str(rest), str(SECONDS), str(tmp_path)]
        done = subprocess.run(
            [sys.executable, str(WORKER), *arguments], capture_output=True, text=True, env=environment
        )
        crashed_at = (tmp_path / "round").read_text() if (tmp_path / "round").exists() else "none"
        if done.returncode == 0:
            break
        crashes += 1
        if done.returncode > 0 or name not in FOREIGN or crashes > 20:
            pytest.fail(f"{name}, seed {SEED}, round {crashed_at}:\n{done.stderr[-6000:]}", pytrace=False)
        warnings.warn(
            f"{name}, seed {SEED}, round {crashed_at}: the process ended by signal {-done.returncode}",
            stacklevel=1,
        )
        first = int(crashed_at) + 1
    result = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {result}")
    assert SECONDS or result["rounds"] == rest
