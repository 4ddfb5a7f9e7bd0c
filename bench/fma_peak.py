"""What one AVX-512 core can multiply and add at best, with the loads that a micro-kernel needs.

A large matrix product (`spleeterrt info --plan`) says what a BLAS makes of the core; this says what is there.
Loops are written in assembly, operands stay in L1. The clock is that of a chain of multiplications of three
cycles each, right after a loop.

    python bench/fma_peak.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import conditions, table

STEPS = 4  # of depth that stand side by side
REPEATS = 1_000_000
SHAPES = ((12, 2), (8, 2), (24, 1), (16, 1), (8, 1))  # rows, vectors of weights

TIMES = """
#include <chrono>
#include <cstdio>
static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
alignas(64) float a[4096], b[4096];
extern "C" void clock_chain(const float *, const float *, long);
static double gigahertz() {
    double start = now();
    clock_chain(a, b, 20000);
    return 20000.0 * 16 * 3 / (now() - start) / 1e9;
}
template <typename F> void measure(F loop, double operations) {
    double best = 1e9, clock = 0;
    for (int round = 0; round < 5; round++) {
        double start = now();
        loop(a, b, REPEATS);
        double seconds = now() - start;
        if (seconds < best)
            best = seconds, clock = gigahertz();
    }
    printf("%.1f %.2f\\n", operations * REPEATS * 16 / best / 1e9, clock);
}
"""


def loop(name: str, rows: int, vectors: int, loads: bool) -> tuple[list[str], int]:
    """Assembly of a function (a, b, repeats), and its multiply-adds of vectors per repeat."""
    lines = [f".globl {name}", f"{name}:"]
    lines += [f"vpxord %zmm{i},%zmm{i},%zmm{i}" for i in range(32)]
    lines += [".p2align 6", "1:"]
    for step in range(STEPS):
        if loads:
            lines += [f"vmovaps {64 * (step * vectors + v)}(%rsi),%zmm{v}" for v in range(vectors)]
        for row in range(rows):
            if loads:
                lines.append(f"vbroadcastss {64 * row + 4 * step}(%rdi),%zmm{vectors}")
            sums = (31 - row * vectors - v for v in range(vectors))
            lines += [f"vfmadd231ps %zmm{vectors},%zmm{v},%zmm{sum_}" for v, sum_ in enumerate(sums)]
    lines += ["dec %rdx", "jnz 1b", "vzeroupper", "ret"]
    return lines, rows * vectors * STEPS


def main() -> None:
    loops = [(rows, vectors, loads) for loads in (False, True) for rows, vectors in SHAPES]
    assembly = [".text", ".globl clock_chain", "clock_chain:", "1:", *["imul %rsi,%rsi"] * 16]
    assembly += ["dec %rdx", "jnz 1b", "ret"]
    calls, declarations = [], []
    for number, shape in enumerate(loops):
        lines, operations = loop(f"loop_{number}", *shape)
        assembly += lines
        declarations.append(f'extern "C" void loop_{number}(const float *, const float *, long);')
        calls.append(f"measure(loop_{number}, {operations});")
    assembly.append('.section .note.GNU-stack,"",@progbits')
    source = TIMES.replace("REPEATS", str(REPEATS)) + "\n".join(declarations)
    source += "\nint main() {\n" + "\n".join(calls) + "\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "loops.s").write_text("\n".join(assembly) + "\n")
        (Path(folder) / "times.cpp").write_text(source)
        subprocess.run(["g++", "-O2", "-o", "times", "loops.s", "times.cpp"], cwd=folder, check=True)
        times = subprocess.run(["./times"], cwd=folder, check=True, capture_output=True, text=True).stdout
    rows_ = []
    for (rows, vectors, loads), line in zip(loops, times.splitlines(), strict=True):
        rate, clock = map(float, line.split())
        rows_.append(
            [
                f"{rows} x {vectors}",
                "weights loaded, numbers broadcast" if loads else "registers alone",
                f"{rate:.1f}",
                f"{clock:.2f}",
                f"{rate / 16 / clock:.2f}",
            ]
        )
    print(table(["sums", "operands", "G multiply-adds/s", "GHz", "instructions a cycle"], rows_))
    print()
    print(conditions())


if __name__ == "__main__":
    main()
