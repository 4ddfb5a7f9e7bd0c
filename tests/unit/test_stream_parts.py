"""The engines by programs in C++: the real-time one and its parts, each alone (tests/stream_parts.cpp), and
the offline one (tests/offline_engine.cpp), networks that threads share (tests/shared_networks.cpp), and
encoders that roll along (tests/rolling_encoders.cpp).

They are linked with the static library of a build of the C library, whose folder SPLEETERRT_C_BUILD names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "src" / "_kernels" / "core"
COMPILER = shutil.which(os.environ.get("CXX", "c++"))
LIBRARY = Path(os.environ.get("SPLEETERRT_C_BUILD", "")) / "libspleeterrt.a"
PROGRAMS = "stream_parts", "offline_engine", "shared_networks", "rolling_encoders"

needs_compiler = pytest.mark.skipif(
    COMPILER is None or os.name != "posix", reason="needs a C++ compiler of GCC's kind"
)
needs_library = pytest.mark.skipif(
    "SPLEETERRT_C_BUILD" not in os.environ or not LIBRARY.exists(),
    reason="SPLEETERRT_C_BUILD names no build of the C library",
)

TESTS = [
    (program, line.split('"')[1])
    for program in PROGRAMS
    for line in (ROOT / "tests" / f"{program}.cpp").read_text(encoding="utf-8").splitlines()
    if line.startswith('    {"')
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths = {name: tmp_path_factory.mktemp("parts") / name for name in PROGRAMS}
    for name, path in paths.items():
        source = ROOT / "tests" / f"{name}.cpp"
        command = [
            COMPILER,
            "-std=c++17",
            "-O1",
            "-Wall",
            "-Wextra",
            f"-I{CORE}",
            source,
            "-o",
            path,
            LIBRARY,
        ]
        subprocess.run([*command, "-lpthread"], check=True)
    return paths


@needs_compiler
@needs_library
@pytest.mark.parametrize(("program", "name"), TESTS)
def test_of_the_program(built: dict[str, Path], program: str, name: str) -> None:
    command = [built[program], name]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (result.returncode, result.stdout) == (0, f"passed {name}\n")


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
@pytest.mark.parametrize("source", ["engine", "runs", "masks", "signal"])
def test_a_build_without_threads_needs_none(tmp_path: Path, source: str) -> None:
    """Neither headers nor symbols: for systems that have no threads, as WebAssembly's."""
    compiled = tmp_path / f"{source}.o"
    command = [COMPILER, "-std=c++17", "-O1", "-DSPLEETERRT_THREADS=0", f"-I{CORE}", "-H", "-c"]
    done = subprocess.run(
        [*command, CORE / "stream" / f"{source}.cpp", "-o", compiled],
        capture_output=True,
        text=True,
        check=True,
    )
    included = {line.split("/")[-1] for line in done.stderr.splitlines() if line.startswith(".")}
    assert not included & {"thread", "mutex", "condition_variable", "semaphore.h", "workers.h"}
    symbols = subprocess.run(["nm", "-u", compiled], capture_output=True, text=True, check=True).stdout
    assert symbols
    for word in ("pthread", "sem_", "mutex", "condition_variable", "thread"):
        assert word not in symbols
