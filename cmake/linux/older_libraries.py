"""Stand-ins for the linker of an older system's libraries, made from those of this machine.

    python cmake/linux/older_libraries.py --compiler CC --version 2.28 DIR

A library that is linked on a new system asks for the newest version of each function, and does not start on
an older system. glibc keeps the older versions, too, for programs of that time. The stand-ins in DIR (libc,
libm, libpthread, libdl, librt, libstdc++) have, of every function, the newest version that VERSION had, and
none that came later: what is linked with `-LDIR` runs from VERSION on, and functions that are too new are
not found. CC may be a cross compiler.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path
from typing import Any

LIBRARIES = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libstdc++.so.6")
STANDARD_LIBRARY = {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)}  # GCC 8's, of systems with glibc 2.28
MERGED = ("GLIBC", 2, 34)  # libpthread, libdl and librt became parts of libc
SYMBOL = re.compile(r"\s(FUNC|IFUNC|OBJECT|TLS)\s+\S+\s+\S+\s+\d+\s+(\w+)@@?(GLIBC|GLIBCXX|CXXABI)_([\d.]+)$")

KINDS = {"OBJECT": "object", "TLS": "tls_object"}

Version = tuple[Any, ...]  # ("GLIBC", 2, 28)


def run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def versions_of(readelf: str, library: Path) -> dict[str, dict[Version, str]]:
    """{symbol: {version: its kind}} of what a library defines."""
    found: dict[str, dict[Version, str]] = {}
    for line in run(readelf, "-W", "--dyn-syms", library).splitlines():
        if match := SYMBOL.search(line):
            kind, name, family, version = match.groups()
            found.setdefault(name, {})[(family, *map(int, version.split(".")))] = kind
    return found


def former_home(name: str) -> str:
    """Where a function was that has moved into libc."""
    if name.startswith("dl"):
        return "libdl.so.2"
    if re.match(r"_?_?(pthread|sem)_", name):
        return "libpthread.so.0"
    return "librt.so.1"


def chosen(
    readelf: str, compiler: str, newest: dict[str, tuple[int, ...]]
) -> dict[str, dict[str, tuple[Version, str]]]:
    """{library: {symbol: (version, kind)}}: what the libraries had at that time."""
    had: dict[str, dict[str, tuple[Version, str]]] = {library: {} for library in LIBRARIES}
    for library in LIBRARIES:
        path = Path(run(compiler, f"-print-file-name={library}").strip())
        if not path.is_absolute():
            raise SystemExit(f"older_libraries.py: {compiler} knows no {library}")
        for name, versions in versions_of(readelf, path).items():
            old = [version for version in versions if version[1:] <= newest[version[0]]]
            if old:
                moved = library == "libc.so.6" and MERGED in versions
                home = former_home(name) if moved else library
                had[home][name] = (max(old), versions[max(old)])
    return had


def loader(compiler: str) -> str:
    """The dynamic linker, which has __tls_get_addr."""
    libc = Path(run(compiler, "-print-file-name=libc.so").strip()).read_text()
    return re.search(r"\S+/ld-linux\S*", libc).group()  # type: ignore[union-attr]


def text(version: Version) -> str:
    family, *numbers = version
    return f"{family}_{'.'.join(map(str, numbers))}"


def write(folder: Path, compiler: str, library: str, symbols: dict[str, tuple[Version, str]]) -> None:
    """A library with these symbols, and nothing behind them."""
    lines = []
    for number, (name, (version, kind)) in enumerate(sorted(symbols.items())):
        label = f"symbol_{number}"
        lines += [
            '.section .tdata,"awT",%progbits' if kind == "TLS" else ".data",
            f".globl {label}",
            f".type {label}, %{KINDS.get(kind, 'function')}",
            f"{label}: .quad 0",
            f".size {label}, 8",
            f".symver {label}, {name}@@@{text(version)}",
        ]
    nodes = sorted({version for version, _ in symbols.values()})
    script = "".join(f"{text(node)} {{ }};\n" for node in nodes)
    assembly, versions = folder / f"{library}.s", folder / f"{library}.map"
    assembly.write_text("\n".join(lines) + "\n")
    versions.write_text(script)
    run(compiler, "-shared", "-nostdlib", f"-Wl,-soname,{library}", f"-Wl,--version-script={versions}",
        assembly, "-o", folder / library)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("--readelf", default="readelf")
    parser.add_argument("--version", required=True)
    arguments = parser.parse_args()
    folder, compiler = arguments.folder.resolve(), arguments.compiler
    folder.mkdir(parents=True, exist_ok=True)
    newest = {"GLIBC": tuple(map(int, arguments.version.split("."))), **STANDARD_LIBRARY}
    for library, symbols in chosen(arguments.readelf, compiler, newest).items():
        write(folder, compiler, library, symbols)
        short = folder / re.sub(r"\.\d+$", "", library)
        short.unlink(missing_ok=True)
        if library == "libc.so.6":  # and what has moved into it, and its part that is linked statically
            rest = run(compiler, "-print-file-name=libc_nonshared.a").strip()
            former = " ".join(
                str(folder / name)
                for name in LIBRARIES
                if name in ("libpthread.so.0", "libdl.so.2", "librt.so.1")
            )
            short.write_text(
                f"GROUP ( {folder / library} {rest} AS_NEEDED ( {former} {loader(compiler)} ) )\n"
            )
        elif library == "libstdc++.so.6":  # and what came later, statically
            rest = run(compiler, "-print-file-name=libstdc++.a").strip()
            short.write_text(f"GROUP ( {folder / library} {rest} )\n")
        else:
            short.symlink_to(library)


if __name__ == "__main__":
    main()
