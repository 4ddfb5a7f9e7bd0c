"""SRT_DCHECK: what the kernels trust, checked in a build with SPLEETERRT_CHECKS and only there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER = shutil.which(os.environ.get("CXX", "c++"))
pytestmark = pytest.mark.skipif(COMPILER is None or os.name != "posix", reason="needs a C++ compiler")

Run = Callable[[bool, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a case of checks.cpp, built with the checks or without."""
    folder = tmp_path_factory.mktemp("checks")

    def program(checked: bool, case: str) -> subprocess.CompletedProcess[str]:
        path = folder / f"checks-{checked}"
        if not path.exists():
            define = ["-DSPLEETERRT_CHECKS"] if checked else []
            include = ROOT / "src" / "_kernels" / "core"
            warnings = ["-Wall", "-Wextra", "-Werror"]
            source = ROOT / "tests" / "checks.cpp"
            command = [COMPILER, "-std=c++17", "-O1", *warnings, f"-I{include}", *define, source, "-o", path]
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
