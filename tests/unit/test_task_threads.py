"""The threads that run the kernels' tasks, by a program in C++ (tests/task_threads.cpp)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "_kernels" / "core"
COMPILER = shutil.which(os.environ.get("CXX", "c++"))


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
def test_tasks_callers_and_forks(tmp_path: Path) -> None:
    program = tmp_path / "task_threads"
    sources = [ROOT / "tests" / "task_threads.cpp", CORE / "task_threads.cpp", CORE / "work_sharing.cpp"]
    options = ["-std=c++17", "-O1", "-Wall", "-Wextra", f"-I{CORE}", "-pthread"]
    subprocess.run([COMPILER, *options, *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "passed\n")
