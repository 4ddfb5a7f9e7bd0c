"""Does Spleeter's own test-suite pass, with spleeterrt under Spleeter's name?

    python bench/spleeter_suite.py CHECKOUT [PYTEST OPTION ...]

CHECKOUT is a clone of https://github.com/deezer/spleeter (2.4.2). Its tests and its two songs are copied to
a temporary folder, without the package, and run by `python -m spleeterrt.as_spleeter -m pytest`. They import
typer, pandas, ffmpeg-python, musdb and museval, and run the program ffprobe:

    pip install pytest typer pandas ffmpeg-python musdb museval

Models come from `MODEL_PATH`; without that variable from random full-size checkpoints, made once in the
benchmarks' cache. Then the scores that test_eval.py expects, which are those of Deezer's 4-stem model, cannot
come out: everything before that comparison must work. test_train.py must fail with the message that says why.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import CACHE, MODEL_NAMES
from random_weights import write_random_model

SONGS = ("audio_example.mp3", "audio_example_mono.mp3")

CONFTEST = """
import pytest

OFFICIAL = {official}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_train":
            reason = "training needs TensorFlow"
            item.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))
        if item.name == "test_evaluate" and not OFFICIAL:
            reason = "ran through; expects the scores of Deezer's weights"
            item.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))
"""


def random_models() -> Path:
    """Full-size checkpoints in a folder like `MODEL_PATH`."""
    folder = CACHE / "random_models"
    for name in MODEL_NAMES:
        if not (folder / name / "model.index").exists():
            print(f"making a random model: {folder / name}", flush=True)
            write_random_model(folder / name, stems=int(name[0]))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkout", type=Path)
    arguments, options = parser.parse_known_args()
    official = "MODEL_PATH" in os.environ
    models = Path(os.environ["MODEL_PATH"]).absolute() if official else random_models()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(arguments.checkout / "tests", folder / "tests")
        for song in SONGS:
            shutil.copy(arguments.checkout / song, folder)
        (folder / "conftest.py").write_text(CONFTEST.format(official=official))
        if importlib.util.find_spec("tensorflow") is None:  # of which the tests print the version
            (folder / "tensorflow.py").write_text('__version__ = "none"\n')
        command = [
            sys.executable,
            "-m",
            "spleeterrt.as_spleeter",
            "-m",
            "pytest",
            "-ra",
            *(options or ["-v"]),
        ]
        environment = {**os.environ, "MODEL_PATH": str(models)}
        sys.exit(subprocess.run([*command, "tests"], cwd=folder, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
