"""The library for C inside this package: where its header, libraries and CMake package lie.

cc player.c $(spleeterrt-config --cflags --libs --rpath) -o player
cmake -B build -DCMAKE_PREFIX_PATH="$(spleeterrt-config --prefix)"
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ._version import __version__
from .errors import SpleeterError

_ROOT = Path(__file__).resolve().parent / "_native"
_SHARED = ("lib/libspleeterrt.so.*", "lib/libspleeterrt.dylib", "bin/*spleeterrt.dll")
_STATIC = ("lib/libspleeterrt.a", "lib/spleeterrt_static.lib")


def get_include() -> str:
    """The folder of `spleeterrt.h`, for a compiler's -I.

    Raises:
        SpleeterError: this installation was built without the library for C.
    """
    return str(_find("include/spleeterrt.h").parent)


def get_library(*, static: bool = False) -> str:
    """The path of the library for C.

    Args:
        static: the archive that becomes part of a program, instead of the shared library (which `ctypes.CDLL`
            opens).

    Raises:
        SpleeterError: this installation was built without it; wheels have the shared one alone.
    """
    if static:
        return str(_find(*_STATIC, kind="static library", option="SPLEETERRT_STATIC_LIBRARY"))
    return str(_find(*_SHARED))


def get_cmake_dir() -> str:
    """The folder of the CMake package, for `-Dspleeterrt_DIR=`.

    Raises:
        SpleeterError: this installation was built without the library for C.
    """
    return str(_find("lib/cmake/spleeterrt/spleeterrt-config.cmake").parent)


def main() -> int:
    """`spleeterrt-config`: prints what compilers and CMake have to be told, in one line."""
    parser = argparse.ArgumentParser(
        prog="spleeterrt-config", description="Prints what a compiler needs to use the library for C."
    )
    parser.add_argument("--version", action="store_true", help="version of the package")
    parser.add_argument("--prefix", action="store_true", help="folder for CMAKE_PREFIX_PATH")
    parser.add_argument("--cmakedir", action="store_true", help="folder of the CMake package")
    parser.add_argument("--pkgconfigdir", action="store_true", help="folder for PKG_CONFIG_PATH")
    parser.add_argument("--includedir", action="store_true", help="folder of spleeterrt.h")
    parser.add_argument("--libdir", action="store_true", help="folder of the libraries")
    parser.add_argument("--cflags", action="store_true", help="options of the compiler")
    parser.add_argument("--libs", action="store_true", help="options of the linker")
    parser.add_argument(
        "--rpath",
        action="store_true",
        help="option of the linker: the program finds the shared library here",
    )
    parser.add_argument("--static", action="store_true", help="--cflags and --libs for the static library")
    wanted = [name for name, chosen in vars(parser.parse_args()).items() if chosen]
    if not set(wanted) - {"static"}:
        parser.print_help(sys.stderr)
        return 2
    try:
        print(*(value for name in wanted if name != "static" for value in _values(name, "static" in wanted)))
    except SpleeterError as error:
        print(f"spleeterrt-config: {error}", file=sys.stderr)
        return 1
    return 0


def _values(name: str, static: bool) -> list[str]:
    """Words of the line that `name` asks for, quoted for a shell."""
    libraries = _find("lib/pkgconfig").parent if name != "version" else Path()
    words = {
        "version": lambda: [__version__],
        "prefix": lambda: [str(_ROOT)],
        "cmakedir": lambda: [get_cmake_dir()],
        "pkgconfigdir": lambda: [str(libraries / "pkgconfig")],
        "includedir": lambda: [get_include()],
        "libdir": lambda: [str(libraries)],
        "cflags": lambda: [f"-I{get_include()}", *(["-DSRT_STATIC"] if static else [])],
        "libs": lambda: _static_libraries() if static else [f"-L{libraries}", "-lspleeterrt"],
        "rpath": lambda: [] if static else [f"-Wl,-rpath,{libraries}"],
    }[name]()
    return [shlex.quote(word) for word in words]


def _static_libraries() -> list[str]:
    """The archive and what it needs in turn, as its pkg-config file says."""
    archive = Path(get_library(static=True))
    lines = (archive.parent / "pkgconfig" / "spleeterrt.pc").read_text(encoding="utf-8").splitlines()
    needed = next(line for line in lines if line.startswith("Libs.private:")).partition(":")[2]
    return [str(archive), *needed.split()]


def _find(*patterns: str, kind: str = "library", option: str = "SPLEETERRT_C_LIBRARY") -> Path:
    for pattern in patterns:
        for path in sorted(_ROOT.glob(pattern)):
            return path
    raise SpleeterError(
        f"no {kind} for C in this installation ({_ROOT} is missing or incomplete): "
        f"it was built with {option}=OFF"
    )


if __name__ == "__main__":
    sys.exit(main())
