"""How many instructions does a forward pass take on AArch64, beside x86-64-v2? Executed ones, by qemu.

    cmake -S . -B build/arm -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \\
      -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc-12 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++-12 \\
      -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_C_LIBRARY=ON && cmake --build build/arm
    python bench/arm_instructions.py now=build/arm before=../before/build/arm x86=build/c,Nehalem,generic

Each argument: a name, the build's folder, qemu's CPU, the instruction set. Counted is one pass of one network
of Spleeter's size on FRAMES x 1024, without loading. Debian's packages: qemu-user, g++-12-aarch64-linux-gnu.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from common import ROOT

CORE = "src/_kernels/core"
PARTS = (
    ("products, stored weights", r"multiply_rows"),
    ("products, plain weights", r"multiply_matrices"),
    ("filters of plain weights", r"FilterBlock"),
    ("data of tiles", r"transform_data|RowsLayer.*transform"),
    ("outputs of tiles", r"(WinogradLayer|RowsLayer).*(output|phase)"),
    ("first layer", r"FirstLayer|first_of"),
    ("last layers and mask", r"LastLayers|last_of"),
    ("everything else", r""),
)


def setting(build: Path, name: str) -> str:
    text = (build / "CMakeCache.txt").read_text()
    found = re.search(rf"^{name}:\w+=(.*)$", text, re.MULTILINE)
    if not found:
        raise SystemExit(f"{build}/CMakeCache.txt has no {name}")
    return found.group(1)


def counts(build: Path, cpu: str, isa: str, frames: int, folder: Path) -> tuple[str, dict[str, int]]:
    """What the program prints, and {function: instructions}."""
    compiler, source = setting(build, "CMAKE_CXX_COMPILER"), Path(setting(build, "CMAKE_HOME_DIRECTORY"))
    program = folder / "forward_pass"
    subprocess.run(
        [
            *(compiler, "-std=c++17", "-O2", "-static", f"-I{source / CORE}"),
            *(ROOT / "bench/arm/forward_pass.cpp", "-o", program, build / "libspleeterrt.a", "-lpthread"),
        ],
        check=True,
    )
    machine = subprocess.run(
        [compiler, "-dumpmachine"], capture_output=True, text=True, check=True
    ).stdout.split("-")[0]
    command = [f"qemu-{machine}", *(["-cpu", cpu] if cpu else []), "-plugin", str(folder / "instructions.so")]
    done = subprocess.run(
        [*command, program, str(frames), "1024", *([isa] if isa else [])],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^(\d+) (\S+)$", done.stderr, re.MULTILINE)
    return done.stdout.strip(), {symbol: int(count) for count, symbol in found}


def parts(found: dict[str, int]) -> dict[str, int]:
    sums = dict.fromkeys((name for name, _ in PARTS), 0)
    for symbol, count in found.items():
        sums[next(name for name, pattern in PARTS if re.search(pattern, symbol))] += count
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("builds", nargs="+", metavar="NAME=FOLDER[,CPU[,ISA]]")
    parser.add_argument("--frames", type=int, default=512)
    arguments = parser.parse_args()
    columns: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = [str(ROOT / "bench/arm/instructions.c"), "-o", str(folder / "instructions.so")]
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", *plugin], check=True)
        for build in arguments.builds:
            label, _, rest = build.partition("=")
            path, cpu, isa = [*rest.split(","), "", ""][:3]
            told, found = counts(Path(path).resolve(), cpu, isa, arguments.frames, folder)
            columns[label] = parts(found)
            print(f"{label}: {told}")
    print(f"\n| million instructions, {arguments.frames} x 1024 | {' | '.join(columns)} |")
    print(f"|---|{'--:|' * len(columns)}")
    for part, _ in PARTS:
        print(f"| {part} | {' | '.join(f'{column[part] / 1e6:.1f}' for column in columns.values())} |")
    totals = [sum(column.values()) for column in columns.values()]
    print(f"| **sum** | {' | '.join(f'**{total / 1e6:.1f}**' for total in totals)} |")
    print(f"| {next(iter(columns))} of it | {' | '.join(f'{totals[0] / total:.3f}' for total in totals)} |")


if __name__ == "__main__":
    main()
