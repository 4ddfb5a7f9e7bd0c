"""The stubs of the compiled modules (`_kernels/*.pyi`) say what these modules offer, by mypy's stubtest."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spleeterrt

PACKAGE = Path(spleeterrt.__file__).parent
STUBS = sorted(path.stem for path in (PACKAGE / "_kernels").glob("*.pyi"))
BY_CYTHON = r"spleeterrt\._kernels\.\w+\.__(test|reduce_cython|setstate_cython)__"  # in every module

TYPED_DICTS = r"spleeterrt\._kernels\.stream\.OPTIONS"  # stubtest takes no dictionary for a TypedDict


def stubtest(folder: Path, *modules: str, path: Path = PACKAGE.parent) -> str:
    """What stubtest finds wrong: a line each, "" for nothing. path: where the package lies."""
    allowed = folder / "allowed"
    allowed.write_text(f"{BY_CYTHON}\n{TYPED_DICTS}")
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", "--ignore-unused-allowlist"]
    done = subprocess.run(
        [*command, "--allowlist", allowed, *(f"spleeterrt._kernels.{module}" for module in modules)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == bool(done.stdout.strip()), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def _mypy() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed (pip install 'spleeterrt[test]')")


def test_a_stub_for_every_compiled_module():
    modules = {
        path.name.split(".")[0]
        for pattern in ("*.so", "*.pyd")
        for path in (PACKAGE / "_kernels").glob(pattern)
        if not path.name.startswith("lib")
    }
    assert modules == set(STUBS)


def test_stubs_agree_with_the_modules(tmp_path: Path):
    """Every function, method, class and constant, with the arguments' names and defaults."""
    found = stubtest(tmp_path, *STUBS)
    assert not found, f"src/spleeterrt/_kernels/*.pyi and the compiled modules differ:\n{found}"


def test_differences_are_found(tmp_path: Path):
    """That the test above can fail: a function, an argument and a method that are not as the stub says."""
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".pyi", ".so", ".pyd", ".typed"):
            copy = tmp_path / "spleeterrt" / path.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path.resolve()) if path.suffix in (".so", ".pyd") else copy.write_bytes(
                path.read_bytes()
            )
    stub = tmp_path / "spleeterrt" / "_kernels" / "machine.pyi"
    text = stub.read_text().replace("threads_to_be_had(wanted", "threads_to_be_had(number")
    stub.write_text(text.replace("__enter__", "enter") + "def absent() -> None: ...\n")
    found = stubtest(tmp_path, "machine", path=tmp_path)
    for name in (
        r"machine\.absent is not present at runtime",
        r"threads_to_be_had .*wanted",
        r"NoDenormals\.enter ",
    ):
        assert re.search(name, found), found
