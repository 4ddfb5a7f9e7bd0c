"""A DJ's crate: what do stem files cost beside others, and what is lost where a run is killed?

    python bench/crate.py [SECTION ...] [--rounds 3] [--songs 1000] [--alone LOCK]

Sections: `codecs` (CPU seconds of `separate` with each codec, in turn) and `killed` (a crate of 1,000 songs
by `catalogue` and by `separate --skip-existing`, killed on the way and started again). `--alone`: as of
`catalogue.py`. Writes `bench/results/crate.md`. Models are random.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from catalogue import alone_by, cpu_seconds, model, songs
from common import CACHE, ROOT, spleeterrt_command, table
from kept import run_sections

CODECS = ("wav", "flac", "mp3", "m4a", "stem", "stem-alac")
TINY = ROOT / "tests" / "data" / "golden" / "tiny-4stems" / "config.json"
MINUTES, SONGS = 1, 3


def codecs(rounds: int) -> str:
    seconds: dict[str, list[float]] = {codec: [] for codec in CODECS}
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        source = songs(folder / "in", SONGS, 60 * MINUTES)
        for number in range(rounds + 1):
            for codec in CODECS:
                out = folder / "out"
                options = ["-q", "--threads", 1, "-p", model(4), "-c", codec, "-o", out]
                taken = cpu_seconds(*spleeterrt_command(), "separate", *options, source)
                sizes[codec] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
                subprocess.run(["rm", "-r", out], check=True)
                if number:
                    seconds[codec].append(taken / (SONGS * MINUTES))
    rows = []
    for codec, taken in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(taken, seconds["wav"], strict=True))
        rows.append(
            [
                f"`{codec}`",
                f"{min(taken):.2f}",
                f"{statistics.median(taken):.2f}",
                f"{ratio:.2f}",
                f"{sizes[codec] / (SONGS * MINUTES):.1f}",
            ]
        )
    return (
        f"`spleeterrt separate --threads 1` of {SONGS} songs of {MINUTES} minute, 4 stems of full size: CPU "
        f"seconds a minute of music (start-up included), {rounds} rounds in turn; files as they come by "
        "default: WAV, FLAC and ALAC of 16 bits, MP3 and M4A of 128 kbit/s, stem files with the mix as a "
        "fifth track, in AAC of 256 kbit/s each or in ALAC.\n\n"
        + table(["codec", "min", "median", "beside wav", "MB a minute"], rows)
        + "\n"
    )


def killed(_rounds: int, count: int = 1000) -> str:
    rows = []
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        source = songs(folder / "in", count, 0.5)
        for kind in ("catalogue", "separate"):
            for codec in ("wav", "stem-alac"):
                rows.append(_killed(kind, codec, source, folder / f"{kind}-{codec}", count))
    return (
        f"{count} songs of 0.5 s, a small network of 4 stems. Each command, workers included, is killed "
        "(SIGKILL) after about a third and two thirds of the songs and started again. Left behind: hidden "
        "unfinished files and folders, after each kill and in the end. Repeated: songs of which a stem was "
        "written twice. Damaged: of every tenth song, files in the end that are not, byte for byte, those of "
        "an undisturbed run.\n\n"
        + table(["command", "done at the kills", "left behind", "in the end", "repeated", "damaged"], rows)
        + "\n"
    )


def _killed(kind: str, codec: str, source: Path, out: Path, count: int) -> list[str]:
    base = ["-q", "-p", TINY, "-c", codec]
    if kind == "catalogue":
        command = ["catalogue", *base, "--workers", 2, "--songs-per-task", 10, source, out]
    else:
        command = ["separate", *base, "--threads", 1, "--skip-existing", "-o", out, source]
    words = [*spleeterrt_command(), *map(str, command)]
    chance = random.Random(f"{kind} {codec}")
    marks, left, written = [], [], Counter[str]()
    for share in (1 / 3, 2 / 3):
        goal = round(count * share) + chance.randrange(10)
        process = subprocess.Popen(words, start_new_session=True)
        while len(_songs(out)) < goal:
            if process.poll() is not None:
                raise SystemExit(f"{words}: ended before it was killed")
            time.sleep(0.01 + 0.02 * chance.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        marks.append(len(_songs(out)))
        left.append(len(_unfinished(out)))
        written.update(_times(out))
    subprocess.run(words, check=True)
    written.update(_times(out))
    made = _songs(out)
    repeated = len({path.partition(f"{out}/")[2].partition("/")[0] for path in written if written[path] > 1})
    alone = out.with_name(f"{out.name}-alone")
    some = sorted(source.iterdir())[::10]
    one = [*spleeterrt_command(), "separate", *base, "--threads", 1, "-o", alone, *some]
    subprocess.run(list(map(str, one)), check=True)
    damaged = sum(
        not (out / path.relative_to(alone)).exists()
        or (out / path.relative_to(alone)).read_bytes() != path.read_bytes()
        for path in _files(alone)
    )
    names = {path.name if codec != "stem-alac" else path.name.split(".")[0] for path in made}
    if len(names) != count:
        raise SystemExit(f"{kind} {codec}: {len(names)} songs of {count}")
    if kind == "catalogue":
        _check_rows(out, count)
    return [
        f"`{kind} -c {codec}`",
        ", ".join(map(str, marks)),
        ", ".join(map(str, [*left, len(_unfinished(out))])),
        f"{len(names)} songs",
        str(repeated),
        str(damaged),
    ]


def _check_rows(out: Path, count: int) -> None:
    """Every song has a row that says done."""
    rows = [
        json.loads(line)
        for path in (out / "_spleeterrt" / "manifest").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    done = {row["uri"] for row in rows if row["status"] == "done"}
    if len(done) != count:
        raise SystemExit(f"{out}: {len(done)} rows of {count}")


def _files(out: Path) -> list[Path]:
    """The stems."""
    found = out.rglob("*") if out.exists() else ()
    return [p for p in found if p.is_file() and not p.name.startswith(".") and "_spleeterrt" not in p.parts]


def _songs(out: Path) -> list[Path]:
    """A folder, or a stem file, for each song that is complete."""
    if not out.exists():
        return []
    return [
        p for p in out.iterdir() if not p.name.startswith((".", "_")) and (p.is_file() or any(p.iterdir()))
    ]


def _unfinished(out: Path) -> list[Path]:
    return list(out.rglob(".spleeterrt-*")) if out.exists() else []


_seen: dict[str, int] = {}


def _times(out: Path) -> list[str]:
    """The stems that have been written since the last call."""
    new = []
    for path in _files(out):
        stamp = path.stat().st_mtime_ns
        if _seen.get(str(path)) != stamp:
            _seen[str(path)] = stamp
            new.append(str(path))
    return new


SECTIONS = {"codecs": codecs, "killed": killed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], default=list(SECTIONS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=1000, help="of the crate")
    parser.add_argument("--alone", type=Path, metavar="LOCK")
    chosen = parser.parse_args()
    alone_by(chosen.alone)
    CACHE.mkdir(parents=True, exist_ok=True)
    sections = {
        "codecs": partial(codecs, chosen.rounds),
        "killed": partial(killed, chosen.rounds, chosen.songs),
    }
    run_sections("crate", "A DJ's crate", sections, chosen.sections, ("spleeterrt", "av"))


if __name__ == "__main__":
    main()
