"""Files that appear whole, and the leftovers of processes that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import atomic
from spleeterrt.atomic import STALE_SECONDS, sweep, temporary, write_whole
from spleeterrt.audio.writer import StemFileWriter

linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")


def leave(folder: Path, *, folders: bool = False) -> Path:
    """What another process leaves in `folder` when it is killed outright."""
    make = "mkdir" if folders else "touch"
    program = (
        "import os, pathlib, signal, sys\nfrom spleeterrt.atomic import temporary\n"
        f"path = temporary(pathlib.Path(sys.argv[1])); path.{make}(); print(path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, env=env)
    assert done.returncode == -signal.SIGKILL, done.stderr
    path = Path(done.stdout.strip())
    assert path.exists()
    return path


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


@linux
def test_leftovers_of_a_killed_process_go(tmp_path: Path) -> None:
    left = [leave(tmp_path), leave(tmp_path, folders=True)]
    (left[1] / "model.index").write_bytes(b"half")
    mine = temporary(tmp_path)
    mine.touch()
    age(mine, 9 * STALE_SECONDS)
    others = ["song.part", ".spleeterrt-notes.part", ".spleeterrt-0123456789abcdef.partial", ".hidden"]
    for name in others:
        (tmp_path / name).touch()
        age(tmp_path / name, 9 * STALE_SECONDS)
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, *others}


@linux
def test_those_of_a_process_that_has_ended_but_is_still_listed_go(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        name = f".spleeterrt-{atomic._system()}-{process.pid}-{atomic._start(process.pid)}-{'0' * 16}.part"
        while atomic._status(process.pid)[0] != b"Z":  # until somebody asks how it ended
            time.sleep(0.01)
        (tmp_path / name).touch()
        sweep(tmp_path)
        assert not (tmp_path / name).exists()
    finally:
        process.wait()


@linux
def test_those_of_a_running_process_stay(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\nfrom spleeterrt.atomic import temporary\n"
        "path = temporary(pathlib.Path(sys.argv[1])); path.touch(); print(path, flush=True); sys.stdin.read()"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        age(path, 9 * STALE_SECONDS)
        sweep(tmp_path)
        assert path.exists()
        process.kill()
        process.wait()
        sweep(tmp_path)
        assert not path.exists()


@linux
@pytest.mark.parametrize("what", ["system", "space"])
def test_those_of_another_machine_stay_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Also of another container on this kernel: an id of its own name space says nothing here."""
    kernel, space = atomic._system().split("-")
    with monkeypatch.context() as patch:
        elsewhere = f"{'0' * 12}-{space}" if what == "system" else f"{kernel}-1"
        patch.setattr(atomic, "_system", lambda: elsewhere)
        patch.setattr(os, "getpid", lambda: 1)
        patch.setattr(atomic, "_start", lambda pid: "1")
        path = temporary(tmp_path)
    path.touch()
    sweep(tmp_path)
    age(path, STALE_SECONDS - 60)
    sweep(tmp_path)
    assert path.exists()
    age(path, STALE_SECONDS + 60)
    sweep(tmp_path)
    assert not path.exists()


def test_without_proc_only_age_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_system", lambda: "")
    path = temporary(tmp_path)
    assert len(path.name) < 40
    path.touch()
    sweep(tmp_path)
    assert path.exists()
    age(path, STALE_SECONDS + 60)
    sweep(tmp_path)
    assert not path.exists()


@linux
def test_a_later_process_of_the_same_id_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_start", lambda pid: "1")
        earlier = temporary(tmp_path)  # of this id, but begun at another time
    earlier.touch()
    sweep(tmp_path)
    assert not earlier.exists()


@linux
def test_a_process_of_somebody_else_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = temporary(tmp_path)
    path.touch()

    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    sweep(tmp_path)
    assert path.exists()


def test_links_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_system", lambda: "")
    monkeypatch.setattr(atomic, "STALE_SECONDS", -1.0)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "song.wav").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    temporary(folder).symlink_to(kept)
    sweep(folder)
    assert list(folder.iterdir()) == []
    assert (kept / "song.wav").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    sweep(tmp_path / "no")


@linux
def test_who_sweeps(tmp_path: Path) -> None:
    """Stems and whole files: the next run into the folder."""
    for write in (
        lambda folder: write_whole(folder / "x.json", b"{}"),
        lambda folder: write_stem(folder / "vocals.wav"),
    ):
        left = leave(tmp_path)
        write(tmp_path)
        assert not left.exists()


def write_stem(path: Path) -> None:
    with StemFileWriter({"vocals": path}, 44100) as writer:
        writer.write({"vocals": np.zeros((10, 2), np.float32)})
