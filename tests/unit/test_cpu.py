"""What the core finds the CPU to have (core/cpu), and the instruction sets that follow.

`tests/cpu.cpp` tells, built by every compiler that is there: zig's answers to __builtin_cpu_supports
are always "no", and programs built by it would run the slowest set in silence.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spleeterrt._kernels import nn

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "src" / "_kernels" / "core"
X86 = platform.machine().lower() in ("x86_64", "amd64")

# Bits by Intel's and AMD's manuals (SDM Vol. 2A; APM Vol. 3, appendix E); Linux' names in /proc/cpuinfo.
BITS = {
    "SSE3": ("leaf1_c", 0, "pni"),
    "SSSE3": ("leaf1_c", 9, "ssse3"),
    "FMA": ("leaf1_c", 12, "fma"),
    "CX16": ("leaf1_c", 13, "cx16"),
    "SSE4_1": ("leaf1_c", 19, "sse4_1"),
    "SSE4_2": ("leaf1_c", 20, "sse4_2"),
    "MOVBE": ("leaf1_c", 22, "movbe"),
    "POPCNT": ("leaf1_c", 23, "popcnt"),
    "AVX": ("leaf1_c", 28, "avx"),
    "F16C": ("leaf1_c", 29, "f16c"),
    "BMI": ("leaf7_b", 3, "bmi1"),
    "AVX2": ("leaf7_b", 5, "avx2"),
    "BMI2": ("leaf7_b", 8, "bmi2"),
    "AVX512F": ("leaf7_b", 16, "avx512f"),
    "AVX512DQ": ("leaf7_b", 17, "avx512dq"),
    "ADX": ("leaf7_b", 19, "adx"),
    "AVX512CD": ("leaf7_b", 28, "avx512cd"),
    "AVX512BW": ("leaf7_b", 30, "avx512bw"),
    "AVX512VL": ("leaf7_b", 31, "avx512vl"),
    "LAHF_SAHF": ("leaf80000001_c", 0, "lahf_lm"),
    "LZCNT": ("leaf80000001_c", 5, "abm"),
    "PRFCHW": ("leaf80000001_c", 8, "3dnowprefetch"),
}
WORDS = "leaf1_c", "leaf7_b", "leaf80000001_c"
# What flags turn on and compilers use by intrinsics alone; what is no instruction.
ON_REQUEST = {
    "AES",
    "CLFLUSHOPT",
    "CLWB",
    "CRC32",
    "FSGSBASE",
    "INVPCID",
    "PCLMUL",
    "PKU",
    "RDRND",
    "RDSEED",
    "SGX",
}
ON_REQUEST |= {"XSAVE", "XSAVEC", "XSAVEOPT", "XSAVES", "BIGGEST_ALIGNMENT", "EVEX256", "EVEX512"}
SETS = {"generic": "x86_64_v2", "avx2": "avx2", "avx512": "avx512"}


def compilers() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    programs = set()
    for name in (os.environ.get("CXX", "c++"), "clang++", "clang++-19"):
        path = shutil.which(name)
        if path and os.name == "posix" and os.path.realpath(path) not in programs:
            programs.add(os.path.realpath(path))
            found[name] = [path]
    if importlib.util.find_spec("ziglang"):
        found["zig"] = [sys.executable, "-m", "ziglang", "c++"]
    return found


COMPILERS = compilers()
pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs a C++ compiler of GCC's kind")
x86 = pytest.mark.skipif(not X86, reason="about x86")
every_compiler = pytest.mark.parametrize("compiler", COMPILERS)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(name, tmp_path_factory.mktemp("cpu") / "cpu") for name in COMPILERS}


def build(compiler: str, path: Path) -> Path:
    sources = [ROOT / "tests" / "cpu.cpp", CORE / "cpu.cpp", CORE / "isa.cpp"]
    options = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{CORE}"]
    if X86:
        options.append("-DSPLEETERRT_X86_ISAS")
    subprocess.run([*COMPILERS[compiler], *options, *sources, "-o", path], check=True)
    return path


def answers(*command: str | Path) -> dict[str, list[str]]:
    environment = {key: value for key, value in os.environ.items() if key != "SPLEETERRT_ISA"}
    done = subprocess.run([*command], check=True, capture_output=True, text=True, timeout=60, env=environment)
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}


def sets_of(found: dict[str, list[str]]) -> set[str]:
    return {name for name, key in SETS.items() if found[key] == ["1"]}


@every_compiler
def test_the_sets_are_those_of_the_modules(programs: dict[str, Path], compiler: str) -> None:
    found = answers(programs[compiler])
    assert found["sets"] == list(nn.FAST_ISAS) or not nn.FAST_ISAS
    assert found["checksum"] == ["537e5cf4"]  # by Python's loop over the polynomial 0x82f63b78


@x86
@every_compiler
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc/cpuinfo")
def test_linux_sees_the_same(programs: dict[str, Path], compiler: str) -> None:
    line = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert line
    flags = set(line.group(1).split())
    found = answers(programs[compiler])
    for name in SETS:
        wanted = {feature.split(":")[0] for feature in found[f"features_{name}"]}
        assert (found[SETS[name]] == ["1"]) == all(BITS[feature][2] in flags for feature in wanted), name
    assert (found["crc32c"] == ["1"]) == ("sse4_2" in flags)


@x86
@every_compiler
def test_each_missing_feature_withdraws_its_sets(programs: dict[str, Path], compiler: str) -> None:
    """Also one that the system does not keep: 6, the registers of AVX, and 0xe0, those of AVX-512."""
    program = programs[compiler]
    whole = dict.fromkeys(WORDS, 0)
    for word, bit, _ in BITS.values():
        whole[word] |= 1 << bit
    saved = 0xE7

    def sets(words: dict[str, int], saved: int) -> set[str]:
        return sets_of(answers(program, *(f"{words[word]:x}" for word in WORDS), f"{saved:x}"))

    assert sets(whole, saved) == set(SETS)
    needs = {
        name: {feature.split(":")[0] for feature in answers(program)[f"features_{name}"]} for name in SETS
    }
    for feature, (word, bit, _) in BITS.items():
        without = {**whole, word: whole[word] & ~(1 << bit)}
        assert sets(without, saved) == {name for name in SETS if feature not in needs[name]}, feature
    assert sets(whole, 0x7) == {"generic", "avx2"}
    for bit in (0x20, 0x40, 0x80):
        assert sets(whole, saved & ~bit) == {"generic", "avx2"}
    for bit in (0x2, 0x4):
        assert sets(whole, saved & ~bit) == {"generic"}
    assert sets(dict.fromkeys(WORDS, 0), 0) == set()


def flags_of(name: str) -> list[str]:
    text = (ROOT / "cmake" / "Compiler.cmake").read_text(encoding="utf-8")
    line = re.search(rf"set\(flags_{name} (.*)\)", text)
    assert line
    return line.group(1).split()


def macros(compiler: str, *flags: str) -> set[str]:
    done = subprocess.run(
        [*COMPILERS[compiler], *flags, "-dM", "-E", "-x", "c++", os.devnull],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(re.findall(r"^#define __([A-Z]\w+?)_* 1?$", done.stdout, re.MULTILINE)) | {
        "CX16" for line in done.stdout.splitlines() if "COMPARE_AND_SWAP_16" in line
    }


@x86
@every_compiler
@pytest.mark.parametrize("name", SETS)
def test_the_features_are_those_of_the_flags(programs: dict[str, Path], compiler: str, name: str) -> None:
    if compiler == "zig":
        pytest.skip("takes other flags")
    added = macros(compiler, *flags_of(name)) - macros(compiler)
    ignored = {macro for macro in added if macro.startswith(("FP_FAST", "GCC_HAVE"))}
    asked = answers(programs[compiler])[f"features_{name}"]
    assert {feature.split(":")[0] for feature in asked} == added - ON_REQUEST - ignored
    assert all(BITS[f][:2] == (word, int(bit)) for f, word, bit in (feature.split(":") for feature in asked))


@x86
@every_compiler
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64")
@pytest.mark.parametrize(
    ("model", "sets"),
    [
        ("core2duo", []),
        ("Nehalem,-popcnt", []),
        ("Nehalem", ["generic"]),
        ("Haswell", ["avx2", "generic"]),
        ("Haswell,-fma", ["generic"]),
        ("Haswell,-xsave", ["generic"]),
        ("Haswell,-avx2", ["generic"]),
    ],
)
def test_on_other_cpus(programs: dict[str, Path], compiler: str, model: str, sets: list[str]) -> None:
    found = answers("qemu-x86_64", "-cpu", model, programs[compiler])
    assert found["sets"] == sets
    assert bool(found["error"]) == (not sets)
    if not sets:
        assert "x86-64-v2" in " ".join(found["error"])
