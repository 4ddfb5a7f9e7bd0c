"""What the build backend adds to scikit-build-core's wheels: the licences of their binaries."""

import base64
import csv
import hashlib
import importlib.util
import sys
import types
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2] / "cmake" / "backend" / "spleeterrt_backend.py"
INFO = "thing-1.0.dist-info"
METADATA = """\
Metadata-Version: 2.4
Name: thing
Version: 1.0
License-Expression: MIT AND BSD-3-Clause
License-File: LICENSE
Requires-Dist: numpy

# Thing

License-Expression: of the description
"""


@pytest.fixture
def backend(monkeypatch):
    hooks = types.ModuleType("scikit_build_core.build")
    for name in ("wheel", "sdist", "editable"):
        setattr(hooks, f"build_{name}", None)
        setattr(hooks, f"get_requires_for_build_{name}", None)
    monkeypatch.setitem(sys.modules, "scikit_build_core", types.ModuleType("scikit_build_core"))
    monkeypatch.setitem(sys.modules, "scikit_build_core.build", hooks)
    spec = importlib.util.spec_from_file_location("spleeterrt_backend", BACKEND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_wheel(path, licences):
    contents = {
        "thing/nn.so": b"\x7fELF",
        f"{INFO}/METADATA": METADATA.encode(),
        f"{INFO}/licenses/LICENSE": b"MIT",
    }
    contents |= {f"{INFO}/licenses/{name}": text for name, text in licences.items()}
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in {**contents, f"{INFO}/RECORD": b"as it was\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name, (2020, 2, 2, 2, 2, 2)), content)


def test_licences_of_binaries_are_in_the_metadata(backend, tmp_path):
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    gpl = b"GPL-3.0-or-later WITH GCC-exception-3.1\n"
    write_wheel(
        path, {"gcc/SPDX": gpl, "gcc/GPL-3.txt": b"...", "fft/SPDX": b"BSD-3-Clause\n", "fft/LICENSE": b"BSD"}
    )
    backend.declare_licences(path)
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        assert {entry.date_time for entry in wheel.infolist()} == {(2020, 2, 2, 2, 2, 2)}
        contents = {entry.filename: wheel.read(entry) for entry in wheel.infolist()}
    metadata = message_from_bytes(contents[f"{INFO}/METADATA"])
    assert (
        metadata["License-Expression"] == "MIT AND BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1"
    )
    assert metadata.get_all("License-File") == ["LICENSE", "fft/LICENSE", "gcc/GPL-3.txt"]
    assert metadata.get_all("Requires-Dist") == ["numpy"]
    assert metadata.get_payload() == METADATA.partition("\n\n")[2]
    rows = {
        name: (digest, size)
        for name, digest, size in csv.reader(contents.pop(f"{INFO}/RECORD").decode().split())
    }
    assert rows.pop(f"{INFO}/RECORD") == ("", "")
    assert rows.keys() == contents.keys()
    assert not any(name.endswith("SPDX") for name in contents)
    for name, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert rows[name] == (f"sha256={digest}", str(len(content)))


def test_the_same_wheel_gives_the_same_bytes(backend, tmp_path):
    for name in "a.whl", "b.whl":
        write_wheel(tmp_path / name, {"gcc/SPDX": b"ISC\n"})
        backend.declare_licences(tmp_path / name)
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.whl", "b.whl"]
