"""How much of an ARM core's peak do the hot loops reach, by llvm-mca's models of the cores?

    python bench/arm_loops.py GCC=build/arm clang=build/arm-clang > bench/results/arm_loops.md

Each argument: a name and a build of the C library for AArch64 (`bench/arm_instructions.py` says how), whose
objects are disassembled; every innermost loop with arithmetic on vectors goes to llvm-mca. Models, not a
machine: all reads hit the first cache. Debian's packages: llvm-19, binutils-aarch64-linux-gnu.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

# Cores by llvm-mca's names, and how many vectors of arithmetic they start in a cycle. (Its models of the A76
# and of Apple's M1 are the A57's and Cyclone's; the A76 is the N1's sibling, the M1 has a fourth pipe.)
CORES = {"neoverse-n1": 2, "neoverse-v1": 4, "apple-m1": 3}
OBJECTS = "srt_fast_neon.dir/core/fast/instantiate.cpp.o", "srt_fast_neon.dir/core/network/elementwise.cpp.o"
OBJECTS += "srt_sound_neon.dir/core/sound/masks.cpp.o", "srt_sound_neon.dir/core/sound/stft.cpp.o"
ARITHMETIC = re.compile(
    r"^(fml[as]|fmul|f?add|f?sub|fneg|fabs?d?|fdiv|fsqrt|f?max|f?min|fmaxnm|fminnm|fcm\w+|shl|bif|bit|bsl)$"
)
VECTOR = re.compile(r"\bv\d+\.(4s|2d)")
ABOUT = """\
# Hot loops on AArch64, by models of cores

`bench/arm_loops.py`; what it means: [arm.md](arm.md#products). Every innermost loop with arithmetic on
vectors. For each core: the share of its peak of vector arithmetic, and the share of what the loop's own
instructions would allow if none waited for another. Functions with several loops have several rows.
"""
LEAST = 4  # of arithmetic instructions in a loop that counts
SMALL = 5  # instructions of a loop inside that is taken for a few more (prefetches)


class Instruction(NamedTuple):
    at: int
    name: str
    operands: str

    @property
    def is_arithmetic(self) -> bool:
        return bool(ARITHMETIC.match(self.name) and VECTOR.search(self.operands))


def functions(object_file: Path) -> dict[str, list[Instruction]]:
    done = subprocess.run(
        ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", object_file],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[Instruction]] = {}
    body: list[Instruction] = []
    for line in done.stdout.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            body = found.setdefault(head.group(1), [])
        elif line_of := re.match(r"^\s*([0-9a-f]+):\t(\S+)\s*(.*?)(\s*//.*)?$", line):
            body.append(Instruction(int(line_of.group(1), 16), line_of.group(2), line_of.group(3)))
    names = subprocess.run(["c++filt"], input="\n".join(found), capture_output=True, text=True, check=True)
    return dict(zip(names.stdout.splitlines(), found.values(), strict=True))


def loops(body: list[Instruction]) -> list[list[Instruction]]:
    """The innermost loops: from the target of a branch backward to the branch."""
    index = {instruction.at: i for i, instruction in enumerate(body)}
    spans: dict[int, int] = {}
    for i, instruction in enumerate(body):
        target = re.search(r"\b([0-9a-f]+) <", instruction.operands)
        if instruction.name.startswith(("b", "cb", "tb")) and instruction.name != "bl" and target:
            first = index.get(int(target.group(1), 16), i + 1)
            if first <= i:
                spans[first] = min(spans.get(first, i), i)
    found = []
    for first, last in spans.items():
        inside = [(a, b) for a, b in spans.items() if first <= a and b <= last and (a, b) != (first, last)]
        if any(b - a >= SMALL for a, b in inside):
            continue
        loop = body[first : last + 1]
        if sum(i.is_arithmetic for i in loop) >= LEAST and all(i.name != "ret" for i in loop):
            found.append(loop)
    return found


def cycles(loop: list[Instruction], core: str) -> tuple[float, float]:
    """Of one turn: as simulated, and the least that its instructions allow."""
    lines = []
    turns = max(20, 6000 // len(loop))
    for instruction in loop:
        operands = re.sub(r"\b[0-9a-f]+ <[^>]*>+", "label", instruction.operands)
        lines.append(f"{instruction.name} {operands}")
    done = subprocess.run(
        [
            "llvm-mca-19",
            "-mtriple=aarch64",
            f"-mcpu={core}",
            f"-iterations={turns}",
            "-instruction-info=false",
        ],
        input="label:\n" + "\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    total = re.search(r"^Total Cycles:\s+(\d+)", done.stdout, re.MULTILINE)
    least = re.search(r"^Block RThroughput:\s+([\d.]+)", done.stdout, re.MULTILINE)
    assert total
    assert least
    return int(total.group(1)) / turns, float(least.group(1))


def short(name: str) -> str:
    """Without what a function returns and takes, and without our namespaces."""
    name = re.sub(r"\(anonymous namespace\)::", "", name)
    for part in (r" \[clone [^]]*\]", r"spleeterrt::(neon::)?", r"pocketfft::detail::"):
        name = re.sub(part, "", name)
    depth, begin, end = 0, 0, len(name)
    for i, character in enumerate(name):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "(" and depth == 0 and i and not name[:i].endswith("operator"):
            end = i
            break
        if character == " " and depth == 0:
            begin = i + 1
    return re.sub(r"\([^()]*\)::\{lambda[^}]*\}", "", name[begin:end])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("builds", nargs="+", metavar="NAME=FOLDER")
    builds = [build.split("=", 1) for build in parser.parse_args().builds]
    print(ABOUT)
    heads = [f"{core}: arithmetic, bound" for core in CORES]
    print(f"| loop | compiler | instructions | of them arithmetic | {' | '.join(heads)} |")
    print(f"|---|---|--:|--:|{'--:|' * len(CORES)}")
    for label, folder in builds:
        for name in OBJECTS:
            path = Path(folder, "src/_kernels/CMakeFiles", name)
            for function, body in functions(path).items() if path.exists() else ():
                for loop in loops(body):
                    arithmetic = sum(i.is_arithmetic for i in loop)
                    shares = []
                    for core, pipes in CORES.items():
                        taken, least = cycles(loop, core)
                        shares.append(f"{arithmetic / taken / pipes:.0%}, {least / taken:.0%}")
                    row = [f"`{short(function)}`", label, str(len(loop)), str(arithmetic), *shares]
                    print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
