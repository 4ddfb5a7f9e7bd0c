"""`spleeterrt catalogue` from outside: killed processes, interrupted runs, the same bits as `separate`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spleeterrt.catalogue import Manifest
from spleeterrt.catalogue.engines.local import LocalEngine
from spleeterrt.catalogue.rows import DONE
from support.catalogue import MODEL, make_job, run, separated, tree, write_songs
from support.command import cli

STARTER = "starter:2stems"
linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")


def part_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".spleeterrt-*.part") if path.exists()]


def wait_for_part(folder: Path, seconds: float = 60) -> int:
    """The process that is writing stems below a folder."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in part_files(folder):
            if match := re.match(r"\.spleeterrt-[0-9a-f]+-[0-9a-f]+-(\d+)-", path.name):
                return int(match[1])
        time.sleep(0.002)
    raise AssertionError("nobody writes")


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def killing(folder: Path, times: int = 1) -> Iterator[list[int]]:
    """Kills whoever writes stems below a folder, some times; nobody twice."""
    killed: list[int] = []

    def work() -> None:
        while len(killed) < times:
            process = wait_for_part(folder)
            if process not in killed:
                kill(process)
                killed.append(process)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        thread.join()


def start(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spleeterrt", "catalogue", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_folder_gives_what_separate_gives_and_is_resumed(tmp_path: Path):
    paths = write_songs(tmp_path / "in", ["a.wav", "live/b.wav", "live/c.wav"])
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    out = tmp_path / "out"
    options = ["-p", MODEL, "-c", "flac", "--workers", 2]
    done = cli("catalogue", *options, "--json", tmp_path / "in", out)
    assert done.returncode == 1, done.stderr
    assert "bad.wav" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["status"] for row in rows) == [DONE] * 3 + ["failed"]
    own = cli(
        "separate",
        "-q",
        "-r",
        "-p",
        MODEL,
        "-c",
        "flac",
        "--threads",
        1,
        "-o",
        tmp_path / "own",
        tmp_path / "in",
    )
    assert own.returncode == 1
    assert tree(out) == tree(tmp_path / "own")
    assert len(tree(out)) == 6

    (tmp_path / "in" / "bad.wav").unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    write_songs(tmp_path / "in", ["new.wav"], 0.3)
    again = cli("catalogue", *options, "--compact", tmp_path / "in", out)
    assert again.returncode == 0, again.stderr
    assert "1 of 4 songs separated" in again.stdout
    assert "3 were done before" in again.stdout
    assert "fragments are joined: 5 rows" in again.stderr  # with the one that failed
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list((out / "_spleeterrt" / "manifest").iterdir())) == 1
    last = cli("catalogue", *options, f"{tmp_path}/in/**/*.wav", out)
    assert last.returncode == 0, last.stderr
    assert "0 of 4 songs separated" in last.stdout
    assert paths[0].exists()


def test_warnings_are_told_as_separate_tells_them(tmp_path: Path):
    """To people by the first songs that have some, to programs by each row."""
    folder, count = tmp_path / "in", 22
    for path in write_songs(folder, [f"{k:02}.wav" for k in range(count)], 0.1):
        path.write_bytes(path.read_bytes()[:-4000])
    write_songs(folder, ["whole.wav"], 0.1)
    options = ["-p", MODEL, "--stems", "vocals"]
    own = cli("separate", "--threads", 1, *options, "-o", tmp_path / "own", folder)
    told = own.stderr.splitlines()
    assert len(told) == count
    assert all("the file says 4410 frames, only 3410 could be decoded" in line for line in told)

    done = cli("catalogue", "--workers", 1, *options, folder, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"{count + 1} of {count + 1} songs separated" in done.stdout
    assert f", {count} with warnings;" in done.stdout
    *shown, last = done.stderr.splitlines()
    assert len(shown) == 20
    assert set(shown) < set(told)
    assert last == "WARNING: more songs have warnings; their rows in the manifest tell them"
    rows = Manifest(f"{tmp_path}/out/_spleeterrt/manifest").rows()
    assert {f"WARNING: {text}" for row in rows for text in row.warnings} == set(told)

    quiet = cli("catalogue", "-q", "--json", "--again", *options, folder / "00.wav", tmp_path / "out")
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout)["warnings"] == [
        line.removeprefix("WARNING: ") for line in told if "00.wav" in line
    ]


@pytest.mark.parametrize("place", ["as a path", "as a URI"])
def test_the_input_may_be_inside_the_output(tmp_path: Path, place: str):
    out = tmp_path / "all"
    (song, _) = write_songs(out / "in", ["a.wav", "live/b.wav"])
    write_songs(out, ["in/in/c.wav"])  # its stems would be below INPUT
    options = ["-p", MODEL, "--workers", 1, out / "in", out if place == "as a path" else out.as_uri()]
    done = cli("catalogue", *options)
    assert done.returncode == 1, done.stderr
    assert "2 of 3 songs separated" in done.stdout
    assert f"{out / 'in' / 'c' / 'vocals.wav'} would be a song of the next run" in done.stderr
    own = cli("separate", "-q", "-p", MODEL, "--threads", 1, "-o", tmp_path / "own", song)
    assert own.returncode == 0
    assert tree(out / "a") == tree(tmp_path / "own" / "a")
    assert (out / "live" / "b" / "vocals.wav").exists()
    assert "2 were done before" in cli("catalogue", *options).stdout


@linux
def test_killed_workers_lose_no_song(tmp_path: Path):
    paths = write_songs(tmp_path / "in", [f"{k}.wav" for k in range(5)], seconds=20)
    job = make_job(tmp_path / "out", model=STARTER)
    with LocalEngine(2) as engine, killing(tmp_path / "out", 2) as killed:
        counts, rows = run(job, tmp_path / "in", engine)
    assert len(killed) == 2
    assert (counts.done, counts.failed) == (5, 0)
    assert sorted(row.attempt for row in rows)[-1] >= 2
    assert part_files(tmp_path / "out") == []
    assert tree(tmp_path / "out") == separated(tmp_path / "own", {path.name: path for path in paths}, STARTER)
    assert {row.uri for row in Manifest(job.manifest).rows() if row.status == DONE} == set(map(str, paths))


@linux
def test_a_killed_run_is_resumed_and_its_leftovers_removed(tmp_path: Path):
    paths = write_songs(tmp_path / "in", [f"{k}.wav" for k in range(4)], seconds=20)
    out = tmp_path / "out"
    process = start("-q", "-p", STARTER, "--workers", 1, tmp_path / "in", out)
    worker = wait_for_part(out)
    process.kill()
    kill(worker)
    process.communicate()
    assert part_files(out)
    done = cli("catalogue", "-p", STARTER, "--workers", 1, tmp_path / "in", out)
    assert done.returncode == 0, done.stderr
    assert part_files(out) == []
    assert tree(out) == separated(tmp_path / "own", {path.name: path for path in paths}, STARTER)


@linux
def test_orphans_end_and_leave_nothing_half_written(tmp_path: Path):
    write_songs(tmp_path / "in", ["a.wav"], seconds=120)
    out = tmp_path / "out"
    process = start("-q", "-p", STARTER, "--workers", 1, tmp_path / "in", out)
    worker = wait_for_part(out)
    process.kill()
    process.communicate()
    end = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
    assert part_files(out) == []


@linux
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupts_are_clean(tmp_path: Path, name: str):
    write_songs(tmp_path / "in", [f"{k}.wav" for k in range(3)], seconds=60)
    out = tmp_path / "out"
    process = start("-p", STARTER, "--workers", 1, tmp_path / "in", out)
    wait_for_part(out)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "run the same command again" in errors
    assert part_files(out) == []
    assert not list(out.rglob("stop-*"))
    finished = {row.uri for row in Manifest(str(out / "_spleeterrt" / "manifest")).rows()}
    assert len(tree(out)) == 2 * len(finished) < 6


def test_wrong_usage_is_told_before_any_work(tmp_path: Path):
    write_songs(tmp_path / "in", ["a.wav"])
    for args, what in (
        (["--address", "tcp://127.0.0.1:1"], "address"),
        (["--stems", "cowbell"], "cowbell"),
        (["-c", "flac", "--bit-depth", "float32"], "flac"),
    ):
        done = cli("catalogue", "-p", MODEL, *args, tmp_path / "in", tmp_path / "out")
        assert done.returncode == 2, (args, done.stderr)
        assert what in done.stderr
    file = cli("catalogue", "-p", MODEL, tmp_path / "in", tmp_path / "in" / "a.wav")
    assert file.returncode == 2
    assert "is not a folder" in file.stderr
    same = cli("catalogue", "-p", MODEL, tmp_path / "in", tmp_path / "in")
    assert same.returncode == 2
    assert "the same folder" in same.stderr
    unknown = cli("catalogue", "-p", MODEL, tmp_path / "in", "nosuch://songs/out")
    assert unknown.returncode == 2
    assert "install" in unknown.stderr
    missing = cli("catalogue", "-p", MODEL, tmp_path / "songs.csv", tmp_path / "out")
    assert missing.returncode == 1
    assert f"{tmp_path / 'songs.csv'}: cannot be read" in missing.stderr
    empty = cli("catalogue", "-p", MODEL, tmp_path / "out", tmp_path / "out2")
    assert empty.returncode == 1
    assert not (tmp_path / "out2").exists()
