"""The official Spleeter in an environment of its own: find it or make it.

    python bench/peers.py                  make the environment if it is missing, print its Python
    python bench/peers.py --checkpoints    and make the random checkpoints of bench/make_checkpoints.py

`SPLEETER_PYTHON=/some/python` names an environment that exists already. Else `bench/.envs/spleeter`
is made with Python 3.8 to 3.11 (TensorFlow 2.12 has no wheels for later ones) and
`pip install spleeter==2.4.2`: some 2 GB on the disk.
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
ENVIRONMENT = BENCH / ".envs" / "spleeter"


def _pythons() -> list[str]:
    names = ("python3.11", "python3.10", "python3.9", "python3.8")
    found = [path for path in map(shutil.which, names) if path]
    if sys.version_info < (3, 12):
        found.append(sys.executable)
    return found


def spleeter_python() -> Path:
    """The Python that has the official Spleeter; the environment is made if there is none."""
    if named := os.environ.get("SPLEETER_PYTHON"):
        return Path(named)
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / ".complete"
    if not done.exists():
        pythons = _pythons()
        if not pythons:
            raise SystemExit(f"{SPLEETER} needs Python 3.8 to 3.11: install one, or set SPLEETER_PYTHON")
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        print(f"making {ENVIRONMENT} ({SPLEETER}) with {pythons[0]} ...", file=sys.stderr)
        subprocess.run([pythons[0], "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", SPLEETER], check=True)
        done.write_text(SPLEETER + "\n")
    return python


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
    parser = argparse.ArgumentParser(description="Find or make the environment of the official Spleeter.")
    parser.add_argument("--checkpoints", action="store_true", help="make the random checkpoints too")
    options = parser.parse_args()
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
