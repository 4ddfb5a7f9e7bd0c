"""What one AVX-512 core can multiply and add at best, with the loads that a micro-kernel needs.

A large matrix product (`spleeterrt info --plan`) says what a BLAS makes of the core; this says what is
there, and what other instructions cost that stand between the multiply-adds: transforms are made of them.
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
OPERANDS = (
    "registers alone",
    "weights loaded, numbers broadcast",
    "weights loaded, numbers broadcast as operands",
)
# One of these after every second of eight independent multiply-adds, N counting them.
BESIDE = {
    "nothing": (),
    "load": ("vmovaps {load}(%rsi),%zmm{target}",),
    "broadcast": ("vbroadcastss {load}(%rsi),%zmm{target}",),
    "addition": ("vaddps %zmm1,%zmm2,%zmm{target}",),
    "multiplication": ("vmulps %zmm1,%zmm2,%zmm{target}",),
    "shuffle of two vectors (unpack)": ("vunpcklps %zmm1,%zmm2,%zmm{target}",),
    "store": ("vmovaps %zmm1,{store}(%rsi)",),
    "store, in two halves": ("vmovaps %ymm1,{store}(%rsi)", "vmovaps %ymm1,{store}+32(%rsi)"),
    "prefetch": ("prefetcht1 {load}(%rsi)",),
}

TIMES = """
#include <chrono>
#include <cstdio>
static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
alignas(4096) float a[4096], b[4096];
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


def function(name: str, body: list[str]) -> list[str]:
    """Assembly of a function (a, b, repeats) around a loop's body."""
    zeros = [f"vpxord %zmm{i},%zmm{i},%zmm{i}" for i in range(32)]
    return [
        f".globl {name}",
        f"{name}:",
        *zeros,
        ".p2align 6",
        "1:",
        *body,
        "dec %rdx",
        "jnz 1b",
        "vzeroupper",
        "ret",
    ]


def products(rows: int, vectors: int, operands: str) -> tuple[list[str], int]:
    """A loop's body, and its multiply-adds of vectors."""
    lines = []
    for step in range(STEPS):
        if operands != OPERANDS[0]:
            lines += [f"vmovaps {64 * (step * vectors + v)}(%rsi),%zmm{v}" for v in range(vectors)]
        for row in range(rows):
            number, at = f"%zmm{vectors}", f"{64 * row + 4 * step}(%rdi)"
            if operands == OPERANDS[1]:
                lines.append(f"vbroadcastss {at},{number}")
            elif operands == OPERANDS[2]:
                number = f"{at}{{1to16}}"
            sums = (31 - row * vectors - v for v in range(vectors))
            lines += [f"vfmadd231ps {number},%zmm{v},%zmm{sum_}" for v, sum_ in enumerate(sums)]
    return lines, rows * vectors * STEPS


def mixed(others: tuple[str, ...]) -> tuple[list[str], int]:
    """A loop's body of multiply-adds with other instructions between them; its multiply-adds of vectors."""
    lines = []
    for n in range(4 * STEPS):
        lines += [f"vfmadd231ps %zmm3,%zmm0,%zmm{8 + (2 * n + i) % 8}" for i in range(2)]
        lines += [other.format(load=64 * n, store=8192 + 64 * n, target=16 + n % 4) for other in others]
    return lines, 8 * STEPS


def main() -> None:
    loops = [(rows, vectors, operands) for operands in OPERANDS for rows, vectors in SHAPES]
    assembly = [".text", ".globl clock_chain", "clock_chain:", "1:", *["imul %rsi,%rsi"] * 16]
    assembly += ["dec %rdx", "jnz 1b", "ret"]
    calls, declarations = [], []
    bodies = [products(*shape) for shape in loops] + [mixed(others) for others in BESIDE.values()]
    for number, (body, operations) in enumerate(bodies):
        assembly += function(f"loop_{number}", body)
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
    rates = [tuple(map(float, line.split())) for line in times.splitlines()]
    rows_ = [
        [f"{rows} x {vectors}", operands, f"{rate:.1f}", f"{clock:.2f}", f"{rate / 16 / clock:.2f}"]
        for (rows, vectors, operands), (rate, clock) in zip(loops, rates[: len(loops)], strict=True)
    ]
    print(table(["sums", "operands", "G multiply-adds/s", "GHz", "instructions a cycle"], rows_))
    print()
    alone = rates[len(loops)][0]  # beside nothing
    rows_ = [
        [name, f"{rate:.1f}", f"{2 * (alone / rate - 1):.2f}"]
        for name, (rate, _) in zip(BESIDE, rates[len(loops) :], strict=True)
    ]
    print(table(["after every second one", "G multiply-adds/s", "costs, multiply-adds"], rows_))
    print()
    print(conditions())


if __name__ == "__main__":
    main()
