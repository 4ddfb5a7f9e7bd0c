"""SRT_DCHECK: what the kernels trust, checked in a build with SPLEETERRT_CHECKS and only there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER = shutil.which(os.environ.get("CXX", "c++"))
pytestmark = pytest.mark.skipif(COMPILER is None or os.name != "posix", reason="needs a C++ compiler")

# What the cases of kernels are linked with: the generic set alone.
KERNELS = (
    "cpu.cpp",
    "isa.cpp",
    "network/elementwise.cpp",
    "network/elementwise_dispatch.cpp",
    "sound/dispatch.cpp",
    "sound/masks.cpp",
    "sound/stft.cpp",
)

Run = Callable[[bool, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a case of checks.cpp, built with the checks or without."""
    folder = tmp_path_factory.mktemp("checks")

    def program(checked: bool, case: str) -> subprocess.CompletedProcess[str]:
        path = folder / f"checks-{checked}"
        if not path.exists():
            define = ["-DSPLEETERRT_CHECKS", "-DSRT_ISA=generic"] if checked else []
            core = ROOT / "src" / "_kernels" / "core"
            sources = [ROOT / "tests" / "checks.cpp", *(core / kernel for kernel in KERNELS if checked)]
            include = [f"-I{core}", "-isystem", ROOT / "src" / "_kernels" / "extern"]
            warnings = ["-Wall", "-Wextra", "-Wno-psabi", "-Werror"]
            command = [COMPILER, "-std=c++17", "-O1", *warnings, *include, *define, *sources, "-o", path]
            subprocess.run(command, check=True)
        return subprocess.run([path, case], capture_output=True, text=True, check=False)

    return program


def test_a_condition_is_computed_in_a_checked_build_alone(run: Run) -> None:
    assert run(True, "count").stdout == "1\n"
    assert run(False, "count").stdout == "0\n"


@pytest.mark.parametrize(
    ("case", "condition"), [("false", "holds(false)"), ("unaligned", "line + 1")], ids=["false", "unaligned"]
)
def test_a_violated_check_prints_where_it_stands_and_aborts(run: Run, case: str, condition: str) -> None:
    result = run(True, case)
    assert result.returncode == -signal.SIGABRT
    assert "checks.cpp:" in result.stderr
    assert condition in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("case", ["false", "unaligned"])
def test_without_checks_the_same_goes_on(run: Run, case: str) -> None:
    result = run(False, case)
    assert (result.returncode, result.stdout, result.stderr) == (0, "returned\n", "")


def test_a_check_that_holds_is_silent(run: Run) -> None:
    result = run(True, "aligned")
    assert (result.returncode, result.stdout, result.stderr) == (0, "returned\n", "")


@pytest.mark.parametrize(
    ("mistake", "source"),
    [
        ("hop", "stft.cpp"),
        ("length", "stft.cpp"),
        ("frames", "stft.cpp"),
        ("scratch", "stft.cpp"),
        ("bins", "stft.cpp"),
        ("no frames", "stft.cpp"),
        ("no stems", "masks.cpp"),
        ("plane", "masks.cpp"),
        ("distance", "elementwise.cpp"),
    ],
)
def test_kernels_check_what_they_trust(run: Run, mistake: str, source: str) -> None:
    result = run(True, mistake)
    assert result.returncode == -signal.SIGABRT
    assert re.search(rf"{source}:\d+: SRT_DCHECK\(.*\) does not hold", result.stderr)


def test_kernels_are_silent_where_all_is_right(run: Run) -> None:
    result = run(True, "none")
    assert (result.returncode, result.stdout, result.stderr) == (0, "returned\n", "")
