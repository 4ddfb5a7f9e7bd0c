"""What the benchmarks share: places, conditions, timing, child processes, music, Markdown tables.

Needs only numpy, runs on Python 3.8 and later, because the scripts that run in Spleeter's own
environment import it too.
"""

from __future__ import annotations

import glob
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
CACHE = Path(os.environ.get("SPLEETERRT_BENCH_CACHE", BENCH / ".cache"))
MODELS = CACHE / "models"  # the MODEL_PATH of the benchmarks
RESULTS = BENCH / "results"
MODEL_NAMES = ("2stems", "4stems", "5stems")
SAMPLE_RATE = 44100


# Conditions


def cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_model() -> str:
    """With the numbers that tell generations apart, where virtual machines hide the name."""
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    numbers = [
        f"{word} {found[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in found
    ]
    return ", ".join([cpu_name(), *numbers])


def cpu_flags() -> set[str]:
    """Instruction sets as Linux names them; empty where there is no /proc/cpuinfo."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        if package != "spleeterrt":
            return "not installed"
    try:
        from spleeterrt import __version__  # from a checkout

        return __version__
    except ImportError:
        return "not installed"


def conditions(packages: Sequence[str] = (), **more: object) -> str:
    """The machine, the versions and the command line, as a Markdown list."""
    rows = {
        "CPU": f"{cpu_name()}, {usable_cores()} cores usable",
        "System": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
    if packages:
        rows["Versions"] = ", ".join(f"{name} {version_of(name)}" for name in packages)
    rows.update({key.replace("_", " "): str(value) for key, value in more.items()})
    rows["Command"] = f"`python bench/{Path(sys.argv[0]).name} {_arguments()}`".replace(" `", "`")
    rows["Date"] = time.strftime("%Y-%m-%d")
    return "\n".join(f"- {key}: {value}" for key, value in rows.items())


def _arguments() -> str:
    """The command line with paths cut to their file names."""
    return " ".join(Path(a).name if os.sep in a else a for a in sys.argv[1:])


STYLE = {  # of pictures
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
}


def model_label(source: str) -> str:
    """A model as reports name it: a name, or a file's; of a `config.json` its folder's."""
    path = Path(source)
    if path.name == "config.json":
        path = path.absolute().parent
    return path.name if os.sep in source or path.suffix else source


# Timing


@dataclass(frozen=True)
class Timing:
    """Seconds of every counted round."""

    rounds: tuple

    @property
    def min(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def time_rounds(functions: Mapping[str, Callable[[], object]], rounds: int = 5, warmup: int = 1) -> dict:
    """Time callables in turn (A B A B ...), so that a slow spell of the machine hits all of them."""
    for _ in range(warmup):
        for function in functions.values():
            function()
    seconds: dict = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


# Child processes


@dataclass(frozen=True)
class ChildRun:
    seconds: float
    cpu_seconds: float
    peak_rss: int  # bytes: of the process itself or its largest child, whichever is larger
    stdout: str


def run_child(
    command: Sequence[object], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildRun:
    """Run a command to its end; its wall time, CPU time and peak resident memory (the kernel's figures).

    A child starts as a copy of this process, so its peak is never below the memory in use here:
    keep large arrays out of the callers.

    Raises:
        SystemExit: the command failed; the message has the end of what it printed.
    """
    words = [str(word) for word in command]
    start = time.perf_counter()
    process = subprocess.Popen(
        words,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.stdout.close()
    process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}\n{stdout[-4000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return ChildRun(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, stdout)


def spleeterrt_command() -> list[str]:
    """The installed `spleeterrt` command: beside this Python if it is there, else from the PATH."""
    beside = Path(sys.executable).with_name("spleeterrt.exe" if os.name == "nt" else "spleeterrt")
    found = str(beside) if beside.exists() else shutil.which("spleeterrt")
    if found is None:
        raise SystemExit("the spleeterrt command is not installed: pip install .")
    return [found]


# Music


def default_music() -> list[Path]:
    """The clip that the tests carry."""
    clips = [Path(p) for p in sorted(glob.glob(str(ROOT / "tests" / "data" / "clip.*")))]
    clips = [p for p in clips if p.suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff")]
    if not clips:
        raise SystemExit("tests/data/clip.* is missing: name an audio file on the command line")
    return clips


def decode(path: Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """An audio file as float32 (samples, 2), by ffmpeg (which Spleeter needs as well)."""
    if shutil.which("ffmpeg") is None:
        raise SystemExit("ffmpeg is not on the PATH")
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-ac", "2", "-ar", sample_rate, "-"]
    result = subprocess.run([str(word) for word in command], capture_output=True)
    if result.returncode != 0:
        raise SystemExit(f"ffmpeg cannot read {path}: {result.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(result.stdout, dtype="<f4").reshape(-1, 2)


def looped(paths: Iterable[Path], samples: int) -> Iterator[np.ndarray]:
    """`samples` samples of stereo from the files, one after the other, again and again, in blocks.

    The first round is the music as it is; each later one starts elsewhere in the file, with
    another gain and (every other time) the channels swapped, so that no two segments are equal.
    """
    clips = [decode(Path(path)) for path in paths]
    rng = np.random.default_rng(7)
    left, turn = samples, 0
    while left > 0:
        for clip in clips:
            block = clip
            if turn > 0:
                start, gain = int(rng.integers(len(block))), np.float32(rng.uniform(0.4, 1.0))
                block = np.roll(block, -start, axis=0) * gain
                block = block[:, ::-1] if turn % 2 else block
            block = np.ascontiguousarray(block[:left])
            yield block
            left -= len(block)
            if left <= 0:
                return
        turn += 1


def music(paths: Iterable[Path], seconds: float) -> np.ndarray:
    """`seconds` of `looped` music as one array."""
    return np.concatenate(list(looped(paths, round(seconds * SAMPLE_RATE))))


def write_wav(path: Path, blocks: Iterable[np.ndarray]) -> None:
    """A 16-bit stereo WAV from float blocks; complete or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        for block in blocks:
            out.writeframes((np.clip(block, -1, 1) * 32767).round().astype("<i2").tobytes())
    partial.replace(path)


# Results


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; columns after the first are right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def report(name: str, title: str, *parts: str) -> None:
    """Print the parts and write them to `bench/results/NAME.md`."""
    text = "\n\n".join([f"# {title}", *parts]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
