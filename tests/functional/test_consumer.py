"""Projects that embed the library for C, as their authors would write them (tests/consumer).

The build of the library that SPLEETERRT_C_BUILD names (see test_c_library.py) and what an installed package
brings along are tried. Needs CMake, a compiler and for some of it pkg-config and make.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spleeterrt
from spleeterrt import embedding
from spleeterrt.errors import SpleeterError
from spleeterrt.models import convert
from support.golden import case

SOURCES = Path(__file__).resolve().parent.parent / "consumer"
C_BUILD = os.environ.get("SPLEETERRT_C_BUILD")
WITHIN_PACKAGE = (Path(embedding.__file__).parent / "_native").is_dir()

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
in_package = pytest.mark.skipif(not WITHIN_PACKAGE, reason="this package was built without the library for C")


def run(*command: object, **options: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    return convert(case("tiny-2stems") / "config.json", path, progress=False)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            "install", marks=pytest.mark.skipif(not C_BUILD, reason="SPLEETERRT_C_BUILD names no build")
        ),
        pytest.param("package", marks=in_package),
    ],
)
def prefix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed library that was moved since, or the one in the package."""
    if request.param == "package":
        return Path(embedding.get_include()).parent
    if shutil.which("cmake") is None:
        pytest.skip("needs CMake")
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", C_BUILD, "--prefix", folder / "before")
    (folder / "before").rename(folder / "moved to")
    return folder / "moved to"


def check(program: Path, model: Path) -> None:
    said = run(program, model)
    assert said.startswith(f"{spleeterrt.__version__}: 2 stems, latency ")


@needs_cmake
@needs_compiler
@pytest.mark.parametrize("languages", ["C and C++", "C alone"])
def test_find_package(prefix: Path, model: Path, tmp_path: Path, languages: str) -> None:
    cxx = "ON" if languages == "C and C++" else "OFF"
    run("cmake", "-S", SOURCES, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCONSUMER_CXX={cxx}")
    run("cmake", "--build", tmp_path)
    programs = sorted(
        path for path in tmp_path.glob("consumer_*") if os.access(path, os.X_OK) and path.suffix == ""
    )
    assert len(programs) == (4 if cxx == "ON" else 2)
    for program in programs:
        check(program, model)


@needs_cmake
@needs_compiler
def test_a_version_that_is_not_there(prefix: Path, tmp_path: Path) -> None:
    project = "cmake_minimum_required(VERSION 3.20)\nproject(later LANGUAGES C)\n"
    (tmp_path / "CMakeLists.txt").write_text(f"{project}find_package(spleeterrt 99 REQUIRED)\n")
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert 'compatible with requested version "99"' in " ".join(done.stderr.split())


@needs_compiler
@pytest.mark.skipif(
    not (shutil.which("pkg-config") and shutil.which("make")), reason="needs pkg-config and make"
)
def test_pkg_config(prefix: Path, model: Path, tmp_path: Path) -> None:
    found = next(prefix.glob("lib*/**/spleeterrt.pc")).parent
    if " " in str(found):  # make and pkg-config have no use for such a path
        shutil.copytree(prefix, tmp_path / "prefix", symlinks=True)
        found = tmp_path / "prefix" / found.relative_to(prefix)
    build = tmp_path / "build"
    build.mkdir()
    environment = {**os.environ, "PKG_CONFIG_PATH": str(found)}
    run("make", "-C", build, "-f", SOURCES / "Makefile", f"VPATH={SOURCES}", env=environment)
    for name in ("consumer_shared", "consumer_static"):
        check(build / name, model)
    assert run("pkg-config", "--modversion", "spleeterrt", env=environment).strip() == spleeterrt.__version__


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None or sys.platform != "linux", reason="needs nm")
def test_the_static_library_exports_nothing(prefix: Path, tmp_path: Path) -> None:
    """A plug-in that contains it gives its host no function of that name."""
    (archive,) = prefix.glob("lib*/libspleeterrt.a")
    (tmp_path / "plugin.c").write_text(
        "#include <spleeterrt.h>\nconst char *plugin(void) { return srt_version(); }\n"
    )
    plugin = tmp_path / "plugin.so"
    options = ["-shared", "-fPIC", "-DSRT_STATIC", f"-I{prefix / 'include'}"]
    run("cc", *options, tmp_path / "plugin.c", archive, "-lstdc++", "-lm", "-o", plugin)
    exported = run("nm", "-D", "--defined-only", plugin)
    assert " plugin\n" in exported
    assert "srt_" not in exported
    ours = ctypes.CDLL(str(plugin))
    ours.plugin.restype = ctypes.c_char_p
    assert ours.plugin().decode() == spleeterrt.__version__


@needs_compiler
@pytest.mark.parametrize(
    "compiler", [("cc", "-std=c99"), ("c++", "-x", "c++", "-std=c++11")], ids=["C99", "C++11"]
)
def test_the_header_alone(compiler: tuple[str, ...]) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no {compiler[0]}")
    header = Path(__file__).resolve().parents[2] / "src" / "_kernels" / "core" / "c" / "spleeterrt.h"
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-pedantic", "-Werror"]
    include = ["-include", header, "-fsyntax-only"]
    run(*compiler, *warnings, *include, SOURCES / "consumer.c", f"-I{header.parent}")


@in_package
@needs_compiler
@pytest.mark.parametrize("static", [False, True])
def test_spleeterrt_config(model: Path, tmp_path: Path, static: bool) -> None:
    """No checkout, no CMake: the package and a compiler."""
    command = f"{sys.executable} -m spleeterrt.embedding {'--static' if static else ''}"
    program = tmp_path / "consumer"
    run(
        "sh",
        "-c",
        f"cc -std=c99 {SOURCES}/consumer.c $({command} --cflags --libs --rpath) -lm -o {program}",
        cwd=tmp_path,
    )
    check(program, model)


@in_package
def test_the_library_of_the_package() -> None:
    library = ctypes.CDLL(spleeterrt.get_library())
    library.srt_version.restype = ctypes.c_char_p
    assert library.srt_version().decode() == spleeterrt.__version__
    assert Path(spleeterrt.get_library(static=True)).suffix in (".a", ".lib")
    assert (Path(spleeterrt.get_include()) / "spleeterrt.h").is_file()
    assert (Path(spleeterrt.get_cmake_dir()) / "spleeterrt-config.cmake").is_file()


def test_an_installation_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(embedding, "_ROOT", tmp_path)
    for function in (spleeterrt.get_include, spleeterrt.get_library, spleeterrt.get_cmake_dir):
        with pytest.raises(SpleeterError, match="no library for C in this installation"):
            function()
    monkeypatch.setattr(sys, "argv", ["spleeterrt-config", "--libs"])
    assert embedding.main() == 1
    assert "SPLEETERRT_C_LIBRARY" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["spleeterrt-config", "--version"])
    assert embedding.main() == 0
    assert capsys.readouterr().out.strip() == spleeterrt.__version__
    monkeypatch.setattr(sys, "argv", ["spleeterrt-config"])
    assert embedding.main() == 2


@in_package
@pytest.mark.skipif(os.name == "nt", reason="paths for a shell")
def test_an_installation_without_the_static_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    """As the wheels: the shared one is told of as ever."""
    root = tmp_path / "_native"
    shutil.copytree(embedding._ROOT, root, ignore=shutil.ignore_patterns("*.a"))
    monkeypatch.setattr(embedding, "_ROOT", root)
    assert Path(spleeterrt.get_library()).parent == root / "lib"
    with pytest.raises(SpleeterError, match=r"no static library for C.*SPLEETERRT_STATIC_LIBRARY=OFF"):
        spleeterrt.get_library(static=True)
    monkeypatch.setattr(sys, "argv", ["spleeterrt-config", "--cflags", "--libs"])
    assert embedding.main() == 0
    assert capsys.readouterr().out.split() == [f"-I{root}/include", f"-L{root}/lib", "-lspleeterrt"]
    monkeypatch.setattr(sys, "argv", ["spleeterrt-config", "--static", "--libs"])
    assert embedding.main() == 1
    assert "no static library" in capsys.readouterr().err


@needs_cmake
@needs_compiler
def test_add_subdirectory(tmp_path: Path) -> None:
    """The libraries as part of another project: no Python modules (configured, not built)."""
    root = Path(__file__).resolve().parents[2]
    run("cmake", "-S", SOURCES, "-B", tmp_path, "-G", "Unix Makefiles", f"-DCONSUMER_SUBDIRECTORY={root}")
    targets = run("cmake", "--build", tmp_path, "--target", "help")
    assert "... consumer_c_static" in targets
    assert "... spleeterrt_static" in targets
    for absent in ("... nn\n", "... blas", "... separate_wav", "... sanitize_fast"):
        assert absent not in targets
    assert "SPLEETERRT_PYTHON:BOOL=OFF" in (tmp_path / "CMakeCache.txt").read_text()
