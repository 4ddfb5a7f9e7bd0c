"""The compiled code under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer (Linux, GCC):

    python tests/sanitize.py [--examples N] [--rounds N] [--keep FOLDER] [--only PART] [PIP OPTION ...]

First six programs with ThreadSanitizer: `sanitize_stream`, the real-time engine as a host and its other
threads drive it, in random modes, with stalls, resets and flushes; `stream_parts` and `offline_engine`, the
tests of the engines; `shared_networks`, of networks that threads share; `rolling_encoders`, of encoders that
keep rows of a stream; `task_threads`, of the threads that run tasks.

Then builds the package with the other two into a new environment and runs

1. `sanitize_fast`, a program of its own: the fast layers of every instruction set on random shapes, with
   every buffer a heap block of its exact size, against the definition of the layers; and the six above;
2. the tests of everything compiled, in Python with the sanitizers preloaded. What malloc returns is filled
   with NaN, so that numbers that are read before they are written show in the results.

`--only programs` leaves out 2, which takes most of the time, and builds without Python. `--only plugin`: the
audio plugin with ThreadSanitizer, in a host that plays for as many seconds as `--rounds` says while modes,
gains, models and states change; needs the headers that CMake names.

Any report ends the program or the tests at once and fails the run. Leaks are not looked for: Python keeps
memory until it ends. The BLAS is not instrumented. Options that follow go to pip, for instance
`--config-settings=cmake.define.SPLEETERRT_BLAS=builtin`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = [
    "tests/unit/test_kernels.py",
    "tests/unit/test_fast.py",
    "tests/unit/test_rows.py",
    "tests/unit/test_network.py",
    "tests/unit/test_model_file.py",
    "tests/unit/test_machine.py",
    "tests/unit/test_denormals.py",
    "tests/unit/test_spectral.py",
    "tests/unit/test_modes.py",
    "tests/unit/test_stream.py",
    "tests/unit/test_stream_modes.py",
    "tests/functional/test_golden.py",
    "tests/fuzz/test_model_files.py",
]
# The compiled modules are the instrumented ones, not those of another installation.
CHECK = (
    "from pathlib import Path; from spleeterrt._kernels import machine, nn, offline, spectral, stream\n"
    "for module in (machine, nn, offline, spectral, stream):\n"
    "    assert b'__asan_init' in Path(module.__file__).read_bytes(), module"
)


ENGINES = (
    "sanitize_stream",
    "stream_parts",
    "offline_engine",
    "shared_networks",
    "rolling_encoders",
    "task_threads",
)


def library(name: str) -> str:
    compiler = os.environ.get("CC", "gcc")
    found = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return str(Path(found.stdout.strip()).resolve())


def build(folder: Path, pip_options: list[str]) -> Path:
    """The interpreter of an environment with the package in it."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "-q", f"{ROOT}[test]", *pip_options]
    for setting in (
        "cmake.define.SPLEETERRT_SANITIZE=address,undefined",
        "cmake.build-type=RelWithDebInfo",
        f"build-dir={folder / 'build'}",
    ):
        command.append(f"--config-settings={setting}")
    subprocess.run(command, check=True)
    return python


def programs(folder: Path, sanitizers: str, *names: str, options: Sequence[str] = ()) -> list[Path]:
    """Programs of tests/ under sanitizers, built without Python. options: more of CMake's."""
    tools = folder / "tools"
    if not tools.exists():
        subprocess.run([sys.executable, "-m", "venv", tools], check=True)
        subprocess.run([tools / "bin" / "pip", "install", "-q", "cmake", "ninja"], check=True)
    build = folder / sanitizers
    environment = {**os.environ, "PATH": f"{tools / 'bin'}:{os.environ['PATH']}"}
    configure = ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    configure += ["-DSPLEETERRT_PYTHON=OFF", f"-DSPLEETERRT_SANITIZE={sanitizers}", *options]
    subprocess.run(configure, env=environment, stdout=subprocess.DEVNULL, check=True)
    done = subprocess.run(
        ["cmake", "--build", build, "--target", *names],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(done.stdout)
    return [build / name for name in names]


def check(title: str, command: list[str | Path], variables: dict[str, str]) -> None:
    print(f"=== {title}", flush=True)
    done = subprocess.run(command, cwd=ROOT, env=variables)
    if done.returncode != 0:
        sys.exit(f"failed: {done.returncode}")


def check_threads(folder: Path, rounds: int) -> None:
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    engines = programs(folder, "thread", *ENGINES)
    check_engines(engines, rounds, environment, ["teams_of_threads"], ["windows_at_once"])


def check_plugin(folder: Path, seconds: int) -> None:
    options = ["-DSPLEETERRT_PLUGIN=ON", "-DSPLEETERRT_PLUGIN_TESTS=ON", "-DSPLEETERRT_PLUGIN_FORMATS=clap"]
    options.append("-DSPLEETERRT_PLUGIN_EDITOR=OFF")
    names = ("clap_tests", "plugin_clap", "plugin_models")
    host = programs(folder, "thread", *names, options=options)[0]
    plugin = host.parent / "bundles/clap/spleeterrt/spleeterrt.clap"
    model = plugin.parent / "models/starter.safetensors"
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1", "SPLEETERRT_PLUGIN_MODEL": str(model)}
    check("the plugin in a host", [host, plugin, "race", str(seconds), model], environment)


def check_memory(fast: Path, engines: list[Path], rounds: int, environment: dict[str, str]) -> None:
    check("buffers of their exact size", [fast, str(rounds)], environment)
    check_engines(engines, rounds, environment)


def check_engines(
    engines: list[Path], rounds: int, environment: dict[str, str], *rolling_tests: list[str]
) -> None:
    stream, parts, offline, shared, rolling, tasks = engines
    check("the real-time engine and its threads", [stream, str(max(1, rounds // 4))], environment)
    check("the parts of the real-time engine", [parts], environment)
    check("the offline engine", [offline], environment)
    check("networks that threads share", [shared], environment)
    for arguments in rolling_tests or ([],):
        check("encoders that roll along", [rolling, *arguments], environment)
    check("threads for tasks", [tasks, "nofork"], environment)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=4, help="of each property of the networks (4)")
    parser.add_argument("--rounds", type=int, default=100, help="of the program (100)")
    parser.add_argument("--keep", type=Path, help="build there, and leave it")
    parser.add_argument(
        "--only",
        choices=("threads", "memory", "programs", "plugin"),
        help="one of the two halves, the programs of both, or the plugin in its host",
    )
    args, pip_options = parser.parse_known_args()
    environment = {
        **os.environ,
        "ASAN_OPTIONS": f"detect_leaks=0:max_malloc_fill_size={2**31 - 1}:malloc_fill_byte=255",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "SPLEETERRT_TEST_EXAMPLES": str(args.examples),
    }
    # Exceptions are to be found by the sanitizer when it starts, before Python loads the C++ library.
    preloaded = {**environment, "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so.6')}"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.keep or Path(temporary)).resolve()
        if args.only == "plugin":
            check_plugin(folder, args.rounds)
        elif args.only != "memory":
            check_threads(folder, args.rounds)
        if args.only == "programs":
            fast, *engines = programs(folder, "address,undefined", "sanitize_fast", *ENGINES)
            check_memory(fast, engines, args.rounds, environment)
        elif args.only not in ("threads", "plugin"):
            python = build(folder, pip_options)
            fast, *engines = (folder / "build" / name for name in ("sanitize_fast", *ENGINES))
            check_memory(fast, engines, args.rounds, environment)
            check("instrumented modules", [python, "-c", CHECK], preloaded)
            check("tests", [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS], preloaded)
    print("no reports")


if __name__ == "__main__":
    main()
