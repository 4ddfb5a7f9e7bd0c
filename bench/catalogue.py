"""What does `spleeterrt catalogue` cost beside `separate`, and does its memory stay flat?

    python bench/catalogue.py [SECTION ...] [--rounds 3] [--alone LOCK]

Sections: `throughput` (CPU seconds a song beside `separate --threads 1`), `memory` (what a second worker
needs), `short` (`--short-segments`), `engines` (Dask and Ray, where they are installed), `simulation`
(scheduler and manifest with 100,000 songs that are not there), `tiny` (10,000 songs of 0.1 s through two
workers). Writes `bench/results/catalogue.md` (`kept.py`). Models are random.

On a machine that others use, too: `--alone LOCK` runs each command that is compared at real-time priority
(chrt), while it holds a lock on that file as flock does.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.util
import itertools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from common import (
    CACHE,
    SAMPLE_RATE,
    default_music,
    music,
    spleeterrt_command,
    table,
    write_wav,
)
from kept import run_sections
from random_weights import write_random_model

TINY = Path(__file__).resolve().parents[1] / "tests" / "data" / "golden" / "tiny-2stems" / "config.json"


def model(stems: int) -> Path:
    """A random checkpoint of Spleeter's size, made once."""
    folder = CACHE / "catalogue" / f"{stems}stems"
    if not any(folder.glob("*.index")):
        folder.mkdir(parents=True, exist_ok=True)
        write_random_model(folder, stems)
    return folder


def songs(folder: Path, count: int, seconds: float) -> Path:
    """So many songs, each with another start and gain."""
    folder.mkdir(parents=True)
    sound = music(default_music(), seconds + 10)
    rng = np.random.default_rng(0)
    for number in range(count):
        start = int(rng.integers(0, len(sound) - round(seconds * SAMPLE_RATE)))
        song = sound[start : start + round(seconds * SAMPLE_RATE)] * np.float32(rng.uniform(0.5, 1))
        write_wav(folder / f"{number:05}.wav", [song])
    return folder


_lock: Path | None = None


def alone_by(lock: Path | None) -> None:
    """From now on commands that are compared hold a lock on this file, at real-time priority."""
    global _lock
    _lock = lock


@contextlib.contextmanager
def alone() -> Iterator[list[str]]:
    """What to put before a command."""
    if _lock is None:
        yield []
        return
    import fcntl

    with _lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield ["chrt", "-r", "1"]


def cpu_seconds(*command: object) -> float:
    """User and system time of a command and all its processes.

    Raises:
        SystemExit: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with alone() as first:
        done = subprocess.run([*first, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- sections: each gives a text in Markdown ------------------------------------------------------


def throughput(rounds: int) -> str:
    few, many = 2, 8
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        sources = {n: songs(folder / str(n), n, 120) for n in (few, many)}
        checkpoint = model(4)

        def run(kind: str, n: int) -> float:
            out = tempfile.mkdtemp(dir=folder)
            if kind == "separate":
                options = ["separate", "-q", "--threads", 1, "-p", checkpoint, "-o", out, sources[n]]
            else:
                options = ["catalogue", "-q", "--workers", 2, "-p", checkpoint, sources[n], out]
            seconds = cpu_seconds(*spleeterrt_command(), *options)
            subprocess.run(["rm", "-r", out], check=True)
            return seconds

        kinds = ("separate", "catalogue")
        for kind in kinds:
            run(kind, few)
        each: dict[str, list[float]] = {kind: [] for kind in kinds}
        fixed: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                small, large = run(kind, few), run(kind, many)
                each[kind].append((large - small) / (many - few))
                fixed[kind].append(small - few * each[kind][-1])
    rows = [
        [
            {"separate": "`separate --threads 1`", "catalogue": "`catalogue --workers 2`"}[kind],
            f"{min(each[kind]):.2f}",
            f"{statistics.median(each[kind]):.2f}",
            f"{statistics.median(fixed[kind]):.1f}",
        ]
        for kind in kinds
    ]
    ratios = [c / s for c, s in zip(each["catalogue"], each["separate"], strict=True)]
    return (
        f"CPU seconds (user and system, all processes) of songs of 2 minutes, 4 stems of full size, {rounds} "
        f"rounds in turn; a song: the difference of {many} and {few} songs.\n\n"
        + table(["", "a song, min", "a song, median", "start-up, median"], rows)
        + f"\n\nRatio of a song: median {statistics.median(ratios):.3f}, min {min(ratios):.3f}, max "
        f"{max(ratios):.3f}; of the minima {min(each['catalogue']) / min(each['separate']):.3f}.\n"
    )


def _memory_of(process: int) -> dict[str, float]:
    """MB of one process."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines[1:] if "kB" in line}


def _children(parent: int) -> list[int]:
    """The workers that a process has started."""
    numbers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(n) for n in numbers if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes()]


def memory(_rounds: int) -> str:
    peaks: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        source = songs(Path(name) / "in", 2, 120)
        for workers in (1, 2):
            out = Path(name) / f"out{workers}"
            command = [
                *spleeterrt_command(),
                "catalogue",
                "-q",
                "-p",
                model(4),
                "--workers",
                workers,
                source,
                out,
            ]
            process = subprocess.Popen(list(map(str, command)))
            best: dict[str, float] = {"Pss": 0.0}
            while process.poll() is None:
                try:
                    found = [_memory_of(child) for child in _children(process.pid)]
                except (OSError, IndexError):
                    continue
                whole = {
                    key: sum(one.get(key, 0) for one in found) for key in ("Pss", "Rss", "Private_Dirty")
                }
                if len(found) == workers and whole["Pss"] > best["Pss"]:
                    best = whole
                time.sleep(0.1)
            peaks[workers] = best
    more = peaks[2]["Pss"] - peaks[1]["Pss"]
    rows = [[str(n), *(f"{peaks[n][key]:.0f}" for key in ("Pss", "Rss", "Private_Dirty"))] for n in peaks]
    return (
        "Workers of `spleeterrt catalogue`, 4 stems of full size, songs of 2 minutes: the largest sums over "
        "all workers that were seen, MB.\n\n"
        + table(["workers", "PSS", "RSS", "private"], rows)
        + f"\n\nThe second worker needs {more:.0f} MB more (PSS).\n"
    )


def short(rounds: int) -> str:
    from spleeterrt import Separator, load_model

    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        source, checkpoint = songs(folder / "in", 200, 5), model(2)
        seconds: dict[str, list[float]] = {"": [], "--short-segments": []}
        for number in range(rounds + 1):
            for option in seconds:
                options = [
                    "-q",
                    "--threads",
                    1,
                    "-p",
                    checkpoint,
                    "-o",
                    folder / "out",
                    *filter(None, [option]),
                ]
                taken = cpu_seconds(*spleeterrt_command(), "separate", *options, source)
                if number:
                    seconds[option].append(taken)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    loaded = load_model(str(checkpoint))
    usual, other = (Separator(loaded, threads=1, short_segments=flag) for flag in (False, True))
    sound = music(default_music(), 60)
    worst, levels = 0.0, []
    for start in range(0, 50, 5):
        clip = sound[start * SAMPLE_RATE : (start + 5) * SAMPLE_RATE]
        one, two = usual.separate(clip), other.separate(clip)
        for stem in one:
            error = one[stem] - two[stem]
            worst = max(worst, float(np.abs(error).max()))
            levels.append(10 * np.log10(float(np.square(one[stem]).sum() / np.square(error).sum())))
    rows = [
        [option or "default", f"{min(s):.1f}", f"{statistics.median(s):.1f}"] for option, s in seconds.items()
    ]
    return (
        "`spleeterrt separate --threads 1` of 200 clips of 5 s in one process, 2 stems of full size (T = "
        "512), "
        f"CPU seconds, {rounds} rounds in turn.\n\n"
        + table(["", "min", "median"], rows)
        + f"\n\nRatio: median {statistics.median(ratios):.3f}, max {max(ratios):.3f}. Ten clips of music "
        f"against "
        f"the default: SNR {min(levels):.1f} to {max(levels):.1f} dB (median "
        f"{statistics.median(levels):.1f}), "
        f"largest difference {worst:.4f} of full scale; random weights.\n"
    )


def engines(rounds: int) -> str:
    few, many = 2, 8
    rows = []
    best: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        sources = {n: songs(folder / str(n), n, 120) for n in (few, many)}
        packages = {"local": "numpy", "dask": "distributed", "ray": "ray"}
        there = [engine for engine, package in packages.items() if importlib.util.find_spec(package)]
        for number, engine in itertools.product(range(rounds), there):
            for n in (few, many):
                code = (
                    "import sys, resource, subprocess; from spleeterrt.cli import main\n"
                    f"main(['catalogue', '-q', '--engine', {engine!r}, '--workers', '2', '-p', "
                    f"{str(model(4))!r}, "
                    f"{str(sources[n])!r}, {str(folder / f'{engine}{n}-{number}')!r}])"
                )
                best[engine, n] = min(_group_cpu(code), best.get((engine, n), math.inf))
        for engine in there:
            each = (best[engine, many] - best[engine, few]) / (many - few)
            rows.append([engine, f"{each:.2f}", f"{best[engine, few] - few * each:.1f}"])
    return (
        "The same songs on engines of this machine, CPU seconds of the whole tree, the least of "
        f"{rounds} runs in turn.\n\n" + table(["engine", "a song", "start-up"], rows) + "\n"
    )


def _group_cpu(code: str) -> float:
    """CPU seconds of a program and everything in its session, also what nobody waits for."""
    seen: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    with alone() as first:
        process = subprocess.Popen(
            [*first, sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL
        )
        while process.poll() is None:
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = stat.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == process.pid:
                    seen[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / tick
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}")
    return sum(seen.values())


def simulation(_rounds: int, count: int = 100_000) -> str:
    from spleeterrt.catalogue import Job, Manifest, Row, StemRow, Task
    from spleeterrt.catalogue.engines import Engine, Outcome
    from spleeterrt.catalogue.listing import list_songs
    from spleeterrt.catalogue.manifest import History
    from spleeterrt.catalogue.plan import Plan
    from spleeterrt.catalogue.scheduler import Run

    class Nobody(Engine):
        """Writes the rows of songs that are not there."""

        def __init__(self) -> None:
            self.tasks: list[Task] = []

        def capacity(self) -> int:
            return 64

        def submit(self, task: Task) -> None:
            self.tasks.append(task)

        def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
            task, rows = self.tasks.pop(0), []
            for song in task.songs:
                stems = [StemRow(s, f"{song.folder}/{s}.wav", 40_000_000, -1.0, -20.0) for s in STEMS]
                common = (
                    song.uri,
                    song.folder,
                    song.size,
                    song.etag,
                    task.job.model_digest,
                    task.job.options_digest,
                )
                rows.append(Row(*common, "done", stems, 240.0, 12.0, 12.0, 44100))
            Manifest(task.job.manifest).write(task.name, rows, task.job.fragments)
            return [(task, rows)]

        def stop(self) -> None: ...

        def close(self) -> None: ...

    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        songs_csv, manifest = Path(name) / "songs.csv", str(Path(name) / "manifest")
        with open(songs_csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["uri", "size", "etag", "folder"])
            writer.writerows(
                [f"/songs/{n // 1000}/{n:07}.flac", 30_000_000, f"e{n}", f"{n // 1000}"] for n in range(count)
            )
        files = {"filename_format": "{filename}/{instrument}.{codec}", "codec": "wav"}
        job = Job("m", "d" * 64, "/out", manifest, files=files, run="1")
        started, cpu = _resident(), time.process_time()
        marks: list[tuple[int, float]] = []
        plan = Plan(job, STEMS, History(Manifest(manifest).rows()))
        plan.list(list_songs(str(songs_csv)))
        listed = _resident()

        def watch(counts: object) -> None:
            done = counts.done  # type: ignore[attr-defined]
            if done // (count // 5) > len(marks):
                marks.append((done, _resident()))

        run = Run(plan, Nobody(), lambda _: None, watch)
        counts = run.go(threading.Event())
        taken = time.process_time() - cpu
        size = sum(path.stat().st_size for path in Path(manifest).iterdir())
        fragments = len(list(Path(manifest).iterdir()))
        cpu = time.process_time()
        again = Plan(job, STEMS, History(Manifest(manifest).rows()))
        again.list(list_songs(str(songs_csv)))
        skipped = Run(again, Nobody(), lambda _: None).go(threading.Event()).skipped
        resumed, after = time.process_time() - cpu, _resident()
        cpu = time.process_time()
        Manifest(manifest).compact("jsonl")
        compacted = time.process_time() - cpu
        compact_size = sum(path.stat().st_size for path in Path(manifest).iterdir())
    rows = [["before", f"{started:.0f}"], ["listed", f"{listed:.0f}"]]
    rows += [[f"{done} songs done", f"{mb:.0f}"] for done, mb in marks]
    rows += [["all read again and skipped", f"{after:.0f}"]]
    return (
        f"Listing, plan, scheduler and manifest of {count} songs without sound, 64 workers that only write "
        f"their rows: "
        f"resident memory of the process, MB.\n\n"
        + table(["", "MB"], rows)
        + f"\n\n{counts.done} done in {taken:.0f} s of CPU time ({1e3 * taken / count:.2f} ms a song), at "
        f"most {run.most_flying} tasks in flight; {fragments} fragments, {size / count:.0f} bytes a song. "
        f"A run "
        f"that finds all of them done ({skipped}): {resumed:.0f} s. Compacted in {compacted:.0f} s: "
        f"{compact_size / count:.0f} bytes a song.\n"
    )


STEMS = ("vocals", "drums", "bass", "other")


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def tiny(_rounds: int, count: int = 10_000) -> str:
    marks: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        source = songs(Path(name) / "in", count, 0.1)
        command = [
            *spleeterrt_command(),
            "catalogue",
            "--json",
            "-q",
            "-p",
            TINY,
            "--workers",
            2,
            source,
            Path(name) / "out",
        ]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for number, line in enumerate(process.stdout, 1):
            assert json.loads(line)["status"] == "done", line
            if number in (count // 20, count // 4, count // 2, 3 * count // 4, count - 10):
                workers = sum(_memory_of(child)["Rss"] for child in _children(process.pid))
                marks.append((number, _memory_of(process.pid)["Rss"], workers))
        assert process.wait() == 0
    rows = [[str(n), f"{one:.0f}", f"{workers:.0f}"] for n, one, workers in marks]
    return (
        f"{count} songs of 0.1 s, two workers, a small network: resident memory, MB.\n\n"
        + table(["songs done", "`catalogue`", "both workers"], rows)
        + "\n"
    )


SECTIONS: dict[str, Callable[[int], str]] = {
    "throughput": throughput,
    "memory": memory,
    "short": short,
    "engines": engines,
    "simulation": simulation,
    "tiny": tiny,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], default=list(SECTIONS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", type=Path, metavar="LOCK")
    chosen = parser.parse_args(arguments)
    alone_by(chosen.alone)
    CACHE.mkdir(parents=True, exist_ok=True)
    sections = {name: partial(section, chosen.rounds) for name, section in SECTIONS.items()}
    run_sections("catalogue", "Catalogue", sections, chosen.sections, ("spleeterrt", "distributed", "ray"))


if __name__ == "__main__":
    main()
