"""The official Spleeter, and other runtimes, in environments of their own: find them or make them.

    python bench/peers.py                  make Spleeter's environment if it is missing, print its Python
    python bench/peers.py --checkpoints    and make the random checkpoints of bench/make_checkpoints.py
    python bench/peers.py --runtimes       and the environments of the other runtimes

`SPLEETER_PYTHON=/some/python` names an environment that exists already. Else `bench/.envs/spleeter`
is made with Python 3.8 to 3.11 (TensorFlow 2.12 has no wheels for later ones) and
`pip install spleeter==2.4.2`: some 2 GB on the disk.

`RUNTIMES_PYTHON=/some/python` names one with torch, openvino, onnxruntime and onnx. Else
`bench/.envs/runtimes` is made with this Python. On Linux the package index has PyTorch with CUDA, 5 GB
that a CPU does not need: with the CPU-only build (PyTorch's own index has it) it is 1.5 GB, so make the
environment yourself or pass pip's usual settings (`PIP_EXTRA_INDEX_URL`) where that matters.

ncnn, MNN and LiteRT have small ones of their own, `NCNN_PYTHON`, `MNN_PYTHON` and `LITERT_PYTHON`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from common import BENCH, MODEL_NAMES, MODELS

SPLEETER = "spleeter==2.4.2"
SMALL = {
    "ncnn": ("ncnn==1.0.20261020", "numpy"),
    "mnn": ("MNN==3.6.1", "onnx==1.23.2", "numpy"),  # its converter reads ONNX files
    "litert": ("ai-edge-litert==2.3.0", "numpy"),
}
RUNTIMES = ("torch==2.13.0", "openvino==2026.4.1", "onnxruntime==1.32.0", "onnx==1.23.2", "numpy")


def _pythons() -> list[str]:
    names = ("python3.11", "python3.10", "python3.9", "python3.8")
    found = [path for path in map(shutil.which, names) if path]
    if sys.version_info < (3, 12):
        found.append(sys.executable)
    return found


def _make(name: str, python: str, packages: tuple[str, ...]) -> Path:
    """The Python of `bench/.envs/NAME`, made anew unless it was finished with these packages."""
    folder = BENCH / ".envs" / name
    made, done, wanted = folder / "bin" / "python", folder / ".complete", "\n".join(packages) + "\n"
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making {folder} ({', '.join(packages)}) with {python} ...", file=sys.stderr)
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run([made, "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
        done.write_text(wanted)
    return made


def spleeter_python() -> Path:
    """The Python that has the official Spleeter; the environment is made if there is none."""
    if named := os.environ.get("SPLEETER_PYTHON"):
        return Path(named)
    pythons = _pythons()
    if not pythons:
        raise SystemExit(f"{SPLEETER} needs Python 3.8 to 3.11: install one, or set SPLEETER_PYTHON")
    return _make("spleeter", pythons[0], (SPLEETER,))


def runtimes_python() -> Path:
    """The Python that has PyTorch, OpenVINO and ONNX Runtime; the environment is made if there is none."""
    if named := os.environ.get("RUNTIMES_PYTHON"):
        return Path(named)
    return _make("runtimes", sys.executable, RUNTIMES)


def small_python(name: str) -> Path:
    """The Python that has ncnn, MNN or LiteRT; the environment is made if there is none.

    Raises:
        SystemExit: it cannot be made.
    """
    if named := os.environ.get(f"{name.upper()}_PYTHON"):
        return Path(named)
    try:
        return _make(name, sys.executable, SMALL[name])
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{name}: its environment cannot be made ({error})") from error


def run_official(script: str, *arguments: object, env: dict[str, str] | None = None) -> str:
    """Run a script of this folder with Spleeter's Python; what it printed.

    Raises:
        SystemExit: it failed; the message has the end of its output.
    """
    command = [str(spleeter_python()), str(BENCH / script), *map(str, arguments)]
    result = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{script} failed:\n{(result.stdout + result.stderr)[-4000:]}")
    return result.stdout


def ensure_checkpoints(names: tuple[str, ...] = MODEL_NAMES, models: Path = MODELS) -> Path:
    """Make those random checkpoints that are missing; their folder, to be used as MODEL_PATH."""
    missing = [name for name in names if not (models / name / ".probe").exists()]
    if missing:
        print(f"making random checkpoints of {', '.join(missing)} ...", file=sys.stderr)
        print(run_official("make_checkpoints.py", "--models", models, *missing), end="")
    return models


def main() -> None:
    parser = argparse.ArgumentParser(description="Find or make the peers' environments.")
    parser.add_argument("--checkpoints", action="store_true", help="make the random checkpoints too")
    parser.add_argument("--runtimes", action="store_true", help="the other runtimes' environments too")
    options = parser.parse_args()
    if options.runtimes:
        for python in (runtimes_python(), *map(small_python, SMALL)):
            print(python, flush=True)
    python = spleeter_python()
    print(python, flush=True)
    versions = (
        "from importlib.metadata import version as v; print([(p, v(p)) for p in ('spleeter', 'tensorflow')])"
    )
    subprocess.run([python, "-c", versions], check=True)
    if options.checkpoints:
        print(f"MODEL_PATH={ensure_checkpoints()}")


if __name__ == "__main__":
    main()
